/* Real threads: searches and questions run while documents arrive, change and go. */
#include "base/clock.h"
#include "knowledge/knowledge.h"
#include "tests/unit/nx_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define SEARCHERS 2
#define ROUNDS 12
#define DOCUMENTS 20

struct world {
	struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_models *models;
	struct nx_knowledge *k;
};
static struct world w;
static atomic_bool stop;
static atomic_int searches, mixed;

struct latch {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
	int code;
};

static void open_latch(struct latch *l)
{
	*l = (struct latch){.done = false};
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->changed, NULL);
}

static void release(struct latch *l, const struct nx_error *err)
{
	pthread_mutex_lock(&l->lock);
	l->done = true;
	l->code = nx_error_code(err);
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

static int wait_for(struct latch *l)
{
	pthread_mutex_lock(&l->lock);
	while (!l->done)
		pthread_cond_wait(&l->changed, &l->lock);
	pthread_mutex_unlock(&l->lock);
	(void)pthread_mutex_destroy(&l->lock);
	(void)pthread_cond_destroy(&l->changed);
	return l->code;
}

static void ingested(struct nx_ingest *g, struct nx_error *err)
{
	release(g->ctx, err);
}

static void searched(struct nx_search *s, struct nx_error *err)
{
	release(s->ctx, err);
}

static void removed(struct nx_knowledge_change *c, struct nx_error *err)
{
	release(c->ctx, err);
}

/* All documents of a round say its number: a search must never see two rounds at once in one document's place. */
static int ingest_round(struct nx_arena *a, int round)
{
	struct latch l;
	struct nx_document d[DOCUMENTS];
	for (int i = 0; i < DOCUMENTS; i++)
		d[i] = (struct nx_document){
			.name = nx_str_z(nx_arena_printf(a, "doc-%d", i)),
			.title = nx_str_z(nx_arena_printf(a, "Station %d", i)),
			.text = nx_str_z(nx_arena_printf(a, "Round %d. The station reads Gauge %d near Station %d.",
							 round, i, (i + 1) % DOCUMENTS))};
	struct nx_ingest g = {.arena = a,
			      .tenant = NX_STORE_TENANT,
			      .docs = d,
			      .ndocs = DOCUMENTS,
			      .indexes = NX_INDEX_ALL,
			      .done = ingested,
			      .ctx = &l};
	open_latch(&l);
	nx_knowledge_ingest(w.k, &g);
	return wait_for(&l);
}

static int search(struct nx_arena *a, enum nx_search_mode mode, const char *query, struct nx_search *ret)
{
	struct latch l;
	*ret = (struct nx_search){.arena = a,
				  .tenant = NX_STORE_TENANT,
				  .query = nx_str_z(query),
				  .limit = 30,
				  .mode = mode,
				  .kinds = NX_KIND_CHUNK | NX_KIND_ENTITY,
				  .done = searched,
				  .ctx = &l};
	open_latch(&l);
	nx_knowledge_search(w.k, ret);
	return wait_for(&l);
}

static size_t count_chunks(const struct nx_search *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->nhits; i++)
		n += s->hits[i].kind == NX_KIND_CHUNK;
	return n;
}

static void *searcher(void *arg)
{
	int n = 0;
	while (!atomic_load(&stop)) {
		struct nx_arena *a = nx_arena_new(0);
		struct nx_search s;
		if (search(a, n++ % 2 ? NX_SEARCH_TEXT : NX_SEARCH_GRAPH, "Which station reads the gauge?", &s) < 0)
			atomic_fetch_add(&mixed, 1000);
		for (size_t i = 0; i < s.nhits; i++)
			for (size_t j = 0; j < i; j++)
				if (s.hits[i].kind == NX_KIND_CHUNK && s.hits[j].kind == NX_KIND_CHUNK &&
				    nx_str_eq(s.hits[i].document_name, s.hits[j].document_name))
					atomic_fetch_add(&mixed, 1);
		atomic_fetch_add(&searches, 1);
		nx_arena_free(a);
	}
	return NULL;
}

