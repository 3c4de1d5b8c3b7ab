/* Sessions, their turns, and single turns, read on a worker; the row of a session, written on the writer. */
#include "memory/memory_internal.h"

int nx_memory_session_put(struct nx_db *db, int64_t tenant, nx_str user_id, nx_str name, int64_t now, int64_t *ret,
			  struct nx_error **err)
{
	nx_id uid = nx_id_new();

	*ret = 0;
	if (name.n == 0)
		return 0;
	int rc = nx_db_exec(
		db,
		"INSERT INTO sessions(uid, tenant_id, user_id, name, created_at, updated_at) VALUES($1,$2,$3,$4,$5,$5) "
		"ON CONFLICT(tenant_id, user_id, name) DO UPDATE SET updated_at=excluded.updated_at",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(tenant), nx_v_text(user_id), nx_v_text(name), nx_v_int(now)), err);
	if (rc < 0)
		return rc;
	return nx_db_get_int(db, "SELECT id FROM sessions WHERE tenant_id=$1 AND user_id=$2 AND name=$3",
			     NX_PARAMS(nx_v_int(tenant), nx_v_text(user_id), nx_v_text(name)), ret, err);
}

#define TURN_COLUMNS                                                                                                       \
	"t.id, t.uid, t.user_id, s.name, t.agent_id, t.role, t.text, t.occurred_at, t.importance, t.tainted, t.metadata, " \
	"coalesce((SELECT max(m.layer) FROM memories m WHERE m.turn_id=t.id AND m.layer<>'semantic'), 'turn'), "           \
	"coalesce((SELECT max(m.pinned) FROM memories m WHERE m.turn_id=t.id), 0) "
#define TURN_FROM "FROM turns t LEFT JOIN sessions s ON s.id=t.session_id "

static yyjson_mut_val *turn_json(struct nx_rows *r, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	nx_json_add_id(d, o, "id", nx_rows_id(r, 1));
	nx_json_add_str(d, o, "user_id", nx_rows_text(r, 2));
	nx_json_add_str(d, o, "session_id", nx_rows_text(r, 3));
	nx_json_add_str(d, o, "agent_id", nx_rows_text(r, 4));
	nx_json_add_str(d, o, "role", nx_rows_text(r, 5));
	nx_json_add_str(d, o, "text", nx_rows_text(r, 6));
	nx_json_add_time(d, o, "occurred_at", nx_rows_int(r, 7));
	yyjson_mut_obj_add_real(d, o, "importance", nx_rows_real(r, 8));
	yyjson_mut_obj_add_bool(d, o, "tainted", nx_rows_int(r, 9) != 0);
	nx_json_add_raw(d, o, "metadata", nx_rows_text(r, 10));
	nx_json_add_str(d, o, "layer", nx_rows_text(r, 11));
	yyjson_mut_obj_add_bool(d, o, "pinned", nx_rows_int(r, 12) != 0);
	return o;
}

int nx_memory_get(struct nx_memory *m, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		  struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	char text[NX_ID_TEXT];
	int rc;

	if (!d)
		return nx_error_set(err, NX_ENOMEM, "read a memory");
	rc = nx_db_query(nx_store_reader(m->store),
			 "SELECT " TURN_COLUMNS TURN_FROM "WHERE t.uid=$1 AND t.tenant_id=$2",
			 NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &r, err);
	if (rc < 0 || (rc = nx_rows_next(r, err)) < 0)
		return rc;
	if (rc == 0) {
		nx_id_format(id, text);
		return nx_error_set(err, NX_ENOTFOUND, "there is no memory %s", text);
	}
	return nx_json_write(a, turn_json(r, d), false, ret_json, err);
}

