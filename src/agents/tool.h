/*
 * Tools: what an agent, a plan or a model can call. One small interface.
 *
 * A tool takes a JSON object that its schema has validated, runs without blocking its caller, and finishes by exactly one
 * call of nx_tool_finish, on any thread; the result arrives on the loop that the call names. It declares its effects:
 *   none        reads or computes only: may run again, run in advance, and commit late
 *   idempotent  may be repeated with the same outcome (the call's key makes it so)
 *   once        anything else: a commit comes before its start, and after a crash nobody repeats it unasked
 * An output that came from documents, the web, a guest program or memory is tainted.
 */
#ifndef NX_AGENTS_TOOL_H
#define NX_AGENTS_TOOL_H

#include "base/loop.h"
#include "base/schema.h"
#include "base/trace.h"

enum nx_effects { NX_EFFECTS_NONE, NX_EFFECTS_IDEMPOTENT, NX_EFFECTS_ONCE, NX_EFFECTS_MAX };
extern const char *const nx_effects_names[]; /* "none", "idempotent", "once", NULL */

struct nx_usage {
	int64_t input_tokens, output_tokens, usd_micros, cpu_us, wall_us, max_memory;
};

struct nx_tool;
struct nx_tool_call {
	const struct nx_tool *tool;
	struct nx_arena *arena; /* the output is allocated here; lives until done returns */
	int64_t tenant;
	nx_str user_id, session;
	nx_id task, step; /* the step's id is the idempotency key of its effects */
	struct nx_trace_ctx trace;
	yyjson_val *input; /* as given, valid by the tool's schema */
	void *args;        /* the same, decoded into the schema's struct */
	bool input_tainted;
	void (*on_event)(struct nx_tool_call *c, const char *type,
			 nx_str json); /* "stdout.delta", "message.delta"; may be NULL */
	void (*done)(struct nx_tool_call *c, struct nx_error *err);
	struct nx_loop *reply;
	void *ctx;
	nx_str tag; /* the caller's own name for the call */

	nx_str output; /* JSON text */
	bool tainted;
	struct nx_usage usage;
	void (*cancel)(struct nx_tool_call *c); /* set by the tool while it can be cancelled; called on `reply` */
	void *priv;                             /* the tool's */
	struct nx_msg msg;                      /* private to nx_tool_finish */
	struct nx_error *err;
};

struct nx_tool {
	const char *name;        /* "math.eval" */
	const char *description; /* for people and models: what it does and when to use it */
	const struct nx_schema *input;
	const char *output_help; /* what the output object holds */
	enum nx_effects effects;
	bool inline_;           /* start finishes before it returns, in well under a millisecond */
	const char *capability; /* what it serves: "calculation", "retrieval", "code", "memory", "text" */
	void (*start)(struct nx_tool_call *c, void *self);
	void *self;
};

struct nx_tools;
struct nx_tools *nx_tools_new(void);
void nx_tools_free(struct nx_tools *t);
int nx_tools_add(struct nx_tools *t, const struct nx_tool *tool, struct nx_error **err); /* copies the struct */
const struct nx_tool *nx_tools_find(const struct nx_tools *t, nx_str name);
/* NX_EINVAL with the nearest name. */
int nx_tools_need(const struct nx_tools *t, nx_str name, const struct nx_tool **ret, struct nx_error **err);
size_t nx_tools_count(const struct nx_tools *t);
const struct nx_tool *nx_tools_at(const struct nx_tools *t, size_t i);
yyjson_mut_val *nx_tool_json(const struct nx_tool *t,
			     yyjson_mut_doc *d); /* {"name","description","effects","input_schema"} */

/* Validates `input`, then starts. Owner: the thread of `reply`. What is wrong with the input comes to done. */
void nx_tool_start(const struct nx_tool *t, struct nx_tool_call *c);
/* Takes err. Any thread. */
void nx_tool_finish(struct nx_tool_call *c, struct nx_error *err);
void nx_tool_cancel(struct nx_tool_call *c); /* asks; done still comes */

#endif
