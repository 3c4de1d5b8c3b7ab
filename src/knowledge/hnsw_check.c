#include "knowledge/hnsw_internal.h"

static int broken(struct nx_error **err, uint32_t index, int level, const char *what)
{
	return nx_error_set(err, NX_ECORRUPT, "vector %u, layer %d: %s", index, level, what);
}

static int check_list(const struct nx_hnsw *h, uint32_t index, int level, struct nx_error **err)
{
	const uint32_t *l = nx_hnsw_links(h, index, level);
	if (l[0] > nx_hnsw_links_max(h, level))
		return broken(err, index, level, "more links than there is room for");
	for (uint32_t i = 1; i <= l[0]; i++) {
		if (l[i] >= h->linked)
			return broken(err, index, level, "a link to nothing");
		if (l[i] == index)
			return broken(err, index, level, "a link to itself");
		if (h->levels[l[i]] < level)
			return broken(err, index, level, "a link to a node that is not on the layer");
		for (uint32_t j = 1; j < i; j++)
			if (l[j] == l[i])
				return broken(err, index, level, "the same link twice");
	}
	return 0;
}

/* Living nodes that are not reached from the entry point on layer 0. */
static int count_lost(struct nx_hnsw *h, uint32_t *ret, struct nx_error **err)
{
	nx_auto_free uint8_t *seen = calloc(h->linked, 1);
	nx_auto_free uint32_t *queue = calloc(h->linked, sizeof(*queue));
	uint32_t head = 0, tail = 0;
	if (!seen || !queue)
		return nx_error_set(err, NX_ENOMEM, "no memory to check the vector index");
	queue[tail++] = h->entry;
	seen[h->entry] = 1;
	while (head < tail) {
		const uint32_t *l = nx_hnsw_links(h, queue[head++], 0);
		for (uint32_t i = 1; i <= l[0]; i++) {
			if (!seen[l[i]]) {
				seen[l[i]] = 1;
				queue[tail++] = l[i];
			}
		}
	}
	*ret = 0;
	for (uint32_t i = 0; i < h->linked; i++)
		*ret += !seen[i] && !nx_hnsw_is_dead(h, i);
	return 0;
}

int nx_hnsw_check(struct nx_hnsw *h, struct nx_error **err)
{
	uint32_t lost;
	if (h->linked > h->n)
		return nx_error_set(err, NX_ECORRUPT, "%u vectors are linked, of %u", h->linked, h->n);
	if (h->linked == 0)
		return 0;
	if (h->entry >= h->linked || h->levels[h->entry] != h->top)
		return nx_error_set(err, NX_ECORRUPT, "the entry point is not on the highest layer");
	for (uint32_t i = 0; i < h->linked; i++) {
		if (h->levels[i] > h->top)
			return broken(err, i, h->levels[i], "above the highest layer");
		for (int level = 0; level <= h->levels[i]; level++) {
			int r = check_list(h, i, level, err);
			if (r < 0)
				return r;
		}
	}
	int r = count_lost(h, &lost, err);
	/* Choosing links anew may cut a node off; a search may miss it, so there must be next to none. */
	if (r == 0 && lost > h->linked / 1000)
		return nx_error_set(err, NX_ECORRUPT, "%u of %u vectors cannot be reached", lost, h->linked);
	return r;
}
