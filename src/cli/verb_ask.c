/* nexus ask: a request in words; the plan is shown while it runs. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/verbs.h"

static const char *user, *session, *agent, *model, *timeout, *plan_file;
static bool quiet;
static const struct nx_cli_option options[] = {
	{"user", "ID", "whose task it is", &user, NULL},
	{"session", "ID", "conversation it belongs to", &session, NULL},
	{"agent", "NAME", "agent that must do it", &agent, NULL},
	{"model", "NAME", "model to use", &model, NULL},
	{"timeout", "SECONDS", "total time", &timeout, NULL},
	{"plan", "FILE", "run this plan (JSON or YAML) instead of planning", &plan_file, NULL},
	{"quiet", NULL, "print the answer only", NULL, &quiet},
	{NULL, NULL, NULL, NULL, NULL},
};

static int read_plan(struct nx_cli *c, yyjson_mut_doc *d, yyjson_mut_val *body, struct nx_error **err)
{
	nx_str text;
	yyjson_val *v;
	int rc;

	if (!plan_file)
		return 0;
	if ((rc = nx_cli_read(c, plan_file, 16 << 20, &text, err)) < 0 ||
	    (rc = nx_yaml_read(c->arena, text, NULL, &v, err)) < 0)
		return nx_error_wrap(err, "plan %s", plan_file);
	nx_json_add_val(d, body, "plan", v);
	return 0;
}

static int build(struct nx_cli *c, nx_str input, bool wait, yyjson_mut_val **ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	double seconds;

	if (!o)
		return nx_error_set(err, NX_ENOMEM, "ask");
	nx_json_add_str(d, o, "input", input);
	if (user)
		nx_json_add_strz(d, o, "user_id", user);
	if (session)
		nx_json_add_strz(d, o, "session_id", session);
	if (agent)
		nx_json_add_strz(d, o, "agent", agent);
	if (model)
		nx_json_add_strz(d, o, "model", model);
	if (timeout) {
		if (!nx_str_to_f64(nx_str_z(timeout), &seconds))
			return nx_error_set(err, NX_EINVAL, "--timeout takes seconds, not `%s`", timeout);
		yyjson_mut_obj_add_real(d, o, "timeout_s", seconds);
	}
	yyjson_mut_obj_add_bool(d, o, "wait", wait);
	*ret = o;
	return read_plan(c, d, o, err);
}

static const char *state_mark(const struct nx_cli *c, nx_str state)
{
	if (nx_str_eqz(state, "succeeded"))
		return c->colour ? "\033[32m✓\033[0m" : "ok";
	if (nx_str_eqz(state, "failed") || nx_str_eqz(state, "timed_out"))
		return c->colour ? "\033[31m✗\033[0m" : "failed";
	return c->colour ? "\033[33m·\033[0m" : "-";
}

static bool is_final(nx_str event)
{
	static const char *const ends[] = {"task.succeeded", "task.failed",      "task.cancelled",
					   "task.timed_out", "task.over_budget", "task.finished"};

	for (size_t i = 0; i < nx_countof(ends); i++)
		if (nx_str_eqz(event, ends[i]))
			return true;
	return false;
}

/* What a terminal shows while a task runs. */
struct live {
	struct nx_cli *c;
	struct nx_buf text; /* what models said, as far as it was shown */
	bool in_line;       /* and its last line has no end yet */
};

static void end_line(struct live *l)
{
	if (l->in_line)
		putchar('\n');
	l->in_line = false;
	fflush(stdout);
}

/* The answer as it is said goes to where the answer goes, or it would be on the terminal twice. */
static void show_delta(struct live *l, nx_str text)
{
	if (quiet || l->c->json || !l->c->progress || !isatty(STDOUT_FILENO) || text.n == 0)
		return;
	nx_cli_put_text(stdout, text);
	fflush(stdout);
	nx_buf_add(&l->text, text.p, text.n);
	l->in_line = text.p[text.n - 1] != '\n';
}

/* The stream of a task ends by itself after its last event; stopping at that event only saves the wait. */
static bool on_event(nx_str event, yyjson_val *envelope, void *ctx)
{
	struct live *l = ctx;
	yyjson_val *data = nx_json_get(envelope, "data");
	char ms[24];

	if (nx_str_eqz(event, "message.delta")) {
		show_delta(l, nx_json_str(data, "text"));
	} else if (l->c->progress && !quiet && nx_str_eqz(event, "step.started")) {
		nx_str who = nx_json_str(data, "agent");
		end_line(l);
		fprintf(stderr, "· %.*s (%.*s)\n", NX_FMT(nx_json_str(data, "step")),
			NX_FMT(who.n ? who : nx_json_str(data, "tool")));
	} else if (l->c->progress && !quiet && nx_str_eqz(event, "step.succeeded")) {
		end_line(l);
		fprintf(stderr, "✓ %.*s  %s\n", NX_FMT(nx_json_str(data, "step")),
			nx_cli_duration(nx_json_num(data, "wall_ms", 0), ms));
	}
	return !is_final(event);
}

static double step_ms(yyjson_val *step)
{
	int64_t from, to;

	if (nx_time_parse(nx_json_str(step, "started_at"), &from, NULL) < 0 ||
	    nx_time_parse(nx_json_str(step, "finished_at"), &to, NULL) < 0)
		return 0;
	return (double)(to - from) / 1000.0;
}

