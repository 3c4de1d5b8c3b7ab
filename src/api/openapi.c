/* OpenAPI 3.1 from the route table. The schemas are JSON Schema 2020-12, which 3.1 takes as they are. */
#include "api/api.h"
#include "api/problem_internal.h"
#include "api/route_internal.h"
#include "base/build.h"

#include <stdio.h>

enum { MAX_COMPONENTS = 256 };

struct writer {
	struct nx_arena *arena;
	yyjson_mut_doc *doc;
	const struct nx_schema *named[MAX_COMPONENTS]; /* to be written under components */
	size_t nnamed;
	bool failed; /* out of memory, or too many components */
};

/* Builders that remember a failure, so that the document is checked once. */
static yyjson_mut_val *obj(struct writer *w, yyjson_mut_val *parent, const char *key)
{
	yyjson_mut_val *v = parent ? yyjson_mut_obj_add_obj(w->doc, parent, key) : yyjson_mut_obj(w->doc);
	w->failed = w->failed || !v;
	return v;
}

static void text(struct writer *w, yyjson_mut_val *o, const char *key, const char *value)
{
	if (value && !nx_json_add_strz(w->doc, o, key, value))
		w->failed = true;
}

static void remember(const struct nx_schema *s, void *ctx)
{
	struct writer *w = ctx;
	for (size_t i = 0; i < w->nnamed; i++)
		if (w->named[i] == s || strcmp(w->named[i]->name, s->name) == 0)
			return;
	if (w->nnamed == MAX_COMPONENTS)
		w->failed = true;
	else
		w->named[w->nnamed++] = s;
}

static void add_ref(struct writer *w, yyjson_mut_val *o, const struct nx_schema *s)
{
	remember(s, w);
	text(w, o, "$ref", nx_arena_printf(w->arena, "#/components/schemas/%s", s->name));
}

/* ---- parameters ---- */

static yyjson_mut_val *parameter(struct writer *w, yyjson_mut_val *list, nx_str name, const char *in, bool required,
				 const char *help)
{
	yyjson_mut_val *p = list ? yyjson_mut_arr_add_obj(w->doc, list) : NULL;
	if (!p || !nx_json_add_str(w->doc, p, "name", name) ||
	    !yyjson_mut_obj_add_bool(w->doc, p, "required", required)) {
		w->failed = true;
		return NULL;
	}
	text(w, p, "in", in);
	text(w, p, "description", help);
	return p;
}

static void plain_parameter(struct writer *w, yyjson_mut_val *list, nx_str name, const char *in, bool required,
			    const char *help)
{
	yyjson_mut_val *p = parameter(w, list, name, in, required, help);
	if (p)
		text(w, obj(w, p, "schema"), "type", "string");
}

/* The properties of the query's schema become one parameter each. */
static void query_parameters(struct writer *w, yyjson_mut_val *list, const struct nx_schema *q)
{
	yyjson_mut_val *s = nx_schema_json(q, w->doc, remember, w);
	yyjson_mut_val *props = s ? yyjson_mut_obj_get(s, "properties") : NULL;
	for (size_t i = 0; i < q->nfields; i++) {
		const struct nx_field *f = &q->fields[i];
		yyjson_mut_val *prop = props ? yyjson_mut_obj_get(props, f->name) : NULL;
		yyjson_mut_val *p =
			parameter(w, list, nx_str_z(f->name), "query", (f->flags & NX_F_REQUIRED) != 0, f->help);
		yyjson_mut_val *copy = prop ? yyjson_mut_val_mut_copy(w->doc, prop) : NULL;
		if (!p || !copy || !yyjson_mut_obj_add_val(w->doc, p, "schema", copy))
			w->failed = true;
	}
}

static void parameters(struct writer *w, yyjson_mut_val *op, const struct nx_route *r)
{
	yyjson_mut_val *list = yyjson_mut_arr(w->doc);
	nx_str name;
	for (size_t i = 0; nx_route_param_name(r->path, i, &name); i++)
		plain_parameter(w, list, name, "path", true, NULL);
	if (r->query)
		query_parameters(w, list, r->query);
	if (r->flags & NX_R_IDEMPOTENT)
		plain_parameter(w, list, NX_STR("Idempotency-Key"), "header", false,
				"a request repeated with the same key and body is done once; kept for 24 hours");
	if (!list || (yyjson_mut_arr_size(list) > 0 && !yyjson_mut_obj_add_val(w->doc, op, "parameters", list)))
		w->failed = true;
}

