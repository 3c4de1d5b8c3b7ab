/*
 * Agents: who does a step, and how.
 *
 * A spec is a YAML or JSON document (name, description, capabilities, instructions, tools, rules, resources, safety);
 * built-in ones are embedded from src/agents/builtin. The pool chooses by
 *   fitness = 0.4 capability match + 0.3 performance on this kind of task + 0.2 resource efficiency + 0.1 reliability
 * from measured history, and says why. Without a language model an agent follows its rules: a short list of tool calls
 * whose inputs are templates over the step's input. With one it runs a tool-calling loop under its instructions, bounded
 * in turns, tokens and time.
 *
 * Everything here is owned by the core loop, but for the json functions, which run on workers.
 */
#ifndef NX_AGENTS_AGENTS_H
#define NX_AGENTS_AGENTS_H

#include "agents/tool.h"
#include "execution/execution.h"
#include "knowledge/knowledge.h"
#include "memory/memory.h"
#include "model/model.h"

struct nx_agents;
struct nx_agent_parts {
	const struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_models *models;
	struct nx_knowledge *knowledge; /* any of these may be NULL: their tools are then absent */
	struct nx_execution *execution;
	struct nx_memory *memory;
	struct nx_loop *loop;
};
/* Loads the built-in specs, stored specs and history; registers the built-in tools. */
int nx_agents_new(const struct nx_agent_parts *p, struct nx_agents **ret, struct nx_error **err);
void nx_agents_free(struct nx_agents *g);
struct nx_tools *nx_agents_tools(struct nx_agents *g);

struct nx_agent_choice {
	const char *agent;
	double fitness, capability, performance, efficiency, reliability;
	nx_str why;        /* one sentence */
	nx_str candidates; /* JSON: every candidate with its four figures */
};
/* NX_ENOTFOUND when nobody has a needed capability. */
int nx_agents_choose(struct nx_agents *g, int64_t tenant, const nx_str *capabilities, size_t n, struct nx_arena *a,
		     struct nx_agent_choice *ret, struct nx_error **err);
bool nx_agents_exists(struct nx_agents *g, int64_t tenant, nx_str name);
/* Largest effects of the tools the agent may call. */
enum nx_effects nx_agents_effects(struct nx_agents *g, int64_t tenant, nx_str name);

/* One run of an agent on a step. The caller keeps it and its arena alive until done, on the core loop. */
struct nx_agent_run {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str agent, input, intent; /* input: what is asked, in words */
	yyjson_val *data;            /* the step's input object, or NULL */
	nx_str context;              /* the context bundle, as text for a model; tainted data */
	nx_str user_id, session, model;
	nx_id task, step;
	struct nx_trace_ctx trace;
	bool has_max_tokens;
	int64_t max_tokens; /* of all model calls together; 0: none */
	void (*on_event)(struct nx_agent_run *r, const char *type, nx_str json); /* tool calls, deltas */
	void (*done)(struct nx_agent_run *r, struct nx_error *err);
	void *ctx;

	nx_str output; /* JSON {"text","citations":[…],"artifacts":[…],…} */
	bool tainted;  /* in: of `data`; out: of the output */
	struct nx_usage usage;
	void *priv;
};
void nx_agent_start(struct nx_agents *g, struct nx_agent_run *r);
void nx_agent_cancel(struct nx_agents *g, struct nx_agent_run *r);
/* Records the outcome in memory at once; nx_agents_record_tx writes the row in the caller's transaction. */
void nx_agents_record(struct nx_agents *g, int64_t tenant, nx_str agent, nx_str capability, bool ok,
		      const struct nx_usage *u);
int nx_agents_record_tx(struct nx_db *db, int64_t tenant, nx_str agent, nx_str capability, bool ok,
			const struct nx_usage *u, int64_t now_us, struct nx_error **err);

/* JSON for GET /v1/agents, /v1/agents/{name}, and specs given by clients (POST /v1/agents). Workers. */
int nx_agents_list_json(struct nx_agents *g, int64_t tenant, struct nx_arena *a, nx_str *ret_items,
			struct nx_error **err);
int nx_agents_get_json(struct nx_agents *g, int64_t tenant, nx_str name, struct nx_arena *a, nx_str *ret,
		       struct nx_error **err);
struct nx_agent_change {
	struct nx_arena *arena;
	int64_t tenant;
	nx_str name;      /* of PUT and DELETE */
	yyjson_val *spec; /* NULL: delete */
	struct nx_tx_hook *hook;
	void (*done)(struct nx_agent_change *c, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;
	nx_str answer;
	struct nx_write write;
	void *priv;
};
void nx_agents_change(struct nx_agents *g, struct nx_agent_change *c);
extern const struct nx_schema nx_agent_spec_schema; /* of a spec, as POST /v1/agents takes it */

#endif
