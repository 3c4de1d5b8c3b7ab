#include "base/json.h"
#include "tests/unit/nx_test.h"

#include <math.h>
#include <stdio.h>

static struct nx_arena *arena;

static yyjson_val *read_ok(const char *text)
{
	yyjson_val *v = NULL;
	nx_auto_error struct nx_error *err = NULL;
	if (arena == NULL)
		arena = nx_arena_new(0);
	if (nx_json_read(arena, nx_str_z(text), NULL, &v, &err) != 0)
		fail_msg("%s: %s", text, nx_error_message(err));
	return v;
}

__attribute__((destructor)) static void free_arena(void)
{
	nx_arena_free(arena);
}

static void check_refused(nx_str text, struct nx_json_limits limits, int code, const char *message)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v = NULL;
	ASSERT_ERR(nx_json_read(a, text, &limits, &v, &err), code);
	ASSERT_STREQ(nx_error_message(err), message);
	ASSERT_NULL(v);
}
#define CHECK_REFUSED(text, code, message) check_refused(NX_STR(text), (struct nx_json_limits){0}, code, message)

TEST(values_are_read_with_forgiving_accessors)
{
	yyjson_val *v = read_ok(
		"{\"s\":\"العربية\",\"i\":-7,\"n\":1.5,\"b\":true,\"o\":{\"x\":null},\"u\":18446744073709551615}");
	ASSERT_TRUE(nx_str_eqz(nx_json_str(v, "s"), "العربية"));
	ASSERT_EQ(nx_json_int(v, "i", 0), -7);
	ASSERT_DOUBLE_EQ(nx_json_num(v, "n", 0), 1.5);
	ASSERT_DOUBLE_EQ(nx_json_num(v, "i", 0), -7);
	ASSERT_TRUE(nx_json_bool(v, "b", false));
	ASSERT_TRUE(yyjson_is_null(nx_json_get(nx_json_get(v, "o"), "x")));
	ASSERT_EQ(nx_json_int(v, "u", 9), 9);
	ASSERT_EQ(nx_json_int(v, "n", 9), 9);
	ASSERT_EQ(nx_json_int(v, "s", 9), 9);
	ASSERT_NULL(nx_json_str(v, "i").p);
	ASSERT_NULL(nx_json_str(v, "absent").p);
	ASSERT_NULL(nx_json_str(NULL, "x").p);
	ASSERT_TRUE(nx_json_bool(nx_json_get(v, "i"), "x", true));
	ASSERT_NULL(nx_json_get(nx_json_get(v, "s"), "x"));
}

TEST(scalars_are_documents_too)
{
	ASSERT_TRUE(yyjson_is_true(read_ok(" true ")));
	ASSERT_EQ(yyjson_get_int(read_ok("42")), 42);
	ASSERT_STREQ(yyjson_get_str(read_ok("\"x\"")), "x");
}

TEST(mistakes_are_told_with_line_and_column)
{
	CHECK_REFUSED("", NX_EPARSE, "line 1, column 1: there is no JSON, the text is empty");
	CHECK_REFUSED(" \n ", NX_EPARSE, "line 1, column 1: there is no JSON, the text is empty");
	CHECK_REFUSED("{\"a\": 1,}", NX_EPARSE, "line 1, column 8: trailing comma is not allowed");
	CHECK_REFUSED("{\n  \"ab\": tru\n}", NX_EPARSE,
		      "line 2, column 9: invalid literal, expected a valid literal such as 'true'");
	/* Columns count characters. */
	CHECK_REFUSED("[\"عربي\" 1]", NX_EPARSE,
		      "line 1, column 9: unexpected character, expected a comma or a closing bracket");
	CHECK_REFUSED("[1] x", NX_EPARSE, "line 1, column 5: unexpected content after document");
	CHECK_REFUSED("[1", NX_EPARSE, "line 1, column 3: unexpected end of data");
}

