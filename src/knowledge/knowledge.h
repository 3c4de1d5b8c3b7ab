/*
 * Knowledge: documents, entities and relationships, and the ways to find them.
 *
 * The store holds the truth; the text index (BM25), the vector index (HNSW) and the graph are derived from it, kept in
 * memory and agree with it: a change is committed first, then applied to the indexes, and is acknowledged ("indexed") when
 * every enabled search mode would find it. All of it is partitioned by tenant and space ('' is the tenant's shared space;
 * memory keeps a user's facts in "user:ID"), and no search crosses a partition it was not given.
 *
 * Structs are filled by the caller, who keeps them and their arena alive until `done`, which comes exactly once on `reply`
 * (on a thread of ours when reply is NULL). Sync functions run on the calling worker thread.
 */
#ifndef NX_KNOWLEDGE_KNOWLEDGE_H
#define NX_KNOWLEDGE_KNOWLEDGE_H

#include "base/config.h"
#include "base/loop.h"
#include "base/schema.h"
#include "base/trace.h"
#include "extract/extract.h"
#include "model/model.h"
#include "store/store.h"

struct nx_knowledge;

int nx_knowledge_new(const struct nx_config *c, struct nx_store *s, struct nx_workers *w, struct nx_models *m,
		     struct nx_knowledge **ret, struct nx_error **err);
/* Loads snapshots or rebuilds the indexes from the store, on workers; `state` tells when. */
void nx_knowledge_load(struct nx_knowledge *k);
/* Loads and upkeep of indexes end soon, and leave snapshots for the next start. Any thread; before the workers end. */
void nx_knowledge_stop(struct nx_knowledge *k);
/* Waits for what is under way; before the workers, the store and the models end. */
void nx_knowledge_free(struct nx_knowledge *k);
struct nx_knowledge_state {
	const char *text, *vector, *graph; /* "ready", "loading", "disabled", "failed" */
	int64_t documents, chunks, entities, relationships, vectors, pending_vectors;
};
void nx_knowledge_state(struct nx_knowledge *k, struct nx_knowledge_state *ret); /* any thread */

/* ---- documents ---- */
enum { NX_INDEX_TEXT = 1, NX_INDEX_GRAPH = 2, NX_INDEX_VECTOR = 4, NX_INDEX_ALL = 7 };

struct nx_document {
	nx_str name;  /* the client's id; empty: made from the hash of the text */
	nx_str title; /* empty: the first heading or line */
	nx_str text;  /* UTF-8 */
	nx_str mime;  /* of the source; what is not text comes with blocks */
	nx_str uri;
	nx_str metadata; /* JSON object or null */
	/* What extraction found; NULL: found by the mime. They are of `text`, in NFC. */
	const struct nx_block *blocks;
	size_t nblocks;
	enum nx_place_unit unit;
};
struct nx_ingest {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str space;
	struct nx_document *docs;
	size_t ndocs;
	unsigned indexes;
	bool wait_stored; /* answer when durable; false: when indexed too */
	struct nx_tx_hook *hook;
	struct nx_trace_ctx trace;
	void (*progress)(struct nx_ingest *g, size_t chunks_done, size_t chunks); /* may be NULL */
	void (*done)(struct nx_ingest *g, struct nx_error *err); /* err has the pointer of the document at fault */
	struct nx_loop *reply;
	void *ctx;

	size_t inserted, updated, unchanged, chunks;
	nx_id *ids;        /* ndocs of them, in order */
	struct nx_job job; /* private */
	void *priv;
};
/* Any thread. All or nothing: a document whose name exists is replaced and keeps its id; the same one again is "unchanged". */
void nx_knowledge_ingest(struct nx_knowledge *k, struct nx_ingest *g);
yyjson_mut_val *nx_ingest_json(const struct nx_ingest *g,
			       yyjson_mut_doc *d); /* {"inserted","updated","unchanged","ids","chunks"} */
/* The bytes of a file of a native format (extract.h) as documents: one, or one for each line of JSON Lines with
 * {"id"|"_id","title","text","metadata"}, each row of a table, each object with a "text" of a JSON list. NX_ETYPE, NX_EPARSE
 * or NX_EENCODING with line and reason when the file is not what its name and type say; `file.name` is for messages, and the
 * id of a file that is one document; rows have it before theirs, or their hash. */
struct nx_knowledge_file {
	nx_str name, title, mime, uri, metadata, bytes;
};
int nx_knowledge_read_native(const struct nx_extract_limits *l, const struct nx_knowledge_file *file,
			     struct nx_arena *a, struct nx_document **ret, size_t *ret_n, struct nx_error **err);
/* The same for a file on disk, by its base name, as large as memory allows. NX_EUNSUPPORTED for foreign formats. */
int nx_knowledge_read_file(const char *path, struct nx_arena *a, struct nx_document **ret, size_t *ret_n,
			   struct nx_error **err);
/* knowledge.max_document_bytes and its like, as decoders want them. */
struct nx_extract_limits nx_knowledge_extract_limits(const struct nx_config *c);
/* JSON Lines alone. */
int nx_knowledge_read_jsonl(nx_str name, nx_str text, struct nx_arena *a, struct nx_document **ret, size_t *ret_n,
			    struct nx_error **err);
/* By uid, or by the client's name when `id` is none. JSON as the API shows it. */
int nx_knowledge_document_get(struct nx_knowledge *k, int64_t tenant, nx_str id_or_name, struct nx_arena *a,
			      nx_str *ret_json, struct nx_error **err);