/* ---- bodies ---- */

static void multipart_body(struct writer *w, yyjson_mut_val *content)
{
	yyjson_mut_val *s = obj(w, obj(w, content, "multipart/form-data"), "schema");
	text(w, s, "type", "object");
	text(w, s, "description",
	     "any number of files (.txt, .md, .jsonl), and `options`: the other members of the JSON body");
	yyjson_mut_val *props = obj(w, s, "properties"), *files = obj(w, props, "files");
	text(w, files, "type", "array");
	yyjson_mut_val *item = obj(w, files, "items");
	text(w, item, "type", "string");
	text(w, item, "contentMediaType", "application/octet-stream");
	text(w, obj(w, props, "options"), "type", "string");
}

static void request_body(struct writer *w, yyjson_mut_val *op, const struct nx_route *r)
{
	if (!r->body)
		return;
	yyjson_mut_val *body = obj(w, op, "requestBody");
	if (!body || !yyjson_mut_obj_add_bool(w->doc, body, "required", !(r->flags & NX_R_BODY_OPTIONAL)))
		w->failed = true;
	yyjson_mut_val *content = obj(w, body, "content");
	add_ref(w, obj(w, obj(w, content, "application/json"), "schema"), r->body);
	if (r->flags & NX_R_MULTIPART)
		multipart_body(w, content);
}

static void response(struct writer *w, yyjson_mut_val *all, const struct nx_answer *a)
{
	char *key = nx_arena_printf(w->arena, "%d", a->status);
	if (!key) {
		w->failed = true;
		return;
	}
	/* A status may be answered in more than one type. */
	yyjson_mut_val *o = yyjson_mut_obj_get(all, key);
	bool again = o != NULL;
	if (!again) {
		o = obj(w, all, key);
		text(w, o, "description", a->help ? a->help : "done");
	}
	if (!a->schema && !a->mime)
		return;
	yyjson_mut_val *content = again ? yyjson_mut_obj_get(o, "content") : obj(w, o, "content");
	yyjson_mut_val *type = obj(w, content, a->mime ? a->mime : "application/json");
	if (a->schema)
		add_ref(w, obj(w, type, "schema"), a->schema);
	else
		text(w, obj(w, type, "schema"), "type", "string");
}

static void responses(struct writer *w, yyjson_mut_val *op, const struct nx_route *r)
{
	yyjson_mut_val *all = obj(w, op, "responses");
	for (const struct nx_answer *a = r->answers; a && a->status; a++)
		response(w, all, a);
	text(w, obj(w, all, "default"), "$ref", "#/components/responses/Problem");
}

static void security(struct writer *w, yyjson_mut_val *op, const struct nx_route *r)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(w->doc, op, "security");
	if (!list) {
		w->failed = true;
		return;
	}
	if (r->scope == NX_SCOPE_PUBLIC)
		return;
	yyjson_mut_val *one = yyjson_mut_arr_add_obj(w->doc, list);
	yyjson_mut_val *scopes = one ? yyjson_mut_obj_add_arr(w->doc, one, "key") : NULL;
	if (!scopes || !yyjson_mut_arr_add_str(w->doc, scopes, nx_scope_names[r->scope]))
		w->failed = true;
}

static void operation(struct writer *w, yyjson_mut_val *paths, const struct nx_route *r)
{
	yyjson_mut_val *path = yyjson_mut_obj_get(paths, r->path);
	char method[8] = "";
	for (size_t i = 0; r->method[i] && i < sizeof(method) - 1; i++)
		method[i] = (char)(r->method[i] | 32);
	char *key = nx_arena_strdup(w->arena, method);
	if (!path)
		path = obj(w, paths, r->path);
	yyjson_mut_val *op = key ? obj(w, path, key) : NULL, *tags;
	if (!op || !(tags = yyjson_mut_obj_add_arr(w->doc, op, "tags")) ||
	    !yyjson_mut_arr_add_str(w->doc, tags, r->tag)) {
		w->failed = true;
		return;
	}
	text(w, op, "operationId", r->id);
	text(w, op, "summary", r->summary);
	text(w, op, "description", r->help);
	text(w, op, "x-since", r->since);
	security(w, op, r);
	parameters(w, op, r);
	request_body(w, op, r);
	responses(w, op, r);
}

