/* What a client puts into the graph: lists of entities and relationships, or one object. */
#include "knowledge/graph_change.h"

#define ITEMS_MAX 10000

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	int r = 0;
	for (size_t i = 0; i < g->nentities && r == 0; i++)
		r = nx_change_write_entity(g, db, &g->entities[i], err);
	for (size_t i = 0; i < g->nrelationships && r == 0; i++)
		r = nx_change_write_relationship(g, db, &g->relationships[i], err);
	if (r == 0)
		r = nx_change_answer(g, true, err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, NX_ID_NONE, c->answer, err);
}

static size_t size_of(yyjson_val *body, const char *list, struct nx_error **err)
{
	yyjson_val *v = nx_json_get(body, list);
	if (v && !yyjson_is_null(v) && !yyjson_is_arr(v)) {
		(void)nx_error_set(err, NX_EINVAL, "it must be a list");
		(void)nx_error_at(err, "/%s", list);
	}
	if (yyjson_arr_size(v) > ITEMS_MAX && !*err) {
		(void)nx_error_set(err, NX_ELIMIT, "%zu items in one request; the limit is %d", yyjson_arr_size(v),
				   ITEMS_MAX);
		(void)nx_error_at(err, "/%s", list);
	}
	return *err ? 0 : yyjson_arr_size(v);
}

void nx_knowledge_graph_put(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	struct nx_error *err = NULL;
	size_t ne = size_of(c->body, "entities", &err), nr = size_of(c->body, "relationships", &err), i, n;
	if (!err && ne + nr == 0)
		(void)nx_error_set(&err, NX_EINVAL, "there are neither entities nor relationships");
	struct graph_change *g = nx_change_begin(k, c, ne, nr);
	if (!g) {
		nx_error_free(err);
		return;
	}
	g->err = err;
	yyjson_val *v;
	if (ne)
		yyjson_arr_foreach (nx_json_get(c->body, "entities"), i, n, v)
			nx_change_read_entity(g, v, i, NX_STR_NULL);
	if (nr)
		yyjson_arr_foreach (nx_json_get(c->body, "relationships"), i, n, v)
			nx_change_read_relationship(g, v, i, NX_STR_NULL);
	nx_change_check_twice(g);
	nx_change_go(g, apply);
}

/* ---- one object: its own JSON is the answer, and faults are told by its members ---- */

/* "/entities/0/type" → "/type". */
static void strip_index(struct graph_change *g)
{
	const char *p = nx_error_pointer(g->err);
	if (!g->err || p[0] != '/')
		return;
	const char *second = strchr(p + 1, '/');
	const char *third = second ? strchr(second + 1, '/') : NULL;
	struct nx_error *e = NULL;
	(void)nx_error_set(&e, nx_error_code(g->err), "%s", nx_error_message(g->err));
	(void)nx_error_at(&e, "%s", third ? third : "");
	nx_error_free(g->err);
	g->err = e;
}

static int apply_one(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	bool entity = g->nentities != 0;
	int r = entity ? nx_change_write_entity(g, db, &g->entities[0], err)
		       : nx_change_write_relationship(g, db, &g->relationships[0], err);
	if (r == 0)
		r = entity ? nx_entity_json(db, c->tenant, g->space, c->id, c->arena, &c->answer, err)
			   : nx_relationship_json(db, c->tenant, g->space, c->id, c->arena, &c->answer, err);
	return r < 0 ? r : nx_tx_hook_run(c->hook, db, NX_ID_NONE, c->answer, err);
}

static void put_one(struct nx_knowledge *k, struct nx_knowledge_change *c, bool entity)
{
	struct graph_change *g = nx_change_begin(k, c, 1, 1);
	if (!g)
		return;
	if (nx_str_trim(c->id).n == 0 || c->id.n > NX_NAME_BYTES_MAX)
		(void)nx_error_set(&g->err, NX_EINVAL, "an id is 1 to %d bytes long", NX_NAME_BYTES_MAX);
	else if (entity)
		nx_change_read_entity(g, c->body, 0, c->id);
	else
		nx_change_read_relationship(g, c->body, 0, c->id);
	strip_index(g);
	nx_change_go(g, apply_one);
}

void nx_knowledge_entity_put(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	put_one(k, c, true);
}

void nx_knowledge_relationship_put(struct nx_knowledge *k, struct nx_knowledge_change *c)
{
	put_one(k, c, false);
}
