/*
 * The tail of the text index: what came last, in lists that grow; frozen into a segment (text_segment.h) when it is large
 * enough. Terms, docs and words are as there, but for the numbers of words: a surface << 1 | capital.
 *
 * Readers and the one writer are kept apart by the owner.
 */
#ifndef NX_KNOWLEDGE_TEXT_TAIL_H
#define NX_KNOWLEDGE_TEXT_TAIL_H

#include "knowledge/dict.h"
#include "knowledge/postings.h"
#include "knowledge/text_segment.h"

struct nx_tail_term {
	uint8_t kind, flags;
	uint32_t root;          /* of a surface */
	uint32_t grams, ngrams; /* of an Arabic surface: its part of `grams` */
	uint32_t df;            /* of a root: passages with any form */
	uint32_t last_doc;      /* of a root: where it was found last */
	uint32_t form;          /* of a root: its newest form; of a surface: the one before it; 0: none */
	uint32_t nforms;        /* of a root */
};

struct nx_tail {
	struct nx_dict names; /* kind and string → number */
	struct nx_tail_term *terms;
	uint32_t terms_cap;
	uint32_t *grams;
	uint32_t ngrams, grams_cap;
	struct nx_postings postings; /* by term and doc */
	int64_t *keys;
	uint64_t *words_at; /* docs + 1 */
	uint32_t n, docs_cap;
	uint8_t *words; /* varints */
	uint64_t nwords, words_cap;
	struct nx_term_freq *scratch; /* the terms of one passage */
	uint32_t *scratch_at;         /* by term: 1 + its place in `scratch`, 0 between passages */
	uint32_t nscratch, scratch_cap, scratch_at_cap;
};

struct nx_tail *nx_tail_new(void); /* NULL when out of memory */
void nx_tail_free(struct nx_tail *t);
uint32_t nx_tail_find(const struct nx_tail *t, enum nx_text_term kind, nx_str string); /* 0: not there */
static inline nx_str nx_tail_string(const struct nx_tail *t, uint32_t term)
{
	return nx_dict_string(&t->names, term);
}
/* The number of a surface, new when it was not known; 0 when out of memory. `hash` is nx_tail_hash's. */
uint32_t nx_tail_surface(struct nx_tail *t, nx_str surface, uint64_t hash, nx_str root, uint32_t flags);
static inline uint64_t nx_tail_hash(nx_str surface)
{
	return nx_dict_hash(NX_TEXT_SURFACE, surface);
}
/* A passage; words are surface << 1 | capital, 0 between title and text. All or nothing. */
int nx_tail_add(struct nx_tail *t, int64_t key, const uint32_t *words, size_t n, struct nx_error **err);

struct nx_tail_words {
	const uint8_t *p, *end;
};
static inline struct nx_tail_words nx_tail_words(const struct nx_tail *t, uint32_t doc)
{
	return (struct nx_tail_words){t->words + t->words_at[doc], t->words + t->words_at[doc + 1]};
}
static inline bool nx_tail_next_word(struct nx_tail_words *w, uint32_t *ret)
{
	uint32_t v = 0;
	if (w->p == w->end)
		return false;
	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = *w->p++;
		v |= (uint32_t)(b & 0x7f) << shift;
		if (b < 0x80)
			break;
	}
	*ret = v;
	return true;
}

/* The same passages as a segment. */
int nx_tail_freeze(const struct nx_tail *t, struct nx_segment **ret, struct nx_error **err);
size_t nx_tail_bytes(const struct nx_tail *t);

#endif