static yyjson_mut_val *session_json(struct nx_rows *r, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	nx_json_add_id(d, o, "id", nx_rows_id(r, 1));
	nx_json_add_str(d, o, "name", nx_rows_text(r, 2));
	nx_json_add_str(d, o, "user_id", nx_rows_text(r, 3));
	nx_json_add_time(d, o, "created_at", nx_rows_int(r, 4));
	nx_json_add_time(d, o, "updated_at", nx_rows_int(r, 5));
	yyjson_mut_obj_add_int(d, o, "turns", nx_rows_int(r, 6));
	return o;
}

#define SESSION_COLUMNS                                                \
	"s.id, s.uid, s.name, s.user_id, s.created_at, s.updated_at, " \
	"(SELECT count(*) FROM turns t WHERE t.session_id=s.id) FROM sessions s "

/* Gathers up to `limit` rows as a JSON array; *ret_next is the row key the next page begins after. */
static int gather(struct nx_rows *r, size_t limit, yyjson_mut_val *(*one)(struct nx_rows *, yyjson_mut_doc *),
		  struct nx_arena *a, nx_str *ret_items, int64_t *ret_next, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	int64_t last = 0;
	int rc = 0;

	if (!list)
		return nx_error_set(err, NX_ENOMEM, "read memories");
	*ret_next = 0;
	while ((rc = nx_rows_next(r, err)) > 0) {
		if (yyjson_mut_arr_size(list) == limit) {
			*ret_next = last;
			break;
		}
		last = nx_rows_int(r, 0);
		yyjson_mut_arr_append(list, one(r, d));
	}
	return rc < 0 ? rc : nx_json_write(a, list, false, ret_items, err);
}

int nx_memory_sessions(struct nx_memory *m, int64_t tenant, nx_str user_id, int64_t after, size_t limit,
		       struct nx_arena *a, nx_str *ret_items, int64_t *ret_next, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int rc = nx_db_query(nx_store_reader(m->store),
			     "SELECT " SESSION_COLUMNS
			     "WHERE s.tenant_id=$1 AND ($2 IS NULL OR s.user_id=$2) AND s.id>$3 "
			     "ORDER BY s.id LIMIT $4",
			     NX_PARAMS(nx_v_int(tenant), nx_v_text(user_id.n ? user_id : NX_STR_NULL), nx_v_int(after),
				       nx_v_int((int64_t)limit + 1)),
			     &r, err);
	return rc < 0 ? rc : gather(r, limit, session_json, a, ret_items, ret_next, err);
}

int nx_memory_session_get(struct nx_memory *m, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			  struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	int rc;

	if (!d)
		return nx_error_set(err, NX_ENOMEM, "read a session");
	rc = nx_db_query(nx_store_reader(m->store), "SELECT " SESSION_COLUMNS "WHERE s.uid=$1 AND s.tenant_id=$2",
			 NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &r, err);
	if (rc < 0 || (rc = nx_rows_next(r, err)) < 0)
		return rc;
	if (rc == 0)
		return nx_error_set(err, NX_ENOTFOUND, "there is no such session");
	return nx_json_write(a, session_json(r, d), false, ret_json, err);
}

int nx_memory_turns(struct nx_memory *m, int64_t tenant, nx_id session, int64_t after, size_t limit, struct nx_arena *a,
		    nx_str *ret_items, int64_t *ret_next, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int64_t row;
	struct nx_db *db = nx_store_reader(m->store);
	int rc = nx_db_get_int(db, "SELECT id FROM sessions WHERE uid=$1 AND tenant_id=$2",
			       NX_PARAMS(nx_v_id(&session), nx_v_int(tenant)), &row, err);

	if (rc < 0)
		return rc;
	rc = nx_db_query(db,
			 "SELECT " TURN_COLUMNS TURN_FROM
			 "WHERE t.session_id=$1 AND t.tenant_id=$2 AND t.id>$3 ORDER BY t.id LIMIT $4",
			 NX_PARAMS(nx_v_int(row), nx_v_int(tenant), nx_v_int(after), nx_v_int((int64_t)limit + 1)), &r,
			 err);
	return rc < 0 ? rc : gather(r, limit, turn_json, a, ret_items, ret_next, err);
}
