/*
 * The part of a partition's graph around the anchors of a search, as passages see each other:
 *   passage – passage   one says the other's title; weight 1 / number of documents that bear the title
 *   passage – name      the name occurs in 2 to 30 passages; weight 1
 *   passage – passage   neighbours in one document; weight 0.5
 *   name – entity       a declared entity bears the name; weight 1
 *   entity – entity     declared relationships; their weight
 * It holds everything within `depth` steps of the anchors, at most `max_nodes`; edges that would leave it are dropped, those
 * between its nodes are all there. A hub gives at most 200 neighbours.
 */
#ifndef NX_KNOWLEDGE_SUBGRAPH_H
#define NX_KNOWLEDGE_SUBGRAPH_H

#include "knowledge/pagerank.h"
#include "knowledge/partition.h"

#define NX_HUB_MAX 200
#define NX_NAME_MIN 2
#define NX_NAME_MAX_PASSAGES 30
#define NX_SUBGRAPH_DEPTH 3
#define NX_SUBGRAPH_MAX 6000

struct nx_subgraph {
	const struct nx_partition *p;
	struct nx_arena *arena;
	struct nx_map local; /* node of the partition + 1 → number here, or NX_SUBGRAPH_REFUSED */
	uint32_t *nodes;     /* number here → node of the partition */
	uint32_t n, cap, max;
	struct nx_rows_graph rows;
};

void nx_subgraph_init(struct nx_subgraph *s, const struct nx_partition *p, struct nx_arena *a);
void nx_subgraph_done(struct nx_subgraph *s);
/* The number of a node, added when it is not there; NX_MAP_NONE when it may not be in (dead, a rare or common name). */
uint32_t nx_subgraph_add(struct nx_subgraph *s, uint32_t node);
/* Grows by `depth` steps from what was added, then fills `rows`. Under the partition's lock. */
int nx_subgraph_build(struct nx_subgraph *s, int depth, struct nx_error **err);
/* Slot of a number here, or NX_MAP_NONE for a name. */
uint32_t nx_subgraph_slot(const struct nx_subgraph *s, uint32_t number);

#endif
