#include "base/json.h"
#include "tests/unit/nx_test.h"

static void check_read(const char *yaml, const char *json)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v;
	nx_str text;
	if (nx_yaml_read(a, nx_str_z(yaml), NULL, &v, &err) != 0)
		fail_msg("%s: %s", yaml, nx_error_message(err));
	ASSERT_OK(nx_json_write_val(a, v, false, &text, NULL));
	ASSERT_STREQ(text.p, json);
}

static void check_refused(nx_str yaml, int code, const char *message)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *v = NULL;
	struct nx_json_limits limits = {.max_depth = 4, .max_bytes = 1000};
	ASSERT_ERR(nx_yaml_read(a, yaml, &limits, &v, &err), code);
	ASSERT_CONTAINS(nx_error_message(err), message);
	ASSERT_NULL(v);
}

TEST(mappings_and_sequences_nest)
{
	check_read(
		"name: researcher\ntools:\n  - knowledge.search\n  - math.eval\nlimits: {steps: 10}\n",
		"{\"name\":\"researcher\",\"tools\":[\"knowledge.search\",\"math.eval\"],\"limits\":{\"steps\":10}}");
	check_read("- a\n- - b\n  - c\n", "[\"a\",[\"b\",\"c\"]]");
	check_read("a: {}\nb: []\n", "{\"a\":{},\"b\":[]}");
	check_read("اسم: باحث\n", "{\"اسم\":\"باحث\"}");
}

TEST(plain_scalars_follow_the_core_schema)
{
	check_read("[null, ~, Null, true, False, TRUE]", "[null,null,null,true,false,true]");
	check_read("[1, -2, +3, 0x1F, 0o17, 010, 18446744073709551615]", "[1,-2,3,31,15,10,18446744073709551615]");
	check_read("[-9223372036854775808]", "[-9223372036854775808]");
	check_read("[1.5, -1e3, 6.02e23]", "[1.5,-1000.0,6.02e23]");
	check_read(
		"[yes, no, on, off, y, 1.2.3, 2026-03-01, 1_000, 12:30, 0xg, +, '-', .]",
		"[\"yes\",\"no\",\"on\",\"off\",\"y\",\"1.2.3\",\"2026-03-01\",\"1_000\",\"12:30\",\"0xg\",\"+\",\"-\",\".\"]");
	check_read("a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}");
}

TEST(quoted_and_block_scalars_are_strings)
{
	check_read("['1', \"true\", 'null']", "[\"1\",\"true\",\"null\"]");
	check_read("a: |\n  one\n  two\nb: >\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\\n\"}");
	check_read("\"a\\tb\\u00e9\"", "\"a\\tbé\"");
}

TEST(keys_are_text)
{
	check_read("1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}");
}

TEST(an_empty_text_is_null)
{
	check_read("", "null");
	check_read("# only a comment\n", "null");
	check_read("---\n", "null");
}

TEST(anchors_aliases_and_tags_are_refused)
{
	check_refused(NX_STR("a: &x 1"), NX_EPARSE, "line 1, column 4: anchors");
	check_refused(NX_STR("a: &x [1]"), NX_EPARSE, "line 1, column 4: anchors");
	check_refused(NX_STR("a: &x {}"), NX_EPARSE, "line 1, column 4: anchors");
	check_refused(NX_STR("&k a: 1"), NX_EPARSE, "line 1, column 1: anchors");
	check_refused(NX_STR("- 1\n- *x"), NX_EPARSE, "line 2, column 3: aliases");
	check_refused(NX_STR("*x : 1"), NX_EPARSE, "line 1, column 1: aliases");
	check_refused(NX_STR("a: !!int 3"), NX_EPARSE, "line 1, column 4: tags");
	check_refused(NX_STR("a: !python/object {}"), NX_EPARSE, "line 1, column 4: tags");
	check_refused(NX_STR("a: !x []"), NX_EPARSE, "line 1, column 4: tags");
}

TEST(a_bomb_does_not_unfold)
{
	check_refused(NX_STR("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]\n"), NX_EPARSE,
		      "anchors");
}

TEST(one_document_only)
{
	check_refused(NX_STR("a: 1\n---\nb: 2\n"), NX_EPARSE, "line 2, column 1: a second document begins");
}

TEST(repeated_keys_are_refused_where_they_are_repeated)
{
	check_refused(NX_STR("a: 1\nb: 2\na: 3\n"), NX_EPARSE, "line 3, column 1: the key \"a\" is repeated");
	check_refused(NX_STR("x:\n  a: 1\n  'a': 2\n"), NX_EPARSE, "line 3, column 3: the key \"a\" is repeated");
	check_read("a: {a: {a: 1}}\nb: {a: 1}\n", "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}");
}

TEST(only_scalars_are_keys)
{
	check_refused(NX_STR("? [a]\n: 1\n"), NX_EPARSE, "a key must be a word or a string");
	check_refused(NX_STR("{{a: 1}: 2}"), NX_EPARSE, "a key must be a word or a string");
}

TEST(depth_and_size_are_bounded)
{
	check_refused(NX_STR("[[[[[]]]]]"), NX_ELIMIT, "line 1, column 5: nested deeper than the limit of 4 levels");
	check_refused(NX_STR("a:\n b:\n  c:\n   d:\n    e: 1\n"), NX_ELIMIT, "limit of 4 levels");
	char big[1001];
	memset(big, 'x', sizeof(big));
	check_refused(nx_str_n(big, sizeof(big)), NX_ETOOBIG, "1001 bytes of YAML are over the limit of 1000");
}

TEST(many_open_brackets_end_soon)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	yyjson_val *v;
	for (int i = 0; i < 1000000; i++)
		nx_buf_addc(&b, '[');
	ASSERT_ERR(nx_yaml_read(a, nx_buf_str(&b), NULL, &v, NULL), NX_ELIMIT);
}

TEST(bad_text_is_refused_with_its_place)
{
	check_refused(NX_STR("a: b: c"), NX_EPARSE, "line 1, column 5: mapping values are not allowed");
	check_refused(NX_STR("a:\n\tb: 1"), NX_EPARSE, "line 2, column 1");
	check_refused(NX_STR("a: 'x"), NX_EPARSE, "found unexpected end of stream");
	check_refused(NX_STR("a: \xFF"), NX_EENCODING,
		      "line 1, column 4: the YAML is not UTF-8 (byte 0xff at offset 3)");
	check_refused(NX_STR("a: \0"), NX_EENCODING, "the YAML holds a NUL");
	check_refused(NX_STR("a: \"x\\0y\""), NX_EENCODING, "line 1, column 4: a string holds a NUL");
	check_refused(NX_STR("a: \x01"), NX_EENCODING, "control characters are not allowed");
	check_refused(NX_STR("a: .inf"), NX_EPARSE, "line 1, column 4: .inf is no number that JSON has");
	check_refused(NX_STR("a: -.Inf"), NX_EPARSE, "no number");
	check_refused(NX_STR("a: .NaN"), NX_EPARSE, "no number");
}
