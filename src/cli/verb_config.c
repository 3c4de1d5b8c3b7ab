/* nexus config: every option with its value, where that comes from, and what it is for. */
#include "cli/verbs.h"

static bool markdown;
static const struct nx_cli_option options[] = {
	{"markdown", NULL, "the reference, as in docs/configuration.md", NULL, &markdown},
	{NULL, NULL, NULL, NULL, NULL},
};
static const char *const origins[] = {"default", "file", "environment", "flag"};

static void print_json(struct nx_cli *c, const char *part)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	nx_str text;

	for (size_t i = 0; list && i < nx_config_noptions; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		if (part && !strstr(o->name, part))
			continue;
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(d, list);
		nx_json_add_strz(d, v, "name", o->name);
		nx_json_add_strz(d, v, "value", nx_config_text(c->config, o, c->arena));
		nx_json_add_strz(d, v, "origin", origins[nx_config_origin(c->config, o)]);
		nx_json_add_strz(d, v, "default", o->def);
		nx_json_add_strz(d, v, "env", o->env);
		nx_json_add_strz(d, v, "flag", o->flag);
		nx_json_add_strz(d, v, "help", o->help);
	}
	if (list && nx_json_write(c->arena, list, isatty(STDOUT_FILENO), &text, NULL) == 0)
		printf("%.*s\n", NX_FMT(text));
}

static int print_markdown(void)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;

	nx_config_markdown(&b);
	fwrite(b.p ? b.p : "", 1, b.n, stdout);
	return nx_buf_failed(&b) ? NX_EXIT_FAILED : NX_EXIT_OK;
}

static int unknown(const char *part)
{
	const char *names[256];
	size_t n = 0;

	for (; n < nx_config_noptions && n < nx_countof(names); n++)
		names[n] = nx_config_options[n].name;
	const char *nearest = nx_str_nearest(nx_str_z(part), names, n);
	if (nearest)
		return nx_cli_usage(&nx_verb_config, "no option has `%s` in its name: did you mean `%s`?", part,
				    nearest);
	return nx_cli_usage(&nx_verb_config, "no option has `%s` in its name", part);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	bool found = false;

	if (argc > 1)
		return nx_cli_usage(&nx_verb_config, "say one part of a name");
	if (markdown)
		return print_markdown();
	if (c->json) {
		print_json(c, argc > 0 ? argv[0] : NULL);
		return NX_EXIT_OK;
	}
	for (size_t i = 0; i < nx_config_noptions; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		if (argc > 0 && !strstr(o->name, argv[0]))
			continue;
		found = true;
		printf("%s%-30s%s %s  %s(%s)%s\n    %s\n", nx_cli_bold(c), o->name, nx_cli_reset(c),
		       nx_config_text(c->config, o, c->arena), nx_cli_dim(c), origins[nx_config_origin(c->config, o)],
		       nx_cli_reset(c), o->help);
	}
	return found ? NX_EXIT_OK : unknown(argv[0]);
}

const struct nx_verb nx_verb_config = {
	.name = "config",
	.usage = "config [options] [PART OF A NAME]",
	.summary = "every option with its value, its origin and what it is for",
	.examples = "  nexus config\n  nexus config sandbox\n  NEXUS_LISTEN=127.0.0.1:9000 nexus config listen\n",
	.more = "Order: default < nexus.yaml in the data directory < environment < flags.\n",
	.takes_config = true,
	.options = options,
	.run = run,
};