TEST(strict_json_only)
{
	static const char *const bad[] = {
		"{a:1}",         "{'a':1}",        "[1,]",    "[NaN]",   "[Infinity]", "[01]",      "[.5]",
		"[+1]",          "[1.]",           "[0x1]",   "// c\n1", "/* c */1",   "[\"\\x\"]", "[\"\t\"]",
		"[\"\\ud800\"]", "\xEF\xBB\xBF[]", "[1e999]", "[1 2]",   "nul",        "}",         "[1]]"};
	for (size_t i = 0; i < nx_countof(bad); i++) {
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		nx_auto_error struct nx_error *err = NULL;
		yyjson_val *v;
		ASSERT_ERR(nx_json_read(a, nx_str_z(bad[i]), NULL, &v, &err), NX_EPARSE);
		ASSERT_CONTAINS(nx_error_message(err), "line 1");
	}
}

TEST(a_repeated_key_is_refused_where_it_is_repeated)
{
	CHECK_REFUSED("{\"a\":1,\n \"a\":2}", NX_EPARSE, "line 2, column 2: the key \"a\" is repeated");
	CHECK_REFUSED("[{\"x\":{\"k\":1,\"k\":1}}]", NX_EPARSE, "line 1, column 14: the key \"k\" is repeated");
	CHECK_REFUSED("{\"ab\":1,\"\\u0061b\":2}", NX_EPARSE, "line 1, column 9: the key \"ab\" is repeated");
	CHECK_REFUSED("{\"\":1,\"\":2}", NX_EPARSE, "line 1, column 7: the key \"\" is repeated");
	CHECK_REFUSED("{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"c\":1}", NX_EPARSE,
		      "line 1, column 56: the key \"c\" is repeated");
	(void)read_ok("[{\"a\":1},{\"a\":1},{\"a\":{\"a\":{\"a\":1}}}]");
}

TEST(a_large_object_is_searched_for_repeats_quickly)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addc(&b, '{');
	for (int i = 0; i < 200000; i++)
		nx_buf_addf(&b, "\"key%d\":0,", i);
	nx_buf_addz(&b, "\"key777\":1}");
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v;
	ASSERT_ERR(nx_json_read(a, nx_buf_str(&b), NULL, &v, &err), NX_EPARSE);
	ASSERT_CONTAINS(nx_error_message(err), "the key \"key777\" is repeated");
}

TEST(a_nul_is_refused_in_every_form)
{
	CHECK_REFUSED("{\"a\":\n\"x\\u0000y\"}", NX_EENCODING,
		      "line 2, column 3: a string holds \\u0000, which is not allowed");
	CHECK_REFUSED("{\"a\\u0000\":1}", NX_EENCODING,
		      "line 1, column 4: a string holds \\u0000, which is not allowed");
	CHECK_REFUSED("[1\0]", NX_EENCODING, "line 1, column 3: the JSON holds a NUL (byte 0x00 at offset 2)");
	/* An escaped backslash, and u0000 as plain letters. */
	ASSERT_STREQ(yyjson_get_str(read_ok("\"\\\\u0000\"")), "\\u0000");
}

TEST(what_is_not_utf8_is_refused)
{
	CHECK_REFUSED("{\"a\":\n\"\xE9\"}", NX_EENCODING,
		      "line 2, column 2: the JSON is not UTF-8 (byte 0xe9 at offset 7)");
}

TEST(depth_is_refused_before_it_is_parsed)
{
	struct nx_json_limits limits = {.max_depth = 3};
	check_refused(NX_STR("[[[[]]]]"), limits, NX_ELIMIT,
		      "line 1, column 4: nested deeper than the limit of 3 levels");
	check_refused(NX_STR("{\"a\":[{\"b\":[]}]}"), limits, NX_ELIMIT,
		      "line 1, column 12: nested deeper than the limit of 3 levels");
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v;
	ASSERT_OK(nx_json_read(a, NX_STR("[[[]],[[]],\"[[[[\\\"[[[[\"]"), &limits, &v, NULL));

	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	for (int i = 0; i < 2000000; i++)
		nx_buf_addc(&b, '[');
	ASSERT_ERR(nx_json_read(a, nx_buf_str(&b), NULL, &v, NULL), NX_ELIMIT);
	ASSERT_LT(nx_arena_used(a), 10000);
}

