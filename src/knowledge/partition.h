/*
 * A partition: the indexes of one tenant's space. Searches never leave it.
 *
 * A passage (chunk) is a slot and a document is a number; both only grow. What is added stays hidden until it is shown,
 * and what is replaced or deleted is marked dead, in one step with what replaces it: a search sees all of a change or
 * nothing of it. Dead passages leave the text index and the vector index when these are compacted.
 *
 * Readers and writers: `lock` is taken shared by searches and exclusively for each short change (a few passages; writers
 * are preferred, so that searches cannot starve them). `builder` makes writers queue up; who holds it may read without
 * `lock`, because nobody else writes. Analysis of text happens before either is taken.
 *
 * The same change may reach a partition twice or out of order (the store is loaded while documents arrive): a document is
 * known by its row, adding a known row does nothing, and a row that was removed before it came is never shown.
 */
#ifndef NX_KNOWLEDGE_PARTITION_H
#define NX_KNOWLEDGE_PARTITION_H

#include "knowledge/dict.h"
#include "knowledge/entities.h"
#include "knowledge/graph.h"
#include "knowledge/hnsw.h"
#include "knowledge/map.h"
#include "knowledge/names.h"
#include "knowledge/text_index.h"
#include "knowledge/titles.h"

#include "base/id.h"

#include <pthread.h>

/* Bits of `indexes`, as in knowledge.h. */
enum { NX_PARTITION_TEXT = 1, NX_PARTITION_GRAPH = 2, NX_PARTITION_VECTOR = 4 };

struct nx_doc {
	int64_t key;
	nx_id uid;
	nx_str name, title, metadata; /* one allocation, which `name` begins */
	uint32_t first, n;            /* slots */
	uint32_t title_number;        /* of the gazetteer; NX_MAP_NONE: none */
	unsigned indexes;
	bool alive, shown; /* shown: it was, at some time */
};
struct nx_slot {
	int64_t key;
	nx_id uid;
	uint32_t doc;
	uint32_t node;   /* of the graph; NX_MAP_NONE: not in it */
	uint32_t vector; /* in the vector index; NX_HNSW_NONE: none */
};

/* A chunk on its way into the indexes. */
struct nx_prepared_chunk {
	int64_t key; /* row; set by the writer or the loader */
	nx_id uid;
	uint32_t start, length;
	nx_str title, text;
	const char *language;
	nx_str place; /* JSON; empty: unknown */
	struct nx_name *names;
	size_t nnames;
	float *vector;    /* NULL: not yet */
	int64_t kept_key; /* of an update: the row with the same text in the version before (reuse.c); 0: none */
	nx_id kept_uid;
};
struct nx_prepared_doc {
	int64_t key;
	nx_id uid, staged_uid; /* an update takes the uid of what it replaces when it is shown */
	nx_str name, title, mime, uri, metadata, text;
	unsigned char hash[32];
	unsigned indexes;
	bool unchanged, updated;
	struct nx_prepared_chunk *chunks;
	size_t nchunks;
	int64_t kept_from; /* the row that kept chunks are of */
	int64_t *replaces; /* rows of documents that this one takes the place of */
	size_t nreplaces;
};

struct nx_partition {
	int64_t tenant;
	nx_str space;
	pthread_rwlock_t lock;
	pthread_mutex_t builder;

	struct nx_doc *docs;
	uint32_t ndocs, docs_cap;
	struct nx_slot *slots;
	uint32_t nslots, slots_cap;
	uint64_t *alive; /* a bit a slot */
	uint32_t nalive, ndead, alive_docs;
	struct nx_map doc_by_key;  /* document row → number, or NX_MAP_NONE - 1: removed before it came */
	struct nx_map slot_by_key; /* chunk row → slot */

	struct nx_dict dict; /* terms, each with a letter for its kind before it: see enum nx_term_kind */
	struct nx_text_index text;

	struct nx_titles titles;
	struct nx_graph graph;
	struct nx_node *nodes; /* what the nodes of the graph are */
	uint32_t nodes_cap;
	struct nx_map name_nodes; /* term of kind NX_TERM_NAME → node */
	struct nx_entities entities;
	struct nx_hnsw vectors; /* dims 0: nothing was embedded yet */
	struct nx_hnsw_repair repair;
	uint32_t repair_dead; /* so many were deleted when the repair began */
	uint32_t unsaved;     /* changes of the vectors since the snapshot */
};

