#include "api/api_internal.h"
#include "execution/images.h"

enum { LANGUAGES_MAX = 32 };

/* ---- shapes ---- */

static const struct nx_field finding_fields[] = {
	{.name = "rule", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "severity", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "line", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "from 1"},
	{.name = "column", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "from 1, in characters"},
	{.name = "message", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
};
static const struct nx_schema finding_schema = {.name = "Finding",
						.help = "What the scanner found.",
						.fields = finding_fields,
						.nfields = nx_countof(finding_fields),
						.open = true};
static const struct nx_field scan_fields[] = {
	{.name = "is_safe", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "under the policy"},
	{.name = "risk_level",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "none, low, medium, high or critical"},
	{.name = "findings",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &finding_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "by position"},
};
static const struct nx_schema scan_schema = {.name = "ScanResult",
					     .help = "What the scanner thinks of a program. Advice, never the wall.",
					     .fields = scan_fields,
					     .nfields = nx_countof(scan_fields),
					     .open = true};

static const struct nx_field usage_fields[] = {
	{.name = "wall_ms", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
	{.name = "cpu_ms", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
	{.name = "max_rss_bytes", .type = NX_T_INT, .flags = NX_F_REQUIRED},
	{.name = "network_bytes_in", .type = NX_T_INT, .help = "through the proxy of a run with network_access"},
	{.name = "network_bytes_out", .type = NX_T_INT},
	{.name = "network_refused", .type = NX_T_INT, .help = "connections that the proxy refused"},
	{.name = "queue_ms", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED, .help = "until its turn came"},
	{.name = "start_ms", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED, .help = "until the program ran"},
};
static const struct nx_schema usage_schema = {.name = "ExecutionUsage",
					      .help = "What a run used.",
					      .fields = usage_fields,
					      .nfields = nx_countof(usage_fields)};

static const struct nx_field value_fields[] = {
	{.name = "text", .type = NX_T_STRING, .flags = NX_F_NULL, .max_len = (size_t)256 << 20},
	{.name = "html",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .max_len = (size_t)256 << 20,
	 .help = "of _repr_html_; as little to be trusted as the program"},
	{.name = "png_base64",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .max_len = (size_t)256 << 20,
	 .help = "of _repr_png_"},
};
static const struct nx_schema value_schema = {.name = "ExecutionValue",
					      .help = "The value of the last expression of a run in a session.",
					      .fields = value_fields,
					      .nfields = nx_countof(value_fields)};

static const struct nx_field run_fields[] = {
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED},
	{.name = "session_id", .type = NX_T_ID, .flags = NX_F_NULL},
	{.name = "value",
	 .type = NX_T_OBJECT,
	 .schema = &value_schema,
	 .flags = NX_F_NULL,
	 .help = "of the last expression, in a session; null when that has none"},
	{.name = "status",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "ok, error, timeout, memory_limit, cpu_limit, output_limit, process_limit, blocked, cancelled, "
		 "compile_error, or running"},
	{.name = "exit_code", .type = NX_T_INT, .flags = NX_F_NULL},
	{.name = "signal", .type = NX_T_INT, .flags = NX_F_NULL},
	{.name = "stdout", .type = NX_T_STRING, .max_len = (size_t)256 << 20},
	{.name = "stderr", .type = NX_T_STRING, .max_len = (size_t)256 << 20},
	{.name = "truncated", .type = NX_T_BOOL},
	{.name = "warm", .type = NX_T_BOOL, .help = "the interpreter had been started ahead"},
	{.name = "usage", .type = NX_T_OBJECT, .schema = &usage_schema},
	{.name = "limits_met",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .max_len = 16,
	 .help = "whatever the status: memory, cpu (slowed down or ended), processes, time, output, disk, artifacts (some left out)"},
	{.name = "enforced", .type = NX_T_MAP, .max_len = 64, .help = "what held each limit"},
	{.name = "scan", .type = NX_T_OBJECT, .schema = &scan_schema},
	{.name = "artifacts",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .max_len = 10000,
	 .help = "files it left: id, path, size, sha256, mime"},
};
static const struct nx_schema run_schema = {.name = "Execution",
					    .help = "A run and what became of it.",
					    .fields = run_fields,
					    .nfields = nx_countof(run_fields),
					    .open = true};

struct scan_body {
	nx_str language, code;
	int policy;
};
static const struct nx_field scan_body_fields[] = {
	{.name = "language",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct scan_body, language),
	 .max_len = 32},
	{.name = "code",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct scan_body, code),
	 .max_len = (size_t)64 << 20},
	{.name = "policy",
	 .type = NX_T_ENUM,
	 .names = nx_scan_policy_names,
	 .offset = offsetof(struct scan_body, policy),
	 .def = NX_SCAN_STANDARD},
};
static const struct nx_schema scan_body_schema = {.name = "ScanRequest",
						  .help = "A program to be read, never run.",
						  .fields = scan_body_fields,
						  .nfields = nx_countof(scan_body_fields),
						  .size = sizeof(struct scan_body)};

