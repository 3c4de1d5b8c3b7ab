#include "base/fault.h"
#include "base/schema.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

struct file {
	nx_str path;
	int64_t size;
};
static const struct nx_field file_fields[] = {
	{.name = "path",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct file, path),
	 .max_len = 8},
	{.name = "size", .type = NX_T_INT, .offset = offsetof(struct file, size), .def = 3},
};
static const struct nx_schema file_schema = {
	.name = "File", .fields = file_fields, .nfields = nx_countof(file_fields), .size = sizeof(struct file)};

struct order {
	nx_str input;
	int64_t limit;
	bool limit_given;
	double weight;
	bool dry;
	nx_id id;
	int64_t at;
	int mode;
	struct file *main;
	struct nx_list files, tags, sizes;
	yyjson_val *meta, *any;
};
static const char *const modes[] = {"fast", "normal", "thorough", NULL};
static const struct nx_field order_fields[] = {
	{.name = "input",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = offsetof(struct order, input),
	 .max_len = 20,
	 .help = "what to do"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct order, limit),
	 .has = offsetof(struct order, limit_given),
	 .min = 1,
	 .max = 200,
	 .def = 10},
	{.name = "weight",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct order, weight),
	 .min = 0,
	 .max = 1,
	 .def = 0.5},
	{.name = "dry", .type = NX_T_BOOL, .flags = NX_F_NULL, .offset = offsetof(struct order, dry), .def = 1},
	{.name = "id", .type = NX_T_ID, .offset = offsetof(struct order, id)},
	{.name = "at", .type = NX_T_TIME, .offset = offsetof(struct order, at)},
	{.name = "mode", .type = NX_T_ENUM, .offset = offsetof(struct order, mode), .names = modes, .def = 1},
	{.name = "main", .type = NX_T_OBJECT, .offset = offsetof(struct order, main), .schema = &file_schema},
	{.name = "files",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .offset = offsetof(struct order, files),
	 .schema = &file_schema,
	 .max_len = 3},
	{.name = "tags", .type = NX_T_ARRAY, .item = NX_T_STRING, .offset = offsetof(struct order, tags)},
	{.name = "sizes",
	 .type = NX_T_ARRAY,
	 .item = NX_T_INT,
	 .offset = offsetof(struct order, sizes),
	 .min = 1,
	 .max = 9},
	{.name = "meta", .type = NX_T_MAP, .offset = offsetof(struct order, meta), .max_len = 2},
	{.name = "any", .type = NX_T_ANY, .offset = offsetof(struct order, any)},
};
static const struct nx_schema order_schema = {
	.name = "Order", .fields = order_fields, .nfields = nx_countof(order_fields), .size = sizeof(struct order)};

static struct order *decode(struct nx_arena *a, const char *json)
{
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v = NULL;
	void *o = NULL;
	ASSERT_OK(nx_json_read(a, nx_str_z(json), NULL, &v, NULL));
	if (nx_schema_decode(&order_schema, v, a, &o, &err) != 0)
		fail_msg("%s: %s", json, nx_error_message(err));
	ASSERT_OK(nx_schema_check(&order_schema, v, NULL));
	return o;
}

static void check_refused(const char *json, const char *pointer, const char *message, const char *hint)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL, *again = NULL;
	yyjson_val *v = NULL;
	void *o = NULL;
	ASSERT_OK(nx_json_read(a, nx_str_z(json), NULL, &v, NULL));
	ASSERT_ERR(nx_schema_decode(&order_schema, v, a, &o, &err), NX_EINVAL);
	ASSERT_NULL(o);
	ASSERT_STREQ(nx_error_message(err), message);
	ASSERT_STREQ(nx_error_pointer(err), pointer);
	ASSERT_STREQ(nx_error_get_hint(err), hint);
	ASSERT_ERR(nx_schema_check(&order_schema, v, &again), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(again), message);
}

TEST(every_type_lands_in_its_member)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct order *o = decode(
		a, "{\"input\":\"  go  \",\"limit\":7,\"weight\":0.25,\"dry\":false,"
		   "\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"at\":\"1970-01-01T00:00:01Z\",\"mode\":\"fast\","
		   "\"main\":{\"path\":\"m\"},\"files\":[{\"path\":\"a\",\"size\":1},{\"path\":\"b\"}],"
		   "\"tags\":[\"x\",\"y\"],\"sizes\":[1,9],\"meta\":{\"k\":1},\"any\":[1]}");
	ASSERT_TRUE(nx_str_eqz(o->input, "go"));
	ASSERT_EQ(o->limit, 7);
	ASSERT_TRUE(o->limit_given);
	ASSERT_DOUBLE_EQ(o->weight, 0.25);
	ASSERT_FALSE(o->dry);
	ASSERT_EQ(nx_id_time_ms(o->id), INT64_C(0x01890a5dac96));
	ASSERT_EQ(o->at, 1000000);
	ASSERT_EQ(o->mode, 0);
	ASSERT_TRUE(nx_str_eqz(o->main->path, "m"));
	ASSERT_EQ(o->main->size, 3);
	ASSERT_EQ(o->files.n, 2);
	ASSERT_EQ(nx_list_at(o->files, struct file, 0)->size, 1);
	ASSERT_TRUE(nx_str_eqz(nx_list_at(o->files, struct file, 1)->path, "b"));
	ASSERT_TRUE(nx_str_eqz(*nx_list_at(o->tags, nx_str, 1), "y"));
	ASSERT_EQ(*nx_list_at(o->sizes, int64_t, 1), 9);
	ASSERT_EQ(nx_json_int(o->meta, "k", 0), 1);
	ASSERT_TRUE(yyjson_is_arr(o->any));
}

