/* What the files of the vector index share. */
#ifndef NX_KNOWLEDGE_HNSW_INTERNAL_H
#define NX_KNOWLEDGE_HNSW_INTERNAL_H

#include "knowledge/hnsw.h"
#include "knowledge/vector_kernels.h"

#include <pthread.h>

/*
 * A node and how near it is, in one word that compares as both do: the inner product of codes above, the number, inverted,
 * below, so that of two equally near ones the lower number wins.
 */
typedef uint64_t nx_near;
static inline nx_near nx_near_of(int32_t dot, uint32_t index)
{
	return (uint64_t)((uint32_t)dot ^ UINT32_C(0x80000000)) << 32 | (uint32_t)~index;
}
static inline uint32_t nx_near_index(nx_near x)
{
	return ~(uint32_t)x;
}
static inline int32_t nx_near_dot(nx_near x)
{
	return (int32_t)((uint32_t)(x >> 32) ^ UINT32_C(0x80000000));
}

/* Of one search: which nodes were seen, and the two heaps. Borrowed from the pool of the index. */
struct nx_hnsw_scratch {
	uint64_t *seen;                /* a bit a node */
	uint32_t cap;                  /* nodes */
	nx_near *candidates, *results; /* heaps: nearest first, farthest first */
	size_t ncandidates, candidates_cap, nresults, results_cap;
	uint32_t looked; /* at so many nodes */
	struct nx_hnsw_scratch *next;
};
struct nx_hnsw_pool {
	pthread_mutex_t lock;
	struct nx_hnsw_scratch *free;
};
struct nx_hnsw_scratch *nx_hnsw_borrow(struct nx_hnsw *h);
void nx_hnsw_return(struct nx_hnsw *h, struct nx_hnsw_scratch *s);

/* What a walk is about: its query, and what may enter the results. */
struct nx_hnsw_walk {
	const int8_t *q;
	int32_t bias;
	size_t ef;
	bool (*accept)(void *ctx, uint32_t slot); /* NULL: all that is alive */
	void *ctx;
	uint32_t look_most; /* at more nodes than this the walk gives up, with fewer results than ef */
};

static inline uint32_t *nx_hnsw_links(const struct nx_hnsw *h, uint32_t index, int level)
{
	if (level == 0)
		return (uint32_t *)h->links.p + (size_t)index * (2 * h->m + 1);
	return h->upper + h->upper_at[index] + (size_t)(level - 1) * (h->m + 1);
}
static inline uint32_t nx_hnsw_links_max(const struct nx_hnsw *h, int level)
{
	return level == 0 ? 2 * h->m : h->m;
}
static inline const uint8_t *nx_hnsw_code(const struct nx_hnsw *h, uint32_t index)
{
	return (const uint8_t *)h->codes.p + (size_t)index * h->stride;
}

static inline size_t nx_hnsw_exact_bytes(const struct nx_hnsw *h)
{
	static const size_t of_component[] = {0, sizeof(uint16_t), sizeof(float)};
	return h->stride * of_component[h->kept];
}
static inline size_t nx_hnsw_links_bytes(const struct nx_hnsw *h)
{
	return (2 * h->m + 1) * sizeof(uint32_t);
}

/* A stored vector as a query: signed codes into ret (`stride` bytes), returns the bias. */
int32_t nx_hnsw_code_as_query(const struct nx_hnsw *h, uint32_t index, int8_t *ret);

/* Fills the results with the nearest of a layer, from `entry` on. False when out of memory. */
bool nx_hnsw_search_layer(const struct nx_hnsw *h, const struct nx_hnsw_walk *w, uint32_t entry, int level,
			  struct nx_hnsw_scratch *s);
/* The nearest node of a layer by greedy steps. */
uint32_t nx_hnsw_descend(const struct nx_hnsw *h, const struct nx_hnsw_walk *w, uint32_t entry, int level);

/* For copies: the next node with empty lists up to `level`; vector `index` of h as the next one of `to`. False when out of
 * memory. */
bool nx_hnsw_reserve_node(struct nx_hnsw *h, int level);
bool nx_hnsw_copy_vector(const struct nx_hnsw *h, uint32_t index, struct nx_hnsw *to);

/* Algorithm 4 over v, which it sorts: at most `max` into ret, returns how many. */
uint32_t nx_hnsw_choose(const struct nx_hnsw *h, nx_near *v, size_t n, uint32_t max, uint32_t *ret);

#endif
