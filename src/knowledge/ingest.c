/*
 * Ingest: prepare on a worker → write in bulk slices, hidden → one slice that shows all → index → embed → answer.
 *
 *   prepare   validates every document before anything is written; cuts it, finds its names
 *   stage     rows of documents, chunks, entities and mentions, documents.visible = 0
 *             what an update leaves as it was keeps its uid and vectors (reuse.c)
 *   flip      the last slice: what was visible under the same names is dead, the new rows are visible, the hook runs.
 *             An updated document keeps its uid and its created_at
 *   index     text and graph, shown in one step with what they replace hidden
 *   embed     vectors.c
 * A failure before the flip leaves rows that nobody sees; the purge deletes them, now or after the next start. Everything
 * under way lives in an arena of its own: with wait_stored the caller's request is gone before the indexes are done.
 */
#include "knowledge/ingest_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

static void finish(struct nx_ingest_run *in);

/* ---- stage: on the writer thread ---- */

static int find_visible(struct nx_db *db, const struct nx_ingest_run *in, const struct nx_prepared_doc *d,
			struct nx_ingest_old *ret, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	*ret = (struct nx_ingest_old){0};
	int r = nx_db_query(db,
			    "SELECT id, uid, hash, indexes, created_at FROM documents"
			    " WHERE tenant_id = $1 AND space = $2 AND name = $3 AND visible = 1",
			    NX_PARAMS(nx_v_int(in->tenant), nx_v_text(in->space), nx_v_text(d->name)), &rows, err);
	if (r < 0 || (r = nx_rows_next(rows, err)) <= 0)
		return r;
	nx_str hash = nx_rows_blob(rows, 2);
	ret->key = nx_rows_int(rows, 0);
	ret->uid = nx_rows_id(rows, 1);
	ret->is_same = hash.n == sizeof(d->hash) && memcmp(hash.p, d->hash, hash.n) == 0 &&
		       (nx_rows_int(rows, 3) & (int64_t)d->indexes) == (int64_t)d->indexes;
	ret->created_at = nx_rows_int(rows, 4);
	return 1;
}

static int insert_returning(struct nx_db *db, const char *sql, const struct nx_value *v, size_t n, int64_t *ret_id,
			    struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db, sql, v, n, &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return nx_error_set(err, NX_EINTERNAL, "an insert gave no row back");
	*ret_id = nx_rows_int(rows, 0);
	while (r > 0) /* RETURNING is complete when its rows are all read */
		r = nx_rows_next(rows, err);
	return r;
}

static int insert_document(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_doc *d, struct nx_error **err)
{
	return insert_returning(
		db,
		"INSERT INTO documents(uid, tenant_id, space, name, title, mime, uri, metadata, text, hash, indexes, visible,"
		" created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $12) RETURNING id",
		NX_PARAMS(nx_v_id(&d->uid), nx_v_int(in->tenant), nx_v_text(in->space), nx_v_text(d->name),
			  nx_v_text(d->title), nx_v_text(d->mime), nx_v_text(d->uri.n ? d->uri : NX_STR_NULL),
			  nx_v_text(d->metadata.n ? d->metadata : NX_STR_NULL), nx_v_text(d->text),
			  nx_v_blob(nx_str_n((const char *)d->hash, sizeof(d->hash))), nx_v_int(d->indexes),
			  nx_v_int(in->now_us)),
		&d->key, err);
}

static int insert_chunk(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_doc *d, size_t i,
			struct nx_error **err)
{
	struct nx_prepared_chunk *c = &d->chunks[i];
	return insert_returning(
		db,
		"INSERT INTO chunks(uid, tenant_id, document_id, idx, title, start, length, text, language, place,"
		" keeps) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
		NX_PARAMS(nx_v_id(&c->uid), nx_v_int(in->tenant), nx_v_int(d->key), nx_v_int((int64_t)i),
			  nx_v_text(c->title), nx_v_int(c->start), nx_v_int(c->length), nx_v_text(c->text),
			  nx_v_textz(c->language), nx_v_text(c->place.n ? c->place : NX_STR_NULL),
			  c->kept_key ? nx_v_id(&c->kept_uid) : nx_v_blob(NX_STR_NULL)),
		&c->key, err);
}

static int stage_document(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_doc *d, struct nx_error **err)
{
	struct nx_ingest_old old;
	int r = find_visible(db, in, d, &old, err);
	if (r < 0)
		return r;
	if (r > 0 && old.is_same) {
		d->unchanged = true;
		d->uid = old.uid;
		d->key = old.key;
		return 0;
	}
	if (r == 0 || old.key != d->kept_from)
		nx_ingest_unmatch(d); /* it was replaced meanwhile */
	return insert_document(in, db, d, err);
}

