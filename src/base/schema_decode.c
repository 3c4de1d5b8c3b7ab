#include "base/assert.h"
#include "base/clock.h"
#include "base/schema_internal.h"

#include <math.h>
#include <stdio.h>

/* Longest part of a client's text that a message quotes. */
#define QUOTE_MAX 64
/* Largest whole number that every double holds exactly; a larger one with a fraction part or exponent is refused. */
#define EXACT_MAX 9007199254740992.0

/* Where a value goes. `out` NULL: it is only checked. */
struct target {
	struct nx_arena *arena;
	void *out;
};

static int decode_object(const struct nx_schema *s, yyjson_val *v, struct target t, struct nx_error **err);
static int decode_value(const struct nx_field *f, enum nx_type type, yyjson_val *v, struct target t,
			struct nx_error **err);

static const char *kind_of(yyjson_val *v)
{
	switch (yyjson_get_type(v)) {
	case YYJSON_TYPE_NULL: return "null";
	case YYJSON_TYPE_BOOL: return yyjson_get_bool(v) ? "true" : "false";
	case YYJSON_TYPE_NUM: return "a number";
	case YYJSON_TYPE_STR: return "a string";
	case YYJSON_TYPE_ARR: return "an array";
	case YYJSON_TYPE_OBJ: return "an object";
	default: return "nothing";
	}
}

static int wrong_type(const struct nx_field *f, const char *want, yyjson_val *v, struct nx_error **err)
{
	nx_error_set(err, NX_EINVAL, "\"%s\" must be %s, not %s", f->name, want, kind_of(v));
	if (yyjson_is_num(v) && strcmp(want, "a string") == 0)
		nx_error_hint(err, "write the value in quotes");
	return NX_EINVAL;
}

/* A client's text for a message: short, in one piece. */
static nx_str quoted(yyjson_val *v)
{
	return nx_utf8_truncate(nx_json_val_str(v), QUOTE_MAX);
}

static int decode_string(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	if (!yyjson_is_str(v))
		return wrong_type(f, "a string", v, err);
	nx_str s = nx_json_val_str(v);
	if (f->flags & NX_F_TRIM) {
		s = nx_str_trim(s);
		if (s.n == 0)
			return nx_error_set(err, NX_EINVAL, "\"%s\" must not be blank", f->name);
	}
	if (s.n > nx_field_max_len(f))
		return nx_error_set(err, NX_EINVAL, "\"%s\" has %zu bytes, over the limit of %zu", f->name, s.n,
				    nx_field_max_len(f));
	if (t.out != NULL)
		*(nx_str *)t.out = s;
	return 0;
}

/* A range is said as both its ends, however it is left. */
static int check_range(const struct nx_field *f, double d, const char *text, struct nx_error **err)
{
	if (!nx_field_has_range(f) || (d >= f->min && d <= f->max))
		return 0;
	return nx_error_set(err, NX_EINVAL, "\"%s\" must be between %.15g and %.15g, not %s", f->name, f->min, f->max,
			    text);
}

static int decode_int(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	char text[32];
	int64_t i;
	if (!yyjson_is_num(v))
		return wrong_type(f, "a whole number", v, err);
	double d = yyjson_get_num(v);
	(void)snprintf(text, sizeof(text), "%.17g", d);
	if (yyjson_is_real(v)) {
		if (d != trunc(d) || fabs(d) > EXACT_MAX)
			return nx_error_set(err, NX_EINVAL, "\"%s\" must be a whole number, not %s", f->name, text);
		i = (int64_t)d;
	} else {
		if (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)
			return nx_error_set(err, NX_EINVAL, "\"%s\" must fit in 64 bits, with its sign", f->name);
		i = yyjson_get_sint(v);
		(void)snprintf(text, sizeof(text), "%lld", (long long)i);
	}
	int code = check_range(f, d, text, err);
	if (code == 0 && t.out != NULL)
		*(int64_t *)t.out = i;
	return code;
}

