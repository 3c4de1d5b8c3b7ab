#include "cli/cli.h"
#include "tests/unit/cli/capture.h"

static const char *mode, *plan;
static bool quiet;
static const struct nx_cli_option options[] = {
	{"mode", "MODE", "how", &mode, NULL},
	{"plan", "FILE", "what", &plan, NULL},
	{"quiet", NULL, "less", NULL, &quiet},
	{NULL, NULL, NULL, NULL, NULL},
};
static const struct nx_verb verb = {.name = "try",
				    .usage = "try WORDS…",
				    .summary = "tries",
				    .examples = "  nexus try x\n",
				    .options = options,
				    .alone = true};
static const struct nx_verb configured = {.name = "run",
					  .usage = "run",
					  .summary = "runs",
					  .examples = "  nexus run\n",
					  .more = "More.\n",
					  .takes_config = true};

struct made {
	struct nx_cli c;
	struct nx_error *err;
	bool help;
	int argc, rc;
	char *argv[16];
};

static void done(struct made *m)
{
	nx_error_free(m->err);
	nx_config_free(m->c.config);
	nx_arena_free(m->c.arena);
}
#define auto_made __attribute__((cleanup(done))) struct made

/* Parses the words, which end with NULL, for a verb under a configuration that listens at `listen`. */
static struct made parse(const struct nx_verb *v, const char *listen, const char *const *words)
{
	struct made m = {.c = {.arena = nx_arena_new(0)}};
	mode = plan = NULL;
	quiet = false;
	ASSERT_OK(nx_config_load(NULL, (const char *const[]){"HOME=/home/u", NULL}, &m.c.config, NULL));
	if (listen)
		ASSERT_OK(nx_config_set(m.c.config, "listen", nx_str_z(listen), NX_ORIGIN_FLAG, NULL));
	for (; words[m.argc]; m.argc++)
		m.argv[m.argc] = nx_arena_strdup(m.c.arena, words[m.argc]);
	m.rc = nx_cli_parse(&m.c, v, &m.argc, m.argv, &m.help, &m.err);
	return m;
}
#define PARSE(v, ...) parse((v), NULL, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

TEST(options_and_words_may_be_mixed)
{
	auto_made m = PARSE(&verb, "one", "--mode", "text", "two", "--quiet", "--plan=a=b", "-");
	ASSERT_OK(m.rc);
	ASSERT_EQ(m.argc, 3);
	ASSERT_STREQ(m.argv[0], "one");
	ASSERT_STREQ(m.argv[1], "two");
	ASSERT_STREQ(m.argv[2], "-");
	ASSERT_STREQ(mode, "text");
	ASSERT_STREQ(plan, "a=b");
	ASSERT_TRUE(quiet);
	ASSERT_FALSE(m.c.json);
	ASSERT_FALSE(m.help);
}

TEST(two_dashes_end_the_options)
{
	auto_made m = PARSE(&verb, "--json", "--", "--quiet", "-x", "--");
	ASSERT_OK(m.rc);
	ASSERT_EQ(m.argc, 3);
	ASSERT_STREQ(m.argv[0], "--quiet");
	ASSERT_TRUE(m.c.json);
	ASSERT_FALSE(quiet);
}

TEST(help_is_asked_for_in_two_ways)
{
	auto_made a = PARSE(&verb, "x", "--help");
	auto_made b = PARSE(&verb, "-h");
	ASSERT_TRUE(a.help);
	ASSERT_TRUE(b.help);
}

static void check_refused(struct made *m, const char *message, const char *hint)
{
	ASSERT_ERR(m->rc, NX_EINVAL);
	ASSERT_STREQ(nx_error_message(m->err), message);
	ASSERT_STREQ(nx_error_get_hint(m->err), hint);
}

TEST(what_is_wrong_is_named_with_what_would_be_right)
{
	auto_made unknown = PARSE(&verb, "--mods", "x");
	check_refused(&unknown, "`nexus try` has no option `--mods`", "did you mean `--mode`?");
	auto_made far = PARSE(&verb, "--zzzzzzzzzz");
	check_refused(&far, "`nexus try` has no option `--zzzzzzzzzz`", "");
	auto_made missing = PARSE(&verb, "--mode");
	check_refused(&missing, "`--mode` needs a value", "");
	auto_made sw = PARSE(&verb, "--quiet=yes");
	check_refused(&sw, "`--quiet` takes no value", "");
	auto_made brief = PARSE(&verb, "-q");
	check_refused(&brief, "there are no short options: `-q`", "");
	auto_made config = PARSE(&configured, "--listn", "x");
	check_refused(&config, "`nexus run` has no option `--listn`", "did you mean `--listen`?");
}

