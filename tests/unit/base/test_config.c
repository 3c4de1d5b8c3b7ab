#include "base/config.h"
#include "base/io.h"
#include "tests/unit/nx_test.h"

#include <sys/stat.h>

static void config_freep(struct nx_config **c)
{
	nx_config_free(*c);
}
#define auto_config __attribute__((cleanup(config_freep))) struct nx_config *

static const char *const no_environment[] = {"HOME=/home/u", NULL};

static struct nx_config *defaults(void)
{
	struct nx_config *c = NULL;
	nx_auto_error struct nx_error *err = NULL;
	if (nx_config_load(NULL, no_environment, &c, &err) != 0)
		fail_msg("%s", nx_error_message(err));
	return c;
}

static void check_refused(const char *yaml, const char *message, const char *hint)
{
	auto_config c = defaults();
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_NE(nx_config_read(c, nx_str_z(yaml), "nexus.yaml", &err), 0);
	ASSERT_STREQ(nx_error_message(err), message);
	ASSERT_STREQ(nx_error_get_hint(err), hint);
}

TEST(the_table_is_sorted_and_its_defaults_are_allowed)
{
	auto_config c = defaults();
	for (size_t i = 0; i < nx_config_noptions; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		if (i > 0)
			ASSERT_LT(strcmp(nx_config_options[i - 1].name, o->name), 0);
		ASSERT_EQ(nx_config_origin(c, o), NX_ORIGIN_DEFAULT);
		ASSERT_GT(strlen(o->help), 8);
		ASSERT_TRUE(nx_config_find(o->name) == o);
		ASSERT_TRUE(nx_config_find(o->flag) == o);
		ASSERT_TRUE(nx_config_find(o->env) == o);
	}
	ASSERT_EQ(c->api_max_body_bytes, 32 << 20);
	ASSERT_EQ(c->core_default_timeout, 300000);
	ASSERT_STREQ(c->listen, "127.0.0.1:8600");
	ASSERT_TRUE(c->sandbox_degraded);
	ASSERT_DOUBLE_EQ(c->memory_episode_importance, 0.7);
}

TEST(names_have_three_spellings)
{
	const struct nx_config_option *o = nx_config_find("api.max_body_bytes");
	ASSERT_STREQ(o->env, "NEXUS_API_MAX_BODY_BYTES");
	ASSERT_STREQ(o->flag, "--api-max-body-bytes");
	ASSERT_NULL(nx_config_find("api.max_body"));
	ASSERT_NULL(nx_config_find(""));
	ASSERT_NULL(nx_config_find("--"));
}

TEST(each_source_goes_before_the_one_below)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *file = nx_path_join(a, nx_test_dir(), "nexus.yaml");
	const char *const environment[] = {"HOME=/home/u", "PATH=/bin", "NEXUS_API_THREADS=3", NULL};
	ASSERT_OK(nx_file_write_durable(file, NX_STR("api:\n  threads: 2\n  max_depth: 16\nlog.level: warn\n"), 0600,
					NULL));
	auto_config c = NULL;
	ASSERT_OK(nx_config_load(file, environment, &c, NULL));
	ASSERT_OK(nx_config_set(c, "--log-level", NX_STR("error"), NX_ORIGIN_FLAG, NULL));
	ASSERT_EQ(c->api_threads, 3);
	ASSERT_EQ(c->api_max_depth, 16);
	ASSERT_STREQ(c->log_level, "error");
	ASSERT_EQ(nx_config_origin(c, nx_config_find("api.threads")), NX_ORIGIN_ENV);
	ASSERT_EQ(nx_config_origin(c, nx_config_find("api.max_depth")), NX_ORIGIN_FILE);
	ASSERT_EQ(nx_config_origin(c, nx_config_find("log.level")), NX_ORIGIN_FLAG);
	ASSERT_STREQ(nx_config_origin_name(NX_ORIGIN_ENV), "environment");
}

TEST(a_file_that_is_absent_is_skipped_and_one_that_cannot_be_read_is_not)
{
	auto_config c = NULL;
	ASSERT_OK(nx_config_load("/nowhere/nexus.yaml", no_environment, &c, NULL));
	auto_config d = NULL;
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_config_load(nx_test_dir(), no_environment, &d, &err), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_message(err), "Is a directory");
}

