/* The registry of tools, and the one way to start and finish a call. */
#include "agents/tool.h"

#include "base/assert.h"

const char *const nx_effects_names[] = {"none", "idempotent", "once", NULL};

#define MAX_TOOLS 256

struct nx_tools {
	struct nx_tool tools[MAX_TOOLS];
	size_t n;
};

struct nx_tools *nx_tools_new(void)
{
	return calloc(1, sizeof(struct nx_tools));
}

void nx_tools_free(struct nx_tools *t)
{
	free(t);
}

int nx_tools_add(struct nx_tools *t, const struct nx_tool *tool, struct nx_error **err)
{
	if (nx_tools_find(t, nx_str_z(tool->name)))
		return nx_error_set(err, NX_EEXISTS, "there is a tool `%s` already", tool->name);
	if (t->n == MAX_TOOLS)
		return nx_error_set(err, NX_ELIMIT, "there are %d tools, as many as can be held", MAX_TOOLS);
	t->tools[t->n++] = *tool;
	return 0;
}

const struct nx_tool *nx_tools_find(const struct nx_tools *t, nx_str name)
{
	for (size_t i = 0; i < t->n; i++)
		if (nx_str_eqz(name, t->tools[i].name))
			return &t->tools[i];
	return NULL;
}

int nx_tools_need(const struct nx_tools *t, nx_str name, const struct nx_tool **ret, struct nx_error **err)
{
	const char *names[MAX_TOOLS];

	*ret = nx_tools_find(t, name);
	if (*ret)
		return 0;
	for (size_t i = 0; i < t->n; i++)
		names[i] = t->tools[i].name;
	const char *nearest = nx_str_nearest(name, names, t->n);
	nx_error_set(err, NX_EINVAL, "there is no tool `%.*s`", NX_FMT(name));
	return nearest ? nx_error_hint(err, "did you mean `%s`? GET /v1/tools lists them all", nearest)
		       : nx_error_hint(err, "GET /v1/tools lists them");
}

size_t nx_tools_count(const struct nx_tools *t)
{
	return t->n;
}

const struct nx_tool *nx_tools_at(const struct nx_tools *t, size_t i)
{
	nx_assert(i < t->n);
	return &t->tools[i];
}

yyjson_mut_val *nx_tool_json(const struct nx_tool *t, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);

	nx_json_add_strz(d, o, "name", t->name);
	nx_json_add_strz(d, o, "description", t->description);
	nx_json_add_strz(d, o, "capability", t->capability);
	nx_json_add_strz(d, o, "effects", nx_effects_names[t->effects]);
	yyjson_mut_obj_add_val(d, o, "input_schema", nx_schema_json(t->input, d, NULL, NULL));
	nx_json_add_strz(d, o, "output", t->output_help);
	return o;
}

void nx_tool_start(const struct nx_tool *t, struct nx_tool_call *c)
{
	struct nx_error *err = NULL;

	nx_loop_assert(c->reply);
	c->tool = t;
	if (nx_schema_decode(t->input, c->input, c->arena, &c->args, &err) < 0) {
		nx_error_wrap(&err, "input of %s", t->name);
		nx_tool_finish(c, err);
		return;
	}
	t->start(c, t->self);
}

static void deliver(struct nx_msg *m)
{
	struct nx_tool_call *c = nx_container_of(m, struct nx_tool_call, msg);
	struct nx_error *err = nx_steal(c->err);

	c->done(c, err); /* c may be gone after */
	nx_error_free(err);
}

void nx_tool_finish(struct nx_tool_call *c, struct nx_error *err)
{
	c->err = err;
	c->cancel = NULL;
	c->msg.run = deliver;
	/* An inline tool finishes before start returns; what it is part of may then go in one commit. */
	if (c->tool->inline_ && nx_loop_is_current(c->reply))
		deliver(&c->msg);
	else
		nx_loop_post(c->reply, &c->msg);
}

void nx_tool_cancel(struct nx_tool_call *c)
{
	nx_loop_assert(c->reply);
	if (c->cancel)
		c->cancel(c);
}
