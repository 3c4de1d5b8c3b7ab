/*
 * Upkeep of the indexes: new vectors are linked into the graphs, tails of the text indexes frozen, segments merged, what was
 * deleted leaves both, and snapshots of the graphs are written so that a start need not build them anew. One long job that gives way after every slice; who asks while
 * it runs makes it look once more.
 */
#include "knowledge/knowledge_internal.h"

#include "base/io.h"
#include "base/log.h"

#define SLICE_US 10000

char *nx_knowledge_snapshot_path(const struct nx_knowledge *k, const struct nx_partition *p, struct nx_arena *a)
{
	const char *home = k->config->home;
	return home && *home ? nx_arena_printf(a, "%s/indexes/%lld-%016llx.vectors", home, (long long)p->tenant,
					       (unsigned long long)nx_str_hash(p->space))
			     : NULL;
}

static void save(struct nx_knowledge *k, struct nx_partition *p)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *path = a ? nx_knowledge_snapshot_path(k, p, a) : NULL;
	char *dir = path ? nx_path_join(a, k->config->home, "indexes") : NULL;
	if (dir && (nx_mkdirs(dir, 0700, &err) < 0 || nx_partition_save_vectors(p, path, &err) < 0))
		nx_log_warn("knowledge", "a snapshot of vectors was not written: the next start links them anew",
			    NX_LERR(err));
}

static struct nx_partition *partition_at(struct nx_knowledge *k, size_t i)
{
	pthread_mutex_lock(&k->lock);
	struct nx_partition *p = i < k->npartitions ? k->partitions[i] : NULL;
	pthread_mutex_unlock(&k->lock);
	return p;
}

static void save_vectors(struct nx_knowledge *k, bool any_change)
{
	struct nx_partition *p;
	for (size_t i = 0; (p = partition_at(k, i)) != NULL; i++)
		if (nx_partition_snapshot_is_due(p, any_change))
			save(k, p);
}

static bool tend_some(struct nx_knowledge *k)
{
	struct nx_partition *p;
	for (size_t i = 0; (p = partition_at(k, i)) != NULL; i++)
		if (nx_partition_tend_vectors(p, SLICE_US) || nx_partition_tend_text(p))
			return true;
	return false;
}

static void run(struct nx_job *j)
{
	struct nx_knowledge *k = nx_container_of(j, struct nx_knowledge, tend_job);
	bool is_stopping = nx_knowledge_is_stopping(k), more = !is_stopping && tend_some(k);
	if (!more)
		save_vectors(k, is_stopping);
	pthread_mutex_lock(&k->lock);
	more = more || (k->tend_again && !is_stopping);
	k->tend_again = false;
	k->tending = more;
	pthread_mutex_unlock(&k->lock);
	if (more)
		nx_workers_post(k->workers, &k->tend_job);
	else
		nx_knowledge_leave(k);
}

void nx_knowledge_tend(struct nx_knowledge *k)
{
	pthread_mutex_lock(&k->lock);
	bool start = !k->tending;
	k->tend_again = !start;
	k->tending = true;
	k->busy += start;
	pthread_mutex_unlock(&k->lock);
	if (!start)
		return;
	k->tend_job = (struct nx_job){.run = run, .is_long = true};
	nx_workers_post(k->workers, &k->tend_job);
}
