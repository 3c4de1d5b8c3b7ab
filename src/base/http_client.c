#include "base/http_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"

#define DEFAULT_CONNECT_US (10 * NX_USEC_PER_SEC)
#define DEFAULT_TOTAL_US (120 * NX_USEC_PER_SEC)
#define DEFAULT_RESPONSE ((size_t)64 << 20)
/* Descriptors that outgoing requests may hold; more requests wait for a connection. */
#define MAX_CONNECTIONS 512L

struct socket_watch {
	uv_poll_t poll;
	struct nx_http_client *client;
	curl_socket_t fd;
};

/* ---- calls ---- */

static void call_free(struct nx_http_call *call)
{
	curl_slist_free_all(call->headers);
	curl_easy_cleanup(call->easy);
	nx_buf_done(&call->body);
	nx_arena_free(call->arena);
	free(call);
}

static void transfer_stop(struct nx_http_call *call)
{
	nx_timer_stop(&call->idle);
	if (!call->is_added)
		return;
	CURLMcode r = curl_multi_remove_handle(call->client->multi, call->easy);
	nx_assert(r == CURLM_OK); /* it fails only when misused */
	call->is_added = false;
}

/* Takes the call off the list; nobody can cancel it from here on. True when a cancel is on its way to us already. */
static bool call_unlist(struct nx_http_call *call)
{
	struct nx_http_client *c = call->client;
	pthread_mutex_lock(&c->lock);
	*call->prev = call->next;
	if (call->next)
		call->next->prev = call->prev;
	bool cancel_posted = call->cancel_posted;
	pthread_mutex_unlock(&c->lock);
	return cancel_posted;
}

/* The one place that calls done. */
static void call_finish(struct nx_http_call *call, int status, struct nx_error *err)
{
	transfer_stop(call);
	const char *retry_after = NULL;
	struct curl_header *h;
	if (!err && curl_easy_header(call->easy, "Retry-After", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		retry_after = h->value;
	nx_str body = err ? NX_STR_NULL : nx_buf_str(&call->body);
	call->finished = true;
	bool cancel_posted = call_unlist(call);
	call->request.done(status, body, retry_after, err, call->request.ctx);
	nx_error_free(err);
	if (!cancel_posted)
		call_free(call);
}

static void on_idle(struct nx_timer *t)
{
	struct nx_http_call *call = nx_container_of(t, struct nx_http_call, idle);
	struct nx_error *err = NULL;
	int64_t left_us = call->last_byte_us + call->request.idle_timeout_us - nx_time_mono_us();
	if (left_us > 0) {
		if (nx_timer_start(t, left_us, &err) < 0)
			call_finish(call, 0, err);
		return;
	}
	(void)nx_error_set(&err, NX_ETIMEOUT, "%s sent nothing for %g s", call->origin,
			   (double)call->request.idle_timeout_us / NX_USEC_PER_SEC);
	call_finish(call, 0, err);
}

static int transfer_start(struct nx_http_call *call, struct nx_error **err)
{
	int r = nx_http_transfer_init(call, err);
	if (r < 0)
		return r;
	call->last_byte_us = nx_time_mono_us();
	if (call->request.idle_timeout_us > 0 &&
	    (r = nx_timer_start(&call->idle, call->request.idle_timeout_us, err)) < 0)
		return r;
	CURLMcode m = curl_multi_add_handle(call->client->multi, call->easy);
	if (m != CURLM_OK)
		return nx_error_set(err, m == CURLM_OUT_OF_MEMORY ? NX_ENOMEM : NX_EINTERNAL,
				    "start a request to %s: %s", call->origin, curl_multi_strerror(m));
	call->is_added = true;
	return 0;
}

static void transfer_ended(struct nx_http_call *call, CURLcode code)
{
	struct nx_error *err = NULL;
	int status = 0;
	transfer_stop(call);
	int r = nx_http_transfer_result(call, code, &status, &err);
	if (r == NX_HTTP_NEXT_HOP) {
		nx_http_transfer_reset(call);
		r = transfer_start(call, &err);
		if (r == 0)
			return;
	}
	call_finish(call, r < 0 ? 0 : status, err);
}

static void on_cancel(struct nx_msg *m)
{
	struct nx_http_call *call = nx_container_of(m, struct nx_http_call, cancel_msg);
	if (call->finished) {
		call_free(call);
		return;
	}
	pthread_mutex_lock(&call->client->lock);
	call->cancel_posted = false; /* this message is the one, and it lets go of the call now */
	pthread_mutex_unlock(&call->client->lock);
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_ECANCELLED, "the request to %s was cancelled", call->origin);
	call_finish(call, 0, err);
}

/* ---- curl and the loop ---- */

static void reap(struct nx_http_client *c)
{
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
		if (m->msg != CURLMSG_DONE)
			continue;
		struct nx_http_call *call = NULL;
		CURLcode code = m->data.result; /* m goes with the handle */
		CURLcode r = curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		nx_assert(r == CURLE_OK && call);
		transfer_ended(call, code);
	}
}

