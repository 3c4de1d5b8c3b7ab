/*
 * The journal: what a task's next commit holds, sent to the writer as one message.
 *
 * Records are copied into the write's own arena on the core loop, because the task may change before the writer gets to
 * them. Events take their sequence numbers inside the transaction and are published only after it.
 *
 * One write of a task is under way at a time; what happens meanwhile gathers in the next, so that a retried write can never
 * put an older state over a newer one.
 *
 * A task's first commit that fails is reported, and the task was never there. A later one is tried again, with back-off,
 * until it succeeds: what it holds has happened, and nothing that depends on it with effects starts before.
 */
#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "core/core_internal.h"

#define RETRY_FIRST_US (100 * NX_USEC_PER_MSEC)
#define RETRY_MAX_US (10 * NX_USEC_PER_SEC)

enum record_kind { RECORD_EVENT, RECORD_STEP, RECORD_TASK_INSERT, RECORD_TASK_UPDATE, RECORD_AGENT };

struct step_record {
	unsigned idx;
	nx_id uid;
	nx_str name, agent, tool, why, output, error, usage;
	const char *state, *effects;
	int64_t attempts, not_before, started, finished;
	bool tainted;
};
struct task_record {
	nx_str user_id, session, input, request, analysis, plan, schedule, result, error, waiting, usage;
	const char *state;
	int priority;
	int64_t created, started, finished, deadline, cancel;
	bool tainted;
};
struct agent_record {
	nx_str agent, capability;
	bool ok;
	struct nx_usage usage;
};
struct record {
	struct record *next;
	enum record_kind kind;
	union {
		struct nx_event event;
		struct step_record step;
		struct task_record task;
		struct agent_record agent;
	};
};

struct nx_journal_write {
	struct nx_write write;
	struct nx_arena *arena;
	struct nx_task *task;
	int64_t row, tenant, key_id, now;
	nx_id uid, trace;
	struct record *first, **last;
	size_t nevents;
	bool is_first;
	struct nx_tx_hook *hook;
	struct nx_follow_up *follow_ups;
	struct nx_timer timer;
	int64_t backoff_us;
};

static struct nx_journal_write *batch(struct nx_task *t)
{
	struct nx_arena *a;
	struct nx_journal_write *w;

	if (t->batch)
		return t->batch;
	if (!(a = nx_arena_new(0)))
		return NULL;
	if (!(w = nx_arena_new_of(a, struct nx_journal_write))) {
		nx_arena_free(a);
		return NULL;
	}
	*w = (struct nx_journal_write){.arena = a,
				       .task = t,
				       .row = t->row,
				       .tenant = t->tenant,
				       .key_id = t->key_id,
				       .uid = t->id,
				       .trace = t->trace.trace};
	w->last = &w->first;
	t->batch = w;
	return w;
}

static struct record *add(struct nx_task *t, enum record_kind kind, struct nx_error **err)
{
	struct nx_journal_write *w = batch(t);
	struct record *r = w ? nx_arena_new_of(w->arena, struct record) : NULL;

	if (!r) {
		t->broken = true;
		nx_error_set(err, NX_ENOMEM, "journal a task");
		return NULL;
	}
	r->kind = kind;
	*w->last = r;
	w->last = &r->next;
	return r;
}

static nx_str keep(struct nx_task *t, nx_str s)
{
	nx_str copy = s.p ? nx_str_dup(t->batch->arena, s) : NX_STR_NULL;

	t->broken |= s.p && !copy.p;
	return copy;
}

int nx_journal_event(struct nx_task *t, const char *type, nx_str data_json, struct nx_error **err)
{
	struct record *r = add(t, RECORD_EVENT, err);
	if (!r)
		return NX_ENOMEM;
	r->event = (struct nx_event){.tenant = t->tenant,
				     .task = t->id,
				     .session = keep(t, t->request->session_id),
				     .type = type,
				     .data = keep(t, data_json),
				     .time_us = nx_time_wall_us()};
	t->batch->nevents++;
	return 0;
}

int nx_journal_step(struct nx_step *s, struct nx_error **err)
{
	struct nx_task *t = s->task;
	struct record *r = add(t, RECORD_STEP, err);
	if (!r)
		return NX_ENOMEM;
	r->step = (struct step_record){.idx = s->idx,
				       .uid = s->id,
				       .name = keep(t, s->spec->id),
				       .agent = keep(t, s->agent),
				       .tool = keep(t, s->spec->tool),
				       .why = keep(t, s->why),
				       .output = keep(t, s->output),
				       .error = keep(t, s->error),
				       .state = nx_step_state_names[s->state],
				       .effects = nx_effects_names[s->effects],
				       .attempts = s->attempts,
				       .not_before = s->not_before_us,
				       .started = s->started_us,
				       .finished = s->finished_us,
				       .tainted = s->tainted};
	r->step.usage =
		nx_usage_json(t->batch->arena, &s->usage, 1, s->finished_us ? s->finished_us - s->started_us : 0);
	t->broken |= !r->step.usage.p;
	return 0;
}

