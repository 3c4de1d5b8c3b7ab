#include "api/problem_internal.h"

#include "api/api.h"
#include "base/io.h"

static const struct nx_field place_fields[] = {
	{.name = "pointer", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "JSON Pointer into what was sent"},
	{.name = "detail", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what is wrong there"},
};
static const struct nx_schema place_schema = {
	.name = "ProblemPlace",
	.help = "One place that is wrong.",
	.fields = place_fields,
	.nfields = nx_countof(place_fields),
};

static const struct nx_field problem_fields[] = {
	{.name = "type", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "where the code is explained"},
	{.name = "title",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "what the code means, the same every time"},
	{.name = "status", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "the HTTP status"},
	{.name = "detail", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what went wrong this time"},
	{.name = "code",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .help = "stable; `nexus explain CODE` tells more"},
	{.name = "instance", .type = NX_T_STRING, .help = "the path that was asked for"},
	{.name = "trace_id", .type = NX_T_STRING, .help = "finds the request in traces and logs"},
	{.name = "pointer", .type = NX_T_STRING, .help = "JSON Pointer to the place that is wrong"},
	{.name = "hint", .type = NX_T_STRING, .help = "what to do"},
	{.name = "errors",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &place_schema,
	 .help = "every place that is wrong"},
};
const struct nx_schema nx_problem_schema = {
	.name = "Problem",
	.help = "An error (RFC 9457).",
	.fields = problem_fields,
	.nfields = nx_countof(problem_fields),
};

/* The one table from codes to statuses. */
static const struct {
	int code, status;
} statuses[] = {
	{NX_EINVAL, 400},       {NX_ENOMEM, 503},    {NX_ENOTFOUND, 404},    {NX_EEXISTS, 409},
	{NX_ECONFLICT, 409},    {NX_ETOOBIG, 413},   {NX_ELIMIT, 400},       {NX_EUNAUTHORIZED, 401},
	{NX_EFORBIDDEN, 403},   {NX_ETIMEOUT, 504},  {NX_ECANCELLED, 409},   {NX_EBUSY, 503},
	{NX_EUNSUPPORTED, 422}, {NX_EIO, 500},       {NX_ENOSPACE, 507},     {NX_ECORRUPT, 500},
	{NX_ENETWORK, 502},     {NX_EPROVIDER, 502}, {NX_ESANDBOX, 503},     {NX_EBLOCKED, 422},
	{NX_EBUDGET, 422},      {NX_EVERSION, 500},  {NX_EINUSE, 409},       {NX_EPARSE, 400},
	{NX_EENCODING, 400},    {NX_ETYPE, 415},     {NX_EIDEMPOTENCY, 422}, {NX_EUNREACHABLE, 502},
	{NX_EMISSING, 503},     {NX_EINTERNAL, 500}, {NX_ELATER, 501},
};

int nx_problem_status(int code)
{
	for (size_t i = 0; i < nx_countof(statuses); i++)
		if (statuses[i].code == code)
			return statuses[i].status;
	return 500;
}

int nx_api_status_of(int code)
{
	return nx_problem_status(code);
}

bool nx_problem_is_private(int code)
{
	return code == NX_EINTERNAL || code == NX_EIO || code == NX_ECORRUPT;
}

int nx_problem_retry_after(int code, int status)
{
	return code == NX_EBUSY || code == NX_ENOMEM || status == 429 ? 1 : 0;
}

static bool add_place(yyjson_mut_doc *d, yyjson_mut_val *list, const char *pointer, const char *detail)
{
	yyjson_mut_val *place = yyjson_mut_arr_add_obj(d, list);
	return place && nx_json_add_strz(d, place, "pointer", pointer) && nx_json_add_strz(d, place, "detail", detail);
}

static bool add_places(const struct nx_problem *p, const char *pointer, const char *detail, yyjson_mut_doc *d,
		       yyjson_mut_val *o, struct nx_arena *a)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "errors");
	yyjson_val *told = NULL, *e;
	size_t i, n;
	if (!list)
		return false;
	if (p->places.n)
		(void)nx_json_read(a, p->places, NULL, &told, NULL);
	yyjson_val *all = nx_json_get(told, "errors");
	if (yyjson_arr_size(all) == 0)
		return add_place(d, list, pointer, detail);
	yyjson_arr_foreach (all, i, n, e)
		if (!add_place(d, list, nx_json_str(e, "path").p, nx_json_str(e, "message").p))
			return false;
	return true;
}

static bool fill(const struct nx_problem *p, const struct nx_error_info *info, int status, yyjson_mut_doc *d,
		 yyjson_mut_val *o, struct nx_arena *a)
{
	const char *name = info ? info->name : "NX-INTERNAL", *title = info ? info->title : "internal error";
	const char *pointer = nx_error_pointer(p->err), *hint = nx_error_get_hint(p->err);
	const char *detail = nx_error_message(p->err);
	char trace[33] = "";
	char *type = nx_arena_printf(a, "/docs#%s", name),
	     *hex = nx_id_none(p->trace) ? trace : nx_hex(a, p->trace.b, 16);

	if (nx_problem_is_private(nx_error_code(p->err)))
		detail = nx_arena_printf(a, "the server could not do this; its log has the reason under trace %s", hex);
	bool ok = type && hex && detail && nx_json_add_strz(d, o, "type", type) &&
		  nx_json_add_strz(d, o, "title", title) && yyjson_mut_obj_add_int(d, o, "status", status) &&
		  nx_json_add_strz(d, o, "detail", detail) && nx_json_add_strz(d, o, "code", name);
	if (ok && p->instance.n)
		ok = nx_json_add_str(d, o, "instance", nx_utf8_repair(a, p->instance));
	if (ok && *hex)
		ok = nx_json_add_strz(d, o, "trace_id", hex);
	if (ok && *hint)
		ok = nx_json_add_strz(d, o, "hint", hint);
	if (ok && *pointer)
		ok = nx_json_add_strz(d, o, "pointer", pointer) && add_places(p, pointer, detail, d, o, a);
	return ok;
}

nx_str nx_problem_no_memory(void)
{
	return NX_STR("{\"type\":\"/docs#NX-NO-MEMORY\",\"title\":\"out of memory\",\"status\":503,"
		      "\"detail\":\"the server is out of memory\",\"code\":\"NX-NO-MEMORY\"}");
}

nx_str nx_problem_json(const struct nx_problem *p, struct nx_arena *a, int *ret_status)
{
	int status = p->status ? p->status : nx_problem_status(nx_error_code(p->err));
	yyjson_mut_doc *d = a ? nx_json_new(a) : NULL;
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	nx_str text;
	if (o && fill(p, nx_error_info(nx_error_code(p->err)), status, d, o, a) &&
	    nx_json_write(a, o, false, &text, NULL) == 0) {
		if (ret_status)
			*ret_status = status;
		return text;
	}
	if (ret_status)
		*ret_status = 503;
	return nx_problem_no_memory();
}
