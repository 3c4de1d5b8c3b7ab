/*
 * The orchestrator: takes a request, makes it a task, and sees it through to its end.
 *
 * The order is fixed: decode → analyse → plan → accept (commit) → run → settle after every change → finish (commit) →
 * answer. What the client did wrong is said before anything is stored. See task.h for the states.
 */
#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "core/core_internal.h"

#define WAIT_DEFAULT_US (30 * NX_USEC_PER_SEC)

/* ---- tasks in memory ---- */

static size_t bucket(const struct nx_core *c, nx_id id)
{
	return nx_str_hash(nx_str_n((const char *)id.b, 16)) & (c->nhash - 1);
}

struct nx_task *nx_task_new(struct nx_core *c, int64_t tenant, nx_id id)
{
	struct nx_arena *a = nx_arena_new(0);
	struct nx_task *t = a ? nx_arena_new_of(a, struct nx_task) : NULL;

	if (!t) {
		nx_arena_free(a);
		return NULL;
	}
	*t = (struct nx_task){.core = c, .arena = a, .id = id, .tenant = tenant, .created_us = nx_time_wall_us()};
	nx_timer_init(&t->timer, c->loop, NULL);
	nx_timer_init(&t->queue_timer, c->loop, NULL);
	nx_timer_init(&t->wait_timer, c->loop, NULL);
	return t;
}

void nx_task_link(struct nx_task *t)
{
	struct nx_core *c = t->core;
	size_t b = bucket(c, t->id);

	t->next = c->tasks;
	t->prev = &c->tasks;
	if (t->next)
		t->next->prev = &t->next;
	c->tasks = t;
	t->hash_next = c->hash[b];
	c->hash[b] = t;
	int64_t n = atomic_fetch_add_explicit(&c->pending, 1, memory_order_relaxed) + 1;
	nx_metric_set(NX_M_TASKS_PENDING, NULL, NULL, (double)n);
}

static void unlink_task(struct nx_task *t)
{
	struct nx_core *c = t->core;

	if (!t->prev)
		return;
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->prev = NULL;
	for (struct nx_task **p = &c->hash[bucket(c, t->id)]; *p; p = &(*p)->hash_next)
		if (*p == t) {
			*p = t->hash_next;
			break;
		}
	int64_t n = atomic_fetch_sub_explicit(&c->pending, 1, memory_order_relaxed) - 1;
	nx_metric_set(NX_M_TASKS_PENDING, NULL, NULL, (double)n);
}

struct nx_task *nx_task_find(struct nx_core *c, int64_t tenant, nx_id id)
{
	for (struct nx_task *t = c->hash[bucket(c, id)]; t; t = t->hash_next)
		if (nx_id_eq(t->id, id) && t->tenant == tenant)
			return t;
	return NULL;
}

void nx_task_stop_timers(struct nx_task *t)
{
	nx_timer_stop(&t->timer);
	nx_timer_stop(&t->queue_timer);
	nx_timer_stop(&t->wait_timer);
	for (size_t i = 0; i < t->nsteps; i++)
		nx_timer_stop(&t->steps[i].timer);
}

void nx_task_release(struct nx_task *t)
{
	if (!nx_task_state_final(t->state) || t->committing || t->batch || t->submit || t->running > 0 ||
	    t->holds > 0 || t->pins > 0)
		return;
	unlink_task(t);
	nx_task_stop_timers(t);
	nx_arena_free(t->arena);
}

struct nx_log_scope nx_task_log_scope(const struct nx_task *t)
{
	return (struct nx_log_scope){.tenant = t->tenant, .task = t->id, .trace = t->trace.trace};
}

/* ---- answers ---- */

static void deliver(struct nx_msg *m)
{
	struct nx_submit *s = nx_container_of(m, struct nx_submit, msg);
	struct nx_error *err = s->priv;

	s->priv = NULL;
	s->done(s, err);
	nx_error_free(err);
}

