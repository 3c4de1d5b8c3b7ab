#include "base/json.h"
#include "model/openai_chat_internal.h"

static const char *const roles[] = {[NX_ROLE_SYSTEM] = "system",
				    [NX_ROLE_USER] = "user",
				    [NX_ROLE_ASSISTANT] = "assistant",
				    [NX_ROLE_TOOL] = "tool"};

static int out_of_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "model request: out of memory");
}

static yyjson_mut_val *call_json(yyjson_mut_doc *d, const struct nx_chat_tool_call *call)
{
	yyjson_mut_val *v = yyjson_mut_obj(d), *f = yyjson_mut_obj(d);
	bool ok = nx_json_add_str(d, f, "name", call->name) &&
		  nx_json_add_str(d, f, "arguments", call->arguments.n ? call->arguments : NX_STR("{}")) &&
		  nx_json_add_str(d, v, "id", call->id) && nx_json_add_strz(d, v, "type", "function") &&
		  yyjson_mut_obj_add_val(d, v, "function", f);
	return ok ? v : NULL;
}

static bool add_calls(yyjson_mut_doc *d, yyjson_mut_val *message, const struct nx_chat_message *m)
{
	yyjson_mut_val *calls = yyjson_mut_arr(d);
	for (size_t i = 0; i < m->ncalls; i++)
		if (!yyjson_mut_arr_append(calls, call_json(d, &m->calls[i])))
			return false;
	return yyjson_mut_obj_add_val(d, message, "tool_calls", calls);
}

static yyjson_mut_val *message_json(yyjson_mut_doc *d, const struct nx_chat_message *m)
{
	yyjson_mut_val *v = yyjson_mut_obj(d);
	bool only_calls = m->ncalls > 0 && m->content.n == 0;
	nx_str content = m->content.p != NULL ? m->content : NX_STR("");
	bool ok = nx_json_add_strz(d, v, "role", roles[m->role]) &&
		  nx_json_add_str(d, v, "content", only_calls ? NX_STR_NULL : content);
	if (ok && m->role == NX_ROLE_TOOL)
		ok = nx_json_add_str(d, v, "tool_call_id", m->tool_call_id);
	if (ok && m->ncalls > 0)
		ok = add_calls(d, v, m);
	return ok ? v : NULL;
}

static int add_messages(yyjson_mut_doc *d, yyjson_mut_val *root, const struct nx_chat *c, struct nx_error **err)
{
	yyjson_mut_val *list = yyjson_mut_arr(d);
	for (size_t i = 0; i < c->nmessages; i++) {
		int r = nx_utf8_check(c->messages[i].content, "message", err);
		if (r != 0)
			return nx_error_wrap(err, "messages[%zu]", i);
		if (!yyjson_mut_arr_append(list, message_json(d, &c->messages[i])))
			return out_of_memory(err);
	}
	return yyjson_mut_obj_add_val(d, root, "messages", list) ? 0 : out_of_memory(err);
}

static int tool_json(struct nx_arena *a, yyjson_mut_doc *d, const struct nx_chat_tool *t, yyjson_mut_val **ret,
		     struct nx_error **err)
{
	yyjson_val *parameters = NULL;
	nx_str text = t->parameters.n ? t->parameters : NX_STR("{\"type\":\"object\",\"properties\":{}}");
	int r = nx_json_read(a, text, NULL, &parameters, err);
	if (r != 0)
		return nx_error_wrap(err, "parameters of tool %.*s", NX_FMT(t->name));
	if (!yyjson_is_obj(parameters))
		return nx_error_set(err, NX_EINVAL, "parameters of tool %.*s must be a JSON object", NX_FMT(t->name));
	yyjson_mut_val *v = yyjson_mut_obj(d), *f = yyjson_mut_obj(d);
	bool ok = nx_json_add_str(d, f, "name", t->name) && nx_json_add_str(d, f, "description", t->description) &&
		  nx_json_add_val(d, f, "parameters", parameters) && nx_json_add_strz(d, v, "type", "function") &&
		  yyjson_mut_obj_add_val(d, v, "function", f);
	*ret = v;
	return ok ? 0 : out_of_memory(err);
}

static int add_tools(struct nx_arena *a, yyjson_mut_doc *d, yyjson_mut_val *root, const struct nx_chat *c,
		     struct nx_error **err)
{
	if (c->ntools == 0)
		return 0;
	yyjson_mut_val *list = yyjson_mut_arr(d);
	for (size_t i = 0; i < c->ntools; i++) {
		yyjson_mut_val *tool = NULL;
		int r = tool_json(a, d, &c->tools[i], &tool, err);
		if (r != 0)
			return r;
		if (!yyjson_mut_arr_append(list, tool))
			return out_of_memory(err);
	}
	return yyjson_mut_obj_add_val(d, root, "tools", list) ? 0 : out_of_memory(err);
}

static bool add_options(yyjson_mut_doc *d, yyjson_mut_val *root, const struct nx_chat *c,
			const struct nx_openai_dialect *o)
{
	bool ok = nx_json_add_str(d, root, "model", o->model) && yyjson_mut_obj_add_bool(d, root, "stream", true);
	const char *limit = o->wants_completion_tokens ? "max_completion_tokens" : "max_tokens";
	ok = ok && yyjson_mut_obj_add_int(d, root, limit, o->max_tokens);
	if (ok && c->temperature >= 0)
		ok = yyjson_mut_obj_add_real(d, root, "temperature", c->temperature);
	if (ok && !o->lacks_stream_options) {
		yyjson_mut_val *options = yyjson_mut_obj(d);
		ok = yyjson_mut_obj_add_bool(d, options, "include_usage", true) &&
		     yyjson_mut_obj_add_val(d, root, "stream_options", options);
	}
	return ok;
}

int nx_openai_chat_body(const struct nx_chat *c, const struct nx_openai_dialect *d, struct nx_buf *ret,
			struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *doc = a != NULL ? nx_json_new(a) : NULL;
	yyjson_mut_val *root = doc != NULL ? yyjson_mut_obj(doc) : NULL;
	nx_str text = NX_STR("");
	if (!add_options(doc, root, c, d))
		return out_of_memory(err);
	int r = add_messages(doc, root, c, err);
	if (r == 0)
		r = add_tools(a, doc, root, c, err);
	if (r == 0)
		r = nx_json_write(a, root, false, &text, err);
	if (r == 0 && !nx_buf_adds(ret, text))
		r = out_of_memory(err);
	return r;
}
