/*
 * A step: started on a tool or an agent, watched by its clock, finished or tried again.
 *
 * A step whose effects are `once` starts only after the commit that says it runs; the others start at once and their row
 * follows with the next commit. Each attempt has an arena of its own; what it gave is copied into the task's.
 */
#include "base/assert.h"
#include "base/fault.h"
#include "core/core_internal.h"

#define BACKOFF_MAX_US (3600 * NX_USEC_PER_SEC)

static void attempt_done(struct nx_step *s, nx_str output, bool tainted, const struct nx_usage *u,
			 struct nx_error *err);

static void event_step(struct nx_step *s, const char *type)
{
	struct nx_task *t = s->task;
	yyjson_mut_doc *d = nx_json_new(t->arena);
	nx_str text = NX_STR("{}");

	if (d) {
		yyjson_mut_val *o = yyjson_mut_obj(d);
		nx_json_add_str(d, o, "step", s->spec->id);
		nx_json_add_str(d, o, "agent", s->agent.n ? s->agent : NX_STR_NULL);
		nx_json_add_str(d, o, "tool", s->spec->tool.n ? s->spec->tool : NX_STR_NULL);
		nx_json_add_strz(d, o, "state", nx_step_state_names[s->state]);
		yyjson_mut_obj_add_uint(d, o, "attempts", s->attempts);
		if (nx_step_state_final(s->state)) {
			yyjson_mut_obj_add_int(d, o, "wall_ms", (s->finished_us - s->started_us) / 1000);
			nx_json_add_raw(d, o, "output", s->output);
			nx_json_add_raw(d, o, "error", s->error);
		}
		(void)nx_json_write(t->arena, o, false, &text, NULL);
	}
	nx_journal_event(t, type, text, NULL);
}

/* ---- the end of a step ---- */

static void close_step(struct nx_step *s, enum nx_step_state state)
{
	struct nx_task *t = s->task;
	bool ran = s->state == NX_STEP_RUNNING;
	bool ok = state == NX_STEP_SUCCEEDED;

	nx_timer_stop(&s->timer);
	nx_scheduler_remove(s);
	s->finished_us = nx_time_wall_us();
	if (!s->started_us)
		s->started_us = s->finished_us;
	nx_step_set_state(s, state);
	if (ran) {
		t->core->running--;
		nx_span_end(&s->span, ok ? 0 : NX_EPROVIDER);
	}
	if (ran && s->agent.n > 0) {
		nx_agents_record(t->core->p.agents, t->tenant, s->agent, t->analysis.capabilities[0], ok, &s->usage);
		nx_journal_agent(s, ok, NULL);
	}
	struct nx_log_scope before = nx_log_scope_set(nx_task_log_scope(t));
	if (ok)
		nx_log_debug("core", "step succeeded", NX_LSTR("step", s->spec->id));
	else
		nx_log_warn("core", "step did not succeed", NX_LSTR("step", s->spec->id),
			    NX_LSTRZ("state", nx_step_state_names[state]), NX_LSTR("error", s->error));
	nx_log_scope_set(before);
	nx_journal_step(s, NULL);
	event_step(s, ok ? "step.succeeded" : state == NX_STEP_CANCELLED ? "step.cancelled" : "step.failed");
}

void nx_step_fail_now(struct nx_step *s, enum nx_step_state state, int code, const char *message)
{
	s->error = nx_result_error_json(s->task->arena, code, message, NULL);
	close_step(s, state);
}

static bool may_retry(const struct nx_step *s, int code)
{
	if (!s->spec->retry || s->attempts >= (unsigned)s->spec->retry->max || s->stopping || s->task->cancel_us)
		return false;
	/* Wrong stays wrong; only what may pass is tried again. */
	return code != NX_EINVAL && code != NX_EUNSUPPORTED && code != NX_ELATER && code != NX_EFORBIDDEN &&
	       code != NX_EBLOCKED && code != NX_EBUDGET && code != NX_ECANCELLED;
}

