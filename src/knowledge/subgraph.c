#include "knowledge/subgraph.h"

#define REFUSED (NX_MAP_NONE - 1)
/* Passages of one document that stand for its title. */
#define TITLE_PASSAGES 8
#define NEXT_WEIGHT 0.5f

struct edge {
	uint32_t node; /* of the partition */
	float weight;
};
struct edges {
	struct edge v[4 * NX_HUB_MAX];
	size_t n;
};

void nx_subgraph_init(struct nx_subgraph *s, const struct nx_partition *p, struct nx_arena *a)
{
	*s = (struct nx_subgraph){.p = p, .arena = a, .max = NX_SUBGRAPH_MAX};
}

void nx_subgraph_done(struct nx_subgraph *s)
{
	nx_map_done(&s->local);
}

static bool is_alive(const struct nx_partition *p, uint32_t node)
{
	if (p->nodes[node].kind == NX_NODE_ENTITY)
		return p->entities.v[p->nodes[node].ref].alive;
	return p->nodes[node].kind != NX_NODE_CHUNK || nx_slot_alive(p, p->nodes[node].ref);
}

/* Passages that say the name, counted up to one more than would still do. */
static bool is_telling(const struct nx_partition *p, uint32_t node)
{
	uint32_t n = 0, entities = 0;
	struct nx_edge e;
	struct nx_edge_iter it = nx_graph_edges(&p->graph, node);
	while (n <= NX_NAME_MAX_PASSAGES && nx_edge_next(&it, &e)) {
		n += e.label == NX_EDGE_SAYS_NAME + NX_EDGE_BACK && is_alive(p, e.to);
		entities += e.label == NX_EDGE_BEARS + NX_EDGE_BACK && is_alive(p, e.to);
	}
	return n + entities >= NX_NAME_MIN && n <= NX_NAME_MAX_PASSAGES;
}

static bool may_join(const struct nx_partition *p, uint32_t node)
{
	switch (p->nodes[node].kind) {
	case NX_NODE_CHUNK:
	case NX_NODE_ENTITY: return is_alive(p, node);
	case NX_NODE_NAME: return is_telling(p, node);
	case NX_NODE_TITLE: break;
	}
	return false;
}

uint32_t nx_subgraph_add(struct nx_subgraph *s, uint32_t node)
{
	uint32_t i = nx_map_get(&s->local, (uint64_t)node + 1);
	if (i != NX_MAP_NONE)
		return i == REFUSED ? NX_MAP_NONE : i;
	if (s->n >= s->max)
		return NX_MAP_NONE;
	if (!may_join(s->p, node)) {
		(void)nx_map_set(&s->local, (uint64_t)node + 1, REFUSED);
		return NX_MAP_NONE;
	}
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? 2 * s->cap : 256;
		uint32_t *v = nx_arena_realloc(s->arena, s->nodes, s->cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return NX_MAP_NONE;
		s->nodes = v;
		s->cap = cap;
	}
	if (!nx_map_set(&s->local, (uint64_t)node + 1, s->n))
		return NX_MAP_NONE;
	s->nodes[s->n] = node;
	return s->n++;
}

static void push(struct edges *out, uint32_t node, float weight)
{
	if (out->n < nx_countof(out->v) && weight > 0)
		out->v[out->n++] = (struct edge){node, weight};
}

/* Passages at the other end of a title: those that bear it, or those that say it. */
static void push_title(const struct nx_partition *p, uint32_t title, uint32_t label, size_t max, uint32_t except,
		       struct edges *out)
{
	const struct nx_title *t = &p->titles.v[title];
	struct nx_edge e;
	size_t n = 0;
	for (struct nx_edge_iter it = nx_graph_edges(&p->graph, t->node); n < max && nx_edge_next(&it, &e);) {
		if (e.label != label + NX_EDGE_BACK || e.to == except || !is_alive(p, e.to))
			continue;
		push(out, e.to, 1 / (float)t->ndocs);
		n++;
	}
}

static void push_next(const struct nx_partition *p, uint32_t slot, struct edges *out)
{
	const struct nx_doc *d = &p->docs[p->slots[slot].doc];
	if (slot > d->first && p->slots[slot - 1].node != NX_MAP_NONE)
		push(out, p->slots[slot - 1].node, NEXT_WEIGHT);
	if (slot + 1 < d->first + d->n && p->slots[slot + 1].node != NX_MAP_NONE)
		push(out, p->slots[slot + 1].node, NEXT_WEIGHT);
}

