#include "knowledge/fuse_internal.h"

#include "knowledge/subgraph.h"

#include <math.h>

#define POOL 100 /* best of each kind that are fused */
#define ANCHORS 10
#define TITLE_WEIGHT 2.0
#define NAMED_WEIGHT 0.4
#define SAID_MAX 10000 /* a title that is said more often is as good as said everywhere */

int nx_fusion_no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory to rank passages");
}

struct nx_candidate *nx_fusion_add(struct nx_fusion *f, uint32_t slot)
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
	f->v[f->n] = (struct nx_candidate){.slot = slot, .vector = NAN, .from = NX_MAP_NONE, .before = NX_MAP_NONE};
	return &f->v[f->n++];
}

/* ---- fused ---- */

static bool is_alive(void *ctx, uint32_t slot)
{
	return nx_slot_alive(ctx, slot);
}

static int pool_vectors(struct nx_fusion *f, struct nx_error **err)
{
	struct nx_scored *best = nx_arena_array(f->a, struct nx_scored, POOL + 1);
	size_t n;
	if (!best)
		return nx_fusion_no_memory(err);
	int r = nx_hnsw_query(&f->p->vectors, f->r->query_vector, f->a, &f->q, err);
	if (r == 0)
		r = nx_hnsw_search((struct nx_hnsw *)&f->p->vectors, &f->q, POOL, 2 * POOL, is_alive, (void *)f->p,
				   best, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!nx_fusion_add(f, best[i].slot))
			r = nx_fusion_no_memory(err);
	return r;
}

static int pool_words(struct nx_fusion *f, struct nx_error **err)
{
	struct nx_scored *best;
	size_t n;
	int r = nx_search_best_text(f->r, f->asked.terms, f->asked.nterms, POOL, &best, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!nx_fusion_add(f, best[i].slot))
			r = nx_fusion_no_memory(err);
	return r;
}

