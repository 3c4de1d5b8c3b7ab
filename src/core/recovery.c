/*
 * Recovery: what a crash or a stop left is taken up again.
 *
 * Only rows that are not terminal are read, a page at a time, on a worker; the tasks are made again on the core loop from
 * their stored request and plan. A step that was running goes again when its effects are none or idempotent; otherwise
 * it waits with reason `repeat`, and fails when nobody has decided by its deadline. A task whose cancellation was asked
 * for is cancelled.
 */
#include "base/assert.h"
#include "base/log.h"
#include "core/core_internal.h"

#define PAGE 256

struct open_step {
	int64_t idx, attempts, not_before, started, finished;
	nx_id uid;
	nx_str agent, why, state, output, error;
	bool tainted;
};
struct open_task {
	int64_t row, tenant, key_id, created, started, deadline, cancel;
	nx_id uid, trace;
	nx_str request, plan, analysis, schedule, user_id;
	struct open_step *steps;
	size_t nsteps;
};
struct recovery {
	struct nx_job job;
	struct nx_core *core;
	struct nx_arena *arena; /* of the page */
	int64_t after, max_row;
	struct open_task *tasks;
	size_t ntasks, taken;
	struct nx_error *err;
	void (*done)(struct nx_error *err, void *ctx);
	void *ctx;
};

/* ---- on a worker ---- */

static int read_steps(struct nx_db *db, struct open_task *t, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int64_t max = 0;
	int rc = nx_db_get_int(db, "SELECT count(*) FROM steps WHERE task_id=$1", NX_PARAMS(nx_v_int(t->row)), &max,
			       err);

	if (rc < 0)
		return rc;
	if (!(t->steps = nx_arena_array(a, struct open_step, (size_t)max + 1)))
		return nx_error_set(err, NX_ENOMEM, "recover a task");
	rc = nx_db_query(
		db,
		"SELECT idx, uid, agent, why, state, attempts, not_before, output, error, tainted, started_at, "
		"finished_at FROM steps WHERE task_id=$1 ORDER BY idx",
		NX_PARAMS(nx_v_int(t->row)), &r, err);
	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0 && t->nsteps < (size_t)max)
		t->steps[t->nsteps++] = (struct open_step){.idx = nx_rows_int(r, 0),
							   .uid = nx_rows_id(r, 1),
							   .agent = nx_rows_textdup(r, 2, a),
							   .why = nx_rows_textdup(r, 3, a),
							   .state = nx_rows_textdup(r, 4, a),
							   .attempts = nx_rows_int(r, 5),
							   .not_before = nx_rows_int(r, 6),
							   .output = nx_rows_textdup(r, 7, a),
							   .error = nx_rows_textdup(r, 8, a),
							   .tainted = nx_rows_int(r, 9) != 0,
							   .started = nx_rows_int(r, 10),
							   .finished = nx_rows_int(r, 11)};
	return rc < 0 ? rc : 0;
}

static int read_page(struct recovery *v, struct nx_db *db, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	struct nx_arena *a = v->arena;
	int rc = nx_db_query(
		db,
		"SELECT id, uid, tenant_id, key_id, trace_id, request, plan, analysis, schedule, created_at, "
		"started_at, deadline_at, cancel_requested_at, user_id FROM tasks "
		"WHERE finished_at IS NULL AND id>$1 ORDER BY id LIMIT $2",
		NX_PARAMS(nx_v_int(v->after), nx_v_int(PAGE)), &r, err);

	if (!(v->tasks = nx_arena_array(a, struct open_task, PAGE)))
		return nx_error_set(err, NX_ENOMEM, "recover tasks");
	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0 && v->ntasks < PAGE)
		v->tasks[v->ntasks++] = (struct open_task){.row = nx_rows_int(r, 0),
							   .uid = nx_rows_id(r, 1),
							   .tenant = nx_rows_int(r, 2),
							   .key_id = nx_rows_int(r, 3),
							   .trace = nx_rows_id(r, 4),
							   .request = nx_rows_textdup(r, 5, a),
							   .plan = nx_rows_textdup(r, 6, a),
							   .analysis = nx_rows_textdup(r, 7, a),
							   .schedule = nx_rows_textdup(r, 8, a),
							   .created = nx_rows_int(r, 9),
							   .started = nx_rows_int(r, 10),
							   .deadline = nx_rows_int(r, 11),
							   .cancel = nx_rows_int(r, 12),
							   .user_id = nx_rows_textdup(r, 13, a)};
	return rc < 0 ? rc : 0;
}

