#include "model/worker_protocol_internal.h"

#include "base/json.h"

static const struct nx_json_limits limits = {.max_bytes = NX_WORKER_MAX_LINE, .max_depth = 8};

static const char *const roles[] = {"system", "user", "assistant", "tool"}; /* in the order of the role's enum */
static const char *const events[] = {"ready", "delta", "done", "error"};
static const char *const ops[] = {"chat", "cancel"};

static int find_name(nx_str s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (nx_str_eqz(s, names[i]))
			return (int)i;
	return -1;
}

int nx_worker_take_lines(struct nx_buf *in, int (*on_line)(nx_str line, void *ctx, struct nx_error **err), void *ctx,
			 struct nx_error **err)
{
	size_t from = 0;
	int r = 0;
	for (const char *end; r == 0 && from < in->n && (end = memchr(in->p + from, '\n', in->n - from)) != NULL;) {
		nx_str line = nx_str_n(in->p + from, (size_t)(end - in->p) - from);
		from += line.n + 1;
		r = on_line(line, ctx, err);
	}
	nx_buf_consume(in, from);
	if (r == 0 && in->n > NX_WORKER_MAX_LINE)
		r = nx_error_set(err, NX_ETOOBIG, "a line of the model worker is over %d bytes", NX_WORKER_MAX_LINE);
	return r;
}

static int read_object(struct nx_arena *a, nx_str line, yyjson_val **ret, struct nx_error **err)
{
	int r = nx_json_read(a, line, &limits, ret, err);
	if (r == 0 && !yyjson_is_obj(*ret))
		r = nx_error_set(err, NX_EPARSE, "not an object");
	return r == 0 ? 0 : nx_error_wrap(err, "model worker");
}

static uint64_t read_id(yyjson_val *v)
{
	int64_t id = nx_json_int(v, "id", 0);
	return id > 0 ? (uint64_t)id : 0;
}

static int64_t read_count(yyjson_val *v, const char *key)
{
	int64_t n = nx_json_int(v, key, 0);
	return n < 0 || n > INT32_MAX ? 0 : n;
}

int nx_worker_read_event(struct nx_arena *a, nx_str line, struct nx_worker_event *ret, struct nx_error **err)
{
	yyjson_val *v = NULL;
	int r = read_object(a, line, &v, err);
	if (r != 0)
		return r;
	int kind = find_name(nx_json_str(v, "event"), events, nx_countof(events));
	if (kind < 0)
		return nx_error_set(err, NX_EPARSE, "model worker: an unknown event");
	int64_t code = nx_json_int(v, "code", 0);
	*ret = (struct nx_worker_event){
		.kind = (enum nx_worker_event_kind)kind,
		.id = read_id(v),
		.text = kind == NX_WORKER_ERROR   ? nx_json_str(v, "message")
			: kind == NX_WORKER_DELTA ? nx_json_str(v, "text")
						  : NX_STR(""),
		.finish = nx_str_eqz(nx_json_str(v, "finish"), "length") ? "length" : "stop",
		.input_tokens = read_count(v, "input_tokens"),
		.cached_tokens = read_count(v, "cached_tokens"),
		.output_tokens = read_count(v, "output_tokens"),
		.context = read_count(v, "context"),
		.code = code < 0 && code > -100 && nx_error_info((int)code) != NULL ? (int)code : NX_EPROVIDER,
	};
	return 0;
}

static int read_message(yyjson_val *v, struct nx_chat_message *ret, struct nx_error **err)
{
	int role = find_name(nx_json_str(v, "role"), roles, nx_countof(roles));
	if (role < 0)
		return nx_error_set(err, NX_EINVAL, "an unknown role \"%.*s\"", NX_FMT(nx_json_str(v, "role")));
	*ret = (struct nx_chat_message){.content = nx_json_str(v, "content")};
	ret->role = (__typeof__(ret->role))role;
	return 0;
}

static int read_messages(struct nx_arena *a, yyjson_val *list, struct nx_worker_command *ret, struct nx_error **err)
{
	size_t i, n;
	yyjson_val *v;
	ret->nmessages = yyjson_arr_size(list);
	if (ret->nmessages == 0 || ret->nmessages > NX_WORKER_MAX_MESSAGES)
		return nx_error_set(err, NX_EINVAL, "a chat has 1 to %d messages, not %zu", NX_WORKER_MAX_MESSAGES,
				    ret->nmessages);
	ret->messages = nx_arena_array(a, struct nx_chat_message, ret->nmessages);
	if (ret->messages == NULL)
		return nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
	yyjson_arr_foreach (list, i, n, v) {
		int r = read_message(v, &ret->messages[i], err);
		if (r != 0)
			return nx_error_wrap(err, "messages[%zu]", i);
	}
	return 0;
}