static void socket_action(struct nx_http_client *c, curl_socket_t fd, int what)
{
	int running;
	CURLMcode r = curl_multi_socket_action(c->multi, fd, what, &running);
	nx_assert(r == CURLM_OK || r == CURLM_OUT_OF_MEMORY || r == CURLM_ABORTED_BY_CALLBACK);
	reap(c);
}

static void on_timer(uv_timer_t *t)
{
	socket_action(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi NX_UNUSED, long ms, void *ctx)
{
	struct nx_http_client *c = ctx;
	if (uv_is_closing((uv_handle_t *)&c->timer))
		return 0;
	/* Never on the spot, for we may stand inside curl: 0 ms comes with the loop's next round. */
	return ms < 0 ? uv_timer_stop(&c->timer) : uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct socket_watch *w = poll->data;
	int what = status < 0 ? CURL_CSELECT_ERR : 0;
	if (events & UV_READABLE)
		what |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		what |= CURL_CSELECT_OUT;
	socket_action(w->client, w->fd, what); /* w may be gone after it */
}

static void on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

static struct socket_watch *watch_new(struct nx_http_client *c, curl_socket_t fd)
{
	struct socket_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	if (uv_poll_init_socket(nx_loop_uv(c->loop), &w->poll, fd) < 0) {
		free(w);
		return NULL;
	}
	w->poll.data = w;
	w->client = c;
	w->fd = fd;
	return w;
}

static int on_curl_socket(CURL *easy NX_UNUSED, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct nx_http_client *c = ctx;
	struct socket_watch *w = socket_ctx;
	if (what == CURL_POLL_REMOVE) {
		if (w) {
			(void)uv_poll_stop(&w->poll); /* never fails for an open handle */
			uv_close((uv_handle_t *)&w->poll, on_watch_closed);
			(void)curl_multi_assign(c->multi, fd, NULL);
		}
		return 0;
	}
	if (!w) {
		w = watch_new(c, fd);
		if (!w)
			return -1; /* curl then fails the transfers */
		(void)curl_multi_assign(c->multi, fd, w);
	}
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	return uv_poll_start(&w->poll, events, on_poll) < 0 ? -1 : 0;
}

static int multi_new(struct nx_http_client *c, struct nx_error **err)
{
	c->multi = curl_multi_init();
	if (!c->multi)
		return nx_error_set(err, NX_ENOMEM, "no memory for the HTTP client");
	/* They fail for unknown options only. */
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, MAX_CONNECTIONS);
	return 0;
}

static void on_start(struct nx_msg *m)
{
	struct nx_http_call *call = nx_container_of(m, struct nx_http_call, start_msg);
	struct nx_error *err = NULL;
	if ((!call->client->multi && multi_new(call->client, &err) < 0) || transfer_start(call, &err) < 0)
		call_finish(call, 0, err);
}

static void on_close(struct nx_msg *m)
{
	struct nx_http_client *c = nx_container_of(m, struct nx_http_client, close_msg);
	for (;;) {
		/* Only this thread takes calls off the list, and none is added while we close. */
		pthread_mutex_lock(&c->lock);
		struct nx_http_call *call = c->calls;
		pthread_mutex_unlock(&c->lock);
		if (!call)
			break;
		struct nx_error *err = NULL;
		(void)nx_error_set(&err, NX_ECANCELLED, "the request to %s was cancelled: the program ends",
				   call->origin);
		call_finish(call, 0, err);
	}
	CURLMcode r = c->multi ? curl_multi_cleanup(c->multi) : CURLM_OK;
	nx_assert(r == CURLM_OK);
	uv_close((uv_handle_t *)&c->timer, NULL);
	nx_loop_stop(c->loop); /* behind the cancels that `done` callbacks may have posted */
}

/* ---- the client ---- */

