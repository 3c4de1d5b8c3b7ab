#include "base/assert.h"
#include "base/clock.h"
#include "model/openai_chat_internal.h"
#include "model/openai_internal.h"
#include "model/openai_stream_internal.h"

struct chat_exchange {
	struct nx_exchange exchange;
	struct nx_chat *chat;
	struct nx_openai_stream stream;
};

static struct chat_exchange *chat_of(struct nx_exchange *x)
{
	return nx_container_of(x, struct chat_exchange, exchange);
}

static void on_text(nx_str text, void *ctx)
{
	struct chat_exchange *x = ctx;
	if (x->exchange.is_cancelled)
		return;
	/* Who does not look at pieces can be given another answer. */
	x->exchange.is_shown = x->exchange.is_shown || x->chat->on_delta != NULL;
	nx_chat_delta(x->chat, text);
}

static int build_chat(struct nx_exchange *x, struct nx_buf *ret, struct nx_error **err)
{
	struct chat_exchange *c = chat_of(x);
	const struct nx_config *config = x->openai->config;
	nx_openai_stream_done(&c->stream);
	int r = nx_openai_stream_init(&c->stream, (size_t)config->model_max_response_bytes, on_text, c, err);
	if (r != 0)
		return r;
	struct nx_openai_dialect d = {.model = x->model,
				      .max_tokens =
					      c->chat->max_tokens > 0 ? c->chat->max_tokens : config->model_max_tokens,
				      .lacks_stream_options = x->openai->lacks_stream_options,
				      .wants_completion_tokens = x->openai->wants_completion_tokens};
	return nx_openai_chat_body(c->chat, &d, ret, err);
}

static void on_data(nx_str bytes, void *exchange)
{
	struct chat_exchange *c = chat_of(exchange);
	nx_openai_stream_feed(&c->stream, bytes);
}

/* Endpoints that report no usage still cost: four bytes a token is the usual estimate, and budgets need a number. */
static void estimate_usage(struct nx_chat *c)
{
	size_t in = 0, out = c->text.n;
	for (size_t i = 0; i < c->nmessages; i++)
		in += c->messages[i].content.n;
	for (size_t i = 0; i < c->ncalls; i++)
		out += c->calls[i].arguments.n;
	if (c->input_tokens < 0)
		c->input_tokens = (int64_t)(in / 4);
	if (c->output_tokens < 0)
		c->output_tokens = (int64_t)(out / 4);
}

static int take_chat(struct nx_exchange *x, nx_str body, bool *ret_more, struct nx_error **err)
{
	struct chat_exchange *c = chat_of(x);
	(void)body;
	*ret_more = false;
	int r = nx_openai_stream_end(&c->stream, c->stream.arena, c->chat, err);
	if (r == 0)
		estimate_usage(c->chat);
	return r;
}

static void end_chat(struct nx_exchange *x, struct nx_error *err)
{
	struct chat_exchange *c = chat_of(x);
	nx_chat_finish(c->chat, err);
	nx_openai_stream_done(&c->stream);
	free(c);
}

static const struct nx_exchange_kind chat_kind = {build_chat, on_data, take_chat, end_chat};

void nx_openai_chat(void *openai, struct nx_chat *chat)
{
	struct nx_openai *o = openai;
	struct chat_exchange *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		struct nx_error *err = NULL;
		(void)nx_error_set(&err, NX_ENOMEM, "model call: out of memory");
		nx_chat_finish(chat, err);
		return;
	}
	c->chat = chat;
	c->exchange = (struct nx_exchange){
		.kind = &chat_kind,
		.openai = o,
		.url = o->chat_url,
		.model = nx_chat_model(chat, o->config),
		.id = chat->id,
		.timeout_us = chat->timeout_us > 0 ? chat->timeout_us : o->config->model_timeout * NX_USEC_PER_MSEC,
	};
	nx_openai_exchange_start(&c->exchange);
}
