/* JSON as lines of text: "address.city: Cairo". */
#include "base/json.h"
#include "base/macros.h"
#include "extract/builder_internal.h"

#include <stdio.h>

#define DEPTH_MAX 64

struct flattener {
	struct nx_builder *b;
	struct nx_buf path;
};

static bool is_container(yyjson_val *v)
{
	return yyjson_is_obj(v) || yyjson_is_arr(v);
}

static void add_scalar(struct flattener *f, yyjson_val *v)
{
	char text[64];
	if (yyjson_is_str(v)) {
		nx_builder_add(f->b, nx_json_val_str(v));
		return;
	}
	if (yyjson_is_bool(v))
		snprintf(text, sizeof(text), "%s", yyjson_get_bool(v) ? "true" : "false");
	else if (yyjson_is_uint(v))
		snprintf(text, sizeof(text), "%llu", (unsigned long long)yyjson_get_uint(v));
	else if (yyjson_is_sint(v))
		snprintf(text, sizeof(text), "%lld", (long long)yyjson_get_sint(v));
	else if (yyjson_is_real(v))
		snprintf(text, sizeof(text), "%.15g", yyjson_get_real(v));
	else
		return; /* null says nothing */
	nx_builder_add(f->b, nx_str_z(text));
}

static void begin_line(struct flattener *f)
{
	nx_builder_line(f->b);
	if (f->path.n) {
		nx_builder_add(f->b, nx_buf_str(&f->path));
		nx_builder_add(f->b, NX_STR(": "));
	}
}

static bool is_list_of_scalars(yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it));)
		if (is_container(item))
			return false;
	return true;
}

static void flatten(struct flattener *f, yyjson_val *v);

static void flatten_member(struct flattener *f, nx_str key, yyjson_val *v)
{
	size_t before = f->path.n;
	if (before)
		nx_buf_addc(&f->path, '.');
	nx_buf_adds(&f->path, key);
	flatten(f, v);
	f->path.n = before;
}

static void flatten_list(struct flattener *f, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	bool is_flat = is_list_of_scalars(v);
	char number[24];
	size_t i = 0;
	if (is_flat && yyjson_arr_size(v))
		begin_line(f);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)); i++) {
		if (is_flat) {
			nx_builder_add(f->b, i ? NX_STR(", ") : NX_STR_NULL);
			add_scalar(f, item);
			continue;
		}
		snprintf(number, sizeof(number), "%zu", i + 1);
		flatten_member(f, nx_str_z(number), item);
	}
}

/* As deep as the reader let it be. */
static void flatten(struct flattener *f, yyjson_val *v)
{
	if (yyjson_is_arr(v)) {
		flatten_list(f, v);
	} else if (yyjson_is_obj(v)) {
		yyjson_obj_iter it = yyjson_obj_iter_with(v);
		for (yyjson_val *key; (key = yyjson_obj_iter_next(&it));)
			flatten_member(f, nx_json_val_str(key), yyjson_obj_iter_get_val(key));
	} else if (!yyjson_is_null(v)) {
		begin_line(f);
		add_scalar(f, v);
	}
}

static nx_str find_title(yyjson_val *root)
{
	static const char *const keys[] = {"title", "name"};
	for (size_t i = 0; i < nx_countof(keys); i++) {
		nx_str s = nx_json_str(root, keys[i]);
		if (nx_str_trim(s).n)
			return s;
	}
	return NX_STR_NULL;
}

static void flatten_root(struct flattener *f, yyjson_val *root)
{
	size_t place = 0;
	if (yyjson_is_arr(root)) {
		yyjson_arr_iter it = yyjson_arr_iter_with(root);
		for (yyjson_val *item; (item = yyjson_arr_iter_next(&it));) {
			nx_builder_open(f->b, NX_BLOCK_PARAGRAPH, 0, ++place);
			flatten(f, item);
		}
		return;
	}
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it));) {
		nx_builder_open(f->b, NX_BLOCK_PARAGRAPH, 0, ++place);
		flatten_member(f, nx_json_val_str(key), yyjson_obj_iter_get_val(key));
	}
}

int nx_json_extract(nx_str name, nx_str text, const struct nx_extract_limits *l, struct nx_arena *a,
		    struct nx_extracted *ret, struct nx_error **err)
{
	nx_auto_builder struct nx_builder b;
	struct flattener f = {.b = &b};
	yyjson_val *root;
	nx_builder_init(&b, a, l);
	int r = nx_json_read(a, text,
			     &(struct nx_json_limits){.max_bytes = text.n + 1,
						      .max_depth = nx_min(l->max_depth, (unsigned)DEPTH_MAX)},
			     &root, err);
	if (r < 0)
		return nx_error_wrap(err, "%.*s", NX_FMT(name));
	if (is_container(root))
		flatten_root(&f, root);
	else
		flatten(&f, root);
	bool failed = nx_buf_failed(&f.path);
	nx_buf_done(&f.path);
	if (failed)
		return nx_error_set(err, NX_ENOMEM, "no memory for %.*s", NX_FMT(name));
	r = nx_builder_finish(&b, find_title(root), NX_PLACE_ROW, ret, err);
	return r < 0 ? nx_error_wrap(err, "%.*s", NX_FMT(name)) : 0;
}