/* Takes err. */
static void reply(struct nx_core *c, struct nx_submit *s, struct nx_error *err)
{
	s->priv = err;
	s->msg.run = deliver;
	if (s->reply && s->reply != c->loop)
		nx_loop_post(s->reply, &s->msg);
	else
		deliver(&s->msg);
}

void nx_orchestrator_answer(struct nx_task *t, struct nx_error *err)
{
	struct nx_submit *s = nx_steal(t->submit);
	struct nx_error *own = NULL;

	if (!s)
		return;
	nx_timer_stop(&t->wait_timer);
	s->id = t->id;
	s->finished = nx_task_state_final(t->state);
	if (err)
		own = nx_error_copy(err);
	else
		nx_task_live_json(t, s->arena, &s->answer, &own);
	reply(t->core, s, own);
}

static void wait_over(struct nx_timer *timer)
{
	struct nx_task *t = nx_container_of(timer, struct nx_task, wait_timer);

	nx_orchestrator_answer(t, NULL);
	nx_task_release(t);
}

static int64_t wait_us(const struct nx_task_request *r)
{
	if (!r->wait || yyjson_is_null(r->wait))
		return 0;
	if (yyjson_is_bool(r->wait))
		return yyjson_get_bool(r->wait) ? WAIT_DEFAULT_US : 0;
	return (int64_t)(yyjson_get_num(r->wait) * (double)NX_USEC_PER_SEC);
}

/* ---- clocks ---- */

static void total_timeout(struct nx_timer *timer)
{
	struct nx_task *t = nx_container_of(timer, struct nx_task, timer);

	t->timed_out = true;
	nx_orchestrator_stop(t);
	nx_orchestrator_settle(t);
}

static void queue_timeout(struct nx_timer *timer)
{
	struct nx_task *t = nx_container_of(timer, struct nx_task, queue_timer);

	t->timed_out = true;
	nx_orchestrator_stop(t);
	nx_orchestrator_settle(t);
}

void nx_orchestrator_arm(struct nx_task *t)
{
	const struct nx_task_request *r = t->request;
	int64_t now = nx_time_wall_us();

	nx_timer_init(&t->timer, t->core->loop, total_timeout);
	nx_timer_init(&t->queue_timer, t->core->loop, queue_timeout);
	(void)nx_timer_start(&t->timer, nx_max(t->deadline_us - now, INT64_C(0)), NULL);
	if (r->timeouts && r->timeouts->queue_s > 0 && !t->started_us)
		(void)nx_timer_start(&t->queue_timer, (int64_t)(r->timeouts->queue_s * (double)NX_USEC_PER_SEC), NULL);
}

static int64_t total_deadline(const struct nx_task *t)
{
	const struct nx_task_request *r = t->request;
	int64_t us = r->timeout_s > 0 ? (int64_t)(r->timeout_s * (double)NX_USEC_PER_SEC)
				      : t->core->config->core_default_timeout * NX_USEC_PER_MSEC;
	int64_t at = t->created_us + us;

	if (r->deadline)
		at = nx_min(at, r->deadline);
	if (r->budget && r->budget->has_wall)
		at = nx_min(at, t->created_us + r->budget->wall_s * NX_USEC_PER_SEC);
	return at;
}

/* ---- the end ---- */

void nx_orchestrator_stop(struct nx_task *t)
{
	for (size_t i = 0; i < t->nsteps; i++)
		nx_step_cancel(&t->steps[i]);
}

static bool read_memory(const struct nx_task *t)
{
	if (t->context.n > 0)
		return true;
	for (size_t i = 0; i < t->nsteps; i++)
		if (nx_str_eqz(t->steps[i].spec->tool, "memory.recall"))
			return true;
	return false;
}

