/*
 * Vectors of chunks: embedded a batch at a time, stored, then put into the index. What a crash or a missing model leaves
 * without a vector is embedded after the next start (load.c).
 */
#include "knowledge/ingest_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define BATCH 64

static void next_batch(struct nx_embedding *e);

static void end(struct nx_embedding *e, struct nx_error *err)
{
	atomic_fetch_sub_explicit(&e->k->pending_vectors, (int64_t)(e->n - e->at), memory_order_relaxed);
	nx_arena_free(e->batch_arena);
	e->done(e, err);
}

/* ---- index: on a worker ---- */

static void index_run(struct nx_job *j)
{
	struct nx_embedding *e = nx_container_of(j, struct nx_embedding, job);
	size_t dims = e->k->vectors.dims;
	nx_auto_error struct nx_error *err = NULL;
	int r = 0;
	for (size_t i = 0; i < e->embed.n && r == 0; i++)
		r = nx_partition_add_vector(e->p, &e->k->vectors, e->items[e->at + i].key, e->embed.vectors + i * dims,
					    &err);
	if (r < 0) {
		end(e, err);
		return;
	}
	e->at += e->embed.n;
	atomic_fetch_sub_explicit(&e->k->pending_vectors, (int64_t)e->embed.n, memory_order_relaxed);
	if (e->progress)
		e->progress(e);
	nx_knowledge_tend(e->k);
	next_batch(e);
}

/* ---- store: on the writer ---- */

static int store(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_embedding *e = nx_container_of(w, struct nx_embedding, write);
	size_t dims = e->k->vectors.dims;
	int64_t start = nx_time_mono_us();
	for (; e->stored < e->embed.n; e->stored++) {
		if (nx_time_mono_us() - start >= NX_SLICE_US)
			return NX_WRITE_MORE;
		nx_str bytes = {(const char *)(e->embed.vectors + e->stored * dims), dims * sizeof(float)};
		/* The chunk may be gone by now. */
		int r = nx_db_exec(db,
				   "INSERT INTO embeddings(owner_kind, owner_id, model, tenant_id, vector)"
				   " SELECT 'chunk', $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM chunks WHERE id = $1)"
				   " ON CONFLICT(owner_kind, owner_id, model) DO NOTHING",
				   NX_PARAMS(nx_v_int(e->items[e->at + e->stored].key),
					     nx_v_textz(nx_embed_model(e->k->models)), nx_v_int(e->p->tenant),
					     nx_v_blob(bytes)),
				   err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void stored(struct nx_write *w, struct nx_error *err)
{
	struct nx_embedding *e = nx_container_of(w, struct nx_embedding, write);
	if (err) {
		end(e, err);
		return;
	}
	e->job = (struct nx_job){.run = index_run, .is_long = true};
	nx_workers_post(e->k->workers, &e->job);
}

/* ---- embed ---- */

static void embedded(struct nx_embed *m, struct nx_error *err)
{
	struct nx_embedding *e = nx_container_of(m, struct nx_embedding, embed);
	if (err) {
		end(e, err);
		return;
	}
	e->stored = 0;
	e->write = (struct nx_write){.lane = NX_LANE_BULK, .apply = store, .done = stored};
	nx_store_write(e->k->store, &e->write);
}

static void next_batch(struct nx_embedding *e)
{
	nx_auto_error struct nx_error *err = NULL;
	size_t n = nx_min(e->n - e->at, (size_t)BATCH);
	if (n == 0) {
		end(e, NULL);
		return;
	}
	nx_arena_reset(e->batch_arena);
	nx_str *texts = nx_arena_array(e->batch_arena, nx_str, n);
	for (size_t i = 0; texts && i < n; i++) {
		const struct nx_embed_item *it = &e->items[e->at + i];
		texts[i] = nx_str_z(nx_arena_printf(e->batch_arena, "%.*s\n%.*s", NX_FMT(it->title), NX_FMT(it->text)));
		if (!texts[i].p)
			texts = NULL;
	}
	if (!texts) {
		(void)nx_error_set(&err, NX_ENOMEM, "no memory to embed %zu chunks", n);
		end(e, err);
		return;
	}
	e->embed = (struct nx_embed){.arena = e->batch_arena, .texts = texts, .n = n, .done = embedded};
	nx_embed_start(e->k->models, &e->embed);
}

void nx_embedding_start(struct nx_embedding *e)
{
	nx_auto_error struct nx_error *err = NULL;
	e->at = 0;
	atomic_fetch_add_explicit(&e->k->pending_vectors, (int64_t)e->n, memory_order_relaxed);
	e->batch_arena = nx_arena_new(0);
	if (e->batch_arena) {
		next_batch(e);
		return;
	}
	(void)nx_error_set(&err, NX_ENOMEM, "no memory to embed %zu chunks", e->n);
	end(e, err);
}

/* ---- of an ingest ---- */

static void progress(struct nx_embedding *e)
{
	struct nx_ingest_run *in = e->ctx;
	if (in->g && in->g->progress)
		in->g->progress(in->g, in->nchunks - e->n + e->at, in->nchunks);
}

static void done(struct nx_embedding *e, struct nx_error *err)
{
	nx_ingest_embedded(e->ctx, err);
}

void nx_ingest_embed(struct nx_ingest_run *in)
{
	size_t n = 0;
	struct nx_embed_item *items = nx_arena_array(in->arena, struct nx_embed_item, in->nchunks + 1);
	if (!items) {
		nx_auto_error struct nx_error *err = NULL;
		(void)nx_error_set(&err, NX_ENOMEM, "no memory to embed %zu chunks", in->nchunks);
		nx_ingest_embedded(in, err);
		return;
	}
	for (size_t i = 0; i < in->nchanged; i++) {
		const struct nx_prepared_doc *d = in->changed[i];
		for (size_t j = 0; j < d->nchunks && (d->indexes & NX_INDEX_VECTOR); j++)
			if (!d->chunks[j].vector) /* else it was kept */
				items[n++] =
					(struct nx_embed_item){d->chunks[j].key, d->chunks[j].title, d->chunks[j].text};
	}
	in->embedding = (struct nx_embedding){
		.k = in->k, .p = in->p, .items = items, .n = n, .done = done, .progress = progress, .ctx = in};
	nx_embedding_start(&in->embedding);
}
