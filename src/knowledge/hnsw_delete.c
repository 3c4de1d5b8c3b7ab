#include "knowledge/hnsw_internal.h"

#include "base/assert.h"

void nx_hnsw_delete(struct nx_hnsw *h, uint32_t index)
{
	nx_assert(index < h->n);
	if (nx_hnsw_is_dead(h, index))
		return;
	h->dead[index / 64] |= UINT64_C(1) << (index % 64);
	h->ndead++;
}

/* ---- repair ---- */

static bool links_to_dead(const struct nx_hnsw *h, const uint32_t *l)
{
	for (uint32_t i = 1; i <= l[0]; i++)
		if (nx_hnsw_is_dead(h, l[i]))
			return true;
	return false;
}

/* Candidates of a list: what is alive of its own links and of the links of the dead among them, once each. */
struct candidates {
	const struct nx_hnsw *h;
	struct nx_hnsw_scratch *s;
	uint32_t of;
	nx_near *v;
	size_t n, cap;
};

static bool add_candidate(struct candidates *c, uint32_t index)
{
	const struct nx_hnsw *h = c->h;
	uint64_t bit = UINT64_C(1) << (index % 64);
	if (index == c->of || nx_hnsw_is_dead(h, index) || (c->s->seen[index / 64] & bit))
		return true;
	if (c->n == c->cap)
		return false; /* enough to choose from */
	c->s->seen[index / 64] |= bit;
	c->v[c->n++] =
		nx_near_of(nx_vector_kernels()->pair(nx_hnsw_code(h, c->of), nx_hnsw_code(h, index), h->stride), index);
	return true;
}

static void gather(struct candidates *c, int level)
{
	const struct nx_hnsw *h = c->h;
	const uint32_t *l = nx_hnsw_links(h, c->of, level);
	bool has_room = true;
	for (uint32_t i = 1; i <= l[0]; i++)
		(void)add_candidate(c, l[i]);
	for (uint32_t i = 1; i <= l[0] && has_room; i++) {
		const uint32_t *over = nx_hnsw_is_dead(h, l[i]) ? nx_hnsw_links(h, l[i], level) : NULL;
		for (uint32_t j = 1; over && j <= over[0] && has_room; j++)
			has_room = add_candidate(c, over[j]);
	}
}

static void plan_list(struct nx_hnsw *h, struct nx_hnsw_repair *r, struct nx_hnsw_scratch *s)
{
	nx_near v[512];
	struct candidates c = {.h = h, .s = s, .of = r->index, .v = v, .cap = nx_countof(v)};
	memset(s->seen, 0, ((size_t)h->linked / 64 + 1) * sizeof(*s->seen));
	gather(&c, r->level);
	r->n = nx_hnsw_choose(h, v, c.n, nx_hnsw_links_max(h, r->level), r->neighbours);
}

static void next_list(const struct nx_hnsw *h, struct nx_hnsw_repair *r)
{
	if (r->level < h->levels[r->index]) {
		r->level++;
		return;
	}
	r->index++;
	r->level = 0;
}

int nx_hnsw_repair_plan(struct nx_hnsw *h, struct nx_hnsw_repair *r, uint32_t most, struct nx_error **err)
{
	r->found = false;
	for (; r->index < h->linked && most > 0; most--, next_list(h, r)) {
		if (nx_hnsw_is_dead(h, r->index) || !links_to_dead(h, nx_hnsw_links(h, r->index, r->level)))
			continue;
		struct nx_hnsw_scratch *s = nx_hnsw_borrow(h);
		if (!s)
			return nx_error_set(err, NX_ENOMEM, "no memory to repair the vector index");
		plan_list(h, r, s);
		r->found = true;
		nx_hnsw_return(h, s);
		return 0;
	}
	return 0;
}

void nx_hnsw_repair_commit(struct nx_hnsw *h, struct nx_hnsw_repair *r)
{
	nx_assert(r->found);
	uint32_t *l = nx_hnsw_links(h, r->index, r->level);
	l[0] = r->n;
	memcpy(l + 1, r->neighbours, r->n * sizeof(*l));
	r->found = false;
	next_list(h, r);
}

/* ---- compaction ---- */

static bool graph_is_free_of_dead(const struct nx_hnsw *h)
{
	for (uint32_t i = 0; i < h->linked; i++)
		for (int level = 0; !nx_hnsw_is_dead(h, i) && level <= h->levels[i]; level++)
			if (links_to_dead(h, nx_hnsw_links(h, i, level)))
				return false;
	return true;
}

/* The highest of the lowest-numbered. */
static void choose_entry(struct nx_hnsw *h)
{
	h->top = -1;
	h->entry = NX_HNSW_NONE;
	for (uint32_t i = 0; i < h->linked; i++) {
		if (h->levels[i] <= h->top)
			continue;
		h->top = h->levels[i];
		h->entry = i;
	}
}

static void copy_lists(const struct nx_hnsw *from, uint32_t i, const uint32_t *new_of, struct nx_hnsw *to)
{
	uint32_t at = new_of[i];
	for (int level = 0; level <= from->levels[i]; level++) {
		const uint32_t *l = nx_hnsw_links(from, i, level);
		uint32_t *copy = nx_hnsw_links(to, at, level);
		copy[0] = l[0];
		for (uint32_t j = 1; j <= l[0]; j++)
			copy[j] = new_of[l[j]];
	}
}

static bool copy_graph(const struct nx_hnsw *h, const uint32_t *new_of, struct nx_hnsw *ret)
{
	for (uint32_t i = 0; i < h->linked; i++) {
		if (nx_hnsw_is_dead(h, i))
			continue;
		if (!nx_hnsw_reserve_node(ret, h->levels[i]))
			return false;
		copy_lists(h, i, new_of, ret);
	}
	choose_entry(ret);
	ret->random = h->random;
	return true;
}

static bool copy_vectors(const struct nx_hnsw *h, struct nx_hnsw *ret, uint32_t *new_of)
{
	for (uint32_t i = 0; i < h->n; i++) {
		new_of[i] = NX_HNSW_NONE;
		if (nx_hnsw_is_dead(h, i))
			continue;
		new_of[i] = ret->n;
		if (!nx_hnsw_copy_vector(h, i, ret))
			return false;
	}
	return true;
}

int nx_hnsw_compact(const struct nx_hnsw *h, struct nx_hnsw *ret, struct nx_error **err)
{
	struct nx_hnsw_options o = {h->dims, h->kept, h->m, h->ef_build, h->model};
	int r = nx_hnsw_init(ret, &o, err);
	if (r < 0)
		return r;
	nx_auto_free uint32_t *new_of = malloc((h->n + 1) * sizeof(*new_of));
	bool ok = new_of && copy_vectors(h, ret, new_of);
	if (ok && h->linked && graph_is_free_of_dead(h))
		ok = copy_graph(h, new_of, ret);
	if (ok)
		return 0;
	nx_hnsw_done(ret);
	return nx_error_set(err, NX_ENOMEM, "no memory to compact the vector index");
}
