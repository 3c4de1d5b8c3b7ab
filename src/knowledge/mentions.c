/*
 * Names that a chunk mentions, as rows: on the writer thread, in the slices of an ingest.
 *
 * A name that nobody declared is an entity of its own with origin 'found' and the id "name:" and its folded form. A declared
 * entity (PUT by a client) that bears the name takes the mention instead.
 */
#include "knowledge/ingest_internal.h"

static int find_entity(struct nx_ingest_run *in, struct nx_db *db, nx_str id, nx_str folded, int64_t *ret,
		       struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(
		db,
		"SELECT e.id FROM entity_names n JOIN entities e ON e.id = n.entity_id"
		" WHERE n.tenant_id = $1 AND n.folded = $3 AND e.space = $2"
		" UNION ALL SELECT id FROM entities WHERE tenant_id = $1 AND space = $2 AND name = $4 LIMIT 1",
		NX_PARAMS(nx_v_int(in->tenant), nx_v_text(in->space), nx_v_text(folded), nx_v_text(id)), &rows, err);
	if (r < 0 || (r = nx_rows_next(rows, err)) <= 0)
		return r;
	*ret = nx_rows_int(rows, 0);
	return 1;
}

static int insert_entity(struct nx_ingest_run *in, struct nx_db *db, nx_str id, const struct nx_name *n, int64_t *ret,
			 struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a ? nx_json_new(a) : NULL;
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	nx_str properties;
	nx_id uid = nx_id_new();
	if (!o || !nx_json_add_str(d, o, "name", n->surface))
		return nx_error_set(err, NX_ENOMEM, "no memory for a name");
	int r = nx_json_write(a, o, false, &properties, err);
	if (r < 0)
		return r;
	r = nx_db_query(
		db,
		"INSERT INTO entities(uid, tenant_id, space, name, type, properties, origin, created_at, updated_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, 'found', $7, $7) RETURNING id",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(in->tenant), nx_v_text(in->space), nx_v_text(id),
			  nx_v_textz(nx_name_kind_types[n->kind]), nx_v_text(properties), nx_v_int(in->now_us)),
		&rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_EINTERNAL, "an insert gave no row back");
	*ret = nx_rows_int(rows, 0);
	while (r > 0)
		r = nx_rows_next(rows, err);
	return r;
}

static int resolve(struct nx_ingest_run *in, struct nx_db *db, const struct nx_name *n, int64_t *ret,
		   struct nx_error **err)
{
	char id[NX_NAME_BYTES_MAX];
	int len = snprintf(id, sizeof(id), "name:%.*s", NX_FMT(n->folded));
	if (len < 0 || (size_t)len >= sizeof(id)) {
		*ret = 0;
		return 0; /* longer than any name: no entity */
	}
	int r = find_entity(in, db, nx_str_n(id, (size_t)len), n->folded, ret, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return insert_entity(in, db, nx_str_n(id, (size_t)len), n, ret, err);
}

int nx_ingest_mentions(struct nx_ingest_run *in, struct nx_db *db, const struct nx_prepared_chunk *c,
		       struct nx_error **err)
{
	for (size_t i = 0; i < c->nnames; i++) {
		int64_t entity = 0;
		int r = resolve(in, db, &c->names[i], &entity, err);
		if (r == 0 && entity)
			r = nx_db_exec(
				db,
				"INSERT INTO mentions(chunk_id, entity_id, tenant_id, count) VALUES ($1, $2, $3, $4)"
				" ON CONFLICT(chunk_id, entity_id) DO UPDATE SET count = count + excluded.count",
				NX_PARAMS(nx_v_int(c->key), nx_v_int(entity), nx_v_int(in->tenant),
					  nx_v_int(c->names[i].count)),
				err);
		if (r < 0)
			return r;
	}
	return 0;
}
