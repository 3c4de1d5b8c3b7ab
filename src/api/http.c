#include "api/http_internal.h"

#include "api/api_internal.h"
#include "api/problem_internal.h"
#include "api/stream_internal.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

/* What a refused request may still send before its connection is closed instead of read to its end. */
enum { DRAIN_MAX = 256 << 10 };
/* The handlers of libmicrohttpd's threads are shallow; JSON is read without recursion. */
#define THREAD_STACK ((size_t)256 << 10)

struct nx_httpd {
	struct nx_api *api;
	struct MHD_Daemon *daemon;
	struct MHD_Response *no_memory; /* for a request that there is no memory to read; made at the start */
};

void nx_httpd_suspend(struct MHD_Connection *c)
{
	MHD_suspend_connection(c);
}

void nx_httpd_resume(struct MHD_Connection *c)
{
	MHD_resume_connection(c);
}

/* ---- headers ---- */

static const struct {
	const char *name;
	size_t offset;
	bool once; /* a second one is an error, not a choice */
} wanted[] = {
	{"Accept", offsetof(struct nx_headers, accept), false},
	{"Access-Control-Request-Headers", offsetof(struct nx_headers, cors_headers), false},
	{"Access-Control-Request-Method", offsetof(struct nx_headers, cors_method), false},
	{"Authorization", offsetof(struct nx_headers, authorization), true},
	{"Content-Encoding", offsetof(struct nx_headers, content_encoding), true},
	{"Content-Length", offsetof(struct nx_headers, content_length), true},
	{"Content-Type", offsetof(struct nx_headers, content_type), true},
	{"Host", offsetof(struct nx_headers, host), true},
	{"Idempotency-Key", offsetof(struct nx_headers, idempotency_key), true},
	{"If-None-Match", offsetof(struct nx_headers, if_none_match), false},
	{"Last-Event-ID", offsetof(struct nx_headers, last_event_id), true},
	{"Origin", offsetof(struct nx_headers, origin), true},
	{"Sec-Fetch-Site", offsetof(struct nx_headers, fetch_site), true},
	{"Traceparent", offsetof(struct nx_headers, traceparent), false},
	{"Transfer-Encoding", offsetof(struct nx_headers, transfer_encoding), true},
};

struct gather {
	struct nx_request *r;
	const char *twice; /* name of a header that came more than once */
	bool failed;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct gather *g = cls;
	(void)kind;
	for (size_t i = 0; i < nx_countof(wanted); i++) {
		if (strcasecmp(key, wanted[i].name) != 0)
			continue;
		nx_str *slot = (nx_str *)((char *)&g->r->headers + wanted[i].offset);
		if (slot->p && wanted[i].once)
			g->twice = wanted[i].name;
		if (!slot->p) {
			*slot = nx_str_dup(g->r->arena, nx_str_z(value ? value : ""));
			g->failed = g->failed || !slot->p;
		}
		break;
	}
	return MHD_YES;
}

/* libmicrohttpd takes what comes in a coding that it does not know as it is, up to the end of the connection. */
static bool has_strange_coding(const struct nx_request *r)
{
	nx_str coding = r->headers.transfer_encoding;
	return coding.p && !nx_str_ieq_ascii(nx_str_trim(coding), NX_STR("chunked"));
}

static bool read_coding(struct nx_request *r)
{
	struct nx_error *err = NULL;
	if (!has_strange_coding(r))
		return true;
	nx_error_set(&err, NX_EUNSUPPORTED, "a body in the transfer coding `%.*s` is not read",
		     NX_FMT(nx_str_slice(r->headers.transfer_encoding, 0, 40)));
	nx_error_hint(&err, "send it with a Content-Length, or chunked");
	nx_request_reply_status(r, MHD_HTTP_NOT_IMPLEMENTED, err);
	return false;
}

static bool read_headers(struct nx_request *r, struct MHD_Connection *c)
{
	struct nx_error *err = NULL;
	struct gather g = {.r = r};
	(void)MHD_get_connection_values(c, MHD_HEADER_KIND, on_header, &g);
	if (g.failed)
		nx_error_set(&err, NX_ENOMEM, "out of memory reading the headers");
	else if (g.twice)
		nx_error_set(&err, NX_EINVAL, "the header %s came more than once", g.twice);
	else if (r->headers.content_length.p && r->headers.transfer_encoding.p)
		nx_error_set(&err, NX_EINVAL, "Content-Length and Transfer-Encoding exclude each other");
	else
		return read_coding(r);
	nx_request_reply_error(r, err);
	return false;
}

/* ---- answers ---- */

static bool add(struct MHD_Response *m, const char *name, const char *value)
{
	return MHD_add_response_header(m, name, value) == MHD_YES;
}

