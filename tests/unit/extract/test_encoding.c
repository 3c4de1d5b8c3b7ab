#include "extract/extract.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *arena;
static nx_str text;
static const char *encoding;
static struct nx_error *err;

static int decode(nx_str bytes, const char *hint)
{
	arena = arena ? arena : nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	return nx_text_decode(NX_STR("a.txt"), bytes, nx_str_z(hint), arena, &text, &encoding, &err);
}

TEST(utf8_is_taken_as_it_is_and_loses_its_mark)
{
	ASSERT_OK(decode(NX_STR("\xef\xbb\xbf"
				"caf\xc3\xa9"),
			 ""));
	ASSERT_TRUE(nx_str_eqz(text, "caf\xc3\xa9"));
	ASSERT_STREQ(encoding, "UTF-8");
	ASSERT_OK(decode(NX_STR(""), ""));
	ASSERT_EQ(text.n, 0);
}

TEST(utf16_is_known_by_its_mark_in_both_orders)
{
	ASSERT_OK(decode(NX_STR("\xff\xfe"
				"a\0\x45\x06\x3d\xd8\x00\xde"),
			 ""));
	ASSERT_TRUE(nx_str_eqz(text, "a\xd9\x85\xf0\x9f\x98\x80"));
	ASSERT_OK(decode(NX_STR("\xfe\xff\0a\x06\x45"), ""));
	ASSERT_TRUE(nx_str_eqz(text, "a\xd9\x85"));
	ASSERT_ERR(decode(NX_STR("\xff\xfe"
				 "a\0b"),
			  ""),
		   NX_EENCODING);
	ASSERT_ERR(decode(NX_STR("\xff\xfe\x00\xd8"
				 "a\0"),
			  ""),
		   NX_EENCODING);
	ASSERT_ERR(decode(NX_STR("\xff\xfe\0\0a\0\0\0"), ""), NX_EENCODING);
	ASSERT_CONTAINS(nx_error_message(err), "UTF-32");
}

TEST(western_and_arabic_code_pages_are_told_apart)
{
	ASSERT_OK(decode(NX_STR("Caf\xe9 au lait, na\xefve \x93quoted\x94"), ""));
	ASSERT_STREQ(encoding, "windows-1252");
	ASSERT_TRUE(nx_str_eqz(text, "Café au lait, naïve “quoted”"));
	ASSERT_OK(decode(NX_STR("\xc7\xe1\xd3\xe1\xc7\xe3 \xda\xe1\xed\xdf\xe3 NEXUS"), ""));
	ASSERT_STREQ(encoding, "windows-1256");
	ASSERT_TRUE(nx_str_eqz(text, "السلام عليكم NEXUS"));
	ASSERT_OK(decode(NX_STR("it\x92s 5 \x80"), ""));
	ASSERT_STREQ(encoding, "windows-1252");
}

TEST(what_cannot_be_told_is_refused_with_line_and_byte)
{
	ASSERT_ERR(decode(NX_STR("one\ntwo \xff\n"), ""), NX_EENCODING);
	ASSERT_CONTAINS(nx_error_message(err), "line 2, byte 0xff");
	ASSERT_CONTAINS(nx_error_get_hint(err), "iconv");
	ASSERT_ERR(decode(NX_STR("caf\xe9 \x81 x"), ""), NX_EENCODING);
	ASSERT_ERR(decode(NX_STR("one\0two"), ""), NX_ETYPE);
}

TEST(a_label_decides_between_the_two_only_where_it_must)
{
	ASSERT_OK(decode(NX_STR("one \xe9 two"), "ISO-8859-1"));
	ASSERT_STREQ(encoding, "windows-1252");
	ASSERT_OK(decode(NX_STR("one \xe3 two"), "windows-1256"));
	ASSERT_STREQ(encoding, "windows-1256");
	ASSERT_OK(decode(NX_STR("caf\xc3\xa9"), "windows-1256"));
	ASSERT_STREQ(encoding, "UTF-8");
	nx_error_free(err);
	nx_arena_free(arena);
}
