/*
 * Names in a text, by rules alone: capitalised spans ("Lake Orin", "Adalbert II of Tuscany"), acronyms, quoted terms.
 * In Arabic, which has no capitals, only quoted terms; there names come from the titles of documents (titles.h).
 */
#ifndef NX_KNOWLEDGE_NAMES_H
#define NX_KNOWLEDGE_NAMES_H

#include "knowledge/text.h"

enum nx_name_kind { NX_NAME_SPAN, NX_NAME_ACRONYM, NX_NAME_QUOTED, NX_NAME_TITLE, NX_NAME_MAX };
extern const char *const nx_name_kind_types[]; /* entity types: "NAME", "ACRONYM", "TERM", "TITLE" */

#define NX_TITLE_NAME_MAX 120 /* a longer title is a sentence, not a name */

struct nx_name {
	nx_str folded;  /* surface forms joined by a space: the key */
	nx_str surface; /* as first written; borrows from the text */
	enum nx_name_kind kind;
	uint32_t count;
};

/* Each name once, in order of appearance. `t` is the analysis of `text`. */
int nx_names_find(nx_str text, const struct nx_term *t, size_t n, struct nx_arena *a, struct nx_name **ret,
		  size_t *ret_n, struct nx_error **err);

/* The key of a name as somebody wrote it ("The Lake  Orín" → "the lake orin"). */
int nx_name_fold(nx_str name, struct nx_arena *a, nx_str *ret, struct nx_error **err);

/* "Lion (2016 film)" → "Lion": a title with a disambiguation suffix is the same name. */
nx_str nx_title_base(nx_str title);

#endif
