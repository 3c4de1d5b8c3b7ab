#include "knowledge/postings.h"

#include "base/assert.h"

#include <math.h>

#define END UINT32_MAX

/* Sums are made in different orders; a bound must not fall below a score by that. */
#define ROUNDING (1 + 1e-9)

double nx_postings_idf(const struct nx_postings *p, uint32_t df)
{
	double n = p->npassages;
	return df ? log1p((fmax(n - df, 0) + 0.5) / (df + 0.5)) : 0;
}

/* ---- cursor ---- */

static uint32_t get_varint(const uint8_t **p)
{
	uint32_t v = 0;
	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = *(*p)++;
		v |= (uint32_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
}

static uint32_t block_count(const struct nx_posting_list *l, uint32_t block)
{
	return block + 1 < l->nblocks ? NX_POSTING_BLOCK : l->n - block * NX_POSTING_BLOCK;
}

static void decode(struct nx_posting_cursor *c)
{
	const struct nx_posting_list *l = c->list;
	const uint8_t *p = l->data + l->blocks[c->block].offset;
	uint32_t slot = c->block ? l->blocks[c->block - 1].last : 0;
	c->n = block_count(l, c->block);
	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t v = get_varint(&p);
		slot += v >> 1;
		c->slots[i] = slot;
		c->tfs[i] = v & 1 ? 1 : get_varint(&p);
	}
	c->at = 0;
	c->decoded = true;
}

void nx_posting_cursor_init(struct nx_posting_cursor *c, const struct nx_postings *p, uint32_t term)
{
	c->list = NULL;
	c->block = c->at = c->n = 0;
	c->slot = END;
	c->decoded = false;
	if (term >= p->nlists || p->lists[term].n == 0)
		return;
	c->list = &p->lists[term];
	if (!c->list->data) {
		c->n = 1;
		c->slots[0] = c->list->one.slot;
		c->tfs[0] = c->list->one.tf;
		c->decoded = true;
		c->slot = c->slots[0];
		return;
	}
	decode(c);
	c->slot = c->slots[0];
}

/* Moves to the block that may hold `slot`, without decoding it; false at the end. */
static bool seek_block(struct nx_posting_cursor *c, uint32_t slot)
{
	const struct nx_posting_list *l = c->list;
	uint32_t b = c->block, step = 1;
	if (l->blocks[b].last >= slot)
		return true;
	while (b + step < l->nblocks && l->blocks[b + step].last < slot) {
		b += step;
		step *= 2;
	}
	uint32_t hi = nx_min(b + step, l->nblocks);
	b++;
	while (b < hi) {
		uint32_t mid = b + (hi - b) / 2;
		if (l->blocks[mid].last < slot)
			b = mid + 1;
		else
			hi = mid;
	}
	if (b >= l->nblocks)
		return false;
	c->block = b;
	c->decoded = false;
	return true;
}

void nx_posting_cursor_seek(struct nx_posting_cursor *c, uint32_t slot)
{
	if (c->slot >= slot)
		return;
	if (!c->list->data || !seek_block(c, slot)) {
		c->slot = END;
		return;
	}
	if (!c->decoded)
		decode(c);
	while (c->at < c->n && c->slots[c->at] < slot)
		c->at++;
	nx_debug_assert(c->at < c->n);
	c->slot = c->slots[c->at];
}

/* ---- the best k, a heap whose top is the worst of them ---- */

struct best {
	struct nx_scored *v;
	size_t n, k;
};

/* Worse: lower score, or the same and a later slot. */
static bool is_worse(struct nx_scored a, struct nx_scored b)
{
	return a.score < b.score || (a.score == b.score && a.slot > b.slot);
}

static void sift_down(struct nx_scored *v, size_t n, size_t i)
{
	for (;;) {
		size_t worst = i;
		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
			if (is_worse(v[c], v[worst]))
				worst = c;
		if (worst == i)
			return;
		struct nx_scored t = v[i];
		v[i] = v[worst];
		v[worst] = t;
		i = worst;
	}
}

static void best_add(struct best *b, struct nx_scored s)
{
	if (b->n < b->k) {
		size_t i = b->n++;
		b->v[i] = s;
		while (i > 0 && is_worse(b->v[i], b->v[(i - 1) / 2])) {
			struct nx_scored t = b->v[i];
			b->v[i] = b->v[(i - 1) / 2];
			b->v[(i - 1) / 2] = t;
			i = (i - 1) / 2;
		}
	} else if (is_worse(b->v[0], s)) {
		b->v[0] = s;
		sift_down(b->v, b->n, 0);
	}
}

