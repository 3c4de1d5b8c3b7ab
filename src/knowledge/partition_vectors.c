/* Vectors of a partition. */
#include "knowledge/partition.h"

#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>
#include <unistd.h>

/* Compaction costs a copy of everything: it waits until so many are dead, and one in four. */
#define DEAD_MIN 1000

/* ---- adding ---- */

/* Only a document that was not removed yet. */
static bool wants_vector(const struct nx_partition *p, uint32_t slot)
{
	if (slot == NX_MAP_NONE || p->slots[slot].vector != NX_HNSW_NONE)
		return false;
	const struct nx_doc *d = &p->docs[p->slots[slot].doc];
	return d->alive || !d->shown;
}

static struct nx_hnsw_options options_of(const struct nx_partition_space *s)
{
	return (struct nx_hnsw_options){.dims = s->dims, .kept = s->kept, .model = s->model};
}

static int add(struct nx_partition *p, const struct nx_partition_space *space, uint32_t slot, const float *v,
	       struct nx_error **err)
{
	struct nx_hnsw_options o = options_of(space);
	int r = p->vectors.dims ? 0 : nx_hnsw_init(&p->vectors, &o, err);
	if (r < 0)
		return r;
	if (p->vectors.dims != space->dims || p->vectors.model != space->model)
		return nx_error_set(err, NX_EINVAL, "a vector of another model, of %u dimensions, in an index of %u",
				    space->dims, p->vectors.dims);
	p->unsaved++;
	return nx_hnsw_add(&p->vectors, slot, v, &p->slots[slot].vector, err);
}

int nx_partition_add_vector(struct nx_partition *p, const struct nx_partition_space *space, int64_t chunk,
			    const float *v, struct nx_error **err)
{
	int r = 0;
	pthread_mutex_lock(&p->builder);
	uint32_t slot = nx_map_get(&p->slot_by_key, (uint64_t)chunk);
	if (wants_vector(p, slot)) {
		pthread_rwlock_wrlock(&p->lock);
		r = add(p, space, slot, v, err);
		pthread_rwlock_unlock(&p->lock);
	}
	pthread_mutex_unlock(&p->builder);
	return r;
}

bool nx_partition_has_vector(struct nx_partition *p, int64_t chunk)
{
	pthread_rwlock_rdlock(&p->lock);
	uint32_t slot = nx_map_get(&p->slot_by_key, (uint64_t)chunk);
	bool has = slot != NX_MAP_NONE && p->slots[slot].vector != NX_HNSW_NONE;
	pthread_rwlock_unlock(&p->lock);
	return has;
}

/* ---- upkeep, under `builder` ---- */

enum step { NOTHING, SOMETHING, NO_MEMORY };

static enum step link_one(struct nx_partition *p)
{
	struct nx_hnsw_plan plan;
	if (p->vectors.n < NX_HNSW_EXACT_BELOW || p->vectors.linked == p->vectors.n)
		return NOTHING;
	if (nx_hnsw_plan(&p->vectors, &plan, NULL) < 0)
		return NO_MEMORY;
	pthread_rwlock_wrlock(&p->lock);
	int r = nx_hnsw_commit(&p->vectors, &plan, NULL);
	pthread_rwlock_unlock(&p->lock);
	p->unsaved++;
	return r < 0 ? NO_MEMORY : SOMETHING; /* what is not linked is scanned */
}

static void swap_in(struct nx_partition *p, struct nx_hnsw *compact)
{
	struct nx_hnsw old = p->vectors;
	pthread_rwlock_wrlock(&p->lock);
	for (uint32_t i = 0; i < old.n; i++)
		if (old.slots[i] != NX_HNSW_NONE)
			p->slots[old.slots[i]].vector = NX_HNSW_NONE;
	for (uint32_t i = 0; i < compact->n; i++)
		p->slots[compact->slots[i]].vector = i;
	p->vectors = *compact;
	pthread_rwlock_unlock(&p->lock);
	nx_hnsw_done(&old);
	p->unsaved += compact->n + 1;
}

static enum step compact(struct nx_partition *p)
{
	struct nx_hnsw small;
	if (nx_hnsw_compact(&p->vectors, &small, NULL) < 0)
		return NO_MEMORY;
	swap_in(p, &small);
	return SOMETHING;
}

