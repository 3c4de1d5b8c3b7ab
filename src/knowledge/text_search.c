/* Searches of the text index: part by part, with one list of the best and one set of statistics. */
#include "knowledge/text_index_internal.h"

#include "base/assert.h"

#include <math.h>

#define END UINT32_MAX

/* Sums are made in different orders; a bound must not fall below a score by that. */
#define ROUNDING (1 + 1e-9)

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

static void sift_down(struct best *b, struct nx_scored s)
{
	size_t i = 0, c;
	while ((c = 2 * i + 1) < b->n) {
		c += c + 1 < b->n && is_worse(b->v[c + 1], b->v[c]);
		if (!is_worse(b->v[c], s))
			break;
		b->v[i] = b->v[c];
		i = c;
	}
	b->v[i] = s;
}

static void best_add(struct best *b, struct nx_scored s)
{
	if (b->n == b->k) {
		if (is_worse(b->v[0], s))
			sift_down(b, s);
		return;
	}
	size_t i = b->n++;
	for (; i > 0 && is_worse(s, b->v[(i - 1) / 2]); i = (i - 1) / 2)
		b->v[i] = b->v[(i - 1) / 2];
	b->v[i] = s;
}

static int by_rank(const void *a, const void *b)
{
	const struct nx_scored *x = a, *y = b;
	return is_worse(*y, *x) ? -1 : is_worse(*x, *y);
}

/* ---- what is asked, in strings, with what it weighs in the whole index ---- */

struct wanted {
	enum nx_text_term kind;
	nx_str string;
	double scale; /* weight · idf · (k1 + 1) */
};
struct question {
	const struct nx_text_index *x;
	struct wanted *v;
	size_t n;
	double base, slope; /* k1·(1−b+b·len/avg) = base + slope·len */
};

static bool want(struct question *q, enum nx_text_term kind, nx_str string, double weight)
{
	for (size_t i = 0; i < q->n; i++) {
		if (q->v[i].kind == kind && nx_str_eq(q->v[i].string, string)) {
			q->v[i].scale += weight;
			return true;
		}
	}
	q->v[q->n++] = (struct wanted){kind, string, weight};
	return true;
}

static bool want_gram(void *ctx, nx_str part)
{
	return want(ctx, NX_TEXT_GRAM, part, 1);
}

static void weigh(struct question *q, const struct nx_text_query *o)
{
	double passages = 0, length = 0;
	for (uint32_t i = 0; i < q->x->nparts; i++) {
		const struct nx_text_part *p = &q->x->parts[i];
		passages += p->n;
		length += (double)(p->segment ? p->segment->total_length : p->tail->postings.total_length);
	}
	q->base = o->k1 * (1 - o->b);
	q->slope = o->k1 * o->b / fmax(passages > 0 ? length / passages : 1, 1);
	for (size_t i = 0; i < q->n; i++)
		q->v[i].scale *= nx_text_idf(q->x, nx_text_df(q->x, q->v[i].kind, q->v[i].string)) * (o->k1 + 1);
}

static int read_question(const struct nx_text_index *x, const struct nx_term *t, size_t n,
			 const struct nx_text_query *o, struct nx_arena *a, struct question *ret, struct nx_error **err)
{
	size_t most = 0;
	for (size_t i = 0; i < n; i++)
		most += 2 + t[i].stem.n;
	*ret = (struct question){.x = x, .v = nx_arena_array(a, struct wanted, most + 1)};
	if (!ret->v)
		return nx_error_set(err, NX_ENOMEM, "no memory for a query of %zu words", n);
	for (size_t i = 0; i < n; i++) {
		if (t[i].flags & NX_W_STOP)
			continue;
		(void)want(ret, NX_TEXT_SURFACE, t[i].surface, NX_TEXT_SURFACE_WEIGHT);
		if (t[i].flags & NX_W_ARABIC)
			(void)nx_stem_parts(t[i].stem, true, want_gram, ret);
		else
			(void)want(ret, NX_TEXT_ROOT, t[i].stem, 1);
	}
	weigh(ret, o);
	return 0;
}

/* ---- lists of one part ---- */