TEST(home_is_resolved)
{
	auto_config c = defaults();
	ASSERT_STREQ(c->home, "/home/u/.local/share/nexus");
	static const struct {
		const char *environment[4], *home;
	} cases[] = {
		{{"HOME=/home/u", "NEXUS_HOME=~/data"}, "/home/u/data"},
		{{"HOME=/home/u", "XDG_DATA_HOME=/srv/data"}, "/srv/data/nexus"},
		{{"HOME=/home/u", "XDG_DATA_HOME=data"}, "/home/u/.local/share/nexus"},
		{{"HOME=/home/u", "XDG_DATA_HOME=/srv/data", "NEXUS_HOME=/other"}, "/other"},
	};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		auto_config d = NULL;
		ASSERT_OK(nx_config_load(NULL, cases[i].environment, &d, NULL));
		ASSERT_STREQ(d->home, cases[i].home);
	}
	auto_config e = NULL;
	ASSERT_OK(nx_config_load(NULL, NULL, &e, NULL));
	ASSERT_EQ(e->home[0], '/');
}

TEST(a_file_may_be_empty_and_may_use_lists_and_nulls)
{
	auto_config c = defaults();
	ASSERT_OK(nx_config_read(c, NX_STR(""), "f", NULL));
	ASSERT_OK(nx_config_read(c, NX_STR("api:\n  allowed_hosts: [a.example, b.example]\n  threads:\n"), "f", NULL));
	ASSERT_STREQ(c->api_allowed_hosts, "a.example,b.example");
	ASSERT_EQ(nx_config_origin(c, nx_config_find("api.threads")), NX_ORIGIN_DEFAULT);
	ASSERT_OK(nx_config_read(c, NX_STR("sandbox.degraded: false\nmemory: {episode_importance: 0.5}\n"), "f", NULL));
	ASSERT_FALSE(c->sandbox_degraded);
	ASSERT_DOUBLE_EQ(c->memory_episode_importance, 0.5);
}

TEST(mistakes_in_a_file_name_the_option_and_the_remedy)
{
	check_refused("api:\n  max_bdy_bytes: 1\n", "nexus.yaml: there is no option \"api.max_bdy_bytes\"",
		      "did you mean \"api.max_body_bytes\"?");
	check_refused("colour: red\n", "nexus.yaml: there is no option \"colour\"",
		      "`nexus config` lists every option");
	check_refused("core.default_timeout: 30\n",
		      "nexus.yaml: core.default_timeout: \"30\" has no unit: write 30s, 30min or 30h", "");
	check_refused("api.max_depth: 1000\n", "nexus.yaml: api.max_depth: must be between 4 and 256, not 1000", "");
	check_refused("api.max_body_bytes: 2GiB\n",
		      "nexus.yaml: api.max_body_bytes: must be between 1 KiB and 1 GiB, not 2 GiB", "");
	check_refused("core.max_timeout: 1ms\n", "nexus.yaml: core.max_timeout: must be between 1 s and 30 d, not 1 ms",
		      "");
	check_refused("log.level: loud\n", "nexus.yaml: log.level: \"loud\" is not one of: debug info warn error", "");
	check_refused("sandbox.degraded: maybe\n", "nexus.yaml: sandbox.degraded: \"maybe\" is neither true nor false",
		      "");
	check_refused("model.chat: 4\n", "nexus.yaml: model.chat must be text", "write the value in quotes");
	check_refused("api.threads: {a: 1}\n", "nexus.yaml: api.threads is one value, not a group of options", "");
	check_refused("api.threads: [1]\n", "nexus.yaml: api.threads is one value, not a list", "");
	check_refused("api.threads: 1.5\n", "nexus.yaml: api.threads: \"1.5\" is not a whole number", "");
	check_refused("api.allowed_hosts: [1]\n", "nexus.yaml: api.allowed_hosts: an item of the list is not text", "");
	check_refused("- x\n", "nexus.yaml must hold options, one a line", "listen: 127.0.0.1:8600");
	check_refused("api.threads: 1\napi: {threads: 2}\n", "nexus.yaml: api.threads is set twice", "");
	check_refused("api: 3\n", "nexus.yaml: there is no option \"api\"", "`nexus config` lists every option");
	check_refused("a: &x 1\n",
		      "nexus.yaml: line 1, column 4: anchors (&name) are not supported: write the value out", "");
}

