/* nexus task: list, show, cancel, follow, trace. */
#include "cli/verbs.h"

static const char *state, *user, *limit;
static const char *const words[] = {"list", "show", "cancel", "events", "trace", "logs", NULL};
static const struct nx_cli_option options[] = {
	{"state", "STATE", "list: only tasks in this state", &state, NULL},
	{"user", "ID", "list: only this user's", &user, NULL},
	{"limit", "N", "list: most tasks (20)", &limit, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static int list(struct nx_cli *c)
{
	struct nx_error *err = NULL;
	yyjson_val *answer, *t;
	int64_t most;
	size_t i, n;
	const char *path = nx_arena_printf(
		c->arena, "/v1/tasks?limit=%s%s%s%s%s", limit ? nx_cli_escape(c, limit) : "20", state ? "&state=" : "",
		state ? nx_cli_escape(c, state) : "", user ? "&user_id=" : "", user ? nx_cli_escape(c, user) : "");

	if (nx_cli_number("limit", limit, &most, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_task, err);
	if (!path)
		nx_error_set(&err, NX_ENOMEM, "list tasks");
	if (err || nx_cli_call(c, "GET", path, NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	yyjson_arr_foreach (nx_json_get(answer, "items"), i, n, t) {
		nx_str s = nx_json_str(t, "state");
		const char *colour = nx_str_eqz(s, "succeeded") ? nx_cli_green(c)
				     : nx_str_eqz(s, "failed")  ? nx_cli_red(c)
								: nx_cli_yellow(c);
		printf("%.*s  %s%-11.*s%s  ", NX_FMT(nx_json_str(t, "id")), colour, NX_FMT(s), nx_cli_reset(c));
		nx_cli_put_text(stdout, nx_utf8_truncate(nx_json_str(t, "input"), 80));
		putchar('\n');
	}
	if (n == 0)
		puts("no tasks");
	return NX_EXIT_OK;
}

static bool print_event(nx_str event, yyjson_val *data, void *ctx)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str text = NX_STR("");

	(void)ctx;
	if (a && nx_json_write_val(a, data, false, &text, NULL) == 0)
		printf("%.*s %.*s\n", NX_FMT(event), NX_FMT(text));
	fflush(stdout);
	return true;
}

/* A task that runs is run by a server; there is nothing to watch in a directory that nobody holds. */
static int follow(struct nx_cli *c, const char *path)
{
	struct nx_error *err = NULL;

	c->alone = false;
	if (nx_cli_stream(c, path, print_event, c, &err) == 0)
		return NX_EXIT_OK;
	if (nx_error_code(err) == NX_EUNREACHABLE)
		nx_error_hint(&err, "events are of a running server: start one with `nexus serve`; `nexus task show` "
				    "needs none");
	return nx_cli_fail(c, err);
}

static int one(struct nx_cli *c, const char *what, const char *id)
{
	bool cancel = strcmp(what, "cancel") == 0;
	const char *suffix = cancel                      ? "/cancel"
			     : strcmp(what, "show") == 0 ? ""
							 : nx_arena_printf(c->arena, "/%s", what);
	const char *path = nx_arena_printf(c->arena, "/v1/tasks/%s%s", nx_cli_escape(c, id), suffix);
	struct nx_error *err = NULL;
	yyjson_val *answer;

	if (!path) {
		nx_error_set(&err, NX_ENOMEM, "%s a task", what);
		return nx_cli_fail(c, err);
	}
	if (strcmp(what, "events") == 0)
		return follow(c, path);
	if (nx_cli_call(c, cancel ? "POST" : "GET", path, NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (strcmp(what, "show") == 0)
		return nx_cli_print_task(c, answer, false, NX_STR(""));
	if (cancel && !c->json)
		printf("%.*s %.*s\n", NX_FMT(nx_json_str(answer, "id")), NX_FMT(nx_json_str(answer, "state")));
	else
		nx_cli_print_json(c, answer);
	return NX_EXIT_OK;
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "list") == 0))
		return list(c);
	bool known = false;
	for (size_t i = 0; words[i]; i++)
		known |= strcmp(argv[0], words[i]) == 0;
	if (!known)
		return nx_cli_unknown_word(&nx_verb_task, argv[0]);
	if (argc == 2 && strcmp(argv[0], "list") != 0)
		return one(c, argv[0], argv[1]);
	return nx_cli_usage(&nx_verb_task, "say list, or show, cancel, events, trace or logs with a task's id");
}

const struct nx_verb nx_verb_task = {
	.name = "task",
	.usage = "task [list] | task show|cancel|events|trace|logs ID",
	.summary = "see and stop tasks",
	.examples = "  nexus task\n"
		    "  nexus task --state failed\n"
		    "  nexus task show 0198…\n"
		    "  nexus task cancel 0198…\n",
	.words = words,
	.options = options,
	.alone = true,
	.run = run,
};
