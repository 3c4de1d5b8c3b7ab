/*
 * Adjacency: nodes and labelled, weighted edges, seen from both ends.
 *
 * A node is a number that the caller gives a meaning. Edges are kept in compressed sparse rows (all edges of a node side by
 * side, rows in the order of nodes) plus a tail: edges added since are chained per node, newest first, and are merged into
 * the rows when the tail has grown to a quarter of them. Walking a node's edges reads its row, then its chain.
 *
 * Nothing is removed: an edge refers to something (`ref`) that its owner may declare dead, and walkers skip it.
 * Readers may walk at the same time; adding excludes them.
 */
#ifndef NX_KNOWLEDGE_GRAPH_H
#define NX_KNOWLEDGE_GRAPH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct nx_edge {
	uint32_t to;
	uint32_t label; /* kind of edge, the caller's */
	uint32_t ref;   /* what it stands for, the caller's */
	float weight;
};
struct nx_graph {
	uint32_t n, cap;  /* nodes */
	uint32_t *starts; /* rows: edges[starts[i]] … edges[starts[i + 1]]; the first `rows` nodes have one */
	uint32_t rows;
	struct nx_edge *edges;
	uint32_t *heads; /* chains: index + 1 into tail; 0: none */
	struct nx_tail_edge {
		struct nx_edge e;
		uint32_t next;
	} * tail;
	uint32_t ntail, tail_cap;
};

void nx_graph_init(struct nx_graph *g);
void nx_graph_done(struct nx_graph *g);
int nx_graph_add_node(struct nx_graph *g, uint32_t *ret, struct nx_error **err);
/* From a to b with `label`, and from b to a with `back`. */
int nx_graph_add_edge(struct nx_graph *g, uint32_t a, uint32_t b, uint32_t label, uint32_t back, uint32_t ref,
		      float weight, struct nx_error **err);
size_t nx_graph_bytes(const struct nx_graph *g);

/* for (struct nx_edge_iter it = nx_graph_edges(g, node); nx_edge_next(&it, &e);) */
struct nx_edge_iter {
	const struct nx_graph *g;
	uint32_t at, end, chain;
};
static inline struct nx_edge_iter nx_graph_edges(const struct nx_graph *g, uint32_t node)
{
	struct nx_edge_iter it = {.g = g, .chain = g->heads[node]};
	if (node < g->rows) {
		it.at = g->starts[node];
		it.end = g->starts[node + 1];
	}
	return it;
}
static inline bool nx_edge_next(struct nx_edge_iter *it, struct nx_edge *ret)
{
	if (it->at < it->end) {
		*ret = it->g->edges[it->at++];
		return true;
	}
	if (!it->chain)
		return false;
	*ret = it->g->tail[it->chain - 1].e;
	it->chain = it->g->tail[it->chain - 1].next;
	return true;
}

#endif