static int64_t backoff(const struct nx_step *s)
{
	double us = (double)s->spec->retry->backoff_ms * 1000.0;

	for (unsigned i = 1; i < s->attempts && us < (double)BACKOFF_MAX_US; i++)
		us *= 2;
	us = nx_min(us, (double)BACKOFF_MAX_US);
	return (int64_t)(us * (0.5 + nx_random_unit() / 2)); /* "equal jitter": half fixed, half drawn */
}

static void try_again(struct nx_step *s, struct nx_error *err)
{
	nx_timer_stop(&s->timer);
	s->not_before_us = nx_time_wall_us() + backoff(s);
	s->error = nx_result_error_json(s->task->arena, nx_error_code(err), nx_error_message(err), NULL);
	nx_span_end(&s->span, nx_error_code(err));
	nx_step_set_state(s, NX_STEP_READY);
	s->task->core->running--;
	nx_journal_step(s, NULL);
	event_step(s, "step.retrying");
}

static void add_usage(struct nx_usage *sum, const struct nx_usage *u)
{
	sum->input_tokens += u->input_tokens;
	sum->output_tokens += u->output_tokens;
	sum->usd_micros += u->usd_micros;
	sum->cpu_us += u->cpu_us;
	sum->wall_us += u->wall_us;
	sum->max_memory = nx_max(sum->max_memory, u->max_memory);
}

static void succeed(struct nx_step *s, nx_str output, bool tainted)
{
	size_t max = (size_t)s->task->core->config->core_max_result_bytes;

	if (output.n > max) {
		char message[128];
		snprintf(message, sizeof(message), "the output has %zu bytes, more than core.max_result_bytes (%zu)",
			 output.n, max);
		nx_step_fail_now(s, NX_STEP_FAILED, NX_ETOOBIG, message);
		return;
	}
	s->output = nx_str_dup(s->task->arena, output.p ? output : NX_STR("null"));
	s->tainted |= tainted;
	s->error = NX_STR_NULL;
	if (!s->output.p)
		nx_step_fail_now(s, NX_STEP_FAILED, NX_ENOMEM, "no memory for the output");
	else
		close_step(s, NX_STEP_SUCCEEDED);
}

static int64_t tokens_left(const struct nx_task *t)
{
	const struct nx_budget_spec *b = t->request->budget;

	return b && b->has_tokens ? nx_max(b->tokens - t->usage.input_tokens - t->usage.output_tokens, (int64_t)0) : 0;
}

static bool budget_is_spent(const struct nx_task *t)
{
	return t->request->budget && t->request->budget->has_tokens && tokens_left(t) == 0;
}

static void fail(struct nx_step *s, struct nx_error *err)
{
	int code = nx_error_code(err);
	enum nx_step_state state = s->timed_out ? NX_STEP_TIMED_OUT : s->stopping ? NX_STEP_CANCELLED : NX_STEP_FAILED;

	if (s->timed_out)
		code = NX_ETIMEOUT;
	if (code == NX_EBUDGET && budget_is_spent(s->task))
		s->task->over_budget = true; /* the agent's own limit is a failure like any other */
	if (may_retry(s, code) && !s->stopping) {
		s->timed_out = false;
		try_again(s, err);
		return;
	}
	s->error = nx_result_error_json(s->task->arena, code,
					s->timed_out ? "the step took longer than its timeout" : nx_error_message(err),
					nx_error_get_hint(err));
	close_step(s, state);
}

/* The server stops: the stored step still says that it runs, and recovery takes it up from there. */
static void suspend(struct nx_step *s)
{
	nx_timer_stop(&s->timer);
	s->task->core->running--;
	nx_step_set_state(s, NX_STEP_WAITING);
}

static void attempt_done(struct nx_step *s, nx_str output, bool tainted, const struct nx_usage *u, struct nx_error *err)
{
	struct nx_task *t = s->task;
	struct nx_arena *attempt = nx_steal(s->arena);

	nx_loop_assert(t->core->loop);
	s->call = NULL;
	s->run = NULL;
	add_usage(&s->usage, u);
	add_usage(&t->usage, u);
	if (err && t->core->stopping && !t->cancel_us)
		suspend(s);
	else if (err)
		fail(s, err);
	else
		succeed(s, output, tainted);
	nx_arena_free(attempt);
	nx_orchestrator_settle(t);
	nx_core_check_stopped(t->core);
}