TEST(what_is_absent_takes_its_default)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct order *o = decode(a, "{\"input\":\"x\",\"dry\":null}");
	ASSERT_EQ(o->limit, 10);
	ASSERT_FALSE(o->limit_given);
	ASSERT_DOUBLE_EQ(o->weight, 0.5);
	ASSERT_TRUE(o->dry);
	ASSERT_TRUE(nx_id_none(o->id));
	ASSERT_EQ(o->mode, 1);
	ASSERT_NULL(o->main);
	ASSERT_EQ(o->files.n, 0);
	ASSERT_NULL(o->meta);
	ASSERT_NULL(o->any);
}

TEST(a_whole_number_may_be_written_as_a_real)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_EQ(decode(a, "{\"input\":\"x\",\"limit\":2e1}")->limit, 20);
	check_refused("{\"input\":\"x\",\"limit\":1.5}", "/limit", "\"limit\" must be a whole number, not 1.5", "");
	check_refused("{\"input\":\"x\",\"limit\":1e300}", "/limit",
		      "\"limit\" must be a whole number, not 1.0000000000000001e+300", "");
	check_refused("{\"input\":\"x\",\"limit\":18446744073709551615}", "/limit",
		      "\"limit\" must fit in 64 bits, with its sign", "");
}

TEST(a_null_for_any_is_a_value)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_TRUE(yyjson_is_null(decode(a, "{\"input\":\"x\",\"any\":null}")->any));
}

TEST(a_wrong_type_says_both_types)
{
	check_refused("{\"input\":3}", "/input", "\"input\" must be a string, not a number",
		      "write the value in quotes");
	check_refused("{\"input\":\"x\",\"limit\":\"7\"}", "/limit", "\"limit\" must be a whole number, not a string",
		      "");
	check_refused("{\"input\":\"x\",\"limit\":null}", "/limit", "\"limit\" must be a whole number, not null", "");
	check_refused("{\"input\":\"x\",\"dry\":1}", "/dry", "\"dry\" must be true or false, not a number", "");
	check_refused("{\"input\":\"x\",\"weight\":true}", "/weight", "\"weight\" must be a number, not true", "");
	check_refused("{\"input\":\"x\",\"meta\":[]}", "/meta", "\"meta\" must be an object, not an array", "");
	check_refused("{\"input\":\"x\",\"files\":{}}", "/files", "\"files\" must be an array, not an object", "");
	check_refused("{\"input\":\"x\",\"main\":\"m\"}", "/main", "\"main\" must be an object, not a string", "");
	check_refused("{\"input\":\"x\",\"id\":\"7\"}", "/id",
		      "\"id\" must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057, not \"7\"", "");
	check_refused("{\"input\":\"x\",\"at\":\"now\"}", "/at",
		      "\"at\" must be a time such as 2026-03-01T12:00:00Z, not \"now\"", "");
	check_refused("[]", "", "Order must be an object, not an array", "");
}

TEST(limits_are_named)
{
	check_refused("{\"input\":\"x\",\"limit\":0}", "/limit", "\"limit\" must be between 1 and 200, not 0", "");
	check_refused("{\"input\":\"x\",\"weight\":1.01}", "/weight", "\"weight\" must be between 0 and 1, not 1.01",
		      "");
	check_refused("{\"input\":\"123456789012345678901\"}", "/input", "\"input\" has 21 bytes, over the limit of 20",
		      "");
	check_refused("{\"input\":\"x\",\"files\":[1,2,3,4]}", "/files", "\"files\" has 4 items, over the limit of 3",
		      "");
	check_refused("{\"input\":\"x\",\"meta\":{\"a\":1,\"b\":1,\"c\":1}}", "/meta",
		      "\"meta\" has 3 members, over the limit of 2", "");
	check_refused("{\"input\":\" \\t \"}", "/input", "\"input\" must not be blank", "");
}

