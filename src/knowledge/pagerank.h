/*
 * Personalised PageRank over a small graph: where a walker is that starts anew at the restart vector with probability
 * 1 − damping and else follows an edge in proportion to its weight (Page et al. 1999, Haveliwala 2002).
 *
 * Power iteration, a fixed number of steps: with damping 0.5 each step halves the error, so that twelve leave 1/4096. What
 * a node without edges would pass on goes back to the restart vector, so that the ranks always sum to 1.
 */
#ifndef NX_KNOWLEDGE_PAGERANK_H
#define NX_KNOWLEDGE_PAGERANK_H

#include "base/arena.h"
#include "base/error.h"

#define NX_PAGERANK_DAMPING 0.5
#define NX_PAGERANK_STEPS 12

struct nx_rows_graph {
	uint32_t n;
	const uint32_t *starts; /* n + 1 */
	const uint32_t *to;
	const float *weights;
};

/* `restart` sums to 1 and is not changed; *ret has n ranks, in the arena. */
int nx_pagerank(const struct nx_rows_graph *g, const double *restart, double damping, int steps, struct nx_arena *a,
		double **ret, struct nx_error **err);

#endif
