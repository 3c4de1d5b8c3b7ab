#include "api/api_internal.h"
#include "base/build.h"
#include "base/clock.h"

/* ---- health ---- */

static const struct nx_field health_fields[] = {
	{.name = "status", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "`ok`", .example = "\"ok\""},
	{.name = "version", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "of the program"},
};
static const struct nx_schema health_schema = {.name = "Health",
					       .help = "The process is alive.",
					       .fields = health_fields,
					       .nfields = nx_countof(health_fields)};

static void healthz(struct nx_request *r)
{
	nx_request_reply_json(r, 200, NX_STR("{\"status\":\"ok\",\"version\":\"" NX_VERSION "\"}"));
}

static const struct nx_field index_fields[] = {
	{.name = "text", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "ready, loading or disabled"},
	{.name = "vector", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "ready, loading or disabled"},
	{.name = "graph", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "ready, loading or disabled"},
};
static const struct nx_schema index_schema = {.name = "IndexStates",
					      .help = "The state of each index.",
					      .fields = index_fields,
					      .nfields = nx_countof(index_fields)};

static const struct nx_field ready_fields[] = {
	{.name = "ready",
	 .type = NX_T_BOOL,
	 .flags = NX_F_REQUIRED,
	 .help = "the journal is recovered: tasks are taken"},
	{.name = "indexes", .type = NX_T_OBJECT, .flags = NX_F_REQUIRED, .schema = &index_schema},
	{.name = "tasks_pending", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "tasks that are not finished"},
	{.name = "documents", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "documents stored"},
	{.name = "chunks", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "chunks indexed"},
	{.name = "keys_required", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "whether requests need a key"},
};
static const struct nx_schema ready_schema = {.name = "Readiness",
					      .help = "What works already.",
					      .fields = ready_fields,
					      .nfields = nx_countof(ready_fields)};

static void readyz(struct nx_request *r)
{
	struct nx_api *api = r->api;
	struct nx_knowledge_state k = {0};
	bool ready = nx_core_ready(api->parts.core);
	nx_knowledge_state(api->parts.knowledge, &k);
	yyjson_mut_doc *d = nx_json_new(r->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *ix = o ? yyjson_mut_obj(d) : NULL;
	bool ok = ix && yyjson_mut_obj_add_bool(d, o, "ready", ready) && nx_json_add_strz(d, ix, "text", k.text) &&
		  nx_json_add_strz(d, ix, "vector", k.vector) && nx_json_add_strz(d, ix, "graph", k.graph) &&
		  yyjson_mut_obj_add_val(d, o, "indexes", ix) &&
		  yyjson_mut_obj_add_sint(d, o, "tasks_pending", nx_core_pending(api->parts.core)) &&
		  yyjson_mut_obj_add_sint(d, o, "documents", k.documents) &&
		  yyjson_mut_obj_add_sint(d, o, "chunks", k.chunks) &&
		  yyjson_mut_obj_add_bool(d, o, "keys_required", nx_auth_required(api->auth));
	nx_request_reply_value(r, ready ? 200 : 503, ok ? o : NULL);
}

/* ---- what machines read ---- */

static void metrics(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_monitoring_prometheus(&b);
	nx_str text = nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(r->arena, nx_buf_str(&b));
	if (text.p) {
		nx_request_reply_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8", text);
		return;
	}
	nx_error_set(&err, NX_ENOMEM, "out of memory for the metrics");
	nx_request_reply_error(r, err);
}

static void openapi(struct nx_request *r)
{
	char *etag = nx_arena_printf(r->arena, "\"%s\"", r->api->openapi_etag);
	nx_request_header(r, "ETag", etag);
	nx_request_header(r, "Cache-Control", "no-cache");
	if (etag && r->headers.if_none_match.p && nx_str_find(r->headers.if_none_match, nx_str_z(etag)) >= 0)
		nx_request_reply_empty(r, 304);
	else
		nx_request_reply_json(r, 200, r->api->openapi);
}

static const struct nx_schema openapi_schema = {.name = "OpenAPIDocument", .help = "This document.", .open = true};

static void page(struct nx_request *r)
{
	struct nx_error *err = NULL;
	if (nx_static_reply(r, r->path))
		return;
	nx_error_set(&err, NX_ENOTFOUND, "this program was built without that page");
	nx_request_reply_error(r, err);
}

static const struct nx_answer health_answers[] = {{200, &health_schema, NULL, "alive"}, {0}};
static const struct nx_answer ready_answers[] = {{200, &ready_schema, NULL, "tasks are taken"},
						 {503, &ready_schema, NULL, "the journal is being recovered"},
						 {0}};
static const struct nx_answer metrics_answers[] = {{200, NULL, "text/plain", "Prometheus text exposition format 0.0.4"},
						   {0}};
static const struct nx_answer openapi_answers[] = {
	{200, &openapi_schema, NULL, "OpenAPI 3.1"}, {304, NULL, NULL, "as the ETag says"}, {0}};
static const struct nx_answer page_answers[] = {{200, NULL, "text/html", "a page"}, {0}};

static const struct nx_route routes[] = {
	{.method = "GET",
	 .path = "/healthz",
	 .id = "get_health",
	 .tag = "system",
	 .summary = "Is the process alive?",
	 .scope = NX_SCOPE_PUBLIC,
	 .where = NX_INLINE,
	 .handle = healthz,
	 .answers = health_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/readyz",
	 .id = "get_readiness",
	 .tag = "system",
	 .summary = "Are tasks taken, and which indexes are ready?",
	 .scope = NX_SCOPE_PUBLIC,
	 .where = NX_INLINE,
	 .handle = readyz,
	 .answers = ready_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/metrics",
	 .id = "get_metrics",
	 .tag = "system",
	 .summary = "Metrics for Prometheus",
	 .scope = NX_SCOPE_METRICS_READ,
	 .where = NX_SHORT,
	 .handle = metrics,
	 .answers = metrics_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/openapi.json",
	 .id = "get_openapi",
	 .tag = "system",
	 .summary = "This document",
	 .scope = NX_SCOPE_PUBLIC,
	 .where = NX_INLINE,
	 .handle = openapi,
	 .answers = openapi_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/docs",
	 .id = "get_docs",
	 .tag = "system",
	 .summary = "The reference, for people",
	 .scope = NX_SCOPE_PUBLIC,
	 .where = NX_INLINE,
	 .flags = NX_R_HIDDEN,
	 .handle = page,
	 .answers = page_answers,
	 .since = "0.1"},
	{.method = "GET",
	 .path = "/",
	 .id = "get_console",
	 .tag = "system",
	 .summary = "The console",
	 .scope = NX_SCOPE_PUBLIC,
	 .where = NX_INLINE,
	 .flags = NX_R_HIDDEN,
	 .handle = page,
	 .answers = page_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_system = {routes, nx_countof(routes)};