/* A plan of one step by rules is made anew at no cost; what a client planned, or what has several steps, is worth keeping. */
static nx_str plan_to_keep(const struct nx_task *t)
{
	return t->nsteps > 1 || (t->request->plan && t->nsteps > 0) ? t->plan_json : NX_STR_NULL;
}

/* Memory copies what it takes; the answer has gone out before. While core stops, the workers that would keep it may be gone. */
static void remember(const struct nx_task *t)
{
	yyjson_val *result = NULL;

	if (!t->core->p.memory || t->core->stopping || t->request->user_id.n == 0)
		return;
	if (t->result_json.p)
		(void)nx_json_read(t->arena, t->result_json, NULL, &result, NULL);
	struct nx_memory_task m = {.tenant = t->tenant,
				   .id = t->id,
				   .user_id = t->request->user_id,
				   .session = t->request->session_id,
				   .agent_id = t->nsteps ? t->steps[t->nsteps - 1].agent : NX_STR_NULL,
				   .input = t->request->input,
				   .answer = nx_json_str(result, "text"),
				   .intent = nx_str_z(t->analysis.intent),
				   .plan = plan_to_keep(t),
				   .asked_at = t->created_us,
				   .answered_at = t->finished_us,
				   .tainted = t->tainted,
				   .recalled = read_memory(t),
				   .succeeded = t->state == NX_TASK_SUCCEEDED};
	nx_memory_consolidate(t->core->p.memory, &m);
}

static void finished(struct nx_task *t, struct nx_step *s, struct nx_error *err)
{
	(void)s;
	nx_orchestrator_answer(t, err);
	if (!err)
		remember(t);
}

static nx_str final_event(struct nx_task *t)
{
	yyjson_mut_doc *d = nx_json_new(t->arena);
	nx_str text = NX_STR("{}");

	if (!d)
		return text;
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_strz(d, o, "state", nx_task_state_names[t->state]);
	nx_json_add_raw(d, o, "result", t->result_json);
	nx_json_add_raw(d, o, "error", t->error_json);
	nx_json_add_raw(d, o, "usage", t->usage_json);
	(void)nx_json_write(t->arena, o, false, &text, NULL);
	return text;
}

void nx_orchestrator_finish(struct nx_task *t, enum nx_task_state state)
{
	static const char *const events[] = {[NX_TASK_SUCCEEDED] = "task.succeeded",
					     [NX_TASK_FAILED] = "task.failed",
					     [NX_TASK_CANCELLED] = "task.cancelled",
					     [NX_TASK_TIMED_OUT] = "task.timed_out",
					     [NX_TASK_OVER_BUDGET] = "task.over_budget"};

	nx_timer_stop(&t->timer);
	nx_timer_stop(&t->queue_timer);
	t->finished_us = nx_time_wall_us();
	nx_task_set_state(t, state);
	nx_result_compose(t);
	nx_task_check(t);
	nx_span_end(&t->span, state == NX_TASK_SUCCEEDED ? 0 : NX_EPROVIDER);
	nx_metric_add(NX_M_TASKS, nx_task_state_names[state], NULL, 1);
	struct nx_log_scope before = nx_log_scope_set(nx_task_log_scope(t));
	/* One line a task is noise where tasks are many; what did not succeed is worth one. */
	nx_log_(state == NX_TASK_SUCCEEDED || state == NX_TASK_CANCELLED ? NX_LOG_DEBUG : NX_LOG_INFO, "core",
		"task finished", NX_LSTRZ("state", nx_task_state_names[state]), NX_LSTRZ("intent", t->analysis.intent),
		NX_LNUM("wall_ms", (double)(t->finished_us - t->created_us) / 1000));
	nx_log_scope_set(before);
	nx_journal_task(t, NULL);
	nx_journal_event(t, events[state], final_event(t), NULL);
	t->on_finished.then = finished;
	nx_journal_commit(t, &t->on_finished);
}

