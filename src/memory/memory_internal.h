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

#endif
