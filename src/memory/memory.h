/*
 * Memory: what a user said and did, kept for good, and what of it matters now.
 *
 * Every turn is stored and can be found for good (`turns`); the layers are views over turns, with their sources:
 *   working    at most memory.capacity items per user and session. keep score = 0.4·accesses − 0.0001·age in seconds
 *              + 0.6·attention; a new item has accesses 1, attention 1.0; a full memory is cleaned before the next is
 *              stored: the lowest go until capacity − 10, and those with attention > 0.7 move to long-term memory
 *   episodic   experience with importance > memory.episode_importance
 *   semantic   facts that turns state of their speaker, found by rules, with the turns as sources and the time in which
 *              they are valid: a contradiction ends the earlier one, and only what is valid is recalled
 *   procedural plans that worked, by intent and pattern
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
	yyjson_val *filters;            /* NULL: none; see below */
	struct nx_trace_ctx trace;
	void (*done)(struct nx_memory_recall *r, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;

	struct nx_memory_item *working, *episodic, *semantic, *procedural, *ranked;
	size_t nworking, nepisodic, nsemantic, nprocedural, nranked;
	struct nx_job job; /* private */
	void *priv;
};
/*
 * Filters are those of knowledge/filter.h: over agent_id, layer and role (a value or {"in"}), occurred_at (RFC 3339 times),
 * and by every other name over the metadata of the turn. They hold for each list. A fact has the agent and the metadata of
 * its turn, and began at its occurred_at; a procedure has the role `plan`, no agent and no metadata. NX_EINVAL at
 * /filters/… when one asks what cannot be.
 */
/* Any thread. Accesses of what was returned are counted, off the way of the answer. */
void nx_memory_recall(struct nx_memory *m, struct nx_memory_recall *r);
yyjson_mut_val *nx_memory_recall_json(const struct nx_memory_recall *r, yyjson_mut_doc *d);

/*
 * After a task: what the user asked (role `user`) and what was answered (role `assistant`) become turns, and the plan, when
 * it is one worth keeping, counts as a procedure. Any thread; strings are copied; it happens later, on a worker and the
 * writer, and what fails is logged there, because the task is over. An answer in which memory itself spoke is tainted and
 * states no facts, and one that is remembered word for word already is not stored again.
 */
struct nx_memory_task {
	int64_t tenant;
	nx_id id;
	nx_str user_id;                                        /* empty: nothing is kept */
	nx_str session, agent_id, input, answer, intent, plan; /* plan: JSON, p NULL when it is not to be kept */
	int64_t asked_at, answered_at;
	bool tainted;   /* what came of tools, files or others went into the answer */
	bool recalled;  /* so did memories */
	bool succeeded; /* else nothing was answered, and the plan did not work */
};
void nx_memory_consolidate(struct nx_memory *m, const struct nx_memory_task *t);

/* Objects, as the API shows them; sync, on a worker. NX_ENOTFOUND. */
int nx_memory_get(struct nx_memory *m, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		  struct nx_error **err);
int nx_memory_sessions(struct nx_memory *m, int64_t tenant, nx_str user_id, int64_t after, size_t limit,
		       struct nx_arena *a, nx_str *ret_items, int64_t *ret_next, struct nx_error **err);
int nx_memory_session_get(struct nx_memory *m, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			  struct nx_error **err);
int nx_memory_turns(struct nx_memory *m, int64_t tenant, nx_id session, int64_t after, size_t limit, struct nx_arena *a,
		    nx_str *ret_items, int64_t *ret_next, struct nx_error **err);

/* The row of a session by the client's name for it, made when it is new; 0 when the name is empty. On the writer. */
int nx_memory_session_put(struct nx_db *db, int64_t tenant, nx_str user_id, nx_str name, int64_t now, int64_t *ret,
			  struct nx_error **err);

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