static enum nx_task_state outcome(const struct nx_task *t)
{
	if (t->over_budget)
		return NX_TASK_OVER_BUDGET;
	if (t->cancel_us)
		return NX_TASK_CANCELLED;
	if (t->timed_out)
		return NX_TASK_TIMED_OUT;
	for (size_t i = 0; i < t->nsteps; i++)
		if (t->steps[i].state == NX_STEP_FAILED || t->steps[i].state == NX_STEP_TIMED_OUT ||
		    t->steps[i].state == NX_STEP_CANCELLED)
			return NX_TASK_FAILED;
	return NX_TASK_SUCCEEDED;
}

static bool any_waiting(const struct nx_task *t)
{
	for (size_t i = 0; i < t->nsteps; i++)
		if (t->steps[i].state == NX_STEP_WAITING)
			return true;
	return false;
}

void nx_orchestrator_settle(struct nx_task *t)
{
	struct nx_core *c = t->core;

	nx_loop_assert(c->loop);
	if (nx_task_state_final(t->state) || t->holds > 0)
		return;
	if (!t->cancel_us && !t->timed_out && !t->over_budget)
		nx_scheduler_release(t);
	else if (t->open > t->running)
		nx_orchestrator_stop(t);
	if (t->open == 0 && t->running == 0) {
		nx_orchestrator_finish(t, outcome(t));
	} else {
		if (t->running == 0 && t->state != NX_TASK_WAITING && any_waiting(t) && !c->stopping) {
			nx_task_set_state(t, NX_TASK_WAITING);
			nx_journal_task(t, NULL);
		}
		if (t->batch && !t->deferred)
			nx_journal_commit(t, NULL);
	}
	nx_scheduler_dispatch(c);
}

/* ---- the beginning ---- */

void nx_orchestrator_unhold(struct nx_task *t)
{
	nx_assert(t->holds > 0);
	if (--t->holds > 0)
		return;
	nx_orchestrator_settle(t);
	nx_task_release(t);
}

static void accepted(struct nx_task *t, struct nx_step *s, struct nx_error *err)
{
	(void)s;
	if (err) { /* nothing was stored: there is no task */
		nx_orchestrator_answer(t, err);
		t->finished_us = nx_time_wall_us();
		t->nsteps = t->open = 0;
		nx_task_set_state(t, NX_TASK_FAILED);
		nx_orchestrator_unhold(t);
		return;
	}
	if (t->submit && !t->wait_timer.slot)
		nx_orchestrator_answer(t, NULL);
	nx_orchestrator_unhold(t);
}

static bool finishes_at_once(const struct nx_task *t)
{
	const struct nx_core *c = t->core;

	if (c->running + t->nsteps > (size_t)c->config->core_max_running || c->nheap > 0)
		return false;
	for (size_t i = 0; i < t->nsteps; i++) {
		const struct nx_step *s = &t->steps[i];
		const struct nx_tool *tool = nx_tools_find(nx_agents_tools(c->p.agents), s->spec->tool);
		if (s->effects != NX_EFFECTS_NONE || !tool || !tool->inline_ || s->spec->retry)
			return false;
	}
	return true;
}

static int analyse_and_plan(struct nx_task *t, struct nx_error **err)
{
	struct nx_span span;
	int rc;

	nx_span_start(&span, t->span.ctx, "analysis");
	rc = nx_analysis_run(t->request, t->arena, &t->analysis, err);
	span.tenant = t->tenant;
	span.task = t->id;
	nx_span_end(&span, rc);
	if (rc < 0)
		return rc;
	nx_task_set_state(t, NX_TASK_PLANNING);
	nx_span_start(&span, t->span.ctx, "plan");
	rc = nx_planner_plan(t, err);
	span.tenant = t->tenant;
	span.task = t->id;
	nx_span_end(&span, rc);
	if (rc < 0)
		return rc;
	nx_task_set_state(t, NX_TASK_QUEUED);
	nx_scheduler_plan_times(t);
	return 0;
}

