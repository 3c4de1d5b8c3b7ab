#include "knowledge/partition.h"

#include "base/assert.h"

/* A document that was removed before it was added. */
#define REMOVED (NX_MAP_NONE - 1)

static int init_locks(struct nx_partition *p, struct nx_error **err)
{
	pthread_rwlockattr_t a;
	if (pthread_rwlockattr_init(&a) != 0)
		return nx_error_set(err, NX_ENOMEM, "no memory for a lock");
	/* A steady stream of searches must not keep writers waiting for ever, as glibc's default does. */
	(void)pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int r = pthread_rwlock_init(&p->lock, &a);
	(void)pthread_rwlockattr_destroy(&a);
	if (r != 0)
		return nx_error_set_errno(err, r, "make a lock");
	r = pthread_mutex_init(&p->builder, NULL);
	if (r == 0)
		return 0;
	(void)pthread_rwlock_destroy(&p->lock);
	return nx_error_set_errno(err, r, "make a lock");
}

int nx_partition_new(int64_t tenant, nx_str space, struct nx_partition **ret, struct nx_error **err)
{
	struct nx_partition *p = calloc(1, sizeof(*p));
	char *copy = malloc(space.n + 1);
	if (!p || !copy) {
		free(p);
		free(copy);
		return nx_error_set(err, NX_ENOMEM, "no memory for a partition");
	}
	if (space.n)
		memcpy(copy, space.p, space.n);
	p->tenant = tenant;
	p->space = nx_str_n(copy, space.n);
	nx_text_index_init(&p->text);
	nx_graph_init(&p->graph);
	nx_text_index_init(&p->entities.text);
	int r = init_locks(p, err);
	if (r == 0) {
		r = nx_dict_init(&p->dict, err);
		if (r == 0) {
			*ret = p;
			return 0;
		}
		(void)pthread_rwlock_destroy(&p->lock);
		(void)pthread_mutex_destroy(&p->builder);
	}
	free(copy);
	free(p);
	return r;
}

void nx_partition_free(struct nx_partition *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->ndocs; i++)
		free((char *)p->docs[i].name.p);
	free(p->docs);
	free(p->slots);
	free(p->alive);
	nx_map_done(&p->doc_by_key);
	nx_map_done(&p->slot_by_key);
	nx_dict_done(&p->dict);
	nx_text_index_done(&p->text);
	nx_titles_done(&p->titles);
	nx_graph_done(&p->graph);
	nx_map_done(&p->name_nodes);
	nx_hnsw_done(&p->vectors);
	nx_entities_done(&p->entities);
	free(p->nodes);
	(void)pthread_rwlock_destroy(&p->lock);
	(void)pthread_mutex_destroy(&p->builder);
	free((char *)p->space.p);
	free(p);
}

/* Words are at most NX_WORD_MAX bytes; names may be longer and are cut. */
#define TERM_MAX (4 * NX_WORD_MAX)

static nx_str cut(nx_str s)
{
	return nx_str_slice(s, 0, TERM_MAX);
}

uint32_t nx_partition_find_term(const struct nx_partition *p, enum nx_term_kind kind, nx_str s)
{
	return nx_dict_find(&p->dict, (uint8_t)kind, cut(s));
}

uint32_t nx_partition_add_term(struct nx_partition *p, enum nx_term_kind kind, nx_str s)
{
	return nx_dict_add(&p->dict, (uint8_t)kind, cut(s));
}

static void hide_vector(struct nx_partition *p, uint32_t slot)
{
	if (p->slots[slot].vector == NX_HNSW_NONE)
		return;
	nx_hnsw_delete(&p->vectors, p->slots[slot].vector);
	p->unsaved++;
}

static void hide_doc(struct nx_partition *p, int64_t key)
{
	uint32_t i = nx_map_get(&p->doc_by_key, (uint64_t)key);
	if (i == NX_MAP_NONE) {
		/* Comes later, from a load or an ingest that overlaps: it will find that it is gone. Without memory for that
		 * note it would be shown until the next start; nothing else is lost. */
		(void)nx_map_set(&p->doc_by_key, (uint64_t)key, REMOVED);
		return;
	}
	if (i == REMOVED)
		return;
	struct nx_doc *d = &p->docs[i];
	d->shown = true; /* one that was added and not shown yet will not be */
	if (!d->alive)
		return;
	d->alive = false;
	p->alive_docs--;
	for (uint32_t s = d->first; s < d->first + d->n; s++) {
		p->alive[s / 64] &= ~(UINT64_C(1) << (s % 64));
		hide_vector(p, s);
	}
	p->nalive -= d->n;
	p->ndead += d->n;
}

static void show_doc(struct nx_partition *p, uint32_t i)
{
	struct nx_doc *d = &p->docs[i];
	d->alive = true;
	p->alive_docs++;
	for (uint32_t s = d->first; s < d->first + d->n; s++)
		p->alive[s / 64] |= UINT64_C(1) << (s % 64);
	p->nalive += d->n;
}

void nx_partition_remove(struct nx_partition *p, const int64_t *docs, size_t n)
{
	pthread_mutex_lock(&p->builder);
	pthread_rwlock_wrlock(&p->lock);
	for (size_t i = 0; i < n; i++)
		hide_doc(p, docs[i]);
	pthread_rwlock_unlock(&p->lock);
	pthread_mutex_unlock(&p->builder);
}

void nx_partition_show(struct nx_partition *p, struct nx_prepared_doc *const *docs, size_t n)
{
	pthread_mutex_lock(&p->builder);
	pthread_rwlock_wrlock(&p->lock);
	for (size_t i = 0; i < n; i++) {
		uint32_t d = nx_map_get(&p->doc_by_key, (uint64_t)docs[i]->key);
		for (size_t j = 0; j < docs[i]->nreplaces; j++)
			hide_doc(p, docs[i]->replaces[j]);
		if (d < p->ndocs && !p->docs[d].alive && !p->docs[d].shown) {
			p->docs[d].shown = true;
			p->docs[d].uid = docs[i]->uid;
			show_doc(p, d);
		}
	}
	pthread_rwlock_unlock(&p->lock);
	pthread_mutex_unlock(&p->builder);
}
