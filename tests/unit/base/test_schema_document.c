#include "base/schema.h"
#include "tests/unit/nx_test.h"

struct point {
	double x;
	nx_str label;
};
static const struct nx_field point_fields[] = {
	{.name = "x",
	 .type = NX_T_NUMBER,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct point, x),
	 .min = -0.5,
	 .max = 10},
	{.name = "label", .type = NX_T_STRING, .offset = offsetof(struct point, label), .def_str = "p", .max_len = 9},
};
static const struct nx_schema point = {
	.name = "Point", .help = "a place", .fields = point_fields, .nfields = 2, .size = sizeof(struct point)};

static const char *const kinds[] = {"a", "b", NULL};
static const struct nx_field all_fields[] = {
	{.name = "s", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_TRIM, .help = "text"},
	{.name = "i", .type = NX_T_INT, .flags = NX_F_NULL, .min = 1, .max = 9},
	{.name = "b", .type = NX_T_BOOL},
	{.name = "id", .type = NX_T_ID, .flags = NX_F_REQUIRED},
	{.name = "t", .type = NX_T_TIME, .flags = NX_F_NULL},
	{.name = "e", .type = NX_T_ENUM, .flags = NX_F_NULL, .names = kinds},
	{.name = "o", .type = NX_T_OBJECT, .schema = &point, .help = "where"},
	{.name = "on", .type = NX_T_OBJECT, .schema = &point, .flags = NX_F_NULL},
	{.name = "os", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &point, .max_len = 4},
	{.name = "es", .type = NX_T_ARRAY, .item = NX_T_ENUM, .names = kinds},
	{.name = "m", .type = NX_T_MAP, .max_len = 5},
	{.name = "any", .type = NX_T_ANY, .example = "[1]"},
	{.name = "u", .type = NX_T_ANY, .json_schema = "{\"type\":[\"boolean\",\"integer\"]}", .help = "either"},
	{.name = "key", .type = NX_T_STRING, .flags = NX_F_WRITE_ONLY},
};
static const struct nx_schema all = {.name = "All", .fields = all_fields, .nfields = nx_countof(all_fields)};

struct seen {
	const struct nx_schema *schemas[8];
	size_t n;
};

static void visit(const struct nx_schema *nested, void *ctx)
{
	struct seen *s = ctx;
	s->schemas[s->n++] = nested;
}

static const char *text_of(struct nx_arena *a, const struct nx_schema *s, struct seen *seen)
{
	nx_str text;
	yyjson_mut_doc *d = nx_json_new(a);
	ASSERT_OK(nx_json_write(a, nx_schema_json(s, d, seen != NULL ? visit : NULL, seen), false, &text, NULL));
	return text.p;
}

#define POINT                                                                 \
	"{\"type\":\"object\",\"description\":\"a place\",\"properties\":{"   \
	"\"x\":{\"type\":\"number\",\"minimum\":-0.5,\"maximum\":10},"        \
	"\"label\":{\"type\":\"string\",\"maxLength\":9,\"default\":\"p\"}}," \
	"\"required\":[\"x\"],\"additionalProperties\":false}"

TEST(a_schema_is_written_with_its_limits_and_defaults)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_STREQ(text_of(a, &point, NULL), POINT);
}

TEST(every_type_has_its_form)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct seen seen = {.n = 0};
	ASSERT_STREQ(text_of(a, &all, &seen),
		     "{\"type\":\"object\",\"properties\":{"
		     "\"s\":{\"type\":\"string\",\"pattern\":\"\\\\S\",\"description\":\"text\"},"
		     "\"i\":{\"type\":[\"integer\",\"null\"],\"minimum\":1,\"maximum\":9},"
		     "\"b\":{\"type\":\"boolean\"},"
		     "\"id\":{\"type\":\"string\",\"format\":\"uuid\"},"
		     "\"t\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"
		     "\"e\":{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",\"b\",null]},"
		     "\"o\":{\"$ref\":\"#/components/schemas/Point\",\"description\":\"where\"},"
		     "\"on\":{\"anyOf\":[{\"$ref\":\"#/components/schemas/Point\"},{\"type\":\"null\"}]},"
		     "\"os\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Point\"},\"maxItems\":4},"
		     "\"es\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}},"
		     "\"m\":{\"type\":\"object\",\"maxProperties\":5},"
		     "\"any\":{\"examples\":[[1]]},"
		     "\"u\":{\"type\":[\"boolean\",\"integer\"],\"description\":\"either\"},"
		     "\"key\":{\"type\":\"string\",\"writeOnly\":true}},"
		     "\"required\":[\"s\",\"id\"],\"additionalProperties\":false}");
	ASSERT_EQ(seen.n, 1);
	ASSERT_TRUE(seen.schemas[0] == &point);
}

TEST(without_a_visitor_nested_schemas_stand_inline)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_CONTAINS(text_of(a, &all, NULL), "\"os\":{\"type\":\"array\",\"items\":" POINT);
}

extern const struct nx_schema tree;
static const struct nx_field tree_fields[] = {
	{.name = "children", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &tree},
};
const struct nx_schema tree = {.name = "Tree", .fields = tree_fields, .nfields = 1, .open = true};

TEST(a_schema_that_holds_itself_ends)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct seen seen = {.n = 0};
	ASSERT_STREQ(text_of(a, &tree, &seen),
		     "{\"type\":\"object\",\"properties\":{\"children\":{\"type\":\"array\",\"items\":"
		     "{\"$ref\":\"#/components/schemas/Tree\"}}}}");
	ASSERT_LT(strlen(text_of(a, &tree, NULL)), 2000);
}

TEST(too_little_memory_gives_none)
{
	for (size_t limit = 64; limit < 20000; limit += 512) {
		nx_auto_arena struct nx_arena *a = nx_arena_new(limit);
		yyjson_mut_doc *d = nx_json_new(a);
		if (d == NULL)
			continue;
		nx_str text;
		int code = nx_json_write(a, nx_schema_json(&all, d, NULL, NULL), false, &text, NULL);
		ASSERT_TRUE(code == 0 || code == NX_ENOMEM);
	}
}