static void print_citations(struct nx_cli *c, yyjson_val *citations)
{
	yyjson_val *v;
	size_t i, n;

	if (yyjson_arr_size(citations) == 0)
		return;
	printf("\n%sSources%s\n", nx_cli_bold(c), nx_cli_reset(c));
	yyjson_arr_foreach (citations, i, n, v) {
		printf("  [%zu] %s", i + 1, nx_cli_bold(c));
		nx_cli_put_text(stdout, nx_json_str(v, "title"));
		printf("%s\n      %s", nx_cli_reset(c), nx_cli_dim(c));
		nx_cli_put_text(stdout, nx_json_str(v, "quote"));
		printf("%s\n", nx_cli_reset(c));
	}
}

static void print_plan(struct nx_cli *c, yyjson_val *task)
{
	yyjson_val *v;
	size_t i, n;
	char ms[24];

	printf("\n%sPlan%s\n", nx_cli_bold(c), nx_cli_reset(c));
	yyjson_arr_foreach (nx_json_get(nx_json_get(task, "plan"), "steps"), i, n, v) {
		nx_str who = nx_json_str(v, "agent");
		printf("  %s %.*s  %.*s  %s\n", state_mark(c, nx_json_str(v, "state")), NX_FMT(nx_json_str(v, "id")),
		       NX_FMT(who.n ? who : nx_json_str(v, "tool")), nx_cli_duration(step_ms(v), ms));
		nx_str why = nx_json_str(v, "why");
		if (why.n)
			printf("      %s%.*s%s\n", nx_cli_dim(c), NX_FMT(why), nx_cli_reset(c));
	}
	yyjson_val *usage = nx_json_get(task, "usage");
	printf("  %s%s", nx_cli_dim(c), nx_cli_duration(nx_json_num(usage, "wall_ms", 0), ms));
	if (nx_json_int(usage, "output_tokens", 0) > 0)
		printf(", %lld tokens in, %lld out", (long long)nx_json_int(usage, "input_tokens", 0),
		       (long long)nx_json_int(usage, "output_tokens", 0));
	printf(", task %.*s%s\n", NX_FMT(nx_json_str(task, "id")), nx_cli_reset(c));
}

static bool is_shown(nx_str answer, nx_str shown)
{
	answer = nx_str_trim(answer);
	return answer.n > 0 && nx_str_ends(nx_str_trim(shown), answer);
}

int nx_cli_print_task(struct nx_cli *c, yyjson_val *task, bool answer_only, nx_str shown)
{
	yyjson_val *result = nx_json_get(task, "result"), *error = nx_json_get(task, "error");
	bool ok =
		nx_str_eqz(nx_json_str(task, "state"), "succeeded") || !yyjson_is_str(nx_json_get(task, "finished_at"));

	if (c->json) {
		nx_cli_print_json(c, task);
		return ok ? NX_EXIT_OK : NX_EXIT_FAILED;
	}
	if (yyjson_is_obj(result) && !is_shown(nx_json_str(result, "text"), shown)) {
		nx_cli_put_text(stdout, nx_json_str(result, "text"));
		putchar('\n');
	}
	if (yyjson_is_obj(error)) {
		fprintf(stderr, "%.*s: ", NX_FMT(nx_json_str(task, "state")));
		nx_cli_put_text(stderr, nx_json_str(error, "message"));
		fprintf(stderr, " [%.*s]\n", NX_FMT(nx_json_str(error, "code")));
	}
	if (!answer_only) {
		print_citations(c, nx_json_get(result, "citations"));
		print_plan(c, task);
	}
	return ok ? NX_EXIT_OK : NX_EXIT_FAILED;
}

static int follow(struct live *l, nx_str id, yyjson_val **ret, struct nx_error **err)
{
	struct nx_cli *c = l->c;
	const char *events = nx_arena_printf(c->arena, "/v1/tasks/%.*s/events", NX_FMT(id));
	const char *path = nx_arena_printf(c->arena, "/v1/tasks/%.*s", NX_FMT(id));
	int rc;

	if (!events || !path)
		return nx_error_set(err, NX_ENOMEM, "follow a task");
	rc = nx_cli_stream(c, events, on_event, l, err);
	end_line(l);
	return rc < 0 ? rc : nx_cli_call(c, "GET", path, NULL, ret, err);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	struct live l = {.c = c, .text = NX_BUF_INIT};
	yyjson_mut_val *body;
	yyjson_val *task;
	nx_str input;
	bool live = c->progress && !quiet && !c->json;

	if (nx_cli_words(c, argc, argv, "what to ask", &input, &err) < 0 || build(c, input, !live, &body, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_ask, err);
	if (nx_cli_call(c, "POST", "/v1/tasks", body, &task, &err) < 0)
		return nx_cli_fail(c, err);
	bool finished = yyjson_is_str(nx_json_get(task, "finished_at"));
	int rc = finished ? 0 : follow(&l, nx_json_str(task, "id"), &task, &err);
	int status = rc < 0 ? nx_cli_fail(c, err) : nx_cli_print_task(c, task, quiet, nx_buf_str(&l.text));
	nx_buf_done(&l.text);
	return status;
}

const struct nx_verb nx_verb_ask = {
	.name = "ask",
	.usage = "ask [options] WORDS…|-",
	.summary = "ask or request something in words, and watch the plan run",
	.examples = "  nexus ask \"Who designed the gauge used on Lake Orin?\"\n"
		    "  nexus ask \"12.5% of 80\"\n"
		    "  nexus ask --user amal \"remember that the review is on Sunday\"\n"
		    "  nexus ask --plan plan.json \"compare the two stations\"\n",
	.options = options,
	.alone = true,
	.run = run,
};
