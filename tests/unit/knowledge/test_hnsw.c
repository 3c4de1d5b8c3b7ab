#include "base/id.h"
#include "base/io.h"
#include "knowledge/hnsw_internal.h"
#include "tests/unit/nx_test.h"

#include <math.h>
#include <stdatomic.h>

#define DIMS 48
#define N 2400
#define K 10

static float vectors[N][DIMS];

static double gauss(void)
{
	return sqrt(-2 * log(1 - nx_random_unit())) * cos(6.283185307179586 * nx_random_unit());
}

static void normalise(float *v)
{
	double sum = 0;
	for (int i = 0; i < DIMS; i++)
		sum += (double)v[i] * (double)v[i];
	for (int i = 0; i < DIMS; i++)
		v[i] = (float)((double)v[i] / sqrt(sum));
}

/* Clusters, as texts have: random points alone would be all equally far. */
static void make_vectors(void)
{
	static float centres[24][DIMS];
	nx_id_seed(11);
	for (int c = 0; c < 24; c++)
		for (int i = 0; i < DIMS; i++)
			centres[c][i] = (float)gauss();
	for (int n = 0; n < N; n++) {
		const float *c = centres[nx_random_u64() % 24];
		for (int i = 0; i < DIMS; i++)
			vectors[n][i] = c[i] + 0.6F * (float)gauss();
		normalise(vectors[n]);
	}
}

static void fill_as(struct nx_hnsw *h, bool linked, enum nx_hnsw_kept kept)
{
	uint32_t index;
	make_vectors();
	ASSERT_OK(nx_hnsw_init(h, &(struct nx_hnsw_options){.dims = DIMS, .kept = kept}, NULL));
	for (uint32_t i = 0; i < N; i++)
		ASSERT_OK(nx_hnsw_add(h, 2 * i, vectors[i], &index, NULL));
	while (linked && h->linked < h->n) {
		struct nx_hnsw_plan plan;
		ASSERT_OK(nx_hnsw_plan(h, &plan, NULL));
		ASSERT_OK(nx_hnsw_commit(h, &plan, NULL));
	}
}

static void fill(struct nx_hnsw *h, bool linked)
{
	fill_as(h, linked, NX_HNSW_CODES);
}

static uint32_t gone_every; /* vectors with such numbers were deleted; 0: none */
static bool is_gone(uint32_t n)
{
	return gone_every && n % gone_every == 1;
}

/* The k nearest by float arithmetic, of what was not deleted. */
static void exact(const float *q, uint32_t ret[K])
{
	double best[K];
	for (int i = 0; i < K; i++)
		best[i] = -2;
	for (uint32_t n = 0; n < N; n++) {
		double dot = is_gone(n) ? -3 : 0;
		for (int i = 0; i < DIMS; i++)
			dot += (double)q[i] * (double)vectors[n][i];
		int at = K;
		while (at > 0 && dot > best[at - 1])
			at--;
		if (at == K)
			continue;
		for (int i = K - 1; i > at; i--) {
			best[i] = best[i - 1];
			ret[i] = ret[i - 1];
		}
		best[at] = dot;
		ret[at] = 2 * n;
	}
}

static double recall(struct nx_hnsw *h, size_t ef)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	size_t found = 0;
	for (int round = 0; round < 100; round++) {
		float q[DIMS];
		uint32_t truth[K];
		struct nx_hnsw_query query;
		struct nx_scored hit[K];
		size_t n;
		memcpy(q, vectors[(round * 29) % N], sizeof(q));
		for (int i = 0; i < DIMS; i++)
			q[i] += 0.1F * (float)gauss();
		normalise(q);
		exact(q, truth);
		ASSERT_OK(nx_hnsw_query(h, q, a, &query, NULL));
		ASSERT_OK(nx_hnsw_search(h, &query, K, ef, NULL, NULL, hit, &n, NULL));
		ASSERT_EQ(n, K);
		for (int i = 0; i < K; i++)
			for (int j = 0; j < K; j++)
				found += hit[i].slot == truth[j];
	}
	return (double)found / (100.0 * K);
}