TEST(an_unknown_variable_is_an_error_and_those_of_others_are_not)
{
	const char *const bad[] = {"NEXUS_LISTN=x", NULL};
	auto_config c = NULL;
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_config_load(NULL, bad, &c, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(err), "environment variable NEXUS_LISTN: there is no option \"NEXUS_LISTN\"");
	ASSERT_STREQ(nx_error_get_hint(err), "did you mean \"NEXUS_LISTEN\"?");

	const char *const good[] = {"NEXUS_URL=x",
				    "NEXUS_KEY=k",
				    "NEXUS_FAULTS=",
				    "NEXUS_SANDBOX_FORCE=x",
				    "NEXUS_SERVICE_HOST=10.0.0.1",
				    "NEXUS_SERVICE_PORT_HTTP=80",
				    "NEXUS_PORT=tcp://10.0.0.1:8600",
				    "NEXUS_PORT_8600_TCP_ADDR=10.0.0.1",
				    "NEXUS_CONSOLE_PORT_80_TCP=x",
				    "NEXUSX=1",
				    "malformed",
				    NULL};
	auto_config d = NULL;
	ASSERT_OK(nx_config_load(NULL, good, &d, NULL));
}

TEST(a_bad_variable_is_named)
{
	const char *const environment[] = {"NEXUS_API_THREADS=many", NULL};
	auto_config c = NULL;
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_config_load(NULL, environment, &c, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(err),
		     "environment variable NEXUS_API_THREADS: api.threads: \"many\" is not a whole number");
	ASSERT_NULL(c);
}

TEST(an_unknown_flag_is_told_as_a_flag)
{
	auto_config c = defaults();
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_config_set(c, "--api-thread", NX_STR("1"), NX_ORIGIN_FLAG, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_get_hint(err), "did you mean \"--api-threads\"?");
}

TEST(text_never_shows_a_secret_and_can_be_read_back)
{
	auto_config c = defaults();
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const struct nx_config_option *key = nx_config_find("model.api_key");
	ASSERT_STREQ(nx_config_text(c, key, a), "(not set)");
	ASSERT_OK(nx_config_set(c, "model.api_key", NX_STR("sk-secret"), NX_ORIGIN_ENV, NULL));
	ASSERT_STREQ(nx_config_text(c, key, a), "(set)");
	ASSERT_STREQ(nx_config_text(c, nx_config_find("api.max_body_bytes"), a), "32 MiB");
	ASSERT_STREQ(nx_config_text(c, nx_config_find("knowledge.chunk_bytes"), a), "1200 B");
	ASSERT_STREQ(nx_config_text(c, nx_config_find("core.default_timeout"), a), "5 min");
	for (size_t i = 0; i < nx_config_noptions; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		if (o->flags & NX_CONFIG_SECRET)
			continue;
		const char *text = nx_config_text(c, o, a);
		ASSERT_OK(nx_config_set(c, o->name, nx_str_z(text), NX_ORIGIN_FLAG, NULL));
		ASSERT_STREQ(nx_config_text(c, o, a), text);
	}
}

TEST(a_secret_is_not_quoted_in_an_error)
{
	auto_config c = defaults();
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_config_set(c, "model.api_key", NX_STR("sk-secret\xFF"), NX_ORIGIN_ENV, &err), NX_EENCODING);
	ASSERT_NULL(strstr(nx_error_message(err), "sk-"));
}

TEST(the_table_is_written_as_markdown)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_config_markdown(&b);
	ASSERT_FALSE(nx_buf_failed(&b));
	ASSERT_CONTAINS(b.p, "# Configuration\n");
	ASSERT_CONTAINS(b.p, "\n## General\n");
	ASSERT_CONTAINS(b.p, "\n## Sandbox\n");
	ASSERT_CONTAINS(b.p, "| `api.max_body_bytes` | `32MiB` | size, 1 KiB to 1 GiB | largest request body | "
			     "`NEXUS_API_MAX_BODY_BYTES` |\n");
	ASSERT_CONTAINS(b.p, "| `debug`, `info`, `warn`, `error` |" + 2);
	ASSERT_CONTAINS(b.p, "(secret: never shown)");
	for (size_t i = 0; i < nx_config_noptions; i++) {
		nx_auto_buf struct nx_buf row = NX_BUF_INIT;
		nx_buf_addf(&row, "\n| `%s` |", nx_config_options[i].name);
		ASSERT_CONTAINS(b.p, row.p);
	}
}
