/* What is decided from the headers alone: which operation it is, whether the caller may, whether the body may come. */
#include "api/api_internal.h"
#include "api/multipart_internal.h"
#include "api/query_internal.h"
#include "base/clock.h"

#include <inttypes.h>

static int split_target(struct nx_request *r, struct nx_error **err)
{
	nx_str target = r->target;
	if (target.n == 0 || target.p[0] != '/') {
		nx_error_set(err, NX_EINVAL, "the request target must be a path");
		return nx_error_hint(err, "proxies' absolute form is not served");
	}
	const char *mark = memchr(target.p, '?', target.n);
	size_t n = mark ? (size_t)(mark - target.p) : target.n;
	r->path = nx_str_slice(target, 0, n);
	r->query_text = mark ? nx_str_slice(target, n + 1, target.n) : NX_STR("");
	return 0;
}

static bool is_api_path(nx_str path)
{
	return nx_str_starts(path, NX_STR("/v1/")) || nx_str_eqz(path, "/v1");
}

static int check_origin(struct nx_request *r, struct nx_error **err)
{
	bool is_page = r->route && r->route->scope == NX_SCOPE_PUBLIC;
	struct nx_origin o = {
		.host = r->headers.host,
		.origin = r->headers.origin,
		/* A link on another site may lead to a public page. */
		.fetch_site = is_page || !r->route ? NX_STR_NULL : r->headers.fetch_site,
		.keys_exist = nx_auth_required(r->api->auth),
	};
	return nx_guard_check(&r->api->guard, &o, &r->cors, err);
}

static int check_scope(struct nx_request *r, struct nx_error **err)
{
	if (nx_identity_has(&r->who, r->route->scope))
		return 0;
	nx_error_set(err, NX_EFORBIDDEN, "the key does not have the scope %s", nx_scope_names[r->route->scope]);
	return nx_error_hint(err, "use a key that has it; an admin makes one with POST /v1/keys");
}

static void reply_unknown_path(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_error_set(&err, NX_ENOTFOUND, "there is nothing at `%.*s`", NX_FMT(nx_str_slice(r->path, 0, 200)));
	const char *near = nx_route_nearest(r->path);
	nx_error_hint(&err, near ? "did you mean %s?" : "/docs lists every path", near);
	nx_request_reply_error(r, err);
}

static void reply_wrong_method(struct nx_request *r, unsigned methods)
{
	char allow[64];
	struct nx_error *err = NULL;
	nx_methods_text(methods, allow, sizeof(allow));
	nx_request_header(r, "Allow", nx_arena_strdup(r->arena, allow));
	nx_error_set(&err, NX_EUNSUPPORTED, "`%.*s` does not take %.*s", NX_FMT(nx_str_slice(r->path, 0, 200)),
		     NX_FMT(nx_str_slice(r->method, 0, 20)));
	nx_error_hint(&err, "it takes %s", allow);
	nx_request_reply_status(r, 405, err);
}

/* CORS preflight, or what a path can. */
static void reply_options(struct nx_request *r, unsigned methods)
{
	char allow[64];
	if (!methods) {
		reply_unknown_path(r);
		return;
	}
	nx_methods_text(methods, allow, sizeof(allow));
	char *text = nx_arena_strdup(r->arena, allow);
	nx_request_header(r, "Allow", text);
	if (r->cors) {
		nx_request_header(r, "Access-Control-Allow-Methods", text);
		nx_request_header(r, "Access-Control-Allow-Headers",
				  "authorization, content-type, idempotency-key, last-event-id, traceparent");
		nx_request_header(r, "Access-Control-Max-Age", "600");
	}
	nx_request_reply_empty(r, 204);
}

static int decode_params(struct nx_request *r, const struct nx_match *m, struct nx_error **err)
{
	for (size_t i = 0; i < NX_ROUTE_PARAMS_MAX && m->params[i].p; i++) {
		int rc = nx_percent_decode(m->params[i], false, "a part of the path", r->arena, &r->params[i], err);
		if (rc)
			return rc;
	}
	if (!r->route->query)
		return r->query_text.n == 0 || (r->route->flags & NX_R_HIDDEN)
			       ? 0
			       : nx_error_set(err, NX_EINVAL, "this operation takes no query parameters");
	return nx_query_decode(r->route->query, r->query_text, r->arena, &r->query, err);
}

/* ---- the body, before it comes ---- */

static int check_content_type(const struct nx_request *r, struct nx_error **err)
{
	nx_str rest = r->headers.content_type;
	nx_str type = nx_str_trim(nx_str_cut(&rest, ';'));
	if (nx_str_ieq_ascii(type, NX_STR("application/json")) || nx_str_ends(type, NX_STR("+json")))
		return 0;
	if (nx_str_ieq_ascii(type, NX_STR("multipart/form-data")) && (r->route->flags & NX_R_MULTIPART)) {
		nx_str boundary;
		return nx_multipart_boundary(r->headers.content_type, &boundary, err);
	}
	if (type.n == 0)
		nx_error_set(err, NX_ETYPE, "the body has no Content-Type");
	else
		nx_error_set(err, NX_ETYPE, "the body is of type `%.*s`", NX_FMT(nx_str_slice(type, 0, 100)));
	return nx_error_hint(err, "send JSON with `Content-Type: application/json`%s",
			     r->route->flags & NX_R_MULTIPART ? ", or multipart/form-data" : "");
}

