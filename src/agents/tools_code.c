/*
 * code.run: a program in the sandbox.
 *
 * Its effects are idempotent: a run cannot reach anything outside its walls, so a second one changes nothing that the first
 * did not. Where an operator lets agents grant a network (sandbox.network_agents) or files of the host
 * (sandbox.files_agents), that is no longer so: each run happens once. What it prints is tainted.
 */
#include "agents/agents_internal.h"
#include "execution/constraints.h"

struct code_args {
	nx_str language, code, stdin_text;
	int policy;
	struct nx_constraints_body *constraints;
};
static const struct nx_field code_fields[] = {
	{.name = "language",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct code_args, language),
	 .max_len = 32,
	 .help = "python, shell, javascript, c or sql"},
	{.name = "code",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct code_args, code),
	 .max_len = 1048576,
	 .help = "the program"},
	{.name = "stdin",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct code_args, stdin_text),
	 .max_len = 1048576,
	 .def_str = "",
	 .help = "its standard input"},
	{.name = "policy",
	 .type = NX_T_ENUM,
	 .names = nx_scan_policy_names,
	 .offset = offsetof(struct code_args, policy),
	 .def = NX_SCAN_STANDARD,
	 .help = "what the scanner blocks"},
	{.name = "constraints",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &nx_constraints_schema,
	 .offset = offsetof(struct code_args, constraints),
	 .help = "limits of the run; its grants are refused unless the operator lets agents use them"},
};
static const struct nx_schema code_schema = {"CodeRunInput",          "a program to run in the sandbox", code_fields,
					     nx_countof(code_fields), sizeof(struct code_args),          false};

static void run_done(struct nx_exec *x, struct nx_error *err)
{
	struct nx_tool_call *c = x->ctx;
	yyjson_mut_doc *d = nx_json_new(c->arena);
	struct nx_error *own = NULL;

	c->tainted = true;
	c->usage.cpu_us = x->result.usage.cpu_us;
	c->usage.max_memory = x->result.usage.max_rss_bytes;
	if (err) {
		nx_tool_finish(c, nx_error_copy(err));
		return;
	}
	if (x->result.status == NX_EXEC_CANCELLED) {
		nx_error_set(&own, NX_ECANCELLED, "the program was stopped");
		nx_tool_finish(c, own);
		return;
	}
	if (d)
		nx_json_write(c->arena, nx_exec_result_json(x, d), false, &c->output, &own);
	nx_tool_finish(c, own);
}

static void cancel(struct nx_tool_call *c)
{
	struct nx_exec *x = c->priv;
	struct nx_agents *g = c->tool->self;

	nx_execution_cancel(g->p.execution, x->id);
}

static void start_code(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	const struct code_args *in = c->args;
	struct nx_exec *x = nx_arena_new_of(c->arena, struct nx_exec);
	struct nx_error *err = NULL;

	if (!x) {
		nx_error_set(&err, NX_ENOMEM, "run code");
		nx_tool_finish(c, err);
		return;
	}
	*x = (struct nx_exec){.arena = c->arena,
			      .tenant = c->tenant,
			      .task = c->task,
			      .step = c->step,
			      .is_agents = true,
			      .trace = c->trace,
			      .language = in->language,
			      .code = in->code,
			      .stdin_text = in->stdin_text,
			      .policy = (enum nx_scan_policy)in->policy,
			      .done = run_done,
			      .reply = c->reply,
			      .ctx = c};
	if (nx_constraints_fill(in->constraints, c->arena, &x->constraints, &err) < 0) {
		nx_tool_finish(c, err);
		return;
	}
	c->priv = x;
	c->cancel = cancel;
	nx_execution_start(g->p.execution, x);
}

static const struct nx_tool code_tool = {
	.name = "code.run",
	.description =
		"Runs a program in the sandbox: no network and no host files but those granted, limited in time, CPU and memory.",
	.input = &code_schema,
	.output_help =
		"{\"status\", \"exit_code\", \"stdout\", \"stderr\", \"usage\", \"limits_met\", \"enforced\", \"scan\", \"artifacts\"}",
	.effects = NX_EFFECTS_IDEMPOTENT,
	.capability = "code",
	.start = start_code,
};

int nx_tools_add_code(struct nx_agents *g, struct nx_error **err)
{
	struct nx_tool t = code_tool;

	t.self = g;
	if (g->p.config->sandbox_files_agents || g->p.config->sandbox_network_agents)
		t.effects = NX_EFFECTS_ONCE;
	return nx_tools_add(g->tools, &t, err);
}
