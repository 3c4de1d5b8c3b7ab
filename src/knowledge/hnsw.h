/*
 * The vector index: unit vectors in int8, searched exactly while they are few and through an HNSW graph when they are many.
 *
 * HNSW (Malkov and Yashunin 2018): every node is on layer 0, one in M also on the layer above, and so on; a search walks
 * down greedily and explores the lowest layer with a beam of `ef`. Neighbours are chosen by the paper's heuristic
 * (Algorithm 4, with pruned ones kept when there is room), M on the upper layers and 2M on layer 0.
 *
 * Where we depart from the paper:
 *   - components are stored as int8 with a scale per vector (|error| of a cosine about 0.003 at 384 dimensions): a quarter
 *     of the memory of float32 and the exact scan four times as fast; the store keeps the float32
 *   - nodes are added in two steps: a vector is in the flat part first and found by exact scan; linking into the graph is
 *     planned without changing anything (slow, beside searches) and then committed (short, alone). Below
 *     NX_HNSW_EXACT_BELOW vectors nothing is linked; later the first `linked` ones are in the graph and the tail is scanned
 *   - filters and deletions are one callback asked of each result: walks go through nodes that it refuses. When a filter
 *     leaves the beam with less than k, the exact scan answers
 * Nothing is removed in place; nx_hnsw_compact copies what is alive, to be linked anew.
 *
 * Invariants, checked by nx_hnsw_check: links point at linked nodes of at least that layer, never at the node itself, no
 * link twice, no list over its size; the entry point is on the highest layer; every linked node is reached from it on
 * layer 0, but for at most one in a thousand (choosing links anew can cut a node off).
 *
 * Readers may search at the same time; nx_hnsw_add and nx_hnsw_commit exclude them; the owner sees to that and to there
 * being one writer.
 */
#ifndef NX_KNOWLEDGE_HNSW_H
#define NX_KNOWLEDGE_HNSW_H

#include "base/str.h"
#include "knowledge/postings.h"

#include <pthread.h>

#define NX_HNSW_M 16
#define NX_HNSW_EF_BUILD 120
#define NX_HNSW_EF_SEARCH 100
#define NX_HNSW_EXACT_BELOW 20000
#define NX_HNSW_LEVELS_MAX 12
#define NX_HNSW_NONE UINT32_MAX

struct nx_hnsw_scratch;

struct nx_hnsw {
	uint32_t dims, stride; /* stride: dims rounded up to 32 bytes, filled with 0 */
	uint32_t n, cap;
	int8_t *data;
	float *scales;
	uint32_t *slots; /* what the caller calls the vector */

	uint32_t linked; /* the first so many are in the graph */
	uint32_t *links; /* layer 0: 2M + 1 words a node, the first one the count */
	uint32_t links_cap;
	uint8_t *levels;
	uint32_t *upper_at; /* where the node's upper layers begin in `upper`, M + 1 words each */
	uint32_t *upper;
	uint32_t nupper, upper_cap;
	uint32_t entry;
	int top; /* layer of the entry point; -1: no graph */
	uint64_t random;

	pthread_mutex_t pool_lock;
	struct nx_hnsw_scratch *pool;
};

int nx_hnsw_init(struct nx_hnsw *h, uint32_t dims, struct nx_error **err);
void nx_hnsw_done(struct nx_hnsw *h);

/* Quantises and stores; *ret_index numbers it. Excludes readers. */
int nx_hnsw_add(struct nx_hnsw *h, uint32_t slot, const float *v, uint32_t *ret_index, struct nx_error **err);

/* Linking the next node (number `linked`): plan beside readers, commit alone. */
struct nx_hnsw_plan {
	int level;
	uint32_t n[NX_HNSW_LEVELS_MAX];
	uint32_t neighbours[NX_HNSW_LEVELS_MAX][NX_HNSW_M];
};
int nx_hnsw_plan(struct nx_hnsw *h, struct nx_hnsw_plan *ret, struct nx_error **err);
int nx_hnsw_commit(struct nx_hnsw *h, const struct nx_hnsw_plan *plan, struct nx_error **err);

/* Cosine of two stored vectors, or of a query (float32, unit length) and a stored one. */
float nx_hnsw_cosine(const struct nx_hnsw *h, uint32_t a, uint32_t b);
struct nx_hnsw_query {
	int8_t *data;
	float scale;
};
int nx_hnsw_query(const struct nx_hnsw *h, const float *v, struct nx_arena *a, struct nx_hnsw_query *ret,
		  struct nx_error **err);
float nx_hnsw_query_cosine(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t index);

/* The k nearest, best first; scores are cosines. `ret` has room for k. accept NULL: all; it is asked of slots. */
int nx_hnsw_search(struct nx_hnsw *h, const struct nx_hnsw_query *q, size_t k, size_t ef,
		   bool (*accept)(void *ctx, uint32_t slot), void *ctx, struct nx_scored *ret, size_t *ret_n,
		   struct nx_error **err);
/* The same by looking at everything from number `from` on. */
size_t nx_hnsw_scan(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t from, size_t k,
		    bool (*accept)(void *ctx, uint32_t slot), void *ctx, struct nx_scored *ret, size_t n);

/* A copy of what is alive, unlinked. */
int nx_hnsw_compact(const struct nx_hnsw *h, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx, struct nx_hnsw *ret,
		    struct nx_error **err);
/* The invariants; NX_ECORRUPT names the first one that is broken. */
int nx_hnsw_check(struct nx_hnsw *h, struct nx_error **err);
size_t nx_hnsw_bytes(const struct nx_hnsw *h);

#endif
