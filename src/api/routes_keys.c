#include "api/api_internal.h"
#include "base/clock.h"

/* ---- shapes ---- */

struct key_body {
	nx_str name, user_id, tenant;
	struct nx_list scopes;
	int64_t expires_at;
};
static const struct nx_field body_fields[] = {
	{.name = "name",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct key_body, name),
	 .max_len = 100,
	 .help = "what it is for"},
	{.name = "scopes",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ENUM,
	 .names = nx_scope_names,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct key_body, scopes),
	 .max_len = NX_SCOPE_MAX,
	 .help = "what it may do"},
	{.name = "user_id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct key_body, user_id),
	 .max_len = 128,
	 .help = "it speaks for this user alone; null: it may name any"},
	{.name = "tenant",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct key_body, tenant),
	 .max_len = 100,
	 .help = "of another tenant, which is made when it is new; the default tenant's admins may"},
	{.name = "expires_at",
	 .type = NX_T_TIME,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct key_body, expires_at),
	 .help = "null: never"},
};
static const struct nx_schema body_schema = {.name = "KeyRequest",
					     .help = "A key to be made.",
					     .fields = body_fields,
					     .nfields = nx_countof(body_fields),
					     .size = sizeof(struct key_body)};

#define KEY_FIELDS                                                                                                    \
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED, .help = "names it when it is revoked"},               \
		{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what it is for"},              \
		{.name = "prefix", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "its first characters"},      \
		{.name = "scopes",                                                                                    \
		 .type = NX_T_ARRAY,                                                                                  \
		 .item = NX_T_STRING,                                                                                 \
		 .flags = NX_F_REQUIRED,                                                                              \
		 .help = "what it may do"},                                                                           \
		{.name = "user_id",                                                                                   \
		 .type = NX_T_STRING,                                                                                 \
		 .flags = NX_F_REQUIRED | NX_F_NULL,                                                                  \
		 .help = "the user it speaks for"},                                                                   \
		{.name = "created_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED, .help = "when it was made"},        \
		{.name = "expires_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED | NX_F_NULL, .help = "null: never"}, \
	{                                                                                                             \
		.name = "last_used_at", .type = NX_T_TIME, .flags = NX_F_REQUIRED | NX_F_NULL,                        \
		.help = "to the minute; null: never"                                                                  \
	}
static const struct nx_field key_fields[] = {KEY_FIELDS};
static const struct nx_schema key_schema = {
	.name = "Key", .help = "A key, without its text.", .fields = key_fields, .nfields = nx_countof(key_fields)};
static const struct nx_field new_fields[] = {
	KEY_FIELDS,
	{.name = "key", .type = NX_T_STRING, .help = "its text, told this once; absent when the request is replayed"},
};
static const struct nx_schema new_schema = {
	.name = "NewKey", .help = "A key and its text.", .fields = new_fields, .nfields = nx_countof(new_fields)};
static const struct nx_field list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &key_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "oldest first"},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema list_schema = {
	.name = "KeyList", .help = "A page of keys.", .fields = list_fields, .nfields = nx_countof(list_fields)};

struct list_query {
	nx_str cursor;
	int64_t limit;
	bool has_limit;
};
static const struct nx_field query_fields[] = {
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct list_query, limit),
	 .has = offsetof(struct list_query, has_limit),
	 .help = "most items of the page; 50 when absent"},
	{.name = "cursor",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct list_query, cursor),
	 .max_len = 64,
	 .help = "next_cursor of the page before"},
};
static const struct nx_schema query_schema = {.name = "KeyListQuery",
					      .fields = query_fields,
					      .nfields = nx_countof(query_fields),
					      .size = sizeof(struct list_query)};

/* ---- reading ---- */

#define KEY_COLUMNS "uid, name, prefix, scopes, user_id, created_at, expires_at, last_used_at, id"

static bool add_scopes(yyjson_mut_doc *d, yyjson_mut_val *o, nx_str scopes)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "scopes");
	bool ok = list != NULL;
	while (ok && scopes.n > 0) {
		nx_str one = nx_str_cut(&scopes, ' ');
		ok = yyjson_mut_arr_add_strncpy(d, list, one.p, one.n);
	}
	return ok;
}

