/*
 * What a question says: which documents it names, and which relations it asks for.
 *
 * A document is named by its title, the longest that begins at a word; where several bear the same one and the question goes
 * on as the whole title of some does ("Possession (1922 film)"), it is these. A title of common words ("place of birth") is
 * hardly a name unless it is written as one: it counts for a quarter.
 */
#ifndef NX_KNOWLEDGE_ASKED_H
#define NX_KNOWLEDGE_ASKED_H

#include "knowledge/partition.h"

#define NX_ASKED_SLOTS 32

struct nx_asked_link {
	uint32_t title;
	uint32_t at, n; /* words of the question */
	double weight;
	uint32_t slots[NX_ASKED_SLOTS]; /* passages of the documents, in order */
	uint32_t nslots, ndocs;
};
struct nx_asked {
	const struct nx_term *terms;
	size_t nterms;
	struct nx_asked_link *links;
	size_t nlinks;
	uint32_t relations; /* bits of groups, of words that are no name's */
};

/* Under the partition's lock, shared. */
int nx_asked_read(const struct nx_partition *p, const struct nx_term *t, size_t n, struct nx_arena *a,
		  struct nx_asked *ret, struct nx_error **err);

/* Whether each word of these is the question's, too. */
bool nx_asked_says(const struct nx_asked *q, const struct nx_term *t, size_t n);

#endif