static int decode_number(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	char text[32];
	if (!yyjson_is_num(v))
		return wrong_type(f, "a number", v, err);
	double d = yyjson_get_num(v);
	(void)snprintf(text, sizeof(text), "%.15g", d);
	int code = check_range(f, d, text, err);
	if (code == 0 && t.out != NULL)
		*(double *)t.out = d;
	return code;
}

static int decode_bool(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	if (!yyjson_is_bool(v))
		return wrong_type(f, "true or false", v, err);
	if (t.out != NULL)
		*(bool *)t.out = yyjson_get_bool(v);
	return 0;
}

static int decode_id(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	nx_id id;
	if (!yyjson_is_str(v))
		return wrong_type(f, "an id (a string)", v, err);
	if (!nx_id_parse(nx_json_val_str(v), &id))
		return nx_error_set(err, NX_EINVAL,
				    "\"%s\" must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057, not \"%.*s\"",
				    f->name, NX_FMT(quoted(v)));
	if (t.out != NULL)
		*(nx_id *)t.out = id;
	return 0;
}

static int decode_time(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	int64_t us;
	if (!yyjson_is_str(v))
		return wrong_type(f, "a time (a string)", v, err);
	if (nx_time_parse(nx_json_val_str(v), &us, NULL) != 0)
		return nx_error_set(err, NX_EINVAL, "\"%s\" must be a time such as 2026-03-01T12:00:00Z, not \"%.*s\"",
				    f->name, NX_FMT(quoted(v)));
	if (t.out != NULL)
		*(int64_t *)t.out = us;
	return 0;
}

static size_t count_names(const char *const *names)
{
	size_t n = 0;
	while (names[n] != NULL)
		n++;
	return n;
}

static void hint_nearest(nx_str word, const char *const *names, size_t n, const char *all_are, struct nx_error **err)
{
	const char *nearest = nx_str_nearest(word, names, n);
	nx_auto_buf struct nx_buf list = NX_BUF_INIT;
	if (nearest != NULL) {
		nx_error_hint(err, "did you mean \"%s\"?", nearest);
		return;
	}
	for (size_t i = 0; i < n; i++)
		nx_buf_addf(&list, "%s\"%s\"", i == 0 ? "" : ", ", names[i]);
	if (!nx_buf_failed(&list))
		nx_error_hint(err, "%s %s", all_are, nx_buf_str(&list).p);
}

static int decode_enum(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	nx_assert(f->names != NULL);
	if (!yyjson_is_str(v))
		return wrong_type(f, "a string", v, err);
	for (int i = 0; f->names[i] != NULL; i++) {
		if (!nx_str_eqz(nx_json_val_str(v), f->names[i]))
			continue;
		if (t.out != NULL)
			*(int *)t.out = i;
		return 0;
	}
	nx_error_set(err, NX_EINVAL, "\"%s\" cannot be \"%.*s\"", f->name, NX_FMT(quoted(v)));
	hint_nearest(quoted(v), f->names, count_names(f->names), "it is one of", err);
	return NX_EINVAL;
}

static size_t size_of(const struct nx_field *f, enum nx_type type)
{
	switch (type) {
	case NX_T_STRING: return sizeof(nx_str);
	case NX_T_INT:
	case NX_T_TIME: return sizeof(int64_t);
	case NX_T_NUMBER: return sizeof(double);
	case NX_T_BOOL: return sizeof(bool);
	case NX_T_ID: return sizeof(nx_id);
	case NX_T_ENUM: return sizeof(int);
	case NX_T_OBJECT: return f->schema->size;
	case NX_T_MAP:
	case NX_T_ANY: return sizeof(yyjson_val *);
	case NX_T_ARRAY:
	case NX_T_MAX: break;
	}
	nx_assert(!"an array of arrays has no description: use ANY");
	return 0;
}

static int no_memory(const char *name, struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory to decode \"%s\"", name);
}

/* An element: objects lie in the array itself, not behind a pointer. */
static int decode_item(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	if (f->item != NX_T_OBJECT)
		return decode_value(f, f->item, v, t, err);
	if (!yyjson_is_obj(v))
		return nx_error_set(err, NX_EINVAL, "an item of \"%s\" must be an object, not %s", f->name, kind_of(v));
	return decode_object(f->schema, v, t, err);
}

