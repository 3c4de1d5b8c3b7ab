#include "knowledge/fuse_internal.h"

#include <math.h>

#define ROUNDS 2
#define ANCHORS 8
#define LATER 0.7 /* what a later round finds is further from the question */
#define COSINE_WEIGHT 0.8
#define RELATION_WEIGHT 0.4

struct anchor {
	uint32_t slot, from;
	double strength, fused;
	uint64_t words; /* of the question, that it or what led to it holds */
	struct nx_leads leads;
};

static size_t choose(const struct nx_fusion *f, int round, struct anchor *ret)
{
	size_t n = 0;
	double best = f->n ? f->v[0].score : 0;
	for (; n < f->n && n < ANCHORS && best > 0 && f->v[n].score > 0; n++) {
		const struct nx_candidate *c = &f->v[n];
		ret[n] = (struct anchor){.slot = c->slot,
					 .from = c->from,
					 .fused = c->fused,
					 .strength = c->score / best * (round ? LATER : 1),
					 .words = c->words | c->way};
	}
	return n;
}

/* What is led to joins the candidates, whatever the question's words and vector say of it. */
static int add_found(struct nx_fusion *f, const struct anchor *v, size_t n, struct nx_error **err)
{
	size_t known = f->n;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < v[i].leads.n; j++)
			if (!nx_fusion_add(f, v[i].leads.v[j].slot))
				return nx_fusion_no_memory(err);
	int e = nx_fusion_score(f, known, err);
	for (size_t i = known; e == 0 && i < f->n; i++)
		f->v[i].score = NX_FUSED_WEIGHT * f->v[i].fused;
	return e;
}

/* The way to a passage is that of its best lead; one that adds nothing still explains what only the graph has found. */
static void explain(struct nx_candidate *c, const struct anchor *a)
{
	c->from = a->slot;
	c->before = a->from == c->slot ? NX_MAP_NONE : a->from;
}

static void give(struct nx_fusion *f, const struct anchor *a, const struct nx_lead *l)
{
	struct nx_candidate *c = &f->v[nx_map_get(&f->by_slot, (uint64_t)l->slot + 1)];
	double similar = isnan(c->vector) ? 0 : c->vector;
	double fresh = nx_fusion_idf_share(f, c->words & ~a->words);
	double value = a->strength * (double)l->weight *
		       (fresh + COSINE_WEIGHT * similar + RELATION_WEIGHT * (double)l->relation);
	if (value > c->cover) {
		c->score += value - c->cover;
		c->cover = value;
		c->way = c->words | a->words;
		explain(c, a);
	} else if (c->from == NX_MAP_NONE && a->fused > c->fused) {
		explain(c, a);
	}
}

static int hop(struct nx_fusion *f, int round, struct nx_stemmer *s, struct nx_error **err)
{
	struct anchor v[ANCHORS];
	size_t n = choose(f, round, v);
	int e = 0;
	for (size_t i = 0; e == 0 && i < n; i++)
		e = nx_leads_read(f, s, v[i].slot, &v[i].leads, err);
	if (e == 0)
		e = add_found(f, v, n, err);
	for (size_t i = 0; e == 0 && i < n; i++)
		for (size_t j = 0; j < v[i].leads.n; j++)
			give(f, &v[i], &v[i].leads.v[j]);
	return e;
}

int nx_fusion_hop(struct nx_fusion *f, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	int e = s ? 0 : nx_fusion_no_memory(err);
	for (int round = 0; e == 0 && round < ROUNDS; round++) {
		e = hop(f, round, s, err);
		nx_fusion_sort(f);
	}
	return e;
}