int nx_journal_task(struct nx_task *t, struct nx_error **err)
{
	bool first = !t->accepted_committed;
	struct record *r = add(t, first ? RECORD_TASK_INSERT : RECORD_TASK_UPDATE, err);
	if (!r)
		return NX_ENOMEM;
	const struct nx_task_request *q = t->request;
	r->task = (struct task_record){.state = nx_task_state_names[t->state],
				       .priority = q->priority,
				       .result = keep(t, t->result_json),
				       .error = keep(t, t->error_json),
				       .waiting = keep(t, t->waiting_json),
				       .usage = keep(t, t->usage_json),
				       .schedule = keep(t, t->schedule_json),
				       .created = t->created_us,
				       .started = t->started_us,
				       .finished = t->finished_us,
				       .deadline = t->deadline_us,
				       .cancel = t->cancel_us,
				       .tainted = t->tainted};
	if (first) {
		t->accepted_committed = t->batch->is_first = true;
		r->task.user_id = keep(t, q->user_id);
		r->task.session = keep(t, q->session_id);
		r->task.input = keep(t, q->input);
		r->task.request = keep(t, t->request_json);
		r->task.analysis = keep(t, t->analysis.json);
		r->task.plan = keep(t, t->plan_json);
	}
	return 0;
}

int nx_journal_agent(struct nx_step *s, bool ok, struct nx_error **err)
{
	struct nx_task *t = s->task;
	struct record *r = add(t, RECORD_AGENT, err);
	if (!r)
		return NX_ENOMEM;
	r->agent = (struct agent_record){.agent = keep(t, s->agent),
					 .ok = ok,
					 .usage = s->usage,
					 .capability = keep(t, t->analysis.capabilities[0])};
	return 0;
}

void nx_journal_hook(struct nx_task *t, struct nx_tx_hook *hook)
{
	struct nx_journal_write *w = batch(t);
	if (w)
		w->hook = hook;
}

/* ---- on the writer ---- */

static int apply_event(struct nx_journal_write *w, struct nx_db *db, struct nx_event *e, struct nx_error **err)
{
	int rc = nx_store_next_seq(db, e->tenant, &e->seq, err);
	if (rc < 0)
		return rc;
	return nx_db_exec(
		db, "INSERT INTO events(tenant_id, seq, task_id, type, data, created_at) VALUES($1,$2,$3,$4,$5,$6)",
		NX_PARAMS(nx_v_int(e->tenant), nx_v_int(e->seq), nx_v_int(w->row), nx_v_textz(e->type),
			  nx_v_text(e->data), nx_v_int(e->time_us)),
		err);
}

static int apply_step(struct nx_journal_write *w, struct nx_db *db, const struct step_record *s, struct nx_error **err)
{
	return nx_db_exec(
		db,
		"INSERT INTO steps(task_id, idx, tenant_id, uid, name, agent, tool, why, state, effects, attempts, "
		"not_before, output, error, usage, tainted, started_at, finished_at) "
		"VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18) "
		"ON CONFLICT(task_id, idx) DO UPDATE SET agent=excluded.agent, why=excluded.why, state=excluded.state, "
		"attempts=excluded.attempts, not_before=excluded.not_before, output=excluded.output, "
		"error=excluded.error, usage=excluded.usage, tainted=excluded.tainted, "
		"started_at=excluded.started_at, finished_at=excluded.finished_at",
		NX_PARAMS(nx_v_int(w->row), nx_v_int(s->idx), nx_v_int(w->tenant), nx_v_id(&s->uid), nx_v_text(s->name),
			  nx_v_text(s->agent), nx_v_text(s->tool), nx_v_text(s->why), nx_v_textz(s->state),
			  nx_v_textz(s->effects), nx_v_int(s->attempts), nx_v_int0(s->not_before), nx_v_text(s->output),
			  nx_v_text(s->error), nx_v_text(s->usage), nx_v_int(s->tainted), nx_v_int0(s->started),
			  nx_v_int0(s->finished)),
		err);
}

