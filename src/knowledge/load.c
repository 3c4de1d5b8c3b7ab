/*
 * The indexes are rebuilt from the store at start, by a long job that gives way after every slice. Documents may arrive,
 * change and go meanwhile: a partition knows documents by their rows (partition.h).
 */
#include "knowledge/knowledge_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define PAGE_DOCS 64
#define SLICE_US 20000

struct page {
	struct nx_arena *arena;
	struct nx_prepared_doc docs[PAGE_DOCS];
	struct nx_partition *partitions[PAGE_DOCS];
	size_t n;
};

static int read_doc(struct nx_knowledge *k, struct nx_rows *rows, struct page *pg, struct nx_error **err)
{
	struct nx_prepared_doc *d = &pg->docs[pg->n];
	*d = (struct nx_prepared_doc){.key = nx_rows_int(rows, 0),
				      .uid = nx_rows_id(rows, 1),
				      .name = nx_rows_textdup(rows, 4, pg->arena),
				      .title = nx_rows_textdup(rows, 5, pg->arena),
				      .indexes = (unsigned)nx_rows_int(rows, 7)};
	if (!nx_rows_is_null(rows, 6))
		d->metadata = nx_rows_textdup(rows, 6, pg->arena);
	if (!d->name.p || !d->title.p || (!nx_rows_is_null(rows, 6) && !d->metadata.p))
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	int r = nx_knowledge_partition(k, nx_rows_int(rows, 2), nx_rows_text(rows, 3), &pg->partitions[pg->n], err);
	pg->n += r == 0;
	return r;
}

static int read_page(struct nx_knowledge *k, struct nx_db *db, struct page *pg, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db,
			    "SELECT id, uid, tenant_id, space, name, title, metadata, indexes FROM documents"
			    " WHERE visible = 1 AND id > $1 ORDER BY id LIMIT $2",
			    NX_PARAMS(nx_v_int(k->loaded), nx_v_int(PAGE_DOCS)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) > 0)
		r = read_doc(k, rows, pg, err);
	return r;
}

static int read_chunk(struct nx_rows *rows, struct nx_arena *a, struct nx_prepared_chunk *c, struct nx_error **err)
{
	*c = (struct nx_prepared_chunk){.key = nx_rows_int(rows, 0),
					.uid = nx_rows_id(rows, 1),
					.title = nx_rows_textdup(rows, 2, a),
					.text = nx_rows_textdup(rows, 3, a)};
	return c->title.p && c->text.p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to load documents");
}

static int read_chunks(struct nx_db *db, struct nx_prepared_doc *d, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int64_t n = 0;
	int r = nx_db_get_int(db, "SELECT count(*) FROM chunks WHERE document_id = $1", NX_PARAMS(nx_v_int(d->key)), &n,
			      err);
	if (r < 0)
		return r;
	d->chunks = nx_arena_array(a, struct nx_prepared_chunk, (size_t)n + 1);
	if (!d->chunks)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	r = nx_db_query(db, "SELECT id, uid, title, text FROM chunks WHERE document_id = $1 ORDER BY idx LIMIT $2",
			NX_PARAMS(nx_v_int(d->key), nx_v_int(n)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) > 0)
		r = read_chunk(rows, a, &d->chunks[d->nchunks++], err);
	return r;
}

static int load_doc(struct nx_db *db, struct nx_partition *p, struct nx_prepared_doc *d, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	int r = read_chunks(db, d, a, err);
	if (r == 0)
		r = nx_partition_add_hidden(p, d, err);
	if (r == 0)
		nx_partition_show(p, &d, 1);
	return r;
}

/* 1: there is more; 0: all is loaded. */
static int load_page(struct nx_knowledge *k, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(k->store);
	nx_auto_free struct page *pg = calloc(1, sizeof(*pg));
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!pg || !a)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	pg->arena = a;
	int r = read_page(k, db, pg, err);
	for (size_t i = 0; i < pg->n && r == 0; i++) {
		r = load_doc(db, pg->partitions[i], &pg->docs[i], err);
		k->loaded = pg->docs[i].key;
	}
	return r < 0 ? r : pg->n == PAGE_DOCS;
}

static void run(struct nx_job *j)
{
	struct nx_knowledge *k = nx_container_of(j, struct nx_knowledge, load_job);
	nx_auto_error struct nx_error *err = NULL;
	int64_t start = nx_time_mono_us();
	int r;
	do {
		r = load_page(k, &err);
	} while (r > 0 && nx_time_mono_us() - start < SLICE_US);
	if (r > 0) {
		nx_workers_post(k->workers, &k->load_job);
		return;
	}
	if (r < 0) {
		nx_log_error("knowledge", "the indexes could not be rebuilt from the store", NX_LERR(err));
		atomic_store_explicit(&k->load_failed, true, memory_order_relaxed);
	}
	atomic_store_explicit(&k->loading, false, memory_order_release);
	nx_knowledge_purge(k);
	nx_knowledge_leave(k);
}

void nx_knowledge_load(struct nx_knowledge *k)
{
	nx_knowledge_enter(k);
	atomic_store_explicit(&k->loading, true, memory_order_relaxed);
	k->load_job = (struct nx_job){.run = run, .is_long = true};
	nx_workers_post(k->workers, &k->load_job);
}
