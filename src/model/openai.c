#include "model/openai_internal.h"

#include "base/assert.h"
#include "base/clock.h"

#include <stdio.h>

static void send_request(struct nx_exchange *x);

static void link_exchange(struct nx_openai *o, struct nx_exchange *x)
{
	x->next = o->exchanges;
	if (x->next != NULL)
		x->next->prev = x;
	o->exchanges = x;
}

static void unlink_exchange(struct nx_openai *o, struct nx_exchange *x)
{
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		o->exchanges = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
}

static void show_failure(struct nx_openai *o, const char *message)
{
	uv_mutex_lock(&o->mutex);
	(void)snprintf(o->failure, sizeof(o->failure), "%s", message);
	uv_mutex_unlock(&o->mutex);
}

static void end_exchange(struct nx_exchange *x, struct nx_error *err)
{
	struct nx_openai *o = x->openai;
	nx_timer_stop(&x->timer);
	unlink_exchange(o, x);
	x->kind->end(x, err);
	if (o->is_closing && o->exchanges == NULL)
		uv_sem_post(&o->closed);
}

static void end_cancelled(struct nx_exchange *x)
{
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ECANCELLED, "the model call was cancelled");
	end_exchange(x, err);
}

/* Says which endpoint, and that trying again did not help. */
static void end_failed(struct nx_exchange *x, struct nx_error *err)
{
	if (x->attempts > 1)
		(void)nx_error_wrap(&err, "%s (%u attempts)", x->url, x->attempts);
	else
		(void)nx_error_wrap(&err, "%s", x->url);
	end_exchange(x, err);
}

/* What counts against the endpoint, not against the request. */
static bool is_outage(int status, int code)
{
	return status >= 500 || code == NX_ENETWORK || code == NX_ETIMEOUT;
}

static void note_outcome(struct nx_openai *o, int status, const struct nx_error *err)
{
	int code = nx_error_code(err);
	if (code == NX_ECANCELLED || code == NX_ENOMEM) {
		nx_breaker_abandon(&o->breaker);
	} else if (is_outage(status, code)) {
		nx_breaker_failure(&o->breaker, nx_time_mono_us());
		show_failure(o, nx_error_message(err));
	} else {
		nx_breaker_success(&o->breaker);
		show_failure(o, "");
	}
}

static void fire_retry(struct nx_timer *t)
{
	send_request(nx_container_of(t, struct nx_exchange, timer));
}

/* False: there is no time left for it, or no timer. */
static bool try_later(struct nx_exchange *x, const char *retry_after)
{
	if (x->attempts > (unsigned)x->openai->config->model_retries || x->is_shown || x->openai->is_closing)
		return false;
	int64_t asked = nx_retry_after_us(retry_after, nx_time_wall_us());
	int64_t delay = nx_retry_delay_us(x->attempts - 1, asked, nx_random_unit());
	if (nx_time_mono_us() + delay >= x->deadline_us)
		return false;
	return nx_timer_start(&x->timer, delay, NULL) == 0;
}

static void take_answer(struct nx_exchange *x, nx_str body, const char *retry_after)
{
	struct nx_error *err = NULL;
	bool more = false;
	int r = x->kind->take(x, body, &more, &err);
	if (r == 0 && more) {
		x->attempts = 0;
		send_request(x);
	} else if (r == 0) {
		end_exchange(x, NULL);
	} else if (r == NX_EPROVIDER && try_later(x, retry_after)) {
		nx_error_free(err);
	} else {
		end_failed(x, err);
	}
}

static void take_failure(struct nx_exchange *x, int status, nx_str body, const char *retry_after, struct nx_error *err)
{
	int code = nx_error_code(err);
	bool may_retry = code == NX_ENETWORK || code == NX_ETIMEOUT;
	if (err == NULL)
		(void)nx_openai_status_error(x->openai, x, status, body, &may_retry, &err);
	if (nx_openai_adapt(x->openai, status, body)) {
		nx_error_free(err);
		send_request(x);
	} else if (may_retry && try_later(x, retry_after)) {
		nx_error_free(err);
	} else {
		end_failed(x, err);
	}
}

static void on_http_done(int status, nx_str body, const char *retry_after, struct nx_error *err, void *ctx)
{
	struct nx_exchange *x = ctx;
	x->is_sent = false;
	note_outcome(x->openai, status, err);
	if (x->is_cancelled)
		end_cancelled(x);
	else if (err == NULL && status >= 200 && status < 300)
		take_answer(x, body, retry_after);
	else
		take_failure(x, status, body, retry_after, err != NULL ? nx_error_copy(err) : NULL);
}

static int post_request(struct nx_exchange *x, int64_t left_us, struct nx_error **err)
{
	struct nx_openai *o = x->openai;
	nx_auto_buf struct nx_buf body = NX_BUF_INIT;
	int r = x->kind->build(x, &body, err);
	if (r != 0)
		return r;
	const char *headers[] = {"Content-Type: application/json", "Accept: application/json, text/event-stream",
				 o->authorization, NULL};
	struct nx_http_request q = {.method = "POST",
				    .url = x->url,
				    .headers = headers,
				    .body = nx_buf_str(&body),
				    .timeout_us = left_us,
				    .max_response_bytes = (size_t)o->config->model_max_response_bytes,
				    .on_data = x->kind->on_data,
				    .done = on_http_done,
				    .ctx = x};
	return nx_http_start(o->net, &q, &x->http_id, err);
}

