/* Entities and relationships as the API shows them, from the store. */
#include "knowledge/knowledge_internal.h"

static bool add_entity(yyjson_mut_doc *d, yyjson_mut_val *o, struct nx_rows *rows)
{
	return nx_json_add_str(d, o, "id", nx_rows_text(rows, 0)) && nx_json_add_id(d, o, "uid", nx_rows_id(rows, 1)) &&
	       nx_json_add_str(d, o, "type", nx_rows_text(rows, 2)) &&
	       nx_json_add_raw(d, o, "properties", nx_rows_text(rows, 3)) &&
	       yyjson_mut_obj_add_null(d, o, "embeddings") &&
	       yyjson_mut_obj_add_real(d, o, "confidence", nx_rows_real(rows, 4)) &&
	       nx_json_add_str(d, o, "origin", nx_rows_text(rows, 5)) &&
	       yyjson_mut_obj_add_int(d, o, "mentions", nx_rows_int(rows, 8)) &&
	       nx_json_add_time(d, o, "created_at", nx_rows_int(rows, 6)) &&
	       nx_json_add_time(d, o, "updated_at", nx_rows_int(rows, 7));
}

#define ENTITY_COLUMNS                                                                             \
	"e.name, e.uid, e.type, e.properties, e.confidence, e.origin, e.created_at, e.updated_at," \
	" (SELECT count(*) FROM mentions m JOIN chunks c ON c.id = m.chunk_id JOIN documents d"    \
	" ON d.id = c.document_id WHERE m.entity_id = e.id AND d.visible = 1)"

static int query_entity(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, struct nx_rows **ret,
			struct nx_error **err)
{
	nx_id uid;
	if (nx_id_parse(id, &uid)) {
		int r = nx_db_query(db,
				    "SELECT " ENTITY_COLUMNS " FROM entities e WHERE e.tenant_id = $1 AND e.uid = $2",
				    NX_PARAMS(nx_v_int(tenant), nx_v_id(&uid)), ret, err);
		if (r == 0)
			r = nx_rows_next(*ret, err);
		if (r != 0)
			return r;
		nx_rows_done(nx_steal(*ret));
	}
	int r = nx_db_query(
		db, "SELECT " ENTITY_COLUMNS " FROM entities e WHERE e.tenant_id = $1 AND e.space = $2 AND e.name = $3",
		NX_PARAMS(nx_v_int(tenant), nx_v_text(space), nx_v_text(id)), ret, err);
	return r < 0 ? r : nx_rows_next(*ret, err);
}

int nx_entity_value(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, yyjson_mut_doc *d, yyjson_mut_val **ret,
		    struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = query_entity(db, tenant, space, id, &rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return nx_error_set(err, NX_ENOTFOUND, "no entity has the id %.*s", NX_FMT(id));
	*ret = yyjson_mut_obj(d);
	return *ret && add_entity(d, *ret, rows) ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for an entity");
}

int nx_entity_json(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, struct nx_arena *a, nx_str *ret,
		   struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *v;
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	int r = nx_entity_value(db, tenant, space, id, d, &v, err);
	return r < 0 ? r : nx_json_write(a, v, false, ret, err);
}

int nx_relationship_json(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, struct nx_arena *a, nx_str *ret,
			 struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	if (!o)
		return nx_error_set(err, NX_ENOMEM, "no memory for a relationship");
	int r = nx_db_query(
		db,
		"SELECT r.name, r.uid, s.name, t.name, r.type, r.properties, r.weight, r.confidence, r.created_at,"
		" r.updated_at FROM relationships r JOIN entities s ON s.id = r.source_id"
		" JOIN entities t ON t.id = r.target_id WHERE r.tenant_id = $1 AND r.space = $2 AND r.name = $3",
		NX_PARAMS(nx_v_int(tenant), nx_v_text(space), nx_v_text(id)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return nx_error_set(err, NX_ENOTFOUND, "no relationship has the id %.*s", NX_FMT(id));
	bool ok = nx_json_add_str(d, o, "id", nx_rows_text(rows, 0)) &&
		  nx_json_add_id(d, o, "uid", nx_rows_id(rows, 1)) &&
		  nx_json_add_str(d, o, "source_id", nx_rows_text(rows, 2)) &&
		  nx_json_add_str(d, o, "target_id", nx_rows_text(rows, 3)) &&
		  nx_json_add_str(d, o, "relationship_type", nx_rows_text(rows, 4)) &&
		  nx_json_add_raw(d, o, "properties", nx_rows_text(rows, 5)) &&
		  yyjson_mut_obj_add_real(d, o, "weight", nx_rows_real(rows, 6)) &&
		  yyjson_mut_obj_add_real(d, o, "confidence", nx_rows_real(rows, 7)) &&
		  nx_json_add_time(d, o, "created_at", nx_rows_int(rows, 8)) &&
		  nx_json_add_time(d, o, "updated_at", nx_rows_int(rows, 9));
	return nx_json_write(a, ok ? o : NULL, false, ret, err);
}

int nx_knowledge_entity_get(struct nx_knowledge *k, int64_t tenant, nx_str id, struct nx_arena *a, nx_str *ret_json,
			    struct nx_error **err)
{
	return nx_entity_json(nx_store_reader(k->store), tenant, NX_STR(""), id, a, ret_json, err);
}

int nx_knowledge_relationship_get(struct nx_knowledge *k, int64_t tenant, nx_str id, struct nx_arena *a,
				  nx_str *ret_json, struct nx_error **err)
{
	return nx_relationship_json(nx_store_reader(k->store), tenant, NX_STR(""), id, a, ret_json, err);
}
