/*
 * Entities as hits: declared ones by the words of their id, type, names and properties, and every one whose name the query
 * says, names found in documents too. The score is 1 for a name that is said plus BM25 scaled to 1.
 */
#include "knowledge/knowledge_internal.h"

#include <math.h>

#define NAME_WORDS 6
#define SAID 1.0

struct hits {
	struct nx_search_run *r;
	struct nx_hit *v;
	size_t n, cap;
	struct nx_map by_key; /* entity + 1, or node + 1 with the highest bit: → hit */
};

#define NODE_KEY(node) ((uint64_t)(node) + 1 + (UINT64_C(1) << 40))

static int no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory for entities");
}

/* The hit of an entity, new when it is not there; NULL when there is no room or no memory. Its title is the id until it is
 * filled. */
static struct nx_hit *hit_of(struct hits *h, uint64_t key, nx_str id)
{
	uint32_t i = nx_map_get(&h->by_key, key);
	if (i != NX_MAP_NONE)
		return &h->v[i];
	if (h->n == h->cap || !nx_map_set(&h->by_key, key, (uint32_t)h->n))
		return NULL;
	nx_str copy = nx_str_dup(h->r->s->arena, id);
	if (!copy.p)
		return NULL;
	h->v[h->n] = (struct nx_hit){
		.kind = NX_KIND_ENTITY, .title = copy, .text_score = NAN, .vector_score = NAN, .graph_score = NAN};
	return &h->v[h->n++];
}

/* ---- by words ---- */

static bool is_current(void *ctx, uint32_t version)
{
	const struct nx_entities *e = &((const struct nx_search_run *)ctx)->p->entities;
	uint32_t entity = e->version_of[version];
	return e->versions[entity] == version && e->v[entity].alive;
}

static int by_words(struct hits *h, const struct nx_term *t, size_t n, struct nx_error **err)
{
	const struct nx_partition *p = h->r->p;
	size_t limit = h->r->s->limit, nbest = 0;
	struct nx_scored *best = nx_arena_array(h->r->s->arena, struct nx_scored, limit + 1);
	struct nx_text_query q = {.k1 = NX_BM25_K1, .b = NX_BM25_B, .accept = is_current, .ctx = h->r};
	int r = best ? nx_text_search(&p->entities.text, t, n, limit, &q, h->r->s->arena, best, &nbest, err)
		     : no_memory(err);
	for (size_t i = 0; r == 0 && i < nbest; i++) {
		uint32_t entity = p->entities.version_of[best[i].slot];
		struct nx_hit *x = hit_of(h, (uint64_t)entity + 1, p->entities.v[entity].id);
		if (!x)
			return no_memory(err);
		x->text_score = best[i].score;
		x->score += best[i].score / best[0].score;
	}
	return r;
}

/* ---- by names ---- */

static int say(struct hits *h, struct nx_hit *x, struct nx_error **err)
{
	if (!x)
		return h->n == h->cap ? 0 : no_memory(err);
	if (isnan(x->graph_score)) {
		x->graph_score = SAID;
		x->score += SAID;
	}
	return 0;
}

/* The declared entities that bear the name, or, when there are none, the name itself if a passage still says it. */
static int say_name(struct hits *h, uint32_t node, nx_str folded, struct nx_error **err)
{
	const struct nx_partition *p = h->r->p;
	bool declared = false, said = false;
	struct nx_edge e;
	int r = 0;
	for (struct nx_edge_iter it = nx_graph_edges(&p->graph, node); r == 0 && nx_edge_next(&it, &e);) {
		if (e.label == NX_EDGE_BEARS + NX_EDGE_BACK && p->entities.v[p->nodes[e.to].ref].alive) {
			uint32_t entity = p->nodes[e.to].ref;
			declared = true;
			r = say(h, hit_of(h, (uint64_t)entity + 1, p->entities.v[entity].id), err);
		}
		said = said || (e.label == NX_EDGE_SAYS_NAME + NX_EDGE_BACK && nx_slot_alive(p, p->nodes[e.to].ref));
	}
	if (r < 0 || declared || !said)
		return r;
	char *id = nx_arena_printf(h->r->s->arena, "name:%.*s", NX_FMT(folded));
	return id ? say(h, hit_of(h, NODE_KEY(node), nx_str_z(id)), err) : no_memory(err);
}

static int by_names(struct hits *h, const struct nx_term *t, size_t n, struct nx_error **err)
{
	const struct nx_partition *p = h->r->p;
	for (size_t i = 0; i < n; i++) {
		nx_auto_buf struct nx_buf b = NX_BUF_INIT;
		for (size_t k = 0; k < NAME_WORDS && i + k < n; k++) {
			if (k)
				nx_buf_addc(&b, ' ');
			if (!nx_buf_adds(&b, t[i + k].surface))
				return no_memory(err);
			uint32_t term = nx_partition_find_term(p, NX_TERM_NAME, nx_buf_str(&b));
			uint32_t node = term ? nx_map_get(&p->name_nodes, term) : NX_MAP_NONE;
			int r = node == NX_MAP_NONE ? 0 : say_name(h, node, nx_buf_str(&b), err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int by_score(const void *a, const void *b)
{
	const struct nx_hit *x = a, *y = b;
	if (x->score > y->score)
		return -1;
	return x->score < y->score ? 1 : nx_str_cmp(x->title, y->title);
}

int nx_search_entities(struct nx_search_run *r, const struct nx_term *t, size_t n, struct nx_hit **ret, size_t *ret_n,
		       struct nx_error **err)
{
	struct hits h = {.r = r, .cap = 2 * r->s->limit};
	h.v = nx_arena_array(r->s->arena, struct nx_hit, h.cap + 1);
	int e = h.v ? by_words(&h, t, n, err) : no_memory(err);
	if (e == 0)
		e = by_names(&h, t, n, err);
	nx_map_done(&h.by_key);
	if (h.n)
		qsort(h.v, h.n, sizeof(*h.v), by_score);
	*ret = h.v;
	*ret_n = nx_min(h.n, r->s->limit);
	return e;
}

/* What is shown of an entity; 0 when it is gone. */
int nx_search_fill_entity(struct nx_search_run *r, struct nx_db *db, struct nx_hit *h, struct nx_error **err)
{
	nx_auto_error struct nx_error *gone = NULL;
	yyjson_val *v;
	int e = nx_entity_json(db, r->s->tenant, r->p->space, h->title, r->s->arena, &h->entity_json, &gone);
	if (e == NX_ENOTFOUND)
		return 0;
	if (e == 0)
		e = nx_json_read(r->s->arena, h->entity_json, NULL, &v, &gone);
	if (e < 0)
		return nx_error_move(err, nx_steal(gone));
	nx_str name = nx_json_str(nx_json_get(v, "properties"), "name");
	(void)nx_id_parse(nx_json_str(v, "uid"), &h->entity);
	h->title = name.n ? name : h->title;
	return 1;
}
