/* A memory on a store of its own, all of it in the calling thread, at a time that stands still. */
#ifndef NX_MEMORY_FIXTURE_H
#define NX_MEMORY_FIXTURE_H

#include "memory/memory_internal.h"
#include "tests/unit/nx_test.h"

#define NOW (INT64_C(1780000000) * NX_USEC_PER_SEC)
#define OTHER_TENANT 2

struct fixture {
	struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_memory *memory;
	struct nx_arena *arena;
	struct nx_fake_clock clock;
};
void fixture_open(struct fixture *f, const char *name);
void fixture_close(struct fixture *f);

/* Each returns the code. */
int fixture_store(struct fixture *f, int64_t tenant, struct nx_memory_turn *turns, size_t n);
int fixture_recall(struct fixture *f, struct nx_memory_recall *r);
int fixture_change(struct fixture *f, int64_t tenant, enum nx_memory_op op, nx_id id, const char *user,
		   const char *body);

/* What u1 says in session s1; the turn's id. */
nx_id fixture_say(struct fixture *f, const char *text);
struct nx_memory_recall fixture_ask(struct fixture *f, const char *user, const char *query);
const char *fixture_message(void);
int64_t fixture_count(struct fixture *f, const char *sql);
void fixture_sql(struct fixture *f, const char *sql);

#endif
