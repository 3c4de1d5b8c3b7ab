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
	int level = (int)(-log(next_unit(h)) / log(h->m));
	return nx_min(level, NX_HNSW_LEVELS_MAX - 1);
}

static int by_nearness(const void *a, const void *b)
{
	nx_near x = *(const nx_near *)a, y = *(const nx_near *)b;
	return x > y ? -1 : x < y;
}

/* A candidate is kept when it is nearer to the node than to any neighbour kept before it, so that links lead into
 * different directions; what room is left goes to the nearest of the others. */
uint32_t nx_hnsw_choose(const struct nx_hnsw *h, nx_near *v, size_t n, uint32_t max, uint32_t *ret)
{
	const struct nx_vector_kernels *k = nx_vector_kernels();
	uint32_t kept = 0, pruned[2 * NX_HNSW_M_MAX], npruned = 0;
	qsort(v, n, sizeof(*v), by_nearness);
	for (size_t i = 0; i < n && kept < max; i++) {
		uint32_t index = nx_near_index(v[i]);
		bool is_new_way = true;
		for (uint32_t j = 0; j < kept && is_new_way; j++)
			is_new_way =
				k->pair(nx_hnsw_code(h, index), nx_hnsw_code(h, ret[j]), h->stride) < nx_near_dot(v[i]);
		if (is_new_way)
			ret[kept++] = index;
		else if (npruned < max)
			pruned[npruned++] = index;
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
	nx_auto_free int8_t *q = malloc(h->stride);
	struct nx_hnsw_scratch *s = q ? nx_hnsw_borrow(h) : NULL;
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory to link a vector");
	struct nx_hnsw_walk w = {
		.q = q, .bias = nx_hnsw_code_as_query(h, h->linked, q), .ef = h->ef_build, .look_most = UINT32_MAX};
	uint32_t entry = h->entry;
	bool ok = true;
	for (int level = h->top; level > ret->level; level--)
		entry = nx_hnsw_descend(h, &w, entry, level);
	for (int level = nx_min(h->top, ret->level); ok && level >= 0; level--) {
		ok = nx_hnsw_search_layer(h, &w, entry, level, s);
		if (ok && s->nresults) {
			ret->n[level] = nx_hnsw_choose(h, s->results, s->nresults, h->m, ret->neighbours[level]);
			entry = nx_near_index(s->results[0]); /* sorted by choose */
		}
	}
	nx_hnsw_return(h, s);
	return ok ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to link a vector");
}

static bool reserve_links(struct nx_hnsw *h)
{
	if (h->linked < h->linked_cap)
		return true;
	uint32_t cap = nx_max(h->cap, h->linked + 64);
	uint8_t *levels = realloc(h->levels, cap);
	if (!levels)
		return false;
	h->levels = levels;
	uint32_t *upper_at = realloc(h->upper_at, cap * sizeof(*upper_at));
	if (!upper_at)
		return false;
	h->upper_at = upper_at;
	if (!nx_pages_grow(&h->links, cap * nx_hnsw_links_bytes(h)))
		return false;
	h->linked_cap = cap;
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

bool nx_hnsw_reserve_node(struct nx_hnsw *h, int level)
{
	uint32_t index = h->linked, upper = (uint32_t)level * (h->m + 1);
	if (!reserve_links(h) || !reserve_upper(h, upper))
		return false;
	h->levels[index] = (uint8_t)level;
	h->upper_at[index] = h->nupper;
	h->nupper += upper;
	h->linked++;
	for (int i = 0; i <= level; i++)
		nx_hnsw_links(h, index, i)[0] = 0;
	return true;
}

/* A link back; a full list is chosen anew among what it has and the newcomer. */
static void link_back(struct nx_hnsw *h, uint32_t from, uint32_t to, int level)
{
	const struct nx_vector_kernels *k = nx_vector_kernels();
	nx_near v[2 * NX_HNSW_M_MAX + 1];
	uint32_t *l = nx_hnsw_links(h, from, level), max = nx_hnsw_links_max(h, level);
	if (l[0] < max) {
		l[++l[0]] = to;
		return;
	}
	const uint8_t *code = nx_hnsw_code(h, from);
	for (uint32_t i = 0; i < max; i++)
		v[i] = nx_near_of(k->pair(code, nx_hnsw_code(h, l[i + 1]), h->stride), l[i + 1]);
	v[max] = nx_near_of(k->pair(code, nx_hnsw_code(h, to), h->stride), to);
	l[0] = nx_hnsw_choose(h, v, max + 1, max, l + 1);
}

int nx_hnsw_commit(struct nx_hnsw *h, const struct nx_hnsw_plan *plan, struct nx_error **err)
{
	uint32_t index = h->linked;
	if (!nx_hnsw_reserve_node(h, plan->level))
		return nx_error_set(err, NX_ENOMEM, "no memory to link a vector");
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
