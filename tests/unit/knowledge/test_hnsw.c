#include "base/id.h"
#include "knowledge/hnsw.h"
#include "tests/unit/nx_test.h"

#include <math.h>

#define DIMS 48
#define N 6000
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
	static float centres[60][DIMS];
	nx_id_seed(11);
	for (int c = 0; c < 60; c++)
		for (int i = 0; i < DIMS; i++)
			centres[c][i] = (float)gauss();
	for (int n = 0; n < N; n++) {
		const float *c = centres[nx_random_u64() % 60];
		for (int i = 0; i < DIMS; i++)
			vectors[n][i] = c[i] + 0.6F * (float)gauss();
		normalise(vectors[n]);
	}
}

static void fill(struct nx_hnsw *h, bool linked)
{
	uint32_t index;
	make_vectors();
	ASSERT_OK(nx_hnsw_init(h, &(struct nx_hnsw_options){.dims = DIMS}, NULL));
	for (uint32_t i = 0; i < N; i++)
		ASSERT_OK(nx_hnsw_add(h, 2 * i, vectors[i], &index, NULL));
	while (linked && h->linked < h->n) {
		struct nx_hnsw_plan plan;
		ASSERT_OK(nx_hnsw_plan(h, &plan, NULL));
		ASSERT_OK(nx_hnsw_commit(h, &plan, NULL));
	}
}

/* The k nearest by float arithmetic. */
static void exact(const float *q, uint32_t ret[K])
{
	double best[K];
	for (int i = 0; i < K; i++)
		best[i] = -2;
	for (uint32_t n = 0; n < N; n++) {
		double dot = 0;
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
	for (int round = 0; round < 200; round++) {
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
	return (double)found / (200.0 * K);
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
	return slot % 1000 == 0;
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
