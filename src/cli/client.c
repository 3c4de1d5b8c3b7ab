/* The server, asked over HTTP; the calling thread waits while the net loop works. The first request finds the server. */
#include "base/clock.h"
#include "base/http_client.h"
#include "base/io.h"
#include "cli/cli.h"

#include <errno.h>
#include <pthread.h>

#define CALL_TIMEOUT_US (330 * INT64_C(1000000)) /* past the longest `wait` */
#define STREAM_TIMEOUT_US (24 * 3600 * INT64_C(1000000))

struct nx_client {
	struct nx_http_client *net;
};

struct waiter {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
	int status;
	struct nx_arena *arena;
	nx_str body;
	struct nx_error *err;
	/* streams */
	struct nx_http_client *net;
	struct nx_sse_parser sse;
	bool (*on_event)(nx_str event, yyjson_val *data, void *ctx);
	void *ctx;
	bool stopped;
	uint64_t id;
};

static int open_client(struct nx_cli *c, struct nx_error **err)
{
	int rc;

	if (c->client)
		return 0;
	if (c->alone && !c->server && !nx_cli_anyone_at(c->url) && (rc = nx_cli_go_alone(c, err)) < 0)
		return rc;
	struct nx_client *k = calloc(1, sizeof(*k));
	if (!k)
		return nx_error_set(err, NX_ENOMEM, "call the server");
	if ((rc = nx_http_client_new(&k->net, err)) < 0) {
		free(k);
		return rc;
	}
	c->client = k;
	return 0;
}

void nx_client_free(struct nx_client *k)
{
	if (!k)
		return;
	nx_http_client_free(k->net);
	free(k);
}

/* The key comes from the environment or a file, never from a flag, where every process could read it. */
static const char *auth_header(struct nx_cli *c)
{
	const char *key = getenv("NEXUS_KEY");

	return key && key[0] ? nx_arena_printf(c->arena, "Authorization: Bearer %s", key) : NULL;
}

static void on_done(int status, nx_str body, const char *retry_after, struct nx_error *err, void *ctx)
{
	struct waiter *w = ctx;

	(void)retry_after;
	pthread_mutex_lock(&w->mutex);
	w->status = status;
	w->body = body.p ? nx_str_dup(w->arena, body) : NX_STR("");
	w->err = err ? nx_error_copy(err) : NULL;
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
}

/* A second of silence on a data directory of our own, perhaps while a model is read, is explained. */
static void wait_a_second(struct nx_cli *c, struct waiter *w)
{
	int64_t until = nx_time_mono_us() + NX_USEC_PER_SEC;
	struct timespec t = {.tv_sec = until / NX_USEC_PER_SEC, .tv_nsec = until % NX_USEC_PER_SEC * 1000};
	int rc = 0;

	while (!w->done && rc == 0)
		rc = pthread_cond_clockwait(&w->cond, &w->mutex, CLOCK_MONOTONIC, &t);
	if (!w->done)
		nx_cli_note_slow(c, nx_arena_printf(c->arena, "no server runs: working on %s", c->config->home));
}

static int wait_for(struct nx_cli *c, struct waiter *w)
{
	pthread_mutex_lock(&w->mutex);
	if (c->server && !c->noted && !w->on_event)
		wait_a_second(c, w);
	while (!w->done)
		pthread_cond_wait(&w->cond, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
	return w->err ? nx_error_code(w->err) : 0;
}

static int unreachable_error(struct nx_cli *c, struct waiter *w, struct nx_error **err)
{
	if (nx_error_code(w->err) != NX_ENETWORK)
		return nx_error_move(err, nx_steal(w->err));
	nx_error_free(nx_steal(w->err));
	nx_error_set(err, NX_EUNREACHABLE, "no server at %s", c->url);
	return nx_error_hint(err, "start one with `nexus serve`, or name another with --url");
}

static int problem_error(struct nx_cli *c, int status, nx_str body, struct nx_error **err)
{
	yyjson_val *v = NULL;

	if (nx_json_read(c->arena, body, NULL, &v, NULL) < 0)
		return nx_error_set(err, NX_EPROVIDER, "%s answered with status %d", c->url, status);
	char *name = nx_str_zdup(c->arena, nx_json_str(v, "code"));
	const struct nx_error_info *info = name ? nx_error_info_by_name(name) : NULL;
	nx_str detail = nx_json_str(v, "detail"), pointer = nx_json_str(v, "pointer"), hint = nx_json_str(v, "hint");
	int code = info ? info->code : NX_EPROVIDER;

	nx_error_set(err, code, "%.*s", NX_FMT(detail.n ? detail : nx_json_str(v, "title")));
	if (pointer.n)
		nx_error_at(err, "%.*s", NX_FMT(pointer));
	if (hint.n)
		nx_error_hint(err, "%.*s", NX_FMT(hint));
	return code;
}

static int send(struct nx_cli *c, struct waiter *w, const char *method, const char *path, nx_str body, bool stream,
		struct nx_http_request *r, struct nx_error **err)
{
	const char *headers[4] = {"Accept: application/json"};
	size_t n = 1;
	const char *auth = auth_header(c);
	int rc = open_client(c, err);

	if (rc < 0)
		return rc;
	if (stream)
		headers[0] = "Accept: text/event-stream";
	if (body.p)
		headers[n++] = "Content-Type: application/json";
	if (auth)
		headers[n++] = auth;
	headers[n] = NULL;
	r->method = method;
	r->url = nx_arena_printf(c->arena, "%s%s", c->url, path);
	r->headers = headers;
	r->body = body;
	r->timeout_us = stream ? STREAM_TIMEOUT_US : CALL_TIMEOUT_US;
	r->done = on_done;
	r->ctx = w;
	w->arena = c->arena;
	w->net = c->client->net;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->cond, NULL);
	if (!r->url)
		return nx_error_set(err, NX_ENOMEM, "call the server");
	if ((rc = nx_http_start(c->client->net, r, &w->id, err)) < 0)
		return rc;
	return wait_for(c, w) < 0 && !w->stopped ? unreachable_error(c, w, err) : 0;
}