static void client_release(struct nx_http_client *c)
{
	nx_loop_free(c->loop);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

int nx_http_client_new(struct nx_http_client **ret, struct nx_error **err)
{
	struct nx_http_client *c = calloc(1, sizeof(*c));
	if (!c)
		return nx_error_set(err, NX_ENOMEM, "no memory for the HTTP client");
	int r = pthread_mutex_init(&c->lock, NULL);
	nx_assert(r == 0); /* Linux's never fails without attributes */
	r = nx_loop_new("net", &c->loop, err);
	if (r < 0) {
		client_release(c);
		return r;
	}
	(void)uv_timer_init(nx_loop_uv(c->loop), &c->timer); /* cannot fail */
	c->timer.data = c;
	c->close_msg.run = on_close;
	const char *ca_file = getenv("SSL_CERT_FILE"); /* as every program on OpenSSL has it */
	c->ca_file = ca_file && *ca_file ? ca_file : NULL;
	if ((r = nx_loop_start(c->loop, err)) < 0) {
		client_release(c);
		return r;
	}
	*ret = c;
	return 0;
}

void nx_http_client_free(struct nx_http_client *c)
{
	if (!c)
		return;
	nx_assert(!nx_loop_is_current(c->loop));
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_mutex_unlock(&c->lock);
	nx_loop_post(c->loop, &c->close_msg);
	nx_loop_join(c->loop);
	client_release(c);
}

struct nx_loop *nx_http_client_loop(struct nx_http_client *c)
{
	return c->loop;
}

static const char **copy_headers(struct nx_arena *a, const char *const *headers)
{
	size_t n = 0;
	while (headers && headers[n])
		n++;
	const char **copy = nx_arena_array(a, const char *, n + 1);
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = nx_arena_strdup(a, headers[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static int copy_request(struct nx_http_call *call, const struct nx_http_request *r, struct nx_error **err)
{
	struct nx_arena *a = call->arena;
	struct nx_http_request *q = &call->request;
	*q = *r;
	q->method = nx_arena_strdup(a, r->method);
	q->url = nx_arena_strdup(a, r->url);
	q->headers = call->request_headers = copy_headers(a, r->headers);
	q->unix_socket = r->unix_socket ? nx_arena_strdup(a, r->unix_socket) : NULL;
	q->body = r->body.p ? nx_str_dup(a, r->body) : NX_STR_NULL;
	if (!q->method || !q->url || !q->headers || (r->body.p && !q->body.p) || (r->unix_socket && !q->unix_socket))
		return nx_error_set(err, NX_ENOMEM, "no memory for a request to %s", call->origin);
	if (q->connect_timeout_us <= 0)
		q->connect_timeout_us = DEFAULT_CONNECT_US;
	if (q->timeout_us <= 0)
		q->timeout_us = DEFAULT_TOTAL_US;
	if (q->max_response_bytes == 0)
		q->max_response_bytes = DEFAULT_RESPONSE;
	call->deadline_us = nx_time_mono_us() + q->timeout_us;
	return 0;
}

static int call_new(struct nx_http_client *c, const struct nx_http_request *r, struct nx_http_call **ret,
		    struct nx_error **err)
{
	struct nx_http_call *call = calloc(1, sizeof(*call));
	if (!call || !(call->arena = nx_arena_new(0))) {
		free(call);
		return nx_error_set(err, NX_ENOMEM, "no memory for a request");
	}
	call->client = c;
	call->start_msg.run = on_start;
	call->cancel_msg.run = on_cancel;
	nx_timer_init(&call->idle, c->loop, on_idle);
	int code = nx_http_check_request(r, err);
	if (code == 0)
		code = nx_http_origin(call->arena, r->url, &call->origin, err);
	if (code == 0 && r->unix_socket && !(call->origin = nx_arena_strdup(call->arena, r->unix_socket)))
		code = nx_error_set(err, NX_ENOMEM, "no memory for a request");
	if (code == 0)
		code = copy_request(call, r, err);
	if (code < 0) {
		call_free(call);
		return code;
	}
	*ret = call;
	return 0;
}

int nx_http_start(struct nx_http_client *c, const struct nx_http_request *r, uint64_t *ret_id, struct nx_error **err)
{
	if (NX_FAULT(http_client_start))
		return nx_error_set(err, NX_ENETWORK, "start a request: the fault plan says so");
	struct nx_http_call *call = NULL;
	int code = nx_curl_load(err);
	if (code < 0 || (code = call_new(c, r, &call, err)) < 0)
		return code;

	pthread_mutex_lock(&c->lock);
	if (c->closing) {
		pthread_mutex_unlock(&c->lock);
		call_free(call);
		return nx_error_set(err, NX_ECANCELLED, "the program ends: no more requests are sent");
	}
	call->id = ++c->last_id;
	if (ret_id)
		*ret_id = call->id;
	call->next = c->calls;
	call->prev = &c->calls;
	if (call->next)
		call->next->prev = &call->next;
	c->calls = call;
	/* Posted under the lock: a cancel that finds the call comes behind its start. */
	nx_loop_post(c->loop, &call->start_msg);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

void nx_http_cancel(struct nx_http_client *c, uint64_t id)
{
	pthread_mutex_lock(&c->lock);
	struct nx_http_call *call = c->calls;
	while (call && call->id != id)
		call = call->next;
	if (call && !call->cancel_posted) {
		call->cancel_posted = true;
		nx_loop_post(c->loop, &call->cancel_msg);
	}
	pthread_mutex_unlock(&c->lock);
}
