/* Upkeep of a partition's text index. */
#include "knowledge/partition.h"

/* Which passages live, as it was when a merge began: the partition's own bits change meanwhile. */
struct living {
	uint64_t *bits;
	uint32_t n;
};

static bool copy_living(const struct nx_partition *p, struct living *ret)
{
	size_t words = (size_t)p->nslots / 64 + 1;
	ret->n = p->nslots;
	ret->bits = malloc(words * sizeof(*ret->bits));
	if (ret->bits && p->nslots)
		memcpy(ret->bits, p->alive, ((size_t)p->nslots + 63) / 64 * sizeof(*ret->bits));
	return ret->bits;
}

/* What is not shown yet lives too: it may be shown any time. */
static bool is_living(void *ctx, uint32_t slot)
{
	const struct living *l = ctx;
	return slot >= l->n || (l->bits[slot / 64] >> (slot % 64) & 1);
}

/* Hidden documents count as alive until they were shown and hidden again. */
static void keep_hidden(const struct nx_partition *p, struct living *l)
{
	for (uint32_t i = 0; i < p->ndocs; i++) {
		const struct nx_doc *d = &p->docs[i];
		for (uint32_t s = d->first; !d->shown && s < d->first + d->n; s++)
			l->bits[s / 64] |= UINT64_C(1) << (s % 64);
	}
}

static void commit(struct nx_partition *p, struct nx_text_merge *m)
{
	pthread_rwlock_wrlock(&p->lock);
	nx_text_merge_commit(&p->text, m);
	pthread_rwlock_unlock(&p->lock);
}

/* Segments are merged beside writers; only freezing keeps them waiting, which takes a fraction of a second. */
bool nx_partition_tend_text(struct nx_partition *p)
{
	struct living l = {0};
	struct nx_text_merge m = {0};
	bool is_built = false;
	pthread_mutex_lock(&p->builder);
	if (copy_living(p, &l)) {
		keep_hidden(p, &l);
		nx_text_merge_plan(&p->text, false, is_living, &l, &m);
	}
	bool has_work = m.n > 0;
	if (has_work && !m.is_freeze)
		pthread_mutex_unlock(&p->builder);
	if (has_work)
		is_built = nx_text_merge_build(&m, is_living, &l, NULL) == 0;
	if (has_work && !m.is_freeze)
		pthread_mutex_lock(&p->builder);
	if (is_built)
		commit(p, &m);
	pthread_mutex_unlock(&p->builder);
	nx_text_merge_cancel(&m); /* without memory the parts stay as they are */
	free(l.bits);
	return is_built;
}
