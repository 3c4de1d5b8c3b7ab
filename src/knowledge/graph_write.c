/* Rows of the graph: on the writer thread. */
#include "knowledge/graph_change.h"

int nx_change_find_entity(struct graph_change *g, struct nx_db *db, nx_str id, bool found_too, int64_t *ret,
			  struct nx_error **err)
{
	nx_auto_error struct nx_error *none = NULL;
	int r = nx_db_get_int(db, "SELECT id FROM entities WHERE tenant_id = $1 AND space = $2 AND name = $3",
			      NX_PARAMS(nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_text(id)), ret, &none);
	if (r == NX_ENOTFOUND && found_too) {
		nx_id uid;
		nx_error_free(nx_steal(none));
		if (nx_id_parse(id, &uid))
			r = nx_db_get_int(
				db, "SELECT id FROM entities WHERE tenant_id = $1 AND space = $2 AND uid = $3",
				NX_PARAMS(nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_id(&uid)), ret, &none);
	}
	if (r == NX_ENOTFOUND)
		return 0;
	return r < 0 ? nx_error_move(err, nx_steal(none)) : 1;
}

/* The row: that of the id, else a name found in documents that the entity bears, else a new one. */
static int entity_row(struct graph_change *g, struct nx_db *db, struct change_entity *e, struct nx_error **err)
{
	int r = nx_change_find_entity(g, db, e->id, false, &e->key, err);
	for (size_t i = 0; r == 0 && i < e->nnames; i++) {
		char *z = nx_arena_printf(g->arena, "name:%.*s", NX_FMT(e->names[i]));
		if (!z)
			return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
		r = nx_change_find_entity(g, db, nx_str_z(z), false, &e->key, err);
	}
	return r;
}

static int insert_entity(struct graph_change *g, struct nx_db *db, struct change_entity *e, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	nx_id uid = nx_id_new();
	int r = nx_db_query(
		db,
		"INSERT INTO entities(uid, tenant_id, space, name, type, properties, confidence, origin, created_at,"
		" updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'client', $8, $8) RETURNING id",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_text(e->id),
			  nx_v_text(e->type), nx_v_text(e->properties), nx_v_real(e->confidence), nx_v_int(g->now_us)),
		&rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_EINTERNAL, "an insert gave no row back");
	e->key = nx_rows_int(rows, 0);
	while (r > 0)
		r = nx_rows_next(rows, err);
	return r;
}

static int write_names(struct graph_change *g, struct nx_db *db, const struct change_entity *e, struct nx_error **err)
{
	int r = nx_db_exec(db, "DELETE FROM entity_names WHERE entity_id = $1", NX_PARAMS(nx_v_int(e->key)), err);
	for (size_t i = 0; r == 0 && i < e->nnames; i++)
		r = nx_db_exec(
			db, "INSERT INTO entity_names(entity_id, tenant_id, folded, surface) VALUES ($1, $2, $3, $4)",
			NX_PARAMS(nx_v_int(e->key), nx_v_int(g->c->tenant), nx_v_text(e->names[i]),
				  nx_v_text(e->name.n ? e->name : e->id)),
			err);
	return r;
}

int nx_change_write_entity(struct graph_change *g, struct nx_db *db, struct change_entity *e, struct nx_error **err)
{
	int r = entity_row(g, db, e, err);
	if (r == 0)
		r = insert_entity(g, db, e, err);
	else if (r > 0)
		r = nx_db_exec(
			db,
			"UPDATE entities SET name = $3, type = $4, properties = $5, confidence = $6, origin = 'client',"
			" updated_at = $7 WHERE id = $1 AND tenant_id = $2",
			NX_PARAMS(nx_v_int(e->key), nx_v_int(g->c->tenant), nx_v_text(e->id), nx_v_text(e->type),
				  nx_v_text(e->properties), nx_v_real(e->confidence), nx_v_int(g->now_us)),
			err);
	return r < 0 ? r : write_names(g, db, e, err);
}

static int find_end(struct graph_change *g, struct nx_db *db, const struct change_relationship *r, const char *member,
		    nx_str id, int64_t *ret, struct nx_error **err)
{
	int e = nx_change_find_entity(g, db, id, true, ret, err);
	if (e != 0)
		return e < 0 ? e : 0;
	char *what = nx_arena_printf(g->arena, "no entity has the id %.*s", NX_FMT(id));
	(void)nx_change_report(g, r->index, "relationships", member, what ? what : "no such entity");
	return nx_error_move(err, nx_error_copy(g->err));
}

int nx_change_write_relationship(struct graph_change *g, struct nx_db *db, struct change_relationship *r,
				 struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int64_t source = 0, target = 0;
	nx_id uid = nx_id_new();
	int e = find_end(g, db, r, "source_id", r->source, &source, err);
	if (e == 0)
		e = find_end(g, db, r, "target_id", r->target, &target, err);
	if (e < 0)
		return e;
	e = nx_db_query(
		db,
		"INSERT INTO relationships(uid, tenant_id, space, name, source_id, target_id, type, properties, weight,"
		" confidence, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)"
		" ON CONFLICT(tenant_id, space, name) DO UPDATE SET source_id = excluded.source_id,"
		" target_id = excluded.target_id, type = excluded.type, properties = excluded.properties,"
		" weight = excluded.weight, confidence = excluded.confidence, updated_at = excluded.updated_at"
		" RETURNING id",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(g->c->tenant), nx_v_text(g->space), nx_v_text(r->id),
			  nx_v_int(source), nx_v_int(target), nx_v_text(r->type), nx_v_text(r->properties),
			  nx_v_real(r->weight), nx_v_real(r->confidence), nx_v_int(g->now_us)),
		&rows, err);
	if (e == 0)
		e = nx_rows_next(rows, err);
	if (e <= 0)
		return e < 0 ? e : nx_error_set(err, NX_EINTERNAL, "an insert gave no row back");
	r->key = nx_rows_int(rows, 0);
	while (e > 0)
		e = nx_rows_next(rows, err);
	return e;
}
