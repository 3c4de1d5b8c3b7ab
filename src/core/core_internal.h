/* What the files of core share. See task.h for the states, core.h for the outside. */
#ifndef NX_CORE_CORE_INTERNAL_H
#define NX_CORE_CORE_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "core/core.h"
#include "core/task.h"

#include <stdatomic.h>

struct nx_core {
	struct nx_core_parts p;
	const struct nx_config *config;
	struct nx_loop *loop;
	struct nx_task *tasks; /* open, newest first */
	struct nx_task **hash;
	size_t nhash;
	int64_t next_row;
	_Atomic int64_t pending; /* relaxed: a figure */
	_Atomic bool ready;      /* release after recovery, acquire by readers: they then see the journal recovered */
	struct nx_subscription *subscriptions;
	struct nx_step **heap; /* ready steps; heap[1] goes first */
	size_t nheap, heap_cap;
	size_t running;
	bool dispatching, stopping;
	struct nx_msg stop_msg;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

/* request.c: the body of POST /v1/tasks, checked whole: types by the schema, then the plan's names, tools and cycles. */
extern const struct nx_schema nx_plan_schema;
int nx_task_request_decode(struct nx_core *c, yyjson_val *body, struct nx_arena *a, struct nx_task_request **ret,
			   struct nx_error **err);
/* Checks a plan: unique ids, known agents and tools, known dependencies, no cycle, refs only to what it depends on. */
int nx_plan_check(struct nx_core *c, int64_t tenant, const struct nx_plan_spec *plan, struct nx_error **err);

/* analysis.c */
int nx_analysis_run(const struct nx_task_request *r, struct nx_arena *a, struct nx_analysis *ret,
		    struct nx_error **err);

/* planner.c: fills t->steps and t->plan_json from the request's plan or by rules. */
int nx_planner_plan(struct nx_task *t, struct nx_error **err);
int nx_planner_from_json(struct nx_task *t, nx_str plan_json, struct nx_error **err);

/* refs.c */
/* A copy of `input` in which every {"$ref": pointer} is replaced by what it points at in the task. */
int nx_refs_resolve(const struct nx_task *t, yyjson_val *input, struct nx_arena *a, yyjson_val **ret, bool *ret_tainted,
		    struct nx_error **err);
int nx_refs_visit(yyjson_val *input, int (*visit)(nx_str pointer, void *ctx, struct nx_error **err), void *ctx,
		  struct nx_error **err);
/* `when`: [!]POINTER, or POINTER ==|!=|<|<=|>|>= JSON value. */
int nx_refs_when(const struct nx_task *t, nx_str expression, bool *ret, struct nx_error **err);
int nx_refs_when_check(nx_str expression, struct nx_error **err);

/* scheduler.c */
void nx_scheduler_release(struct nx_task *t); /* pending steps whose dependencies are done become ready or skipped */
void nx_scheduler_add(struct nx_step *s);
void nx_scheduler_remove(struct nx_step *s);
void nx_scheduler_dispatch(struct nx_core *c); /* starts ready steps while there are slots */
void nx_scheduler_plan_times(struct nx_task *t);

/* steps.c */
void nx_step_start(struct nx_step *s);
void nx_step_cancel(struct nx_step *s);
void nx_step_fail_now(struct nx_step *s, enum nx_step_state state, int code, const char *message);

/* orchestrator.c */
void nx_orchestrator_submit(struct nx_core *c, struct nx_submit *s);
void nx_orchestrator_settle(struct nx_task *t); /* after any change of its steps */
void nx_orchestrator_finish(struct nx_task *t, enum nx_task_state state);
void nx_orchestrator_stop(struct nx_task *t); /* cancels what runs and what waits */
void nx_orchestrator_arm(struct nx_task *t);  /* its clocks */
void nx_orchestrator_answer(struct nx_task *t, struct nx_error *err);
void nx_orchestrator_unhold(struct nx_task *t); /* one thing less to wait for; the last one lets its steps go */
struct nx_task *nx_task_new(struct nx_core *c, int64_t tenant, nx_id id);
struct nx_log_scope nx_task_log_scope(const struct nx_task *t);
void nx_task_link(struct nx_task *t);
struct nx_task *nx_task_find(struct nx_core *c, int64_t tenant, nx_id id);
void nx_task_stop_timers(struct nx_task *t);
void nx_task_release(struct nx_task *t); /* frees it when it is final, committed and answered */

/* context.c: the bundle of what memory knows, gathered while the task is being accepted. */
void nx_context_gather(struct nx_task *t);

/* journal.c: what a task's next commit holds. */
int nx_journal_event(struct nx_task *t, const char *type, nx_str data_json, struct nx_error **err);
int nx_journal_step(struct nx_step *s, struct nx_error **err);
int nx_journal_task(struct nx_task *t, struct nx_error **err); /* inserts the first time */
void nx_journal_hook(struct nx_task *t, struct nx_tx_hook *hook);
int nx_journal_agent(struct nx_step *s, bool ok, struct nx_error **err);
/*
 * Sends the batch; f->then (f may be NULL) runs on the core loop after the commit, when the events have been published. A
 * failed commit is tried again until it succeeds, but for the first of a task, whose error goes to `then`. Want of memory
 * while the batch was gathered counts as a failed commit.
 */
void nx_journal_commit(struct nx_task *t, struct nx_follow_up *f);

/* What was gathered is forgotten: core ends, and the store tells the rest. */
void nx_journal_drop(struct nx_task *t);

/* result.c */
void nx_result_compose(struct nx_task *t);
nx_str nx_result_error_json(struct nx_arena *a, int code, const char *message, const char *hint);
/* The step's output as an object with "text", "citations" and "artifacts" where it has them. */

/* task_json.c */
struct nx_task_view {
	nx_id id;
	nx_str state, waiting, result, analysis, plan, schedule, usage, error, input, user_id, session_id, priority,
		metadata;
	int64_t created_us, started_us, finished_us, cancel_us;
	nx_id trace;
};
struct nx_step_view {
	nx_str id, agent, tool, why, state, output, error;
	int64_t attempts, started_us, finished_us;
	bool tainted;
};
int nx_task_view_json(const struct nx_task_view *v, const struct nx_step_view *steps, size_t n, struct nx_arena *a,
		      nx_str *ret, struct nx_error **err);
int nx_task_live_json(const struct nx_task *t, struct nx_arena *a, nx_str *ret, struct nx_error **err);
nx_str nx_usage_json(struct nx_arena *a, const struct nx_usage *u, size_t steps, int64_t wall_us);

/* events.c */
void nx_events_publish(struct nx_core *c, const struct nx_event *e);

/* recovery.c */
void nx_recovery_run(struct nx_core *c, void (*done)(struct nx_error *err, void *ctx), void *ctx);

/* core.c */
void nx_core_check_stopped(struct nx_core *c); /* when a step has ended */

/* control.c */
void nx_control_run(struct nx_core *c, struct nx_control *k);

#endif