static int apply_task_insert(struct nx_journal_write *w, struct nx_db *db, const struct task_record *t,
			     struct nx_error **err)
{
	nx_str user = t->user_id.p ? t->user_id : NX_STR("");
	int64_t session;

	if (NX_FAULT(core_accept))
		return nx_error_set(err, NX_EIO, "store the task: injected fault");
	int rc = nx_memory_session_put(db, w->tenant, user, t->session, t->created, &session, err);
	if (rc < 0)
		return rc;
	return nx_db_exec(
		db,
		"INSERT INTO tasks(id, uid, tenant_id, user_id, session_id, state, priority, input, request, analysis, "
		"plan, schedule, result, error, waiting, usage, trace_id, key_id, tainted, created_at, started_at, "
		"finished_at, deadline_at, cancel_requested_at) "
		"VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24)",
		NX_PARAMS(nx_v_int(w->row), nx_v_id(&w->uid), nx_v_int(w->tenant), nx_v_text(t->user_id),
			  nx_v_int0(session), nx_v_textz(t->state), nx_v_int(t->priority), nx_v_text(t->input),
			  nx_v_text(t->request), nx_v_text(t->analysis), nx_v_text(t->plan), nx_v_text(t->schedule),
			  nx_v_text(t->result), nx_v_text(t->error), nx_v_text(t->waiting), nx_v_text(t->usage),
			  nx_v_id(&w->trace), nx_v_int0(w->key_id), nx_v_int(t->tainted), nx_v_int(t->created),
			  nx_v_int0(t->started), nx_v_int0(t->finished), nx_v_int0(t->deadline), nx_v_int0(t->cancel)),
		err);
}

static int apply_task_update(struct nx_journal_write *w, struct nx_db *db, const struct task_record *t,
			     struct nx_error **err)
{
	return nx_db_exec(
		db,
		"UPDATE tasks SET state=$3, schedule=$4, result=$5, error=$6, waiting=$7, usage=$8, tainted=$9, "
		"started_at=$10, finished_at=$11, cancel_requested_at=$12 WHERE id=$1 AND tenant_id=$2",
		NX_PARAMS(nx_v_int(w->row), nx_v_int(w->tenant), nx_v_textz(t->state), nx_v_text(t->schedule),
			  nx_v_text(t->result), nx_v_text(t->error), nx_v_text(t->waiting), nx_v_text(t->usage),
			  nx_v_int(t->tainted), nx_v_int0(t->started), nx_v_int0(t->finished), nx_v_int0(t->cancel)),
		err);
}

static int apply_record(struct nx_journal_write *w, struct nx_db *db, struct record *r, struct nx_error **err)
{
	switch (r->kind) {
	case RECORD_EVENT: return apply_event(w, db, &r->event, err);
	case RECORD_STEP: return apply_step(w, db, &r->step, err);
	case RECORD_TASK_INSERT: return apply_task_insert(w, db, &r->task, err);
	case RECORD_TASK_UPDATE: return apply_task_update(w, db, &r->task, err);
	case RECORD_AGENT:
		return nx_agents_record_tx(db, w->tenant, r->agent.agent, r->agent.capability, r->agent.ok,
					   &r->agent.usage, w->now, err);
	}
	return nx_error_set(err, NX_EINTERNAL, "unknown journal record %d", r->kind);
}

static int apply(struct nx_write *write, struct nx_db *db, struct nx_error **err)
{
	struct nx_journal_write *w = nx_container_of(write, struct nx_journal_write, write);

	if (NX_FAULT(core_step_commit))
		return nx_error_set(err, NX_EIO, "journal: injected fault");
	/* The task's row comes first: the others refer to it. */
	for (struct record *r = w->first; r; r = r->next) {
		if (r->kind != RECORD_TASK_INSERT)
			continue;
		int rc = apply_record(w, db, r, err);
		if (rc < 0)
			return nx_error_wrap(err, "store the task");
	}
	for (struct record *r = w->first; r; r = r->next) {
		if (r->kind == RECORD_TASK_INSERT)
			continue;
		int rc = apply_record(w, db, r, err);
		if (rc < 0)
			return nx_error_wrap(err, "journal a step");
	}
	return nx_tx_hook_run(w->hook, db, w->uid, NX_STR_NULL, err);
}

/* ---- back on the core loop ---- */

static void send_again(struct nx_timer *timer)
{
	struct nx_journal_write *w = nx_container_of(timer, struct nx_journal_write, timer);
	nx_store_write(w->task->core->p.store, &w->write);
}