static bool is_relation(uint32_t label)
{
	return label == NX_EDGE_RELATION || label == NX_EDGE_RELATION + NX_EDGE_BACK;
}

/* What a passage, name or entity is joined to. */
static void neighbours(const struct nx_partition *p, uint32_t node, struct edges *out)
{
	struct nx_edge e;
	size_t names = 0;
	out->n = 0;
	if (p->nodes[node].kind == NX_NODE_CHUNK)
		push_next(p, p->nodes[node].ref, out);
	for (struct nx_edge_iter it = nx_graph_edges(&p->graph, node); nx_edge_next(&it, &e);) {
		if (e.label == NX_EDGE_SAYS_TITLE)
			push_title(p, e.ref, NX_EDGE_HAS_TITLE, TITLE_PASSAGES, node, out);
		else if (e.label == NX_EDGE_HAS_TITLE)
			push_title(p, e.ref, NX_EDGE_SAYS_TITLE, NX_HUB_MAX, node, out);
		else if (is_relation(e.label) && !p->entities.relations[e.ref].alive)
			continue;
		else if (names++ < NX_HUB_MAX)
			push(out, e.to, e.weight);
	}
}

/* Adds everything that the nodes from `from` to `to` touch. */
static void grow(struct nx_subgraph *s, uint32_t from, uint32_t to, struct edges *scratch)
{
	for (uint32_t i = from; i < to; i++) {
		neighbours(s->p, s->nodes[i], scratch);
		for (size_t j = 0; j < scratch->n; j++)
			(void)nx_subgraph_add(s, scratch->v[j].node);
	}
}

struct builder {
	uint32_t *starts, *to;
	float *weights;
	uint32_t n, cap;
};

static bool push_row(struct nx_subgraph *s, struct builder *b, const struct edges *e)
{
	if (b->n + e->n > b->cap) {
		uint32_t cap = b->cap * 2 + 1024 + (uint32_t)e->n;
		uint32_t *to = nx_arena_realloc(s->arena, b->to, b->cap * sizeof(*to), cap * sizeof(*to));
		float *weights =
			nx_arena_realloc(s->arena, b->weights, b->cap * sizeof(*weights), cap * sizeof(*weights));
		if (!to || !weights)
			return false;
		b->to = to;
		b->weights = weights;
		b->cap = cap;
	}
	for (size_t i = 0; i < e->n; i++) {
		uint32_t to = nx_map_get(&s->local, (uint64_t)e->v[i].node + 1);
		if (to >= s->n)
			continue;
		b->to[b->n] = to;
		b->weights[b->n++] = e->v[i].weight;
	}
	return true;
}

int nx_subgraph_build(struct nx_subgraph *s, int depth, struct nx_error **err)
{
	struct edges *scratch = nx_arena_alloc(s->arena, sizeof(*scratch));
	struct builder b = {0};
	uint32_t from = 0;
	if (!scratch)
		return nx_error_set(err, NX_ENOMEM, "no memory for a subgraph");
	for (int i = 0; i < depth && from < s->n && s->n < s->max; i++) {
		uint32_t to = s->n;
		grow(s, from, to, scratch);
		from = to;
	}
	b.starts = nx_arena_array(s->arena, uint32_t, (size_t)s->n + 1);
	bool ok = b.starts != NULL;
	for (uint32_t i = 0; ok && i < s->n; i++) {
		b.starts[i] = b.n;
		neighbours(s->p, s->nodes[i], scratch);
		ok = push_row(s, &b, scratch);
	}
	if (!ok)
		return nx_error_set(err, NX_ENOMEM, "no memory for a subgraph of %u nodes", s->n);
	b.starts[s->n] = b.n;
	s->rows = (struct nx_rows_graph){.n = s->n, .starts = b.starts, .to = b.to, .weights = b.weights};
	return 0;
}

uint32_t nx_subgraph_slot(const struct nx_subgraph *s, uint32_t number)
{
	const struct nx_node *n = &s->p->nodes[s->nodes[number]];
	return n->kind == NX_NODE_CHUNK ? n->ref : NX_MAP_NONE;
}