/* `uri`: only documents whose uri begins with it; empty: all. */
int nx_knowledge_document_list(struct nx_knowledge *k, int64_t tenant, nx_str uri, int64_t after, size_t limit,
			       struct nx_arena *a, nx_str *ret_json_items, int64_t *ret_next, struct nx_error **err);
struct nx_knowledge_change { /* one asynchronous change with a JSON answer */
	struct nx_arena *arena;
	int64_t tenant;
	nx_str space;
	nx_str id;        /* of the object */
	yyjson_val *body; /* graph, entity, relationship */
	struct nx_tx_hook *hook;
	void (*done)(struct nx_knowledge_change *c, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;
	nx_str answer; /* JSON */
	struct nx_job job;
	struct nx_write write;
	void *priv;
};
void nx_knowledge_document_delete(struct nx_knowledge *k, struct nx_knowledge_change *c);

/* ---- the graph ---- */
/* {"entities":[],"relationships":[]}: validated whole, then one transaction. */
void nx_knowledge_graph_put(struct nx_knowledge *k, struct nx_knowledge_change *c);
void nx_knowledge_entity_put(struct nx_knowledge *k, struct nx_knowledge_change *c);
void nx_knowledge_entity_delete(struct nx_knowledge *k, struct nx_knowledge_change *c);
void nx_knowledge_relationship_put(struct nx_knowledge *k, struct nx_knowledge_change *c);
void nx_knowledge_relationship_delete(struct nx_knowledge *k, struct nx_knowledge_change *c);
int nx_knowledge_entity_get(struct nx_knowledge *k, int64_t tenant, nx_str id, struct nx_arena *a, nx_str *ret_json,
			    struct nx_error **err);
int nx_knowledge_relationship_get(struct nx_knowledge *k, int64_t tenant, nx_str id, struct nx_arena *a,
				  nx_str *ret_json, struct nx_error **err);
/* DESIGN: the start excluded, each entity once, score = most relationships heavier than 0.5 on any path to it, ties by
 * depth then id; types RELATES_TO when none are named; limit at most 50. */
int nx_knowledge_connected(struct nx_knowledge *k, int64_t tenant, nx_str id, unsigned depth, const nx_str *types,
			   size_t ntypes, size_t limit, struct nx_arena *a, nx_str *ret_json, struct nx_error **err);

/* ---- search ---- */
enum nx_search_mode { NX_SEARCH_HYBRID, NX_SEARCH_TEXT, NX_SEARCH_VECTOR, NX_SEARCH_GRAPH };
extern const char *const nx_search_mode_names[]; /* "hybrid", "text", "vector", "graph", NULL */
enum { NX_KIND_CHUNK = 1, NX_KIND_ENTITY = 2 };

struct nx_hit {
	unsigned kind;
	int64_t key; /* chunk or entity row */
	nx_id document, chunk, entity;
	nx_str document_name, title, text, entity_json;
	int64_t start, length; /* of a chunk: bytes of its document's text */
	nx_str place;          /* JSON, as {"page":[3,4]}: where its source stands; empty: unknown */
	double score;
	double text_score, vector_score, graph_score; /* NaN: not scored that way */
	nx_str *path;                                 /* names of entities or titles that led here */
	size_t npath;
};
struct nx_search {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str space;
	nx_str query;
	size_t limit;
	enum nx_search_mode mode;
	unsigned kinds;
	yyjson_val *filters; /* {"field":value|{"in","gte","lte"}} over a document's metadata; NULL */
	bool explain;
	struct nx_trace_ctx trace;
	void (*done)(struct nx_search *s, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;

	struct nx_hit *hits;
	size_t nhits;
	int64_t took_us;
	struct nx_job job; /* private */
	struct nx_embed embed;
	void *priv;
};
/* Any thread: embeds the query where the mode needs it, then searches on a worker. */
void nx_knowledge_search(struct nx_knowledge *k, struct nx_search *s);
yyjson_mut_val *nx_search_json(const struct nx_search *s, yyjson_mut_doc *d); /* {"hits":[…],"took_ms"} */

/* ---- ask: an answer made of the evidence's own sentences, each cited ---- */
struct nx_citation {
	nx_id document, chunk;
	nx_str document_name, title, quote;
};
struct nx_ask {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str space, question;
	size_t limit;
	struct nx_trace_ctx trace;
	void (*done)(struct nx_ask *a, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;

	nx_str answer; /* sentences, each followed by [n] */
	bool found;    /* false: the evidence does not answer; the answer then says so */
	double confidence;
	struct nx_citation *citations;
	size_t ncitations;
	struct nx_ask_step {
		const char *name;
		nx_str detail;
		int64_t us;
	} * steps;
	size_t nsteps;
	struct nx_search search;
	void *priv;
};
void nx_knowledge_ask(struct nx_knowledge *k, struct nx_ask *a);
yyjson_mut_val *nx_ask_json(const struct nx_ask *a, yyjson_mut_doc *d);

/* Extractive summary: the `max` most central sentences (TextRank over shared stems), in their order. */
int nx_text_summarize(nx_str text, size_t max, struct nx_arena *a, nx_str *ret, struct nx_error **err);
/* Words as the text index has them (folded, stemmed, stop words out): for memory and analysis. Language is found. */
int nx_text_terms(nx_str text, struct nx_arena *a, nx_str **ret, size_t *ret_n, struct nx_error **err);

#endif
