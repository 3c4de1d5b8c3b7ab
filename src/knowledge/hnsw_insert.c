#include "knowledge/hnsw_internal.h"

#include "base/assert.h"

#include <math.h>

/* xorshift64*: levels need nothing better, and the same vectors in the same order give the same graph. */
static double next_unit(struct nx_hnsw *h)
{
	h->random ^= h->random >> 12;
	h->random ^= h->random << 25;
	h->random ^= h->random >> 27;
	return ((double)((h->random * UINT64_C(0x2545f4914f6cdd1d)) >> 11) + 1) * 0x1p-53;
}

static int random_level(struct nx_hnsw *h)
{
	int level = (int)(-log(next_unit(h)) / log(NX_HNSW_M));
	return nx_min(level, NX_HNSW_LEVELS_MAX - 1);
}

static int by_similarity(const void *a, const void *b)
{
	const struct nx_hnsw_near *x = a, *y = b;
	if (x->similarity > y->similarity)
		return -1;
	if (x->similarity < y->similarity)
		return 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Algorithm 4: a candidate is kept when it is nearer to the node than to any neighbour kept before it, so that links
 * lead into different directions; what room is left goes to the nearest of the others. `v` gets sorted. */
static uint32_t choose(const struct nx_hnsw *h, struct nx_hnsw_near *v, size_t n, uint32_t max, uint32_t *ret)
{
	uint32_t kept = 0, pruned[4 * NX_HNSW_M], npruned = 0;
	qsort(v, n, sizeof(*v), by_similarity);
	for (size_t i = 0; i < n && kept < max; i++) {
		bool is_new_way = true;
		for (uint32_t j = 0; j < kept && is_new_way; j++)
			is_new_way = nx_hnsw_cosine(h, v[i].index, ret[j]) < v[i].similarity;
		if (is_new_way)
			ret[kept++] = v[i].index;
		else if (npruned < nx_countof(pruned))
			pruned[npruned++] = v[i].index;
	}
	for (uint32_t i = 0; i < npruned && kept < max; i++)
		ret[kept++] = pruned[i];
	return kept;
}

int nx_hnsw_plan(struct nx_hnsw *h, struct nx_hnsw_plan *ret, struct nx_error **err)
{
	nx_assert(h->linked < h->n);
	*ret = (struct nx_hnsw_plan){.level = random_level(h)};
	if (h->top < 0)
		return 0;
	struct nx_hnsw_scratch *s = nx_hnsw_borrow(h);
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory to link a vector");
	const int8_t *q = h->data + (size_t)h->linked * h->stride;
	float scale = h->scales[h->linked];
	uint32_t entry = h->entry;
	bool ok = true;
	for (int level = h->top; level > ret->level; level--)
		entry = nx_hnsw_descend(h, q, scale, entry, level);
	for (int level = nx_min(h->top, ret->level); ok && level >= 0; level--) {
		ok = nx_hnsw_search_layer(h, q, scale, entry, level, NX_HNSW_EF_BUILD, s);
		if (ok) {
			ret->n[level] = choose(h, s->results, s->nresults, NX_HNSW_M, ret->neighbours[level]);
			entry = s->results[0].index; /* sorted by choose */
		}
	}
	nx_hnsw_return(h, s);
	return ok ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to link a vector");
}

static bool reserve_links(struct nx_hnsw *h)
{
	if (h->linked < h->links_cap)
		return true;
	uint32_t cap = nx_max(h->cap, h->linked + 64);
	uint32_t *links = realloc(h->links, (size_t)cap * (2 * NX_HNSW_M + 1) * sizeof(*links));
	if (!links)
		return false;
	h->links = links;
	uint8_t *levels = realloc(h->levels, cap);
	if (!levels)
		return false;
	h->levels = levels;
	uint32_t *upper_at = realloc(h->upper_at, cap * sizeof(*upper_at));
	if (!upper_at)
		return false;
	h->upper_at = upper_at;
	h->links_cap = cap;
	return true;
}

static bool reserve_upper(struct nx_hnsw *h, uint32_t more)
{
	if (h->nupper + more <= h->upper_cap)
		return true;
	uint32_t cap = h->upper_cap + h->upper_cap / 2 + more + 1024;
	uint32_t *upper = realloc(h->upper, cap * sizeof(*upper));
	if (!upper)
		return false;
	h->upper = upper;
	h->upper_cap = cap;
	return true;
}

/* A link back; a full list is chosen anew among what it has and the newcomer. */
static void link_back(struct nx_hnsw *h, uint32_t from, uint32_t to, int level)
{
	struct nx_hnsw_near v[2 * NX_HNSW_M + 1];
	uint32_t *l = nx_hnsw_links(h, from, level), max = nx_hnsw_links_max(level);
	if (l[0] < max) {
		l[++l[0]] = to;
		return;
	}
	for (uint32_t i = 0; i < max; i++)
		v[i] = (struct nx_hnsw_near){nx_hnsw_cosine(h, from, l[i + 1]), l[i + 1]};
	v[max] = (struct nx_hnsw_near){nx_hnsw_cosine(h, from, to), to};
	l[0] = choose(h, v, max + 1, max, l + 1);
}

int nx_hnsw_commit(struct nx_hnsw *h, const struct nx_hnsw_plan *plan, struct nx_error **err)
{
	uint32_t index = h->linked, upper = (uint32_t)plan->level * (NX_HNSW_M + 1);
	if (!reserve_links(h) || !reserve_upper(h, upper))
		return nx_error_set(err, NX_ENOMEM, "no memory to link a vector");
	h->levels[index] = (uint8_t)plan->level;
	h->upper_at[index] = h->nupper;
	h->nupper += upper;
	h->linked++;
	for (int level = 0; level <= plan->level; level++) {
		uint32_t *l = nx_hnsw_links(h, index, level);
		l[0] = plan->n[level];
		memcpy(l + 1, plan->neighbours[level], plan->n[level] * sizeof(*l));
	}
	for (int level = 0; level <= plan->level; level++)
		for (uint32_t i = 0; i < plan->n[level]; i++)
			link_back(h, plan->neighbours[level][i], index, level);
	if (plan->level > h->top) {
		h->top = plan->level;
		h->entry = index;
	}
	return 0;
}
