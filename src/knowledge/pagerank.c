#include "knowledge/pagerank.h"

static double *row_sums(const struct nx_rows_graph *g, struct nx_arena *a)
{
	double *sums = nx_arena_array(a, double, (size_t)g->n + 1);
	for (uint32_t i = 0; sums && i < g->n; i++)
		for (uint32_t e = g->starts[i]; e < g->starts[i + 1]; e++)
			sums[i] += (double)g->weights[e];
	return sums;
}

static void step(const struct nx_rows_graph *g, const double *sums, const double *restart, double damping,
		 const double *x, double *y)
{
	double lost = 0;
	for (uint32_t i = 0; i < g->n; i++)
		if (sums[i] <= 0)
			lost += x[i];
	for (uint32_t i = 0; i < g->n; i++)
		y[i] = restart[i] * (1 - damping + damping * lost);
	for (uint32_t i = 0; i < g->n; i++) {
		if (sums[i] <= 0 || x[i] <= 0)
			continue;
		double share = damping * x[i] / sums[i];
		for (uint32_t e = g->starts[i]; e < g->starts[i + 1]; e++)
			y[g->to[e]] += share * (double)g->weights[e];
	}
}

int nx_pagerank(const struct nx_rows_graph *g, const double *restart, double damping, int steps, struct nx_arena *a,
		double **ret, struct nx_error **err)
{
	double *x = nx_arena_memdup(a, restart, (size_t)g->n * sizeof(*x));
	double *y = nx_arena_array(a, double, (size_t)g->n + 1);
	double *sums = row_sums(g, a);
	if (!x || !y || !sums)
		return nx_error_set(err, NX_ENOMEM, "no memory to rank %u nodes", g->n);
	for (int i = 0; i < steps; i++) {
		step(g, sums, restart, damping, x, y);
		double *t = x;
		x = y;
		y = t;
	}
	*ret = x;
	return 0;
}
