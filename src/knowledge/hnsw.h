/*
 * The vector index: unit vectors, searched exactly while they are few and through an HNSW graph when they are many.
 *
 * HNSW (Malkov and Yashunin 2018): every node is on layer 0, one in M also on the layer above, and so on; a search walks
 * down greedily and explores the lowest layer with a beam of `ef`. Neighbours are chosen by the paper's heuristic
 * (Algorithm 4, with pruned ones kept when there is room), M on the upper layers and 2M on layer 0.
 *
 * Walks look at codes of a byte a component alone; the best of what they find is scored again, exactly, from what is kept
 * beside the codes. Vectors are rotated first (signs and Walsh-Hadamard transforms, which keep every inner product), after
 * which the components of any unit vector are near to N(0, 1/dims) (Ailon and Chazelle 2009; RaBitQ, Gao and Long 2024):
 * one step of NX_HNSW_RANGE/√dims/127 fits all vectors, and two codes are compared by one integer inner product.
 *
 *   kept       bytes a vector of 384     error of a score
 *   codes      530                       about 0.001
 *   bfloat16   1,300                     about 0.0005 of it
 *   float32    2,070                     rounding
 *
 * Where we depart from the paper:
 *   - nodes are added in two steps: a vector is in the flat part first and found by exact scan; linking into the graph is
 *     planned without changing anything (slow, beside searches) and then committed (short, alone). Below
 *     NX_HNSW_EXACT_BELOW vectors nothing is linked; later the first `linked` ones are in the graph and the tail is scanned
 *   - filters are one callback asked of each node before it enters the beam, so that the beam holds what the caller wants;
 *     walks go through nodes that it refuses. A filter so selective that the walk would see a large share of the graph
 *     is answered by the exact scan, which asks it first and computes only for what passes
 *   - a deleted node stays a way through until its neighbours were given other links (plan beside searches, commit alone,
 *     as pgvector's vacuum does); nx_hnsw_compact then copies what is alive, graph included, under new numbers
 *
 * Invariants, checked by nx_hnsw_check: links point at linked nodes of at least that layer, never at the node itself, no
 * link twice, no list over its size; the entry point is on the highest layer; every linked node that is alive is reached
 * from it on layer 0, but for at most one in a thousand (choosing links anew can cut a node off).
 *
 * Readers may search at the same time; what says "alone" excludes them; the owner sees to that and to there being one
 * writer. The same vectors in the same order make the same graph, on every processor.
 */
#ifndef NX_KNOWLEDGE_HNSW_H
#define NX_KNOWLEDGE_HNSW_H

#include "base/str.h"
#include "knowledge/pages.h"
#include "knowledge/scored.h"

#define NX_HNSW_M 16
#define NX_HNSW_M_MAX 48
#define NX_HNSW_EF_BUILD 120
#define NX_HNSW_EF_SEARCH 100
#define NX_HNSW_EXACT_BELOW 20000
#define NX_HNSW_LEVELS_MAX 12
#define NX_HNSW_NONE UINT32_MAX
#define NX_HNSW_RANGE 4.0 /* deviations that a code can express; 7 in a million components are clipped */

enum nx_hnsw_kept { NX_HNSW_CODES, NX_HNSW_BF16, NX_HNSW_F32 };

struct nx_hnsw_options {
	uint32_t dims;
	enum nx_hnsw_kept kept;
	uint32_t m, ef_build; /* 0: NX_HNSW_M, NX_HNSW_EF_BUILD */
	uint64_t model;       /* whose vectors they are, of a caller's choice: a snapshot of another's is refused */
};

struct nx_hnsw_pool;

struct nx_hnsw {
	uint32_t dims, stride; /* stride: dims rounded up to NX_VECTOR_LANES */
	uint64_t model;
	enum nx_hnsw_kept kept;
	uint32_t m, ef_build;
	float step; /* of a code */
	uint32_t n, cap;
	struct nx_pages codes; /* uint8_t, `stride` a vector */
	struct nx_pages exact; /* uint16_t or float, `stride` a vector; empty: the codes are all there is */
	uint32_t *slots;       /* what the caller calls the vector */

	uint32_t linked;       /* the first so many are in the graph */
	struct nx_pages links; /* layer 0: 2M + 1 words (uint32_t) a node, the first one the count */
	uint32_t linked_cap;
	uint8_t *levels;
	uint32_t *upper_at; /* where the node's upper layers begin in `upper`, M + 1 words each */
	uint32_t *upper;
	uint32_t nupper, upper_cap;
	uint32_t entry;
	int top; /* layer of the entry point; -1: no graph */
	uint64_t random;

	uint64_t *dead; /* a bit a vector */
	uint32_t ndead;

	void *map; /* the file that codes, exact and links lie in until they grow; NULL: none */
	size_t map_bytes;