static double cosine(const struct nx_fusion *f, uint32_t slot)
{
	uint32_t v = f->p->slots[slot].vector;
	if (!f->has_vectors || v == NX_HNSW_NONE)
		return NAN;
	return (double)nx_hnsw_query_cosine(&f->p->vectors, &f->q, v);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* The slots of the candidates from `from` on, in order. */
static uint32_t *slots_from(const struct nx_fusion *f, size_t from)
{
	uint32_t *slots = nx_arena_array(f->a, uint32_t, f->n - from + 1);
	for (size_t i = from; slots && i < f->n; i++)
		slots[i - from] = f->v[i].slot;
	if (slots && f->n > from)
		qsort(slots, f->n - from, sizeof(*slots), by_number);
	return slots;
}

static struct nx_candidate *candidate_of(struct nx_fusion *f, uint32_t slot)
{
	return &f->v[nx_map_get(&f->by_slot, (uint64_t)slot + 1)];
}

static int score_words(struct nx_fusion *f, const uint32_t *slots, size_t n, struct nx_error **err)
{
	struct nx_text_query q = {.k1 = NX_BM25_K1, .b = NX_BM25_B};
	struct nx_scored *s = nx_arena_array(f->a, struct nx_scored, n + 1);
	uint64_t *words = nx_arena_array(f->a, uint64_t, n + 1);
	if (!s || !words)
		return nx_fusion_no_memory(err);
	for (size_t i = 0; i < n; i++)
		s[i].slot = slots[i];
	int r = nx_text_score(&f->p->text, f->asked.terms, f->asked.nterms, &q, f->a, s, n, err);
	if (r == 0)
		r = nx_text_masks(&f->p->text, f->roots, f->nwords, slots, n, f->a, words, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct nx_candidate *c = candidate_of(f, slots[i]);
		c->text = s[i].score;
		c->words = words[i];
	}
	return r;
}

static void set_range(struct nx_fusion *f)
{
	f->text_max = 0;
	f->vector_min = INFINITY;
	f->vector_max = -INFINITY;
	for (size_t i = 0; i < f->n; i++) {
		f->text_max = fmax(f->text_max, f->v[i].text);
		if (isnan(f->v[i].vector))
			continue;
		f->vector_min = fmin(f->vector_min, f->v[i].vector);
		f->vector_max = fmax(f->vector_max, f->v[i].vector);
	}
}

static void fuse_from(struct nx_fusion *f, size_t from)
{
	double share = f->has_vectors ? f->vector_share : 0;
	for (size_t i = from; i < f->n; i++) {
		struct nx_candidate *c = &f->v[i];
		double text = f->text_max > 0 ? c->text / f->text_max : 0;
		double vector = 0;
		if (!isnan(c->vector) && f->vector_max > f->vector_min)
			vector = fmax(0, (c->vector - f->vector_min) / (f->vector_max - f->vector_min));
		c->fused = (1 - share) * text + share * vector;
	}
}

int nx_fusion_score(struct nx_fusion *f, size_t from, struct nx_error **err)
{
	uint32_t *slots = slots_from(f, from);
	if (!slots)
		return nx_fusion_no_memory(err);
	int r = score_words(f, slots, f->n - from, err);
	if (r < 0)
		return r;
	for (size_t i = from; i < f->n; i++)
		f->v[i].vector = cosine(f, f->v[i].slot);
	if (from == 0)
		set_range(f);
	fuse_from(f, from);
	return 0;
}

/* ---- the question's words ---- */

static bool is_asked(const struct nx_fusion *f, nx_str root)
{
	for (uint32_t i = 0; i < f->nwords; i++)
		if (nx_str_eq(f->roots[i], root))
			return true;
	return false;
}

static void read_words(struct nx_fusion *f)
{
	for (size_t i = 0; i < f->asked.nterms && f->nwords < NX_QUESTION_WORDS_MAX; i++) {
		const struct nx_term *t = &f->asked.terms[i];
		if ((t->flags & NX_W_STOP) || is_asked(f, t->stem) ||
		    nx_text_df(&f->p->text, NX_TEXT_ROOT, t->stem) == 0)
			continue;
		f->roots[f->nwords] = t->stem;
		f->idf[f->nwords] = nx_text_idf(&f->p->text, nx_text_word_df(&f->p->text, t));
		f->idf_sum += f->idf[f->nwords++];
	}
}

double nx_fusion_idf_share(const struct nx_fusion *f, uint64_t words)
{
	double sum = 0;
	for (uint32_t i = 0; i < f->nwords; i++)
		if (words >> i & 1)
			sum += f->idf[i];
	return f->idf_sum > 0 ? sum / f->idf_sum : 0;
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

/* Renews the map, too. */
static void sort(struct nx_fusion *f, int (*compare)(const void *, const void *))
{
	if (f->n)
		qsort(f->v, f->n, sizeof(*f->v), compare);
	for (size_t i = 0; i < f->n; i++)
		(void)nx_map_set(&f->by_slot, (uint64_t)f->v[i].slot + 1, (uint32_t)i);
}

void nx_fusion_sort(struct nx_fusion *f)
{
	sort(f, by_score);
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

static void restart_anchors(struct nx_fusion *f, struct restart *r)
{
	for (size_t i = 0; i < f->n && i < ANCHORS; i++)
		put_restart(r, f->p->slots[f->v[i].slot].node, pow(f->v[i].fused, 3));
}

static void restart_named(struct nx_fusion *f, struct restart *r)
{
	for (size_t i = 0; i < f->asked.nlinks; i++) {
		const struct nx_asked_link *l = &f->asked.links[i];
		for (uint32_t j = 0; j < l->nslots; j++)
			put_restart(r, f->p->slots[l->slots[j]].node, TITLE_WEIGHT * l->weight / l->nslots);
	}
}

static int restart_vector(struct nx_fusion *f, struct nx_subgraph *s, double **ret, struct nx_error **err)
{
	struct restart r = {.s = s, .cap = s->max, .v = nx_arena_array(f->a, double, s->max)};
	if (!r.v)
		return nx_fusion_no_memory(err);
	restart_anchors(f, &r);
	restart_named(f, &r);
	double sum = 0;
	for (uint32_t i = 0; i < s->n; i++)
		sum += r.v[i];
	for (uint32_t i = 0; i < s->n && sum > 0; i++)
		r.v[i] /= sum;
	*ret = r.v;
	return 0;
}

static int rank(struct nx_fusion *f, struct nx_subgraph *s, struct nx_error **err)
{
	double *restart = NULL, *ranks = NULL;
	int r = restart_vector(f, s, &restart, err);
	if (r == 0)
		r = nx_subgraph_build(s, NX_SUBGRAPH_DEPTH, err);
	if (r == 0)
		r = nx_pagerank(&s->rows, restart, NX_PAGERANK_DAMPING, NX_PAGERANK_STEPS, f->a, &ranks, err);
	if (r < 0 || !ranks)
		return r;
	size_t known = f->n;
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t slot = nx_subgraph_slot(s, i);
		if (slot == NX_MAP_NONE || ranks[i] <= 0)
			continue;
		struct nx_candidate *c = nx_fusion_add(f, slot);
		if (!c)
			return nx_fusion_no_memory(err);
		c->rank = ranks[i];
	}
	if ((r = nx_fusion_score(f, known, err)) < 0)
		return r;
	for (size_t i = 0; i < f->n; i++)
		f->v[i].score = f->v[i].rank + NX_FUSED_WEIGHT * f->v[i].fused;
	return 0;
}

/* ---- named ---- */

/* 1 for a title that no passage says, 0 for one that all do. */
static double rarity(const struct nx_fusion *f, uint32_t title)
{
	uint32_t said = 0;
	struct nx_edge e;
	struct nx_edge_iter it = nx_graph_edges(&f->p->graph, f->p->titles.v[title].node);
	while (said < SAID_MAX && nx_edge_next(&it, &e))
		said += e.label == NX_EDGE_SAYS_TITLE + NX_EDGE_BACK && nx_slot_alive(f->p, f->p->nodes[e.to].ref);
	double all = log((double)f->p->nalive + 1);
	return all > 0 ? fmax(0, 1 - log((double)said + 1) / all) : 0;
}

/* The best of each document's passages: they stand side by side. */
static void raise_best(struct nx_fusion *f, const struct nx_asked_link *l, double by)
{
	struct nx_candidate *best = NULL;
	for (uint32_t i = 0; i < l->nslots; i++) {
		uint32_t at = nx_map_get(&f->by_slot, (uint64_t)l->slots[i] + 1);
		struct nx_candidate *c = at == NX_MAP_NONE ? NULL : &f->v[at];
		if (c && (!best || c->fused > best->fused))
			best = c;
		bool is_last = i + 1 == l->nslots || f->p->slots[l->slots[i]].doc != f->p->slots[l->slots[i + 1]].doc;
		if (is_last && best)
			best->score += by;
		best = is_last ? NULL : best;
	}
}

static void raise_named(struct nx_fusion *f)
{
	for (size_t i = 0; i < f->asked.nlinks; i++) {
		const struct nx_asked_link *l = &f->asked.links[i];
		raise_best(f, l, NAMED_WEIGHT * l->weight * rarity(f, l->title) / l->ndocs);
	}
}

/* ---- all of it ---- */

static int run(struct nx_fusion *f, struct nx_subgraph *s, struct nx_error **err)
{
	read_words(f);
	int r = pool_words(f, err);
	if (r == 0 && f->has_vectors)
		r = pool_vectors(f, err);
	if (r == 0)
		r = nx_fusion_score(f, 0, err);
	if (r < 0)
		return r;
	sort(f, by_fused);
	if ((r = rank(f, s, err)) < 0)
		return r;
	raise_named(f);
	nx_fusion_sort(f);
	return nx_fusion_hop(f, err);
}

int nx_fuse(struct nx_search_run *r, const struct nx_term *t, size_t n, bool with_vectors, struct nx_candidate **ret,
	    size_t *ret_n, struct nx_error **err)
{
	struct nx_fusion f = {.r = r, .p = r->p, .a = r->s->arena, .vector_share = 0.5};
	struct nx_subgraph s;
	f.has_vectors = with_vectors && r->query_vector && r->p->vectors.n > 0;
	nx_subgraph_init(&s, r->p, f.a);
	int e = nx_asked_read(r->p, t, n, f.a, &f.asked, err);
	if (e == 0)
		e = run(&f, &s, err);
	nx_subgraph_done(&s);
	nx_map_done(&f.by_slot);
	*ret = f.v;
	*ret_n = e == 0 ? f.n : 0;
	return e;
}
