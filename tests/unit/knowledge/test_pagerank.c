#include "base/id.h"
#include "knowledge/graph.h"
#include "knowledge/pagerank.h"
#include "tests/unit/nx_test.h"

#include <math.h>

#define N 40

/* The same by a dense matrix. */
static void dense(const float w[N][N], const double *restart, double damping, int steps, double *x)
{
	memcpy(x, restart, N * sizeof(*x));
	for (int s = 0; s < steps; s++) {
		double y[N];
		double lost = 0;
		for (int i = 0; i < N; i++) {
			double sum = 0;
			for (int j = 0; j < N; j++)
				sum += (double)w[i][j];
			lost += sum > 0 ? 0 : x[i];
		}
		for (int j = 0; j < N; j++)
			y[j] = restart[j] * (1 - damping + damping * lost);
		for (int i = 0; i < N; i++) {
			double sum = 0;
			for (int j = 0; j < N; j++)
				sum += (double)w[i][j];
			for (int j = 0; j < N && sum > 0; j++)
				y[j] += damping * x[i] * (double)w[i][j] / sum;
		}
		memcpy(x, y, sizeof(y));
	}
}

TEST(ranks_agree_with_a_dense_reference_and_sum_to_one)
{
	static float w[N][N];
	static uint32_t starts[N + 1], to[N * N];
	static float weights[N * N];
	double restart[N] = {[3] = 0.75, [7] = 0.25}, want[N], sum = 0;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	uint32_t n = 0;
	nx_id_seed(3);
	for (uint32_t i = 0; i < N; i++) {
		starts[i] = n;
		for (uint32_t j = 0; j < N; j++) {
			if (i % 9 == 0 || nx_random_unit() > 0.15)
				continue;
			w[i][j] = (float)nx_random_unit();
			to[n] = j;
			weights[n++] = w[i][j];
		}
	}
	starts[N] = n;
	nx_id_seed(0);
	struct nx_rows_graph g = {.n = N, .starts = starts, .to = to, .weights = weights};
	double *got;
	ASSERT_OK(nx_pagerank(&g, restart, 0.5, 12, a, &got, NULL));
	dense(w, restart, 0.5, 12, want);
	for (int i = 0; i < N; i++) {
		ASSERT_DOUBLE_NEAR(got[i], want[i], 1e-12);
		sum += got[i];
	}
	ASSERT_DOUBLE_NEAR(sum, 1, 1e-9);
}

TEST(edges_are_seen_from_both_ends_before_and_after_the_tail_is_merged)
{
	struct nx_graph g;
	uint32_t node, n = 3000;
	nx_graph_init(&g);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_OK(nx_graph_add_node(&g, &node, NULL));
	for (uint32_t i = 0; i < 5; i++)
		for (uint32_t j = 0; j < n - 1; j++)
			ASSERT_OK(nx_graph_add_edge(&g, j, j + 1, 1, 2, i, 0.5F, NULL));
	for (uint32_t j = 0; j < n; j++) {
		struct nx_edge e;
		uint32_t out = 0, back = 0;
		for (struct nx_edge_iter it = nx_graph_edges(&g, j); nx_edge_next(&it, &e);) {
			out += e.label == 1 && e.to == j + 1;
			back += e.label == 2 && e.to == j - 1;
		}
		ASSERT_EQ(out, j + 1 < n ? 5 : 0);
		ASSERT_EQ(back, j > 0 ? 5 : 0);
	}
	ASSERT_GT(g.rows, 0);
	nx_graph_done(&g);
}
