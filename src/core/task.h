/*
 * Tasks and steps: their states, and what is always true of them.
 *
 *   task: accepted → planning → queued → running ⇄ waiting
 *                        any of these → succeeded | failed | cancelled | timed_out | over_budget
 *   step: pending → ready → running ⇄ waiting → succeeded | failed | skipped | cancelled | timed_out
 *         running → ready   (a retry, with not_before)
 *
 *   transition                      performed by
 *   (new) → accepted                nx_orchestrator_submit
 *   accepted → planning → queued    nx_orchestrator_plan
 *   queued → running                nx_step_start, when the first step starts
 *   running ⇄ waiting               nx_orchestrator_settle, by the states of its steps
 *   … → a final state               nx_orchestrator_finish
 *   pending → ready                 nx_scheduler_release, when what it depends on is done
 *   pending → skipped               nx_scheduler_release, when `when` is false or a dependency did not succeed
 *   ready → running                 nx_step_start
 *   running → a final state, ready  nx_step_done
 *   running → waiting{repeat}       nx_recovery, when its effects forbid to run it again unasked
 *
 * Invariants, asserted by nx_task_check:
 *   1. a task in a final state has finished_us, and none of its steps is running;
 *   2. a step is ready or running only when everything it depends on has succeeded;
 *   3. running counts the steps that are running, open those that are in no final state;
 *   4. a task is waiting only when a step is, and nothing of it runs;
 *   5. cancel_us is set until what ran has stopped: cancelled means stopped;
 *   6. a step that runs with effects `once` has a committed row that says so.
 *
 * Owner: the core loop. Memory: the task's arena, freed with it when it is final, committed and answered.
 */
#ifndef NX_CORE_TASK_H
#define NX_CORE_TASK_H

#include "agents/agents.h"
#include "core/core.h"

enum nx_task_state {
	NX_TASK_ACCEPTED,
	NX_TASK_PLANNING,
	NX_TASK_QUEUED,
	NX_TASK_RUNNING,
	NX_TASK_WAITING,
	NX_TASK_SUCCEEDED,
	NX_TASK_FAILED,
	NX_TASK_CANCELLED,
	NX_TASK_TIMED_OUT,
	NX_TASK_OVER_BUDGET,
	NX_TASK_STATE_MAX
};
extern const char *const nx_task_state_names[]; /* ended by NULL */

enum nx_step_state {
	NX_STEP_PENDING,
	NX_STEP_READY,
	NX_STEP_RUNNING,
	NX_STEP_WAITING,
	NX_STEP_SUCCEEDED,
	NX_STEP_FAILED,
	NX_STEP_SKIPPED,
	NX_STEP_CANCELLED,
	NX_STEP_TIMED_OUT,
	NX_STEP_STATE_MAX
};
extern const char *const nx_step_state_names[]; /* ended by NULL */

bool nx_task_state_final(enum nx_task_state s);
bool nx_step_state_final(enum nx_step_state s);
bool nx_task_may(enum nx_task_state from, enum nx_task_state to);
bool nx_step_may(enum nx_step_state from, enum nx_step_state to);
/* -1 when there is no such name. */
int nx_task_state_parse(nx_str name);
int nx_step_state_parse(nx_str name);

enum nx_priority { NX_PRIORITY_LOW, NX_PRIORITY_MEDIUM, NX_PRIORITY_HIGH, NX_PRIORITY_CRITICAL };
extern const char *const nx_priority_names[];
extern const int64_t nx_priority_weights[]; /* 1, 10, 100, 1000 */

/* A step as a plan defines it: decoded from the request, or made by the planner. */
struct nx_step_retry {
	int64_t max, backoff_ms;
};
struct nx_step_spec {
	nx_str id, agent, tool, why, when;
	yyjson_val *input;
	struct nx_list depends_on; /* nx_str */
	struct nx_step_retry *retry;
	int effects;
	bool has_effects;
	double timeout_s;
	yyjson_val *map;
};
struct nx_plan_spec {
	struct nx_list steps; /* struct nx_step_spec */
};
struct nx_budget_spec {
	int64_t tokens, usd_micros, steps, wall_s;
	bool has_tokens, has_usd, has_steps, has_wall;
};
struct nx_timeouts_spec {
	double queue_s, start_s, step_s;
};
struct nx_task_request {
	nx_str input, user_id, session_id, agent, model, durability, concurrency_key, webhook;
	int priority;
	struct nx_list capabilities; /* nx_str */
	yyjson_val *constraints, *metadata, *wait;
	double timeout_s;
	struct nx_timeouts_spec *timeouts;
	int64_t deadline;
	struct nx_budget_spec *budget;
	bool dry_run;
	struct nx_plan_spec *plan;
};

