/* What the files of this module share. */
#ifndef NX_KNOWLEDGE_INTERNAL_H
#define NX_KNOWLEDGE_INTERNAL_H

#include "knowledge/filter.h"
#include "knowledge/knowledge.h"
#include "knowledge/partition.h"

#include <stdatomic.h>

#define NX_NAME_BYTES_MAX 512 /* a document's or entity's name */
#define NX_TITLE_BYTES_MAX 1000
#define NX_METADATA_BYTES_MAX 65536
#define NX_SLICE_US 2000 /* of work in one bulk slice: DESIGN, "slices of at most 2 ms" */

/* documents.visible */
enum { NX_DOC_STAGED = 0, NX_DOC_VISIBLE = 1, NX_DOC_DEAD = 2 };

struct nx_knowledge {
	const struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_models *models;

	pthread_mutex_t lock; /* partitions, busy */
	pthread_cond_t idle;
	struct nx_partition **partitions;
	size_t npartitions, partitions_cap;
	int64_t busy; /* ingests, changes, searches, loads under way */

	/* Read by nx_knowledge_state on any thread; each is a figure of its own, so relaxed order will do. */
	atomic_bool loading, load_failed;
	atomic_bool stopping; /* what can wait for the next start ends; a hint, so relaxed order will do */
	_Atomic int64_t pending_vectors;
	struct nx_job load_job;
	struct nx_backlog *backlog; /* the load job's */
	int load_phase;             /* documents, entities, relationships, vectors; the load job's, as is the next */
	int64_t loaded;             /* the last row of the phase */

	struct nx_partition_space vectors; /* of the model in use; dims 0: none */
	bool tending, tend_again;          /* under lock */
	struct nx_job tend_job;

	bool purging, purge_again; /* under lock */
	bool purge_staged;         /* writer thread, set before the first purge: also what a crash left staged */
	int64_t started_us;
	struct nx_write purge_write;
};

/* Held by everything asynchronous from its start to just before its `done`. */
void nx_knowledge_enter(struct nx_knowledge *k);
void nx_knowledge_leave(struct nx_knowledge *k);

/* The partition, made when it is not there. Partitions live as long as the knowledge. */
int nx_knowledge_partition(struct nx_knowledge *k, int64_t tenant, nx_str space, struct nx_partition **ret,
			   struct nx_error **err);
/* NULL when nothing was ever stored there. */
struct nx_partition *nx_knowledge_find_partition(struct nx_knowledge *k, int64_t tenant, nx_str space);

bool nx_knowledge_has_vectors(const struct nx_knowledge *k);
bool nx_knowledge_is_stopping(const struct nx_knowledge *k);

/* Validates a document, cuts it and finds its names; the result lives in `a` and borrows nothing. The error's pointer is
 * relative to the document ("/text"). */
int nx_document_prepare(const struct nx_config *c, struct nx_stemmer *s, const struct nx_document *d, unsigned indexes,
			struct nx_arena *a, struct nx_prepared_doc *ret, struct nx_error **err);
/* "Document › Section": what a chunk is shown and indexed with. */
nx_str nx_chunk_title(struct nx_arena *a, nx_str title, nx_str heading);

/* Starts the upkeep of the vector indexes, or makes it look once more (tend.c). */
void nx_knowledge_tend(struct nx_knowledge *k);
/* "indexes/<tenant>-<hash of the space>.vectors" in the data directory; NULL when there is none, or no memory. */
char *nx_knowledge_snapshot_path(const struct nx_knowledge *k, const struct nx_partition *p, struct nx_arena *a);

/* Deletes rows of documents that are not visible (staged by a crash or failure, replaced, deleted), in bulk slices. */
void nx_knowledge_purge(struct nx_knowledge *k);

/* Embeds chunks, stores their vectors and puts them into the index; `done` comes once, on whatever thread was last. */
struct nx_embed_item {
	int64_t key; /* chunk row */
	nx_str title, text;
};
struct nx_embedding {
	struct nx_knowledge *k;
	struct nx_partition *p;
	const struct nx_embed_item *items;
	size_t n, at;
	void (*done)(struct nx_embedding *e, struct nx_error *err);
	void (*progress)(struct nx_embedding *e); /* may be NULL */
	void *ctx;

	struct nx_arena *batch_arena; /* private */
	size_t stored;
	struct nx_embed embed;
	struct nx_write write;
	struct nx_job job;
};
void nx_embedding_start(struct nx_embedding *e);

/* Objects of the graph as the API shows them; by the client's id, entities by ours too. NX_ENOTFOUND. */
int nx_entity_value(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, yyjson_mut_doc *d, yyjson_mut_val **ret,
		    struct nx_error **err);
int nx_entity_json(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, struct nx_arena *a, nx_str *ret,
		   struct nx_error **err);
int nx_relationship_json(struct nx_db *db, int64_t tenant, nx_str space, nx_str id, struct nx_arena *a, nx_str *ret,
			 struct nx_error **err);

/* By the metadata of the document; the verdict is kept. */
bool nx_filter_accepts(struct nx_filter *f, const struct nx_partition *p, uint32_t slot);

/* A search under way, on a worker. */
struct nx_search_run {
	struct nx_knowledge *k;
	struct nx_search *s;
	struct nx_partition *p;
	struct nx_filter *filter;
	float *query_vector; /* NULL: none */
	struct nx_error *err;
	int64_t started_us;
};
/* Entities, best first. Under the partition's lock. */
int nx_search_entities(struct nx_search_run *r, const struct nx_term *t, size_t n, struct nx_hit **ret, size_t *ret_n,
		       struct nx_error **err);
int nx_search_fill_entity(struct nx_search_run *r, struct nx_db *db, struct nx_hit *h, struct nx_error **err);
/* The k best passages by BM25, and a hit without its text. Under the partition's lock. */
int nx_search_best_text(struct nx_search_run *r, const struct nx_term *t, size_t n, size_t k, struct nx_scored **ret,
			size_t *ret_n, struct nx_error **err);
/* A passage's text, from the store. Empty when it was deleted meanwhile. */
int nx_search_passage(struct nx_search_run *r, uint32_t slot, struct nx_arena *a, nx_str *ret, struct nx_error **err);
void nx_hit_of_slot(const struct nx_partition *p, uint32_t slot, struct nx_hit *ret);
/* Loads what is shown of the hits from the store. */
int nx_search_fill(struct nx_search_run *r, struct nx_error **err);

#endif
