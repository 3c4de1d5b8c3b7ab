#include "knowledge/knowledge_internal.h"

#include "base/assert.h"
#include "base/clock.h"

static int choose_space(const struct nx_config *c, struct nx_models *m, struct nx_partition_space *ret,
			struct nx_error **err)
{
	static const char *const names[] = {
		[NX_HNSW_CODES] = "codes", [NX_HNSW_BF16] = "bf16", [NX_HNSW_F32] = "float32"};
	for (size_t i = 0; i < nx_countof(names); i++) {
		if (strcmp(c->knowledge_vectors, names[i]) != 0)
			continue;
		ret->kept = (enum nx_hnsw_kept)i;
		ret->dims = m ? (uint32_t)nx_embed_dims(m) : 0;
		ret->model = ret->dims ? nx_str_hash(nx_str_z(nx_embed_model(m))) : 0;
		return 0;
	}
	return nx_error_set(err, NX_EINVAL, "knowledge.vectors is codes, bf16 or float32, not \"%s\"",
			    c->knowledge_vectors);
}

int nx_knowledge_new(const struct nx_config *c, struct nx_store *s, struct nx_workers *w, struct nx_models *m,
		     struct nx_knowledge **ret, struct nx_error **err)
{
	struct nx_knowledge *k = calloc(1, sizeof(*k));
	if (!k)
		return nx_error_set(err, NX_ENOMEM, "no memory for the knowledge base");
	*k = (struct nx_knowledge){.config = c,
				   .store = s,
				   .workers = w,
				   .models = m,
				   .purge_staged = true,
				   .started_us = nx_time_wall_us()};
	int e = choose_space(c, m, &k->vectors, err);
	if (e < 0) {
		free(k);
		return e;
	}
	int r = pthread_mutex_init(&k->lock, NULL);
	if (r == 0) {
		r = pthread_cond_init(&k->idle, NULL);
		if (r != 0)
			(void)pthread_mutex_destroy(&k->lock);
	}
	if (r != 0) {
		free(k);
		return nx_error_set_errno(err, r, "make a lock");
	}
	*ret = k;
	return 0;
}

bool nx_knowledge_is_stopping(const struct nx_knowledge *k)
{
	return atomic_load_explicit(&k->stopping, memory_order_relaxed);
}

void nx_knowledge_stop(struct nx_knowledge *k)
{
	if (!atomic_exchange_explicit(&k->stopping, true, memory_order_relaxed))
		nx_knowledge_tend(k);
}

void nx_knowledge_free(struct nx_knowledge *k)
{
	if (!k)
		return;
	atomic_store_explicit(&k->stopping, true, memory_order_relaxed);
	pthread_mutex_lock(&k->lock);
	while (k->busy > 0)
		pthread_cond_wait(&k->idle, &k->lock);
	pthread_mutex_unlock(&k->lock);
	for (size_t i = 0; i < k->npartitions; i++)
		nx_partition_free(k->partitions[i]);
	free(k->partitions);
	(void)pthread_cond_destroy(&k->idle);
	(void)pthread_mutex_destroy(&k->lock);
	free(k);
}

void nx_knowledge_enter(struct nx_knowledge *k)
{
	pthread_mutex_lock(&k->lock);
	k->busy++;
	pthread_mutex_unlock(&k->lock);
}

void nx_knowledge_leave(struct nx_knowledge *k)
{
	pthread_mutex_lock(&k->lock);
	nx_assert(k->busy > 0);
	if (--k->busy == 0)
		pthread_cond_broadcast(&k->idle);
	pthread_mutex_unlock(&k->lock);
}

static struct nx_partition *find(struct nx_knowledge *k, int64_t tenant, nx_str space)
{
	for (size_t i = 0; i < k->npartitions; i++)
		if (k->partitions[i]->tenant == tenant && nx_str_eq(k->partitions[i]->space, space))
			return k->partitions[i];
	return NULL;
}

struct nx_partition *nx_knowledge_find_partition(struct nx_knowledge *k, int64_t tenant, nx_str space)
{
	pthread_mutex_lock(&k->lock);
	struct nx_partition *p = find(k, tenant, space);
	pthread_mutex_unlock(&k->lock);
	return p;
}

static bool reserve_partition(struct nx_knowledge *k)
{
	if (k->npartitions < k->partitions_cap)
		return true;
	size_t cap = k->partitions_cap ? 2 * k->partitions_cap : 16;
	struct nx_partition **v = realloc(k->partitions, cap * sizeof(*v));
	if (!v)
		return false;
	k->partitions = v;
	k->partitions_cap = cap;
	return true;
}

int nx_knowledge_partition(struct nx_knowledge *k, int64_t tenant, nx_str space, struct nx_partition **ret,
			   struct nx_error **err)
{
	int r = 0;
	pthread_mutex_lock(&k->lock);
	*ret = find(k, tenant, space);
	if (!*ret) {
		if (!reserve_partition(k))
			r = nx_error_set(err, NX_ENOMEM, "no memory for a partition");
		else if ((r = nx_partition_new(tenant, space, ret, err)) == 0)
			k->partitions[k->npartitions++] = *ret;
	}
	pthread_mutex_unlock(&k->lock);
	return r;
}

bool nx_knowledge_has_vectors(const struct nx_knowledge *k)
{
	return k->models && nx_models_has_embedding(k->models);
}

void nx_knowledge_state(struct nx_knowledge *k, struct nx_knowledge_state *ret)
{
	bool loading = atomic_load_explicit(&k->loading, memory_order_relaxed);
	bool failed = atomic_load_explicit(&k->load_failed, memory_order_relaxed);
	const char *state = loading ? "loading" : failed ? "failed" : "ready";
	*ret = (struct nx_knowledge_state){.text = state, .graph = state};
	ret->vector = nx_knowledge_has_vectors(k) ? state : "disabled";
	ret->pending_vectors = atomic_load_explicit(&k->pending_vectors, memory_order_relaxed);
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->npartitions; i++) {
		struct nx_partition *p = k->partitions[i];
		pthread_rwlock_rdlock(&p->lock);
		ret->documents += p->alive_docs;
		ret->chunks += p->nalive;
		ret->entities += p->entities.alive;
		ret->relationships += p->entities.relations_alive;
		ret->vectors += p->vectors.n - p->vectors.ndead;
		pthread_rwlock_unlock(&p->lock);
	}
	pthread_mutex_unlock(&k->lock);
}
