/* Documents as the API shows them, their deletion, and the purge of dead rows. */
#include "knowledge/knowledge_internal.h"

#include "base/clock.h"

#define COLUMNS \
	"d.uid, d.name, d.title, d.mime, d.uri, d.metadata, d.indexes, d.created_at, d.updated_at, d.space, d.tainted, d.id"

static const char *const index_names[] = {"text", "graph", "vector"};

static bool add_columns(yyjson_mut_doc *d, yyjson_mut_val *o, struct nx_rows *rows)
{
	yyjson_mut_val *indexes = yyjson_mut_arr(d);
	for (unsigned i = 0; i < nx_countof(index_names); i++)
		if (nx_rows_int(rows, 6) & (INT64_C(1) << i))
			yyjson_mut_arr_add_str(d, indexes, index_names[i]);
	return nx_json_add_id(d, o, "id", nx_rows_id(rows, 0)) &&
	       nx_json_add_str(d, o, "name", nx_rows_text(rows, 1)) &&
	       nx_json_add_str(d, o, "title", nx_rows_text(rows, 2)) &&
	       nx_json_add_str(d, o, "mime", nx_rows_text(rows, 3)) &&
	       nx_json_add_str(d, o, "uri", nx_rows_text(rows, 4)) &&
	       nx_json_add_raw(d, o, "metadata", nx_rows_text(rows, 5)) &&
	       yyjson_mut_obj_add_val(d, o, "index", indexes) &&
	       nx_json_add_str(d, o, "space", nx_rows_text(rows, 9)) &&
	       yyjson_mut_obj_add_bool(d, o, "tainted", nx_rows_int(rows, 10) != 0) &&
	       nx_json_add_time(d, o, "created_at", nx_rows_int(rows, 7)) &&
	       nx_json_add_time(d, o, "updated_at", nx_rows_int(rows, 8));
}

static int not_found(nx_str id, struct nx_error **err)
{
	return nx_error_set(err, NX_ENOTFOUND, "no document has the id %.*s", NX_FMT(id));
}

/* An id of ours first, then the client's name in the shared space. */
static int query_document(struct nx_db *db, int64_t tenant, nx_str id, struct nx_rows **ret, struct nx_error **err)
{
	nx_id uid;
	if (nx_id_parse(id, &uid)) {
		int r = nx_db_query(db,
				    "SELECT " COLUMNS ", d.text FROM documents d"
				    " WHERE d.tenant_id = $1 AND d.uid = $2 AND d.visible = 1",
				    NX_PARAMS(nx_v_int(tenant), nx_v_id(&uid)), ret, err);
		if (r == 0)
			r = nx_rows_next(*ret, err);
		if (r != 0)
			return r;
		nx_rows_done(nx_steal(*ret));
	}
	int r = nx_db_query(db,
			    "SELECT " COLUMNS ", d.text FROM documents d"
			    " WHERE d.tenant_id = $1 AND d.space = '' AND d.name = $2 AND d.visible = 1",
			    NX_PARAMS(nx_v_int(tenant), nx_v_text(id)), ret, err);
	return r < 0 ? r : nx_rows_next(*ret, err);
}

