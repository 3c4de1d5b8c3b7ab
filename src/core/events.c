/*
 * Events to those who listen, and events read back for those who come later.
 *
 * The journal's events are published after their commit, in the order of their sequence numbers as the core loop sees the
 * commits; transient ones (deltas) have no number and are never stored. Owner: the core loop; nx_events_read runs on
 * workers.
 */
#include "core/core_internal.h"

static bool wants(const struct nx_subscription *s, const struct nx_event *e)
{
	return s->tenant == e->tenant && (nx_id_none(s->task) || nx_id_eq(s->task, e->task)) &&
	       (s->session.n == 0 || nx_str_eq(s->session, e->session));
}

void nx_events_publish(struct nx_core *c, const struct nx_event *e)
{
	nx_loop_assert(c->loop);
	for (struct nx_subscription *s = c->subscriptions, *next; s; s = next) {
		next = s->next;
		if (wants(s, e))
			s->on_event(s, e);
	}
}

static void subscribe(struct nx_msg *m)
{
	struct nx_subscription *s = nx_container_of(m, struct nx_subscription, msg);
	struct nx_core *c = s->core;

	nx_loop_assert(c->loop);
	s->next = c->subscriptions;
	s->prev = &c->subscriptions;
	if (s->next)
		s->next->prev = &s->next;
	c->subscriptions = s;
	/* What was committed before this message is in the store; the rest comes through on_event. */
	if (s->on_ready)
		s->on_ready(s, 0);
}

static void unsubscribe(struct nx_msg *m)
{
	struct nx_subscription *s = nx_container_of(m, struct nx_subscription, msg);

	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->on_gone(s);
}

void nx_core_subscribe(struct nx_core *c, struct nx_subscription *s)
{
	s->core = c;
	s->msg.run = subscribe;
	nx_loop_post(c->loop, &s->msg);
}

void nx_core_unsubscribe(struct nx_core *c, struct nx_subscription *s)
{
	s->msg.run = unsubscribe;
	nx_loop_post(c->loop, &s->msg);
}

/* ---- read back ---- */

static int check_kept(struct nx_db *db, int64_t tenant, int64_t after, struct nx_error **err)
{
	int64_t oldest = 0, next = 0;

	if (after <= 0)
		return 0;
	int rc = nx_db_get_int(db, "SELECT coalesce(min(seq), 0) FROM events WHERE tenant_id=$1",
			       NX_PARAMS(nx_v_int(tenant)), &oldest, err);
	if (rc == 0)
		rc = nx_db_get_int(db, "SELECT next_seq FROM tenants WHERE id=$1", NX_PARAMS(nx_v_int(tenant)), &next,
				   err);
	if (rc < 0)
		return rc;
	if (after >= next || (oldest > 0 && after < oldest - 1))
		return nx_error_set(err, NX_ENOTFOUND, "event %lld is not kept", (long long)after);
	return 0;
}

static const char *event_type(nx_str stored, struct nx_arena *a)
{
	return nx_str_zdup(a, stored);
}

static int read_row(struct nx_rows *r, int64_t tenant, struct nx_arena *a, struct nx_event *ret, struct nx_error **err)
{
	*ret = (struct nx_event){.tenant = tenant,
				 .seq = nx_rows_int(r, 0),
				 .task = nx_rows_id(r, 1),
				 .session = nx_rows_textdup(r, 2, a),
				 .type = event_type(nx_rows_text(r, 3), a),
				 .data = nx_rows_textdup(r, 4, a),
				 .time_us = nx_rows_int(r, 5)};
	return ret->type && ret->data.p ? 0 : nx_error_set(err, NX_ENOMEM, "read events");
}

int nx_events_read(struct nx_db *db, int64_t tenant, const nx_id *task, nx_str session, int64_t after, size_t limit,
		   struct nx_arena *a, struct nx_event **ret, size_t *ret_n, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	struct nx_event *events = nx_arena_array(a, struct nx_event, limit ? limit : 1);
	size_t n = 0;
	int rc;

	if (!events)
		return nx_error_set(err, NX_ENOMEM, "read events");
	if ((rc = check_kept(db, tenant, after, err)) < 0)
		return rc;
	const char *sql =
		task ? "SELECT e.seq, t.uid, s.name, e.type, e.data, e.created_at FROM tasks t "
		       "JOIN events e ON e.task_id=t.id LEFT JOIN sessions s ON s.id=t.session_id "
		       "WHERE e.tenant_id=$1 AND e.seq>$2 AND t.uid=$3 AND t.tenant_id=$1 ORDER BY e.seq LIMIT $4"
		     : "SELECT e.seq, t.uid, s.name, e.type, e.data, e.created_at FROM events e "
		       "JOIN tasks t ON t.id=e.task_id LEFT JOIN sessions s ON s.id=t.session_id "
		       "WHERE e.tenant_id=$1 AND e.seq>$2 AND ($3 IS NULL OR s.name=$3) ORDER BY e.seq LIMIT $4";
	struct nx_value which = task ? nx_v_id(task) : nx_v_text(session.n ? session : NX_STR_NULL);
	rc = nx_db_query(db, sql, NX_PARAMS(nx_v_int(tenant), nx_v_int(after), which, nx_v_int((int64_t)limit)), &r,
			 err);
	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0 && n < limit)
		rc = read_row(r, tenant, a, &events[n++], err);
	*ret = events;
	*ret_n = n;
	return rc < 0 ? rc : 0;
}
