#include "api/request_internal.h"

#include "api/api_internal.h"
#include "api/cursor_internal.h"
#include "api/http_internal.h"
#include "api/multipart_internal.h"
#include "api/problem_internal.h"
#include "api/query_internal.h"
#include "api/stream_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

/* A body up to this is decoded where it was read; a longer one on a worker. */
enum { DECODE_INLINE = 64 << 10 };

/* ---- life ---- */

struct nx_request *nx_request_new(struct nx_api *api, const char *target)
{
	struct nx_arena *a = nx_arena_new(0);
	struct nx_request *r = a ? nx_arena_new_of(a, struct nx_request) : NULL;
	if (!r || pthread_mutex_init(&r->lock, NULL) != 0) {
		nx_arena_free(a);
		return NULL;
	}
	atomic_init(&r->refs, 1);
	atomic_init(&r->state, NX_REQUEST_OPEN);
	r->api = api;
	r->arena = a;
	r->started_us = nx_time_mono_us();
	r->target = nx_str_dup(a, nx_str_z(target));
	if (!r->target.p) {
		nx_request_unref(r);
		return NULL;
	}
	return r;
}

void nx_request_ref(struct nx_request *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

void nx_request_unref(struct nx_request *r)
{
	/* acq_rel: whatever the others wrote comes before the free. */
	int before = atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel);
	nx_assert(before > 0);
	if (before > 1)
		return;
	if (r->reserved)
		atomic_fetch_sub_explicit(&r->api->body_bytes, (int64_t)r->reserved, memory_order_relaxed);
	nx_buf_done(&r->gathered);
	nx_stream_unref(r->reply.stream);
	(void)pthread_mutex_destroy(&r->lock);
	nx_arena_free(r->arena);
}

/* ---- the client goes away ---- */

void nx_request_on_gone(struct nx_request *r, void (*fn)(struct nx_request *r))
{
	(void)pthread_mutex_lock(&r->lock);
	bool late = fn && atomic_load(&r->state) == NX_REQUEST_GONE;
	r->on_gone = late ? NULL : fn;
	(void)pthread_mutex_unlock(&r->lock);
	if (late)
		fn(r);
}

bool nx_request_is_gone(struct nx_request *r)
{
	return atomic_load_explicit(&r->state, memory_order_acquire) == NX_REQUEST_GONE;
}

void nx_request_gone(struct nx_request *r)
{
	(void)pthread_mutex_lock(&r->lock);
	int want = NX_REQUEST_OPEN;
	bool won = atomic_compare_exchange_strong(&r->state, &want, NX_REQUEST_GONE);
	void (*fn)(struct nx_request *) = won ? nx_steal(r->on_gone) : NULL;
	(void)pthread_mutex_unlock(&r->lock);
	if (!won) {
		if (r->reply.stream)
			nx_stream_gone(r->reply.stream);
		return;
	}
	if (r->suspended)
		nx_httpd_resume(r->conn);
	if (fn)
		fn(r);
}

/* ---- replies ---- */

void nx_request_header(struct nx_request *r, const char *name, const char *value)
{
	if (value && r->reply.nheaders < nx_countof(r->reply.headers)) {
		r->reply.headers[r->reply.nheaders].name = name;
		r->reply.headers[r->reply.nheaders++].value = value;
	}
}

static void observe(struct nx_request *r, int code)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	int c = r->reply.status / 100;
	const char *class_ = c >= 1 && c <= 5 ? classes[c - 1] : "5xx";
	double took = (double)(nx_time_mono_us() - r->started_us) / 1e6;
	nx_metric_observe(NX_M_REQUEST_TIME, r->route ? r->route->id : "none", class_, took);
	if (code) {
		const struct nx_error_info *info = nx_error_info(code);
		nx_metric_add(NX_M_ERRORS, info ? info->name : "NX-INTERNAL", NULL, 1);
	}
	if (r->span.start_us) {
		nx_span_attr_int(&r->span, "http.response.status_code", r->reply.status);
		nx_span_end(&r->span, code);
	}
}

static void finish(struct nx_request *r, int code)
{
	bool working = r->phase == NX_PHASE_WORK, suspended = r->suspended;
	struct MHD_Connection *conn = r->conn;
	observe(r, code);
	if (r->idem)
		nx_idempotency_end(nx_steal(r->idem));

	(void)pthread_mutex_lock(&r->lock);
	r->on_gone = NULL;
	int want = NX_REQUEST_OPEN;
	bool sent = atomic_compare_exchange_strong(&r->state, &want, NX_REQUEST_REPLIED);
	nx_assert(sent || want == NX_REQUEST_GONE);
	(void)pthread_mutex_unlock(&r->lock);

	if (!sent && r->reply.stream) {
		/* Nobody will read it. Its producer hears so from the next push. */
		nx_stream_gone(r->reply.stream);
		nx_stream_closed(r->reply.stream);
	}
	if (sent && suspended)
		nx_httpd_resume(conn);
	if (working) {
		atomic_fetch_sub(&r->api->working, 1);
		nx_request_unref(r);
	}
}

