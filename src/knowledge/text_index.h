/*
 * The text index of a partition: segments (text_segment.h), oldest first, and a tail (text_tail.h) that takes what comes.
 *
 * Score: BM25 (Robertson and Zaragoza 2009), idf·tf·(k1+1)/(tf + k1·(1−b+b·len/avg)), idf = ln(1 + (N−df+0.5)/(df+0.5)),
 * over the whole index. A word of a query counts by its root, of whose forms the frequencies are added, and by its surface
 * with NX_TEXT_SURFACE_WEIGHT beside it, so that "Williams" is nearer to "Williams" than "William" is; an Arabic one by the
 * grams of its root and by its surface.
 *
 * Search is document at a time: MaxScore (Turtle and Flood 1995) splits the lists into those that a result must hold and
 * the others; block maxima spare the decoding of blocks that cannot win. The bounds of a root's forms are added: tf/(tf+c)
 * grows ever more slowly, so that forms together never score more than they do one by one.
 *
 * Slots are the caller's numbers of passages and only grow. Deletions are the caller's: searches take a filter, the dead
 * count in N and df until their segment is merged.
 *
 * Readers and the one writer are kept apart by the owner of the index. What takes long (freezing, merging) is split into a
 * part beside readers and a short one alone.
 */
#ifndef NX_KNOWLEDGE_TEXT_INDEX_H
#define NX_KNOWLEDGE_TEXT_INDEX_H

#include "knowledge/scored.h"
#include "knowledge/text.h"
#include "knowledge/text_segment.h"
#include "knowledge/text_tail.h"

#define NX_BM25_K1 1.2
#define NX_BM25_B 0.75
#define NX_TEXT_SURFACE_WEIGHT 0.4
#define NX_TEXT_TAIL_DOCS 20000     /* then the tail is frozen */
#define NX_TEXT_SEGMENT_DOCS 300000 /* larger ones are not merged */
#define NX_TEXT_MERGE 4             /* so many of about one size become one */

struct nx_text_part {
	struct nx_segment *segment; /* or */
	struct nx_tail *tail;
	uint32_t serial;
	uint32_t n;      /* docs */
	uint32_t *slots; /* by doc, rising */
	uint32_t slots_cap;
};
/* Where a slot is; serial 0: nowhere. */
struct nx_text_place {
	uint32_t serial, doc;
};
struct nx_text_index {
	struct nx_text_part *parts; /* the last one is the tail, but in an index that is empty */
	uint32_t nparts, parts_cap, serials;
	struct nx_text_place *places; /* by slot */
	uint32_t nplaces;
	uint32_t places_cap;
};

void nx_text_index_init(struct nx_text_index *x);
void nx_text_index_done(struct nx_text_index *x);
/* `slot` is greater than every one before. Alone. */
int nx_text_index_add(struct nx_text_index *x, uint32_t slot, int64_t key, const struct nx_term *title, size_t ntitle,
		      const struct nx_term *text, size_t ntext, struct nx_error **err);
size_t nx_text_index_bytes(const struct nx_text_index *x);

/* ---- upkeep: text_merge.c ---- */

/*
 * What is to be done next: the tail frozen, neighbouring segments of about one size made one, or a segment that is a third
 * dead made anew; what is dead stays behind. Plan and build run beside readers. While segments are merged passages may be
 * added and deleted, but nothing else frozen or merged; while the tail is frozen nothing may be added. Commit is alone;
 * cancel frees what was built. The segments of a merge are neighbours, so that slots stay in rising order of docs.
 */
#define NX_TEXT_PARTS_MAX 64
struct nx_text_merge {
	uint32_t first, n; /* parts; 0: nothing to do */
	bool is_freeze;
	struct nx_text_part parts[NX_TEXT_PARTS_MAX]; /* as they were when it was planned */
	struct nx_segment *segment;
	uint32_t *slots;
};
/* is_alive NULL: all are. everything: until there is one segment. */
void nx_text_merge_plan(const struct nx_text_index *x, bool everything, bool (*is_alive)(void *ctx, uint32_t slot),
			void *ctx, struct nx_text_merge *ret);
int nx_text_merge_build(struct nx_text_merge *m, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx,
			struct nx_error **err);
void nx_text_merge_commit(struct nx_text_index *x, struct nx_text_merge *m);
void nx_text_merge_cancel(struct nx_text_merge *m);

/* ---- questions ---- */

/* In how many passages a root (a gram, a surface) occurs. */
uint32_t nx_text_df(const struct nx_text_index *x, enum nx_text_term kind, nx_str string);
/* Of a word of a question: its root, or the rarest of its grams. */
uint32_t nx_text_word_df(const struct nx_text_index *x, const struct nx_term *t);
double nx_text_idf(const struct nx_text_index *x, uint32_t df);

struct nx_text_query {
	double k1, b;
	/* NULL: all. Asked only of slots that would be among the best. */
	bool (*accept)(void *ctx, uint32_t slot);
	void *ctx;
	bool exhaustive; /* no pruning: the reference that tests compare with */
	uint64_t scored; /* out: passages whose score was computed */
};
/* The k best, best first, ties by slot. `ret` has room for k. Stop words count for nothing. */
int nx_text_search(const struct nx_text_index *x, const struct nx_term *t, size_t n, size_t k, struct nx_text_query *q,
		   struct nx_arena *a, struct nx_scored *ret, size_t *ret_n, struct nx_error **err);
/* The scores of given slots, which are in rising order; 0 where no word occurs. */
int nx_text_score(const struct nx_text_index *x, const struct nx_term *t, size_t n, const struct nx_text_query *q,
		  struct nx_arena *a, struct nx_scored *v, size_t nv, struct nx_error **err);

/* ---- words of passages ---- */

/*
 * Words in a row, as a title has them. A Latin word is a surface; an Arabic one a root, in the first place also behind a
 * particle that is written with it.
 */
#define NX_TEXT_SEQUENCE_MAX 16
struct nx_text_sequence {
	nx_str words[NX_TEXT_SEQUENCE_MAX];
	uint32_t n;
	bool is_arabic;
	bool needs_capital; /* of the first word */
};
/* Calls `each` for the slots that have it, in rising order; stops at the first false. */
int nx_text_find_sequence(const struct nx_text_index *x, const struct nx_text_sequence *q, struct nx_arena *a,
			  bool (*each)(void *ctx, uint32_t slot), void *ctx, struct nx_error **err);
/* Which of at most 64 words, by their roots, the given slots have; bits in `ret`. Slots are in rising order. */
int nx_text_masks(const struct nx_text_index *x, const nx_str *roots, size_t n, const uint32_t *slots, size_t nslots,
		  struct nx_arena *a, uint64_t *ret, struct nx_error **err);

uint32_t nx_text_part_find(const struct nx_text_part *p, enum nx_text_term kind, nx_str string);

#endif
