/*
 * Connected entities: everything that simple paths of at most `depth` relationships lead to, whichever way the relationships
 * point. The start is left out, each entity comes once; its score is the most relationships heavier than 0.5 on any path to
 * it, its depth the length of the shortest such path; order is by score, then depth, then id.
 *
 * The most over simple paths has no shortcut, so paths are walked one by one, and at most STEPS_MAX steps: a graph that has
 * more paths than that is told to be asked for less. Depth 2 never gets near it but at hubs.
 */
#include "knowledge/knowledge_internal.h"

#define LIMIT_MAX 50
#define STRONG 0.5f
#define STEPS_MAX 1000000
#define DEPTH_MAX 10

struct found {
	uint32_t entity;
	unsigned score, depth;
	uint32_t path[DEPTH_MAX]; /* entities on the way, itself last */
	nx_str id;
};
struct walk {
	const struct nx_partition *p;
	struct nx_arena *a;
	const uint32_t *types;
	size_t ntypes;
	unsigned max_depth;
	uint32_t path[DEPTH_MAX + 1];
	struct nx_map by_entity; /* entity + 1 → found */
	struct found *v;
	size_t n, cap;
	uint64_t steps;
	int failed;
};

static bool is_wanted(const struct walk *w, uint32_t type)
{
	for (size_t i = 0; i < w->ntypes; i++)
		if (w->types[i] == type)
			return true;
	return false;
}

static bool is_on_path(const struct walk *w, unsigned depth, uint32_t entity)
{
	for (unsigned i = 0; i <= depth; i++)
		if (w->path[i] == entity)
			return true;
	return false;
}

static void note(struct walk *w, unsigned depth, unsigned strong)
{
	uint32_t entity = w->path[depth], i = nx_map_get(&w->by_entity, (uint64_t)entity + 1);
	if (i == NX_MAP_NONE) {
		if (w->n == w->cap) {
			size_t cap = w->cap ? 2 * w->cap : 64;
			struct found *v = nx_arena_realloc(w->a, w->v, w->cap * sizeof(*v), cap * sizeof(*v));
			w->v = v ? v : w->v;
			w->cap = v ? cap : w->cap;
		}
		if (w->n == w->cap || !nx_map_set(&w->by_entity, (uint64_t)entity + 1, (uint32_t)w->n)) {
			w->failed = NX_ENOMEM;
			return;
		}
		i = (uint32_t)w->n++;
		w->v[i] = (struct found){.entity = entity, .depth = DEPTH_MAX + 1, .id = w->p->entities.v[entity].id};
	}
	struct found *f = &w->v[i];
	if (f->depth > DEPTH_MAX || strong > f->score || (strong == f->score && depth < f->depth))
		memcpy(f->path, w->path + 1, depth * sizeof(*f->path));
	f->score = nx_max(f->score, strong);
	f->depth = nx_min(f->depth, depth);
}

/* Recursion is at most max_depth deep. */
static void walk_from(struct walk *w, unsigned depth, unsigned strong)
{
	const struct nx_entities *es = &w->p->entities;
	struct nx_edge e;
	struct nx_edge_iter it = nx_graph_edges(&w->p->graph, es->v[w->path[depth]].node);
	while (!w->failed && nx_edge_next(&it, &e)) {
		if (e.label != NX_EDGE_RELATION && e.label != NX_EDGE_RELATION + NX_EDGE_BACK)
			continue;
		const struct nx_relation *r = &es->relations[e.ref];
		uint32_t next = w->p->nodes[e.to].ref;
		if (!r->alive || !es->v[next].alive || !is_wanted(w, r->type) || is_on_path(w, depth, next))
			continue;
		if (++w->steps > STEPS_MAX) {
			w->failed = NX_ELIMIT;
			return;
		}
		w->path[depth + 1] = next;
		unsigned now = strong + (r->weight > STRONG);
		note(w, depth + 1, now);
		if (depth + 1 < w->max_depth)
			walk_from(w, depth + 1, now);
	}
}

static int order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return nx_str_cmp(x->id, y->id);
}

static int find_types(struct walk *w, const nx_str *types, size_t n, struct nx_error **err)
{
	static const nx_str usual = {"RELATES_TO", 10};
	uint32_t *v = nx_arena_array(w->a, uint32_t, n + 1);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory for connected entities");
	if (n == 0) {
		types = &usual;
		n = 1;
	}
	for (size_t i = 0; i < n; i++)
		v[w->ntypes++] = nx_partition_find_term(w->p, NX_TERM_TYPE, types[i]);
	w->types = v;
	return 0;
}