TEST(configuration_is_an_option_only_where_the_verb_takes_it)
{
	auto_made yes = PARSE(&configured, "--api-threads", "2");
	ASSERT_OK(yes.rc);
	ASSERT_EQ(yes.c.config->api_threads, 2);
	ASSERT_EQ(nx_config_origin(yes.c.config, nx_config_find("api.threads")), NX_ORIGIN_FLAG);
	auto_made no = PARSE(&verb, "--api-threads", "2");
	ASSERT_ERR(no.rc, NX_EINVAL);
	auto_made bad = PARSE(&configured, "--api-threads", "many");
	ASSERT_ERR(bad.rc, NX_EINVAL);
	auto_made home = PARSE(&verb, "--home", "/srv/n");
	ASSERT_OK(home.rc);
	ASSERT_STREQ(home.c.config->home, "/srv/n");
}

TEST(the_server_is_the_one_that_was_named)
{
	ASSERT_EQ(unsetenv("NEXUS_URL"), 0);
	auto_made none = PARSE(&verb, "x");
	ASSERT_STREQ(none.c.url, "http://127.0.0.1:8600");
	ASSERT_TRUE(none.c.alone);
	auto_made needs = PARSE(&configured);
	ASSERT_FALSE(needs.c.alone);
	ASSERT_EQ(setenv("NEXUS_URL", "http://127.0.0.1:1", 1), 0);
	auto_made env = PARSE(&verb, "x");
	ASSERT_STREQ(env.c.url, "http://127.0.0.1:1");
	ASSERT_FALSE(env.c.alone);
	auto_made flag = PARSE(&verb, "--url", "http://127.0.0.1:2");
	ASSERT_STREQ(flag.c.url, "http://127.0.0.1:2");
	ASSERT_FALSE(flag.c.alone);
	ASSERT_EQ(setenv("NEXUS_URL", "", 1), 0);
	auto_made empty = PARSE(&verb, "x");
	ASSERT_TRUE(empty.c.alone);
	ASSERT_EQ(unsetenv("NEXUS_URL"), 0);
}

TEST(where_a_server_listens_is_not_always_where_it_is_called)
{
	static const struct {
		const char *listen, *url;
	} cases[] = {
		{"127.0.0.1:9000", "http://127.0.0.1:9000"}, {"9000", "http://127.0.0.1:9000"},
		{"0.0.0.0:9000", "http://127.0.0.1:9000"},   {"[::]:9000", "http://[::1]:9000"},
		{"[::1]:9000", "http://[::1]:9000"},         {"example.org:80", "http://example.org:80"},
	};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		auto_made m = parse(&verb, cases[i].listen, (const char *const[]){"x", NULL});
		ASSERT_STREQ(m.c.url, cases[i].url);
	}
}

TEST(help_shows_examples_first_and_each_option)
{
	struct capture k;
	capture(&k, stdout);
	nx_cli_help(&verb, stdout);
	const char *text = captured(&k);
	ASSERT_EQ(strncmp(text, "nexus try: tries\n\nExamples\n  nexus try x\n\nUsage\n  nexus try WORDS…\n", 40), 0);
	ASSERT_CONTAINS(text, "  --mode MODE               how\n");
	ASSERT_CONTAINS(text, "  --quiet                   less\n");
	ASSERT_CONTAINS(text, "  --url URL");
	capture(&k, stdout);
	nx_cli_help(&configured, stdout);
	text = captured(&k);
	ASSERT_NULL(strstr(text, "--url"));
	ASSERT_CONTAINS(text, "`nexus config` lists them");
	ASSERT_CONTAINS(text, "\nMore.\n");
}

TEST(the_overview_lists_every_verb_that_is_for_people)
{
	struct capture k;
	capture(&k, stdout);
	nx_cli_overview(stdout);
	const char *text = captured(&k);
	for (size_t i = 0; nx_verbs[i]; i++) {
		char line[64];
		(void)snprintf(line, sizeof(line), "\n  %-10s ", nx_verbs[i]->name);
		ASSERT_EQ(strstr(text, line) != NULL, !nx_verbs[i]->hidden);
	}
}