struct languages_query {
	nx_str image;
};
static const struct nx_field languages_query_fields[] = {
	{.name = "image",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct languages_query, image),
	 .max_len = 63,
	 .help = "those of this image instead of the host's; without their versions"},
};
static const struct nx_schema languages_query_schema = {.name = "LanguagesQuery",
							.fields = languages_query_fields,
							.nfields = nx_countof(languages_query_fields),
							.size = sizeof(struct languages_query)};
static const struct nx_field language_fields[] = {
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "available", .type = NX_T_BOOL, .flags = NX_F_REQUIRED},
	{.name = "version", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_NULL},
	{.name = "program", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_NULL},
	{.name = "package",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "what to install when it is missing"},
};
static const struct nx_schema language_schema = {.name = "Language",
						 .help = "A language that can be run.",
						 .fields = language_fields,
						 .nfields = nx_countof(language_fields)};
static const struct nx_field language_list_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &language_schema, .flags = NX_F_REQUIRED},
};
static const struct nx_schema language_list_schema = {.name = "LanguageList",
						      .help = "The languages.",
						      .fields = language_list_fields,
						      .nfields = nx_countof(language_list_fields)};

/* ---- handlers ---- */

static void reply_running(struct nx_request *r, int status, nx_id id)
{
	char text[NX_ID_TEXT];
	nx_id_format(id, text);
	char *json = nx_arena_printf(r->arena, "{\"id\":\"%s\",\"status\":\"running\"}", text);
	if (json)
		nx_request_reply_json(r, status, nx_str_z(json));
	else
		nx_request_reply_value(r, status, NULL);
}

