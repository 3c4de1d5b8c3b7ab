/* What the files of answers share; the phases are those of nx_answer_compose. */
#ifndef NX_KNOWLEDGE_ANSWER_INTERNAL_H
#define NX_KNOWLEDGE_ANSWER_INTERNAL_H

#include "knowledge/answer.h"

#define ANSWER_WORDS_MAX 48
#define ANSWER_KEPT_MAX 48 /* sentences that sets are made of */
#define ANSWER_KIND_VALUE 0.18
#define ANSWER_RANK_VALUE 0.12

enum answer_kind { ANSWER_KIND_ANY, ANSWER_KIND_NAME, ANSWER_KIND_NUMBER };

struct answer_word {
	nx_str stem;
	bool arabic, is_name;
	double weight;
};
struct answer_sentence {
	size_t passage;
	nx_str text;
	const struct nx_term *t;
	size_t n;
	uint64_t own, title, all; /* words of the question: in it, in its title, in either */
	bool has_name, has_number;
	double value;
};
struct answer_composer {
	const struct nx_passage *p;
	size_t np;
	struct nx_arena *a;
	struct nx_stemmer *stemmer;
	const struct nx_term *q;
	size_t nq;
	struct answer_word words[ANSWER_WORDS_MAX];
	size_t nwords;
	uint64_t names; /* words of the question that are names */
	uint64_t soft;  /* "high" in "how high" */
	uint64_t key;   /* the word that says what is asked of somebody or something: "designed", "born" */
	enum answer_kind kind;
	const struct nx_term **titles; /* by passage, without the section */
	size_t *ntitles;
	uint64_t *title_masks, *context_masks;
	struct answer_sentence *s;
	size_t ns;
	double best_rank;
};
struct answer_set {
	size_t v[NX_ANSWER_SENTENCES], n;
	uint64_t mask, context;
	double covered, value;
	unsigned bridges;
	bool has_kind;
};

/* answer_question.c: the words that are asked for, and the kind of thing. */
void nx_answer_read_question(struct answer_composer *c, double (*idf)(void *ctx, const struct nx_term *t), void *ctx);
bool nx_answer_is_asked(const struct answer_composer *c, nx_str stem); /* a word of the question */

/* answer_read.c: the titles, then the sentences, the most valuable first. */
int nx_answer_read_titles(struct answer_composer *c, struct nx_error **err);
int nx_answer_read_sentences(struct answer_composer *c, struct nx_error **err);
double nx_answer_weigh(const struct answer_composer *c, uint64_t mask); /* of words of the question; 1: all of them */
bool nx_answer_is_behind_particle(nx_str longer, nx_str word);
double nx_answer_rank(const struct answer_composer *c,
		      const struct answer_sentence *s); /* of its passage, of the best */
bool nx_answer_has_kind(const struct answer_composer *c, const struct answer_sentence *s);

/* answer_links.c */
enum answer_link { ANSWER_LINK_NONE, ANSWER_LINK_SAME, ANSWER_LINK_COMPARE, ANSWER_LINK_BRIDGE };
enum answer_link nx_answer_link(const struct answer_composer *c, const struct answer_sentence *a,
				const struct answer_sentence *b);

#endif
