/* Asking the engine: the HTTP client's thread talks, the execution loop hears. */
#include "execution/docker_internal.h"

#include <pthread.h>
#include <stdio.h>

#define ANSWER_MAX ((size_t)1 << 20)
#define TIMEOUT_US (60 * NX_USEC_PER_SEC)
#define FOREVER_US (INT64_C(30) * 86400 * NX_USEC_PER_SEC)

struct call {
	struct nx_msg msg;
	struct nx_docker *docker;
	uint64_t id;
	void (*on_data)(void *ctx, nx_str bytes);
	void (*then)(void *ctx, const struct nx_docker_answer *a);
	void *ctx;
	int status;
	struct nx_buf body;
	struct nx_error *error;
};

struct chunk {
	struct nx_msg msg;
	struct call *call;
	size_t n;
	char bytes[];
};

/* ---- on the loop ---- */

static void hear_chunk(struct nx_msg *m)
{
	struct chunk *c = nx_container_of(m, struct chunk, msg);
	c->call->on_data(c->call->ctx, nx_str_n(c->bytes, c->n));
	free(c);
}

static void hear_end(struct nx_msg *m)
{
	struct call *c = nx_container_of(m, struct call, msg);
	struct nx_docker *d = c->docker;
	struct nx_docker_answer a = {.status = c->status, .body = nx_buf_str(&c->body), .error = c->error};
	d->calls--;
	c->then(c->ctx, &a);
	nx_error_free(c->error);
	nx_buf_done(&c->body);
	free(c);
	if (d->is_detached && d->calls == 0)
		nx_execution_check_stopped(d->e);
}

/* ---- on the client's thread ---- */

static void on_data(nx_str bytes, void *ctx)
{
	struct call *call = ctx;
	struct chunk *c = malloc(sizeof(*c) + bytes.n);
	if (!c)
		return; /* output that is lost for want of memory is like output that was never flushed */
	c->msg.run = hear_chunk;
	c->call = call;
	c->n = bytes.n;
	memcpy(c->bytes, bytes.p, bytes.n);
	nx_loop_post(call->docker->loop, &c->msg);
}

static void on_done(int status, nx_str body, const char *retry_after, struct nx_error *err, void *ctx)
{
	struct call *c = ctx;
	(void)retry_after;
	c->status = err ? 0 : status;
	c->error = nx_error_copy(err);
	if (!err)
		(void)nx_buf_adds(&c->body, body);
	nx_loop_post(c->docker->loop, &c->msg);
}

/* ---- asking ---- */

static int send_request(struct call *c, const struct nx_docker_ask *ask, struct nx_error **err)
{
	char url[1024], type[80];
	int n = snprintf(url, sizeof(url), "http://docker" NX_DOCKER_API "%s", ask->path);
	if (n < 0 || (size_t)n >= sizeof(url))
		return nx_error_set(err, NX_EINTERNAL, "a path of the engine does not fit");
	snprintf(type, sizeof(type), "Content-Type: %s", ask->type ? ask->type : "application/json");
	const char *headers[] = {type, NULL};
	struct nx_http_request q = {
		.method = ask->method,
		.url = url,
		.unix_socket = c->docker->socket,
		.headers = headers,
		.body = ask->body,
		.timeout_us = ask->timeout_us < 0 ? FOREVER_US
			      : ask->timeout_us   ? ask->timeout_us
						  : TIMEOUT_US,
		.max_response_bytes = ask->max_bytes ? ask->max_bytes : ANSWER_MAX,
		.on_data = ask->on_data ? on_data : NULL,
		.done = on_done,
		.ctx = c,
	};
	return nx_http_start(c->docker->net, &q, &c->id, err);
}

static void no_memory(const struct nx_docker_ask *ask)
{
	struct nx_docker_answer a = {0};
	nx_error_set(&a.error, NX_ENOMEM, "no memory to ask the engine");
	ask->then(ask->ctx, &a);
	nx_error_free(a.error);
}

uint64_t nx_docker_start(struct nx_docker *d, const struct nx_docker_ask *ask)
{
	struct call *c = calloc(1, sizeof(*c));
	if (!c) {
		no_memory(ask);
		return 0;
	}
	*c = (struct call){
		.msg.run = hear_end, .docker = d, .on_data = ask->on_data, .then = ask->then, .ctx = ask->ctx};
	d->calls++;
	struct nx_error *err = NULL;
	if (send_request(c, ask, &err) < 0) {
		c->error = err;
		nx_loop_post(d->loop, &c->msg);
		return 0;
	}
	return c->id;
}

void nx_docker_cancel(struct nx_docker *d, uint64_t id)
{
	if (id)
		nx_http_cancel(d->net, id);
}

int nx_docker_check(const struct nx_docker_answer *a, const char *what, struct nx_error **err)
{
	if (a->error) {
		nx_error_move(err, nx_error_copy(a->error));
		return nx_error_wrap(err, "the engine could not %s", what);
	}
	if (a->status >= 200 && a->status <= 299)
		return 0;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	yyjson_val *v = NULL;
	if (arena)
		(void)nx_json_read(arena, a->body, NULL, &v, NULL);
	nx_str message = nx_str_slice(nx_json_str(v, "message"), 0, 500);
	return nx_error_set(err, NX_ESANDBOX, "the engine could not %s: %.*s (%d)", what, NX_FMT(message), a->status);
}

/* ---- waiting, for who has no loop ---- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t came;
	bool is_done;
	int status;
	struct nx_buf body;
	struct nx_error *error;
};

static void wake(int status, nx_str body, const char *retry_after, struct nx_error *err, void *ctx)
{
	struct waiter *w = ctx;
	(void)retry_after;
	(void)pthread_mutex_lock(&w->lock);
	w->status = status;
	w->error = nx_error_copy(err);
	(void)nx_buf_adds(&w->body, body);
	w->is_done = true;
	(void)pthread_cond_signal(&w->came);
	(void)pthread_mutex_unlock(&w->lock);
}

int nx_docker_wait(struct nx_docker *d, const char *path, struct nx_arena *a, int *ret_status, nx_str *ret_body,
		   struct nx_error **err)
{
	char url[1024];
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
	(void)snprintf(url, sizeof(url), "http://docker" NX_DOCKER_API "%s", path);
	struct nx_http_request q = {.method = "GET",
				    .url = url,
				    .unix_socket = d->socket,
				    .timeout_us = 10 * NX_USEC_PER_SEC,
				    .max_response_bytes = ANSWER_MAX,
				    .done = wake,
				    .ctx = &w};
	int r = nx_http_start(d->net, &q, NULL, err);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&w.lock);
	while (!w.is_done)
		(void)pthread_cond_wait(&w.came, &w.lock);
	(void)pthread_mutex_unlock(&w.lock);
	*ret_status = w.status;
	*ret_body = w.error ? NX_STR_NULL : nx_str_dup(a, nx_buf_str(&w.body));
	nx_buf_done(&w.body);
	(void)pthread_cond_destroy(&w.came);
	(void)pthread_mutex_destroy(&w.lock);
	return w.error ? nx_error_move(err, w.error) : 0;
}
