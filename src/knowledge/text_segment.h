/*
 * A segment of the text index: some passages, indexed once and never changed; one block of memory that is written to a file
 * as it is and mapped again (the order of bytes is the processor's).
 *
 * Passages are numbered from 0 ("docs") and named by keys that last, the rows of their chunks. Terms are numbered from 1:
 *   surface   a folded word with its postings; it has one root
 *   root      a stem. A Latin one has no postings of its own: they are those of its forms, the surfaces that it is the root
 *             of, which share it; its list says only in how many passages any of them occurs
 *   gram      four letters of an Arabic root (a whole one when it is no longer), with postings
 *
 * Postings are blocks of NX_SEGMENT_BLOCK gaps and frequencies in as few bits as the largest needs, and of Rice codes of
 * positions; each block has its last doc, its greatest frequency and its shortest passage, so that a search skips blocks
 * that cannot win (Ding and Suel 2011). A position is the number of a word in its passage, title first, with
 * NX_SEGMENT_GAP numbers left out between title and text, so that no row of words reaches from one into the other; with
 * each goes whether the word begins with a capital. Grams have none. Stop words have lists too, which rows of words are
 * looked for in; scores, lengths and roots do without them.
 *
 * Read-only after it was made or opened: any thread.
 */
#ifndef NX_KNOWLEDGE_TEXT_SEGMENT_H
#define NX_KNOWLEDGE_TEXT_SEGMENT_H

#include "base/str.h"

#define NX_SEGMENT_BLOCK 128
#define NX_SEGMENT_GAP 1
#define NX_SEGMENT_DOCS_MAX (UINT32_C(1) << 24)

enum nx_text_term { NX_TEXT_SURFACE, NX_TEXT_ROOT, NX_TEXT_GRAM, NX_TEXT_TERMS };
enum { NX_TEXT_STOP = 1, NX_TEXT_ARABIC = 2 }; /* flags of a surface */

struct nx_segment_block {
	uint32_t last;   /* doc */
	uint32_t offset; /* of its bytes, behind the last block of the list */
	uint16_t max_tf, min_length;
	uint8_t gap_bits, tf_bits;
	uint8_t position_k; /* of the Rice codes */
	uint8_t capitals;   /* enum nx_segment_capitals */
};
enum nx_segment_capitals { NX_CAPITALS_NONE, NX_CAPITALS_ALL, NX_CAPITALS_EACH /* has a bit before its gap */ };
/* A list of one block has this before it, in place of blocks. */
struct nx_segment_single {
	uint16_t max_tf, min_length;
	uint8_t gap_bits, tf_bits, position_k, capitals;
};
#define NX_SEGMENT_ONE (UINT32_C(1) << 31)
/* Position << 1 | capital. */
struct nx_segment_one {
	uint32_t doc, position;
};
struct nx_segment_list {
	uint32_t n;  /* postings; NX_SEGMENT_ONE: one of frequency 1, a struct nx_segment_one */
	uint32_t at; /* of its blocks, in units of 4 bytes */
};
struct nx_segment_term {
	uint32_t name; /* where its string begins */
	uint8_t name_bytes, kind, flags;
	uint8_t unused;
	uint32_t root; /* of a surface: its root, which its forms follow; else 0 */
};

struct nx_segment {
	uint32_t n;      /* docs */
	uint32_t nterms; /* the last number; surfaces, roots and grams mixed */
	uint64_t total_length;
	const int64_t *keys;
	const uint16_t *lengths;             /* indexed terms of a passage; at most 65,535 are counted */
	const struct nx_segment_term *terms; /* [0] unused */
	const struct nx_segment_list *lists; /* by term */
	uint32_t *table; /* open addressing over the hash of kind and string; made when it is opened */
	uint32_t table_mask;
	const uint8_t *postings;
	const char *names;
	size_t postings_bytes, names_bytes;
	void *base; /* the block */
	size_t bytes;
	bool is_mapped;
};

