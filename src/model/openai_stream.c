#include "model/openai_stream_internal.h"

#include "base/json.h"

static const struct nx_json_limits event_limits = {.max_depth = 32};

int nx_openai_stream_init(struct nx_openai_stream *s, size_t max_bytes, void (*on_text)(nx_str text, void *ctx),
			  void *ctx, struct nx_error **err)
{
	*s = (struct nx_openai_stream){.max_bytes = max_bytes,
				       .on_text = on_text,
				       .ctx = ctx,
				       .input_tokens = -1,
				       .cached_tokens = -1,
				       .output_tokens = -1};
	s->arena = nx_arena_new(0);
	return s->arena != NULL ? 0 : nx_error_set(err, NX_ENOMEM, "answer of the endpoint: out of memory");
}

void nx_openai_stream_done(struct nx_openai_stream *s)
{
	nx_sse_done(&s->sse);
	nx_arena_free(s->arena);
	nx_buf_done(&s->raw);
	nx_buf_done(&s->text);
	for (size_t i = 0; i < s->ncalls; i++) {
		nx_buf_done(&s->calls[i].id);
		nx_buf_done(&s->calls[i].name);
		nx_buf_done(&s->calls[i].arguments);
	}
	free(s->calls);
	nx_error_free(s->err);
	*s = (struct nx_openai_stream){0};
}

static int out_of_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "answer of the endpoint: out of memory");
}

/* The names of the interface; others mean that the model is through. */
static const char *finish_name(nx_str s)
{
	if (nx_str_eqz(s, "length"))
		return "length";
	if (nx_str_eqz(s, "tool_calls") || nx_str_eqz(s, "function_call"))
		return "tool_calls";
	return nx_str_eqz(s, "content_filter") ? "content_filter" : "stop";
}

/* A count that budgets may rely on: neither negative nor absurd. */
static int64_t count(yyjson_val *usage, const char *name, int64_t otherwise)
{
	int64_t n = nx_json_int(usage, name, otherwise);
	return n < 0 || n > INT64_C(1000000000000) ? otherwise : n;
}

static void take_usage(struct nx_openai_stream *s, yyjson_val *usage)
{
	s->input_tokens = count(usage, "prompt_tokens", s->input_tokens);
	s->output_tokens = count(usage, "completion_tokens", s->output_tokens);
	s->cached_tokens = count(nx_json_get(usage, "prompt_tokens_details"), "cached_tokens", s->cached_tokens);
}

static int take_text(struct nx_openai_stream *s, nx_str text, struct nx_error **err)
{
	if (text.n == 0)
		return 0;
	if (!nx_buf_adds(&s->text, text))
		return out_of_memory(err);
	if (s->on_text != NULL)
		s->on_text(text, s->ctx);
	return 0;
}

static int add_call(struct nx_openai_stream *s, int64_t index, struct nx_openai_tool_piece **ret, struct nx_error **err)
{
	if (s->ncalls == NX_OPENAI_MAX_CALLS)
		return nx_error_set(err, NX_EPROVIDER, "the model asks for more than %d tool calls at once",
				    NX_OPENAI_MAX_CALLS);
	struct nx_openai_tool_piece *p = realloc(s->calls, (s->ncalls + 1) * sizeof(*p));
	if (p == NULL)
		return out_of_memory(err);
	s->calls = p;
	*ret = &s->calls[s->ncalls++];
	**ret = (struct nx_openai_tool_piece){.index = index};
	return 0;
}

/* The call a piece belongs to: that of its index; without one, the last, unless the piece brings an id of its own. */
static int find_call(struct nx_openai_stream *s, yyjson_val *piece, struct nx_openai_tool_piece **ret,
		     struct nx_error **err)
{
	int64_t index = nx_json_int(piece, "index", -1);
	nx_str id = nx_json_str(piece, "id");
	if (index < 0 && s->ncalls > 0 && id.n == 0) {
		*ret = &s->calls[s->ncalls - 1];
		return 0;
	}
	for (size_t i = 0; index >= 0 && i < s->ncalls; i++) {
		if (s->calls[i].index == index) {
			*ret = &s->calls[i];
			return 0;
		}
	}
	return add_call(s, index >= 0 ? index : (int64_t)s->ncalls, ret, err);
}