static int decode_array(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	if (!yyjson_is_arr(v))
		return wrong_type(f, "an array", v, err);
	size_t n = yyjson_arr_size(v), i = 0, size = size_of(f, f->item);
	if (n > nx_field_max_len(f))
		return nx_error_set(err, NX_EINVAL, "\"%s\" has %zu items, over the limit of %zu", f->name, n,
				    nx_field_max_len(f));
	char *items = t.out == NULL ? NULL : nx_arena_calloc(t.arena, nx_max(n, (size_t)1), size);
	if (t.out != NULL && items == NULL)
		return no_memory(f->name, err);

	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)) != NULL; i++) {
		struct target to = {.arena = t.arena, .out = items == NULL ? NULL : items + i * size};
		if (decode_item(f, item, to, err) != 0) {
			nx_error_under(err, "/%zu", i);
			return nx_error_wrap(err, "item %zu", i + 1);
		}
	}
	if (t.out != NULL)
		*(struct nx_list *)t.out = (struct nx_list){.items = items, .n = n};
	return 0;
}

static int decode_nested(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	if (!yyjson_is_obj(v))
		return wrong_type(f, "an object", v, err);
	void *made = t.out == NULL ? NULL : nx_arena_calloc(t.arena, 1, f->schema->size);
	if (t.out != NULL && made == NULL)
		return no_memory(f->name, err);
	int code = decode_object(f->schema, v, (struct target){.arena = t.arena, .out = made}, err);
	if (code == 0 && t.out != NULL)
		*(void **)t.out = made;
	return code;
}

static int decode_any(const struct nx_field *f, enum nx_type type, yyjson_val *v, struct target t,
		      struct nx_error **err)
{
	if (type == NX_T_MAP && !yyjson_is_obj(v))
		return wrong_type(f, "an object", v, err);
	if (type == NX_T_MAP && yyjson_obj_size(v) > nx_field_max_len(f))
		return nx_error_set(err, NX_EINVAL, "\"%s\" has %zu members, over the limit of %zu", f->name,
				    yyjson_obj_size(v), nx_field_max_len(f));
	if (t.out != NULL)
		*(yyjson_val **)t.out = v;
	return 0;
}

static int decode_value(const struct nx_field *f, enum nx_type type, yyjson_val *v, struct target t,
			struct nx_error **err)
{
	switch (type) {
	case NX_T_STRING: return decode_string(f, v, t, err);
	case NX_T_INT: return decode_int(f, v, t, err);
	case NX_T_NUMBER: return decode_number(f, v, t, err);
	case NX_T_BOOL: return decode_bool(f, v, t, err);
	case NX_T_ID: return decode_id(f, v, t, err);
	case NX_T_TIME: return decode_time(f, v, t, err);
	case NX_T_ENUM: return decode_enum(f, v, t, err);
	case NX_T_OBJECT: return decode_nested(f, v, t, err);
	case NX_T_ARRAY: return decode_array(f, v, t, err);
	case NX_T_MAP:
	case NX_T_ANY: return decode_any(f, type, v, t, err);
	case NX_T_MAX: break;
	}
	nx_assert(!"a type that does not exist");
	return NX_EINTERNAL;
}

static void set_default(const struct nx_field *f, void *out)
{
	switch (f->type) {
	case NX_T_STRING: *(nx_str *)out = nx_str_z(f->def_str); break;
	case NX_T_INT:
	case NX_T_TIME: *(int64_t *)out = (int64_t)f->def; break;
	case NX_T_NUMBER: *(double *)out = f->def; break;
	case NX_T_BOOL: *(bool *)out = f->def != 0; break;
	case NX_T_ENUM: *(int *)out = (int)f->def; break;
	default: break; /* the struct is zero already */
	}
}

