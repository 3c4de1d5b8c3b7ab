/* What the files of recall share. */
#ifndef NX_MEMORY_RECALL_INTERNAL_H
#define NX_MEMORY_RECALL_INTERNAL_H

#include "knowledge/filter.h"
#include "knowledge/map.h"
#include "memory/memory_internal.h"

/* Of one word, or of one layer, that are looked at: the newest. With filters more, since few of them may pass. */
#define RECALL_MAX_ROWS 2000
#define RECALL_MAX_ROWS_FILTERED 20000

/* A turn that has words of the query. */
struct recall_candidate {
	int64_t turn;
	double bm25;
	unsigned matched; /* words */
};

struct recall {
	struct nx_memory *memory;
	struct nx_memory_recall *r;
	struct nx_db *db;
	struct recall_candidate *candidates;
	size_t ncandidates, cap;
	struct nx_map by_turn; /* row of the turn to its place in `candidates` */
	double turns, mean_length, best;
	struct nx_memory_term *terms; /* of the query, sorted */
	size_t nterms;
	int64_t now, session;     /* session 0: all of them */
	struct nx_filter *filter; /* NULL: everything passes */
	size_t max_rows;
	struct nx_error *err;
};

/* recall_words.c: the words of the query, and the candidates. */
int nx_recall_find_relevant(struct recall *c, struct nx_error **err);
const struct recall_candidate *nx_recall_candidate(const struct recall *c, int64_t turn); /* NULL: it has none */
/* How many words of the query are lines of `words`. */
unsigned nx_recall_count_words(const struct recall *c, nx_str words);

/* recall.c: 1 at this moment, a half 30 days ago. */
double nx_recall_recency(const struct recall *c, int64_t at);
nx_str nx_recall_explain(struct recall *c, unsigned matched, int64_t at);
/* The best `max` of items, best first and then newest first: whether `one` is among them, and its entry. `items` has room
 * for `max`. */
bool nx_recall_has_place(const struct nx_memory_item *items, size_t n, size_t max, const struct nx_memory_item *one);
void nx_recall_insert(struct nx_memory_item *items, size_t *n, size_t max, const struct nx_memory_item *one);

/* recall_filter.c: reads `filters` of the request; whether an item passes them. */
struct recall_subject {
	const char *layer;
	nx_str role, agent, metadata; /* p NULL: it has none */
	int64_t at;
};
int nx_recall_read_filters(struct recall *c, struct nx_error **err);
bool nx_recall_accepts(const struct recall *c, const struct recall_subject *s);
bool nx_recall_wants_layer(const struct recall *c, const char *layer);

/* procedures.c */
int nx_recall_read_procedures(struct recall *c, struct nx_error **err);

/* recall_facts.c: those that are valid now. */
int nx_recall_read_facts(struct recall *c, struct nx_error **err);

#endif
