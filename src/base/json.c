#include "base/json.h"

#include "base/clock.h"

static void *alc_malloc(void *ctx, size_t size)
{
	return nx_arena_alloc(ctx, size);
}

static void *alc_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	return nx_arena_realloc(ctx, p, old_size, size);
}

static void alc_free(NX_UNUSED void *ctx, NX_UNUSED void *p)
{
}

yyjson_alc nx_json_alc(struct nx_arena *a)
{
	return (yyjson_alc){.malloc = alc_malloc, .realloc = alc_realloc, .free = alc_free, .ctx = a};
}

/* What is added with unchecked calls and finds no memory is missing from the document; the arena remembers. */
static void *doc_malloc(void *ctx, size_t size)
{
	void *p = nx_arena_alloc(ctx, size);
	if (p == NULL)
		*nx_arena_json_cut_(ctx) = true;
	return p;
}

yyjson_mut_doc *nx_json_new(struct nx_arena *a)
{
	yyjson_alc alc = nx_json_alc(a);
	alc.malloc = doc_malloc;
	*nx_arena_json_cut_(a) = false;
	return yyjson_mut_doc_new(&alc);
}

static int write_error(const yyjson_write_err *e, struct nx_error **err)
{
	if (e->code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION)
		return nx_error_set(err, NX_ENOMEM, "no memory to write JSON");
	if (e->code == YYJSON_WRITE_ERROR_INVALID_STRING)
		return nx_error_set(err, NX_EENCODING, "a string to be written as JSON is not UTF-8");
	return nx_error_set(err, NX_EINTERNAL, "cannot write JSON: %s", e->msg);
}

static yyjson_write_flag write_flags(bool pretty)
{
	return pretty ? YYJSON_WRITE_PRETTY_TWO_SPACES : YYJSON_WRITE_NOFLAG;
}

int nx_json_write(struct nx_arena *a, const yyjson_mut_val *v, bool pretty, nx_str *ret, struct nx_error **err)
{
	yyjson_write_err e;
	yyjson_alc alc = nx_json_alc(a);
	size_t n;
	if (v == NULL || *nx_arena_json_cut_(a))
		return nx_error_set(err, NX_ENOMEM, "no memory to write JSON");
	char *p = yyjson_mut_val_write_opts(v, write_flags(pretty), &alc, &n, &e);
	if (p == NULL)
		return write_error(&e, err);
	*ret = nx_str_n(p, n);
	return 0;
}

int nx_json_write_val(struct nx_arena *a, const yyjson_val *v, bool pretty, nx_str *ret, struct nx_error **err)
{
	yyjson_write_err e;
	yyjson_alc alc = nx_json_alc(a);
	size_t n;
	if (v == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to write JSON");
	char *p = yyjson_val_write_opts(v, write_flags(pretty), &alc, &n, &e);
	if (p == NULL)
		return write_error(&e, err);
	*ret = nx_str_n(p, n);
	return 0;
}

yyjson_val *nx_json_get(yyjson_val *obj, const char *key)
{
	return yyjson_obj_get(obj, key);
}

nx_str nx_json_val_str(yyjson_val *v)
{
	return nx_str_n(yyjson_get_str(v), yyjson_get_len(v));
}

nx_str nx_json_str(yyjson_val *obj, const char *key)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	return yyjson_is_str(v) ? nx_json_val_str(v) : NX_STR_NULL;
}

int64_t nx_json_int(yyjson_val *obj, const char *key, int64_t otherwise)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
		return otherwise;
	return yyjson_get_sint(v);
}

double nx_json_num(yyjson_val *obj, const char *key, double otherwise)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	return yyjson_is_num(v) ? yyjson_get_num(v) : otherwise;
}

bool nx_json_bool(yyjson_val *obj, const char *key, bool otherwise)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	return yyjson_is_bool(v) ? yyjson_get_bool(v) : otherwise;
}

static bool add(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v)
{
	return d != NULL && yyjson_mut_obj_add(obj, yyjson_mut_str(d, key), v);
}

bool nx_json_add_str(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, nx_str v)
{
	return add(d, obj, key, v.p == NULL ? yyjson_mut_null(d) : yyjson_mut_strncpy(d, v.p, v.n));
}

bool nx_json_add_strz(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, const char *v)
{
	return nx_json_add_str(d, obj, key, nx_str_z(v));
}

bool nx_json_add_id(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, nx_id id)
{
	char text[NX_ID_TEXT];
	if (nx_id_none(id))
		return nx_json_add_str(d, obj, key, NX_STR_NULL);
	nx_id_format(id, text);
	return nx_json_add_strz(d, obj, key, text);
}

bool nx_json_add_time(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, int64_t wall_us)
{
	char text[NX_TIME_TEXT];
	if (wall_us == 0)
		return nx_json_add_str(d, obj, key, NX_STR_NULL);
	nx_time_format(wall_us, text);
	return nx_json_add_strz(d, obj, key, text);
}

bool nx_json_add_val(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_val *v)
{
	return add(d, obj, key, v == NULL ? yyjson_mut_null(d) : yyjson_val_mut_copy(d, v));
}

bool nx_json_add_raw(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, nx_str json)
{
	return add(d, obj, key, json.n == 0 ? yyjson_mut_null(d) : yyjson_mut_rawncpy(d, json.p, json.n));
}