static bool retry(struct nx_journal_write *w, struct nx_error *err)
{
	if (w->is_first)
		return false;
	if (w->backoff_us == 0)
		nx_log_error("core", "a journal write failed and is tried again", NX_LERR(err));
	w->backoff_us = w->backoff_us ? nx_min(w->backoff_us * 2, RETRY_MAX_US) : RETRY_FIRST_US;
	nx_timer_init(&w->timer, w->task->core->loop, send_again);
	return nx_timer_start(&w->timer, w->backoff_us, NULL) == 0;
}

static void publish(struct nx_core *c, struct nx_journal_write *w)
{
	for (struct record *r = w->first; r; r = r->next)
		if (r->kind == RECORD_EVENT)
			nx_events_publish(c, &r->event);
}

static void send(struct nx_task *t);

static void tell(struct nx_task *t, struct nx_follow_up *list, struct nx_error *err)
{
	for (struct nx_follow_up *f = list, *next; f; f = next) {
		next = f->next;
		f->then(t, f->step, err);
	}
}

/* The first commit failed: what was gathered behind it has no task to belong to. */
static void drop_batch(struct nx_task *t, struct nx_error *err)
{
	struct nx_journal_write *w = nx_steal(t->batch);

	if (!w)
		return;
	tell(t, w->follow_ups, err);
	nx_arena_free(w->arena);
}

static void committed(struct nx_write *write, struct nx_error *err)
{
	struct nx_journal_write *w = nx_container_of(write, struct nx_journal_write, write);
	struct nx_task *t = w->task;

	nx_loop_assert(t->core->loop);
	if (err && retry(w, err))
		return;
	t->committing = false;
	t->pins++;
	if (!err)
		publish(t->core, w);
	tell(t, w->follow_ups, err);
	if (err)
		drop_batch(t, err);
	t->pins--;
	nx_arena_free(w->arena);
	if (t->batch && !t->committing)
		nx_journal_commit(t, NULL);
	nx_task_release(t);
}

static void send(struct nx_task *t)
{
	struct nx_journal_write *w = nx_steal(t->batch);

	t->committing = true;
	w->now = nx_time_wall_us();
	w->write = (struct nx_write){
		.lane = NX_LANE_INTERACTIVE, .apply = apply, .done = committed, .reply = t->core->loop};
	nx_store_write(t->core->p.store, &w->write);
}

static void park(struct nx_task *t, struct nx_follow_up *list)
{
	while (list) {
		struct nx_follow_up *f = list;
		list = f->next;
		f->next = t->parked;
		t->parked = f;
	}
}

/* Everything the task is, written again; the events that were lost are not, but for the last. */
static void repair(struct nx_msg *m)
{
	struct nx_task *t = nx_container_of(m, struct nx_task, repair);

	t->pins--;
	t->repair_posted = t->broken = false;
	nx_journal_task(t, NULL);
	for (size_t i = 0; i < t->nsteps; i++)
		nx_journal_step(&t->steps[i], NULL);
	if (nx_task_state_final(t->state))
		nx_journal_event(t, "task.finished", NX_STR("{}"), NULL);
	nx_journal_commit(t, NULL);
}

/* There was no memory for what belongs in the batch. */
static void give_up_batch(struct nx_task *t)
{
	struct nx_journal_write *w = nx_steal(t->batch);
	bool first = w ? w->is_first : !t->accepted_committed;

	if (w) {
		park(t, w->follow_ups);
		nx_arena_free(w->arena);
	}
	if (first) {
		nx_auto_error struct nx_error *err = NULL;
		struct nx_follow_up *list = nx_steal(t->parked);
		nx_error_set(&err, NX_ENOMEM, "no memory to store the task");
		t->broken = false;
		t->pins++;
		tell(t, list, err);
		t->pins--;
		return;
	}
	if (t->repair_posted)
		return;
	t->pins++;
	t->repair_posted = true;
	t->repair.run = repair;
	nx_loop_post(t->core->loop, &t->repair);
}

void nx_journal_commit(struct nx_task *t, struct nx_follow_up *f)
{
	struct nx_journal_write *w = batch(t);

	if (f) {
		f->next = t->parked;
		t->parked = f;
	}
	if (!w || t->broken) {
		give_up_batch(t);
		return;
	}
	while (t->parked) {
		f = t->parked;
		t->parked = f->next;
		f->next = w->follow_ups;
		w->follow_ups = f;
	}
	if (!t->committing)
		send(t);
}

void nx_journal_drop(struct nx_task *t)
{
	struct nx_journal_write *w = nx_steal(t->batch);

	if (w)
		nx_arena_free(w->arena);
}
