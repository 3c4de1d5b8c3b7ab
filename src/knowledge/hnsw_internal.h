/* What the files of the vector index share. */
#ifndef NX_KNOWLEDGE_HNSW_INTERNAL_H
#define NX_KNOWLEDGE_HNSW_INTERNAL_H

#include "knowledge/hnsw.h"

struct nx_hnsw_near {
	float similarity;
	uint32_t index;
};

/* Of one search: which nodes were seen, and the two heaps. Borrowed from the pool of the index. */
struct nx_hnsw_scratch {
	uint32_t *seen; /* the epoch in which a node was last seen */
	uint32_t cap, epoch;
	struct nx_hnsw_near *candidates, *results; /* heaps: best first, worst first */
	size_t ncandidates, candidates_cap, nresults, results_cap;
	struct nx_hnsw_scratch *next;
};
struct nx_hnsw_scratch *nx_hnsw_borrow(struct nx_hnsw *h);
void nx_hnsw_return(struct nx_hnsw *h, struct nx_hnsw_scratch *s);

static inline uint32_t *nx_hnsw_links(const struct nx_hnsw *h, uint32_t index, int level)
{
	if (level == 0)
		return h->links + (size_t)index * (2 * NX_HNSW_M + 1);
	return h->upper + h->upper_at[index] + (size_t)(level - 1) * (NX_HNSW_M + 1);
}
static inline uint32_t nx_hnsw_links_max(int level)
{
	return level == 0 ? 2 * NX_HNSW_M : NX_HNSW_M;
}

int32_t nx_dot_i8(const int8_t *a, const int8_t *b, uint32_t n); /* n a multiple of 32 */

/* Fills the results with the `ef` nearest of a layer, from `entry` on. False when out of memory. */
bool nx_hnsw_search_layer(const struct nx_hnsw *h, const int8_t *q, float scale, uint32_t entry, int level, size_t ef,
			  struct nx_hnsw_scratch *s);
/* The nearest node of a layer by greedy steps. */
uint32_t nx_hnsw_descend(const struct nx_hnsw *h, const int8_t *q, float scale, uint32_t entry, int level);
float nx_hnsw_similarity(const struct nx_hnsw *h, const int8_t *q, float scale, uint32_t index);

#endif