static bool add_key(yyjson_mut_doc *d, yyjson_mut_val *o, struct nx_rows *rows)
{
	return nx_json_add_id(d, o, "id", nx_rows_id(rows, 0)) &&
	       nx_json_add_str(d, o, "name", nx_rows_text(rows, 1)) &&
	       nx_json_add_str(d, o, "prefix", nx_rows_text(rows, 2)) && add_scopes(d, o, nx_rows_text(rows, 3)) &&
	       nx_json_add_str(d, o, "user_id", nx_rows_text(rows, 4)) &&
	       nx_json_add_time(d, o, "created_at", nx_rows_int(rows, 5)) &&
	       nx_json_add_time(d, o, "expires_at", nx_rows_int(rows, 6)) &&
	       nx_json_add_time(d, o, "last_used_at", nx_rows_int(rows, 7));
}

static int read_page(struct nx_request *r, int64_t after, size_t limit, nx_str *ret, int64_t *ret_next,
		     struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(r->arena);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	size_t n = 0;
	int64_t last = 0;
	*ret_next = 0;
	int rc = nx_db_query(
		nx_store_reader(r->api->parts.store),
		"SELECT " KEY_COLUMNS " FROM api_keys WHERE tenant_id = $1 AND id > $2 AND revoked_at IS NULL "
		"ORDER BY id LIMIT $3",
		NX_PARAMS(nx_v_int(r->who.tenant), nx_v_int(after), nx_v_int((int64_t)limit + 1)), &rows, err);
	while (!rc && (rc = nx_rows_next(rows, err)) == 1) {
		rc = 0;
		if (n++ == limit) {
			*ret_next = last;
			break;
		}
		yyjson_mut_val *o = list ? yyjson_mut_arr_add_obj(d, list) : NULL;
		if (!o || !add_key(d, o, rows))
			return nx_error_set(err, NX_ENOMEM, "out of memory for the keys");
		last = nx_rows_int(rows, 8);
	}
	return rc ? rc : nx_json_write(r->arena, list, false, ret, err);
}