struct list {
	struct nx_text_cursor c;
	uint32_t term;
	double own;  /* scale of the term itself */
	size_t root; /* whose frequency it adds to; nroots: none */
	double most; /* that a posting of the list can score */
};
struct search {
	const struct question *q;
	struct nx_text_query *o;
	const struct nx_text_part *part;
	struct list **v; /* by `most`, least first */
	double *sums;    /* sums[i]: what the first i lists can score together */
	size_t n;
	double *roots; /* scales */
	uint32_t *tfs; /* of the roots in the passage at hand */
	size_t nroots;
	struct best *best;
};

static uint32_t doc_of(const struct list *l)
{
	return nx_text_cursor_doc(&l->c);
}

static uint32_t length_of(const struct nx_text_part *p, uint32_t doc)
{
	return p->segment ? p->segment->lengths[doc] : p->tail->postings.lengths[doc];
}

static double saturation(const struct question *q, uint32_t tf, uint32_t length)
{
	return tf / (tf + q->base + q->slope * length);
}

static double scale_of(const struct search *s, const struct list *l)
{
	return l->own + (l->root < s->nroots ? s->roots[l->root] : 0);
}

/* The most that a posting of block b can score; *ret_last is the block's last doc. */
static double block_most(const struct search *s, const struct list *l, uint32_t b, uint32_t *ret_last)
{
	const struct nx_posting_list *tail = l->c.tail.list;
	uint32_t tf = 1, length;
	if (l->c.is_tail && tail->data) {
		tf = tail->blocks[b].max_tf;
		length = tail->blocks[b].min_length;
		*ret_last = tail->blocks[b].last;
	} else if (!l->c.is_tail && l->c.segment.nblocks) {
		const struct nx_segment_block *block = nx_segment_cursor_block(&l->c.segment, b);
		tf = block->max_tf == UINT16_MAX ? UINT32_MAX : block->max_tf;
		length = block->min_length;
		*ret_last = block->last;
	} else {
		*ret_last = doc_of(l);
		tf = l->c.is_tail ? l->c.tail.tfs[0] : 1;
		length = length_of(s->part, l->c.is_tail ? l->c.tail.slots[0] : l->c.segment.one.doc);
	}
	return scale_of(s, l) * saturation(s->q, tf, length);
}

static double list_most(const struct search *s, const struct list *l)
{
	uint32_t n = l->c.is_tail ? l->c.tail.list->nblocks : l->c.segment.nblocks, last;
	double most = 0;
	for (uint32_t b = 0; b < nx_max(n, UINT32_C(1)); b++)
		most = fmax(most, block_most(s, l, b, &last));
	return most * ROUNDING;
}

/* Moves to the block that may hold `doc` and gives the most it can score; false when the list is over. */
static bool skip(const struct search *s, struct list *l, uint32_t doc, double *ret_most)
{
	uint32_t last;
	if (l->c.is_tail ? !nx_posting_cursor_skip(&l->c.tail, doc) : !nx_segment_cursor_skip(&l->c.segment, doc))
		return false;
	*ret_most = block_most(s, l, l->c.is_tail ? l->c.tail.block : l->c.segment.block, &last);
	return true;
}

static int no_memory(const struct question *q, struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory for a search of %zu terms", q->n);
}

static struct list *find_list(const struct search *s, uint32_t term)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i]->term == term)
			return s->v[i];
	return NULL;
}

/* The list of a term, once; NULL in *ret when nothing is in it. False when out of memory. */
static bool open_list(struct search *s, uint32_t term, struct nx_arena *a, struct list **ret)
{
	*ret = term && nx_text_part_postings(s->part, term) ? find_list(s, term) : NULL;
	if (*ret || !term || !nx_text_part_postings(s->part, term))
		return true;
	struct list *l = nx_arena_alloc(a, sizeof(*l));
	if (!l)
		return false;
	l->term = term;
	l->own = 0;
	l->root = SIZE_MAX;
	nx_text_cursor_init(&l->c, s->part, term);
	s->v[s->n++] = l;
	*ret = l;
	return true;
}

struct opening {
	struct search *s;
	struct nx_arena *a;
};