TEST(the_exact_scan_of_int8_agrees_with_float32)
{
	struct nx_hnsw h;
	fill(&h, false);
	ASSERT_GT(recall(&h, 10), 0.97);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

TEST(the_graph_recalls_more_with_a_wider_beam_and_is_sound)
{
	struct nx_hnsw h;
	fill(&h, true);
	ASSERT_OK(nx_hnsw_check(&h, NULL));
	double narrow = recall(&h, 16), wide = recall(&h, 128);
	ASSERT_GT(narrow, 0.85);
	ASSERT_GT(wide, 0.96);
	ASSERT_GE(wide + 0.01, narrow);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

TEST(what_is_not_linked_yet_is_found_beside_the_graph)
{
	struct nx_hnsw h;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_hnsw_query q;
	struct nx_scored hit[3];
	uint32_t index;
	size_t n;
	fill(&h, true);
	float v[DIMS] = {1};
	ASSERT_OK(nx_hnsw_add(&h, 99999, v, &index, NULL));
	ASSERT_OK(nx_hnsw_query(&h, v, a, &q, NULL));
	ASSERT_OK(nx_hnsw_search(&h, &q, 3, 64, NULL, NULL, hit, &n, NULL));
	ASSERT_EQ(hit[0].slot, 99999);
	ASSERT_DOUBLE_NEAR(hit[0].score, 1, 0.01);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

static bool accept_few(void *ctx, uint32_t slot)
{
	return slot % 400 == 0;
}

TEST(a_selective_filter_still_gives_all_it_accepts)
{
	struct nx_hnsw h;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_hnsw_query q;
	struct nx_scored hit[20];
	size_t n;
	fill(&h, true);
	ASSERT_OK(nx_hnsw_query(&h, vectors[5], a, &q, NULL));
	ASSERT_OK(nx_hnsw_search(&h, &q, 20, 64, accept_few, NULL, hit, &n, NULL));
	ASSERT_EQ(n, 12);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

TEST(exact_vectors_beside_the_codes_give_exact_scores)
{
	struct nx_hnsw codes, bf16, f32;
	fill(&codes, true);
	fill_as(&bf16, true, NX_HNSW_BF16);
	fill_as(&f32, true, NX_HNSW_F32);
	ASSERT_GE(recall(&f32, 200), 0.999);
	ASSERT_GE(recall(&bf16, 200), 0.99);
	ASSERT_GT(nx_hnsw_bytes(&bf16), nx_hnsw_bytes(&codes));
	ASSERT_GT(nx_hnsw_bytes(&f32), nx_hnsw_bytes(&bf16));
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_hnsw_query q;
	ASSERT_OK(nx_hnsw_query(&f32, vectors[7], a, &q, NULL));
	for (uint32_t i = 0; i < 50; i++) {
		double dot = 0;
		for (int d = 0; d < DIMS; d++)
			dot += (double)vectors[7][d] * (double)vectors[i][d];
		ASSERT_DOUBLE_NEAR(nx_hnsw_query_cosine(&f32, &q, i), dot, 1e-5);
		ASSERT_DOUBLE_NEAR(nx_hnsw_query_cosine(&bf16, &q, i), dot, 4e-3);
		ASSERT_DOUBLE_NEAR(nx_hnsw_query_cosine(&codes, &q, i), dot, 1e-2);
	}
	nx_hnsw_done(&codes);
	nx_hnsw_done(&bf16);
	nx_hnsw_done(&f32);
	nx_id_seed(0);
}

/* ---- deletion ---- */

static void delete_every(struct nx_hnsw *h, uint32_t every)
{
	gone_every = every;
	for (uint32_t i = 0; i < N; i++)
		if (is_gone(i))
			nx_hnsw_delete(h, i);
}

static uint32_t repair_all(struct nx_hnsw *h)
{
	struct nx_hnsw_repair r = {0};
	uint32_t lists = 0;
	while (r.index < h->linked) {
		ASSERT_OK(nx_hnsw_repair_plan(h, &r, 100, NULL));
		if (r.found) {
			nx_hnsw_repair_commit(h, &r);
			lists++;
		}
	}
	return lists;
}

static void assert_dead_are_not_found(struct nx_hnsw *h)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (uint32_t i = 1; i < 400; i += gone_every) {
		struct nx_hnsw_query q;
		struct nx_scored hit[K];
		size_t n;
		ASSERT_OK(nx_hnsw_query(h, vectors[i], a, &q, NULL));
		ASSERT_OK(nx_hnsw_search(h, &q, K, 64, NULL, NULL, hit, &n, NULL));
		for (size_t j = 0; j < n; j++)
			ASSERT_FALSE(is_gone(hit[j].slot / 2));
	}
}

TEST(deleted_vectors_are_not_found_and_repair_keeps_the_rest_found)
{
	struct nx_hnsw h;
	fill(&h, true);
	delete_every(&h, 3);
	ASSERT_EQ(h.ndead, N / 3);
	assert_dead_are_not_found(&h);
	double before = recall(&h, 64);
	ASSERT_GT(before, 0.93);
	ASSERT_GT(repair_all(&h), N / 3);
	ASSERT_EQ(repair_all(&h), 0);
	ASSERT_OK(nx_hnsw_check(&h, NULL));
	assert_dead_are_not_found(&h);
	ASSERT_GT(recall(&h, 64), before - 0.01);
	gone_every = 0;
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

TEST(compaction_drops_the_dead_and_keeps_the_graph_when_it_was_repaired)
{
	struct nx_hnsw h, small;
	fill_as(&h, true, NX_HNSW_BF16);
	delete_every(&h, 2);
	ASSERT_OK(nx_hnsw_compact(&h, &small, NULL)); /* links lead to dead nodes: they cannot be copied */
	ASSERT_EQ(small.n, N / 2);
	ASSERT_EQ(small.linked, 0);
	ASSERT_GE(recall(&small, 64), 0.99);
	nx_hnsw_done(&small);

	repair_all(&h);
	ASSERT_OK(nx_hnsw_compact(&h, &small, NULL));
	ASSERT_EQ(small.linked, N / 2);
	ASSERT_EQ(small.ndead, 0);
	ASSERT_OK(nx_hnsw_check(&small, NULL));
	ASSERT_GT(recall(&small, 64), 0.93);
	ASSERT_LT(nx_hnsw_bytes(&small), nx_hnsw_bytes(&h) * 55 / 100);
	gone_every = 0;
	nx_hnsw_done(&small);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

TEST(the_check_names_what_is_broken)
{
	struct nx_hnsw h;
	nx_auto_error struct nx_error *err = NULL;
	fill(&h, true);
	uint32_t *l = nx_hnsw_links(&h, 17, 0), kept = l[1];
	l[1] = 17;
	ASSERT_ERR(nx_hnsw_check(&h, &err), NX_ECORRUPT);
	ASSERT_CONTAINS(nx_error_message(err), "vector 17, layer 0: a link to itself");
	l[1] = h.n + 5;
	ASSERT_ERR(nx_hnsw_check(&h, NULL), NX_ECORRUPT);
	l[1] = l[2];
	ASSERT_ERR(nx_hnsw_check(&h, NULL), NX_ECORRUPT);
	l[1] = kept;
	ASSERT_OK(nx_hnsw_check(&h, NULL));
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

/* ---- snapshot ---- */

static const struct nx_hnsw_options bf16_options = {.dims = DIMS, .kept = NX_HNSW_BF16};

static int64_t key_of(void *ctx, uint32_t slot)
{
	return INT64_C(1000000007) * (slot + 1);
}

/* Slots are numbered anew after a start, and some are gone. */
static uint32_t slot_of(void *ctx, int64_t key, uint32_t index)
{
	uint32_t slot = (uint32_t)(key / 1000000007 - 1);
	return slot == 200 ? NX_HNSW_NONE : slot + 1;
}

static const char *snapshot_path(struct nx_arena *a)
{
	return nx_path_join(a, nx_test_dir(), "vectors");
}

static void assert_same_but_for_slots(struct nx_hnsw *a, struct nx_hnsw *b)
{
	nx_auto_arena struct nx_arena *mem = nx_arena_new(0);
	for (int i = 0; i < 100; i++) {
		struct nx_hnsw_query q;
		struct nx_scored x[K + 1], y[K];
		size_t nx, ny, at = 0;
		ASSERT_OK(nx_hnsw_query(a, vectors[i * 23], mem, &q, NULL));
		ASSERT_OK(nx_hnsw_search(a, &q, K + 1, 64, NULL, NULL, x, &nx, NULL));
		ASSERT_OK(nx_hnsw_search(b, &q, K, 64, NULL, NULL, y, &ny, NULL));
		for (size_t j = 0; j < K; j++, at++) {
			at += x[at].slot == 200;
			ASSERT_EQ(y[j].slot, x[at].slot + 1);
			ASSERT_DOUBLE_EQ(y[j].score, x[at].score);
		}
	}
}

TEST(a_snapshot_comes_back_as_it_was_and_can_grow)
{
	struct nx_hnsw h, back;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = snapshot_path(a);
	uint32_t index;
	fill_as(&h, true, NX_HNSW_BF16);
	ASSERT_OK(nx_hnsw_save(&h, path, key_of, NULL, NULL));
	ASSERT_OK(nx_hnsw_open(&back, &bf16_options, path, slot_of, NULL, NULL));
	ASSERT_EQ(back.ndead, 1);
	assert_same_but_for_slots(&h, &back);

	for (uint32_t i = 0; i < 100; i++) { /* what is mapped moves into memory */
		struct nx_hnsw_plan plan;
		ASSERT_OK(nx_hnsw_add(&back, 100000 + i, vectors[i], &index, NULL));
		ASSERT_OK(nx_hnsw_plan(&back, &plan, NULL));
		ASSERT_OK(nx_hnsw_commit(&back, &plan, NULL));
	}
	ASSERT_OK(nx_hnsw_check(&back, NULL));
	ASSERT_FALSE(back.codes.is_lent);
	nx_hnsw_done(&back);
	ASSERT_OK(nx_hnsw_open(&back, &bf16_options, path, slot_of, NULL, NULL)); /* the file is as it was */
	nx_hnsw_done(&back);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

static void put_file(const char *path, nx_str bytes)
{
	ASSERT_OK(nx_file_write_durable(path, bytes, 0600, NULL));
}

#define HEADER 144 /* bytes */

TEST(a_damaged_snapshot_is_refused)
{
	struct nx_hnsw h, back;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = snapshot_path(a);
	nx_str good;
	fill_as(&h, true, NX_HNSW_BF16);
	ASSERT_OK(nx_hnsw_save(&h, path, key_of, NULL, NULL));
	nx_hnsw_done(&h);
	ASSERT_OK(nx_file_read(a, path, SIZE_MAX, &good, NULL));
	char *bytes = nx_arena_memdup(a, good.p, good.n);
	size_t pad = 0;
	for (size_t at = 0; at < good.n; at += at < HEADER ? 1 : 90017) {
		bytes[at] ^= 0x10;
		put_file(path, nx_str_n(bytes, good.n));
		bytes[at] ^= 0x10;
		int r = nx_hnsw_open(&back, &bf16_options, path, slot_of, NULL, NULL);
		ASSERT_TRUE(r < 0 || at >= HEADER);
		if (r == 0) { /* the ends of pages say nothing */
			nx_hnsw_done(&back);
			pad++;
		}
	}
	ASSERT_LE(pad, 8);
	put_file(path, nx_str_slice(good, 0, good.n - 4096));
	ASSERT_ERR(nx_hnsw_open(&back, &bf16_options, path, slot_of, NULL, NULL), NX_ECORRUPT);
	put_file(path, nx_str_slice(good, 0, 100));
	ASSERT_ERR(nx_hnsw_open(&back, &bf16_options, path, slot_of, NULL, NULL), NX_ECORRUPT);
	put_file(path, good);
	ASSERT_ERR(nx_hnsw_open(&back, &(struct nx_hnsw_options){.dims = DIMS}, path, slot_of, NULL, NULL),
		   NX_ECONFLICT);
	ASSERT_ERR(nx_hnsw_open(&back, &bf16_options, "/nonexistent/x", slot_of, NULL, NULL), NX_ENOTFOUND);
	nx_id_seed(0);
}

TEST(an_empty_index_has_a_snapshot_too)
{
	struct nx_hnsw h, back;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = snapshot_path(a);
	ASSERT_OK(nx_hnsw_init(&h, &bf16_options, NULL));
	ASSERT_OK(nx_hnsw_save(&h, path, key_of, NULL, NULL));
	ASSERT_OK(nx_hnsw_open(&back, &bf16_options, path, slot_of, NULL, NULL));
	ASSERT_EQ(back.n, 0);
	nx_hnsw_done(&back);
	nx_hnsw_done(&h);
}

/* ---- searches beside a writer ---- */

struct race {
	struct nx_hnsw *h;
	pthread_rwlock_t lock;
	atomic_bool stop;
	atomic_uint searches, bad;
};

static void *search_all_the_time(void *arg)
{
	struct race *r = arg;
	struct nx_arena *a = nx_arena_new(0);
	for (uint32_t i = 0; !atomic_load(&r->stop); i = (i + 7) % 500) {
		struct nx_hnsw_query q;
		struct nx_scored hit[3];
		size_t n = 0;
		nx_arena_reset(a);
		pthread_rwlock_rdlock(&r->lock);
		bool ok = nx_hnsw_query(r->h, vectors[i], a, &q, NULL) == 0 &&
			  nx_hnsw_search(r->h, &q, 3, 40, NULL, NULL, hit, &n, NULL) == 0;
		pthread_rwlock_unlock(&r->lock);
		/* The first five hundred are never deleted: each finds itself, or one as near. */
		if (!ok || n != 3 || hit[0].score < 0.99)
			atomic_fetch_add(&r->bad, 1);
		atomic_fetch_add(&r->searches, 1);
	}
	nx_arena_free(a);
	return NULL;
}

static void write_beside(struct race *r, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct nx_hnsw_plan plan;
		uint32_t index;
		pthread_rwlock_wrlock(&r->lock);
		ASSERT_OK(nx_hnsw_add(r->h, 2 * i, vectors[i], &index, NULL));
		if (i % 5 == 0 && i > 500)
			nx_hnsw_delete(r->h, i - 1);
		pthread_rwlock_unlock(&r->lock);
		ASSERT_OK(nx_hnsw_plan(r->h, &plan, NULL)); /* beside the readers */
		pthread_rwlock_wrlock(&r->lock);
		ASSERT_OK(nx_hnsw_commit(r->h, &plan, NULL));
		pthread_rwlock_unlock(&r->lock);
	}
	struct nx_hnsw_repair repair = {0};
	while (repair.index < r->h->linked) {
		ASSERT_OK(nx_hnsw_repair_plan(r->h, &repair, 200, NULL));
		pthread_rwlock_wrlock(&r->lock);
		if (repair.found)
			nx_hnsw_repair_commit(r->h, &repair);
		pthread_rwlock_unlock(&r->lock);
	}
}

TEST(searches_go_on_while_vectors_are_linked_deleted_and_repaired)
{
	struct nx_hnsw h;
	struct race r = {.h = &h, .lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP};
	pthread_t threads[2];
	uint32_t index;
	make_vectors();
	ASSERT_OK(nx_hnsw_init(&h, &bf16_options, NULL));
	for (uint32_t i = 0; i < 500; i++)
		ASSERT_OK(nx_hnsw_add(&h, 2 * i, vectors[i], &index, NULL));
	while (h.linked < h.n) {
		struct nx_hnsw_plan plan;
		ASSERT_OK(nx_hnsw_plan(&h, &plan, NULL));
		ASSERT_OK(nx_hnsw_commit(&h, &plan, NULL));
	}
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, search_all_the_time, &r), 0);
	write_beside(&r, 500, 1200);
	atomic_store(&r.stop, true);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	ASSERT_OK(nx_hnsw_check(&h, NULL));
	ASSERT_GT(r.searches, 0);
	ASSERT_LE(r.bad, r.searches / 1000);
	nx_hnsw_done(&h);
	nx_id_seed(0);
}

TEST(the_same_vectors_in_the_same_order_make_the_same_graph)
{
	struct nx_hnsw a, b;
	fill(&a, true);
	fill(&b, true);
	ASSERT_EQ(a.nupper, b.nupper);
	for (uint32_t i = 0; i < N; i++)
		ASSERT_MEMEQ(nx_hnsw_links(&a, i, 0), nx_hnsw_links(&b, i, 0), nx_hnsw_links(&a, i, 0)[0] * 4 + 4);
	nx_hnsw_done(&a);
	nx_hnsw_done(&b);
	nx_id_seed(0);
}
