/* nexus agent: who there is, and what each has done. */
#include "cli/verbs.h"

static const char *const words[] = {"list", "show", NULL};

static void print_agent(struct nx_cli *c, yyjson_val *a)
{
	yyjson_val *s, *stats = nx_json_get(a, "stats"), *caps = nx_json_get(nx_json_get(a, "spec"), "capabilities");
	size_t i, n;

	printf("%s%.*s%s  %.*s\n    can:", nx_cli_bold(c), NX_FMT(nx_json_str(a, "name")), nx_cli_reset(c),
	       NX_FMT(nx_json_str(a, "description")));
	yyjson_arr_foreach (caps, i, n, s)
		printf(" %s", yyjson_get_str(s));
	putchar('\n');
	yyjson_arr_foreach (stats, i, n, s)
		printf("    %s%.*s: %lld runs, %.0f %% succeeded, %.1f ms on average%s\n", nx_cli_dim(c),
		       NX_FMT(nx_json_str(s, "capability")), (long long)nx_json_int(s, "runs", 0),
		       100 * nx_json_num(s, "success_rate", 0), nx_json_num(s, "response_ms", 0), nx_cli_reset(c));
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	yyjson_val *answer, *a;
	const char *path = "/v1/agents";
	size_t i, n;
	bool show = argc == 2 && strcmp(argv[0], "show") == 0;

	if (argc > 0 && strcmp(argv[0], "list") != 0 && strcmp(argv[0], "show") != 0)
		return nx_cli_unknown_word(&nx_verb_agent, argv[0]);
	if (argc > 0 && !show && !(argc == 1 && strcmp(argv[0], "list") == 0))
		return nx_cli_usage(&nx_verb_agent, "say list, or show with a name");
	if (show)
		path = nx_arena_printf(c->arena, "/v1/agents/%s", nx_cli_escape(c, argv[1]));
	if (!path)
		nx_error_set(&err, NX_ENOMEM, "list agents");
	if (err || nx_cli_call(c, "GET", path, NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
	} else if (show) {
		print_agent(c, answer);
	} else {
		yyjson_arr_foreach (nx_json_get(answer, "items"), i, n, a)
			print_agent(c, a);
	}
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_agent = {
	.name = "agent",
	.usage = "agent [list] | agent show NAME",
	.summary = "see the agents, what they can do and how they did",
	.examples = "  nexus agent\n  nexus agent show researcher\n",
	.words = words,
	.alone = true,
	.run = run,
};