int nx_worker_read_command(struct nx_arena *a, nx_str line, struct nx_worker_command *ret, struct nx_error **err)
{
	yyjson_val *v = NULL;
	int r = read_object(a, line, &v, err);
	if (r != 0)
		return r;
	int op = find_name(nx_json_str(v, "op"), ops, nx_countof(ops));
	if (op < 0 || read_id(v) == 0)
		return nx_error_set(err, NX_EPARSE, "model worker: an unknown command, or one without an id");
	*ret = (struct nx_worker_command){.op = (enum nx_worker_op)op,
					  .id = read_id(v),
					  .max_tokens = read_count(v, "max_tokens"),
					  .temperature = nx_json_num(v, "temperature", -1)};
	return op == NX_WORKER_CHAT ? read_messages(a, nx_json_get(v, "messages"), ret, err) : 0;
}

static int write_line(struct nx_arena *a, yyjson_mut_val *v, struct nx_buf *ret, struct nx_error **err)
{
	nx_str text;
	int r = nx_json_write(a, v, false, &text, err);
	if (r == 0 && (!nx_buf_adds(ret, text) || !nx_buf_addc(ret, '\n')))
		r = nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
	return r;
}

static bool add_event(yyjson_mut_doc *d, yyjson_mut_val *v, const struct nx_worker_event *e)
{
	bool ok = nx_json_add_strz(d, v, "event", events[e->kind]) && yyjson_mut_obj_add_uint(d, v, "id", e->id);
	switch (e->kind) {
	case NX_WORKER_READY: return ok && yyjson_mut_obj_add_int(d, v, "context", e->context);
	case NX_WORKER_DELTA: return ok && nx_json_add_str(d, v, "text", e->text);
	case NX_WORKER_DONE:
		return ok && nx_json_add_strz(d, v, "finish", e->finish) &&
		       yyjson_mut_obj_add_int(d, v, "input_tokens", e->input_tokens) &&
		       yyjson_mut_obj_add_int(d, v, "cached_tokens", e->cached_tokens) &&
		       yyjson_mut_obj_add_int(d, v, "output_tokens", e->output_tokens);
	case NX_WORKER_ERROR:
		return ok && yyjson_mut_obj_add_int(d, v, "code", e->code) && nx_json_add_str(d, v, "message", e->text);
	}
	return false;
}

int nx_worker_write_event(const struct nx_worker_event *e, struct nx_buf *ret, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a != NULL ? nx_json_new(a) : NULL;
	yyjson_mut_val *v = d != NULL ? yyjson_mut_obj(d) : NULL;
	if (v == NULL || !add_event(d, v, e))
		return nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
	return write_line(a, v, ret, err);
}

static bool add_messages(yyjson_mut_doc *d, yyjson_mut_val *v, const struct nx_worker_command *c)
{
	yyjson_mut_val *list = yyjson_mut_arr(d);
	for (size_t i = 0; i < c->nmessages; i++) {
		yyjson_mut_val *m = yyjson_mut_obj(d);
		nx_str content = c->messages[i].content.p != NULL ? c->messages[i].content : NX_STR("");
		if (!nx_json_add_strz(d, m, "role", roles[c->messages[i].role]) ||
		    !nx_json_add_str(d, m, "content", content) || !yyjson_mut_arr_append(list, m))
			return false;
	}
	return yyjson_mut_obj_add_val(d, v, "messages", list);
}

int nx_worker_write_command(const struct nx_worker_command *c, struct nx_buf *ret, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = a != NULL ? nx_json_new(a) : NULL;
	yyjson_mut_val *v = d != NULL ? yyjson_mut_obj(d) : NULL;
	bool ok = v != NULL && nx_json_add_strz(d, v, "op", ops[c->op]) && yyjson_mut_obj_add_uint(d, v, "id", c->id);
	if (ok && c->op == NX_WORKER_CHAT)
		ok = yyjson_mut_obj_add_int(d, v, "max_tokens", c->max_tokens) &&
		     (c->temperature < 0 || yyjson_mut_obj_add_real(d, v, "temperature", c->temperature)) &&
		     add_messages(d, v, c);
	return ok ? write_line(a, v, ret, err) : nx_error_set(err, NX_ENOMEM, "model worker: out of memory");
}
