/* The writer, the workers and several clients at once: for the thread sanitizer, and so that nothing is lost. */
#include "memory/memory_internal.h"
#include "tests/unit/nx_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define CLIENTS 3
#define EACH 40

static struct nx_config *config;
static struct nx_store *store;
static struct nx_workers *workers;
static struct nx_memory *memory;
static _Atomic int finished, failed; /* relaxed: counts, read after the threads are joined or polled */

static void stored(struct nx_memory_store *s, struct nx_error *err)
{
	atomic_fetch_add(&failed, err != NULL);
	atomic_fetch_add(&finished, 1);
	nx_arena_free(s->arena);
}

static void recalled(struct nx_memory_recall *r, struct nx_error *err)
{
	atomic_fetch_add(&failed, err != NULL);
	atomic_fetch_add(&finished, 1);
	nx_arena_free(r->arena);
}

static void store_one(const char *user, int i)
{
	struct nx_arena *a = nx_arena_new(0);
	struct nx_memory_store *s = nx_arena_new_of(a, struct nx_memory_store);
	struct nx_memory_turn *t = nx_arena_new_of(a, struct nx_memory_turn);

	*t = (struct nx_memory_turn){.user_id = nx_str_dup(a, nx_str_z(user)),
				     .session = NX_STR("s"),
				     .text = nx_str_z(nx_arena_printf(a, "I live in town%d near the weir", i)),
				     .importance = -1};
	*s = (struct nx_memory_store){.arena = a, .tenant = NX_STORE_TENANT, .turns = t, .nturns = 1, .done = stored};
	nx_memory_store(memory, s);
}

static void recall_one(const char *user)
{
	struct nx_arena *a = nx_arena_new(0);
	struct nx_memory_recall *r = nx_arena_new_of(a, struct nx_memory_recall);

	*r = (struct nx_memory_recall){.arena = a,
				       .tenant = NX_STORE_TENANT,
				       .user_id = nx_str_dup(a, nx_str_z(user)),
				       .query = NX_STR("where is the weir"),
				       .done = recalled};
	nx_memory_recall(memory, r);
}

static void *client(void *arg)
{
	const char *user = arg;

	for (int i = 0; i < EACH; i++) {
		struct nx_memory_task t = {.tenant = NX_STORE_TENANT,
					   .user_id = nx_str_z(user),
					   .input = NX_STR("what of the weir"),
					   .answer = NX_STR("it holds"),
					   .intent = NX_STR("question"),
					   .succeeded = true};
		store_one(user, i);
		recall_one(user);
		nx_memory_consolidate(memory, &t);
	}
	return NULL;
}

TEST(clients_store_recall_and_consolidate_at_once_and_nothing_is_lost)
{
	static char users[CLIENTS][8];
	pthread_t threads[CLIENTS];
	const char *dir = nx_test_dir();
	int64_t n = 0;
	struct nx_db *db;

	ASSERT_OK(nx_config_load(NULL, (const char *const[]){NULL}, &config, NULL));
	ASSERT_OK(nx_workers_new(2, &workers, NULL));
	ASSERT_OK(nx_store_open(&(struct nx_store_options){.dir = dir, .readers = nx_workers_count(workers)}, &store,
				NULL));
	ASSERT_OK(nx_memory_new(config, store, workers, NULL, NULL, &memory, NULL));
	for (int i = 0; i < CLIENTS; i++) {
		(void)snprintf(users[i], sizeof(users[i]), "u%d", i);
		ASSERT_EQ(pthread_create(&threads[i], NULL, client, users[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	nx_workers_free(workers);
	nx_memory_free(memory); /* as the server does it: writes may still be queued */
	nx_store_close(store);
	ASSERT_EQ(finished, 2 * CLIENTS * EACH);
	ASSERT_EQ(failed, 0);
	ASSERT_OK(nx_store_open(&(struct nx_store_options){.dir = dir, .readers = 1}, &store, NULL));
	ASSERT_OK(nx_store_reader_new(store, &db, NULL));
	ASSERT_OK(nx_db_get_int(db, "SELECT count(*) FROM turns WHERE text LIKE 'I live in%'", NX_NO_PARAMS, &n, NULL));
	ASSERT_EQ(n, CLIENTS * EACH);
	ASSERT_OK(nx_db_get_int(db, "SELECT count(*) FROM memories WHERE layer='semantic' AND valid_to IS NULL",
				NX_NO_PARAMS, &n, NULL));
	ASSERT_EQ(n, CLIENTS);
	nx_store_reader_free(db);
	nx_store_close(store);
	nx_config_free(config);
}