/* Under the lock: the best, with ids copied. */
static int find(struct walk *w, nx_str id, const nx_str *types, size_t ntypes, size_t limit, nx_str **ret_paths,
		struct nx_error **err)
{
	w->path[0] = nx_entity_find(w->p, id);
	if (w->path[0] == NX_MAP_NONE)
		return 0; /* a name that documents mention, without relationships */
	int r = find_types(w, types, ntypes, err);
	if (r < 0)
		return r;
	walk_from(w, 0, 0);
	if (w->failed == NX_ENOMEM)
		return nx_error_set(err, NX_ENOMEM, "no memory for connected entities");
	if (w->failed) {
		(void)nx_error_set(err, NX_ELIMIT, "more than %d paths begin at %.*s", STEPS_MAX, NX_FMT(id));
		return nx_error_hint(err, "ask for a smaller depth or for fewer types");
	}
	if (w->n)
		qsort(w->v, w->n, sizeof(*w->v), order);
	w->n = nx_min(w->n, limit);
	*ret_paths = nx_arena_array(w->a, nx_str, w->n * DEPTH_MAX + 1);
	if (!*ret_paths)
		return nx_error_set(err, NX_ENOMEM, "no memory for connected entities");
	for (size_t i = 0; i < w->n; i++) {
		w->v[i].id = nx_str_dup(w->a, w->v[i].id);
		for (unsigned j = 0; j < DEPTH_MAX && w->v[i].depth <= DEPTH_MAX; j++) {
			bool used = j == 0 || w->v[i].path[j - 1] != w->v[i].entity;
			(*ret_paths)[i * DEPTH_MAX + j] =
				used ? nx_str_dup(w->a, w->p->entities.v[w->v[i].path[j]].id) : NX_STR_NULL;
			if (!used)
				break;
		}
	}
	return 0;
}

static int write_found(struct nx_knowledge *k, int64_t tenant, const struct walk *w, const nx_str *paths,
		       struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(k->store);
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *items = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	if (!items)
		return nx_error_set(err, NX_ENOMEM, "no memory for connected entities");
	for (size_t i = 0; i < w->n; i++) {
		yyjson_mut_val *e;
		nx_auto_error struct nx_error *gone = NULL;
		int r = nx_entity_value(db, tenant, NX_STR(""), w->v[i].id, d, &e, &gone);
		if (r == NX_ENOTFOUND)
			continue; /* deleted since */
		if (r < 0)
			return nx_error_move(err, nx_steal(gone));
		yyjson_mut_val *path = yyjson_mut_arr(d);
		for (unsigned j = 0; j < DEPTH_MAX && paths[i * DEPTH_MAX + j].p; j++)
			yyjson_mut_arr_add_strncpy(d, path, paths[i * DEPTH_MAX + j].p, paths[i * DEPTH_MAX + j].n);
		bool ok = yyjson_mut_obj_add_uint(d, e, "score", w->v[i].score) &&
			  yyjson_mut_obj_add_uint(d, e, "depth", w->v[i].depth) &&
			  yyjson_mut_obj_add_val(d, e, "path", path) && yyjson_mut_arr_append(items, e);
		if (!ok)
			return nx_error_set(err, NX_ENOMEM, "no memory for connected entities");
	}
	return nx_json_write(a, o, false, ret, err);
}

int nx_knowledge_connected(struct nx_knowledge *k, int64_t tenant, nx_str id, unsigned depth, const nx_str *types,
			   size_t ntypes, size_t limit, struct nx_arena *a, nx_str *ret_json, struct nx_error **err)
{
	struct walk w = {.a = a, .max_depth = depth};
	nx_str start, *paths = NULL;
	if (depth == 0 || depth > DEPTH_MAX || (int64_t)depth > k->config->knowledge_max_depth) {
		(void)nx_error_set(err, NX_ELIMIT,
				   "depth is %u; it must be from 1 to knowledge.max_depth, which is %lld", depth,
				   (long long)k->config->knowledge_max_depth);
		return nx_error_at(err, "/depth");
	}
	yyjson_val *v = NULL;
	int r = nx_knowledge_entity_get(k, tenant, id, a, &start, err);
	if (r == 0)
		r = nx_json_read(a, start, NULL, &v, err);
	if (r < 0)
		return r;
	id = nx_json_str(v, "id"); /* it may have been asked for by ours */
	struct nx_partition *p = nx_knowledge_find_partition(k, tenant, NX_STR(""));
	w.p = p;
	if (p) {
		pthread_rwlock_rdlock(&p->lock);
		r = find(&w, id, types, ntypes, nx_min(limit, (size_t)LIMIT_MAX), &paths, err);
		pthread_rwlock_unlock(&p->lock);
	}
	nx_map_done(&w.by_entity);
	return r < 0 ? r : write_found(k, tenant, &w, paths, a, ret_json, err);
}