int nx_knowledge_document_get(struct nx_knowledge *k, int64_t tenant, nx_str id_or_name, struct nx_arena *a,
			      nx_str *ret_json, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(k->store);
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = query_document(db, tenant, id_or_name, &rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return not_found(id_or_name, err);
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	int64_t chunks = 0;
	if (!o || !add_columns(d, o, rows) || !nx_json_add_str(d, o, "text", nx_rows_text(rows, 12)))
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	r = nx_db_get_int(db, "SELECT count(*) FROM chunks WHERE document_id = $1 AND tenant_id = $2",
			  NX_PARAMS(nx_v_int(nx_rows_int(rows, 11)), nx_v_int(tenant)), &chunks, err);
	if (r < 0)
		return r;
	(void)yyjson_mut_obj_add_int(d, o, "chunks", chunks);
	return nx_json_write(a, o, false, ret_json, err);
}

static int query_list(struct nx_db *db, int64_t tenant, nx_str uri, int64_t after, size_t limit, struct nx_arena *a,
		      struct nx_rows **ret, struct nx_error **err)
{
	if (uri.n == 0)
		return nx_db_query(
			db,
			"SELECT " COLUMNS " FROM documents d WHERE d.tenant_id = $1 AND d.space = '' AND d.visible = 1"
			" AND d.id > $2 ORDER BY d.id LIMIT $3",
			NX_PARAMS(nx_v_int(tenant), nx_v_int(after), nx_v_int((int64_t)limit + 1)), ret, err);
	/* Texts that begin with it lie between it and itself with the last code point behind it. */
	char *end = nx_arena_printf(a, "%.*s\xf4\x8f\xbf\xbf", NX_FMT(uri));
	if (!end)
		return nx_error_set(err, NX_ENOMEM, "no memory for a list");
	return nx_db_query(db,
			   "SELECT " COLUMNS
			   " FROM documents d WHERE d.tenant_id = $1 AND d.space = '' AND d.visible = 1"
			   " AND d.uri IS NOT NULL AND d.uri >= $4 AND d.uri < $5 AND d.id > $2 ORDER BY d.id LIMIT $3",
			   NX_PARAMS(nx_v_int(tenant), nx_v_int(after), nx_v_int((int64_t)limit + 1), nx_v_text(uri),
				     nx_v_textz(end)),
			   ret, err);
}

int nx_knowledge_document_list(struct nx_knowledge *k, int64_t tenant, nx_str uri, int64_t after, size_t limit,
			       struct nx_arena *a, nx_str *ret_json_items, int64_t *ret_next, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *items = d ? yyjson_mut_arr(d) : NULL;
	if (!items)
		return nx_error_set(err, NX_ENOMEM, "no memory for a list");
	int r = query_list(nx_store_reader(k->store), tenant, uri, after, limit, a, &rows, err);
	if (r < 0)
		return r;
	int64_t last = 0;
	size_t n = 0;
	*ret_next = 0;
	while ((r = nx_rows_next(rows, err)) > 0) {
		if (n++ == limit) {
			*ret_next = last;
			break;
		}
		yyjson_mut_val *o = yyjson_mut_obj(d);
		if (!o || !add_columns(d, o, rows) || !yyjson_mut_arr_append(items, o))
			return nx_error_set(err, NX_ENOMEM, "no memory for a list");
		last = nx_rows_int(rows, 11);
	}
	return r < 0 ? r : nx_json_write(a, items, false, ret_json_items, err);
}

/* ---- deletion: the row becomes dead, the indexes forget it, the answer goes out, the purge follows ---- */

struct deletion {
	struct nx_knowledge *k;
	int64_t key;
	nx_str space; /* in the caller's arena */
	struct nx_error *err;
};

static int find_for_deletion(struct nx_knowledge_change *c, struct deletion *del, nx_id *ret_uid, struct nx_db *db,
			     struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = query_document(db, c->tenant, c->id, &rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return not_found(c->id, err);
	del->key = nx_rows_int(rows, 11);
	del->space = nx_rows_textdup(rows, 9, c->arena);
	*ret_uid = nx_rows_id(rows, 0);
	return del->space.p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to delete a document");
}

static int delete_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	nx_id uid;
	char text[NX_ID_TEXT];
	int r = find_for_deletion(c, c->priv, &uid, db, err);
	if (r < 0)
		return r;
	struct deletion *del = c->priv;
	nx_id_format(uid, text);
	char *z = nx_arena_printf(c->arena, "{\"id\":\"%s\",\"deleted\":true}", text);
	if (!z)
		return nx_error_set(err, NX_ENOMEM, "no memory to delete a document");
	c->answer = nx_str_z(z);
	r = nx_db_exec(db, "UPDATE documents SET visible = 2 WHERE id = $1 AND tenant_id = $2",
		       NX_PARAMS(nx_v_int(del->key), nx_v_int(c->tenant)), err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, uid, c->answer, err);
}

static void delete_index(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct deletion *del = c->priv;
	if (del->err)
		return;
	struct nx_partition *p = nx_knowledge_find_partition(del->k, c->tenant, del->space);
	if (p)
		nx_partition_remove(p, &del->key, 1);
	nx_knowledge_purge(del->k);
	nx_knowledge_tend(del->k);
}

static void delete_done(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct deletion *del = c->priv;
	struct nx_error *err = nx_steal(del->err);
	nx_knowledge_leave(del->k);
	free(del);
	c->priv = NULL;
	c->done(c, err);
	nx_error_free(err);
}

static void delete_written(struct nx_write *w, struct nx_error *err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct deletion *del = c->priv;
	del->err = err ? nx_error_copy(err) : NULL;
	c->job = (struct nx_job){.run = delete_index, .done = delete_done, .reply = c->reply, .is_long = true};
	nx_workers_post(del->k->workers, &c->job);
}

static void no_memory(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ENOMEM, "no memory for a change");
	c->done(c, err);
	nx_error_free(err);
}

static void nothing(struct nx_job *j)
{
}

void nx_knowledge_document_delete(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct deletion *del = calloc(1, sizeof(*del));
	c->priv = del;
	if (!del) {
		c->job = (struct nx_job){.run = nothing, .done = no_memory, .reply = c->reply};
		nx_workers_post(k->workers, &c->job);
		return;
	}
	del->k = k;
	nx_knowledge_enter(k);
	c->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = delete_apply, .done = delete_written};
	nx_store_write(k->store, &c->write);
}