static bool add_headers(struct nx_request *r, struct MHD_Response *m)
{
	char traceparent[56];
	bool ok =
		add(m, "X-Content-Type-Options", "nosniff") && add(m, "Referrer-Policy", "no-referrer") &&
		add(m, "Cross-Origin-Resource-Policy", "same-origin") &&
		add(m, "Content-Security-Policy",
		    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'");
	if (ok && r->reply.mime)
		ok = add(m, "Content-Type", r->reply.mime);
	if (ok && !nx_id_none(r->trace.trace)) {
		nx_traceparent_format(r->trace, traceparent);
		ok = add(m, "traceparent", traceparent);
	}
	if (ok && r->cors)
		ok = add(m, "Access-Control-Allow-Origin", r->headers.origin.p) &&
		     add(m, "Access-Control-Expose-Headers", "traceparent, retry-after, location, idempotent-replayed");
	if (ok && r->headers.origin.p)
		ok = add(m, "Vary", "Origin");
	bool cached = false;
	for (size_t i = 0; ok && i < r->reply.nheaders; i++) {
		cached = cached || strcmp(r->reply.headers[i].name, "Cache-Control") == 0;
		ok = add(m, r->reply.headers[i].name, r->reply.headers[i].value);
	}
	return ok && (cached || add(m, "Cache-Control", "no-store"));
}

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	(void)pos;
	ssize_t n = nx_stream_read(cls, buf, max);
	if (n == -1)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void close_stream(void *cls)
{
	nx_stream_closed(cls);
}

static struct MHD_Response *make_response(struct nx_request *r)
{
	if (r->reply.stream && r->head) {
		nx_stream_closed(r->reply.stream);
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	}
	if (r->reply.stream)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, r->reply.stream,
							 close_stream);
	/* The bytes are in the request's arena, which lives until the connection has let it go. */
	return MHD_create_response_from_buffer(r->reply.body.n, (void *)(uintptr_t)r->reply.body.p,
					       MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result queue_no_memory(const struct nx_httpd *h, struct MHD_Connection *c)
{
	return MHD_queue_response(c, MHD_HTTP_SERVICE_UNAVAILABLE, h->no_memory);
}

/* What was done is done; the client hears that its answer could not be made, instead of nothing. */
static enum MHD_Result queue_reply(const struct nx_httpd *h, struct nx_request *r)
{
	struct MHD_Response *m = make_response(r);
	if (!m) {
		if (r->reply.stream && !r->head)
			nx_stream_closed(r->reply.stream);
		return queue_no_memory(h, r->conn);
	}
	bool whole = add_headers(r, m) && (!atomic_load(&r->api->stopping) || add(m, "Connection", "close"));
	enum MHD_Result rc = whole ? MHD_queue_response(r->conn, (unsigned)r->reply.status, m) : MHD_NO;
	MHD_destroy_response(m);
	return whole ? rc : queue_no_memory(h, r->conn);
}

static struct MHD_Response *make_no_memory(void)
{
	nx_str text = nx_problem_no_memory();
	struct MHD_Response *m =
		MHD_create_response_from_buffer(text.n, (void *)(uintptr_t)text.p, MHD_RESPMEM_PERSISTENT);
	if (m && add(m, "Content-Type", "application/problem+json") && add(m, "Retry-After", "1") &&
	    add(m, "Cache-Control", "no-store") && add(m, "Connection", "close"))
		return m;
	if (m)
		MHD_destroy_response(m);
	return NULL;
}

/* ---- the way of a request ---- */

static enum nx_request_state state_of(struct nx_request *r)
{
	return atomic_load_explicit(&r->state, memory_order_acquire);
}

static int64_t announced_length(const struct nx_request *r)
{
	int64_t n = 0;
	return nx_str_to_i64(r->headers.content_length, &n) ? n : 0;
}

static enum MHD_Result on_headers(const struct nx_httpd *h, struct nx_request *r, struct MHD_Connection *c,
				  const char *method)
{
	r->conn = c;
	r->method = nx_str_dup(r->arena, nx_str_z(method));
	if (!r->method.p)
		return queue_no_memory(h, c);
	r->head = strcmp(method, "HEAD") == 0;
	if (read_headers(r, c))
		nx_request_begin(r);
	r->phase = NX_PHASE_BODY;
	/* Answered now, the rest of the body is not read and the connection is closed. A short body is read first, so that a
	 * client that sends before it reads gets the answer, and the connection can go on. */
	if (state_of(r) == NX_REQUEST_REPLIED && (announced_length(r) > DRAIN_MAX || has_strange_coding(r)))
		return queue_reply(h, r);
	return MHD_YES;
}

/* The reply is sent when the body has come to its end. */
static void refuse_body(struct nx_request *r, struct nx_error *err)
{
	nx_buf_done(&r->gathered);
	nx_request_reply_error(r, err);
}

static void refuse_long_body(struct nx_request *r)
{
	struct nx_error *err = NULL;
	int64_t max = r->api->parts.config->api_max_body_bytes;
	nx_error_set(&err, NX_ETOOBIG, "the body has more than %" PRId64 " bytes, which is api.max_body_bytes", max);
	refuse_body(r, err);
}

static void keep_part(struct nx_request *r, const char *data, size_t n)
{
	struct nx_error *err = NULL;
	if (nx_buf_add(&r->gathered, data, n))
		return;
	nx_error_set(&err, NX_ENOMEM, "out of memory for a body of %zu bytes", r->reserved);
	refuse_body(r, err);
}

static enum MHD_Result on_body(struct nx_request *r, const char *data, size_t *size)
{
	size_t n = *size;
	*size = 0;
	if (state_of(r) == NX_REQUEST_REPLIED || !r->route->body) {
		/* In the middle of a body no answer can be queued: read on, within reason. */
		r->drained += n;
		return r->drained > (size_t)announced_length(r) + DRAIN_MAX ? MHD_NO : MHD_YES;
	}
	size_t max = (size_t)r->api->parts.config->api_max_body_bytes;
	if (n > max - r->gathered.n) {
		refuse_long_body(r);
		return MHD_YES;
	}
	if (r->gathered.n + n > r->reserved) {
		size_t more = r->gathered.n + n - r->reserved;
		atomic_fetch_add_explicit(&r->api->body_bytes, (int64_t)more, memory_order_relaxed);
		r->reserved += more;
	}
	keep_part(r, data, n);
	return MHD_YES;
}

static int socket_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? info->connect_fd : -1;
}

static enum MHD_Result on_complete_request(const struct nx_httpd *h, struct nx_request *r)
{
	if (state_of(r) == NX_REQUEST_REPLIED || nx_request_prepare(r))
		return queue_reply(h, r);

	r->phase = NX_PHASE_WORK;
	r->suspended = true;
	nx_request_ref(r);
	atomic_fetch_add(&r->api->working, 1);
	MHD_suspend_connection(r->conn);
	r->watch = nx_watch_add(r->api->watch, socket_of(r->conn), r);
	nx_request_run(r);
	return MHD_YES;
}

/* libmicrohttpd asks again after a resume: the reply is there, or the client is not. */
static enum MHD_Result on_resumed(const struct nx_httpd *h, struct nx_request *r)
{
	return state_of(r) == NX_REQUEST_REPLIED ? queue_reply(h, r) : MHD_NO;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *c, const char *url, const char *method,
				 const char *version, const char *data, size_t *size, void **con_cls)
{
	const struct nx_httpd *h = cls;
	struct nx_request *r = *con_cls;
	(void)url;
	(void)version;
	if (!r)
		return queue_no_memory(h, c);
	switch (r->phase) {
	case NX_PHASE_HEADERS: return on_headers(h, r, c, method);
	case NX_PHASE_BODY: return *size > 0 ? on_body(r, data, size) : on_complete_request(h, r);
	case NX_PHASE_WORK: return on_resumed(h, r);
	}
	return MHD_NO;
}

static void *on_target(void *cls, const char *target, struct MHD_Connection *c)
{
	struct nx_httpd *h = cls;
	(void)c;
	return nx_request_new(h->api, target);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct nx_request *r = nx_steal(*con_cls);
	(void)cls;
	(void)c;
	(void)why;
	if (!r)
		return;
	if (r->watch)
		nx_watch_remove(r->api->watch, r->watch);
	nx_request_unref(r);
}

static void on_connection(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_ConnectionNotificationCode code)
{
	(void)cls;
	(void)c;
	(void)ctx;
	nx_metric_add(NX_M_CONNECTIONS, NULL, NULL, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

/* Paths and queries are decoded by us, once and strictly. */
static size_t leave_escaped(void *cls, struct MHD_Connection *c, char *s)
{
	(void)cls;
	(void)c;
	return strlen(s);
}

static void on_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];
	(void)cls;
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n > 0)
		nx_log_debug("http", "libmicrohttpd", NX_LSTR("said", nx_str_trim(nx_str_z(text))));
}