	struct nx_hnsw_pool *pool; /* what searches borrow */
};

int nx_hnsw_init(struct nx_hnsw *h, const struct nx_hnsw_options *o, struct nx_error **err);
void nx_hnsw_done(struct nx_hnsw *h);

/* Stores a vector of unit length; *ret_index numbers it. Alone. */
int nx_hnsw_add(struct nx_hnsw *h, uint32_t slot, const float *v, uint32_t *ret_index, struct nx_error **err);

/* Linking the next node (number `linked`): plan beside readers, commit alone. */
struct nx_hnsw_plan {
	int level;
	uint32_t n[NX_HNSW_LEVELS_MAX];
	uint32_t neighbours[NX_HNSW_LEVELS_MAX][NX_HNSW_M_MAX];
};
int nx_hnsw_plan(struct nx_hnsw *h, struct nx_hnsw_plan *ret, struct nx_error **err);
int nx_hnsw_commit(struct nx_hnsw *h, const struct nx_hnsw_plan *plan, struct nx_error **err);

/* Never found from here on. Alone. */
void nx_hnsw_delete(struct nx_hnsw *h, uint32_t index);
static inline bool nx_hnsw_is_dead(const struct nx_hnsw *h, uint32_t index)
{
	return (h->dead[index / 64] >> (index % 64)) & 1;
}

/*
 * Repair: every list that links to deleted nodes is chosen anew, among what it has and what they link to. Plan looks from
 * list (index, level) on for the next one that needs it, beside readers, at most at `most` nodes; commit writes it, alone.
 * Begins with {0}; at its end index is `linked`.
 */
struct nx_hnsw_repair {
	uint32_t index;
	int level;
	bool found;
	uint32_t n, neighbours[2 * NX_HNSW_M_MAX];
};
int nx_hnsw_repair_plan(struct nx_hnsw *h, struct nx_hnsw_repair *r, uint32_t most, struct nx_error **err);
void nx_hnsw_repair_commit(struct nx_hnsw *h, struct nx_hnsw_repair *r);

/* A query of unit length; lives in `a`. */
struct nx_hnsw_query {
	int8_t *codes;
	int32_t bias;
	float length; /* of the codes */
	float *rotated;
};
int nx_hnsw_query(const struct nx_hnsw *h, const float *v, struct nx_arena *a, struct nx_hnsw_query *ret,
		  struct nx_error **err);
/* Its cosine with a stored vector, from what is kept; codes alone are divided by their lengths, so that what rounding
 * does to a length does not count. */
float nx_hnsw_query_cosine(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t index);
/* Of two stored ones, from their codes. */
float nx_hnsw_cosine(const struct nx_hnsw *h, uint32_t a, uint32_t b);

/* The k nearest, best first; scores are cosines. `ret` has room for k. accept NULL: all; it is asked of slots. */
int nx_hnsw_search(struct nx_hnsw *h, const struct nx_hnsw_query *q, size_t k, size_t ef,
		   bool (*accept)(void *ctx, uint32_t slot), void *ctx, struct nx_scored *ret, size_t *ret_n,
		   struct nx_error **err);
/* The ground truth: the same by looking at everything from number `from` on; `ret` has `n` already. Returns the new n. */
size_t nx_hnsw_scan(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t from, size_t k,
		    bool (*accept)(void *ctx, uint32_t slot), void *ctx, struct nx_scored *ret, size_t n);

/* A copy of what is alive, with its graph once every dead node was repaired around, else unlinked. */
int nx_hnsw_compact(const struct nx_hnsw *h, struct nx_hnsw *ret, struct nx_error **err);
/*
 * A snapshot: the index in one file, written beside the old one and renamed over it. Vectors are named by `key`, which
 * lasts (numbers of slots do not). Save runs beside readers; open maps the file copy-on-write, so that its pages are
 * shared with the cache and read when they are first walked through; writes never reach the file.
 *
 * Open checks sums of all sections (XXH3) and every invariant. NX_ENOTFOUND; NX_ECORRUPT; NX_ECONFLICT when the file is
 * of other options or another version. What `slot` knows no more (NX_HNSW_NONE) is dead. On an error h is empty.
 */
int nx_hnsw_save(const struct nx_hnsw *h, const char *path, int64_t (*key)(void *ctx, uint32_t slot), void *ctx,
		 struct nx_error **err);
int nx_hnsw_open(struct nx_hnsw *h, const struct nx_hnsw_options *o, const char *path,
		 uint32_t (*slot)(void *ctx, int64_t key, uint32_t index), void *ctx, struct nx_error **err);

/* The invariants; NX_ECORRUPT names the first one that is broken. */
int nx_hnsw_check(struct nx_hnsw *h, struct nx_error **err);
/* What it takes, without room that is not used yet. */
size_t nx_hnsw_bytes(const struct nx_hnsw *h);

#endif