static void call_done(struct nx_tool_call *call, struct nx_error *err)
{
	attempt_done(call->ctx, call->output, call->tainted || call->input_tainted, &call->usage, err);
}

static void run_done(struct nx_agent_run *run, struct nx_error *err)
{
	attempt_done(run->ctx, run->output, run->tainted, &run->usage, err);
}

/* ---- while it runs ---- */

static void pass_event(struct nx_step *s, const char *type, nx_str json)
{
	struct nx_task *t = s->task;
	struct nx_event e = {.tenant = t->tenant,
			     .task = t->id,
			     .session = t->request->session_id,
			     .type = type,
			     .data = json,
			     .time_us = nx_time_wall_us()};
	nx_events_publish(t->core, &e);
}

static void call_event(struct nx_tool_call *call, const char *type, nx_str json)
{
	pass_event(call->ctx, type, json);
}

static void run_event(struct nx_agent_run *run, const char *type, nx_str json)
{
	pass_event(run->ctx, type, json);
}

static void stop_attempt(struct nx_step *s)
{
	if (s->call)
		nx_tool_cancel(s->call);
	else if (s->run)
		nx_agent_cancel(s->task->core->p.agents, s->run);
}

static void step_timeout(struct nx_timer *timer)
{
	struct nx_step *s = nx_container_of(timer, struct nx_step, timer);

	s->timed_out = true;
	stop_attempt(s);
}

static void arm_timeout(struct nx_step *s)
{
	const struct nx_task_request *r = s->task->request;
	double sec = s->spec->timeout_s > 0 ? s->spec->timeout_s : r->timeouts ? r->timeouts->step_s : 0;

	nx_timer_init(&s->timer, s->task->core->loop, step_timeout);
	if (sec > 0)
		(void)nx_timer_start(&s->timer, (int64_t)(sec * (double)NX_USEC_PER_SEC), NULL);
}

/* ---- the start ---- */

static void start_tool(struct nx_step *s, const struct nx_tool *tool, yyjson_val *input, bool tainted)
{
	struct nx_task *t = s->task;
	struct nx_tool_call *call = nx_arena_new_of(s->arena, struct nx_tool_call);
	nx_auto_error struct nx_error *err = NULL;

	if (!call) {
		nx_error_set(&err, NX_ENOMEM, "start a step");
		attempt_done(s, NX_STR_NULL, false, &(struct nx_usage){0}, err);
		return;
	}
	*call = (struct nx_tool_call){.arena = s->arena,
				      .tenant = t->tenant,
				      .user_id = t->request->user_id,
				      .session = t->request->session_id,
				      .task = t->id,
				      .step = s->id,
				      .trace = s->span.ctx,
				      .input = input,
				      .input_tainted = tainted,
				      .on_event = call_event,
				      .done = call_done,
				      .reply = t->core->loop,
				      .ctx = s};
	s->call = call;
	nx_tool_start(tool, call);
}

static void start_agent(struct nx_step *s, yyjson_val *input)
{
	struct nx_task *t = s->task;
	struct nx_agent_run *run = nx_arena_new_of(s->arena, struct nx_agent_run);
	nx_auto_error struct nx_error *err = NULL;

	if (!run) {
		nx_error_set(&err, NX_ENOMEM, "start a step");
		attempt_done(s, NX_STR_NULL, false, &(struct nx_usage){0}, err);
		return;
	}
	*run = (struct nx_agent_run){.arena = s->arena,
				     .tenant = t->tenant,
				     .agent = s->agent,
				     .input = t->request->input,
				     .intent = nx_str_z(t->analysis.intent),
				     .data = input,
				     .context = t->context,
				     .user_id = t->request->user_id,
				     .session = t->request->session_id,
				     .model = t->request->model,
				     .task = t->id,
				     .step = s->id,
				     .trace = s->span.ctx,
				     .has_max_tokens = t->request->budget && t->request->budget->has_tokens,
				     .max_tokens = tokens_left(t),
				     .tainted = s->tainted,
				     .on_event = run_event,
				     .done = run_done,
				     .ctx = s};
	s->run = run;
	nx_agent_start(t->core->p.agents, run);
}