/* Arguments are JSON text in a string; a few endpoints send the object itself. */
static int take_arguments(struct nx_openai_stream *s, struct nx_buf *to, yyjson_val *v, struct nx_error **err)
{
	nx_str text = nx_json_val_str(v);
	if (yyjson_is_obj(v)) {
		int r = nx_json_write_val(s->arena, v, false, &text, err);
		if (r != 0)
			return r;
	}
	return nx_buf_adds(to, text) ? 0 : out_of_memory(err);
}

static int take_call(struct nx_openai_stream *s, yyjson_val *piece, struct nx_error **err)
{
	struct nx_openai_tool_piece *p = NULL;
	int r = find_call(s, piece, &p, err);
	if (r != 0)
		return r;
	yyjson_val *function = nx_json_get(piece, "function");
	nx_str id = nx_json_str(piece, "id"), name = nx_json_str(function, "name");
	if ((p->id.n == 0 && !nx_buf_adds(&p->id, id)) || (p->name.n == 0 && !nx_buf_adds(&p->name, name)))
		return out_of_memory(err);
	return take_arguments(s, &p->arguments, nx_json_get(function, "arguments"), err);
}

/* `message` is the delta of a chunk or the message of a whole answer: they have the same members. */
static int take_message(struct nx_openai_stream *s, yyjson_val *message, struct nx_error **err)
{
	yyjson_val *calls = nx_json_get(message, "tool_calls"), *piece;
	size_t i, n;
	int r = take_text(s, nx_json_str(message, "content"), err);
	if (!yyjson_is_arr(calls))
		return r;
	yyjson_arr_foreach (calls, i, n, piece) {
		if (r != 0)
			return r;
		r = take_call(s, piece, err);
	}
	return r;
}

static int take_error(yyjson_val *e, struct nx_error **err)
{
	nx_str message = yyjson_is_str(e) ? nx_json_val_str(e) : nx_json_str(e, "message");
	return nx_error_set(err, NX_EPROVIDER, "the endpoint failed within its answer: %.*s",
			    NX_FMT(nx_utf8_truncate(message, 300)));
}

/* Only the first choice: more are never asked for. */
static int take_completion(struct nx_openai_stream *s, yyjson_val *v, const char *message_name, struct nx_error **err)
{
	yyjson_val *error = nx_json_get(v, "error");
	if (error != NULL && !yyjson_is_null(error))
		return take_error(error, err);
	take_usage(s, nx_json_get(v, "usage"));
	yyjson_val *choice = yyjson_arr_get_first(nx_json_get(v, "choices"));
	if (choice == NULL)
		return 0;
	int r = take_message(s, nx_json_get(choice, message_name), err);
	nx_str finish = nx_json_str(choice, "finish_reason");
	if (r == 0 && finish.n != 0)
		s->finish = finish_name(finish);
	return r;
}

static void on_event(nx_str event, nx_str data, nx_str id, void *ctx)
{
	struct nx_openai_stream *s = ctx;
	(void)event;
	(void)id;
	if (s->err != NULL || s->is_done)
		return;
	s->is_events = true;
	nx_buf_clear(&s->raw);
	data = nx_str_trim(data);
	if (nx_str_eqz(data, "[DONE]")) {
		s->is_done = true;
		return;
	}
	yyjson_val *v = NULL;
	nx_arena_reset(s->arena);
	if (nx_json_read(s->arena, data, &event_limits, &v, &s->err) != 0) {
		(void)nx_error_wrap(&s->err, "an event of the endpoint");
		return;
	}
	(void)take_completion(s, v, "delta", &s->err);
}

