/* The way of a change: to the writer, then through memory (entities.h), then to the caller. */
#include "knowledge/graph_change.h"

#include "base/clock.h"

int nx_change_answer(struct graph_change *g, bool success, struct nx_error **err)
{
	yyjson_mut_val *o = yyjson_mut_obj(g->doc);
	size_t n = success ? g->nentities + g->nrelationships : 0;
	bool ok = o && yyjson_mut_obj_add_bool(g->doc, o, "success", success) &&
		  yyjson_mut_obj_add_uint(g->doc, o, "inserted_count", n) &&
		  yyjson_mut_obj_add_val(g->doc, o, "errors", g->errors);
	return nx_json_write(g->arena, ok ? o : NULL, false, &g->c->answer, err);
}

static void sync_run(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct graph_change *g = c->priv;
	struct nx_partition *p;
	struct nx_db *db = nx_store_reader(g->k->store);
	if (g->err)
		return;
	int r = nx_knowledge_partition(g->k, c->tenant, g->space, &p, &g->err);
	for (size_t i = 0; i < g->nentities && r == 0; i++)
		r = nx_graph_sync_entity(p, db, g->entities[i].key, &g->err);
	for (size_t i = 0; i < g->nrelationships && r == 0; i++)
		r = nx_graph_sync_relationship(p, db, g->relationships[i].key, &g->err);
	if (r == 0 && g->gone_entity)
		r = nx_graph_sync_entity(p, db, g->gone_entity, &g->err);
	if (r == 0 && g->gone_relationship)
		(void)nx_graph_sync_relationship(p, db, g->gone_relationship, &g->err);
}

static void done(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	struct graph_change *g = c->priv;
	struct nx_error *err = g->err;
	c->priv = NULL;
	nx_knowledge_leave(g->k);
	c->done(c, err);
	nx_error_free(err);
}

static void post_sync(struct graph_change *g)
{
	g->c->job = (struct nx_job){.run = sync_run, .done = done, .reply = g->c->reply, .is_long = true};
	nx_workers_post(g->k->workers, &g->c->job);
}

static void written(struct nx_write *w, struct nx_error *err)
{
	struct nx_knowledge_change *c = nx_container_of(w, struct nx_knowledge_change, write);
	struct graph_change *g = c->priv;
	if (err && !g->err)
		g->err = nx_error_copy(err);
	if (err && yyjson_mut_arr_size(g->errors))
		(void)nx_change_answer(g, false, NULL);
	post_sync(g);
}

static void no_memory(struct nx_job *j)
{
}

static void no_memory_done(struct nx_job *j)
{
	struct nx_knowledge_change *c = nx_container_of(j, struct nx_knowledge_change, job);
	nx_auto_error struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ENOMEM, "no memory for a change of the graph");
	c->done(c, err);
}

struct graph_change *nx_change_begin(struct nx_knowledge *k, struct nx_knowledge_change *c, size_t nentities,
				     size_t nrelationships)
{
	struct graph_change *g = nx_arena_new_of(c->arena, struct graph_change);
	if (g) {
		*g = (struct graph_change){.k = k,
					   .c = c,
					   .arena = c->arena,
					   .now_us = nx_time_wall_us(),
					   .space = c->space.p ? c->space : NX_STR("")};
		g->entities = nx_arena_array(c->arena, struct change_entity, nentities + 1);
		g->relationships = nx_arena_array(c->arena, struct change_relationship, nrelationships + 1);
		g->doc = nx_json_new(c->arena);
		g->errors = g->doc ? yyjson_mut_arr(g->doc) : NULL;
	}
	c->priv = g;
	c->answer = NX_STR_NULL;
	if (g && g->entities && g->relationships && g->errors) {
		nx_knowledge_enter(k);
		return g;
	}
	c->job = (struct nx_job){.run = no_memory, .done = no_memory_done, .reply = c->reply};
	nx_workers_post(k->workers, &c->job);
	return NULL;
}

void nx_change_go(struct graph_change *g, int (*apply_fn)(struct nx_write *w, struct nx_db *db, struct nx_error **err))
{
	bool big = g->nentities + g->nrelationships > 100;
	if (g->err) {
		(void)nx_change_answer(g, false, NULL);
		post_sync(g);
		return;
	}
	g->c->write =
		(struct nx_write){.lane = big ? NX_LANE_BULK : NX_LANE_INTERACTIVE, .apply = apply_fn, .done = written};
	nx_store_write(g->k->store, &g->c->write);
}
