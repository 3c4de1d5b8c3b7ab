/* What a client takes out of the graph. */
#include "knowledge/graph_change.h"

static int answer_deleted(struct nx_knowledge_change *c, struct nx_db *db, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	bool ok = o && nx_json_add_str(d, o, "id", c->id) && yyjson_mut_obj_add_bool(d, o, "deleted", true);
	int r = nx_json_write(c->arena, ok ? o : NULL, false, &c->answer, err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, NX_ID_NONE, c->answer, err);
}

/* The name that the entity leaves behind when documents mention it; false when there is none, or it exists already. */
static int name_left_behind(struct graph_change *g, struct nx_db *db, int64_t key, nx_str *ret_id,
			    nx_str *ret_properties, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	yyjson_mut_doc *d = nx_json_new(g->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	int r = nx_db_query(
		db,
		"SELECT 'name:' || n.folded, n.surface FROM entity_names n WHERE n.entity_id = $1 AND n.tenant_id = $2"
		" AND EXISTS (SELECT 1 FROM mentions m WHERE m.entity_id = $1)"
		" AND NOT EXISTS (SELECT 1 FROM entities e WHERE e.tenant_id = $2 AND e.space = $3"
		" AND e.name = 'name:' || n.folded) ORDER BY length(n.folded) DESC LIMIT 1",
		NX_PARAMS(nx_v_int(key), nx_v_int(g->c->tenant), nx_v_text(g->space)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r;
	*ret_id = nx_rows_textdup(rows, 0, g->arena);
	if (!o || !ret_id->p || !nx_json_add_str(d, o, "name", nx_rows_text(rows, 1)))
		return nx_error_set(err, NX_ENOMEM, "no memory for an entity");
	r = nx_json_write(g->arena, o, false, ret_properties, err);
	return r < 0 ? r : 1;
}

/* An entity whose name documents mention becomes that name again; its relationships go. */
static int delete_entity(struct graph_change *g, struct nx_db *db, int64_t key, struct nx_error **err)
{
	struct nx_value id[] = {nx_v_int(key), nx_v_int(g->c->tenant)};
	nx_str name = NX_STR_NULL, properties = NX_STR_NULL;
	int r = nx_db_exec(db, "DELETE FROM relationships WHERE (source_id = $1 OR target_id = $1) AND tenant_id = $2",
			   id, 2, err);
	if (r < 0)
		return r;
	int is_name = name_left_behind(g, db, key, &name, &properties, err);
	if (is_name < 0)
		return is_name;
	r = nx_db_exec(db, "DELETE FROM entity_names WHERE entity_id = $1 AND tenant_id = $2", id, 2, err);
	if (r < 0)
		return r;
	if (!is_name)
		return nx_db_exec(db, "DELETE FROM entities WHERE id = $1 AND tenant_id = $2", id, 2, err);
	return nx_db_exec(
		db,
		"UPDATE entities SET origin = 'found', type = 'NAME', confidence = 1.0, name = $3, properties = $4"
		" WHERE id = $1 AND tenant_id = $2",
		NX_PARAMS(id[0], id[1], nx_v_text(name), nx_v_text(properties)), err);
}

static int apply_delete_entity(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	int r = nx_change_find_entity(g, db, c->id, true, &g->gone_entity, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_ENOTFOUND, "no entity has the id %.*s", NX_FMT(c->id));
	r = delete_entity(g, db, g->gone_entity, err);
	return r < 0 ? r : answer_deleted(c, db, err);
}

static int apply_delete_relationship(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	nx_auto_error struct nx_error *none = NULL;
	int r = nx_db_get_int(db, "SELECT id FROM relationships WHERE tenant_id = $1 AND space = $2 AND name = $3",
			      NX_PARAMS(nx_v_int(c->tenant), nx_v_text(g->space), nx_v_text(c->id)),
			      &g->gone_relationship, &none);
	if (r == NX_ENOTFOUND)
		return nx_error_set(err, NX_ENOTFOUND, "no relationship has the id %.*s", NX_FMT(c->id));
	if (r < 0)
		return nx_error_move(err, nx_steal(none));
	r = nx_db_exec(db, "DELETE FROM relationships WHERE id = $1 AND tenant_id = $2",
		       NX_PARAMS(nx_v_int(g->gone_relationship), nx_v_int(c->tenant)), err);
	return r < 0 ? r : answer_deleted(c, db, err);
}

void nx_knowledge_entity_delete(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct graph_change *g = nx_change_begin(k, c, 0, 0);
	if (g)
		nx_change_go(g, apply_delete_entity);
}

void nx_knowledge_relationship_delete(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct graph_change *g = nx_change_begin(k, c, 0, 0);
	if (g)
		nx_change_go(g, apply_delete_relationship);
}