struct nx_analysis {
	const char *intent;     /* "calculate", "question", "code", "connected", "remember", "recall", "summarize" */
	const char *complexity; /* "simple", "moderate", "complex" */
	nx_str *capabilities;
	size_t ncapabilities;
	nx_str subject;  /* the expression, code, question or text the intent is about */
	nx_str language; /* of code; empty otherwise */
	nx_str *parts;   /* independent questions of one input; nparts 1 when there is one */
	size_t nparts;
	int64_t estimate_steps, estimate_wall_ms, estimate_tokens;
	const char *risk; /* "none", "low", "medium", "high" */
	nx_str json;
};

struct nx_task;
struct nx_step;

/* Who wants to know when the next commit is done. Embedded, so that asking needs no memory. */
struct nx_follow_up {
	struct nx_follow_up *next;
	void (*then)(struct nx_task *t, struct nx_step *s, struct nx_error *err);
	struct nx_step *step;
};

struct nx_step {
	struct nx_task *task;
	struct nx_follow_up on_started;
	unsigned idx;
	nx_id id;
	const struct nx_step_spec *spec;
	nx_str agent; /* chosen when it is released, unless the spec names it */
	nx_str why;
	enum nx_effects effects;
	enum nx_step_state state;
	unsigned *dependants, *depends;
	size_t ndependants, ndepends, blocked_by; /* blocked_by: dependencies that are not yet final */
	unsigned attempts;
	int64_t not_before_us, queued_us, started_us, finished_us; /* wall */
	nx_str output, error;                                      /* JSON; p NULL: none */
	bool tainted, timed_out, stopping;
	struct nx_usage usage;
	struct nx_timer timer;  /* step timeout while running, back-off while ready */
	struct nx_arena *arena; /* of the attempt that runs */
	struct nx_tool_call *call;
	struct nx_agent_run *run;
	struct nx_span span;
	int64_t heap_key; /* scheduler: smaller goes first */
	size_t heap_slot; /* 0: not queued */
};

struct nx_task {
	struct nx_core *core;
	struct nx_arena *arena;
	nx_id id;
	int64_t row, tenant, key_id;
	enum nx_task_state state;
	struct nx_task_request *request;
	nx_str request_json, plan_json, schedule_json, result_json, error_json, waiting_json, usage_json;
	struct nx_analysis analysis;
	nx_str context; /* the bundle, as text */
	struct nx_trace_ctx trace;
	struct nx_span span;
	struct nx_step *steps;
	size_t nsteps, running, open;
	unsigned pins;  /* callbacks under way that still look at it */
	unsigned holds; /* what its first step waits for: the first commit, the context bundle */
	struct nx_usage usage;
	bool tainted, timed_out, over_budget, accepted_committed;
	bool deferred; /* effect-free steps that finish at once: everything goes in one commit */
	int64_t created_us, started_us, finished_us, deadline_us, cancel_us;
	struct nx_timer timer;       /* the total clock */
	struct nx_timer queue_timer; /* the queue clock, until the first step starts */
	struct nx_submit *submit;    /* who waits for the answer; NULL when answered or gone */
	struct nx_timer wait_timer;
	bool committing;                /* a journal write is under way */
	struct nx_journal_write *batch; /* what the next commit will hold; NULL: nothing */
	struct nx_follow_up on_accepted, on_finished, on_cancelled;
	struct nx_control *cancel_control; /* who is told when the request to stop is committed */
	struct nx_follow_up *parked;       /* of a batch that could not be made for want of memory */
	bool broken;                       /* that batch is lost: everything is journaled anew by `repair` */
	bool repair_posted;
	struct nx_msg repair;
	struct nx_task *next, **prev; /* all open tasks */
	struct nx_task *hash_next;
};

void nx_task_set_state(struct nx_task *t, enum nx_task_state to);
void nx_step_set_state(struct nx_step *s, enum nx_step_state to);
void nx_task_check(const struct nx_task *t); /* debug builds assert the invariants; nothing in release */

#endif
