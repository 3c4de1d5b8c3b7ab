/* nexus search: passages, with what each score is made of. */
#include "cli/verbs.h"

static const char *mode, *limit;
static bool explain;
static const struct nx_cli_option options[] = {
	{"mode", "MODE", "hybrid (default), text, vector or graph", &mode, NULL},
	{"limit", "N", "most hits (10)", &limit, NULL},
	{"explain", NULL, "say where each score comes from", NULL, &explain},
	{NULL, NULL, NULL, NULL, NULL},
};

static void put_score(yyjson_val *scores, const char *name)
{
	yyjson_val *v = nx_json_get(scores, name);

	if (yyjson_is_num(v))
		printf("  %s %.3f", name, yyjson_get_num(v));
}

static void print_hit(struct nx_cli *c, size_t i, yyjson_val *hit)
{
	yyjson_val *path = nx_json_get(hit, "path"), *p;
	size_t k, n;

	printf("%s%2zu. ", nx_cli_bold(c), i + 1);
	nx_cli_put_text(stdout, nx_json_str(hit, "title"));
	printf("%s  %s%.4f%s\n    ", nx_cli_reset(c), nx_cli_dim(c), nx_json_num(hit, "score", 0), nx_cli_reset(c));
	nx_cli_put_text(stdout, nx_utf8_truncate(nx_json_str(hit, "text"), 240));
	putchar('\n');
	if (!explain)
		return;
	printf("    %s", nx_cli_dim(c));
	put_score(nx_json_get(hit, "scores"), "text");
	put_score(nx_json_get(hit, "scores"), "vector");
	put_score(nx_json_get(hit, "scores"), "graph");
	if (yyjson_arr_size(path) > 0)
		printf("  by way of");
	yyjson_arr_foreach (path, k, n, p) {
		printf(k ? " → " : " ");
		nx_cli_put_text(stdout, nx_json_val_str(p));
	}
	printf("%s\n", nx_cli_reset(c));
}

static int build(struct nx_cli *c, nx_str query, yyjson_mut_val **ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	int64_t n = 10;

	if (!o)
		return nx_error_set(err, NX_ENOMEM, "search");
	int rc = nx_cli_number("limit", limit, &n, err);
	if (rc < 0)
		return rc;
	nx_json_add_str(d, o, "query", query);
	yyjson_mut_obj_add_int(d, o, "limit", n);
	if (mode)
		nx_json_add_strz(d, o, "mode", mode);
	yyjson_mut_obj_add_bool(d, o, "explain", explain);
	*ret = o;
	return 0;
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	yyjson_mut_val *body;
	yyjson_val *answer, *hit;
	nx_str query;
	size_t i, n;

	if (nx_cli_words(c, argc, argv, "what to look for", &query, &err) < 0 || build(c, query, &body, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_search, err);
	if (nx_cli_call(c, "POST", "/v1/knowledge/search", body, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	yyjson_arr_foreach (nx_json_get(answer, "hits"), i, n, hit)
		print_hit(c, i, hit);
	if (n == 0)
		puts("nothing found");
	printf("%s%.1f ms%s\n", nx_cli_dim(c), nx_json_num(answer, "took_ms", 0), nx_cli_reset(c));
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_search = {
	.name = "search",
	.usage = "search [options] WORDS…",
	.summary = "find passages in the stored documents",
	.examples = "  nexus search tide gauge\n"
		    "  nexus search --mode text --limit 3 محطة البحيرة\n"
		    "  nexus search --explain \"who built the station\"\n",
	.options = options,
	.alone = true,
	.run = run,
};