static bool open_form(void *ctx, uint32_t form)
{
	struct opening *o = ctx;
	struct list *l;
	if (nx_text_part_is_stop(o->s->part, form))
		return true;
	if (!open_list(o->s, form, o->a, &l))
		return false;
	if (l)
		l->root = o->s->nroots;
	return true;
}

static bool open_root(struct search *s, uint32_t root, double scale, struct nx_arena *a)
{
	struct opening o = {s, a};
	s->roots[s->nroots] = scale;
	bool ok = nx_text_part_forms(s->part, root, open_form, &o);
	s->nroots++;
	return ok;
}

static size_t count_forms(const struct nx_text_part *p, uint32_t root)
{
	uint32_t n = p->tail ? p->tail->terms[root].nforms : 0;
	if (p->segment)
		(void)nx_segment_forms(p->segment, root, &n);
	return n;
}

static size_t count_lists(const struct search *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->q->n; i++) {
		uint32_t term = nx_text_part_find(s->part, s->q->v[i].kind, s->q->v[i].string);
		n += term && s->q->v[i].kind == NX_TEXT_ROOT ? count_forms(s->part, term) : 1;
	}
	return n;
}

static int by_most(const void *a, const void *b)
{
	const struct list *x = *(struct list *const *)a, *y = *(struct list *const *)b;
	return x->most < y->most ? -1 : x->most > y->most;
}

static int open_lists(struct search *s, struct nx_arena *a, struct nx_error **err)
{
	size_t most = count_lists(s);
	s->v = nx_arena_array(a, struct list *, most + 1);
	s->sums = nx_arena_array(a, double, most + 1);
	s->roots = nx_arena_array(a, double, s->q->n + 1);
	s->tfs = nx_arena_array(a, uint32_t, s->q->n + 1);
	if (!s->v || !s->sums || !s->roots || !s->tfs)
		return no_memory(s->q, err);
	for (size_t i = 0; i < s->q->n; i++) {
		const struct wanted *w = &s->q->v[i];
		uint32_t term = nx_text_part_find(s->part, w->kind, w->string);
		struct list *l = NULL;
		if (term && !(w->kind == NX_TEXT_ROOT ? open_root(s, term, w->scale, a) : open_list(s, term, a, &l)))
			return no_memory(s->q, err);
		if (l)
			l->own += w->scale;
	}
	for (size_t i = 0; i < s->n; i++)
		s->v[i]->most = list_most(s, s->v[i]);
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_most);
	for (size_t i = 0; i < s->n; i++)
		s->sums[i + 1] = s->sums[i] + s->v[i]->most;
	return 0;
}

/* ---- MaxScore ---- */

static double add_part(struct search *s, struct list *l, uint32_t length)
{
	uint32_t tf = nx_text_cursor_tf(&l->c);
	double score = l->own > 0 ? l->own * saturation(s->q, tf, length) : 0;
	if (l->root >= s->nroots)
		return score;
	uint32_t before = s->tfs[l->root];
	s->tfs[l->root] += tf;
	score += s->roots[l->root] * saturation(s->q, before + tf, length);
	return before ? score - s->roots[l->root] * saturation(s->q, before, length) : score;
}

/* Score of `doc`; stops when it can no longer beat `floor`. Lists below `essential` are sought, the others stand there. */
static double score_doc(struct search *s, uint32_t doc, size_t essential, double floor)
{
	double score = 0;
	uint32_t length = length_of(s->part, doc);
	s->o->scored++;
	if (s->nroots)
		memset(s->tfs, 0, s->nroots * sizeof(*s->tfs));
	for (size_t i = essential; i < s->n; i++)
		if (doc_of(s->v[i]) == doc)
			score += add_part(s, s->v[i], length);
	for (size_t i = essential; i-- > 0;) {
		struct list *l = s->v[i];
		double most;
		if (!s->o->exhaustive && score + s->sums[i + 1] <= floor)
			return -1;
		if (doc_of(l) < doc) {
			if (!s->o->exhaustive && skip(s, l, doc, &most) &&
			    score + s->sums[i] + most * ROUNDING <= floor)
				return -1;
			nx_text_cursor_seek(&l->c, doc);
		}
		if (doc_of(l) == doc)
			score += add_part(s, l, length);
	}
	return score;
}

