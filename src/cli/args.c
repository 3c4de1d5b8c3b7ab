/* Options, and the help that is written from them. */
#include "base/build.h"
#include "cli/cli.h"

struct globals {
	const char *url;
	bool json, help;
};

static const struct nx_cli_option *find_option(const struct nx_cli_option *o, nx_str name)
{
	for (; o && o->name; o++)
		if (nx_str_eqz(name, o->name))
			return o;
	return NULL;
}

static int unknown_option(const struct nx_verb *v, nx_str name, struct nx_error **err)
{
	const char *names[256];
	size_t n = 0;

	for (const struct nx_cli_option *o = v->options; o && o->name && n < nx_countof(names); o++)
		names[n++] = o->name;
	names[n++] = "url";
	names[n++] = "json";
	names[n++] = "help";
	for (size_t i = 0; v->takes_config && i < nx_config_noptions && n < nx_countof(names); i++)
		names[n++] = nx_config_options[i].flag + 2; /* without its -- */
	const char *nearest = nx_str_nearest(name, names, n);
	nx_error_set(err, NX_EINVAL, "`nexus %s` has no option `--%.*s`", v->name, NX_FMT(name));
	return nearest ? nx_error_hint(err, "did you mean `--%s`?", nearest) : NX_EINVAL;
}

/* The value of an option: after "=", or the next word. */
static int take_value(nx_str name, nx_str *given, bool has_value, int *i, int argc, char **argv, struct nx_error **err)
{
	if (has_value)
		return 0;
	if (*i + 1 >= argc)
		return nx_error_set(err, NX_EINVAL, "`--%.*s` needs a value", NX_FMT(name));
	*given = nx_str_z(argv[++*i]);
	return 0;
}

static int take_option(struct nx_cli *c, const struct nx_verb *v, struct globals *g, int *i, int argc, char **argv,
		       struct nx_error **err)
{
	nx_str value = nx_str_z(argv[*i] + 2), name = value;
	ptrdiff_t eq = nx_str_find(value, NX_STR("="));
	int rc;

	if (eq >= 0) {
		name = nx_str_slice(value, 0, (size_t)eq);
		value = nx_str_slice(value, (size_t)eq + 1, value.n);
	}
	const struct nx_cli_option *o = find_option(v->options, name);
	const struct nx_cli_option all[] = {{"url", "URL", "", &g->url, NULL},
					    {"json", NULL, "", NULL, &g->json},
					    {"help", NULL, "", NULL, &g->help},
					    {NULL, NULL, NULL, NULL, NULL}};
	if (!o)
		o = find_option(all, name);
	if (o && o->flag) {
		*o->flag = true;
		return eq < 0 ? 0 : nx_error_set(err, NX_EINVAL, "`--%s` takes no value", o->name);
	}
	char *flag = nx_str_zdup(c->arena, name);
	bool config = !o && flag && nx_config_find(flag) && (v->takes_config || strcmp(flag, "home") == 0);
	if (!o && !config)
		return unknown_option(v, name, err);
	if ((rc = take_value(name, &value, eq >= 0, i, argc, argv, err)) < 0)
		return rc;
	if (config)
		return nx_config_set(c->config, flag, value, NX_ORIGIN_FLAG, err);
	*o->ret = nx_str_zdup(c->arena, value);
	return *o->ret ? 0 : nx_error_set(err, NX_ENOMEM, "read the options");
}

/* Where a server that listens there is reached: "8600", "0.0.0.0:8600" and "[::]:8600" are no addresses to call. */
static const char *listen_url(struct nx_cli *c)
{
	const char *at = c->config->listen;

	if (!strchr(at, ':'))
		return nx_arena_printf(c->arena, "http://127.0.0.1:%s", at);
	if (strncmp(at, "0.0.0.0:", 8) == 0)
		return nx_arena_printf(c->arena, "http://127.0.0.1:%s", at + 8);
	if (strncmp(at, "[::]:", 5) == 0)
		return nx_arena_printf(c->arena, "http://[::1]:%s", at + 5);
	return nx_arena_printf(c->arena, "http://%s", at);
}

int nx_cli_parse(struct nx_cli *c, const struct nx_verb *v, int *argc, char **argv, bool *ret_help,
		 struct nx_error **err)
{
	struct globals g = {0};
	int words = 0;
	bool only_words = false;

	for (int i = 0; i < *argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && strcmp(argv[i], "-h") == 0) {
			g.help = true;
		} else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
			int rc = take_option(c, v, &g, &i, *argc, argv, err);
			if (rc < 0)
				return rc;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != 0) {
			return nx_error_set(err, NX_EINVAL, "there are no short options: `%s`", argv[i]);
		} else {
			argv[words++] = argv[i];
		}
	}
	*argc = words;
	*ret_help = g.help;
	c->json = g.json;
	const char *env = getenv("NEXUS_URL");
	c->url = g.url ? g.url : env && env[0] ? env : listen_url(c);
	c->alone = v->alone && !g.url && !(env && env[0]);
	return c->url ? 0 : nx_error_set(err, NX_ENOMEM, "read the options");
}

static void put_option(FILE *f, const char *name, const char *arg, const char *help)
{
	int n = fprintf(f, "  --%s%s%s", name, arg ? " " : "", arg ? arg : "");
	fprintf(f, "%*s%s\n", n < 28 ? 28 - n : 2, "", help);
}

static void put_options(const struct nx_verb *v, FILE *f)
{
	fputs("\nOptions\n", f);
	for (const struct nx_cli_option *o = v->options; o && o->name; o++)
		put_option(f, o->name, o->arg, o->help);
	if (v->alone)
		put_option(f, "url", "URL", "server to talk to (NEXUS_URL; else the configured address, else none)");
	put_option(f, "json", NULL, "print what a program can read");
	put_option(f, "home", "DIR", "data directory (NEXUS_HOME)");
	put_option(f, "help", NULL, "this text");
	if (v->takes_config)
		fputs("Every configuration option is one too: `nexus config` lists them.\n", f);
}

void nx_cli_help(const struct nx_verb *v, FILE *f)
{
	fprintf(f, "nexus %s: %s\n\nExamples\n%s\nUsage\n  nexus %s\n", v->name, v->summary, v->examples, v->usage);
	if (!v->raw)
		put_options(v, f);
	if (v->more)
		fprintf(f, "\n%s", v->more);
}

void nx_cli_overview(FILE *f)
{
	fprintf(f,
		"nexus %s: a self-hosted agent runtime in one program.\n\nExamples\n"
		"  nexus serve                              start the server with its console\n"
		"  nexus ingest docs/                       store documents\n"
		"  nexus ask \"Who designed the gauge?\"      ask, and watch the plan run\n"
		"  nexus exec program.py                    run a program in the sandbox\n\nVerbs\n",
		NX_VERSION);
	for (size_t i = 0; nx_verbs[i]; i++)
		if (!nx_verbs[i]->hidden)
			fprintf(f, "  %-10s %s\n", nx_verbs[i]->name, nx_verbs[i]->summary);
	fputs("\n`nexus VERB --help` tells more. Exit status: 0 done, 1 failed, 2 wrong usage, 4 not allowed.\n", f);
}
