/*
 * One chat call on its way: what is common to all providers.
 *
 * The answer travels in an arena of the call's own, because the caller's arena belongs to the thread of its loop; there it
 * is copied once more, and the call's is freed.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>

struct chat_call { /* nx_chat.priv */
	const struct nx_config *config;
	const char *provider;
	struct nx_arena *arena;
	struct nx_span span;
	int64_t started_us;
	struct nx_error *err;
};

struct delta {
	struct nx_msg msg;
	struct nx_chat *chat;
	size_t n;
	char text[];
};

nx_str nx_chat_model(const struct nx_chat *c, const struct nx_config *config)
{
	return c->model.n != 0 ? c->model : nx_str_z(config->model_chat);
}

static void start_span(struct chat_call *call, const struct nx_chat *c)
{
	char name[sizeof(call->span.name)];
	nx_str model = nx_chat_model(c, call->config);
	(void)snprintf(name, sizeof(name), "chat %.*s", NX_FMT(nx_utf8_truncate(model, sizeof(name) - 6)));
	nx_span_start(&call->span, c->trace, name);
	nx_span_attr_str(&call->span, "gen_ai.operation.name", NX_STR("chat"));
	nx_span_attr_str(&call->span, "gen_ai.provider.name", nx_str_z(call->provider));
	nx_span_attr_str(&call->span, "gen_ai.request.model", model);
}

int nx_chat_call_begin(struct nx_chat *c, const struct nx_config *config, const char *provider, struct nx_error **err)
{
	c->text = NX_STR_NULL;
	c->calls = NULL;
	c->ncalls = 0;
	c->finish = "stop";
	c->input_tokens = c->cached_tokens = c->output_tokens = c->usd_micros = 0;
	struct chat_call *call = c->priv = calloc(1, sizeof(*call));
	if (call == NULL || (call->arena = nx_arena_new(0)) == NULL) {
		free(call);
		c->priv = NULL;
		return nx_error_set(err, NX_ENOMEM, "model call: out of memory");
	}
	call->config = config;
	call->provider = provider;
	call->started_us = nx_time_mono_us();
	start_span(call, c);
	return 0;
}

static void run_delta(struct nx_msg *msg)
{
	struct delta *d = nx_container_of(msg, struct delta, msg);
	d->chat->on_delta(d->chat, nx_str_n(d->text, d->n));
	free(d);
}

void nx_chat_delta(struct nx_chat *c, nx_str text)
{
	struct chat_call *call = c->priv;
	if (c->on_delta == NULL || text.n == 0 || call->err != NULL)
		return;
	if (c->reply == NULL) {
		c->on_delta(c, text);
		return;
	}
	struct delta *d = malloc(sizeof(*d) + text.n);
	if (d == NULL) { /* an answer with a hole is worse than none */
		(void)nx_error_set(&call->err, NX_ENOMEM, "model call: out of memory");
		return;
	}
	d->msg.run = run_delta;
	d->chat = c;
	d->n = text.n;
	memcpy(d->text, text.p, text.n);
	nx_loop_post(c->reply, &d->msg);
}

static bool copy_str(struct nx_arena *a, nx_str *s)
{
	if (s->n == 0) {
		*s = NX_STR("");
		return true;
	}
	*s = nx_str_dup(a, *s);
	return s->p != NULL;
}

/* Puts the answer into arena `a`, wherever it was. */
static int copy_answer(struct nx_chat *c, struct nx_arena *a, struct nx_error **err)
{
	const struct nx_chat_tool_call *from = c->calls;
	c->calls = nx_arena_array(a, struct nx_chat_tool_call, c->ncalls + 1);
	bool ok = c->calls != NULL && copy_str(a, &c->text);
	for (size_t i = 0; ok && i < c->ncalls; i++) {
		c->calls[i] = from[i];
		ok = copy_str(a, &c->calls[i].id) && copy_str(a, &c->calls[i].name) &&
		     copy_str(a, &c->calls[i].arguments);
	}
	return ok ? 0 : nx_error_set(err, NX_ENOMEM, "answer of a model: out of memory");
}

/* Prices are dollars for a million tokens, which is micro-dollars for one. */
static int64_t price(const struct nx_chat *c, const struct nx_config *config)
{
	double usd_micros = (double)c->input_tokens * config->model_price_input +
			    (double)c->output_tokens * config->model_price_output;
	return (int64_t)ceil(nx_min(usd_micros, 9e15));
}

static void account(struct nx_chat *c, struct chat_call *call)
{
	c->usd_micros = price(c, call->config);
	double seconds = (double)(nx_time_mono_us() - call->started_us) / (double)NX_USEC_PER_SEC;
	nx_metric_observe(NX_M_MODEL_TIME, call->provider, NULL, seconds);
	nx_metric_add(NX_M_MODEL_TOKENS, "input", NULL, (double)c->input_tokens);
	nx_metric_add(NX_M_MODEL_TOKENS, "output", NULL, (double)c->output_tokens);
	nx_span_attr_int(&call->span, "gen_ai.usage.input_tokens", c->input_tokens);
	nx_span_attr_int(&call->span, "gen_ai.usage.output_tokens", c->output_tokens);
	if (c->cached_tokens != 0)
		nx_span_attr_int(&call->span, "gen_ai.usage.cached_tokens", c->cached_tokens);
	nx_span_end(&call->span, nx_error_code(call->err));
}

static void forget_answer(struct nx_chat *c)
{
	c->text = NX_STR_NULL;
	c->calls = NULL;
	c->ncalls = 0;
}

static void run_done(struct nx_msg *msg)
{
	struct nx_chat *c = nx_container_of(msg, struct nx_chat, msg);
	struct chat_call *call = nx_steal(c->priv);
	nx_auto_error struct nx_error *err = call != NULL ? nx_steal(call->err) : NULL;
	if (call == NULL)
		(void)nx_error_set(&err, NX_ENOMEM, "model call: out of memory");
	if (err == NULL)
		(void)copy_answer(c, c->arena, &err);
	if (err != NULL)
		forget_answer(c);
	if (call != NULL)
		nx_arena_free(call->arena);
	free(call);
	c->done(c, err);
}

void nx_chat_finish(struct nx_chat *c, struct nx_error *err)
{
	struct chat_call *call = c->priv;
	if (call == NULL) {
		nx_error_free(err); /* the call could not even begin; run_done says why */
	} else {
		if (call->err == NULL)
			call->err = err;
		else
			nx_error_free(err);
		if (call->err == NULL)
			(void)copy_answer(c, call->arena, &call->err);
		account(c, call);
	}
	c->msg.run = run_done;
	if (c->reply != NULL)
		nx_loop_post(c->reply, &c->msg);
	else
		run_done(&c->msg);
}