/* Bodies at hand share a bound, so that many large ones at once are refused before they come, not by the kernel after. */
static int reserve(struct nx_request *r, int64_t length, struct nx_error **err)
{
	int64_t limit = r->api->parts.config->api_max_bodies_bytes;
	int64_t before = atomic_fetch_add_explicit(&r->api->body_bytes, length, memory_order_relaxed);
	if (before > 0 && before + length > limit) {
		atomic_fetch_sub_explicit(&r->api->body_bytes, length, memory_order_relaxed);
		return nx_error_set(err, NX_EBUSY,
				    "the bodies that are being read reach api.max_bodies_bytes (%" PRId64 ")", limit);
	}
	r->reserved += (size_t)length;
	return 0;
}

static int check_length(struct nx_request *r, struct nx_error **err)
{
	int64_t max = r->api->parts.config->api_max_body_bytes, length = 0;
	if (!r->headers.content_length.p)
		return 0;
	if (!nx_str_to_i64(r->headers.content_length, &length) || length < 0)
		return nx_error_set(err, NX_EINVAL, "Content-Length is not a number of bytes");
	if (length > max)
		return nx_error_set(err, NX_ETOOBIG, "the body has %" PRId64 " bytes; api.max_body_bytes is %" PRId64,
				    length, max);
	return reserve(r, length, err);
}

static bool has_body(const struct nx_request *r)
{
	return r->headers.transfer_encoding.p ||
	       (r->headers.content_length.p && !nx_str_eqz(r->headers.content_length, "0"));
}

static int check_body(struct nx_request *r, struct nx_error **err)
{
	if (!has_body(r))
		return 0;
	if (!r->route->body)
		return r->headers.content_length.p && r->headers.content_length.n > 5
			       ? nx_error_set(err, NX_ETOOBIG, "this operation takes no body")
			       : 0;
	nx_str coding = r->headers.content_encoding;
	if (coding.p && !nx_str_ieq_ascii(coding, NX_STR("identity"))) {
		nx_error_set(err, NX_ETYPE, "a body in the coding `%.*s` is not read",
			     NX_FMT(nx_str_slice(coding, 0, 40)));
		return nx_error_hint(err, "send it as it is");
	}
	int rc = check_content_type(r, err);
	return rc ? rc : check_length(r, err);
}

static int check_operation(struct nx_request *r, const struct nx_match *m, struct nx_error **err)
{
	int rc = check_scope(r, err);
	if (rc)
		return rc;
	if (!r->route->handle) {
		nx_error_set(err, NX_ELATER, "%s %s is not in this version", r->route->method, r->route->path);
		return nx_error_hint(err, "/openapi.json lists what is");
	}
	rc = decode_params(r, m, err);
	if (!rc)
		rc = check_body(r, err);
	if (!rc && r->headers.idempotency_key.p && (r->route->flags & NX_R_IDEMPOTENT))
		rc = nx_idempotency_check_key(r->headers.idempotency_key, err);
	return rc;
}

static void start_trace(struct nx_request *r)
{
	struct nx_trace_ctx parent = {0};
	if (!r->headers.traceparent.p || !nx_traceparent_parse(r->headers.traceparent, &parent))
		parent = (struct nx_trace_ctx){0};
	nx_span_start(&r->span, parent, r->route ? r->route->id : "unknown");
	r->span.tenant = r->who.tenant;
	r->trace = r->span.ctx;
	if (!r->route || r->route->where == NX_INLINE)
		r->span.start_us = 0; /* not worth keeping; the ids are still shown */
}

void nx_request_begin(struct nx_request *r)
{
	struct nx_error *err = NULL;
	struct nx_match m = {0};
	bool is_options = nx_str_eqz(r->method, "OPTIONS");

	int rc = split_target(r, &err);
	if (!rc) {
		nx_route_match(r->method, r->path, &m);
		r->route = m.route;
		rc = check_origin(r, &err);
	}
	bool open =
		is_options || (r->route && r->route->scope == NX_SCOPE_PUBLIC) || (!m.methods && !is_api_path(r->path));
	if (!rc && !open)
		rc = nx_auth_check(r->api->auth, r->headers.authorization, nx_time_wall_us(), &r->who, &err);
	start_trace(r);
	if (!rc && atomic_load(&r->api->stopping))
		rc = nx_error_set(&err, NX_EBUSY, "the server is stopping");
	if (rc) {
		nx_request_reply_error(r, err);
		return;
	}
	if (is_options) {
		reply_options(r, m.methods);
	} else if (!r->route) {
		bool is_get = r->head || nx_str_eqz(r->method, "GET");
		if (m.methods)
			reply_wrong_method(r, m.methods);
		else if (!is_get || is_api_path(r->path) || !nx_static_reply(r, r->path))
			reply_unknown_path(r);
	} else if (check_operation(r, &m, &err)) {
		nx_request_reply_error(r, err);
	}
}