void nx_openai_stream_feed(struct nx_openai_stream *s, nx_str bytes)
{
	if (s->err != NULL || s->is_done)
		return;
	s->nbytes += bytes.n;
	if (s->nbytes > s->max_bytes) {
		(void)nx_error_set(&s->err, NX_EPROVIDER, "the answer of the endpoint is over %zu bytes", s->max_bytes);
		(void)nx_error_hint(&s->err, "raise model.max_response_bytes, or lower model.max_tokens");
		return;
	}
	if (!s->is_events && !nx_buf_adds(&s->raw, bytes)) {
		(void)out_of_memory(&s->err);
		return;
	}
	nx_sse_feed(&s->sse, bytes, on_event, s);
	if (s->sse.failed && s->err == NULL)
		(void)nx_error_set(&s->err, NX_EPROVIDER,
				   "an event of the endpoint is over %d bytes, or memory ran out", NX_SSE_MAX_EVENT);
}

static int read_plain(struct nx_openai_stream *s, struct nx_error **err)
{
	yyjson_val *v = NULL;
	nx_arena_reset(s->arena);
	int r = nx_json_read(s->arena, nx_buf_str(&s->raw), &event_limits, &v, err);
	if (r != 0)
		return nx_error_wrap(err, "the answer is neither events nor JSON");
	r = take_completion(s, v, "message", err);
	if (r == 0 && yyjson_arr_get_first(nx_json_get(v, "choices")) == NULL)
		return nx_error_set(err, NX_EPROVIDER, "the answer has no choices: is this a chat endpoint?");
	if (s->finish == NULL)
		s->finish = "stop";
	return r;
}

static int list_calls(struct nx_openai_stream *s, struct nx_arena *a, struct nx_chat *c, struct nx_error **err)
{
	c->calls = nx_arena_array(a, struct nx_chat_tool_call, s->ncalls + 1);
	if (c->calls == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < s->ncalls; i++) {
		c->calls[i] = (struct nx_chat_tool_call){.id = nx_buf_str(&s->calls[i].id),
							 .name = nx_buf_str(&s->calls[i].name),
							 .arguments = nx_buf_str(&s->calls[i].arguments)};
		if (c->calls[i].name.n == 0)
			return nx_error_set(err, NX_EPROVIDER, "the model calls a tool without a name");
	}
	c->ncalls = s->ncalls;
	return 0;
}

/* Whatever the code below said, an answer that makes no sense is the endpoint's fault. */
static int blame_endpoint(struct nx_error **err, struct nx_error *cause)
{
	int code = nx_error_code(cause);
	if (code == NX_ENOMEM || code == NX_EPROVIDER)
		return nx_error_move(err, cause);
	(void)nx_error_set(err, NX_EPROVIDER, "%s", nx_error_message(cause));
	nx_error_free(cause);
	return NX_EPROVIDER;
}

int nx_openai_stream_end(struct nx_openai_stream *s, struct nx_arena *a, struct nx_chat *c, struct nx_error **err)
{
	struct nx_error *cause = nx_steal(s->err);
	if (cause == NULL && !s->is_events)
		(void)read_plain(s, &cause);
	if (cause == NULL && s->finish == NULL && !s->is_done)
		(void)nx_error_set(&cause, NX_EPROVIDER, "the endpoint ended its answer in the middle");
	if (cause == NULL)
		(void)list_calls(s, a, c, &cause);
	if (cause != NULL)
		return blame_endpoint(err, cause);
	c->text = nx_buf_str(&s->text);
	c->finish = s->finish != NULL ? s->finish : "stop";
	if (s->ncalls > 0 && strcmp(c->finish, "stop") == 0) /* some endpoints say "stop" all the same */
		c->finish = "tool_calls";
	c->input_tokens = s->input_tokens;
	c->cached_tokens = s->cached_tokens > 0 ? s->cached_tokens : 0;
	c->output_tokens = s->output_tokens;
	return 0;
}