static void reply_stored(struct nx_request *r, nx_id id)
{
	struct nx_error *err = NULL;
	nx_str json;
	if (nx_execution_get(r->api->parts.execution, r->who.tenant, id, r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void get_execution(struct nx_request *r)
{
	nx_id id;
	if (!nx_request_id(r, 0, "execution", &id))
		return;
	if (nx_runs_has(r->api->runs, r->who.tenant, id))
		reply_running(r, 200, id);
	else
		reply_stored(r, id);
}

static void cancel_execution(struct nx_request *r)
{
	nx_id id;
	if (!nx_request_id(r, 0, "execution", &id))
		return;
	if (!nx_runs_has(r->api->runs, r->who.tenant, id)) {
		reply_stored(r, id);
		return;
	}
	nx_execution_cancel(r->api->parts.execution, id);
	reply_running(r, 202, id);
}

static void get_artifact(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str bytes, mime;
	nx_id id;
	if (!nx_request_id(r, 0, "artifact", &id))
		return;
	if (nx_execution_artifact(r->api->parts.execution, r->who.tenant, id, r->arena, &bytes, &mime, &err)) {
		nx_request_reply_error(r, err);
		return;
	}
	char *type = nx_arena_printf(r->arena, "%.*s", NX_FMT(mime));
	if (!type) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	/* What a guest wrote is never shown as a page of ours. */
	nx_request_header(r, "Content-Disposition", "attachment");
	nx_request_reply_bytes(r, 200, type, bytes);
}

static void scan(struct nx_request *r)
{
	const struct scan_body *b = r->args;
	struct nx_scan_options o = {.policy = (enum nx_scan_policy)b->policy};
	struct nx_error *err = NULL;
	struct nx_scan_result result = {0};
	int64_t max = r->api->parts.config->sandbox_max_code_bytes;
	int rc = 0;
	if (b->code.n > (size_t)max) {
		nx_error_set(&err, NX_ETOOBIG, "the program has %zu bytes; sandbox.max_code_bytes is %lld", b->code.n,
			     (long long)max);
		rc = nx_error_at(&err, "/code");
	}
	if (!rc && (rc = nx_scan(b->language, b->code, &o, r->arena, &result, &err)) == NX_EINVAL)
		nx_error_at(&err, "/language");
	yyjson_mut_doc *d = rc ? NULL : nx_json_new(r->arena);
	if (rc)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_value(r, 200, d ? nx_scan_json(&result, d) : NULL);
}

static bool add_language(yyjson_mut_doc *d, yyjson_mut_val *list, const struct nx_exec_language *l)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
	return o && nx_json_add_strz(d, o, "name", l->name) &&
	       yyjson_mut_obj_add_bool(d, o, "available", l->available) &&
	       nx_json_add_strz(d, o, "version", l->version[0] ? l->version : NULL) &&
	       nx_json_add_strz(d, o, "program", l->program) && nx_json_add_strz(d, o, "package", l->package);
}

static void list_languages(struct nx_request *r)
{
	struct nx_exec_language *l = nx_arena_array(r->arena, struct nx_exec_language, LANGUAGES_MAX);
	yyjson_mut_doc *d = l ? nx_json_new(r->arena) : NULL;
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *list = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	const struct languages_query *q = r->query;
	struct nx_error *err = NULL;
	bool ok = list != NULL;
	size_t n = 0;
	if (ok && q->image.n == 0)
		n = nx_execution_languages(r->api->parts.execution, l, LANGUAGES_MAX);
	else if (ok && nx_image_languages(r->api->parts.execution, q->image, l, LANGUAGES_MAX, &n, &err) < 0)
		return nx_request_reply_error(r, err);
	for (size_t i = 0; ok && i < n; i++)
		ok = add_language(d, list, &l[i]);
	nx_request_reply_value(r, 200, ok ? o : NULL);
}

/* ---- the table ---- */

static const struct nx_answer run_answers[] = {
	{200, &run_schema, NULL, "the run has ended, whatever its status; with `stream` its events"},
	{200, NULL, "text/event-stream", NULL},
	{0}};
static const struct nx_answer get_answers[] = {{200, &run_schema, NULL, "the run"}, {0}};
static const struct nx_answer cancel_answers[] = {
	{200, &run_schema, NULL, "it had ended"}, {202, &run_schema, NULL, "it is being ended"}, {0}};
static const struct nx_answer artifact_answers[] = {
	{200, NULL, "application/octet-stream", "the file, in its own type"}, {0}};
static const struct nx_answer scan_answers[] = {{200, &scan_schema, NULL, "what was found"}, {0}};
static const struct nx_answer language_answers[] = {{200, &language_list_schema, NULL, "the languages"}, {0}};

#define ROUTE(method_, path_, id_, summary_, where_, flags_, handle_, body_, answers_)                             \
	{                                                                                                          \
		.method = method_, .path = path_, .id = id_, .tag = "sandbox", .summary = summary_,                \
		.scope = NX_SCOPE_SANDBOX_RUN, .where = where_, .flags = flags_, .handle = handle_, .body = body_, \
		.answers = answers_, .since = "0.1"                                                                \
	}

static const struct nx_route routes[] = {
	{.method = "POST",
	 .path = "/v1/sandbox/executions",
	 .id = "run_code",
	 .tag = "sandbox",
	 .summary = "Run a program in the sandbox",
	 .help = "A client that goes away cancels the run.",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_ASYNC,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = nx_run_code,
	 .replay = reply_stored,
	 .body = &nx_execution_request_schema,
	 .answers = run_answers,
	 .since = "0.1"},
	ROUTE("GET", "/v1/sandbox/executions/{id}", "get_execution", "A run", NX_SHORT, 0, get_execution, NULL,
	      get_answers),
	ROUTE("DELETE", "/v1/sandbox/executions/{id}", "cancel_execution", "Cancel a run", NX_SHORT, NX_R_IDEMPOTENT,
	      cancel_execution, NULL, cancel_answers),
	ROUTE("GET", "/v1/sandbox/artifacts/{id}", "get_artifact", "A file that a run left", NX_SHORT, 0, get_artifact,
	      NULL, artifact_answers),
	ROUTE("POST", "/v1/sandbox/scan", "scan_code", "Read a program for what looks dangerous, without running it",
	      NX_SHORT, 0, scan, &scan_body_schema, scan_answers),
	{.method = "GET",
	 .path = "/v1/sandbox/languages",
	 .id = "list_languages",
	 .tag = "sandbox",
	 .summary = "The languages that this host, or an image, can run",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_SHORT,
	 .handle = list_languages,
	 .query = &languages_query_schema,
	 .answers = language_answers,
	 .since = "0.1"},
};
const struct nx_route_table nx_routes_sandbox = {routes, nx_countof(routes)};