void nx_segment_free(struct nx_segment *s); /* accepts NULL */
int nx_segment_save(const struct nx_segment *s, const char *path, struct nx_error **err);
/* Maps a file and checks everything in it: sums, numbers, order. NX_ENOTFOUND, NX_ECORRUPT, NX_ECONFLICT (of another
 * version). */
int nx_segment_open(const char *path, struct nx_segment **ret, struct nx_error **err);

uint32_t nx_segment_find(const struct nx_segment *s, enum nx_text_term kind, nx_str string); /* 0: not there */
static inline nx_str nx_segment_string(const struct nx_segment *s, uint32_t term)
{
	return nx_str_n(s->names + s->terms[term].name, s->terms[term].name_bytes);
}
/* Passages that it occurs in. */
static inline uint32_t nx_segment_df(const struct nx_segment *s, uint32_t term)
{
	return s->lists[term].n & NX_SEGMENT_ONE ? 1 : s->lists[term].n;
}
/* The surfaces of a root are the *ret_n terms from the one that is returned on. */
static inline uint32_t nx_segment_forms(const struct nx_segment *s, uint32_t root, uint32_t *ret_n)
{
	*ret_n = 0;
	for (uint32_t t = root + 1; t <= s->nterms && s->terms[t].kind == NX_TEXT_SURFACE; t++)
		++*ret_n;
	return root + 1;
}

/* A list, decoded block by block. */
struct nx_segment_cursor {
	const struct nx_segment_block *blocks; /* of a list of more than one */
	struct nx_segment_block single;
	const uint8_t *data;
	struct nx_segment_one one; /* without blocks */
	uint32_t n, nblocks, block;
	uint32_t at, count; /* in the block in hand */
	uint32_t docs[NX_SEGMENT_BLOCK], tfs[NX_SEGMENT_BLOCK];
	uint32_t doc; /* current, UINT32_MAX at the end */
	bool is_decoded, has_tfs;
};
static inline const struct nx_segment_block *nx_segment_cursor_block(const struct nx_segment_cursor *c, uint32_t block)
{
	return c->nblocks == 1 ? &c->single : &c->blocks[block];
}
void nx_segment_cursor_init(struct nx_segment_cursor *c, const struct nx_segment *s, uint32_t term);
void nx_segment_cursor_seek(struct nx_segment_cursor *c, uint32_t doc); /* to the first one >= doc */
uint32_t nx_segment_cursor_tf(struct nx_segment_cursor *c);
/* Moves to the block that may hold `doc` without decoding it; false at the end. */
bool nx_segment_cursor_skip(struct nx_segment_cursor *c, uint32_t doc);

/* Where the term stands in the current doc, in order, each position << 1 | capital; at most `max`. Returns how many. */
uint32_t nx_segment_cursor_positions(struct nx_segment_cursor *c, uint32_t *ret, uint32_t max);

/*
 * Writing: all passages first, then roots, each followed by its forms, and grams; each term once. One thread.
 */
struct nx_segment_writer;
/* Keys and lengths are borrowed until the end. NULL when out of memory. */
struct nx_segment_writer *nx_segment_writer_new(uint32_t n, const int64_t *keys, const uint32_t *lengths);
void nx_segment_writer_free(struct nx_segment_writer *w);
struct nx_postings_run {
	uint32_t n;
	const uint32_t *docs, *tfs;
	const uint32_t *positions; /* of all postings, one after the other; NULL for a gram */
};
bool nx_segment_write_root(struct nx_segment_writer *w, nx_str root);
bool nx_segment_write_term(struct nx_segment_writer *w, enum nx_text_term kind, nx_str string, uint32_t flags,
			   const struct nx_postings_run *r);
int nx_segment_writer_finish(struct nx_segment_writer *w, struct nx_segment **ret, struct nx_error **err);

#endif