void nx_request_reply_bytes(struct nx_request *r, int status, const char *mime, nx_str bytes)
{
	r->reply.status = status;
	r->reply.mime = mime;
	r->reply.body = bytes;
	finish(r, 0);
}

void nx_request_reply_json(struct nx_request *r, int status, nx_str json)
{
	nx_request_reply_bytes(r, status, "application/json", json);
}

void nx_request_reply_value(struct nx_request *r, int status, const yyjson_mut_val *v)
{
	struct nx_error *err = NULL;
	nx_str text;
	if (nx_json_write(r->arena, v, false, &text, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, status, text);
}

void nx_request_reply_empty(struct nx_request *r, int status)
{
	nx_request_reply_bytes(r, status, NULL, NX_STR_NULL);
}

void nx_request_reply_stream(struct nx_request *r, struct nx_stream *s)
{
	r->reply.status = 200;
	r->reply.mime = "text/event-stream";
	r->reply.stream = s;
	nx_stream_attach(s, r->conn);
	nx_stream_ref(s); /* the request's: the watch asks for the stream after the connection has let go of it */
	finish(r, 0);
}

static void log_error(struct nx_request *r, const struct nx_error *err, int status)
{
	struct nx_log_scope old =
		nx_log_scope_set((struct nx_log_scope){.tenant = r->who.tenant, .trace = r->trace.trace});
	const char *operation = r->route ? r->route->id : "none";
	if (status >= 500 && status != 501)
		nx_log_error("api", "request failed", NX_LSTRZ("operation", operation), NX_LINT("status", status),
			     NX_LERR(err));
	else
		nx_log_debug("api", "request refused", NX_LSTRZ("operation", operation), NX_LINT("status", status),
			     NX_LERR(err));
	(void)nx_log_scope_set(old);
}

void nx_request_reply_status(struct nx_request *r, int status, struct nx_error *err)
{
	int code = nx_error_code(err), retry = nx_problem_retry_after(code, status);
	struct nx_problem p = {.status = status,
			       .err = err,
			       .instance = r->path,
			       .trace = r->trace.trace,
			       .places = r->problem_places};
	log_error(r, err, status);
	if (retry)
		nx_request_header(r, "Retry-After", "1");
	if (status == 401)
		nx_request_header(r, "WWW-Authenticate", "Bearer realm=\"nexus\"");
	r->reply.mime = "application/problem+json";
	r->reply.body = nx_problem_json(&p, r->arena, &r->reply.status);
	nx_error_free(err);
	finish(r, code ? code : NX_EINTERNAL);
}

void nx_request_reply_error(struct nx_request *r, struct nx_error *err)
{
	nx_request_reply_status(r, nx_problem_status(nx_error_code(err)), err);
}

/* ---- work ---- */

static void run_job(struct nx_job *j)
{
	struct nx_request *r = nx_container_of(j, struct nx_request, job);
	struct nx_log_scope old =
		nx_log_scope_set((struct nx_log_scope){.tenant = r->who.tenant, .trace = r->trace.trace});
	r->work(r);
	(void)nx_log_scope_set(old);
}

void nx_request_work(struct nx_request *r, void (*fn)(struct nx_request *r), bool is_long)
{
	r->work = fn;
	r->job = (struct nx_job){.run = run_job, .is_long = is_long};
	nx_workers_post(r->api->parts.workers, &r->job);
}

static void handle(struct nx_request *r)
{
	/* A read for nobody is not done; a write that was sent is. */
	if (nx_request_is_gone(r) && !r->route->body && nx_str_eqz(r->method, "GET")) {
		struct nx_error *err = NULL;
		nx_error_set(&err, NX_ECANCELLED, "the client has gone");
		nx_request_reply_status(r, 499, err);
		return;
	}
	r->route->handle(r);
}

static void dispatch(struct nx_request *r)
{
	bool on_worker = nx_worker_index() >= 0, is_long = r->route->where == NX_LONG;
	if (r->route->where == NX_ASYNC || (on_worker && !is_long))
		handle(r);
	else
		nx_request_work(r, handle, is_long);
}

static void begin_once(struct nx_request *r)
{
	if (nx_idempotency_begin(r))
		dispatch(r);
}

static void after_decoding(struct nx_request *r)
{
	bool once = r->headers.idempotency_key.p && (r->route->flags & NX_R_IDEMPOTENT);
	if (once && nx_worker_index() < 0)
		nx_request_work(r, begin_once, false);
	else if (once)
		begin_once(r);
	else
		dispatch(r);
}

/* ---- decoding ---- */

static bool is_multipart(const struct nx_request *r)
{
	nx_str rest = r->headers.content_type;
	return nx_str_ieq_ascii(nx_str_trim(nx_str_cut(&rest, ';')), NX_STR("multipart/form-data"));
}

static int decode_body(struct nx_request *r, struct nx_error **err)
{
	const struct nx_config *c = r->api->parts.config;
	struct nx_json_limits limits = {.max_bytes = (size_t)c->api_max_body_bytes,
					.max_depth = (unsigned)c->api_max_depth};
	if (!r->route->body || is_multipart(r))
		return 0;
	nx_str text = r->raw;
	if (text.n == 0) {
		if (!(r->route->flags & NX_R_BODY_OPTIONAL)) {
			nx_error_set(err, NX_EINVAL, "the body is empty");
			return nx_error_hint(err, "send a JSON object; %s/docs shows its members", r->api->url);
		}
		text = NX_STR("{}");
	}
	int rc = nx_json_read(r->arena, text, &limits, &r->body, err);
	if (rc)
		return rc;
	/* A shape without a struct is checked here and read by whom it is for. */
	if (r->route->body->size == 0)
		return nx_schema_check(r->route->body, r->body, err);
	return nx_schema_decode(r->route->body, r->body, r->arena, &r->args, err);
}

static void decode_and_go(struct nx_request *r)
{
	struct nx_error *err = NULL;
	if (decode_body(r, &err))
		nx_request_reply_error(r, err);
	else
		after_decoding(r);
}

bool nx_request_prepare(struct nx_request *r)
{
	struct nx_error *err = NULL;
	r->raw = nx_buf_str(&r->gathered);
	if (r->route->where == NX_INLINE) {
		r->route->handle(r);
		return true;
	}
	if (r->raw.n > DECODE_INLINE || decode_body(r, &err) == 0)
		return false;
	nx_request_reply_error(r, err);
	return true;
}

void nx_request_run(struct nx_request *r)
{
	if (r->raw.n > DECODE_INLINE)
		nx_request_work(r, decode_and_go, true);
	else
		after_decoding(r);
}

/* ---- for handlers ---- */

bool nx_request_id(struct nx_request *r, size_t i, const char *what, nx_id *ret)
{
	struct nx_error *err = NULL;
	if (nx_id_parse(r->params[i], ret) && !nx_id_none(*ret))
		return true;
	nx_error_set(&err, NX_ENOTFOUND, "no %s has the id `%.*s`", what, NX_FMT(nx_str_slice(r->params[i], 0, 80)));
	nx_request_reply_error(r, err);
	return false;
}

bool nx_request_page(struct nx_request *r, bool has_limit, int64_t limit, nx_str cursor, size_t *ret_limit,
		     int64_t *ret_after)
{
	struct nx_error *err = NULL;
	int64_t max = r->api->parts.config->api_max_page;
	if (has_limit && (limit < 1 || limit > max)) {
		nx_error_set(&err, NX_EINVAL, "limit is %" PRId64 "; it may be 1 to %" PRId64 " (api.max_page)", limit,
			     max);
		nx_error_at(&err, "/limit");
	} else if (nx_cursor_parse(cursor, r->who.tenant, r->route->id, ret_after, &err) == 0) {
		*ret_limit = (size_t)(has_limit ? limit : nx_min(max, INT64_C(50)));
		return true;
	}
	nx_request_reply_error(r, err);
	return false;
}

void nx_request_reply_page(struct nx_request *r, nx_str items, int64_t next)
{
	char cursor[NX_CURSOR_TEXT];
	struct nx_error *err = NULL;
	char *text;
	if (next) {
		nx_cursor_format(next, r->who.tenant, r->route->id, cursor);
		text = nx_arena_printf(r->arena, "{\"items\":%.*s,\"next_cursor\":\"%s\"}", NX_FMT(items), cursor);
	} else {
		text = nx_arena_printf(r->arena, "{\"items\":%.*s,\"next_cursor\":null}", NX_FMT(items));
	}
	if (text) {
		nx_request_reply_json(r, 200, nx_str_z(text));
		return;
	}
	nx_error_set(&err, NX_ENOMEM, "out of memory for the answer");
	nx_request_reply_error(r, err);
}

bool nx_request_user(struct nx_request *r, nx_str named, nx_str *ret)
{
	struct nx_error *err = NULL;
	nx_str bound = nx_request_bound_user(r);
	if (bound.n == 0 || named.n == 0 || nx_str_eq(bound, named)) {
		*ret = bound.n ? bound : named;
		return true;
	}
	nx_error_set(&err, NX_EFORBIDDEN, "this key is bound to the user `%.*s`", NX_FMT(bound));
	nx_error_at(&err, "/user_id");
	nx_request_reply_error(r, err);
	return false;
}