static int refuse_while_open(struct nx_openai *o, int64_t wait_us, struct nx_error **err)
{
	char failure[sizeof(o->failure)];
	uv_mutex_lock(&o->mutex);
	memcpy(failure, o->failure, sizeof(failure));
	uv_mutex_unlock(&o->mutex);
	(void)nx_error_set(err, NX_EPROVIDER,
			   "failed %u times in a row, so it is left alone for another %lld s; the last time: %s",
			   o->breaker.failures, (long long)((wait_us + NX_USEC_PER_SEC - 1) / NX_USEC_PER_SEC),
			   failure);
	return nx_error_hint(err, "check that the endpoint runs and that model.base_url is right");
}

static void send_request(struct nx_exchange *x)
{
	struct nx_error *err = NULL;
	int64_t now = nx_time_mono_us(), wait_us = 0;
	if (now >= x->deadline_us)
		(void)nx_error_set(&err, NX_ETIMEOUT, "no answer in %lld ms",
				   (long long)(x->timeout_us / NX_USEC_PER_MSEC));
	else if (!nx_breaker_allow(&x->openai->breaker, now, &wait_us))
		(void)refuse_while_open(x->openai, wait_us, &err);
	else if (post_request(x, x->deadline_us - now, &err) != 0)
		nx_breaker_abandon(&x->openai->breaker);
	if (err != NULL) {
		end_failed(x, err);
		return;
	}
	x->attempts++;
	x->is_sent = true;
}

static void run_start(struct nx_msg *msg)
{
	struct nx_exchange *x = nx_container_of(msg, struct nx_exchange, msg);
	nx_loop_assert(x->openai->loop);
	nx_timer_init(&x->timer, x->openai->loop, fire_retry);
	x->deadline_us = nx_time_mono_us() + x->timeout_us;
	link_exchange(x->openai, x);
	if (x->openai->is_closing)
		end_cancelled(x);
	else
		send_request(x);
}

void nx_openai_exchange_start(struct nx_exchange *x)
{
	x->msg.run = run_start;
	nx_loop_post(x->openai->loop, &x->msg);
}

static void cancel_exchange(struct nx_exchange *x)
{
	x->is_cancelled = true;
	if (x->is_sent)
		nx_http_cancel(x->openai->net, x->http_id);
	else
		end_cancelled(x);
}

struct cancel {
	struct nx_msg msg;
	struct nx_openai *openai;
	uint64_t id;
};

static void run_cancel(struct nx_msg *msg)
{
	struct cancel *c = nx_container_of(msg, struct cancel, msg);
	struct nx_exchange *x = c->openai->exchanges;
	while (x != NULL && x->id != c->id)
		x = x->next;
	if (x != NULL)
		cancel_exchange(x);
	free(c);
}

void nx_openai_cancel(void *openai, uint64_t id)
{
	struct nx_openai *o = openai;
	struct cancel *c = malloc(sizeof(*c));
	if (c == NULL) /* the call then ends by its timeout */
		return;
	*c = (struct cancel){.msg = {.run = run_cancel}, .openai = o, .id = id};
	nx_loop_post(o->loop, &c->msg);
}

static void run_close(void *openai)
{
	struct nx_openai *o = openai;
	o->is_closing = true;
	bool was_idle = o->exchanges == NULL;
	for (struct nx_exchange *x = o->exchanges, *next; x != NULL; x = next) {
		next = x->next;
		cancel_exchange(x);
	}
	if (was_idle)
		uv_sem_post(&o->closed);
}

void nx_openai_free(struct nx_openai *o)
{
	if (o == NULL)
		return;
	nx_model_call_on(o->loop, run_close, o);
	uv_sem_wait(&o->closed);
	uv_sem_destroy(&o->closed);
	uv_mutex_destroy(&o->mutex);
	free(o->chat_url);
	free(o->embed_url);
	free(o->authorization);
	free(o);
}

static int make_strings(struct nx_openai *o, struct nx_error **err)
{
	nx_str base = nx_str_trim(nx_str_z(o->config->model_base_url));
	if (!nx_str_starts(base, NX_STR("http://")) && !nx_str_starts(base, NX_STR("https://")))
		return nx_error_set(err, NX_EINVAL, "model.base_url must begin with http:// or https://, not \"%.*s\"",
				    NX_FMT(base));
	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	const char *key = o->config->model_api_key;
	if (strpbrk(key, "\r\n") != NULL)
		return nx_error_set(err, NX_EINVAL, "model.api_key has a line break within");
	bool ok = asprintf(&o->chat_url, "%.*s/chat/completions", NX_FMT(base)) >= 0 &&
		  asprintf(&o->embed_url, "%.*s/embeddings", NX_FMT(base)) >= 0 &&
		  (key[0] == '\0' || asprintf(&o->authorization, "Authorization: Bearer %s", key) >= 0);
	return ok ? 0 : nx_error_set(err, NX_ENOMEM, "model endpoint: out of memory");
}

int nx_openai_new(const struct nx_config *c, struct nx_http_client *net, struct nx_openai **ret, struct nx_error **err)
{
	struct nx_openai *o = calloc(1, sizeof(*o));
	if (o == NULL)
		return nx_error_set(err, NX_ENOMEM, "model endpoint: out of memory");
	o->config = c;
	o->net = net;
	o->loop = nx_http_client_loop(net);
	nx_assert(uv_mutex_init(&o->mutex) == 0 && uv_sem_init(&o->closed, 0) == 0);
	int r = make_strings(o, err);
	if (r != 0) {
		nx_openai_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

void nx_openai_health(struct nx_openai *o, struct nx_model_health *ret)
{
	*ret = (struct nx_model_health){.ready = true};
	uv_mutex_lock(&o->mutex);
	memcpy(ret->failing, o->failure, sizeof(ret->failing));
	uv_mutex_unlock(&o->mutex);
}
