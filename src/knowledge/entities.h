/*
 * Declared entities and relationships of a partition, in memory: what connected.c walks and search finds.
 *
 * They follow the store by rows: nx_graph_sync_entity and _relationship read a row again, under `builder`, and make memory
 * agree with it, so that it does not matter in which order two changes arrive. An entity is a node of the graph, joined
 * with the nodes of the names it bears; a relationship is an edge.
 */
#ifndef NX_KNOWLEDGE_ENTITIES_H
#define NX_KNOWLEDGE_ENTITIES_H

#include "knowledge/map.h"
#include "knowledge/text_index.h"

#include "base/id.h"

struct nx_partition;
struct nx_db;

struct nx_entity {
	int64_t key;
	nx_id uid;
	nx_str id;   /* the client's; one allocation with `name`, which follows it */
	nx_str name; /* what it is called */
	uint32_t node;
	bool alive;
};
struct nx_relation {
	int64_t key;
	uint32_t source, target; /* entities */
	uint32_t type;           /* term of kind NX_TERM_TYPE */
	float weight;
	bool alive;
};
struct nx_entities {
	struct nx_entity *v;
	uint32_t n, cap, alive;
	struct nx_map by_key, by_id; /* by_id: term of kind NX_TERM_ENTITY → number */
	struct nx_relation *relations;
	uint32_t nrelations, relations_cap, relations_alive;
	struct nx_map relation_by_key;
	struct nx_text_index text; /* slots are versions of entities: see version_of */
	uint32_t *version_of;      /* slot of `text` → entity */
	uint32_t *versions;        /* entity → its newest slot */
	uint32_t nversions, versions_cap;
};
void nx_entities_done(struct nx_entities *e);

/* Any worker, not holding the locks. A row that is gone, or no client's, is removed from memory. */
int nx_graph_sync_entity(struct nx_partition *p, struct nx_db *db, int64_t key, struct nx_error **err);
int nx_graph_sync_relationship(struct nx_partition *p, struct nx_db *db, int64_t key, struct nx_error **err);

/* The number of an entity by the client's id; NX_MAP_NONE. Under `lock`. */
uint32_t nx_entity_find(const struct nx_partition *p, nx_str id);

#endif
