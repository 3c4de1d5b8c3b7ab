/* Tools that only compute: math.eval and text.summarize. */
#include "agents/agents_internal.h"
#include "agents/math.h"

void nx_tool_finish_json(struct nx_tool_call *c, const yyjson_mut_val *v)
{
	struct nx_error *err = NULL;

	nx_json_write(c->arena, v, false, &c->output, &err);
	nx_tool_finish(c, err);
}

void nx_tool_finish_no_memory(struct nx_tool_call *c)
{
	struct nx_error *err = NULL;

	nx_error_set(&err, NX_ENOMEM, "%s", c->tool->name);
	nx_tool_finish(c, err);
}

struct math_args {
	nx_str expression;
};
static const struct nx_field math_fields[] = {
	{.name = "expression",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct math_args, expression),
	 .max_len = 4096,
	 .help = "+ - * / ^ mod % ! ( ), functions abs avg ceil exp floor ln log10 max min pow round sqrt sum, pi, e",
	 .example = "\"12.5% of 80\""},
};
static const struct nx_schema math_schema = {"MathEvalInput",         "an arithmetic expression", math_fields,
					     nx_countof(math_fields), sizeof(struct math_args),   false};

static void start_math(struct nx_tool_call *c, void *self)
{
	const struct math_args *in = c->args;
	struct nx_math_result r;
	struct nx_error *err = NULL;
	int64_t cpu = nx_time_thread_cpu_us();

	(void)self;
	yyjson_mut_doc *d = nx_json_new(c->arena);
	if (!d) {
		nx_tool_finish_no_memory(c);
		return;
	}
	if (nx_math_eval(in->expression, c->arena, &r, &err) < 0) {
		nx_tool_finish(c, err);
		return;
	}
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_str(d, o, "result", r.text);
	yyjson_mut_obj_add_bool(d, o, "exact", r.exact);
	c->usage.cpu_us = nx_time_thread_cpu_us() - cpu;
	nx_tool_finish_json(c, o);
}

static const struct nx_tool math_tool = {
	.name = "math.eval",
	.description = "Evaluates an arithmetic expression in exact decimals. Use it for every calculation.",
	.input = &math_schema,
	.output_help = "{\"result\": the number as text, \"exact\": whether it was not rounded}",
	.effects = NX_EFFECTS_NONE,
	.inline_ = true,
	.capability = "calculation",
	.start = start_math,
};

struct summarize_args {
	nx_str text;
	int64_t sentences;
};
static const struct nx_field summarize_fields[] = {
	{.name = "text",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct summarize_args, text),
	 .max_len = 1048576,
	 .help = "text to shorten"},
	{.name = "sentences",
	 .type = NX_T_INT,
	 .offset = offsetof(struct summarize_args, sentences),
	 .min = 1,
	 .max = 50,
	 .def = 3,
	 .help = "sentences to keep"},
};
static const struct nx_schema summarize_schema = {
	"TextSummarizeInput",         "text and how much of it to keep", summarize_fields,
	nx_countof(summarize_fields), sizeof(struct summarize_args),     false};

struct summarize_job {
	struct nx_job job;
	struct nx_tool_call *call;
	struct nx_error *err;
};

static void run_summarize(struct nx_job *j)
{
	struct summarize_job *w = nx_container_of(j, struct summarize_job, job);
	struct nx_tool_call *c = w->call;
	const struct summarize_args *in = c->args;
	int64_t cpu = nx_time_thread_cpu_us();
	yyjson_mut_doc *d = nx_json_new(c->arena);
	nx_str text;

	if (!d) {
		nx_error_set(&w->err, NX_ENOMEM, "summarize");
		return;
	}
	if (nx_text_summarize(in->text, (size_t)in->sentences, c->arena, &text, &w->err) < 0)
		return;
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_str(d, o, "text", text);
	nx_json_write(c->arena, o, false, &c->output, &w->err);
	c->tainted = c->input_tainted;
	c->usage.cpu_us = nx_time_thread_cpu_us() - cpu;
}

static void summarize_done(struct nx_job *j)
{
	struct summarize_job *w = nx_container_of(j, struct summarize_job, job);
	nx_tool_finish(w->call, w->err);
}

static void start_summarize(struct nx_tool_call *c, void *self)
{
	struct nx_agents *g = self;
	struct summarize_job *w = nx_arena_new_of(c->arena, struct summarize_job);

	if (!w) {
		nx_tool_finish_no_memory(c);
		return;
	}
	w->call = c;
	w->job = (struct nx_job){.run = run_summarize, .done = summarize_done, .reply = c->reply};
	nx_workers_post(g->p.workers, &w->job);
}

static const struct nx_tool summarize_tool = {
	.name = "text.summarize",
	.description = "Keeps the most central sentences of a text, in their order (extractive).",
	.input = &summarize_schema,
	.output_help = "{\"text\": the sentences kept}",
	.effects = NX_EFFECTS_NONE,
	.capability = "text",
	.start = start_summarize,
};

int nx_tools_add_text(struct nx_agents *g, struct nx_error **err)
{
	struct nx_tool summarize = summarize_tool;
	int rc = nx_tools_add(g->tools, &math_tool, err);

	summarize.self = g;
	return rc < 0 ? rc : nx_tools_add(g->tools, &summarize, err);
}