static double threshold(const struct best *b)
{
	return b->n < b->k ? -1 : b->v[0].score;
}

static int by_rank(const void *a, const void *b)
{
	const struct nx_scored *x = a, *y = b;
	return is_worse(*y, *x) ? -1 : is_worse(*x, *y);
}

/* ---- MaxScore ---- */

struct list {
	struct nx_posting_cursor c;
	double scale; /* weight · idf · (k1 + 1) */
	double most;  /* that a posting of the list can score */
};
struct search {
	const struct nx_postings *p;
	struct nx_bm25 *o;
	struct list **v; /* by `most`, least first */
	double *sums;    /* sums[i]: what the first i lists can score together */
	size_t n;
	double base, slope; /* k1·(1−b+b·len/avg) = base + slope·len */
	struct best best;
};

static double part(const struct search *s, const struct list *l, uint32_t tf, uint32_t length)
{
	return l->scale * tf / (tf + s->base + s->slope * length);
}

static double block_most(const struct search *s, const struct list *l, uint32_t block)
{
	const struct nx_posting_list *list = l->c.list;
	if (!list->data)
		return part(s, l, l->c.tfs[0], s->p->lengths[l->c.slots[0]]);
	return part(s, l, list->blocks[block].max_tf, list->blocks[block].min_length);
}

static double list_most(const struct search *s, const struct list *l)
{
	double most = 0;
	uint32_t n = nx_max(l->c.list->nblocks, UINT32_C(1));
	for (uint32_t i = 0; i < n; i++)
		most = fmax(most, block_most(s, l, i));
	return most * ROUNDING;
}

static int by_most(const void *a, const void *b)
{
	const struct list *x = *(struct list *const *)a, *y = *(struct list *const *)b;
	return x->most < y->most ? -1 : x->most > y->most;
}

static int search_init(struct search *s, const struct nx_query_term *q, size_t n, size_t k, struct nx_arena *a,
		       struct nx_error **err)
{
	double average = s->p->npassages ? (double)s->p->total_length / s->p->npassages : 1;
	s->base = s->o->k1 * (1 - s->o->b);
	s->slope = s->o->k1 * s->o->b / fmax(average, 1);
	s->v = nx_arena_array(a, struct list *, n + 1);
	s->sums = nx_arena_array(a, double, n + 1);
	s->best = (struct best){.v = nx_arena_array(a, struct nx_scored, k + 1), .k = k};
	if (!s->v || !s->sums || !s->best.v)
		return nx_error_set(err, NX_ENOMEM, "no memory for a search of %zu terms", n);
	for (size_t i = 0; i < n; i++) {
		uint32_t df = nx_postings_df(s->p, q[i].term);
		if (df == 0 || q[i].weight <= 0)
			continue;
		struct list *l = nx_arena_alloc(a, sizeof(*l));
		if (!l)
			return nx_error_set(err, NX_ENOMEM, "no memory for a search of %zu terms", n);
		nx_posting_cursor_init(&l->c, s->p, q[i].term);
		l->scale = q[i].weight * nx_postings_idf(s->p, df) * (s->o->k1 + 1);
		l->most = list_most(s, l);
		s->v[s->n++] = l;
	}
	qsort(s->v, s->n, sizeof(*s->v), by_most);
	for (size_t i = 0; i < s->n; i++)
		s->sums[i + 1] = s->sums[i] + s->v[i]->most;
	return 0;
}

/* Score of `slot`; stops when it can no longer beat `floor`. Lists below `essential` are sought, the others stand there. */
static double score_slot(struct search *s, uint32_t slot, size_t essential, double floor)
{
	double score = 0;
	uint32_t length = s->p->lengths[slot];
	s->o->scored++;
	for (size_t i = essential; i < s->n; i++) {
		struct list *l = s->v[i];
		if (l->c.slot == slot)
			score += part(s, l, nx_posting_cursor_tf(&l->c), length);
	}
	for (size_t i = essential; i-- > 0;) {
		struct list *l = s->v[i];
		if (!s->o->exhaustive && score + s->sums[i + 1] <= floor)
			return -1;
		if (l->c.slot < slot) {
			if (l->c.list->data && !s->o->exhaustive) {
				if (!seek_block(&l->c, slot)) {
					l->c.slot = END;
					continue;
				}
				if (score + s->sums[i] + block_most(s, l, l->c.block) <= floor)
					return -1;
			}
			nx_posting_cursor_seek(&l->c, slot);
		}
		if (l->c.slot == slot)
			score += part(s, l, nx_posting_cursor_tf(&l->c), length);
	}
	return score;
}