static void list_keys(struct nx_request *r)
{
	struct list_query *q = r->query;
	struct nx_error *err = NULL;
	size_t limit;
	int64_t after, next;
	nx_str items;
	if (!nx_request_page(r, q->has_limit, q->limit, q->cursor, &limit, &after))
		return;
	if (read_page(r, after, limit, &items, &next, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

/* ---- changing: written, then the table in memory read again, then answered ---- */

struct change {
	struct nx_write write;
	struct nx_request *r;
	struct nx_key_new key;
	nx_id revoke; /* none: make `key` */
	struct nx_error *err;
};

static int apply_change(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct change *c = nx_container_of(w, struct change, write);
	bool is_new = nx_id_none(c->revoke);
	int rc = is_new ? nx_key_insert(db, &c->r->who, &c->key, err) : nx_key_revoke(db, &c->r->who, c->revoke, err);
	/* No answer is stored: it would hold the key's text. */
	return rc ? rc : nx_tx_hook_run(c->r->hook, db, is_new ? c->key.id : c->revoke, NX_STR_NULL, err);
}

static void reply_key(struct nx_request *r, nx_id id, const char *text)
{
	struct nx_error *err = NULL;
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(r->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	/* By its id alone: an operator may have made it for another tenant. */
	int rc =
		nx_db_query(nx_store_reader(r->api->parts.store), "SELECT " KEY_COLUMNS " FROM api_keys WHERE uid = $1",
			    NX_PARAMS(nx_v_id(&id)), &rows, &err);
	if (!rc)
		rc = nx_rows_next(rows, &err);
	if (rc == 0)
		rc = nx_error_set(&err, NX_ENOTFOUND, "the key is gone");
	if (rc < 0) {
		nx_request_reply_error(r, err);
		return;
	}
	bool ok = o && add_key(d, o, rows) && (!text || nx_json_add_strz(d, o, "key", text));
	nx_rows_done(nx_steal(rows));
	nx_request_reply_value(r, 201, ok ? o : NULL);
}

static void after_change(struct nx_request *r)
{
	struct change *c = r->ctx;
	struct nx_error *err = nx_steal(c->err);
	if (!err)
		(void)nx_auth_load(r->api->auth, nx_store_reader(r->api->parts.store), &err);
	if (err)
		nx_request_reply_error(r, err);
	else if (nx_id_none(c->revoke))
		reply_key(r, c->key.id, c->key.text);
	else
		nx_request_reply_empty(r, 204);
}

static void change_written(struct nx_write *w, struct nx_error *err)
{
	struct change *c = nx_container_of(w, struct change, write);
	c->err = err ? nx_error_copy(err) : NULL;
	nx_request_work(c->r, after_change, false);
}

static void write_change(struct nx_request *r, struct change *c)
{
	c->r = r;
	c->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = apply_change, .done = change_written};
	r->ctx = c;
	nx_store_write(r->api->parts.store, &c->write);
}

static int fill_key(struct nx_request *r, const struct key_body *b, struct nx_key_new *k, struct nx_error **err)
{
	*k = (struct nx_key_new){.name = b->name, .user_id = b->user_id, .expires_at = b->expires_at};
	if (b->expires_at && b->expires_at <= nx_time_wall_us()) {
		nx_error_set(err, NX_EINVAL, "the key would have expired already");
		return nx_error_at(err, "/expires_at");
	}
	for (size_t i = 0; i < b->scopes.n; i++)
		k->scopes |= 1u << *nx_list_at(b->scopes, int, i);
	if (k->scopes == 0) {
		nx_error_set(err, NX_EINVAL, "a key needs at least one scope");
		return nx_error_at(err, "/scopes");
	}
	if (b->tenant.n == 0)
		return 0;
	if (!nx_identity_is_operator(&r->who)) {
		nx_error_set(err, NX_EFORBIDDEN, "only admins of the tenant `default` make keys of other tenants");
		return nx_error_at(err, "/tenant");
	}
	k->tenant = nx_str_zdup(r->arena, b->tenant);
	return k->tenant ? 0 : nx_error_set(err, NX_ENOMEM, "out of memory for a key");
}

static void create_key(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct change *c = nx_arena_new_of(r->arena, struct change);
	if (!c)
		nx_error_set(&err, NX_ENOMEM, "out of memory for a key");
	if (!c || fill_key(r, r->args, &c->key, &err))
		nx_request_reply_error(r, err);
	else
		write_change(r, c);
}

static void replay_key(struct nx_request *r, nx_id id)
{
	reply_key(r, id, NULL);
}

static void delete_key(struct nx_request *r)
{
	struct change *c;
	nx_id id;
	if (!nx_request_id(r, 0, "key", &id))
		return;
	c = nx_arena_new_of(r->arena, struct change);
	if (!c) {
		nx_request_reply_value(r, 204, NULL);
		return;
	}
	c->revoke = id;
	write_change(r, c);
}

static void replay_delete(struct nx_request *r, nx_id id)
{
	(void)id;
	nx_request_reply_empty(r, 204);
}

static const struct nx_answer list_answers[] = {{200, &list_schema, NULL, "a page of keys"}, {0}};
static const struct nx_answer new_answers[] = {{201, &new_schema, NULL, "the key, with its text"}, {0}};
static const struct nx_answer delete_answers[] = {{204, NULL, NULL, "revoked"}, {0}};

static const struct nx_route routes[] = {
	{.method = "GET",
	 .path = "/v1/keys",
	 .id = "list_keys",
	 .tag = "keys",
	 .summary = "The tenant's keys, without their texts",
	 .scope = NX_SCOPE_ADMIN,
	 .where = NX_SHORT,
	 .handle = list_keys,
	 .query = &query_schema,
	 .answers = list_answers,
	 .since = "0.1"},
	{.method = "POST",
	 .path = "/v1/keys",
	 .id = "create_key",
	 .tag = "keys",
	 .summary = "Make a key",
	 .help = "From the first key on, every request needs one. The first must have the scope admin.",
	 .scope = NX_SCOPE_ADMIN,
	 .where = NX_ASYNC,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = create_key,
	 .replay = replay_key,
	 .body = &body_schema,
	 .answers = new_answers,
	 .since = "0.1"},
	{.method = "DELETE",
	 .path = "/v1/keys/{id}",
	 .id = "delete_key",
	 .tag = "keys",
	 .summary = "Revoke a key",
	 .scope = NX_SCOPE_ADMIN,
	 .where = NX_ASYNC,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = delete_key,
	 .replay = replay_delete,
	 .answers = delete_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_keys = {routes, nx_countof(routes)};