TEST(size_is_refused_before_anything_is_allocated)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v;
	struct nx_json_limits limits = {.max_bytes = 5};
	ASSERT_OK(nx_json_read(a, NX_STR("[1,2]"), &limits, &v, NULL));
	nx_arena_reset(a);
	ASSERT_ERR(nx_json_read(a, NX_STR("[1,2 ]"), &limits, &v, &err), NX_ETOOBIG);
	ASSERT_STREQ(nx_error_message(err), "6 bytes of JSON are over the limit of 5");
	ASSERT_EQ(nx_arena_used(a), 0);
}

TEST(an_arena_that_is_too_small_is_out_of_memory)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(200);
	yyjson_val *v;
	ASSERT_ERR(nx_json_read(a, NX_STR("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"), NULL, &v, NULL),
		   NX_ENOMEM);
}

TEST(a_built_document_is_written)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_id id;
	nx_str text;
	ASSERT_TRUE(nx_id_parse(NX_STR("01890a5d-ac96-774b-bcce-b302099a8057"), &id));
	ASSERT_TRUE(nx_json_add_str(d, o, "s", NX_STR("a\"b\n")));
	ASSERT_TRUE(nx_json_add_str(d, o, "none", NX_STR_NULL));
	ASSERT_TRUE(nx_json_add_strz(d, o, "z", "é"));
	ASSERT_TRUE(nx_json_add_id(d, o, "id", id));
	ASSERT_TRUE(nx_json_add_id(d, o, "no_id", NX_ID_NONE));
	ASSERT_TRUE(nx_json_add_time(d, o, "t", INT64_C(1772366400000000)));
	ASSERT_TRUE(nx_json_add_time(d, o, "never", 0));
	ASSERT_TRUE(nx_json_add_val(d, o, "v", read_ok("[1,{\"x\":2}]")));
	ASSERT_TRUE(nx_json_add_val(d, o, "no_v", NULL));
	ASSERT_TRUE(nx_json_add_raw(d, o, "raw", NX_STR("{\"a\":[]}")));
	ASSERT_TRUE(nx_json_add_raw(d, o, "no_raw", NX_STR_NULL));
	ASSERT_OK(nx_json_write(a, o, false, &text, NULL));
	ASSERT_STREQ(
		text.p,
		"{\"s\":\"a\\\"b\\n\",\"none\":null,\"z\":\"é\",\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\","
		"\"no_id\":null,\"t\":\"2026-03-01T12:00:00.000000Z\",\"never\":null,\"v\":[1,{\"x\":2}],\"no_v\":null,"
		"\"raw\":{\"a\":[]},\"no_raw\":null}");
}

TEST(writing_says_what_went_wrong)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_mut_doc *d = nx_json_new(a);
	nx_str text;
	ASSERT_ERR(nx_json_write(a, NULL, false, &text, NULL), NX_ENOMEM);
	ASSERT_ERR(nx_json_write(a, yyjson_mut_strn(d, "\xFF", 1), false, &text, NULL), NX_EENCODING);
	ASSERT_ERR(nx_json_write(a, yyjson_mut_real(d, (double)NAN), false, &text, NULL), NX_EINTERNAL);
	ASSERT_FALSE(nx_json_add_strz(NULL, NULL, "k", "v"));
}

TEST(what_was_read_is_written_back)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str text;
	const char *json = "{\"a\":[1,-2,3.5,true,null,\"x\"],\"b\":{}}";
	ASSERT_OK(nx_json_write_val(a, read_ok(json), false, &text, NULL));
	ASSERT_STREQ(text.p, json);
	ASSERT_OK(nx_json_write_val(a, read_ok("{\"a\":[1]}"), true, &text, NULL));
	ASSERT_STREQ(text.p, "{\n  \"a\": [\n    1\n  ]\n}");
}
