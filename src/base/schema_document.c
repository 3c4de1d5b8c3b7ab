#include "base/assert.h"
#include "base/schema_internal.h"

#include <math.h>

/* A schema that holds itself cannot be written inline for ever. */
#define INLINE_DEPTH 8

struct document {
	yyjson_mut_doc *d;
	void (*visit)(const struct nx_schema *nested, void *ctx);
	void *ctx;
	unsigned depth;
};

static yyjson_mut_val *object_schema(struct document *w, const struct nx_schema *s);

static void put_number(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, double v)
{
	if (v == trunc(v) && fabs(v) < 9e15)
		yyjson_mut_obj_add_int(d, o, key, (int64_t)v);
	else
		yyjson_mut_obj_add_real(d, o, key, v);
}

/* JSON text of ours in a table: it must parse. NULL when out of memory. */
static yyjson_mut_val *parse_ours(yyjson_mut_doc *d, const char *json)
{
	yyjson_read_err e;
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)json, strlen(json), YYJSON_READ_NOFLAG, &d->alc, &e);
	nx_assert(doc != NULL || e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION);
	return doc == NULL ? NULL : yyjson_val_mut_copy(d, doc->root);
}

static const char *json_type(enum nx_type type)
{
	switch (type) {
	case NX_T_STRING:
	case NX_T_ID:
	case NX_T_TIME:
	case NX_T_ENUM: return "string";
	case NX_T_INT: return "integer";
	case NX_T_NUMBER: return "number";
	case NX_T_BOOL: return "boolean";
	case NX_T_ARRAY: return "array";
	case NX_T_OBJECT:
	case NX_T_MAP: return "object";
	case NX_T_ANY:
	case NX_T_MAX: break;
	}
	return NULL;
}

static void put_type(yyjson_mut_doc *d, yyjson_mut_val *o, enum nx_type type, bool nullable)
{
	const char *name = json_type(type);
	if (name == NULL)
		return;
	if (!nullable) {
		yyjson_mut_obj_add_str(d, o, "type", name);
		return;
	}
	yyjson_mut_val *types = yyjson_mut_arr(d);
	yyjson_mut_arr_add_str(d, types, name);
	yyjson_mut_arr_add_str(d, types, "null");
	yyjson_mut_obj_add_val(d, o, "type", types);
}

static void put_enum(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_field *f, bool nullable)
{
	yyjson_mut_val *names = yyjson_mut_arr(d);
	for (size_t i = 0; f->names[i] != NULL; i++)
		yyjson_mut_arr_add_str(d, names, f->names[i]);
	if (nullable)
		yyjson_mut_arr_add_null(d, names);
	yyjson_mut_obj_add_val(d, o, "enum", names);
}

/* Lengths are limited in bytes; a character has at least one, so the same number of characters is a limit that holds. */
static void put_limits(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_field *f, enum nx_type type)
{
	switch (type) {
	case NX_T_STRING:
		if (f->flags & NX_F_TRIM)
			yyjson_mut_obj_add_str(d, o, "pattern", "\\S");
		if (f->max_len != 0 && f->type == NX_T_STRING)
			yyjson_mut_obj_add_uint(d, o, "maxLength", f->max_len);
		break;
	case NX_T_INT:
	case NX_T_NUMBER:
		if (nx_field_has_range(f)) {
			put_number(d, o, "minimum", f->min);
			put_number(d, o, "maximum", f->max);
		}
		break;
	case NX_T_ID: yyjson_mut_obj_add_str(d, o, "format", "uuid"); break;
	case NX_T_TIME: yyjson_mut_obj_add_str(d, o, "format", "date-time"); break;
	case NX_T_MAP:
		if (f->max_len != 0 && f->type == NX_T_MAP)
			yyjson_mut_obj_add_uint(d, o, "maxProperties", f->max_len);
		break;
	default: break;
	}
}

/* A nested schema: a reference when it has a name and somebody collects those, else the schema itself. */
static yyjson_mut_val *nested_schema(struct document *w, const struct nx_schema *s)
{
	nx_assert(s != NULL);
	if (w->visit == NULL || s->name == NULL)
		return object_schema(w, s);
	yyjson_mut_val *o = yyjson_mut_obj(w->d);
	nx_auto_buf struct nx_buf ref = NX_BUF_INIT;
	if (!nx_buf_addf(&ref, "#/components/schemas/%s", s->name) ||
	    !nx_json_add_str(w->d, o, "$ref", nx_buf_str(&ref)))
		return NULL;
	return o;
}

static yyjson_mut_val *scalar_schema(struct document *w, const struct nx_field *f, enum nx_type type, bool nullable)
{
	yyjson_mut_val *o = yyjson_mut_obj(w->d);
	put_type(w->d, o, type, nullable);
	if (type == NX_T_ENUM)
		put_enum(w->d, o, f, nullable);
	put_limits(w->d, o, f, type);
	return o;
}