static uint32_t least_doc(const struct search *s, size_t essential)
{
	uint32_t doc = END;
	for (size_t i = essential; i < s->n; i++)
		doc = nx_min(doc, doc_of(s->v[i]));
	return doc;
}

/* What the essential lists' blocks that hold `doc` can score; *ret_until: the doc to which that holds. */
static double essential_most(const struct search *s, size_t essential, uint32_t doc, uint32_t *ret_until)
{
	double most = 0;
	uint32_t until = END - 1;
	for (size_t i = essential; i < s->n; i++) {
		const struct list *l = s->v[i];
		uint32_t at = doc_of(l), last;
		if (at == END)
			continue;
		if (at > doc) {
			until = nx_min(until, at - 1);
			continue;
		}
		most += block_most(s, l, l->c.is_tail ? l->c.tail.block : l->c.segment.block, &last);
		until = nx_min(until, last);
	}
	*ret_until = until;
	return most * ROUNDING;
}

static void seek_essential(struct search *s, size_t essential, uint32_t doc)
{
	for (size_t i = essential; i < s->n; i++)
		nx_text_cursor_seek(&s->v[i]->c, doc);
}

static void offer(struct search *s, uint32_t doc, double score)
{
	uint32_t slot = s->part->slots[doc];
	if (slot != END && (!s->o->accept || s->o->accept(s->o->ctx, slot)))
		best_add(s->best, (struct nx_scored){slot, score});
}

static void run(struct search *s)
{
	size_t essential = 0;
	for (;;) {
		double floor = s->best->n < s->best->k ? -1 : s->best->v[0].score;
		while (!s->o->exhaustive && essential < s->n && s->sums[essential + 1] <= floor)
			essential++;
		uint32_t doc = least_doc(s, essential), until;
		if (doc == END)
			return;
		if (!s->o->exhaustive && floor >= 0 &&
		    essential_most(s, essential, doc, &until) + s->sums[essential] <= floor) {
			seek_essential(s, essential, until + 1);
			continue;
		}
		double score = score_doc(s, doc, essential, floor);
		if (score > floor)
			offer(s, doc, score);
		seek_essential(s, essential, doc + 1);
	}
}

int nx_text_search(const struct nx_text_index *x, const struct nx_term *t, size_t n, size_t k, struct nx_text_query *o,
		   struct nx_arena *a, struct nx_scored *ret, size_t *ret_n, struct nx_error **err)
{
	struct question q;
	struct best best = {.v = ret, .k = k};
	*ret_n = 0;
	if (k == 0)
		return 0;
	int r = read_question(x, t, n, o, a, &q, err);
	for (uint32_t i = 0; r == 0 && i < x->nparts; i++) {
		struct search s = {.q = &q, .o = o, .part = &x->parts[i], .best = &best};
		r = open_lists(&s, a, err);
		if (r == 0)
			run(&s);
	}
	if (r < 0)
		return r;
	if (best.n)
		qsort(best.v, best.n, sizeof(*best.v), by_rank);
	*ret_n = best.n;
	return 0;
}

/* ---- given passages ---- */

static void score_here(struct search *s, struct nx_scored *v, size_t nv)
{
	const struct nx_text_index *x = s->q->x;
	for (size_t i = 0; i < nv; i++) {
		struct nx_text_place at = v[i].slot < x->nplaces ? x->places[v[i].slot] : (struct nx_text_place){0};
		if (at.serial != s->part->serial)
			continue;
		seek_essential(s, 0, at.doc);
		v[i].score = score_doc(s, at.doc, 0, -1);
	}
}

int nx_text_score(const struct nx_text_index *x, const struct nx_term *t, size_t n, const struct nx_text_query *o,
		  struct nx_arena *a, struct nx_scored *v, size_t nv, struct nx_error **err)
{
	struct question q;
	struct nx_text_query here = *o;
	int r = read_question(x, t, n, o, a, &q, err);
	for (size_t i = 0; i < nv; i++)
		v[i].score = 0;
	for (uint32_t i = 0; r == 0 && i < x->nparts; i++) {
		struct search s = {.q = &q, .o = &here, .part = &x->parts[i]};
		r = open_lists(&s, a, err);
		if (r == 0)
			score_here(&s, v, nv);
	}
	return r;
}
