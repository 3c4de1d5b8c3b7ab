#include "knowledge/fuse.h"

#include "knowledge/subgraph.h"

#include <math.h>

#define POOL 100 /* best of each kind that are fused */
#define ANCHORS 10
#define COVER_ANCHORS 8
#define TITLE_WEIGHT 2.0
#define FUSED_WEIGHT 0.3
#define COVER_COSINE 0.6
#define WORDS_MAX 64

struct fusion {
	struct nx_search_run *r;
	const struct nx_partition *p;
	struct nx_arena *a;
	const struct nx_term *terms;
	size_t nterms;
	bool has_vectors;
	double vector_share;
	struct nx_hnsw_query q;

	struct nx_candidate *v;
	size_t n, cap;
	struct nx_map by_slot; /* slot + 1 → candidate */

	/* The question's words, for the cover. */
	nx_str roots[WORDS_MAX];
	double idf[WORDS_MAX], idf_sum;
	uint32_t nwords;
	uint64_t *masks; /* by candidate: which of them it has */
};

static int no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory to rank passages");
}

static struct nx_candidate *add(struct fusion *f, uint32_t slot)
{
	uint32_t i = nx_map_get(&f->by_slot, (uint64_t)slot + 1);
	if (i != NX_MAP_NONE)
		return &f->v[i];
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 512;
		struct nx_candidate *v = nx_arena_realloc(f->a, f->v, f->cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return NULL;
		f->v = v;
		f->cap = cap;
	}
	if (!nx_map_set(&f->by_slot, (uint64_t)slot + 1, (uint32_t)f->n))
		return NULL;
	f->v[f->n] = (struct nx_candidate){.slot = slot, .vector = NAN, .from = NX_MAP_NONE};
	return &f->v[f->n++];
}

/* ---- fused ---- */

static bool is_alive(void *ctx, uint32_t slot)
{
	return nx_slot_alive(ctx, slot);
}

static int pool_vectors(struct fusion *f, struct nx_error **err)
{
	struct nx_scored *best = nx_arena_array(f->a, struct nx_scored, POOL + 1);
	size_t n;
	if (!best)
		return no_memory(err);
	int r = nx_hnsw_query(&f->p->vectors, f->r->query_vector, f->a, &f->q, err);
	if (r == 0)
		r = nx_hnsw_search((struct nx_hnsw *)&f->p->vectors, &f->q, POOL, 2 * POOL, is_alive, (void *)f->p,
				   best, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!add(f, best[i].slot))
			r = no_memory(err);
	return r;
}

static int pool_words(struct fusion *f, struct nx_error **err)
{
	struct nx_scored *best;
	size_t n;
	int r = nx_search_best_text(f->r, f->terms, f->nterms, POOL, &best, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!add(f, best[i].slot))
			r = no_memory(err);
	return r;
}

static double cosine(const struct fusion *f, uint32_t slot)
{
	uint32_t v = f->p->slots[slot].vector;
	if (!f->has_vectors || v == NX_HNSW_NONE)
		return NAN;
	return (double)nx_hnsw_query_cosine(&f->p->vectors, &f->q, v);
}

