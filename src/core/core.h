/*
 * Core: a request becomes a task, a task a plan, a plan steps, and each is durable before the next depends on it.
 *
 * One thread, one loop, ten files in the order of the way of a request (DESIGN §2). The journal is the `events` table;
 * `tasks` and `steps` are projections written in the same transaction. A commit comes before any answer, any event shown,
 * and the start of a step whose effects are not none or idempotent.
 *
 * Submissions and controls come from any thread and are answered on their `reply` loop, or, when that is NULL, on the
 * core loop. Reads (nx_task_*_json) run on workers and never come through core.
 */
#ifndef NX_CORE_CORE_H
#define NX_CORE_CORE_H

#include "agents/agents.h"
#include "base/config.h"
#include "base/loop.h"
#include "memory/memory.h"
#include "store/store.h"

struct nx_core;
struct nx_core_parts {
	const struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_memory *memory; /* may be NULL */
	struct nx_agents *agents;
	struct nx_loop *loop; /* started by the caller after nx_core_new */
};
int nx_core_new(const struct nx_core_parts *p, struct nx_core **ret, struct nx_error **err);
/* On the core loop: takes up the tasks that a crash or a stop left. `done` when the journal is recovered. */
void nx_core_recover(struct nx_core *c, void (*done)(struct nx_error *err, void *ctx), void *ctx);
/* Any thread: starts no step any more, stops those that run (they are taken up at the next start), and calls `done` on the
 * core loop when none does. */
void nx_core_stop(struct nx_core *c, void (*done)(void *ctx), void *ctx);
bool nx_core_ready(const struct nx_core *c);      /* any thread */
void nx_core_free(struct nx_core *c);             /* after the loop has stopped */
int64_t nx_core_pending(const struct nx_core *c); /* tasks not finished; any thread */

extern const struct nx_schema nx_task_request_schema, nx_task_schema; /* POST /v1/tasks: body and answer */

struct nx_submit {
	struct nx_arena *arena;
	int64_t tenant;
	int64_t key_id;    /* 0: none */
	yyjson_val *body;  /* valid by nx_task_request_schema, or not: what is wrong comes to done */
	nx_str bound_user; /* of the key; empty: any */
	struct nx_trace_ctx trace;
	struct nx_tx_hook *hook;
	void (*done)(struct nx_submit *s, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;

	nx_id id;
	bool finished;     /* 200; else 202 */
	nx_str answer;     /* the task, as JSON, in the arena */
	struct nx_msg msg; /* private */
	void *priv;
};
void nx_core_submit(struct nx_core *c, struct nx_submit *s);
/* The client has gone: it no longer waits (the task goes on; done still comes). */
void nx_core_submit_leave(struct nx_core *c, struct nx_submit *s);

enum nx_control_op { NX_CONTROL_CANCEL, NX_CONTROL_FEEDBACK };
struct nx_control {
	struct nx_arena *arena;
	int64_t tenant;
	nx_id task;
	enum nx_control_op op;
	int64_t rating; /* feedback: 1..5 */
	nx_str comment;
	struct nx_tx_hook *hook;
	void (*done)(struct nx_control *k, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;
	nx_str answer;     /* the task, or {"ok":true} */
	struct nx_msg msg; /* private */
	struct nx_write write;
	void *priv;
};
void nx_core_control(struct nx_core *c, struct nx_control *k);

/* Reads, on the calling worker. */
int nx_task_get_json(struct nx_db *db, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret,
		     struct nx_error **err);
struct nx_task_filter {
	nx_str state, user_id, session_id;
	int64_t before; /* row key of the cursor; 0: from the newest */
	size_t limit;
};
int nx_task_list_json(struct nx_db *db, int64_t tenant, const struct nx_task_filter *f, struct nx_arena *a,
		      nx_str *ret_items, int64_t *ret_next, struct nx_error **err);

/* ---- events ---- */
struct nx_event {
	int64_t tenant, seq; /* seq 0: transient, never stored (message.delta, stdout.delta) */
	nx_id task;
	nx_str session;
	const char *type; /* "task.accepted", "step.started", … */
	nx_str data;      /* JSON object */
	int64_t time_us;
};
/* A subscriber. Callbacks come on the core loop and must be short. */
struct nx_subscription {
	int64_t tenant;
	nx_id task; /* none: all */
	nx_str session;
	void (*on_event)(struct nx_subscription *s, const struct nx_event *e);
	void (*on_ready)(struct nx_subscription *s, int64_t seq); /* subscribed; events after `seq` come live */
	void (*on_gone)(struct nx_subscription *s);               /* unsubscribed: it may be freed now */
	struct nx_subscription *next, **prev;                     /* private */
	struct nx_msg msg;
	struct nx_core *core;
};
void nx_core_subscribe(struct nx_core *c, struct nx_subscription *s);   /* any thread */
void nx_core_unsubscribe(struct nx_core *c, struct nx_subscription *s); /* any thread, once */
/* Stored events after `after`, oldest first; NX_ENOTFOUND when `after` is no longer kept (the client gets `reset`). */
int nx_events_read(struct nx_db *db, int64_t tenant, const nx_id *task, nx_str session, int64_t after, size_t limit,
		   struct nx_arena *a, struct nx_event **ret, size_t *ret_n, struct nx_error **err);

#endif
