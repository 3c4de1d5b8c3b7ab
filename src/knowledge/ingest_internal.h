/* An ingest under way: see ingest.c. One thread has it at a time, handed on with its job or write. */
#ifndef NX_KNOWLEDGE_INGEST_INTERNAL_H
#define NX_KNOWLEDGE_INGEST_INTERNAL_H

#include "knowledge/knowledge_internal.h"

struct nx_ingest_run {
	struct nx_knowledge *k;
	struct nx_ingest *g; /* NULL once it was answered */
	struct nx_arena *arena;
	int64_t tenant;
	nx_str space;
	struct nx_partition *p;
	int64_t now_us;

	struct nx_prepared_doc *docs;
	size_t ndocs, nchunks;
	struct nx_prepared_doc **changed; /* those that are not unchanged */
	size_t nchanged, indexed;

	size_t doc, chunk; /* the next row to stage */
	bool doc_staged, has_dead;
	struct nx_job job;
	struct nx_write write;
	struct nx_embedding embedding;
	struct nx_error *err;
};

struct nx_ingest_old {
	int64_t key, created_at;
	nx_id uid;
	bool is_same;
};

/* Entities and mentions of a chunk, on the writer thread. */
int nx_ingest_mentions(struct nx_ingest_run *in, struct nx_db *db, const struct nx_prepared_chunk *c,
		       struct nx_error **err);
/* reuse.c */
int nx_ingest_match(struct nx_ingest_run *in, struct nx_prepared_doc *d, struct nx_error **err);
void nx_ingest_unmatch(struct nx_prepared_doc *d);
int nx_ingest_copy_vectors(struct nx_db *db, const struct nx_prepared_chunk *c, struct nx_error **err);
int nx_ingest_take_uids(struct nx_db *db, struct nx_prepared_doc *d, int64_t old, const nx_id *dead,
			struct nx_error **err);
int nx_ingest_index_kept(struct nx_ingest_run *in, struct nx_error **err);
void nx_ingest_answer(struct nx_ingest_run *in);
/* Embeds, stores and indexes the vectors, then calls nx_ingest_embedded. */
void nx_ingest_embed(struct nx_ingest_run *in);
void nx_ingest_embedded(struct nx_ingest_run *in, struct nx_error *err);

#endif
