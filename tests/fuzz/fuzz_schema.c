/* The decoder of shapes on any JSON: decoding and checking agree, and what was decoded can be read. */
#include "base/assert.h"
#include "base/schema.h"

struct part {
	nx_str name;
	int64_t n;
	struct part *inner;
};
extern const struct nx_schema fuzz_part;
static const struct nx_field part_fields[] = {
	{.name = "name",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct part, name),
	 .max_len = 9},
	{.name = "n", .type = NX_T_INT, .offset = offsetof(struct part, n), .min = -5, .max = 5},
	{.name = "inner", .type = NX_T_OBJECT, .offset = offsetof(struct part, inner), .schema = &fuzz_part},
};
const struct nx_schema fuzz_part = {
	.name = "Part", .fields = part_fields, .nfields = nx_countof(part_fields), .size = sizeof(struct part)};

struct whole {
	nx_str s;
	double d;
	bool b, has_b;
	nx_id id;
	int64_t t;
	int e;
	struct nx_list parts, names, times, flags;
	yyjson_val *map, *any;
};
static const char *const words[] = {"one", "two", NULL};
static const struct nx_field whole_fields[] = {
	{.name = "s", .type = NX_T_STRING, .flags = NX_F_TRIM, .offset = offsetof(struct whole, s)},
	{.name = "d", .type = NX_T_NUMBER, .flags = NX_F_NULL, .offset = offsetof(struct whole, d), .max = 1},
	{.name = "b", .type = NX_T_BOOL, .offset = offsetof(struct whole, b), .has = offsetof(struct whole, has_b)},
	{.name = "id", .type = NX_T_ID, .offset = offsetof(struct whole, id)},
	{.name = "t", .type = NX_T_TIME, .offset = offsetof(struct whole, t)},
	{.name = "e", .type = NX_T_ENUM, .offset = offsetof(struct whole, e), .names = words},
	{.name = "p",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .offset = offsetof(struct whole, parts),
	 .schema = &fuzz_part},
	{.name = "l", .type = NX_T_ARRAY, .item = NX_T_STRING, .offset = offsetof(struct whole, names), .max_len = 3},
	{.name = "ts", .type = NX_T_ARRAY, .item = NX_T_TIME, .offset = offsetof(struct whole, times)},
	{.name = "f", .type = NX_T_ARRAY, .item = NX_T_BOOL, .offset = offsetof(struct whole, flags)},
	{.name = "m", .type = NX_T_MAP, .offset = offsetof(struct whole, map)},
	{.name = "a", .type = NX_T_ANY, .offset = offsetof(struct whole, any)},
};
static const struct nx_schema whole = {
	.name = "Whole", .fields = whole_fields, .nfields = nx_countof(whole_fields), .size = sizeof(struct whole)};

static uint64_t touch(const struct whole *w)
{
	uint64_t sum = nx_str_hash(w->s) + (uint64_t)w->t + w->id.b[0] + (uint64_t)w->e;
	for (size_t i = 0; i < w->names.n; i++)
		sum += nx_str_hash(*nx_list_at(w->names, nx_str, i));
	for (size_t i = 0; i < w->parts.n; i++) {
		for (const struct part *p = nx_list_at(w->parts, struct part, i); p != NULL; p = p->inner) {
			nx_assert(p->name.n <= 9 && p->n >= -5 && p->n <= 5);
			sum += nx_str_hash(p->name);
		}
	}
	return sum + yyjson_obj_size(w->map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL, *again = NULL;
	yyjson_val *v;
	void *w = NULL;
	nx_assert(a != NULL);
	if (nx_json_read(a, nx_str_n((const char *)data, n), NULL, &v, NULL) != 0)
		return 0;
	int code = nx_schema_decode(&whole, v, a, &w, &err);
	nx_assert(code == nx_schema_check(&whole, v, &again) && (code == 0) == (w != NULL));
	nx_assert(strcmp(nx_error_message(err), nx_error_message(again)) == 0);
	if (code == 0)
		nx_assert(touch(w) == touch(w));
	return 0;
}