static uint32_t least_slot(const struct search *s, size_t essential)
{
	uint32_t slot = END;
	for (size_t i = essential; i < s->n; i++)
		slot = nx_min(slot, s->v[i]->c.slot);
	return slot;
}

/* What the essential lists' blocks that hold `slot` can score; *ret_until: the slot to which that holds. */
static double essential_most(struct search *s, size_t essential, uint32_t slot, uint32_t *ret_until)
{
	double most = 0;
	uint32_t until = END - 1;
	for (size_t i = essential; i < s->n; i++) {
		const struct list *l = s->v[i];
		if (l->c.slot == END)
			continue;
		if (l->c.slot > slot) {
			until = nx_min(until, l->c.slot - 1);
			continue;
		}
		most += block_most(s, l, l->c.block);
		if (l->c.list->data)
			until = nx_min(until, l->c.list->blocks[l->c.block].last);
		else
			until = nx_min(until, slot);
	}
	*ret_until = until;
	return most;
}

static void seek_essential(struct search *s, size_t essential, uint32_t slot)
{
	for (size_t i = essential; i < s->n; i++)
		nx_posting_cursor_seek(&s->v[i]->c, slot);
}

static void run(struct search *s)
{
	size_t essential = 0;
	for (;;) {
		double floor = threshold(&s->best);
		while (!s->o->exhaustive && essential < s->n && s->sums[essential + 1] <= floor)
			essential++;
		uint32_t slot = least_slot(s, essential);
		if (slot == END)
			return;
		uint32_t until;
		if (!s->o->exhaustive && floor >= 0 &&
		    essential_most(s, essential, slot, &until) + s->sums[essential] <= floor) {
			seek_essential(s, essential, until + 1);
			continue;
		}
		double score = score_slot(s, slot, essential, floor);
		if (score > floor && (!s->o->accept || s->o->accept(s->o->ctx, slot)))
			best_add(&s->best, (struct nx_scored){slot, score});
		seek_essential(s, essential, slot + 1);
	}
}

int nx_postings_search(const struct nx_postings *p, const struct nx_query_term *q, size_t n, size_t k,
		       struct nx_bm25 *o, struct nx_arena *a, struct nx_scored *ret, size_t *ret_n,
		       struct nx_error **err)
{
	struct search s = {.p = p, .o = o};
	*ret_n = 0;
	if (k == 0)
		return 0;
	int r = search_init(&s, q, n, k, a, err);
	if (r < 0)
		return r;
	run(&s);
	if (s.best.n)
		qsort(s.best.v, s.best.n, sizeof(*s.best.v), by_rank);
	memcpy(ret, s.best.v, s.best.n * sizeof(*ret));
	*ret_n = s.best.n;
	return 0;
}

void nx_postings_score(const struct nx_postings *p, const struct nx_query_term *q, size_t n, const struct nx_bm25 *o,
		       struct nx_scored *v, size_t nv)
{
	struct search s = {.p = p};
	double average = p->npassages ? (double)p->total_length / p->npassages : 1;
	s.base = o->k1 * (1 - o->b);
	s.slope = o->k1 * o->b / fmax(average, 1);
	for (size_t i = 0; i < nv; i++)
		v[i].score = 0;
	for (size_t i = 0; i < n; i++) {
		struct list l;
		uint32_t df = nx_postings_df(p, q[i].term);
		if (df == 0)
			continue;
		nx_posting_cursor_init(&l.c, p, q[i].term);
		l.scale = q[i].weight * nx_postings_idf(p, df) * (o->k1 + 1);
		for (size_t j = 0; j < nv; j++) {
			nx_posting_cursor_seek(&l.c, v[j].slot);
			if (l.c.slot == v[j].slot)
				v[j].score += part(&s, &l, nx_posting_cursor_tf(&l.c), p->lengths[v[j].slot]);
		}
	}
}
