#include "agents/agents_internal.h"
#include "tests/unit/nx_test.h"

static const char *fill(struct nx_arena *a, const char *template, const char *data)
{
	struct nx_template_scope s = {
		.input = NX_STR("the input"), .intent = NX_STR("question"), .user_id = NX_STR("u1")};
	yyjson_val *v, *d, *out;
	nx_str text;

	ASSERT_OK(nx_json_read(a, nx_str_z(template), NULL, &v, NULL));
	ASSERT_OK(nx_json_read(a, nx_str_z(data), NULL, &d, NULL));
	s.data = d;
	s.calls = &d;
	s.ncalls = 1;
	ASSERT_OK(nx_template_fill(v, &s, a, &out, NULL));
	ASSERT_OK(nx_json_write_val(a, out, false, &text, NULL));
	return text.p;
}

TEST(holes_take_the_step_s_input_and_data)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);

	ASSERT_STREQ(fill(a, "{\"q\":\"{{input}}\"}", "{}"), "{\"q\":\"the input\"}");
	ASSERT_STREQ(fill(a, "{\"q\":\"say {{data.word}}!\"}", "{\"word\":\"hi\"}"), "{\"q\":\"say hi!\"}");
	ASSERT_STREQ(fill(a, "{\"q\":\"{{calls.0.n}}\"}", "{\"n\":7}"), "{\"q\":7}");
}

TEST(a_value_keeps_its_type_and_an_absent_one_leaves_the_member_out)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);

	ASSERT_STREQ(fill(a, "{\"c\":\"{{data.c}}\",\"d\":\"{{data.d}}\"}", "{\"c\":{\"x\":[1,2]}}"),
		     "{\"c\":{\"x\":[1,2]}}");
}

TEST(what_is_put_in_is_never_a_template_again)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);

	ASSERT_STREQ(fill(a, "[\"{{data.a}}\"]", "{\"a\":\"{{user_id}}\"}"), "[\"{{user_id}}\"]");
	ASSERT_STREQ(fill(a, "[\"{{unfinished\"]", "{}"), "[\"{{unfinished\"]");
}
