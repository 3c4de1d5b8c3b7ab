/* nexus explain: what an error code means, why it comes, how to mend it. */
#include "cli/verbs.h"

static bool arabic;
static const struct nx_cli_option options[] = {
	{"ar", NULL, "in Arabic", NULL, &arabic},
	{NULL, NULL, NULL, NULL, NULL},
};

static int list(struct nx_cli *c)
{
	for (size_t i = 0;; i++) {
		const struct nx_error_info *e = nx_error_info_at(i);
		if (!e)
			return NX_EXIT_OK;
		printf("%s%-16s%s %s\n", nx_cli_bold(c), e->name, nx_cli_reset(c), arabic ? e->title_ar : e->title);
	}
}

static const char *nearest_code(const char *word)
{
	const char *names[128];
	size_t n = 0;

	for (const struct nx_error_info *e; n < nx_countof(names) && (e = nx_error_info_at(n)); n++)
		names[n] = e->name;
	return nx_str_nearest(nx_str_z(word), names, n);
}

static void print_json(struct nx_cli *c, const struct nx_error_info *e)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	nx_str text;

	if (!d)
		return;
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_strz(d, o, "code", e->name);
	nx_json_add_strz(d, o, "title", arabic ? e->title_ar : e->title);
	nx_json_add_strz(d, o, "why", arabic ? e->why_ar : e->why);
	nx_json_add_strz(d, o, "how", arabic ? e->how_ar : e->how);
	if (nx_json_write(c->arena, o, false, &text, NULL) == 0)
		printf("%.*s\n", NX_FMT(text));
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;

	if (argc == 0)
		return list(c);
	if (argc > 1)
		return nx_cli_usage(&nx_verb_explain, "name one code");
	const struct nx_error_info *e = nx_error_info_by_name(argv[0]);
	if (!e) {
		nx_error_set(&err, NX_ENOTFOUND, "there is no error code `%s`", argv[0]);
		const char *nearest = nearest_code(argv[0]);
		if (nearest)
			nx_error_hint(&err, "did you mean `nexus explain %s`?", nearest);
		else
			nx_error_hint(&err, "`nexus explain` lists them");
		return nx_cli_fail(c, err);
	}
	if (c->json)
		print_json(c, e);
	else if (arabic)
		printf("%s: %s\n\nالسبب: %s\nالحل: %s\n", e->name, e->title_ar, e->why_ar, e->how_ar);
	else
		printf("%s%s%s: %s\n\nWhy: %s\nWhat to do: %s\n", nx_cli_bold(c), e->name, nx_cli_reset(c), e->title,
		       e->why, e->how);
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_explain = {
	.name = "explain",
	.usage = "explain [--ar] [CODE]",
	.summary = "what an error code means and how to mend it",
	.examples = "  nexus explain NX-IN-USE\n  nexus explain --ar NX-NO-SERVER\n",
	.options = options,
	.run = run,
};
