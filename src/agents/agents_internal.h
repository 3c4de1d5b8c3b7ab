/* What the files of agents share. */
#ifndef NX_AGENTS_AGENTS_INTERNAL_H
#define NX_AGENTS_AGENTS_INTERNAL_H

#include "agents/agents.h"
#include "base/clock.h"

#include <pthread.h>

/* ---- specs ---- */
struct nx_agent_call_spec {
	nx_str tool;
	yyjson_val *input; /* strings may hold {{templates}} */
};
struct nx_agent_rule {
	struct nx_list intents; /* nx_str; empty: any */
	struct nx_list calls;   /* struct nx_agent_call_spec */
};
struct nx_agent_resources {
	int64_t memory_mb, wall_ms, max_tokens;
};
struct nx_agent_safety {
	int64_t max_turns;
};
struct nx_agent_spec {
	nx_str name, description, instructions, model;
	struct nx_list capabilities, tools; /* nx_str */
	struct nx_list rules;               /* struct nx_agent_rule */
	struct nx_agent_resources *resources;
	struct nx_agent_safety *safety;
};
extern const struct nx_schema nx_agent_spec_schema;
/* Validates a document. The spec borrows from `v`. */
int nx_agent_spec_decode(yyjson_val *v, struct nx_arena *a, struct nx_agent_spec **ret, struct nx_error **err);

struct nx_agent {
	struct nx_agent *next;
	struct nx_arena *arena;
	int64_t tenant; /* 0: built in, everybody's */
	struct nx_agent_spec *spec;
	nx_str json;   /* the spec as JSON */
	unsigned refs; /* runs under way; freed when replaced and 0 */
	bool replaced;
};

struct nx_agent_history {
	struct nx_agent_history *next;
	int64_t tenant;
	char *agent, *capability;
	int64_t runs, successes, wall_us, cpu_us, max_memory, errors;
};

struct nx_agents {
	struct nx_agent_parts p;
	struct nx_tools *tools;
	pthread_mutex_t mutex; /* guards agents and history: the core loop changes them, workers read them for JSON */
	struct nx_agent *agents;
	struct nx_agent_history *history;
	_Atomic int64_t active;
};

/* pool.c */
struct nx_agent *nx_agents_find(struct nx_agents *g, int64_t tenant, nx_str name); /* mutex held */
int nx_agents_put(struct nx_agents *g, int64_t tenant, nx_str json, struct nx_error **err);
void nx_agents_drop(struct nx_agents *g, int64_t tenant, nx_str name);
struct nx_agent *nx_agent_hold(struct nx_agents *g, int64_t tenant, nx_str name);
void nx_agent_unhold(struct nx_agents *g, struct nx_agent *a);

/* fitness.c */
struct nx_agent_fitness {
	double fitness, capability, performance, efficiency, reliability;
};
void nx_agent_fitness(struct nx_agents *g, int64_t tenant, const struct nx_agent *a, const nx_str *capabilities,
		      size_t n, struct nx_agent_fitness *ret); /* mutex held */
struct nx_agent_history *nx_agent_history(struct nx_agents *g, int64_t tenant, nx_str agent, nx_str capability,
					  bool make);

/* rules.c and model_loop.c: the two ways to run; exactly one nx_agent_run_finish follows. */
void nx_rules_start(struct nx_agents *g, struct nx_agent *agent, struct nx_agent_run *r);
void nx_model_loop_start(struct nx_agents *g, struct nx_agent *agent, struct nx_agent_run *r);
struct nx_run_state { /* first member of each way's state */
	struct nx_agents *agents;
	struct nx_agent *agent;
	struct nx_agent_run *run;
	void (*cancel)(struct nx_run_state *s);
	bool cancelled;
};
void nx_agent_run_finish(struct nx_run_state *s, struct nx_error *err); /* takes err */
void nx_agent_run_no_memory(struct nx_agents *g, struct nx_agent *agent, struct nx_agent_run *r);
void nx_agent_add_usage(struct nx_agent_run *r, const struct nx_usage *u);

/* templates.c: a copy of `v` with {{input}}, {{intent}}, {{user_id}}, {{session}}, {{data.NAME}}, {{calls.N.NAME}} put in. */
struct nx_template_scope {
	nx_str input, intent, user_id, session;
	yyjson_val *data;
	yyjson_val **calls; /* outputs of the calls before */
	size_t ncalls;
};
int nx_template_fill(yyjson_val *v, const struct nx_template_scope *s, struct nx_arena *a, yyjson_val **ret,
		     struct nx_error **err);

/* tools_*.c */
int nx_tools_add_text(struct nx_agents *g, struct nx_error **err);
int nx_tools_add_knowledge(struct nx_agents *g, struct nx_error **err);
int nx_tools_add_memory(struct nx_agents *g, struct nx_error **err);
int nx_tools_add_code(struct nx_agents *g, struct nx_error **err);
void nx_tool_finish_no_memory(struct nx_tool_call *c);
/* Finishes a call with what a document of ours holds. */
void nx_tool_finish_json(struct nx_tool_call *c, const yyjson_mut_val *v);

#endif
