/* JSON: what is read is written, and what is written is read as the same; limits hold. */
#include "base/assert.h"
#include "base/json.h"

#define MAX_DEPTH 20

static unsigned depth_of(yyjson_val *v)
{
	unsigned deepest = 0;
	yyjson_arr_iter items = yyjson_arr_iter_with(v);
	yyjson_obj_iter members = yyjson_obj_iter_with(v);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&items)) != NULL;)
		deepest = nx_max(deepest, depth_of(item));
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;) {
		nx_assert(memchr(yyjson_get_str(key), '\0', yyjson_get_len(key)) == NULL);
		deepest = nx_max(deepest, depth_of(yyjson_obj_iter_get_val(key)));
	}
	return deepest + yyjson_is_ctn(v);
}

static void read_again(struct nx_arena *a, yyjson_val *v, bool pretty)
{
	nx_str text, again;
	yyjson_val *copy;
	nx_assert(nx_json_write_val(a, v, pretty, &text, NULL) == 0);
	nx_assert(nx_json_read(a, text, NULL, &copy, NULL) == 0);
	nx_assert(nx_json_write_val(a, copy, pretty, &again, NULL) == 0);
	nx_assert(nx_str_eq(text, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_json_limits limits = {.max_depth = MAX_DEPTH};
	yyjson_val *v;
	nx_assert(a != NULL);
	int code = nx_json_read(a, nx_str_n((const char *)data, n), &limits, &v, &err);
	nx_assert(code == nx_error_code(err));
	if (code != 0)
		return 0;
	nx_assert(depth_of(v) <= MAX_DEPTH);
	read_again(a, v, false);
	read_again(a, v, true);
	return 0;
}
