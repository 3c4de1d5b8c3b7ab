/*
 * A change of the graph on its way: read and validated whole (graph_read.c), written in one transaction (graph_write.c), then
 * memory is made to agree (graph_change.c). graph_put.c and graph_delete.c say what is changed.
 *
 * What is wrong is all told at once: {"success":false,"inserted_count":0,"errors":[{"index","path","message"}]} is the
 * answer beside an error that points at the first fault.
 */
#ifndef NX_KNOWLEDGE_GRAPH_CHANGE_H
#define NX_KNOWLEDGE_GRAPH_CHANGE_H

#include "knowledge/knowledge_internal.h"

#define NX_CHANGE_ALIASES_MAX 16

struct change_entity {
	nx_str id, type, properties, name;
	nx_str names[2 + NX_CHANGE_ALIASES_MAX]; /* folded, each once */
	size_t nnames;
	double confidence;
	size_t index; /* in the request */
	int64_t key;
};
struct change_relationship {
	nx_str id, source, target, type, properties;
	double weight, confidence;
	size_t index;
	int64_t key;
};
struct graph_change {
	struct nx_knowledge *k;
	struct nx_knowledge_change *c;
	struct nx_arena *arena; /* the caller's */
	nx_str space;
	struct change_entity *entities;
	struct change_relationship *relationships;
	size_t nentities, nrelationships;
	yyjson_mut_doc *doc;
	yyjson_mut_val *errors;
	int64_t now_us;
	struct nx_error *err; /* the first fault */
	/* What else memory has to read again: keys of deleted rows. */
	int64_t gone_entity, gone_relationship;
};

/* graph_read.c: each adds what it reads to the change, and tells faults to it. `id`: that of the path, or p NULL. */
void nx_change_read_entity(struct graph_change *g, yyjson_val *v, size_t index, nx_str id);
void nx_change_read_relationship(struct graph_change *g, yyjson_val *v, size_t index, nx_str id);
void nx_change_check_twice(struct graph_change *g);
/* `list` and `member` are the place in the request. Returns NX_EINVAL. */
int nx_change_report(struct graph_change *g, size_t index, const char *list, const char *member, const char *what);

/* graph_write.c, on the writer thread. Find: 1 and the row, or 0; `found_too`: by our own id, too. */
int nx_change_find_entity(struct graph_change *g, struct nx_db *db, nx_str id, bool found_too, int64_t *ret,
			  struct nx_error **err);
int nx_change_write_entity(struct graph_change *g, struct nx_db *db, struct change_entity *e, struct nx_error **err);
int nx_change_write_relationship(struct graph_change *g, struct nx_db *db, struct change_relationship *r,
				 struct nx_error **err);

/* graph_change.c. Begin: NULL when out of memory, which the caller's `done` is told. Go: writes by `apply_fn`, or tells the
 * faults; then memory agrees, then `done`. Answer: that of a list. */
struct graph_change *nx_change_begin(struct nx_knowledge *k, struct nx_knowledge_change *c, size_t nentities,
				     size_t nrelationships);
void nx_change_go(struct graph_change *g, int (*apply_fn)(struct nx_write *w, struct nx_db *db, struct nx_error **err));
int nx_change_answer(struct graph_change *g, bool success, struct nx_error **err);

#endif
