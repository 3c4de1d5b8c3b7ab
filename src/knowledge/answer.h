/*
 * Extractive answers: the shortest set of one to three sentences of the evidence that answers a question.
 *
 * A sentence covers a word of the question when it, or the title of its passage, holds the word's stem; words weigh by idf.
 * Sets grow from single sentences; a further sentence must be linked with one that is there — it says its title, is about
 * something that one says, or shares a name with it, or it is about another thing that the question names — and must
 * cover something new. A set is worth what it covers, plus a part when it holds the kind of thing that is asked for
 * (a name for who and where, a number for when and how many) that is not in the question already, plus a part for the
 * rank of its passages, less a part for each further sentence.
 *
 * It is found when enough is covered, every name of the question is, and what is asked for is there. Pure: no store, no
 * locks.
 */
#ifndef NX_KNOWLEDGE_ANSWER_H
#define NX_KNOWLEDGE_ANSWER_H

#include "knowledge/text.h"

#define NX_ANSWER_SENTENCES 3

struct nx_passage {
	nx_str title, text;
	nx_str document; /* what tells documents apart */
	double score;    /* of the search */
};
struct nx_answer_sentence {
	size_t passage;
	nx_str text;
};
struct nx_answer {
	struct nx_answer_sentence v[NX_ANSWER_SENTENCES];
	size_t n; /* the nearest thing, also when it is not found */
	bool found;
	double confidence; /* 0 to 1 */
	double covered;    /* idf share of the question */
	size_t sentences;  /* that were read */
};

/* `idf` gives the weight of a stem in the collection. */
int nx_answer_compose(nx_str question, const struct nx_passage *p, size_t n,
		      double (*idf)(void *ctx, const struct nx_term *t), void *ctx, struct nx_arena *a,
		      struct nx_answer *ret, struct nx_error **err);

#endif