static int by_slot(const void *a, const void *b)
{
	const struct nx_scored *x = a, *y = b;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Exact scores of both kinds for the candidates from `from` on. */
static int score(struct fusion *f, size_t from, struct nx_error **err)
{
	size_t n = f->n - from;
	struct nx_scored *s = nx_arena_array(f->a, struct nx_scored, n + 1);
	if (!s)
		return no_memory(err);
	for (size_t i = 0; i < n; i++)
		s[i].slot = f->v[from + i].slot;
	qsort(s, n, sizeof(*s), by_slot);
	struct nx_text_query q = {.k1 = NX_BM25_K1, .b = NX_BM25_B};
	int r = nx_text_score(&f->p->text, f->terms, f->nterms, &q, f->a, s, n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct nx_candidate *c = add(f, s[i].slot);
		if (!c)
			return no_memory(err);
		c->text = s[i].score;
		c->vector = cosine(f, s[i].slot);
	}
	return 0;
}

struct range {
	double text_max, vector_min, vector_max;
};

static struct range range_of(const struct fusion *f)
{
	struct range g = {.vector_min = INFINITY, .vector_max = -INFINITY};
	for (size_t i = 0; i < f->n; i++) {
		g.text_max = fmax(g.text_max, f->v[i].text);
		if (isnan(f->v[i].vector))
			continue;
		g.vector_min = fmin(g.vector_min, f->v[i].vector);
		g.vector_max = fmax(g.vector_max, f->v[i].vector);
	}
	return g;
}

static void fuse_from(struct fusion *f, size_t from, const struct range *g)
{
	double share = f->has_vectors ? f->vector_share : 0;
	for (size_t i = from; i < f->n; i++) {
		struct nx_candidate *c = &f->v[i];
		double text = g->text_max > 0 ? c->text / g->text_max : 0;
		double vector = 0;
		if (!isnan(c->vector) && g->vector_max > g->vector_min)
			vector = fmax(0, (c->vector - g->vector_min) / (g->vector_max - g->vector_min));
		c->fused = (1 - share) * text + share * vector;
	}
}

/* ---- rank ---- */

static int by_fused(const void *a, const void *b)
{
	const struct nx_candidate *x = a, *y = b;
	if (x->fused > y->fused)
		return -1;
	return x->fused < y->fused ? 1 : x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int by_score(const void *a, const void *b)
{
	const struct nx_candidate *x = a, *y = b;
	if (x->score > y->score)
		return -1;
	return x->score < y->score ? 1 : x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Sorts the candidates and renews the map. */
static void sort(struct fusion *f, int (*compare)(const void *, const void *))
{
	if (f->n)
		qsort(f->v, f->n, sizeof(*f->v), compare);
	for (size_t i = 0; i < f->n; i++)
		(void)nx_map_set(&f->by_slot, (uint64_t)f->v[i].slot + 1, (uint32_t)i);
}

struct restart {
	struct nx_subgraph *s;
	double *v;
	uint32_t cap;
};

static void put_restart(struct restart *r, uint32_t node, double weight)
{
	uint32_t i = node == NX_MAP_NONE ? NX_MAP_NONE : nx_subgraph_add(r->s, node);
	if (i != NX_MAP_NONE && i < r->cap)
		r->v[i] += weight;
}

static void restart_anchors(struct fusion *f, struct restart *r)
{
	for (size_t i = 0; i < f->n && i < ANCHORS; i++)
		put_restart(r, f->p->slots[f->v[i].slot].node, pow(f->v[i].fused, 3));
}

/* Passages that bear a title of the question; the first ones of each document. */
static void restart_title(struct fusion *f, struct restart *r, uint32_t title, double weight)
{
	const struct nx_title *t = &f->p->titles.v[title];
	uint32_t bearers[32], n = 0;
	struct nx_edge e;
	for (struct nx_edge_iter it = nx_graph_edges(&f->p->graph, t->node);
	     n < nx_countof(bearers) && nx_edge_next(&it, &e);) {
		const struct nx_node *node = &f->p->nodes[e.to];
		if (e.label == NX_EDGE_HAS_TITLE + NX_EDGE_BACK && nx_slot_alive(f->p, node->ref))
			bearers[n++] = e.to;
	}
	for (uint32_t i = 0; i < n; i++)
		put_restart(r, bearers[i], weight / n);
}

static int restart_titles(struct fusion *f, struct restart *r, struct nx_error **err)
{
	struct nx_form *forms;
	int e = nx_partition_forms(f->p, f->terms, f->nterms, f->a, &forms, err);
	if (e < 0)
		return e;
	for (size_t i = 0; i < f->nterms;) {
		struct nx_title_match m;
		if (nx_titles_match(&f->p->titles, forms, f->nterms, i, &m)) {
			restart_title(f, r, m.title, TITLE_WEIGHT);
			i += m.n;
		} else {
			i++;
		}
	}
	return 0;
}

static int restart_vector(struct fusion *f, struct nx_subgraph *s, double **ret, struct nx_error **err)
{
	struct restart r = {.s = s, .cap = s->max, .v = nx_arena_array(f->a, double, s->max)};
	if (!r.v)
		return no_memory(err);
	restart_anchors(f, &r);
	int e = restart_titles(f, &r, err);
	double sum = 0;
	for (uint32_t i = 0; i < s->n; i++)
		sum += r.v[i];
	for (uint32_t i = 0; i < s->n && sum > 0; i++)
		r.v[i] /= sum;
	*ret = r.v;
	return e;
}

static int rank(struct fusion *f, struct nx_subgraph *s, const struct range *g, struct nx_error **err)
{
	double *restart = NULL, *ranks = NULL;
	int r = restart_vector(f, s, &restart, err);
	if (r == 0)
		r = nx_subgraph_build(s, NX_SUBGRAPH_DEPTH, err);
	if (r == 0)
		r = nx_pagerank(&s->rows, restart, NX_PAGERANK_DAMPING, NX_PAGERANK_STEPS, f->a, &ranks, err);
	if (r < 0)
		return r;
	size_t known = f->n;
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t slot = nx_subgraph_slot(s, i);
		if (slot == NX_MAP_NONE || ranks[i] <= 0)
			continue;
		struct nx_candidate *c = add(f, slot);
		if (!c)
			return no_memory(err);
		c->rank = ranks[i];
	}
	if ((r = score(f, known, err)) < 0)
		return r;
	fuse_from(f, known, g);
	for (size_t i = 0; i < f->n; i++)
		f->v[i].score = f->v[i].rank + FUSED_WEIGHT * f->v[i].fused;
	return 0;
}

/* ---- cover ---- */

static bool is_asked(const struct fusion *f, nx_str root)
{
	for (uint32_t i = 0; i < f->nwords; i++)
		if (nx_str_eq(f->roots[i], root))
			return true;
	return false;
}

static void read_question(struct fusion *f)
{
	for (size_t i = 0; i < f->nterms && f->nwords < WORDS_MAX; i++) {
		const struct nx_term *t = &f->terms[i];
		if ((t->flags & NX_W_STOP) || is_asked(f, t->stem) ||
		    nx_text_df(&f->p->text, NX_TEXT_ROOT, t->stem) == 0)
			continue;
		f->roots[f->nwords] = t->stem;
		f->idf[f->nwords] = nx_text_idf(&f->p->text, nx_text_word_df(&f->p->text, t));
		f->idf_sum += f->idf[f->nwords++];
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Which of the question's words the candidates hold. */
static int read_masks(struct fusion *f, struct nx_error **err)
{
	uint32_t *slots = nx_arena_array(f->a, uint32_t, f->n + 1);
	uint64_t *masks = nx_arena_array(f->a, uint64_t, f->n + 1);
	f->masks = nx_arena_array(f->a, uint64_t, f->n + 1);
	if (!slots || !masks || !f->masks)
		return no_memory(err);
	for (size_t i = 0; i < f->n; i++)
		slots[i] = f->v[i].slot;
	if (f->n)
		qsort(slots, f->n, sizeof(*slots), by_number);
	int r = nx_text_masks(&f->p->text, f->roots, f->nwords, slots, f->n, f->a, masks, err);
	for (size_t i = 0; r == 0 && i < f->n; i++)
		f->masks[nx_map_get(&f->by_slot, (uint64_t)slots[i] + 1)] = masks[i];
	return r;
}

static double idf_share(const struct fusion *f, uint64_t mask)
{
	double sum = 0;
	for (uint32_t i = 0; i < f->nwords; i++)
		if (mask >> i & 1)
			sum += f->idf[i];
	return f->idf_sum > 0 ? sum / f->idf_sum : 0;
}

static void cover_neighbour(struct fusion *f, const struct nx_candidate *anchor, double best, uint32_t slot,
			    double weight)
{
	uint32_t i = nx_map_get(&f->by_slot, (uint64_t)slot + 1);
	if (i == NX_MAP_NONE || slot == anchor->slot)
		return;
	struct nx_candidate *c = &f->v[i];
	double similar = isnan(c->vector) ? 0 : c->vector;
	double fresh = idf_share(f, f->masks[i] & ~f->masks[anchor - f->v]);
	double value = anchor->score / best * weight * (fresh + COVER_COSINE * similar);
	if (value > c->cover || (c->from == NX_MAP_NONE && anchor->fused > c->fused)) {
		c->cover = fmax(c->cover, value);
		c->from = anchor->slot;
	}
}

static int cover(struct fusion *f, const struct nx_subgraph *s, struct nx_error **err)
{
	read_question(f);
	int r = read_masks(f, err);
	if (r < 0)
		return r;
	double best = f->n ? f->v[0].score : 0;
	for (size_t i = 0; i < f->n && i < COVER_ANCHORS && best > 0; i++) {
		uint32_t node = f->p->slots[f->v[i].slot].node;
		uint32_t at = node == NX_MAP_NONE ? NX_MAP_NONE : nx_map_get(&s->local, (uint64_t)node + 1);
		if (at >= s->n)
			continue;
		for (uint32_t e = s->rows.starts[at]; e < s->rows.starts[at + 1]; e++) {
			uint32_t slot = nx_subgraph_slot(s, s->rows.to[e]);
			if (slot != NX_MAP_NONE)
				cover_neighbour(f, &f->v[i], best, slot, fmin(1, (double)s->rows.weights[e]));
		}
	}
	for (size_t i = 0; i < f->n; i++)
		f->v[i].score += f->v[i].cover;
	return 0;
}

/* ---- all of it ---- */

static int run(struct fusion *f, struct nx_subgraph *s, struct nx_error **err)
{
	int r = pool_words(f, err);
	if (r == 0 && f->has_vectors)
		r = pool_vectors(f, err);
	if (r == 0)
		r = score(f, 0, err);
	if (r < 0)
		return r;
	struct range g = range_of(f);
	fuse_from(f, 0, &g);
	sort(f, by_fused);
	if ((r = rank(f, s, &g, err)) < 0)
		return r;
	sort(f, by_score);
	if ((r = cover(f, s, err)) < 0)
		return r;
	sort(f, by_score);
	return 0;
}

int nx_fuse(struct nx_search_run *r, const struct nx_term *t, size_t n, bool with_vectors, struct nx_candidate **ret,
	    size_t *ret_n, struct nx_error **err)
{
	struct fusion f = {.r = r, .p = r->p, .a = r->s->arena, .terms = t, .nterms = n, .vector_share = 0.5};
	struct nx_subgraph s;
	f.has_vectors = with_vectors && r->query_vector && r->p->vectors.n > 0;
	nx_subgraph_init(&s, r->p, f.a);
	int e = run(&f, &s, err);
	nx_subgraph_done(&s);
	nx_map_done(&f.by_slot);
	*ret = f.v;
	*ret_n = e == 0 ? f.n : 0;
	return e;
}