/* One row's worth of staging; 1 when there is more, 0 when all is staged. */
static int stage_step(struct nx_ingest_run *in, struct nx_db *db, struct nx_error **err)
{
	if (in->doc >= in->ndocs)
		return 0;
	struct nx_prepared_doc *d = &in->docs[in->doc];
	int r;
	if (in->chunk == 0 && !in->doc_staged) {
		r = stage_document(in, db, d, err);
		in->doc_staged = true;
	} else {
		r = insert_chunk(in, db, d, in->chunk, err);
		if (r == 0)
			r = nx_ingest_copy_vectors(db, &d->chunks[in->chunk], err);
		if (r == 0 && (d->indexes & NX_INDEX_GRAPH))
			r = nx_ingest_mentions(in, db, &d->chunks[in->chunk], err);
		in->chunk++;
	}
	if (r < 0)
		return nx_error_under(err, "/documents/%zu", in->doc);
	if (d->unchanged || in->chunk >= d->nchunks) {
		in->doc++;
		in->chunk = 0;
		in->doc_staged = false;
	}
	return 1;
}

/* ---- flip: the last slice ---- */

static int replace(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_doc *d,
		   const struct nx_ingest_old *old, struct nx_error **err)
{
	nx_id dead = nx_id_new();
	int r = nx_db_exec(db, "UPDATE documents SET visible = 2, uid = $3 WHERE id = $1 AND tenant_id = $2",
			   NX_PARAMS(nx_v_int(old->key), nx_v_int(in->tenant), nx_v_id(&dead)), err);
	if (r < 0)
		return r;
	r = nx_ingest_take_uids(db, d, old->key, &dead, err);
	if (r < 0)
		return r;
	d->uid = old->uid;
	d->updated = true;
	d->replaces = nx_arena_array(in->arena, int64_t, 1);
	if (!d->replaces)
		return nx_error_set(err, NX_ENOMEM, "no memory for an update");
	d->replaces[0] = old->key;
	d->nreplaces = 1;
	return 0;
}

static int flip_document(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_doc *d, struct nx_error **err)
{
	struct nx_ingest_old old;
	int r = find_visible(db, in, d, &old, err);
	if (r < 0)
		return r;
	if (d->unchanged) {
		if (r > 0 && nx_id_eq(old.uid, d->uid) && old.is_same)
			return 0;
		return nx_error_set(err, NX_ECONFLICT,
				    "document %.*s was changed by somebody else meanwhile; send it again",
				    NX_FMT(d->name));
	}
	int64_t created_at = r > 0 ? old.created_at : in->now_us;
	if (r > 0 && (r = replace(in, db, d, &old, err)) < 0)
		return r;
	return nx_db_exec(
		db, "UPDATE documents SET visible = 1, uid = $3, created_at = $4 WHERE id = $1 AND tenant_id = $2",
		NX_PARAMS(nx_v_int(d->key), nx_v_int(in->tenant), nx_v_id(&d->uid), nx_v_int(created_at)), err);
}

static int flip(struct nx_ingest_run *in, struct nx_db *db, struct nx_error **err)
{
	for (size_t i = 0; i < in->ndocs; i++) {
		int r = flip_document(in, db, &in->docs[i], err);
		if (r < 0)
			return nx_error_under(err, "/documents/%zu", i);
	}
	struct nx_ingest *g = in->g;
	for (size_t i = 0; i < in->ndocs; i++) {
		const struct nx_prepared_doc *d = &in->docs[i];
		g->ids[i] = d->uid;
		g->inserted += !d->updated && !d->unchanged;
		g->updated += d->updated;
		g->unchanged += d->unchanged;
		g->chunks += d->nchunks;
	}
	nx_str answer = NX_STR_NULL;
	if (!g->hook)
		return 0;
	yyjson_mut_doc *doc = nx_json_new(in->arena);
	if (!doc)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	int r = nx_json_write(in->arena, nx_ingest_json(g, doc), false, &answer, err);
	return r < 0 ? r : nx_tx_hook_run(g->hook, db, NX_ID_NONE, answer, err);
}

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_ingest_run *in = nx_container_of(w, struct nx_ingest_run, write);
	int64_t start = nx_time_mono_us();
	int r;
	do {
		r = stage_step(in, db, err);
		if (r < 0)
			return r;
		if (r == 0)
			return flip(in, db, err);
	} while (nx_time_mono_us() - start < NX_SLICE_US);
	return NX_WRITE_MORE;
}

/* ---- after the commit ---- */

static void index_run(struct nx_job *j);
static void post_index(struct nx_ingest_run *in)
{
	in->job = (struct nx_job){.run = index_run, .is_long = true};
	nx_workers_post(in->k->workers, &in->job);
}