/* Through the whole graph, again when more was deleted meanwhile; then nothing leads to the deleted, and they can go. */
static enum step repair_some(struct nx_partition *p)
{
	if (p->repair.index == 0 && p->repair.level == 0)
		p->repair_dead = p->vectors.ndead;
	if (nx_hnsw_repair_plan(&p->vectors, &p->repair, 256, NULL) < 0)
		return NO_MEMORY;
	if (p->repair.found) {
		pthread_rwlock_wrlock(&p->lock);
		nx_hnsw_repair_commit(&p->vectors, &p->repair);
		pthread_rwlock_unlock(&p->lock);
	}
	if (p->repair.index < p->vectors.linked)
		return SOMETHING;
	p->repair = (struct nx_hnsw_repair){0};
	return p->repair_dead == p->vectors.ndead ? compact(p) : SOMETHING;
}

static enum step drop_dead(struct nx_partition *p)
{
	const struct nx_hnsw *h = &p->vectors;
	if (h->ndead < DEAD_MIN || h->ndead < h->n / 4)
		return NOTHING;
	return h->linked ? repair_some(p) : compact(p);
}

static enum step tend_once(struct nx_partition *p)
{
	enum step s = p->vectors.dims ? link_one(p) : NOTHING;
	return s == NOTHING && p->vectors.dims ? drop_dead(p) : s;
}

bool nx_partition_tend_vectors(struct nx_partition *p, int64_t us)
{
	int64_t end = nx_time_mono_us() + us;
	enum step s;
	pthread_mutex_lock(&p->builder);
	do {
		s = tend_once(p);
	} while (s == SOMETHING && nx_time_mono_us() < end);
	pthread_mutex_unlock(&p->builder);
	return s == SOMETHING;
}

/* ---- snapshot ---- */

static bool is_worth_it(const struct nx_hnsw *h)
{
	return h->n - h->ndead >= NX_HNSW_EXACT_BELOW;
}

bool nx_partition_snapshot_is_due(struct nx_partition *p, bool any_change)
{
	pthread_mutex_lock(&p->builder);
	const struct nx_hnsw *h = &p->vectors;
	/* A new vector counts twice: it is added, and it is linked. */
	bool is_due = h->dims && p->unsaved > 0 && (any_change || (is_worth_it(h) && p->unsaved / 2 >= h->n / 8));
	pthread_mutex_unlock(&p->builder);
	return is_due;
}

static int64_t key_of(void *ctx, uint32_t slot)
{
	const struct nx_partition *p = ctx;
	return p->slots[slot].key;
}

int nx_partition_save_vectors(struct nx_partition *p, const char *path, struct nx_error **err)
{
	int r = 0;
	pthread_mutex_lock(&p->builder);
	if (is_worth_it(&p->vectors))
		r = nx_hnsw_save(&p->vectors, path, key_of, p, err);
	else if (unlink(path) < 0 && errno != ENOENT)
		r = nx_error_set_errno(err, errno, "remove %s", path);
	if (r == 0)
		p->unsaved = 0;
	pthread_mutex_unlock(&p->builder);
	return r;
}

static uint32_t slot_of(void *ctx, int64_t key, uint32_t index)
{
	const struct nx_partition *p = ctx;
	uint32_t slot = nx_map_get(&p->slot_by_key, (uint64_t)key);
	return wants_vector(p, slot) ? slot : NX_HNSW_NONE;
}

static void take(struct nx_partition *p, const struct nx_hnsw *h)
{
	pthread_rwlock_wrlock(&p->lock);
	for (uint32_t i = 0; i < h->n; i++)
		if (h->slots[i] != NX_HNSW_NONE)
			p->slots[h->slots[i]].vector = i;
	p->vectors = *h;
	pthread_rwlock_unlock(&p->lock);
}

int nx_partition_open_vectors(struct nx_partition *p, const struct nx_partition_space *space, const char *path,
			      struct nx_error **err)
{
	int r = 0;
	struct nx_hnsw h;
	struct nx_hnsw_options o = options_of(space);
	pthread_mutex_lock(&p->builder);
	if (p->vectors.dims == 0 && (r = nx_hnsw_open(&h, &o, path, slot_of, p, err)) == 0)
		take(p, &h);
	pthread_mutex_unlock(&p->builder);
	return r;
}
