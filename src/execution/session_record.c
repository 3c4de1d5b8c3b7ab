/* Rows of sessions and snapshots: written by the loop, read by workers. */
#include "execution/session_internal.h"

#include "base/log.h"

/* ---- writing ---- */

static int spec_json(const struct nx_session *s, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for a session");
	yyjson_mut_val *o = yyjson_mut_obj(d);
	yyjson_mut_obj_add_sint(d, o, "max_cpu_percent", s->constraints.max_cpu_percent);
	yyjson_mut_obj_add_sint(d, o, "max_memory_mb", s->constraints.max_memory_mb);
	nx_exec_network_add(d, o, &s->constraints.network);
	yyjson_mut_obj_add_real(d, o, "idle_timeout_s", (double)s->idle_us / NX_USEC_PER_SEC);
	yyjson_mut_obj_add_real(d, o, "lifetime_s", (double)s->lifetime_us / NX_USEC_PER_SEC);
	nx_exec_files_write(d, o, &s->constraints.files);
	if (s->image.n)
		nx_json_add_str(d, o, "image", s->image);
	return nx_json_write(a, o, false, ret, err);
}

static int apply_insert(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	const struct nx_session *s = nx_container_of(w, struct nx_session, write);
	nx_str spec;
	int r = spec_json(s, s->scratch, &spec, err);
	if (r == 0)
		r = nx_db_exec(
			db,
			"INSERT INTO sandbox_sessions(uid, tenant_id, language, state, spec, created_at, expires_at) "
			"VALUES ($1, $2, $3, 'active', $4, $5, $6)",
			NX_PARAMS(nx_v_id(&s->id), nx_v_int(s->tenant), nx_v_textz(s->language->name), nx_v_text(spec),
				  nx_v_int(s->created_us), nx_v_int(s->created_us + s->lifetime_us)),
			err);
	return r == 0 ? nx_tx_hook_run(s->creator->hook, db, s->id, NX_STR_NULL, err) : r;
}

void nx_session_insert(struct nx_session *s, void (*done)(struct nx_write *w, struct nx_error *err))
{
	s->write = (struct nx_write){.apply = apply_insert, .done = done, .reply = s->e->loop};
	nx_store_write(s->e->store, &s->write);
}

static int apply_update(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	const struct nx_session *s = nx_container_of(w, struct nx_session, write);
	return nx_db_exec(
		db,
		"UPDATE sandbox_sessions SET state = 'ended', ended_at = $3, end_reason = $4 "
		"WHERE uid = $1 AND tenant_id = $2",
		NX_PARAMS(nx_v_id(&s->id), nx_v_int(s->tenant), nx_v_int(nx_time_wall_us()), nx_v_textz(s->reason)),
		err);
}

void nx_session_update(struct nx_session *s, void (*done)(struct nx_write *w, struct nx_error *err))
{
	s->write = (struct nx_write){.apply = apply_update, .done = done, .reply = s->e->loop};
	nx_store_write(s->e->store, &s->write);
}

/* Of all tenants: a server that starts has no session. */
static int apply_lost(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	(void)w;
	return nx_db_exec(db,
			  "UPDATE sandbox_sessions SET state = 'lost', ended_at = $1, end_reason = 'server_lost' "
			  "WHERE state = 'active'",
			  NX_PARAMS(nx_v_int(nx_time_wall_us())), err);
}

static void on_lost_written(struct nx_write *w, struct nx_error *err)
{
	if (err)
		nx_log_error("execution", "lost sessions were not marked", NX_LERR(err));
	free(w);
}

/* Its own allocation: execution may end before it is written. */
void nx_sessions_mark_lost(struct nx_execution *e)
{
	struct nx_write *w = malloc(sizeof(*w));
	if (!w) {
		nx_log_error("execution", "lost sessions were not marked: no memory");
		return;
	}
	*w = (struct nx_write){.apply = apply_lost, .done = on_lost_written};
	nx_store_write(e->store, w);
}

int nx_session_keep_snapshot(struct nx_db *db, const struct nx_session_snapshot *s, struct nx_error **err)
{
	return nx_db_exec(
		db,
		"INSERT INTO artifacts(uid, tenant_id, session_id, path, size, sha256, mime, created_at) VALUES ($1, $2, "
		"(SELECT id FROM sandbox_sessions WHERE uid = $3 AND tenant_id = $2), 'snapshot.tar', $4, $5, $6, $7)",
		NX_PARAMS(nx_v_id(&s->id), nx_v_int(s->tenant), nx_v_id(&s->session), nx_v_int(s->size),
			  nx_v_blob(nx_str_n((const char *)s->sha256, sizeof(s->sha256))),
			  nx_v_textz(NX_SESSION_SNAPSHOT_MIME), nx_v_int(s->created_us)),
		err);
}

/* ---- reading ---- */

#define COLUMNS "id, uid, language, state, spec, created_at, expires_at, ended_at, end_reason"

struct live {
	bool is_active;
	int64_t used_us;
};

/* What stands in no row. */
static struct live look(struct nx_execution *e, int64_t tenant, nx_id id)
{
	struct live l = {0};
	uv_mutex_lock(&e->sessions_lock);
	const struct nx_session *s = nx_session_find(e, tenant, id);
	if (s)
		l = (struct live){.is_active = true, .used_us = s->used_us};
	uv_mutex_unlock(&e->sessions_lock);
	return l;
}

