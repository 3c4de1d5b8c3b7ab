/*
 * Posting lists that grow: those of the tail of a text index (text_tail.h).
 *
 * A passage is a slot, a number that only grows. A list holds the slots of one term in order, in blocks of 64: gaps and
 * frequencies as varints, and beside each block its last slot, its greatest frequency and its shortest passage, from which
 * the most that a passage of the block can score is computed at search time (so that the bound stays right while the
 * average length moves). A term that occurs in one passage, which most do, takes no block at all.
 *
 * Readers and the one writer are kept apart by the owner.
 */
#ifndef NX_KNOWLEDGE_POSTINGS_H
#define NX_KNOWLEDGE_POSTINGS_H

#include "base/str.h"

#define NX_POSTING_BLOCK 64

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

static inline uint32_t nx_postings_length(const struct nx_term_freq *t, size_t n)
{
	uint32_t length = 0;
	for (size_t i = 0; i < n; i++)
		length += t[i].tf;
	return length;
}

void nx_postings_init(struct nx_postings *p);
void nx_postings_done(struct nx_postings *p);
/* `slot` is greater than every one before; terms are distinct; `length` is what scores go by. All or nothing. */
int nx_postings_add(struct nx_postings *p, uint32_t slot, const struct nx_term_freq *t, size_t n, uint32_t length,
		    struct nx_error **err);
size_t nx_postings_bytes(const struct nx_postings *p);
static inline uint32_t nx_postings_df(const struct nx_postings *p, uint32_t term)
{
	return term < p->nlists ? p->lists[term].n : 0;
}
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
/* Moves to the block that may hold `slot` without decoding it; false at the end, and for a list of one. */
bool nx_posting_cursor_skip(struct nx_posting_cursor *c, uint32_t slot);
static inline uint32_t nx_posting_cursor_tf(const struct nx_posting_cursor *c)
{
	return c->tfs[c->at];
}

#endif
