#include "knowledge/graph.h"

#include "base/assert.h"
#include "base/fault.h"

#include <string.h>

/* A tail shorter than this is never worth a merge. */
#define TAIL_MIN 4096

void nx_graph_init(struct nx_graph *g)
{
	*g = (struct nx_graph){0};
}

void nx_graph_done(struct nx_graph *g)
{
	free(g->starts);
	free(g->edges);
	free(g->heads);
	free(g->tail);
	*g = (struct nx_graph){0};
}

int nx_graph_add_node(struct nx_graph *g, uint32_t *ret, struct nx_error **err)
{
	if (g->n == g->cap) {
		uint32_t cap = g->cap ? 2 * g->cap : 64;
		uint32_t *heads = cap > g->cap ? realloc(g->heads, cap * sizeof(*heads)) : NULL;
		if (!heads)
			return nx_error_set(err, NX_ENOMEM, "no memory for a node of the graph");
		g->heads = heads;
		g->cap = cap;
	}
	g->heads[g->n] = 0;
	*ret = g->n++;
	return 0;
}

static size_t row_edges(const struct nx_graph *g)
{
	return g->rows ? g->starts[g->rows] : 0;
}

static void fill_rows(const struct nx_graph *g, uint32_t *starts, struct nx_edge *edges)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < g->n; i++) {
		struct nx_edge e;
		starts[i] = at;
		for (struct nx_edge_iter it = nx_graph_edges(g, i); nx_edge_next(&it, &e);)
			edges[at++] = e;
	}
	starts[g->n] = at;
}

/* Merges the tail into the rows. Without memory for that the tail just goes on. */
static void merge(struct nx_graph *g)
{
	size_t n = row_edges(g) + g->ntail;
	uint32_t *starts = malloc(((size_t)g->n + 1) * sizeof(*starts));
	struct nx_edge *edges = malloc(n * sizeof(*edges));
	if (!starts || !edges) {
		free(starts);
		free(edges);
		return;
	}
	fill_rows(g, starts, edges);
	free(g->starts);
	free(g->edges);
	g->starts = starts;
	g->edges = edges;
	g->rows = g->n;
	memset(g->heads, 0, g->n * sizeof(*g->heads));
	g->ntail = 0;
}

static bool reserve_tail(struct nx_graph *g)
{
	if (g->ntail >= TAIL_MIN && g->ntail >= row_edges(g) / 4)
		merge(g);
	if (g->ntail + 2 <= g->tail_cap)
		return true;
	if (g->tail_cap > UINT32_MAX / 4 || row_edges(g) > UINT32_MAX / 2)
		return false;
	uint32_t cap = g->tail_cap ? 2 * g->tail_cap : 256;
	struct nx_tail_edge *v = realloc(g->tail, cap * sizeof(*v));
	if (!v)
		return false;
	g->tail = v;
	g->tail_cap = cap;
	return true;
}

static void chain(struct nx_graph *g, uint32_t from, struct nx_edge e)
{
	g->tail[g->ntail] = (struct nx_tail_edge){.e = e, .next = g->heads[from]};
	g->heads[from] = ++g->ntail;
}

int nx_graph_add_edge(struct nx_graph *g, uint32_t a, uint32_t b, uint32_t label, uint32_t back, uint32_t ref,
		      float weight, struct nx_error **err)
{
	nx_assert(a < g->n && b < g->n);
	if (NX_FAULT(index_add) || !reserve_tail(g))
		return nx_error_set(err, NX_ENOMEM, "no memory for an edge of the graph");
	chain(g, a, (struct nx_edge){.to = b, .label = label, .ref = ref, .weight = weight});
	chain(g, b, (struct nx_edge){.to = a, .label = back, .ref = ref, .weight = weight});
	return 0;
}

size_t nx_graph_bytes(const struct nx_graph *g)
{
	return row_edges(g) * sizeof(*g->edges) + ((size_t)g->rows + 1) * sizeof(*g->starts) +
	       g->cap * sizeof(*g->heads) + g->tail_cap * sizeof(*g->tail);
}