static void begin(struct nx_task *t, struct nx_submit *s)
{
	int64_t wait = wait_us(t->request);

	nx_journal_task(t, NULL);
	nx_journal_hook(t, s->hook);
	for (size_t i = 0; i < t->nsteps; i++)
		nx_journal_step(&t->steps[i], NULL);
	nx_journal_event(t, "task.accepted", t->analysis.json, NULL);
	t->submit = s;
	nx_timer_init(&t->wait_timer, t->core->loop, wait_over);
	if (wait > 0)
		(void)nx_timer_start(&t->wait_timer, wait, NULL);
	nx_orchestrator_arm(t);
	t->deferred = finishes_at_once(t) && wait > 0;
	if (t->deferred) {
		nx_orchestrator_settle(t);
		return;
	}
	t->holds = 1;
	nx_context_gather(t);
	t->on_accepted.then = accepted;
	nx_journal_commit(t, &t->on_accepted);
	if (nx_str_eqz(t->request->durability, "async") && wait == 0)
		nx_orchestrator_answer(t, NULL);
}

/* The task outlives the request: the name is copied into its own arena. */
static int bind_user(struct nx_task *t, struct nx_task_request *r, nx_str bound, struct nx_error **err)
{
	if (bound.n == 0)
		return 0;
	if (r->user_id.n > 0 && !nx_str_eq(r->user_id, bound)) {
		nx_error_set(err, NX_EFORBIDDEN, "this key acts for user `%.*s` only", NX_FMT(bound));
		return nx_error_at(err, "/user_id");
	}
	r->user_id = nx_str_dup(t->arena, bound);
	return r->user_id.p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a task");
}

static int prepare(struct nx_core *c, struct nx_submit *s, struct nx_task **ret, struct nx_error **err)
{
	struct nx_task *t;
	yyjson_val *body;
	int rc;

	if (atomic_load_explicit(&c->pending, memory_order_relaxed) >= c->config->core_max_pending)
		return nx_error_set(err, NX_EBUSY,
				    "%lld tasks wait or run, as many as core.max_pending allows: try again later",
				    (long long)c->config->core_max_pending);
	if (NX_FAULT(core_accept) || !(t = nx_task_new(c, s->tenant, nx_id_new())))
		return nx_error_set(err, NX_ENOMEM, "no memory for a task");
	t->row = c->next_row;
	t->key_id = s->key_id;
	t->trace = s->trace;
	*ret = t;
	nx_span_start(&t->span, s->trace, "invoke_workflow");
	t->trace = t->span.ctx;
	t->span.tenant = t->tenant;
	t->span.task = t->id;
	if ((rc = nx_json_write_val(t->arena, s->body, false, &t->request_json, err)) < 0 ||
	    (rc = nx_json_read(t->arena, t->request_json, NULL, &body, err)) < 0 ||
	    (rc = nx_task_request_decode(c, body, t->arena, &t->request, err)) < 0 ||
	    (rc = bind_user(t, t->request, s->bound_user, err)) < 0)
		return rc;
	t->deadline_us = total_deadline(t);
	return analyse_and_plan(t, err);
}

static void answer_dry_run(struct nx_task *t, struct nx_submit *s)
{
	struct nx_error *err = NULL;

	s->finished = true;
	nx_task_live_json(t, s->arena, &s->answer, &err);
	reply(t->core, s, err);
	nx_arena_free(t->arena);
}

void nx_orchestrator_submit(struct nx_core *c, struct nx_submit *s)
{
	struct nx_error *err = NULL;
	struct nx_task *t = NULL;

	nx_loop_assert(c->loop);
	if (prepare(c, s, &t, &err) < 0) {
		if (t)
			nx_arena_free(t->arena);
		reply(c, s, err);
		return;
	}
	if (t->request->dry_run) {
		answer_dry_run(t, s);
		return;
	}
	c->next_row++;
	nx_task_link(t);
	begin(t, s);
}