static void waiter_done(struct waiter *w)
{
	nx_sse_done(&w->sse);
	nx_error_free(w->err);
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->mutex);
}

int nx_cli_call(struct nx_cli *c, const char *method, const char *path, yyjson_mut_val *body, yyjson_val **ret,
		struct nx_error **err)
{
	struct waiter w = {0};
	struct nx_http_request r = {0};
	nx_str text = NX_STR_NULL;
	int rc;

	if (body && (rc = nx_json_write(c->arena, body, false, &text, err)) < 0)
		return rc;
	rc = send(c, &w, method, path, text, false, &r, err);
	if (rc == 0 && (w.status < 200 || w.status > 299))
		rc = problem_error(c, w.status, w.body, err);
	else if (rc == 0)
		rc = nx_json_read(c->arena, w.body.n ? w.body : NX_STR("null"), NULL, ret, err);
	waiter_done(&w);
	return rc;
}

static void on_sse(nx_str event, nx_str data, nx_str id, void *ctx)
{
	struct waiter *w = ctx;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v = NULL;

	(void)id;
	if (w->stopped || !a || nx_json_read(a, data.n ? data : NX_STR("null"), NULL, &v, NULL) < 0)
		return;
	if (!w->on_event(event, v, w->ctx)) {
		w->stopped = true;
		nx_http_cancel(w->net, w->id);
	}
}

static void on_bytes(nx_str bytes, void *ctx)
{
	struct waiter *w = ctx;

	nx_sse_feed(&w->sse, bytes, on_sse, w);
}

int nx_cli_stream(struct nx_cli *c, const char *path, bool (*on_event)(nx_str event, yyjson_val *data, void *ctx),
		  void *ctx, struct nx_error **err)
{
	struct waiter w = {.on_event = on_event, .ctx = ctx};
	struct nx_http_request r = {.on_data = on_bytes};
	int rc = send(c, &w, "GET", path, NX_STR_NULL, true, &r, err);

	if (rc == 0 && !w.stopped && (w.status < 200 || w.status > 299))
		rc = problem_error(c, w.status, w.body, err);
	waiter_done(&w);
	return rc;
}

char *nx_cli_escape(struct nx_cli *c, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = nx_arena_alloc(c->arena, strlen(s) * 3 + 1), *w = out;

	for (; out && *s; s++) {
		unsigned char b = (unsigned char)*s;
		if ((b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || strchr("-._~", b)) {
			*w++ = (char)b;
		} else {
			*w++ = '%';
			*w++ = hex[b >> 4];
			*w++ = hex[b & 15];
		}
	}
	if (out)
		*w = 0;
	return out;
}

static int read_stdin(struct nx_cli *c, size_t max, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	char chunk[16384];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0) {
		if (b.n + n > max)
			return nx_error_set(err, NX_ETOOBIG, "standard input has more than %zu bytes", max);
		nx_buf_add(&b, chunk, n);
	}
	if (ferror(stdin))
		return nx_error_set_errno(err, errno, "read standard input");
	*ret = b.n ? nx_str_dup(c->arena, nx_buf_str(&b)) : NX_STR("");
	return nx_buf_failed(&b) || !ret->p ? nx_error_set(err, NX_ENOMEM, "read standard input") : 0;
}

int nx_cli_read(struct nx_cli *c, const char *path, size_t max, nx_str *ret, struct nx_error **err)
{
	return strcmp(path, "-") == 0 ? read_stdin(c, max, ret, err) : nx_file_read(c->arena, path, max, ret, err);
}

int nx_cli_words(struct nx_cli *c, int argc, char **argv, const char *what, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;

	if (argc == 0)
		return nx_error_set(err, NX_EINVAL, "%s is missing", what);
	if (argc == 1 && strcmp(argv[0], "-") == 0) {
		int rc = read_stdin(c, 16 << 20, ret, err);
		if (rc < 0)
			return rc;
	} else {
		for (int i = 0; i < argc; i++) {
			nx_buf_addz(&b, i ? " " : "");
			nx_buf_addz(&b, argv[i]);
		}
		*ret = nx_str_dup(c->arena, nx_buf_str(&b));
		if (nx_buf_failed(&b) || !ret->p)
			return nx_error_set(err, NX_ENOMEM, "read the words");
	}
	*ret = nx_str_trim(*ret);
	return ret->n > 0 ? 0 : nx_error_set(err, NX_EINVAL, "%s is missing", what);
}