/* RFC 6901: '~' and '/' are escaped. Long names are cut: a pointer of a message need not be followed. */
static void pointer_part(nx_str name, char ret[2 * QUOTE_MAX + 1])
{
	size_t n = 0;
	name = nx_utf8_truncate(name, QUOTE_MAX);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (c == '~' || c == '/')
			ret[n++] = '~';
		ret[n++] = c == '~' ? '0' : c == '/' ? '1' : c;
	}
	ret[n] = '\0';
}

static int unknown_member(const struct nx_schema *s, nx_str name, struct nx_error **err)
{
	const char *names[64];
	char part[2 * QUOTE_MAX + 1];
	size_t n = nx_min(s->nfields, nx_countof(names));
	nx_str shown = nx_utf8_truncate(name, QUOTE_MAX);
	for (size_t i = 0; i < n; i++)
		names[i] = s->fields[i].name;
	nx_error_set(err, NX_EINVAL, "\"%.*s\" is not a member of %s", NX_FMT(shown),
		     s->name != NULL ? s->name : "this object");
	hint_nearest(shown, names, n, n == 0 ? "it has no members" : "its members are", err);
	pointer_part(name, part);
	return nx_error_at(err, "/%s", part);
}

static bool knows(const struct nx_schema *s, nx_str name)
{
	for (size_t i = 0; i < s->nfields; i++) {
		if (nx_str_eqz(name, s->fields[i].name))
			return true;
	}
	return false;
}

static int check_names(const struct nx_schema *s, yyjson_val *v, struct nx_error **err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	if (s->open)
		return 0;
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		if (!knows(s, nx_json_val_str(key)))
			return unknown_member(s, nx_json_val_str(key), err);
	}
	return 0;
}

static int decode_member(const struct nx_field *f, yyjson_val *v, struct target t, struct nx_error **err)
{
	void *out = t.out == NULL ? NULL : (char *)t.out + f->offset;
	bool absent = v == NULL || (yyjson_is_null(v) && (f->flags & NX_F_NULL) && f->type != NX_T_ANY);
	if (v == NULL && (f->flags & NX_F_REQUIRED)) {
		nx_error_set(err, NX_EINVAL, "\"%s\" is missing", f->name);
		return nx_error_at(err, "/%s", f->name);
	}
	if (t.out != NULL && f->has != 0)
		*((bool *)((char *)t.out + f->has)) = !absent;
	if (absent) {
		if (out != NULL)
			set_default(f, out);
		return 0;
	}
	if (decode_value(f, f->type, v, (struct target){.arena = t.arena, .out = out}, err) != 0)
		return nx_error_under(err, "/%s", f->name);
	return 0;
}

static int decode_object(const struct nx_schema *s, yyjson_val *v, struct target t, struct nx_error **err)
{
	int code = check_names(s, v, err);
	for (size_t i = 0; code == 0 && i < s->nfields; i++)
		code = decode_member(&s->fields[i], yyjson_obj_get(v, s->fields[i].name), t, err);
	return code;
}

static int check_root(const struct nx_schema *s, yyjson_val *v, struct nx_error **err)
{
	if (yyjson_is_obj(v))
		return 0;
	return nx_error_set(err, NX_EINVAL, "%s must be an object, not %s", s->name != NULL ? s->name : "this",
			    kind_of(v));
}

int nx_schema_decode(const struct nx_schema *s, yyjson_val *v, struct nx_arena *a, void **ret, struct nx_error **err)
{
	nx_assert(s->size > 0);
	int code = check_root(s, v, err);
	if (code != 0)
		return code;
	void *made = nx_arena_calloc(a, 1, s->size);
	if (made == NULL)
		return no_memory(s->name != NULL ? s->name : "an object", err);
	code = decode_object(s, v, (struct target){.arena = a, .out = made}, err);
	if (code == 0)
		*ret = made;
	return code;
}

int nx_schema_check(const struct nx_schema *s, yyjson_val *v, struct nx_error **err)
{
	int code = check_root(s, v, err);
	return code != 0 ? code : decode_object(s, v, (struct target){.arena = NULL}, err);
}
