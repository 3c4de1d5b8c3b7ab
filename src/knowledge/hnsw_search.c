#include "knowledge/hnsw_internal.h"

#include "base/assert.h"

/* ---- heaps: `flip` all ones keeps the farthest on top, 0 the nearest ---- */

static bool heap_push(nx_near **v, size_t *n, size_t *cap, nx_near x, nx_near flip)
{
	if (*n == *cap) {
		size_t more = *cap ? 2 * *cap : 256;
		nx_near *p = realloc(*v, more * sizeof(*p));
		if (!p)
			return false;
		*v = p;
		*cap = more;
	}
	nx_near *heap = *v;
	size_t i = (*n)++;
	for (; i > 0 && (x ^ flip) > (heap[(i - 1) / 2] ^ flip); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = x;
	return true;
}

/* x sinks from the top. */
static void heap_sink(nx_near *v, size_t n, nx_near x, nx_near flip)
{
	size_t i = 0, c;
	while ((c = 2 * i + 1) < n) {
		c += c + 1 < n && (v[c + 1] ^ flip) > (v[c] ^ flip);
		if ((v[c] ^ flip) <= (x ^ flip))
			break;
		v[i] = v[c];
		i = c;
	}
	v[i] = x;
}

#define NEAREST ((nx_near)0)
#define FARTHEST (~(nx_near)0)

/* ---- walks ---- */

static int32_t dot(const struct nx_vector_kernels *k, const struct nx_hnsw *h, const struct nx_hnsw_walk *w,
		   uint32_t index)
{
	return k->codes(nx_hnsw_code(h, index), w->q, h->stride) - w->bias;
}

static void prefetch_code(const struct nx_hnsw *h, uint32_t index)
{
	const uint8_t *c = nx_hnsw_code(h, index);
	for (uint32_t i = 0; i < h->stride; i += 64)
		__builtin_prefetch(c + i, 0, 3);
}

uint32_t nx_hnsw_descend(const struct nx_hnsw *h, const struct nx_hnsw_walk *w, uint32_t entry, int level)
{
	const struct nx_vector_kernels *k = nx_vector_kernels();
	int32_t best = dot(k, h, w, entry);
	for (bool moved = true; moved;) {
		const uint32_t *l = nx_hnsw_links(h, entry, level);
		moved = false;
		for (uint32_t i = 1; i <= l[0]; i++)
			prefetch_code(h, l[i]);
		for (uint32_t i = 1; i <= l[0]; i++) {
			int32_t s = dot(k, h, w, l[i]);
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
	uint64_t bit = UINT64_C(1) << (index % 64);
	if (s->seen[index / 64] & bit)
		return false;
	s->seen[index / 64] |= bit;
	return true;
}

static bool may_enter(const struct nx_hnsw *h, const struct nx_hnsw_walk *w, uint32_t index)
{
	return !nx_hnsw_is_dead(h, index) && (!w->accept || w->accept(w->ctx, h->slots[index]));
}

static bool consider(const struct nx_hnsw *h, const struct nx_hnsw_walk *w, struct nx_hnsw_scratch *s, nx_near x)
{
	bool is_full = s->nresults >= w->ef;
	if (is_full && x <= s->results[0])
		return true;
	if (!heap_push(&s->candidates, &s->ncandidates, &s->candidates_cap, x, NEAREST))
		return false;
	if (!may_enter(h, w, nx_near_index(x)))
		return true;
	if (!is_full)
		return heap_push(&s->results, &s->nresults, &s->results_cap, x, FARTHEST);
	heap_sink(s->results, s->nresults, x, FARTHEST);
	return true;
}

/* Which of a node's neighbours were not seen yet; on their way into the cache. */
static uint32_t unseen(const struct nx_hnsw *h, struct nx_hnsw_scratch *s, const uint32_t *l, uint32_t *ret)
{
	uint32_t n = 0;
	for (uint32_t i = 1; i <= l[0]; i++) {
		if (!visit(s, l[i]))
			continue;
		prefetch_code(h, l[i]);
		ret[n++] = l[i];
	}
	return n;
}

static nx_near next_candidate(struct nx_hnsw_scratch *s)
{
	nx_near c = s->candidates[0], last = s->candidates[--s->ncandidates];
	if (s->ncandidates)
		heap_sink(s->candidates, s->ncandidates, last, NEAREST);
	return c;
}

bool nx_hnsw_search_layer(const struct nx_hnsw *h, const struct nx_hnsw_walk *w, uint32_t entry, int level,
			  struct nx_hnsw_scratch *s)
{
	const struct nx_vector_kernels *k = nx_vector_kernels();
	uint32_t fresh[2 * NX_HNSW_M_MAX];
	memset(s->seen, 0, ((size_t)h->linked / 64 + 1) * sizeof(*s->seen));
	s->ncandidates = s->nresults = 0;
	s->looked = 1;
	(void)visit(s, entry);
	if (!consider(h, w, s, nx_near_of(dot(k, h, w, entry), entry)))
		return false;
	while (s->ncandidates && s->looked <= w->look_most) {
		nx_near c = next_candidate(s);
		if (s->nresults >= w->ef && c < s->results[0])
			break;
		uint32_t n = unseen(h, s, nx_hnsw_links(h, nx_near_index(c), level), fresh);
		s->looked += n;
		for (uint32_t i = 0; i < n; i++)
			if (!consider(h, w, s, nx_near_of(dot(k, h, w, fresh[i]), fresh[i])))
				return false;
		if (s->ncandidates)
			__builtin_prefetch(nx_hnsw_links(h, nx_near_index(s->candidates[0]), level), 0, 3);
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
		if (nx_hnsw_is_dead(h, i) || (accept && !accept(ctx, h->slots[i])))
			continue;
		n = keep_best(ret, n, k, (struct nx_scored){h->slots[i], (double)nx_hnsw_query_cosine(h, q, i)});
	}
	return n;
}

/* Codes err by about a hundredth of the spread of what is near: this many more than k hold the k best but for a few in ten
 * thousand (measured on MiniLM's vectors). */
static size_t rescored(const struct nx_hnsw *h, size_t k, size_t found)
{
	return h->kept == NX_HNSW_CODES ? found : nx_min(found, 2 * k + 16);
}

static int by_nearness(const void *a, const void *b)
{
	nx_near x = *(const nx_near *)a, y = *(const nx_near *)b;
	return x > y ? -1 : x < y;
}

static size_t best_of(const struct nx_hnsw *h, const struct nx_hnsw_query *q, struct nx_hnsw_scratch *s, size_t k,
		      struct nx_scored *ret)
{
	size_t n = 0, most = rescored(h, k, s->nresults);
	qsort(s->results, s->nresults, sizeof(*s->results), by_nearness);
	for (size_t i = 0; i < most; i++) {
		uint32_t index = nx_near_index(s->results[i]);
		n = keep_best(ret, n, k,
			      (struct nx_scored){h->slots[index], (double)nx_hnsw_query_cosine(h, q, index)});
	}
	return n;
}

/* A filter that lets so few pass that a walk would look at a large share of the nodes costs less in an exact scan, which
 * asks it in the order of memory. */
static uint32_t look_most(const struct nx_hnsw *h, size_t ef)
{
	return h->linked / 8 + (uint32_t)nx_min(ef, (size_t)UINT32_MAX / 256) * 64;
}

static bool walk(struct nx_hnsw *h, const struct nx_hnsw_walk *w, struct nx_hnsw_scratch *s)
{
	uint32_t entry = h->entry;
	for (int level = h->top; level > 0; level--)
		entry = nx_hnsw_descend(h, w, entry, level);
	return nx_hnsw_search_layer(h, w, entry, 0, s);
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
		ef = nx_max(ef, k);
		struct nx_hnsw_walk w = {q->codes, q->bias, ef, accept, ctx, look_most(h, ef)};
		bool ok = walk(h, &w, s);
		if (ok)
			n = best_of(h, q, s, k, ret);
		nx_hnsw_return(h, s);
		if (!ok)
			return nx_error_set(err, NX_ENOMEM, "no memory for a vector search");
	}
	bool starved = h->top >= 0 && n < nx_min(k, (size_t)h->linked);
	*ret_n = starved ? nx_hnsw_scan(h, q, 0, k, accept, ctx, ret, 0)
			 : nx_hnsw_scan(h, q, h->linked, k, accept, ctx, ret, n);
	return 0;
}