TEST(an_unknown_member_is_told_the_nearest)
{
	check_refused("{\"inptu\":\"x\"}", "/inptu", "\"inptu\" is not a member of Order", "did you mean \"input\"?");
	check_refused(
		"{\"input\":\"x\",\"a/b~c\":1}", "/a~1b~0c", "\"a/b~c\" is not a member of Order",
		"its members are \"input\", \"limit\", \"weight\", \"dry\", \"id\", \"at\", \"mode\", \"main\", \"files\", \"tags\", "
		"\"sizes\", \"meta\", \"any\"");
	check_refused("{\"input\":\"x\",\"mode\":\"quick\"}", "/mode", "\"mode\" cannot be \"quick\"",
		      "it is one of \"fast\", \"normal\", \"thorough\"");
	check_refused("{\"input\":\"x\",\"mode\":\"norml\"}", "/mode", "\"mode\" cannot be \"norml\"",
		      "did you mean \"normal\"?");
}

TEST(a_pointer_leads_into_nested_values)
{
	check_refused("{\"input\":\"x\",\"files\":[{\"path\":\"a\"},{\"path\":\"b\",\"size\":\"big\"}]}",
		      "/files/1/size", "item 2: \"size\" must be a whole number, not a string", "");
	check_refused("{\"input\":\"x\",\"files\":[{}]}", "/files/0/path", "item 1: \"path\" is missing", "");
	check_refused("{\"input\":\"x\",\"files\":[7]}", "/files/0",
		      "item 1: an item of \"files\" must be an object, not a number", "");
	check_refused("{\"input\":\"x\",\"main\":{\"path\":\"123456789\"}}", "/main/path",
		      "\"path\" has 9 bytes, over the limit of 8", "");
	check_refused("{\"input\":\"x\",\"tags\":[\"a\",2]}", "/tags/1",
		      "item 2: \"tags\" must be a string, not a number", "write the value in quotes");
	check_refused("{\"input\":\"x\",\"sizes\":[1,10]}", "/sizes/1",
		      "item 2: \"sizes\" must be between 1 and 9, not 10", "");
	check_refused("{}", "/input", "\"input\" is missing", "");
}

TEST(an_open_schema_ignores_what_it_does_not_know)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_schema open = file_schema;
	open.open = true;
	yyjson_val *v;
	void *f;
	ASSERT_OK(nx_json_read(a, NX_STR("{\"path\":\"p\",\"other\":1}"), NULL, &v, NULL));
	ASSERT_OK(nx_schema_decode(&open, v, a, &f, NULL));
	ASSERT_TRUE(nx_str_eqz(((struct file *)f)->path, "p"));
	ASSERT_ERR(nx_schema_check(&file_schema, v, NULL), NX_EINVAL);
}

TEST(too_little_memory_is_an_error)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v;
	void *o;
	ASSERT_OK(nx_json_read(a, NX_STR("{\"input\":\"x\",\"files\":[{\"path\":\"a\"}],\"main\":{\"path\":\"b\"}}"),
			       NULL, &v, NULL));
	for (size_t limit = 16; limit < sizeof(struct order) + 64; limit += 16) {
		nx_auto_arena struct nx_arena *small = nx_arena_new(limit);
		int code = nx_schema_decode(&order_schema, v, small, &o, NULL);
		ASSERT_TRUE(code == 0 || code == NX_ENOMEM);
	}
}

TEST(a_spec_in_yaml_goes_the_same_way)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v;
	void *f;
	ASSERT_OK(nx_yaml_read(a, NX_STR("path: 1.10\n"), NULL, &v, NULL));
	ASSERT_ERR(nx_schema_decode(&file_schema, v, a, &f, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_get_hint(err), "write the value in quotes");
}

typedef int reader(struct nx_arena *a, nx_str text, const struct nx_json_limits *limits, yyjson_val **ret,
		   struct nx_error **err);

/* False when fault points are compiled out. */
static bool decode_with_each_failure(reader *read)
{
	const char *json = "{\"input\":\"x\",\"files\":[{\"path\":\"a\"}],\"main\":{\"path\":\"b\"},\"tags\":[\"t\"]}";
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (int n = 1, code = NX_ENOMEM; code != 0; n++) {
		yyjson_val *v = NULL;
		void *o = NULL;
		char plan[32];
		nx_auto_error struct nx_error *err = NULL;
		(void)snprintf(plan, sizeof(plan), "arena_alloc=%d", n);
		if (nx_fault_plan(plan, NULL) == NX_EUNSUPPORTED)
			return false;
		code = read(a, nx_str_z(json), NULL, &v, &err);
		if (code == 0)
			code = nx_schema_decode(&order_schema, v, a, &o, &err);
		ASSERT_OK(nx_fault_plan(NULL, NULL));
		ASSERT_TRUE(code == 0 || code == NX_ENOMEM);
		ASSERT_EQ(nx_error_code(err), code);
		ASSERT_LT(n, 1000);
	}
	return true;
}

TEST(each_allocation_may_fail)
{
	if (!decode_with_each_failure(nx_json_read) || !decode_with_each_failure(nx_yaml_read))
		SKIP("fault points are compiled out");
}
