/*
 * The gazetteer of a partition: which words are a document's title, and which passages say them.
 *
 * A title is the sequence of word forms of the document's title without its disambiguation suffix ("Lion (film)" is "Lion").
 * Passages are scanned for titles when they are added, longest match first; a new title is looked for among the passages
 * there already are, by the postings of its rarest word. A title of one Latin word must be capitalised where it is
 * said. In Arabic a particle of one letter may stand before the first word.
 */
#ifndef NX_KNOWLEDGE_TITLES_H
#define NX_KNOWLEDGE_TITLES_H

#include "knowledge/map.h"

#include "base/error.h"

#define NX_TITLE_WORDS_MAX 16

struct nx_partition;

struct nx_title {
	uint32_t *forms; /* word forms, as in nx_partition.words */
	uint32_t n;
	uint32_t node;  /* of the graph */
	uint32_t ndocs; /* that bear it, dead ones too */
	bool arabic;
};
struct nx_titles {
	struct nx_title *v;
	uint32_t n, cap;
	struct nx_map by_hash; /* of forms → number */
	struct nx_map longest; /* first form + 1 → words of the longest title that begins with it */
};
void nx_titles_done(struct nx_titles *t);

/* A word of a sequence to be scanned. */
struct nx_form {
	uint32_t form;
	uint32_t without_particle; /* Arabic: the form without its first letter; 0: none */
	bool capital;
};
struct nx_title_match {
	uint32_t title;
	uint32_t at, n; /* words */
};
/* The title that begins at `at`, the longest; false when there is none. */
bool nx_titles_match(const struct nx_titles *t, const struct nx_form *f, size_t n, size_t at,
		     struct nx_title_match *ret);

/* The title with these forms, new when it is not there (*ret_is_new; it has no node then). NX_MAP_NONE: out of memory. */
uint32_t nx_titles_add(struct nx_titles *t, const uint32_t *forms, uint32_t n, bool arabic, bool *ret_is_new);

#endif