/* ---- the document ---- */

static void info(struct writer *w, yyjson_mut_val *root)
{
	yyjson_mut_val *o = obj(w, root, "info");
	text(w, root, "openapi", "3.1.0");
	text(w, o, "title", "NEXUS");
	text(w, o, "version", NX_VERSION);
	text(w, o, "summary", "a self-hosted agent runtime");
	text(w, o, "description",
	     "JSON over HTTP/1.1. Errors are RFC 9457 problem documents with a stable `code`. Lists take `limit` and an opaque "
	     "`cursor`. Times are RFC 3339 in UTC. `traceparent` is taken and passed on. Writes take an Idempotency-Key.");
	yyjson_mut_val *license = obj(w, o, "license");
	text(w, license, "name", "Apache-2.0");
	text(w, license, "identifier", "Apache-2.0");
	yyjson_mut_val *servers = yyjson_mut_obj_add_arr(w->doc, root, "servers");
	yyjson_mut_val *server = servers ? yyjson_mut_arr_add_obj(w->doc, servers) : NULL;
	w->failed = w->failed || !server;
	if (server)
		text(w, server, "url", "/");
}

static void components(struct writer *w, yyjson_mut_val *root)
{
	yyjson_mut_val *o = obj(w, root, "components");
	yyjson_mut_val *problem = obj(w, obj(w, o, "responses"), "Problem");
	text(w, problem, "description", "an error");
	add_ref(w, obj(w, obj(w, obj(w, problem, "content"), "application/problem+json"), "schema"),
		&nx_problem_schema);

	yyjson_mut_val *key = obj(w, obj(w, o, "securitySchemes"), "key");
	text(w, key, "type", "http");
	text(w, key, "scheme", "bearer");
	text(w, key, "description", "`Authorization: Bearer nxk_…`; needed as soon as a key exists");

	/* Writing one schema may name further ones. */
	yyjson_mut_val *schemas = obj(w, o, "schemas");
	for (size_t i = 0; i < w->nnamed && !w->failed; i++) {
		yyjson_mut_val *s = nx_schema_json(w->named[i], w->doc, remember, w);
		if (!s || !yyjson_mut_obj_add_val(w->doc, schemas, w->named[i]->name, s))
			w->failed = true;
	}
}

static void error_codes(struct writer *w, yyjson_mut_val *root)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(w->doc, root, "x-error-codes");
	const struct nx_error_info *e;
	for (size_t i = 0; list && (e = nx_error_info_at(i)) != NULL; i++) {
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(w->doc, list);
		if (!o || !yyjson_mut_obj_add_int(w->doc, o, "status", nx_problem_status(e->code))) {
			w->failed = true;
			return;
		}
		text(w, o, "code", e->name);
		text(w, o, "title", e->title);
		text(w, o, "why", e->why);
		text(w, o, "how", e->how);
	}
	w->failed = w->failed || !list;
}

int nx_api_openapi_json(struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	struct writer w = {.arena = a, .doc = nx_json_new(a)};
	yyjson_mut_val *root = w.doc ? obj(&w, NULL, NULL) : NULL;
	const struct nx_route *r;
	if (root) {
		info(&w, root);
		yyjson_mut_val *paths = obj(&w, root, "paths");
		for (size_t i = 0; paths && (r = nx_route_at(i)) != NULL; i++)
			if (r->handle && !(r->flags & NX_R_HIDDEN))
				operation(&w, paths, r);
		components(&w, root);
		error_codes(&w, root);
	}
	if (!root || w.failed)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the OpenAPI document");
	return nx_json_write(a, root, false, ret, err);
}