enum nx_node_kind { NX_NODE_CHUNK, NX_NODE_TITLE, NX_NODE_NAME, NX_NODE_ENTITY };
struct nx_node {
	enum nx_node_kind kind;
	uint32_t ref; /* slot, title, term of kind NX_TERM_NAME, or entity */
};
/* Labels of edges. From the chunk to the title or name, from the entity to its names, from source to target; the way back has NX_EDGE_BACK added. */
enum { NX_EDGE_SAYS_TITLE, NX_EDGE_HAS_TITLE, NX_EDGE_SAYS_NAME, NX_EDGE_BEARS, NX_EDGE_RELATION, NX_EDGE_BACK = 8 };
int nx_partition_add_node(struct nx_partition *p, enum nx_node_kind kind, uint32_t ref, uint32_t *ret,
			  struct nx_error **err);

/* 'w': surface of a title; 'a': Arabic stem of a title; 'n': folded name; 'e': id of an entity; 't': type of relationships. */
enum nx_term_kind {
	NX_TERM_SURFACE = 'w',
	NX_TERM_ARABIC = 'a',
	NX_TERM_ENTITY = 'e',
	NX_TERM_TYPE = 't',
	NX_TERM_NAME = 'n'
};
uint32_t nx_partition_find_term(const struct nx_partition *p, enum nx_term_kind kind, nx_str s);
/* Under `lock`, exclusively; 0 when out of memory. */
uint32_t nx_partition_add_term(struct nx_partition *p, enum nx_term_kind kind, nx_str s);

int nx_partition_new(int64_t tenant, nx_str space, struct nx_partition **ret, struct nx_error **err);
void nx_partition_free(struct nx_partition *p);

static inline bool nx_slot_alive(const struct nx_partition *p, uint32_t slot)
{
	return p->alive[slot / 64] >> (slot % 64) & 1;
}

/* The node of a folded name, new when it is not there. Under `lock`, exclusively. */
int nx_partition_name_node(struct nx_partition *p, nx_str folded, uint32_t *ret, struct nx_error **err);

/* The forms of a text, as they are matched with titles. Under `lock`, shared. 0 stands for words never seen. */
int nx_partition_forms(const struct nx_partition *p, const struct nx_term *t, size_t n, struct nx_arena *a,
		       struct nx_form **ret, struct nx_error **err);
/* partition_graph.c; under `builder`, they take `lock` themselves. */
int nx_partition_add_title(struct nx_partition *p, uint32_t doc, struct nx_stemmer *s, struct nx_arena *scratch,
			   struct nx_error **err);
/* Under `lock`, exclusively. `t` is the text's analysis, `says` everything that the passage says, its title included. */
int nx_partition_link_slot(struct nx_partition *p, uint32_t slot, const struct nx_form *says, size_t nsays,
			   const struct nx_name *names, size_t nnames, struct nx_error **err);

/* Freezes the tail of the text index or merges segments, once, when there is need; true when something was done. Any
 * worker, one at a time. */
bool nx_partition_tend_text(struct nx_partition *p);

/* ---- vectors: partition_vectors.c; any worker, they take the locks themselves ---- */

/* Which vectors a partition holds; set before the first one. */
struct nx_partition_space {
	uint32_t dims;
	enum nx_hnsw_kept kept;
	uint64_t model;
};
/* Of a chunk, by its row; nothing when the chunk is not there, or not any more. */
int nx_partition_add_vector(struct nx_partition *p, const struct nx_partition_space *space, int64_t chunk,
			    const float *v, struct nx_error **err);
bool nx_partition_has_vector(struct nx_partition *p, int64_t chunk);
/* A slice of upkeep of about `us`: links new vectors, gives the neighbours of deleted ones other links, and drops the
 * deleted when they are many. Searches go on. True when there is more to do. */
bool nx_partition_tend_vectors(struct nx_partition *p, int64_t us);
/* The snapshot is out of date by so much that it should be written; any_change: by anything. */
bool nx_partition_snapshot_is_due(struct nx_partition *p, bool any_change);
/* Writes it; one that is too small to be worth it is removed instead. */
int nx_partition_save_vectors(struct nx_partition *p, const char *path, struct nx_error **err);
/* Into a partition that has its passages and no vectors. NX_ENOTFOUND, NX_ECORRUPT, NX_ECONFLICT as nx_hnsw_open. */
int nx_partition_open_vectors(struct nx_partition *p, const struct nx_partition_space *space, const char *path,
			      struct nx_error **err);

/* Adds a document without showing it. Any worker; takes the locks for each passage. */
int nx_partition_add_hidden(struct nx_partition *p, const struct nx_prepared_doc *d, struct nx_error **err);
/* Shows documents and hides those they replace, all in one step. */
void nx_partition_show(struct nx_partition *p, struct nx_prepared_doc *const *docs, size_t n);
void nx_partition_remove(struct nx_partition *p, const int64_t *docs, size_t n);

#endif