static void open_world(const char *dir, bool embeds)
{
	ASSERT_OK(nx_config_load(NULL, (const char *const[]){NULL}, &w.config, NULL));
	ASSERT_OK(nx_workers_new(3, &w.workers, NULL));
	ASSERT_OK(nx_store_open(&(struct nx_store_options){.dir = dir, .readers = nx_workers_count(w.workers)},
				&w.store, NULL));
	w.models = NULL;
	if (embeds)
		ASSERT_OK(nx_models_new(w.config, NULL, &w.models, NULL));
	ASSERT_OK(nx_knowledge_new(w.config, w.store, w.workers, w.models, &w.k, NULL));
	nx_knowledge_load(w.k);
}

static void close_world(void)
{
	nx_knowledge_free(w.k);
	nx_workers_free(w.workers);
	nx_models_free(w.models);
	nx_store_close(w.store);
	nx_config_free(w.config);
}

TEST(searches_run_while_documents_are_replaced)
{
	pthread_t t[SEARCHERS];
	open_world(nx_test_dir(), false);
	atomic_store(&stop, false);
	for (int i = 0; i < SEARCHERS; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, searcher, NULL), 0);
	int failed = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct nx_arena *a = nx_arena_new(0);
		failed += ingest_round(a, round) < 0;
		nx_arena_free(a);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < SEARCHERS; i++)
		(void)pthread_join(t[i], NULL);
	ASSERT_EQ(failed, 0);
	ASSERT_EQ(atomic_load(&mixed), 0);
	ASSERT_GT(atomic_load(&searches), 0);

	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_search s;
	ASSERT_OK(search(a, NX_SEARCH_TEXT, "round 11", &s));
	ASSERT_EQ(count_chunks(&s), DOCUMENTS);
	struct latch l;
	open_latch(&l);
	struct nx_knowledge_change c = {
		.arena = a, .tenant = NX_STORE_TENANT, .id = NX_STR("doc-3"), .done = removed, .ctx = &l};
	nx_knowledge_document_delete(w.k, &c);
	ASSERT_OK(wait_for(&l));
	ASSERT_OK(search(a, NX_SEARCH_TEXT, "round 11", &s));
	ASSERT_EQ(count_chunks(&s), DOCUMENTS - 1);
	close_world();
}

static size_t rank_of(const struct nx_search *s, const char *name)
{
	for (size_t i = 0; i < s->nhits; i++)
		if (nx_str_eqz(s->hits[i].document_name, name))
			return i;
	return SIZE_MAX;
}

static int put(struct nx_arena *a, const char *name, const char *text)
{
	struct latch l;
	struct nx_document d = {.name = nx_str_z(name), .text = nx_str_z(text)};
	struct nx_ingest g = {.arena = a,
			      .tenant = NX_STORE_TENANT,
			      .docs = &d,
			      .ndocs = 1,
			      .indexes = NX_INDEX_ALL,
			      .done = ingested,
			      .ctx = &l};
	open_latch(&l);
	nx_knowledge_ingest(w.k, &g);
	return wait_for(&l);
}

TEST(vectors_find_by_meaning_and_are_kept_over_a_restart)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_search s;
	struct nx_knowledge_state now;
	const char *dir = nx_test_dir();
	open_world(dir, true);
	if (!nx_models_has_embedding(w.models)) {
		close_world();
		SKIP("no embedding model here");
	}
	ASSERT_OK(put(a, "cat", "A kitten slept on the warm sofa all afternoon."));
	ASSERT_OK(put(a, "bank", "The central bank raised its interest rates again."));
	ASSERT_OK(search(a, NX_SEARCH_VECTOR, "a young cat taking a nap", &s));
	ASSERT_EQ(rank_of(&s, "cat"), 0);
	ASSERT_GT(s.hits[0].vector_score, s.hits[1].vector_score + 0.2);
	close_world();
	open_world(dir, true);
	do
		nx_knowledge_state(w.k, &now);
	while (strcmp(now.vector, "loading") == 0);
	ASSERT_EQ(now.vectors, 2);
	ASSERT_EQ(now.pending_vectors, 0);
	ASSERT_OK(search(a, NX_SEARCH_HYBRID, "monetary policy", &s));
	ASSERT_EQ(rank_of(&s, "bank"), 0);
	close_world();
}