static void perform(struct nx_step *s)
{
	struct nx_task *t = s->task;
	nx_auto_error struct nx_error *err = NULL;
	const struct nx_tool *tool = NULL;
	yyjson_val *input;
	bool tainted = false;
	int rc = 0;

	if (s->spec->tool.n > 0)
		rc = nx_tools_need(nx_agents_tools(t->core->p.agents), s->spec->tool, &tool, &err);
	if (rc == 0)
		rc = nx_refs_resolve(t, s->spec->input, s->arena, &input, &tainted, &err);
	if (rc < 0) {
		attempt_done(s, NX_STR_NULL, false, &(struct nx_usage){0}, err);
		return;
	}
	s->tainted |= tainted;
	if (tool)
		start_tool(s, tool, input, tainted);
	else
		start_agent(s, input);
}

static void perform_after_commit(struct nx_task *t, struct nx_step *s, struct nx_error *err)
{
	(void)err; /* a later commit never fails for good */
	if (t->cancel_us || s->stopping) {
		nx_auto_error struct nx_error *e = NULL;
		nx_error_set(&e, NX_ECANCELLED, "cancelled before it started");
		s->stopping = true;
		attempt_done(s, NX_STR_NULL, false, &(struct nx_usage){0}, e);
		return;
	}
	perform(s);
}

static const char *over_budget(const struct nx_task *t)
{
	const struct nx_budget_spec *b = t->request->budget;
	size_t attempts = 0;

	if (!b)
		return NULL;
	for (size_t i = 0; i < t->nsteps; i++)
		attempts += t->steps[i].attempts;
	if (b->has_steps && attempts >= (size_t)b->steps)
		return "budget.steps is spent";
	if (b->has_tokens && b->tokens > 0 && tokens_left(t) <= 0)
		return "budget.tokens is spent";
	if (b->has_usd && b->usd_micros > 0 && t->usage.usd_micros >= b->usd_micros)
		return "budget.usd_micros is spent";
	return NULL;
}

void nx_step_start(struct nx_step *s)
{
	struct nx_task *t = s->task;
	const char *spent = over_budget(t);

	if (spent) {
		t->over_budget = true;
		nx_step_fail_now(s, NX_STEP_CANCELLED, NX_EBUDGET, spent);
		nx_orchestrator_settle(t);
		return;
	}
	s->arena = NX_FAULT(core_dispatch) ? NULL : nx_arena_new(0);
	if (!s->arena) {
		nx_step_fail_now(s, NX_STEP_FAILED, NX_ENOMEM, "no memory to start the step");
		nx_orchestrator_settle(t);
		return;
	}
	nx_step_set_state(s, NX_STEP_RUNNING);
	t->core->running++;
	s->attempts++;
	s->not_before_us = 0;
	s->started_us = s->started_us ? s->started_us : nx_time_wall_us();
	if (!t->started_us)
		t->started_us = s->started_us;
	nx_timer_stop(&t->queue_timer);
	nx_task_set_state(t, NX_TASK_RUNNING);
	nx_span_start(&s->span, t->span.ctx, s->agent.n ? "invoke_agent" : "execute_tool");
	s->span.tenant = t->tenant;
	s->span.task = t->id;
	s->span.step = s->id;
	nx_span_attr_str(&s->span, s->agent.n ? "gen_ai.agent.name" : "gen_ai.tool.name",
			 s->agent.n ? s->agent : s->spec->tool);
	arm_timeout(s);
	nx_journal_step(s, NULL);
	event_step(s, "step.started");
	if (s->effects == NX_EFFECTS_ONCE) {
		nx_journal_task(t, NULL);
		s->on_started = (struct nx_follow_up){.then = perform_after_commit, .step = s};
		nx_journal_commit(t, &s->on_started);
	} else {
		perform(s);
	}
}

void nx_step_cancel(struct nx_step *s)
{
	switch (s->state) {
	case NX_STEP_RUNNING:
		s->stopping = true;
		stop_attempt(s);
		break;
	case NX_STEP_PENDING:
	case NX_STEP_READY:
	case NX_STEP_WAITING: nx_step_fail_now(s, NX_STEP_CANCELLED, NX_ECANCELLED, "cancelled before it ran"); break;
	default: break;
	}
}