static yyjson_mut_val *value_schema(struct document *w, const struct nx_field *f, enum nx_type type, bool nullable)
{
	if (type != NX_T_OBJECT)
		return scalar_schema(w, f, type, nullable);
	yyjson_mut_val *nested = nested_schema(w, f->schema);
	if (!nullable)
		return nested;
	yyjson_mut_val *o = yyjson_mut_obj(w->d), *any = yyjson_mut_arr(w->d), *null = yyjson_mut_obj(w->d);
	yyjson_mut_obj_add_str(w->d, null, "type", "null");
	yyjson_mut_arr_append(any, nested);
	yyjson_mut_arr_append(any, null);
	yyjson_mut_obj_add_val(w->d, o, "anyOf", any);
	return o;
}

static void put_items(struct document *w, yyjson_mut_val *o, const struct nx_field *f)
{
	yyjson_mut_obj_add_val(w->d, o, "items", value_schema(w, f, f->item, false));
	if (f->max_len != 0)
		yyjson_mut_obj_add_uint(w->d, o, "maxItems", f->max_len);
}

/* What an absent member is taken for; only where that is a value, and only for what is decoded. */
static void put_default(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_schema *s, const struct nx_field *f)
{
	bool in_range = !nx_field_has_range(f) || (f->def >= f->min && f->def <= f->max);
	if (s->size == 0 || f->has != 0 || (f->flags & (NX_F_REQUIRED | NX_F_NULL)))
		return;
	switch (f->type) {
	case NX_T_STRING:
		if (f->def_str != NULL)
			yyjson_mut_obj_add_str(d, o, "default", f->def_str);
		break;
	case NX_T_INT:
	case NX_T_NUMBER:
		if (in_range)
			put_number(d, o, "default", f->def);
		break;
	case NX_T_BOOL: yyjson_mut_obj_add_bool(d, o, "default", f->def != 0); break;
	case NX_T_ENUM: yyjson_mut_obj_add_str(d, o, "default", f->names[(int)f->def]); break;
	default: break;
	}
}

static yyjson_mut_val *field_schema(struct document *w, const struct nx_schema *s, const struct nx_field *f)
{
	yyjson_mut_doc *d = w->d;
	yyjson_mut_val *o = f->json_schema != NULL ? parse_ours(d, f->json_schema)
						   : value_schema(w, f, f->type, (f->flags & NX_F_NULL) != 0);
	if (o == NULL)
		return NULL;
	if (f->json_schema == NULL && f->type == NX_T_ARRAY)
		put_items(w, o, f);
	if (f->json_schema == NULL)
		put_default(d, o, s, f);
	if (f->help != NULL && yyjson_mut_obj_get(o, "description") == NULL)
		yyjson_mut_obj_add_str(d, o, "description", f->help);
	if (f->flags & NX_F_WRITE_ONLY)
		yyjson_mut_obj_add_bool(d, o, "writeOnly", true);
	if (f->example != NULL) {
		yyjson_mut_val *examples = yyjson_mut_arr(d);
		yyjson_mut_arr_append(examples, parse_ours(d, f->example));
		yyjson_mut_obj_add_val(d, o, "examples", examples);
	}
	return o;
}

static void report_nested(struct document *w, const struct nx_schema *s)
{
	for (size_t i = 0; i < s->nfields; i++) {
		const struct nx_schema *nested = s->fields[i].schema;
		bool seen = nested == NULL;
		for (size_t j = 0; j < i && !seen; j++)
			seen = s->fields[j].schema == nested;
		if (seen)
			continue;
		if (nested->name != NULL)
			w->visit(nested, w->ctx);
		else if (w->depth < INLINE_DEPTH) {
			w->depth++;
			report_nested(w, nested);
			w->depth--;
		}
	}
}

static yyjson_mut_val *object_schema(struct document *w, const struct nx_schema *s)
{
	yyjson_mut_doc *d = w->d;
	yyjson_mut_val *o = yyjson_mut_obj(d), *properties = yyjson_mut_obj(d), *required = yyjson_mut_arr(d);
	yyjson_mut_obj_add_str(d, o, "type", "object");
	if (s->help != NULL)
		yyjson_mut_obj_add_str(d, o, "description", s->help);
	if (w->depth == INLINE_DEPTH)
		return o;
	w->depth++;
	for (size_t i = 0; i < s->nfields; i++) {
		const struct nx_field *f = &s->fields[i];
		if (!yyjson_mut_obj_add_val(d, properties, f->name, field_schema(w, s, f)))
			return NULL;
		if (f->flags & NX_F_REQUIRED)
			yyjson_mut_arr_add_str(d, required, f->name);
	}
	w->depth--;
	yyjson_mut_obj_add_val(d, o, "properties", properties);
	if (yyjson_mut_arr_size(required) > 0)
		yyjson_mut_obj_add_val(d, o, "required", required);
	if (!s->open)
		yyjson_mut_obj_add_bool(d, o, "additionalProperties", false);
	return o;
}

yyjson_mut_val *nx_schema_json(const struct nx_schema *s, yyjson_mut_doc *d,
			       void (*visit)(const struct nx_schema *nested, void *ctx), void *ctx)
{
	struct document w = {.d = d, .visit = visit, .ctx = ctx};
	if (visit != NULL)
		report_nested(&w, s);
	return d == NULL ? NULL : object_schema(&w, s);
}