static void read_job(struct nx_job *job)
{
	struct recovery *v = nx_container_of(job, struct recovery, job);
	struct nx_db *db = nx_store_reader(v->core->p.store);
	int rc = 0;

	v->ntasks = 0;
	if (v->after == 0)
		rc = nx_db_get_int(db, "SELECT coalesce(max(id), 0) FROM tasks", NX_NO_PARAMS, &v->max_row, &v->err);
	if (rc == 0)
		rc = read_page(v, db, &v->err);
	for (size_t i = 0; rc == 0 && i < v->ntasks; i++)
		rc = read_steps(db, &v->tasks[i], v->arena, &v->err);
}

/* ---- on the core loop ---- */

static void repeat_deadline(struct nx_timer *timer)
{
	struct nx_step *s = nx_container_of(timer, struct nx_step, timer);
	struct nx_task *t = s->task;

	nx_step_fail_now(
		s, NX_STEP_FAILED, NX_ECANCELLED,
		"it ran when the server stopped, its effects forbid to run it again unasked, and nobody decided in time");
	nx_orchestrator_settle(t);
}

static void wait_for_decision(struct nx_step *s)
{
	struct nx_task *t = s->task;
	int64_t after = t->core->config->core_repeat_wait * NX_USEC_PER_MSEC;
	char since[NX_TIME_TEXT], deadline[NX_TIME_TEXT];

	s->state = NX_STEP_WAITING;
	nx_time_format(nx_time_wall_us(), since);
	nx_time_format(nx_time_wall_us() + after, deadline);
	char *json = nx_arena_printf(t->arena,
				     "{\"reason\":\"repeat\",\"step\":\"%.*s\",\"since\":\"%s\",\"deadline\":\"%s\"}",
				     NX_FMT(s->spec->id), since, deadline);
	t->waiting_json = json ? nx_str_z(json) : NX_STR_NULL;
	nx_timer_init(&s->timer, t->core->loop, repeat_deadline);
	(void)nx_timer_start(&s->timer, after, NULL);
}

static void restore_step(struct nx_step *s, const struct open_step *o)
{
	struct nx_arena *a = s->task->arena;
	int state = nx_step_state_parse(o->state);

	s->id = o->uid;
	s->agent = nx_str_dup(a, o->agent.p ? o->agent : NX_STR(""));
	s->why = nx_str_dup(a, o->why.p ? o->why : NX_STR(""));
	s->attempts = (unsigned)o->attempts;
	s->not_before_us = o->not_before;
	s->started_us = o->started;
	s->finished_us = o->finished;
	s->tainted = o->tainted;
	s->output = o->output.p ? nx_str_dup(a, o->output) : NX_STR_NULL;
	s->error = o->error.p ? nx_str_dup(a, o->error) : NX_STR_NULL;
	s->state = state >= 0 ? (enum nx_step_state)state : NX_STEP_PENDING;
	if (s->state == NX_STEP_RUNNING && s->effects == NX_EFFECTS_ONCE)
		wait_for_decision(s);
	else if (s->state == NX_STEP_RUNNING)
		s->state = NX_STEP_READY;
	else if (s->state == NX_STEP_WAITING)
		wait_for_decision(s);
	if (nx_step_state_final(s->state))
		s->task->open--;
}

static int restore_request(struct nx_task *t, const struct open_task *o, struct nx_error **err)
{
	yyjson_val *body;
	int rc;

	t->request_json = nx_str_dup(t->arena, o->request);
	if (!t->request_json.p)
		return nx_error_set(err, NX_ENOMEM, "recover a task");
	if ((rc = nx_json_read(t->arena, t->request_json, NULL, &body, err)) < 0 ||
	    (rc = nx_task_request_decode(t->core, body, t->arena, &t->request, err)) < 0 ||
	    (rc = nx_analysis_run(t->request, t->arena, &t->analysis, err)) < 0)
		return rc;
	if (o->user_id.p)
		t->request->user_id = nx_str_dup(t->arena, o->user_id);
	t->analysis.json = nx_str_dup(t->arena, o->analysis);
	t->schedule_json = o->schedule.p ? nx_str_dup(t->arena, o->schedule) : NX_STR_NULL;
	return nx_planner_from_json(t, o->plan, err);
}