/* What a failure left behind becomes dead, so that the purge finds it. When this fails too, the next start does it. */
static int abandon(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_ingest_run *in = nx_container_of(w, struct nx_ingest_run, write);
	int64_t start = nx_time_mono_us();
	for (; in->doc < in->ndocs; in->doc++) {
		struct nx_prepared_doc *d = &in->docs[in->doc];
		if (nx_time_mono_us() - start >= NX_SLICE_US)
			return NX_WRITE_MORE;
		int r = nx_db_exec(db,
				   "UPDATE documents SET visible = 2 WHERE uid = $1 AND tenant_id = $2 AND visible = 0",
				   NX_PARAMS(nx_v_id(&d->staged_uid), nx_v_int(in->tenant)), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void abandoned(struct nx_write *w, struct nx_error *err)
{
	struct nx_ingest_run *in = nx_container_of(w, struct nx_ingest_run, write);
	if (!err)
		nx_knowledge_purge(in->k);
	finish(in);
}

static void written(struct nx_write *w, struct nx_error *err)
{
	struct nx_ingest_run *in = nx_container_of(w, struct nx_ingest_run, write);
	if (err) {
		in->err = nx_error_copy(err);
		in->doc = 0;
		in->write = (struct nx_write){.lane = NX_LANE_BULK, .apply = abandon, .done = abandoned};
		nx_store_write(in->k->store, &in->write);
		return;
	}
	for (size_t i = 0; i < in->ndocs; i++)
		if (!in->docs[i].unchanged)
			in->changed[in->nchanged++] = &in->docs[i];
	if (in->g->wait_stored)
		nx_ingest_answer(in);
	post_index(in);
}

/* A slice of documents; the job is posted again for the next one, so that others get the partition in between. */
#define INDEX_SLICE_US 20000

static void index_done(struct nx_ingest_run *in)
{
	for (size_t i = 0; i < in->ndocs; i++)
		in->has_dead = in->has_dead || in->docs[i].nreplaces;
	if (in->has_dead)
		nx_knowledge_purge(in->k);
	if (in->err || !nx_knowledge_has_vectors(in->k)) {
		finish(in);
		return;
	}
	if (nx_ingest_index_kept(in, &in->err) < 0)
		finish(in);
	else
		nx_ingest_embed(in);
}

static void index_run(struct nx_job *j)
{
	struct nx_ingest_run *in = nx_container_of(j, struct nx_ingest_run, job);
	int64_t start = nx_time_mono_us();
	while (in->indexed < in->nchanged && !in->err && nx_time_mono_us() - start < INDEX_SLICE_US) {
		(void)nx_partition_add_hidden(in->p, in->changed[in->indexed], &in->err);
		in->indexed++;
	}
	if (!in->err && in->indexed < in->nchanged) {
		nx_workers_post(in->k->workers, &in->job);
		return;
	}
	if (!in->err) {
		nx_partition_show(in->p, in->changed, in->nchanged);
		nx_knowledge_tend(in->k);
	}
	index_done(in);
}

void nx_ingest_embedded(struct nx_ingest_run *in, struct nx_error *err)
{
	if (err)
		in->err = nx_error_copy(err);
	finish(in);
}

/* ---- prepare: on a worker ---- */

static int check_request(struct nx_ingest_run *in, struct nx_error **err)
{
	const struct nx_ingest *g = in->g;
	if (g->ndocs == 0) {
		(void)nx_error_set(err, NX_EINVAL, "no documents were given");
		return nx_error_at(err, "/documents");
	}
	if ((int64_t)g->ndocs > in->k->config->knowledge_max_documents) {
		(void)nx_error_set(err, NX_ELIMIT, "%zu documents in one request; knowledge.max_documents is %lld",
				   g->ndocs, (long long)in->k->config->knowledge_max_documents);
		return nx_error_at(err, "/documents");
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return nx_str_cmp((*(struct nx_prepared_doc *const *)a)->name, (*(struct nx_prepared_doc *const *)b)->name);
}

static int check_names(struct nx_ingest_run *in, struct nx_error **err)
{
	struct nx_prepared_doc **v = nx_arena_array(in->arena, struct nx_prepared_doc *, in->ndocs);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu documents", in->ndocs);
	for (size_t i = 0; i < in->ndocs; i++)
		v[i] = &in->docs[i];
	qsort(v, in->ndocs, sizeof(*v), by_name);
	for (size_t i = 1; i < in->ndocs; i++) {
		if (!nx_str_eq(v[i - 1]->name, v[i]->name))
			continue;
		(void)nx_error_set(err, NX_EINVAL, "two documents of this request have the id %.*s",
				   NX_FMT(v[i]->name));
		return nx_error_at(err, "/documents/%td/id", nx_max(v[i], v[i - 1]) - in->docs);
	}
	return 0;
}

static int prepare(struct nx_ingest_run *in, struct nx_error **err)
{
	struct nx_ingest *g = in->g;
	nx_auto_stemmer struct nx_stemmer *stemmer = nx_stemmer_new();
	int r = check_request(in, err);
	if (r < 0)
		return r;
	in->docs = nx_arena_array(in->arena, struct nx_prepared_doc, g->ndocs);
	in->changed = nx_arena_array(in->arena, struct nx_prepared_doc *, g->ndocs);
	in->space = nx_str_dup(in->arena, g->space.p ? g->space : NX_STR(""));
	g->ids = nx_arena_array(g->arena, nx_id, g->ndocs);
	if (!stemmer || !in->docs || !in->changed || !in->space.p || !g->ids)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu documents", g->ndocs);
	for (size_t i = 0; i < g->ndocs; i++) {
		r = nx_document_prepare(in->k->config, stemmer, &g->docs[i], g->indexes, in->arena, &in->docs[i], err);
		if (r < 0)
			return nx_error_under(err, "/documents/%zu", i);
		if ((r = nx_ingest_match(in, &in->docs[i], err)) < 0)
			return r;
		in->ndocs = i + 1;
		in->nchunks += in->docs[i].nchunks;
		nx_job_yield();
	}
	if ((r = check_names(in, err)) < 0)
		return r;
	return nx_knowledge_partition(in->k, in->tenant, in->space, &in->p, err);
}

static void prepare_run(struct nx_job *j)
{
	struct nx_ingest_run *in = nx_container_of(j, struct nx_ingest_run, job);
	if (prepare(in, &in->err) < 0) {
		finish(in);
		return;
	}
	in->now_us = nx_time_wall_us();
	in->write = (struct nx_write){.lane = NX_LANE_BULK, .apply = apply, .done = written};
	nx_store_write(in->k->store, &in->write);
}

/* ---- beginning and end ---- */

static void answer_run(struct nx_job *j)
{
}

static void answer_done(struct nx_job *j)
{
	struct nx_ingest *g = nx_container_of(j, struct nx_ingest, job);
	struct nx_error *err = nx_steal(g->priv);
	g->done(g, err);
	nx_error_free(err);
}

/* Gives the request back to its owner. With wait_stored that is before the run ends. */
void nx_ingest_answer(struct nx_ingest_run *in)
{
	struct nx_ingest *g = nx_steal(in->g);
	g->priv = nx_steal(in->err);
	g->job = (struct nx_job){.run = answer_run, .done = answer_done, .reply = g->reply};
	nx_workers_post(in->k->workers, &g->job);
}

static void finish(struct nx_ingest_run *in)
{
	struct nx_knowledge *k = in->k;
	struct nx_ingest *g = in->g;
	if (g) {
		nx_ingest_answer(in);
	} else if (in->err) {
		nx_log_error("knowledge", "a stored document could not be indexed; it will be at the next start",
			     NX_LERR(in->err));
		nx_error_free(in->err);
	}
	nx_arena_free(in->arena);
	free(in);
	nx_knowledge_leave(k);
}

void nx_knowledge_ingest(struct nx_knowledge *k, struct nx_ingest *g)
{
	struct nx_ingest_run *in = calloc(1, sizeof(*in));
	struct nx_arena *a = nx_arena_new(0);
	nx_knowledge_enter(k);
	g->inserted = g->updated = g->unchanged = g->chunks = 0;
	if (!in || !a) {
		struct nx_error *err = NULL;
		free(in);
		nx_arena_free(a);
		(void)nx_error_set(&err, NX_ENOMEM, "no memory for an ingest");
		g->priv = err;
		g->job = (struct nx_job){.run = answer_run, .done = answer_done, .reply = g->reply};
		nx_workers_post(k->workers, &g->job);
		nx_knowledge_leave(k);
		return;
	}
	*in = (struct nx_ingest_run){.k = k, .g = g, .arena = a, .tenant = g->tenant};
	in->job = (struct nx_job){.run = prepare_run, .is_long = true};
	nx_workers_post(k->workers, &in->job);
}

yyjson_mut_val *nx_ingest_json(const struct nx_ingest *g, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d), *ids = yyjson_mut_arr(d);
	for (size_t i = 0; i < g->ndocs; i++) {
		char text[NX_ID_TEXT];
		nx_id_format(g->ids[i], text);
		yyjson_mut_arr_add_strcpy(d, ids, text);
	}
	bool ok = yyjson_mut_obj_add_uint(d, o, "inserted", g->inserted) &&
		  yyjson_mut_obj_add_uint(d, o, "updated", g->updated) &&
		  yyjson_mut_obj_add_uint(d, o, "unchanged", g->unchanged) &&
		  yyjson_mut_obj_add_val(d, o, "ids", ids) && yyjson_mut_obj_add_uint(d, o, "chunks", g->chunks);
	return ok ? o : NULL;
}
