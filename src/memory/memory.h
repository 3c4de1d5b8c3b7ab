/*
 * Memory: what a user said and did, kept for good, and what of it matters now.
 *
 * Every turn is stored and can be found for good (`turns`); the layers are views over turns, with their sources:
 *   working    at most memory.capacity items per user and session. keep score = 0.4·accesses − 0.0001·age in seconds
 *              + 0.6·attention; a new item has accesses 1, attention 1.0; a full memory is cleaned before the next is
 *              stored: the lowest go until capacity − 10, and those with attention > 0.7 move to long-term memory
 *   episodic   experience with importance > memory.episode_importance
 *   semantic   facts: the knowledge graph, in the user's own space
 *   procedural plans that worked
 * Recall returns at most 5 working, 10 episodic, 15 semantic, 5 procedural, and one ranking by relevance and recency.
 * Recalled text is data: it carries its taint, and is never stored again as if a user had said it.
 */
#ifndef NX_MEMORY_MEMORY_H
#define NX_MEMORY_MEMORY_H

#include "base/config.h"
#include "base/loop.h"
#include "base/schema.h"
#include "base/trace.h"
#include "knowledge/knowledge.h"
#include "store/store.h"

struct nx_memory;
int nx_memory_new(const struct nx_config *c, struct nx_store *s, struct nx_workers *w, struct nx_knowledge *k,
		  struct nx_models *m, struct nx_memory **ret, struct nx_error **err);
void nx_memory_free(struct nx_memory *m);

/* One turn: `id` is the turn's, for good. A caller that may come twice with the same turn names the id itself: the second
 * time nothing is stored and the answer is the same. */
struct nx_memory_turn {
	nx_str user_id, session, agent_id, role, text;
	int64_t occurred_at; /* 0: now */
	double importance;   /* below 0: estimated by rules */
	yyjson_val *metadata;
	bool tainted;
	nx_id task;
	nx_id id; /* none: a new one */
	/* answer */
	const char *layer; /* "working" or "episodic" */
};
struct nx_memory_store {
	struct nx_arena *arena;
	int64_t tenant;
	struct nx_memory_turn *turns;
	size_t nturns;
	struct nx_tx_hook *hook;
	void (*done)(struct nx_memory_store *s, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;
	struct nx_write write; /* private */
	void *priv;
};
/* Any thread. All or nothing. */
void nx_memory_store(struct nx_memory *m, struct nx_memory_store *s);

struct nx_memory_item {
	nx_id id; /* of the turn, or of the fact */
	const char *layer;
	nx_str text, role;
	double score, importance;
	int64_t occurred_at;
	nx_str why; /* "3 of 4 words, 2 days ago" */
	nx_id *sources;
	size_t nsources;
	bool tainted;
};
struct nx_memory_recall {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str user_id, session, query; /* session empty: all of the user's */
	size_t limit;                   /* of `ranked`; 0: 10 */
	yyjson_val *filters;
	struct nx_trace_ctx trace;
	void (*done)(struct nx_memory_recall *r, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;

	struct nx_memory_item *working, *episodic, *semantic, *procedural, *ranked;
	size_t nworking, nepisodic, nsemantic, nprocedural, nranked;
	struct nx_job job; /* private */
	void *priv;
};
/* Any thread. Accesses of what was returned are counted, off the way of the answer. */
void nx_memory_recall(struct nx_memory *m, struct nx_memory_recall *r);
yyjson_mut_val *nx_memory_recall_json(const struct nx_memory_recall *r, yyjson_mut_doc *d);

/* Objects, as the API shows them; sync, on a worker. NX_ENOTFOUND. */
int nx_memory_get(struct nx_memory *m, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		  struct nx_error **err);
int nx_memory_sessions(struct nx_memory *m, int64_t tenant, nx_str user_id, int64_t after, size_t limit,
		       struct nx_arena *a, nx_str *ret_items, int64_t *ret_next, struct nx_error **err);
int nx_memory_session_get(struct nx_memory *m, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			  struct nx_error **err);
int nx_memory_turns(struct nx_memory *m, int64_t tenant, nx_id session, int64_t after, size_t limit, struct nx_arena *a,
		    nx_str *ret_items, int64_t *ret_next, struct nx_error **err);

/* Changes: PATCH {"text","importance","metadata"}, DELETE, pin {"pinned"}, forget {"user_id"}; op names which. */
enum nx_memory_op { NX_MEMORY_PATCH, NX_MEMORY_DELETE, NX_MEMORY_PIN, NX_MEMORY_FORGET };
struct nx_memory_change {
	struct nx_arena *arena;
	int64_t tenant;
	enum nx_memory_op op;
	nx_id id;
	nx_str user_id;
	yyjson_val *body;
	struct nx_tx_hook *hook;
	void (*done)(struct nx_memory_change *c, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;
	nx_str answer;         /* JSON */
	struct nx_write write; /* private */
	void *priv;
};
void nx_memory_change(struct nx_memory *m, struct nx_memory_change *c);

#endif