static void start_span(struct nx_task *t, nx_id trace)
{
	nx_span_start(&t->span, (struct nx_trace_ctx){.trace = trace}, "invoke_workflow");
	t->trace = t->span.ctx;
	t->span.tenant = t->tenant;
	t->span.task = t->id;
}

static int restore(struct nx_core *c, const struct open_task *o, struct nx_error **err)
{
	struct nx_task *t = nx_task_new(c, o->tenant, o->uid);
	if (!t)
		return nx_error_set(err, NX_ENOMEM, "recover a task");
	t->row = o->row;
	t->key_id = o->key_id;
	t->created_us = o->created;
	t->started_us = o->started;
	t->deadline_us = o->deadline;
	t->cancel_us = o->cancel;
	t->accepted_committed = true;
	start_span(t, o->trace);
	int rc = restore_request(t, o, err);
	if (rc < 0) {
		nx_arena_free(t->arena);
		return rc;
	}
	for (size_t i = 0; i < o->nsteps; i++)
		if (o->steps[i].idx >= 0 && (size_t)o->steps[i].idx < t->nsteps)
			restore_step(&t->steps[o->steps[i].idx], &o->steps[i]);
	t->state = t->started_us ? NX_TASK_RUNNING : NX_TASK_QUEUED;
	nx_task_link(t);
	nx_orchestrator_arm(t);
	nx_journal_event(t, "task.recovered", NX_STR("{}"), NULL);
	if (t->cancel_us)
		nx_orchestrator_stop(t);
	nx_journal_task(t, NULL);
	nx_orchestrator_settle(t);
	return 0;
}

static void end(struct recovery *v, struct nx_error *err)
{
	struct nx_core *c = v->core;

	if (!err) {
		if (v->taken > 0)
			nx_log_info("core", "took up the tasks that were not finished", NX_LINT("tasks", v->taken));
		atomic_store_explicit(&c->ready, true, memory_order_release);
	}
	v->done(err, v->ctx);
	nx_error_free(v->err);
	nx_arena_free(v->arena);
	free(v);
}

static void page_read(struct nx_job *job)
{
	struct recovery *v = nx_container_of(job, struct recovery, job);

	nx_loop_assert(v->core->loop);
	if (v->err) {
		end(v, v->err);
		return;
	}
	if (v->after == 0)
		v->core->next_row = v->max_row + 1;
	for (size_t i = 0; i < v->ntasks; i++) {
		nx_auto_error struct nx_error *err = NULL;
		if (restore(v->core, &v->tasks[i], &err) < 0)
			nx_log_error("core", "a stored task cannot be taken up", NX_LID("task", v->tasks[i].uid),
				     NX_LERR(err));
		else
			v->taken++;
		v->after = v->tasks[i].row;
	}
	if (v->ntasks < PAGE) {
		end(v, NULL);
		return;
	}
	nx_arena_reset(v->arena);
	nx_workers_post(v->core->p.workers, &v->job);
}

void nx_recovery_run(struct nx_core *c, void (*done)(struct nx_error *err, void *ctx), void *ctx)
{
	struct recovery *v = calloc(1, sizeof(*v));
	nx_auto_error struct nx_error *err = NULL;

	if (v)
		v->arena = nx_arena_new(0);
	if (!v || !v->arena) {
		free(v);
		nx_error_set(&err, NX_ENOMEM, "recover the journal");
		done(err, ctx);
		return;
	}
	v->core = c;
	v->done = done;
	v->ctx = ctx;
	v->job = (struct nx_job){.run = read_job, .done = page_read, .reply = c->loop, .is_long = true};
	nx_workers_post(c->p.workers, &v->job);
}
