/* nexus remember, nexus recall: a user's memory. */
#include "cli/verbs.h"

static const char *user, *session, *importance, *limit;
static const struct nx_cli_option remember_options[] = {
	{"user", "ID", "whose memory it is (default: me)", &user, NULL},
	{"session", "ID", "conversation it belongs to", &session, NULL},
	{"importance", "0..1", "above 0.7 it becomes an episode", &importance, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
static const struct nx_cli_option recall_options[] = {
	{"user", "ID", "whose memory it is (default: me)", &user, NULL},
	{"session", "ID", "conversation to look in (default: all)", &session, NULL},
	{"limit", "N", "most memories (10)", &limit, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static int start(struct nx_cli *c, yyjson_mut_doc **ret_d, yyjson_mut_val **ret, struct nx_error **err)
{
	*ret_d = nx_json_new(c->arena);
	*ret = *ret_d ? yyjson_mut_obj(*ret_d) : NULL;
	if (!*ret)
		return nx_error_set(err, NX_ENOMEM, "use the memory");
	nx_json_add_strz(*ret_d, *ret, "user_id", user ? user : "me");
	if (session)
		nx_json_add_strz(*ret_d, *ret, "session_id", session);
	return 0;
}

static int remember(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	yyjson_mut_doc *d;
	yyjson_mut_val *body;
	yyjson_val *answer;
	nx_str text;
	double v;

	if (nx_cli_words(c, argc, argv, "what to remember", &text, &err) < 0 || start(c, &d, &body, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_remember, err);
	nx_json_add_strz(d, body, "role", "user");
	nx_json_add_str(d, body, "text", text);
	if (importance) {
		if (!nx_str_to_f64(nx_str_z(importance), &v) || v < 0 || v > 1)
			return nx_cli_usage(&nx_verb_remember, "--importance takes a number from 0 to 1");
		yyjson_mut_obj_add_real(d, body, "importance", v);
	}
	if (nx_cli_call(c, "POST", "/v1/memory", body, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json)
		nx_cli_print_json(c, answer);
	else
		printf("remembered (%.*s) %.*s\n", NX_FMT(nx_json_str(answer, "layer")),
		       NX_FMT(nx_json_str(answer, "id")));
	return NX_EXIT_OK;
}

static int recall(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	yyjson_mut_doc *d;
	yyjson_mut_val *body;
	yyjson_val *answer, *m;
	nx_str query;
	int64_t most = 10;
	size_t i, n;

	if (nx_cli_words(c, argc, argv, "what to recall", &query, &err) < 0 ||
	    nx_cli_number("limit", limit, &most, &err) < 0 || start(c, &d, &body, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_recall, err);
	nx_json_add_str(d, body, "query", query);
	yyjson_mut_obj_add_int(d, body, "limit", most);
	if (nx_cli_call(c, "POST", "/v1/memory/recall", body, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	yyjson_arr_foreach (nx_json_get(answer, "ranked"), i, n, m) {
		printf("%2zu. ", i + 1);
		nx_cli_put_text(stdout, nx_json_str(m, "text"));
		printf("\n    %s%.*s, %.3f: %.*s%s\n", nx_cli_dim(c), NX_FMT(nx_json_str(m, "layer")),
		       nx_json_num(m, "score", 0), NX_FMT(nx_json_str(m, "why")), nx_cli_reset(c));
	}
	if (n == 0)
		puts("nothing is remembered about this");
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_remember = {
	.name = "remember",
	.usage = "remember [options] WORDS…|-",
	.summary = "keep something in a user's memory",
	.examples = "  nexus remember \"the review is on Sunday\"\n"
		    "  nexus remember --user amal --importance 0.9 \"أفضل القهوة بلا سكر\"\n",
	.options = remember_options,
	.alone = true,
	.run = remember,
};
const struct nx_verb nx_verb_recall = {
	.name = "recall",
	.usage = "recall [options] WORDS…",
	.summary = "find what a user's memory holds",
	.examples = "  nexus recall review\n"
		    "  nexus recall --user amal --limit 3 coffee\n",
	.options = recall_options,
	.alone = true,
	.run = recall,
};
