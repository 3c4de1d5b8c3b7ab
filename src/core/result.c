/*
 * The result: one text, with the citations and artifacts of the steps it is made of.
 *
 * The steps that nothing depends on speak for the task, in the plan's order. A step's text is the member "text", "answer",
 * "result" or "stdout" of its output, else the output itself as JSON.
 */
#include "core/core_internal.h"

nx_str nx_result_error_json(struct nx_arena *a, int code, const char *message, const char *hint)
{
	const struct nx_error_info *info = nx_error_info(code);
	yyjson_mut_doc *d = nx_json_new(a);
	nx_str text = NX_STR("{\"code\":\"NX-NO-MEMORY\",\"message\":\"out of memory\"}");

	if (!d)
		return text;
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_strz(d, o, "code", info ? info->name : "NX-INTERNAL");
	nx_json_add_strz(d, o, "message", message);
	if (hint && hint[0])
		nx_json_add_strz(d, o, "hint", hint);
	(void)nx_json_write(a, o, false, &text, NULL);
	return text;
}

static nx_str text_of(yyjson_val *output, struct nx_arena *a)
{
	static const char *const members[] = {"text", "answer", "result", "stdout"};
	nx_str json = NX_STR("");

	for (size_t i = 0; i < nx_countof(members); i++) {
		yyjson_val *v = nx_json_get(output, members[i]);
		if (yyjson_is_str(v))
			return nx_json_val_str(v);
	}
	if (yyjson_is_str(output))
		return nx_json_val_str(output);
	(void)nx_json_write_val(a, output, false, &json, NULL);
	return json;
}

struct composition {
	yyjson_mut_doc *doc;
	yyjson_mut_val *citations, *artifacts;
	struct nx_buf text;
};

static void append_all(struct composition *c, yyjson_mut_val *to, yyjson_val *from)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (from, i, n, v)
		yyjson_mut_arr_append(to, yyjson_val_mut_copy(c->doc, v));
}

static void add_step(struct composition *c, const struct nx_step *s, bool speaks)
{
	struct nx_arena *a = s->task->arena;
	yyjson_val *output;

	if (s->state != NX_STEP_SUCCEEDED || nx_json_read(a, s->output, NULL, &output, NULL) < 0)
		return;
	append_all(c, c->artifacts, nx_json_get(output, "artifacts"));
	if (!speaks)
		return;
	append_all(c, c->citations, nx_json_get(output, "citations"));
	nx_str text = nx_str_trim(text_of(output, a));
	if (c->text.n > 0 && text.n > 0)
		nx_buf_addz(&c->text, "\n\n");
	nx_buf_adds(&c->text, text);
}

static void compose_error(struct nx_task *t)
{
	static const char *const messages[] = {[NX_TASK_CANCELLED] = "the task was cancelled",
					       [NX_TASK_TIMED_OUT] = "the task took longer than its timeout",
					       [NX_TASK_OVER_BUDGET] = "the task spent its budget"};
	static const int codes[] = {[NX_TASK_CANCELLED] = NX_ECANCELLED,
				    [NX_TASK_TIMED_OUT] = NX_ETIMEOUT,
				    [NX_TASK_OVER_BUDGET] = NX_EBUDGET};

	if (t->state != NX_TASK_FAILED) {
		t->error_json = nx_result_error_json(t->arena, codes[t->state], messages[t->state], NULL);
		return;
	}
	for (size_t i = 0; i < t->nsteps; i++) {
		const struct nx_step *s = &t->steps[i];
		if (s->state != NX_STEP_SUCCEEDED && s->state != NX_STEP_SKIPPED && s->error.p) {
			t->error_json = s->error;
			return;
		}
	}
	t->error_json = nx_result_error_json(t->arena, NX_EINTERNAL, "the task failed", NULL);
}

/* The number of things that depend on a step, counted anew: the scheduler uses up dependants as it releases them. */
static bool is_sink(const struct nx_task *t, unsigned idx)
{
	for (size_t i = 0; i < t->nsteps; i++)
		for (size_t k = 0; k < t->steps[i].ndepends; k++)
			if (t->steps[i].depends[k] == idx && t->steps[i].state == NX_STEP_SUCCEEDED)
				return false;
	return true;
}

void nx_result_compose(struct nx_task *t)
{
	struct composition c = {.doc = nx_json_new(t->arena)};

	t->waiting_json = NX_STR_NULL;
	t->usage_json = nx_usage_json(t->arena, &t->usage, t->nsteps, t->finished_us - t->created_us);
	if (t->state != NX_TASK_SUCCEEDED)
		compose_error(t);
	if (!c.doc)
		return;
	yyjson_mut_val *o = yyjson_mut_obj(c.doc);
	c.citations = yyjson_mut_arr(c.doc);
	c.artifacts = yyjson_mut_arr(c.doc);
	for (unsigned i = 0; i < t->nsteps; i++) {
		add_step(&c, &t->steps[i], is_sink(t, i));
		t->tainted |= t->steps[i].tainted;
	}
	nx_json_add_str(c.doc, o, "text", c.text.p ? nx_buf_str(&c.text) : NX_STR(""));
	yyjson_mut_obj_add_val(c.doc, o, "citations", c.citations);
	yyjson_mut_obj_add_val(c.doc, o, "artifacts", c.artifacts);
	if (t->state == NX_TASK_SUCCEEDED || c.text.n > 0)
		(void)nx_json_write(t->arena, o, false, &t->result_json, NULL);
	nx_buf_done(&c.text);
}