static bool add_spec(yyjson_mut_doc *d, yyjson_mut_val *o, nx_str text, struct nx_arena *a)
{
	yyjson_val *spec;
	if (nx_json_read(a, text, NULL, &spec, NULL) < 0)
		return false;
	yyjson_mut_val *k = yyjson_mut_obj_add_obj(d, o, "constraints");
	yyjson_val *network = nx_json_get(spec, "network_access"), *files = nx_json_get(spec, "file_system_access");
	if (k && network)
		yyjson_mut_obj_add_val(d, k, "network_access", yyjson_val_mut_copy(d, network));
	if (k && files)
		yyjson_mut_obj_add_val(d, k, "file_system_access", yyjson_val_mut_copy(d, files));
	return k && nx_json_add_str(d, o, "image", nx_json_str(spec, "image")) &&
	       yyjson_mut_obj_add_sint(d, k, "max_cpu_percent", nx_json_int(spec, "max_cpu_percent", 0)) &&
	       yyjson_mut_obj_add_sint(d, k, "max_memory_mb", nx_json_int(spec, "max_memory_mb", 0)) &&
	       yyjson_mut_obj_add_real(d, o, "idle_timeout_s", nx_json_num(spec, "idle_timeout_s", 0)) &&
	       yyjson_mut_obj_add_real(d, o, "lifetime_s", nx_json_num(spec, "lifetime_s", 0));
}

static bool add_session(yyjson_mut_doc *d, yyjson_mut_val *o, struct nx_rows *rows, struct nx_execution *e,
			int64_t tenant, struct nx_arena *a)
{
	nx_id id = nx_rows_id(rows, 1);
	struct live live = look(e, tenant, id);
	nx_str state = nx_rows_text(rows, 3);
	/* A row that says active, of a session that is not here, was a dead server's and will be marked in a moment. */
	bool is_lost = nx_str_eqz(state, "active") && !live.is_active;
	return nx_json_add_id(d, o, "id", id) && nx_json_add_str(d, o, "language", nx_rows_text(rows, 2)) &&
	       nx_json_add_str(d, o, "state", is_lost ? NX_STR("lost") : state) &&
	       add_spec(d, o, nx_rows_text(rows, 4), a) && nx_json_add_time(d, o, "created_at", nx_rows_int(rows, 5)) &&
	       nx_json_add_time(d, o, "expires_at", nx_rows_int(rows, 6)) &&
	       nx_json_add_time(d, o, "used_at", live.used_us) &&
	       nx_json_add_time(d, o, "ended_at", nx_rows_int(rows, 7)) &&
	       nx_json_add_str(d, o, "end_reason", nx_rows_text(rows, 8));
}

int nx_session_get(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		   struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	int r = nx_db_query(nx_store_reader(e->store),
			    "SELECT " COLUMNS " FROM sandbox_sessions WHERE uid = $1 AND tenant_id = $2",
			    NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_ENOTFOUND, "no such sandbox session");
	if (!o || !add_session(d, o, rows, e, tenant, a))
		return nx_error_set(err, NX_ENOMEM, "no memory for a session");
	return nx_json_write(a, o, false, ret_json, err);
}

int nx_session_list(struct nx_execution *e, int64_t tenant, int64_t after, size_t limit, struct nx_arena *a,
		    nx_str *ret_items, int64_t *ret_next, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	int64_t last = 0;
	size_t n = 0;
	*ret_next = 0;
	int r = nx_db_query(nx_store_reader(e->store),
			    "SELECT " COLUMNS " FROM sandbox_sessions WHERE tenant_id = $1 AND ($2 = 0 OR id < $2) "
			    "ORDER BY id DESC LIMIT $3",
			    NX_PARAMS(nx_v_int(tenant), nx_v_int(after), nx_v_int((int64_t)limit + 1)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) == 1) {
		r = 0;
		if (n++ == limit) {
			*ret_next = last;
			break;
		}
		yyjson_mut_val *o = list ? yyjson_mut_arr_add_obj(d, list) : NULL;
		if (!o || !add_session(d, o, rows, e, tenant, a))
			return nx_error_set(err, NX_ENOMEM, "no memory for the sessions");
		last = nx_rows_int(rows, 0);
	}
	return r < 0 ? r : nx_json_write(a, list, false, ret_items, err);
}

int nx_session_list_snapshots(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			      struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *list = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	nx_str unused;
	int r = nx_session_get(e, tenant, id, a, &unused, err);
	if (r == 0)
		r = nx_db_query(
			nx_store_reader(e->store),
			"SELECT uid, size, created_at FROM artifacts WHERE tenant_id = $2 AND session_id = "
			"(SELECT id FROM sandbox_sessions WHERE uid = $1 AND tenant_id = $2) ORDER BY id DESC LIMIT 1000",
			NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) == 1) {
		r = 0;
		yyjson_mut_val *s = list ? yyjson_mut_arr_add_obj(d, list) : NULL;
		if (!s || !nx_json_add_id(d, s, "id", nx_rows_id(rows, 0)) ||
		    !yyjson_mut_obj_add_sint(d, s, "size", nx_rows_int(rows, 1)) ||
		    !nx_json_add_time(d, s, "created_at", nx_rows_int(rows, 2)))
			return nx_error_set(err, NX_ENOMEM, "no memory for the snapshots");
	}
	return r < 0 ? r : nx_json_write(a, o, false, ret_json, err);
}
