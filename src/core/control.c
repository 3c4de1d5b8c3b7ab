/* What a client may ask of a task that exists: to stop, and what it thought of the answer. */
#include "core/core_internal.h"

static void deliver(struct nx_msg *m)
{
	struct nx_control *k = nx_container_of(m, struct nx_control, msg);
	struct nx_error *err = k->priv;

	k->priv = NULL;
	k->done(k, err);
	nx_error_free(err);
}

/* Takes err. */
static void reply(struct nx_core *c, struct nx_control *k, struct nx_error *err)
{
	k->priv = err;
	k->msg.run = deliver;
	if (k->reply && k->reply != c->loop)
		nx_loop_post(k->reply, &k->msg);
	else
		deliver(&k->msg);
}

/* A task that is not open: what it is says whether it never was, or is over. */
struct closed_check {
	struct nx_write write;
	struct nx_core *core;
	struct nx_control *control;
};

static int apply_closed(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct closed_check *k = nx_container_of(w, struct closed_check, write);
	struct nx_control *c = k->control;

	int rc = nx_task_get_json(db, c->tenant, c->task, c->arena, &c->answer, err);
	if (rc < 0)
		return rc;
	if (c->op == NX_CONTROL_FEEDBACK) {
		rc = nx_db_exec(db,
				"INSERT INTO feedback(tenant_id, task_id, rating, comment, created_at) "
				"SELECT tenant_id, id, $3, $4, $5 FROM tasks WHERE uid=$1 AND tenant_id=$2",
				NX_PARAMS(nx_v_id(&c->task), nx_v_int(c->tenant), nx_v_int(c->rating),
					  nx_v_text(c->comment), nx_v_int(nx_time_wall_us())),
				err);
		if (rc < 0)
			return rc;
		c->answer = NX_STR("{\"ok\":true}");
	}
	return nx_tx_hook_run(c->hook, db, c->task, c->answer, err);
}

static void closed_done(struct nx_write *w, struct nx_error *err)
{
	struct closed_check *k = nx_container_of(w, struct closed_check, write);

	reply(k->core, k->control, err ? nx_error_copy(err) : NULL);
}

static void through_store(struct nx_core *c, struct nx_control *k)
{
	struct closed_check *w = nx_arena_new_of(k->arena, struct closed_check);
	struct nx_error *err = NULL;

	if (!w) {
		nx_error_set(&err, NX_ENOMEM, "control a task");
		reply(c, k, err);
		return;
	}
	*w = (struct closed_check){.core = c, .control = k};
	w->write = (struct nx_write){
		.lane = NX_LANE_INTERACTIVE, .apply = apply_closed, .done = closed_done, .reply = c->loop};
	nx_store_write(c->p.store, &w->write);
}

/* A commit comes before the answer, and carries the idempotency row with it. */
static void cancel_committed(struct nx_task *t, struct nx_step *s, struct nx_error *err)
{
	struct nx_control *k = nx_steal(t->cancel_control);
	struct nx_error *own = err ? nx_error_copy(err) : NULL;

	(void)s;
	if (!err)
		nx_task_live_json(t, k->arena, &k->answer, &own);
	reply(t->core, k, own);
}

static void cancel_open(struct nx_task *t, struct nx_control *k)
{
	t->cancel_us = nx_time_wall_us();
	t->cancel_control = k;
	t->on_cancelled.then = cancel_committed;
	nx_journal_task(t, NULL);
	nx_journal_event(t, "task.cancel_requested", NX_STR("{}"), NULL);
	nx_journal_hook(t, k->hook);
	nx_journal_commit(t, &t->on_cancelled);
	nx_orchestrator_stop(t);
	nx_orchestrator_settle(t);
}

void nx_control_run(struct nx_core *c, struct nx_control *k)
{
	struct nx_task *t = nx_task_find(c, k->tenant, k->task);

	nx_loop_assert(c->loop);
	if (t && k->op == NX_CONTROL_CANCEL && !t->cancel_us && !nx_task_state_final(t->state))
		cancel_open(t, k);
	else
		through_store(c, k);
}
