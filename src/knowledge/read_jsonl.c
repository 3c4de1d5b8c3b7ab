/* Objects of JSON as documents, and JSON Lines. */
#include "knowledge/read_internal.h"

#define LINE_DEPTH 32

static int string_member(yyjson_val *o, const char *key, bool needed, nx_str *ret, const char **ret_fault)
{
	yyjson_val *v = yyjson_obj_get(o, key);
	if (!v || yyjson_is_null(v)) {
		if (needed)
			*ret_fault = "has no \"text\"";
		return needed ? NX_ETYPE : 0;
	}
	if (!yyjson_is_str(v)) {
		*ret_fault = strcmp(key, "text") == 0 ? "has a \"text\" that is not a string"
						      : "has a member of the wrong type";
		return NX_ETYPE;
	}
	*ret = nx_json_val_str(v);
	return 0;
}

/* Numbers are taken as ids too: many corpora have them. */
static int read_id(yyjson_val *o, struct nx_arena *a, nx_str *ret, const char **ret_fault)
{
	yyjson_val *v = yyjson_obj_get(o, "id");
	v = v ? v : yyjson_obj_get(o, "_id");
	if (!v || yyjson_is_null(v))
		return 0;
	if (yyjson_is_str(v)) {
		*ret = nx_json_val_str(v);
		return 0;
	}
	if (yyjson_is_int(v)) {
		*ret = nx_str_z(nx_arena_printf(a, "%lld", (long long)yyjson_get_sint(v)));
		return ret->p ? 0 : NX_ENOMEM;
	}
	*ret_fault = "has an \"id\" that is neither a string nor an integer";
	return NX_ETYPE;
}

int nx_read_record(yyjson_val *o, struct nx_arena *a, struct nx_document *d, const char **ret_fault)
{
	if (!yyjson_is_obj(o)) {
		*ret_fault = "is not a JSON object";
		return NX_ETYPE;
	}
	int r = read_id(o, a, &d->name, ret_fault);
	if (r == 0)
		r = string_member(o, "title", false, &d->title, ret_fault);
	if (r == 0)
		r = string_member(o, "text", true, &d->text, ret_fault);
	if (r == 0)
		r = string_member(o, "uri", false, &d->uri, ret_fault);
	yyjson_val *m = yyjson_obj_get(o, "metadata");
	if (r < 0 || !m || yyjson_is_null(m))
		return r;
	if (!yyjson_is_obj(m)) {
		*ret_fault = "has \"metadata\" that is not an object";
		return NX_ETYPE;
	}
	return nx_json_write_val(a, m, false, &d->metadata, NULL);
}

static int read_line(nx_str name, nx_str line, size_t number, struct nx_arena *a, struct nx_document *d,
		     struct nx_error **err)
{
	yyjson_val *o = NULL;
	nx_auto_error struct nx_error *why = NULL;
	const char *fault = "";
	int r = nx_json_read(a, line, &(struct nx_json_limits){.max_depth = LINE_DEPTH}, &o, &why);
	if (r == NX_ENOMEM)
		return nx_error_move(err, nx_steal(why));
	if (r < 0)
		return nx_error_set(err, NX_ETYPE, "%.*s: line %zu is not JSON: %s", NX_FMT(name), number,
				    nx_error_message(why));
	r = nx_read_record(o, a, d, &fault);
	if (r == NX_ETYPE)
		return nx_error_set(err, NX_ETYPE, "%.*s: line %zu %s", NX_FMT(name), number, fault);
	return r < 0 ? nx_error_set(err, r, "%.*s: line %zu could not be read", NX_FMT(name), number) : 0;
}

int nx_knowledge_read_jsonl(nx_str name, nx_str text, struct nx_arena *a, struct nx_document **ret, size_t *ret_n,
			    struct nx_error **err)
{
	size_t lines = 1, n = 0, number = 0;
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	struct nx_document *d = nx_arena_array(a, struct nx_document, lines);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu lines", lines);
	while (text.n) {
		nx_str line = nx_str_trim(nx_str_cut(&text, '\n'));
		number++;
		if (line.n == 0)
			continue;
		int r = read_line(name, line, number, a, &d[n++], err);
		if (r < 0)
			return r;
	}
	if (n == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s holds no documents", NX_FMT(name));
	*ret = d;
	*ret_n = n;
	return 0;
}
