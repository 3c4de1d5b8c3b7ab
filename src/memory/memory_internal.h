/* What the files of memory share. */
#ifndef NX_MEMORY_MEMORY_INTERNAL_H
#define NX_MEMORY_MEMORY_INTERNAL_H

#include "base/clock.h"
#include "memory/memory.h"

struct nx_memory {
	const struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_knowledge *knowledge;
	struct nx_models *models;
};

#define MEMORY_RECALL_WORKING 5
#define MEMORY_RECALL_EPISODIC 10
#define MEMORY_RECALL_SEMANTIC 15
#define MEMORY_RECALL_PROCEDURAL 5
#define MEMORY_RECALL_RANKED 10
#define MEMORY_CLEAN_BELOW 10      /* a full memory is cleaned to capacity − 10 */
#define MEMORY_LONG_TERM 0.7       /* attention above which what goes moves to long-term memory */
#define MEMORY_ATTENTION_FADE 0.98 /* of the others', when a new item comes: the 17 newest stay above 0.7 */

/* importance.c: 0 to 1, by what is said: requests to remember, facts about the speaker, decisions, dates and figures. */
double nx_memory_importance(nx_str role, nx_str text);

/* terms.c: the words of a turn, as rows of turn_terms. */
struct nx_memory_term {
	nx_str text;
	int64_t count;
};
int nx_memory_terms(nx_str text, struct nx_arena *a, struct nx_memory_term **ret, size_t *ret_n, size_t *ret_length,
		    struct nx_error **err);

/* term_rows.c: on the writer. */
struct nx_memory_terms_turn {
	int64_t tenant, row, session, length; /* length: words that are counted, as nx_memory_terms says */
	nx_str user;
};
int nx_memory_terms_put(struct nx_db *db, const struct nx_memory_terms_turn *t, const struct nx_memory_term *terms,
			size_t n, struct nx_error **err);
int nx_memory_terms_drop(struct nx_db *db, const struct nx_memory_terms_turn *t, struct nx_error **err);
int nx_memory_terms_forget(struct nx_db *db, int64_t tenant, nx_str user, struct nx_error **err); /* all of a user's */

/* facts.c: what a turn states of its speaker. Texts are slices of `text`, or in the arena. */
struct nx_memory_fact {
	nx_str key, value; /* folded; a key has one valid value */
	nx_str text;       /* the words that state it */
	nx_str words;      /* those by which it is found, as nx_memory_fact_words has them */
	bool ends;         /* says that it is so no longer */
};
/* The words of `text` and of `key` ("lives_in", since "I moved to Tyre" answers where somebody lives), each once, a line
 * each. */
int nx_memory_fact_words(nx_str text, nx_str key, struct nx_arena *a, nx_str *ret, struct nx_error **err);
int nx_memory_facts(nx_str text, struct nx_arena *a, struct nx_memory_fact **ret, size_t *ret_n, struct nx_error **err);

/* fact_rows.c: on the writer. */
struct nx_memory_fact_turn {
	struct nx_arena *arena;
	int64_t tenant, row, session, at, now; /* at: when it was said */
	nx_id uid;
	nx_str user;
	double importance;
};
int nx_memory_facts_put(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct nx_memory_fact *facts,
			size_t n, struct nx_error **err);
/* Takes the turn from the sources of facts; a fact without a source goes. */
int nx_memory_facts_drop(struct nx_db *db, const struct nx_memory_fact_turn *t, struct nx_error **err);

/* store.c: checks turns and reads their words and facts (`prepare`, off the writer), then stores them. */
int nx_memory_store_prepare(struct nx_memory *m, struct nx_memory_store *s, struct nx_error **err);
int nx_memory_store_apply(struct nx_memory_store *s, struct nx_db *db, struct nx_error **err);

/* procedures.c */
struct nx_memory_plan {
	nx_str intent, pattern, plan;
	bool worked;
};
/* The words of a request in their order, numbers as #: requests that differ in figures alone share a pattern. */
int nx_memory_pattern(nx_str text, struct nx_arena *a, nx_str *ret, struct nx_error **err);
int nx_memory_procedure_put(const struct nx_config *c, struct nx_db *db, int64_t tenant, nx_str user,
			    const struct nx_memory_plan *p, int64_t now, struct nx_error **err);

#endif
