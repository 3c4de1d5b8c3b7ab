/*
 * The text index: BM25 over compressed posting lists, pruned by MaxScore with block maxima.
 *
 * A passage is a slot, a number that only grows. A list holds the slots of one term in order, in blocks of 64: gaps and
 * frequencies as varints, and beside each block its last slot, its greatest frequency and its shortest passage, from which
 * the most that a passage of the block can score is computed at search time (so that the bound stays right while the
 * average length moves). A term that occurs in one passage, which most do, takes no block at all.
 *
 * Score (Robertson and Zaragoza 2009): idf·tf·(k1+1)/(tf + k1·(1−b+b·len/avg)), idf = ln(1 + (N−df+0.5)/(df+0.5)), times
 * the weight of the query's term. Search is document at a time: MaxScore (Turtle and Flood 1995) splits the terms into those that
 * a result must hold and the others; block maxima (Ding and Suel 2011) spare the decoding of blocks that cannot win.
 *
 * Additions go to the end, at any time. Deletions are tombstones of whoever asks: searches take a filter, and until
 * nx_postings_compact the dead count in N and df, as in other engines. Readers and the one writer are kept apart by the
 * owner of the index.
 */
#ifndef NX_KNOWLEDGE_POSTINGS_H
#define NX_KNOWLEDGE_POSTINGS_H

#include "base/str.h"

#define NX_POSTING_BLOCK 64
#define NX_BM25_K1 1.2
#define NX_BM25_B 0.75

struct nx_posting_block {
	uint32_t last;   /* slot */
	uint32_t offset; /* of its first byte */
	uint32_t max_tf;
	uint32_t min_length;
};
struct nx_posting_list {
	uint32_t n; /* postings */
	uint32_t nblocks;
	union { /* data NULL: the one posting itself */
		struct {
			uint32_t bytes, bytes_cap;
		};
		struct {
			uint32_t slot, tf;
		} one;
	};
	uint8_t *data;
	struct nx_posting_block *blocks; /* room for the next power of two */
};
struct nx_postings {
	struct nx_posting_list *lists; /* by term number */
	uint32_t nlists, lists_cap;
	uint32_t *lengths; /* by slot: its terms */
	uint32_t nslots, slots_cap;
	uint64_t total_length;
	uint32_t npassages; /* slots that were added here */
};
struct nx_term_freq {
	uint32_t term, tf;
};

void nx_postings_init(struct nx_postings *p);
void nx_postings_done(struct nx_postings *p);
/* `slot` is greater than every one before; terms are distinct. All or nothing. */
int nx_postings_add(struct nx_postings *p, uint32_t slot, const struct nx_term_freq *t, size_t n,
		    struct nx_error **err);
/* A copy without the slots for which `is_alive` is false; slots keep their numbers. */
int nx_postings_compact(const struct nx_postings *p, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx,
			struct nx_postings *ret, struct nx_error **err);
size_t nx_postings_bytes(const struct nx_postings *p);
static inline uint32_t nx_postings_df(const struct nx_postings *p, uint32_t term)
{
	return term < p->nlists ? p->lists[term].n : 0;
}
double nx_postings_idf(const struct nx_postings *p, uint32_t df);

/* A list, decoded block by block. */
struct nx_posting_cursor {
	const struct nx_posting_list *list;
	uint32_t block, at, n; /* block in hand, position and count in it */
	uint32_t slots[NX_POSTING_BLOCK], tfs[NX_POSTING_BLOCK];
	uint32_t slot; /* current, UINT32_MAX at the end */
	bool decoded;
};
void nx_posting_cursor_init(struct nx_posting_cursor *c, const struct nx_postings *p, uint32_t term);
void nx_posting_cursor_seek(struct nx_posting_cursor *c, uint32_t slot); /* to the first one >= slot */
static inline uint32_t nx_posting_cursor_tf(const struct nx_posting_cursor *c)
{
	return c->tfs[c->at];
}

struct nx_query_term {
	uint32_t term;
	double weight;
};
struct nx_scored {
	uint32_t slot;
	double score;
};
struct nx_bm25 {
	double k1, b;
	/* NULL: all. Asked only of slots that would be among the best. */
	bool (*accept)(void *ctx, uint32_t slot);
	void *ctx;
	bool exhaustive; /* no pruning: the reference that tests compare with */
	uint64_t scored; /* out: passages whose score was computed */
};
/* The scores of given slots, which are in rising order; 0 where no term occurs. */
void nx_postings_score(const struct nx_postings *p, const struct nx_query_term *q, size_t n, const struct nx_bm25 *o,
		       struct nx_scored *v, size_t nv);
/* The k best, best first, ties by slot. `ret` has room for k. */
int nx_postings_search(const struct nx_postings *p, const struct nx_query_term *q, size_t n, size_t k,
		       struct nx_bm25 *o, struct nx_arena *a, struct nx_scored *ret, size_t *ret_n,
		       struct nx_error **err);

#endif
