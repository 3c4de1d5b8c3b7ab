/* A knowledge base on a store of its own, all of it in the calling thread. */
#ifndef NX_KNOWLEDGE_FIXTURE_H
#define NX_KNOWLEDGE_FIXTURE_H

#include "knowledge/knowledge_internal.h"
#include "tests/unit/nx_test.h"

struct fixture {
	struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_models *models;
	struct nx_knowledge *k;
	struct nx_arena *arena;
};
void fixture_open(struct fixture *f, const char *name);
void fixture_close(struct fixture *f);
void fixture_reopen(struct fixture *f); /* as after a restart: the indexes are loaded */

/* Return the code; *ret_message (may be NULL) borrows until the next call. */
int fixture_ingest(struct fixture *f, const struct nx_document *docs, size_t n, struct nx_ingest *ret);
int fixture_put(struct fixture *f, const char *name, const char *title, const char *text);
int fixture_search(struct fixture *f, const char *query, enum nx_search_mode mode, struct nx_search *ret);
int fixture_ask(struct fixture *f, const char *question, struct nx_ask *ret);
/* One change with a JSON body (NULL: none). */
int fixture_change(struct fixture *f, void (*start)(struct nx_knowledge *k, struct nx_knowledge_change *c),
		   const char *id, const char *json, nx_str *ret_answer);
int fixture_delete(struct fixture *f, const char *name);
const char *fixture_message(void);
const char *fixture_pointer(void);
/* Rows that a query counts. */
int64_t fixture_count(struct fixture *f, const char *sql);

#endif
