/*
 * The purge deletes rows of documents that nobody can see: replaced, deleted, or staged by an ingest that a crash ended.
 * It is one bulk write at a time; who asks while it runs makes it look once more.
 */
#include "knowledge/knowledge_internal.h"

#include "base/clock.h"
#include "base/log.h"

/* Chunks deleted by one statement: few enough for a slice. */
#define STEP_CHUNKS "20"
#define SOME_CHUNKS "(SELECT id FROM chunks WHERE document_id = $1 ORDER BY id LIMIT " STEP_CHUNKS ")"

/* Names that only these chunks mentioned go with them. */
static int delete_orphans(struct nx_db *db, int64_t doc, struct nx_error **err)
{
	return nx_db_exec(db,
			  "DELETE FROM entities WHERE origin = 'found'"
			  " AND id IN (SELECT entity_id FROM mentions WHERE chunk_id IN " SOME_CHUNKS ")"
			  " AND NOT EXISTS (SELECT 1 FROM mentions m WHERE m.entity_id = entities.id"
			  " AND m.chunk_id NOT IN " SOME_CHUNKS ")",
			  NX_PARAMS(nx_v_int(doc)), err);
}

/* 1: there may be more; 0: nothing is left. */
static int step(struct nx_db *db, struct nx_error **err)
{
	int64_t doc;
	nx_auto_error struct nx_error *none = NULL;
	int r = nx_db_get_int(db, "SELECT id FROM documents WHERE visible = 2 ORDER BY id LIMIT 1", NX_NO_PARAMS, &doc,
			      &none);
	if (r == NX_ENOTFOUND)
		return 0;
	if (r < 0)
		return nx_error_move(err, nx_steal(none));
	r = delete_orphans(db, doc, err);
	if (r == 0)
		r = nx_db_exec(db, "DELETE FROM embeddings WHERE owner_kind = 'chunk' AND owner_id IN " SOME_CHUNKS,
			       NX_PARAMS(nx_v_int(doc)), err);
	if (r == 0)
		r = nx_db_exec(db, "DELETE FROM chunks WHERE id IN " SOME_CHUNKS, NX_PARAMS(nx_v_int(doc)), err);
	if (r == 0 && nx_db_changes(db) == 0)
		r = nx_db_exec(db, "DELETE FROM documents WHERE id = $1", NX_PARAMS(nx_v_int(doc)), err);
	return r < 0 ? r : 1;
}

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_knowledge *k = nx_container_of(w, struct nx_knowledge, purge_write);
	if (k->purge_staged) {
		int r = nx_db_exec(db, "UPDATE documents SET visible = 2 WHERE visible = 0 AND created_at < $1",
				   NX_PARAMS(nx_v_int(k->started_us)), err);
		if (r < 0)
			return r;
		k->purge_staged = false;
	}
	int64_t start = nx_time_mono_us();
	do {
		int r = step(db, err);
		if (r <= 0)
			return r;
	} while (nx_time_mono_us() - start < NX_SLICE_US);
	return NX_WRITE_MORE;
}

static void post(struct nx_knowledge *k);

static void done(struct nx_write *w, struct nx_error *err)
{
	struct nx_knowledge *k = nx_container_of(w, struct nx_knowledge, purge_write);
	if (err)
		nx_log_warn("knowledge", "rows of deleted documents stay until the next purge", NX_LERR(err));
	pthread_mutex_lock(&k->lock);
	bool again = k->purge_again && !err;
	k->purge_again = false;
	k->purging = again;
	pthread_mutex_unlock(&k->lock);
	if (again)
		post(k);
	else
		nx_knowledge_leave(k);
}

static void post(struct nx_knowledge *k)
{
	k->purge_write = (struct nx_write){.lane = NX_LANE_BULK, .apply = apply, .done = done};
	nx_store_write(k->store, &k->purge_write);
}

void nx_knowledge_purge(struct nx_knowledge *k)
{
	pthread_mutex_lock(&k->lock);
	bool start = !k->purging;
	k->purge_again = !start;
	k->purging = true;
	if (start)
		k->busy++;
	pthread_mutex_unlock(&k->lock);
	if (start)
		post(k);
}