/* ---- the daemon ---- */

static unsigned thread_count(const struct nx_config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (c->api_threads > 0)
		return (unsigned)c->api_threads;
	return cores < 1 ? 1 : (unsigned)nx_min(cores, 4);
}

int nx_httpd_start(struct nx_api *api, int fd, struct nx_httpd **ret, struct nx_error **err)
{
	const struct nx_config *c = api->parts.config;
	unsigned threads = thread_count(c),
		 flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct nx_httpd *h = calloc(1, sizeof(*h));
	if (!h) {
		(void)close(fd);
		return nx_error_set(err, NX_ENOMEM, "out of memory for the server");
	}
	h->api = api;
	h->no_memory = make_no_memory();
	if (!h->no_memory) {
		(void)close(fd);
		free(h);
		return nx_error_set(err, NX_ENOMEM, "out of memory for the server");
	}
	h->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
		fd, MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->api_max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)c->api_max_header_bytes, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(c->api_idle_timeout / 1000),
		MHD_OPTION_URI_LOG_CALLBACK, on_target, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!h->daemon) {
		/* Whether libmicrohttpd closed the socket depends on how far it came; the program ends here anyway. */
		MHD_destroy_response(h->no_memory);
		free(h);
		return nx_error_set(err, NX_EINTERNAL, "start the HTTP threads");
	}
	*ret = h;
	return 0;
}

void nx_httpd_stop(struct nx_httpd *h)
{
	if (!h)
		return;
	MHD_stop_daemon(h->daemon); /* closes the listening socket */
	MHD_destroy_response(h->no_memory);
	free(h);
}
