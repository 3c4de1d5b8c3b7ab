#include "knowledge/hnsw_internal.h"

#include "base/assert.h"

typedef struct nx_hnsw_near near_t;

/* ---- heaps: `sign` 1 keeps the most similar on top, -1 the least ---- */

static bool above(near_t a, near_t b, int sign)
{
	if (a.similarity < b.similarity || a.similarity > b.similarity)
		return sign > 0 ? a.similarity > b.similarity : a.similarity < b.similarity;
	return sign > 0 ? a.index < b.index : a.index > b.index;
}

static bool heap_push(near_t **v, size_t *n, size_t *cap, near_t x, int sign)
{
	if (*n == *cap) {
		size_t more = *cap ? 2 * *cap : 128;
		near_t *p = realloc(*v, more * sizeof(*p));
		if (!p)
			return false;
		*v = p;
		*cap = more;
	}
	size_t i = (*n)++;
	while (i > 0 && above(x, (*v)[(i - 1) / 2], sign)) {
		(*v)[i] = (*v)[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	(*v)[i] = x;
	return true;
}

static near_t heap_pop(near_t *v, size_t *n, int sign)
{
	near_t top = v[0], x = v[--*n];
	size_t i = 0;
	for (;;) {
		size_t c = 2 * i + 1;
		if (c >= *n)
			break;
		if (c + 1 < *n && above(v[c + 1], v[c], sign))
			c++;
		if (!above(v[c], x, sign))
			break;
		v[i] = v[c];
		i = c;
	}
	v[i] = x;
	return top;
}

/* ---- walks ---- */

uint32_t nx_hnsw_descend(const struct nx_hnsw *h, const int8_t *q, float scale, uint32_t entry, int level)
{
	float best = nx_hnsw_similarity(h, q, scale, entry);
	for (bool moved = true; moved;) {
		const uint32_t *l = nx_hnsw_links(h, entry, level);
		moved = false;
		for (uint32_t i = 1; i <= l[0]; i++) {
			float s = nx_hnsw_similarity(h, q, scale, l[i]);
			if (s > best) {
				best = s;
				entry = l[i];
				moved = true;
			}
		}
	}
	return entry;
}

static bool visit(struct nx_hnsw_scratch *s, uint32_t index)
{
	if (s->seen[index] == s->epoch)
		return false;
	s->seen[index] = s->epoch;
	return true;
}

static bool consider(struct nx_hnsw_scratch *s, near_t x, size_t ef)
{
	if (s->nresults >= ef && !above(x, s->results[0], 1))
		return true;
	if (!heap_push(&s->candidates, &s->ncandidates, &s->candidates_cap, x, 1) ||
	    !heap_push(&s->results, &s->nresults, &s->results_cap, x, -1))
		return false;
	if (s->nresults > ef)
		(void)heap_pop(s->results, &s->nresults, -1);
	return true;
}

static void next_epoch(struct nx_hnsw_scratch *s)
{
	if (++s->epoch == 0) {
		memset(s->seen, 0, s->cap * sizeof(*s->seen));
		s->epoch = 1;
	}
	s->ncandidates = s->nresults = 0;
}

bool nx_hnsw_search_layer(const struct nx_hnsw *h, const int8_t *q, float scale, uint32_t entry, int level, size_t ef,
			  struct nx_hnsw_scratch *s)
{
	next_epoch(s);
	(void)visit(s, entry);
	if (!consider(s, (near_t){nx_hnsw_similarity(h, q, scale, entry), entry}, ef))
		return false;
	while (s->ncandidates) {
		near_t c = heap_pop(s->candidates, &s->ncandidates, 1);
		if (s->nresults >= ef && c.similarity < s->results[0].similarity)
			break;
		const uint32_t *l = nx_hnsw_links(h, c.index, level);
		for (uint32_t i = 1; i <= l[0]; i++) {
			if (!visit(s, l[i]))
				continue;
			near_t x = {nx_hnsw_similarity(h, q, scale, l[i]), l[i]};
			if (!consider(s, x, ef))
				return false;
		}
	}
	return true;
}

/* ---- the best k ---- */

static bool better(struct nx_scored a, struct nx_scored b)
{
	return a.score > b.score || (a.score >= b.score && a.slot < b.slot);
}

/* Insertion into a sorted list of at most k; k is small. */
static size_t keep_best(struct nx_scored *v, size_t n, size_t k, struct nx_scored x)
{
	if (n == k && !better(x, v[n - 1]))
		return n;
	size_t i = n < k ? n : k - 1;
	while (i > 0 && better(x, v[i - 1])) {
		v[i] = v[i - 1];
		i--;
	}
	v[i] = x;
	return n < k ? n + 1 : k;
}

size_t nx_hnsw_scan(const struct nx_hnsw *h, const struct nx_hnsw_query *q, uint32_t from, size_t k,
		    bool (*accept)(void *ctx, uint32_t slot), void *ctx, struct nx_scored *ret, size_t n)
{
	for (uint32_t i = from; k && i < h->n; i++) {
		struct nx_scored x = {h->slots[i], (double)nx_hnsw_query_cosine(h, q, i)};
		if (n == k && !better(x, ret[n - 1]))
			continue;
		if (!accept || accept(ctx, x.slot))
			n = keep_best(ret, n, k, x);
	}
	return n;
}

static bool walk(struct nx_hnsw *h, const struct nx_hnsw_query *q, size_t ef, struct nx_hnsw_scratch *s)
{
	uint32_t entry = h->entry;
	for (int level = h->top; level > 0; level--)
		entry = nx_hnsw_descend(h, q->data, q->scale, entry, level);
	return nx_hnsw_search_layer(h, q->data, q->scale, entry, 0, ef, s);
}

int nx_hnsw_search(struct nx_hnsw *h, const struct nx_hnsw_query *q, size_t k, size_t ef,
		   bool (*accept)(void *ctx, uint32_t slot), void *ctx, struct nx_scored *ret, size_t *ret_n,
		   struct nx_error **err)
{
	size_t n = 0;
	*ret_n = 0;
	if (k == 0)
		return 0;
	if (h->top >= 0) {
		struct nx_hnsw_scratch *s = nx_hnsw_borrow(h);
		if (!s)
			return nx_error_set(err, NX_ENOMEM, "no memory for a vector search");
		bool ok = walk(h, q, nx_max(ef, k), s);
		for (size_t i = 0; ok && i < s->nresults; i++) {
			struct nx_scored x = {h->slots[s->results[i].index], (double)s->results[i].similarity};
			if (!accept || accept(ctx, x.slot))
				n = keep_best(ret, n, k, x);
		}
		nx_hnsw_return(h, s);
		if (!ok)
			return nx_error_set(err, NX_ENOMEM, "no memory for a vector search");
	}
	/* A filter that refuses nearly all of the beam is selective enough for the exact scan. */
	bool starved = h->top >= 0 && n < nx_min(k, (size_t)h->linked);
	*ret_n = starved ? nx_hnsw_scan(h, q, 0, k, accept, ctx, ret, 0)
			 : nx_hnsw_scan(h, q, h->linked, k, accept, ctx, ret, n);
	return 0;
}
