#include "base/str.h"
#include "tests/unit/nx_test.h"

#include <unictype.h>
#include <uninorm.h>

#define S(lit) NX_STR(lit)

TEST(valid_text_is_valid)
{
	static const char *const good[] = {"",
					   "abc",
					   "é",
					   "العربية",
					   "日本",
					   "😀",
					   "\x7F",
					   "\xEF\xBF\xBF",
					   "\xF4\x8F\xBF\xBF",
					   "\xED\x9F\xBF",
					   "\xEE\x80\x80",
					   "plain text that is longer than a word and then é"};
	for (size_t i = 0; i < nx_countof(good); i++)
		ASSERT_EQ(nx_utf8_invalid_at(nx_str_z(good[i])), -1);
	ASSERT_TRUE(nx_utf8_valid(NX_STR_NULL));
}

TEST(each_way_to_be_invalid_is_found_where_it_begins)
{
	static const struct {
		nx_str s;
		int at;
	} bad[] = {{S("\x80"), 0},
		   {S("a\xC0\x80"), 1}, /* overlong NUL */
		   {S("ab\xC1\xBF"), 2},
		   {S("\xE0\x9F\xBF"), 0}, /* overlong */
		   {S("\xED\xA0\x80"), 0}, /* surrogate */
		   {S("\xF0\x8F\xBF\xBF"), 0},
		   {S("\xF4\x90\x80\x80"), 0}, /* above U+10FFFF */
		   {S("\xF5\x80\x80\x80"), 0},
		   {S("\xFF"), 0},
		   {S("12345678\xC3"), 8}, /* cut short */
		   {S("é\xE2\x82"), 2},
		   {S("\xF0\x9F\x98"), 0},
		   {S("\xE2\x28\xA1"), 0}};
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_EQ(nx_utf8_invalid_at(bad[i].s), bad[i].at);
}

TEST(every_code_point_survives_encoding_and_decoding)
{
	char text[4];
	for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
		if (cp >= 0xD800 && cp <= 0xDFFF)
			continue;
		size_t n = nx_utf8_encode(cp, text), i = 0;
		nx_str s = nx_str_n(text, n);
		ASSERT_TRUE(nx_utf8_valid(s));
		ASSERT_EQ(nx_utf8_next(s, &i), cp);
		ASSERT_EQ(i, n);
	}
}

TEST(length_is_in_code_points)
{
	ASSERT_EQ(nx_utf8_length(S("aé😀ب")), 4);
	ASSERT_EQ(nx_utf8_length(NX_STR_NULL), 0);
}

TEST(truncation_never_splits_a_character)
{
	nx_str s = S("aé😀");
	static const size_t want[] = {0, 1, 1, 3, 3, 3, 3, 7, 7};
	for (size_t max = 0; max < nx_countof(want); max++)
		ASSERT_EQ(nx_utf8_truncate(s, max).n, want[max]);
}

TEST(repair_replaces_each_maximal_part_once)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	static const struct {
		nx_str s;
		const char *want;
	} cases[] = {{S("ok é"), "ok é"},
		     {S("a\xFF"), "a\uFFFD"},
		     {S("\xE2\x82z"), "\uFFFDz"}, /* two bytes of three: one replacement */
		     {S("\xF0\x9F\x98"), "\uFFFD"},
		     {S("\xC0\x80"), "\uFFFD\uFFFD"}, /* neither byte can begin anything */
		     {S("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD"},
		     {S("\xFF\xFE\xFD"), "\uFFFD\uFFFD\uFFFD"},
		     {S(""), ""}};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		nx_str r = nx_utf8_repair(a, cases[i].s);
		ASSERT_STREQ(r.p, cases[i].want);
		ASSERT_EQ(r.n, strlen(cases[i].want));
	}
}

TEST(a_check_names_what_where_and_the_byte)
{
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(nx_utf8_check(S("fine"), "input", NULL));
	ASSERT_ERR(nx_utf8_check(S("ab\xE9"), "input", &err), NX_EENCODING);
	ASSERT_STREQ(nx_error_message(err), "input is not UTF-8: byte 0xe9 at offset 2");
	nx_auto_error struct nx_error *nul = NULL;
	ASSERT_ERR(nx_utf8_check(S("a\0b"), "input", &nul), NX_EENCODING);
	ASSERT_STREQ(nx_error_message(nul), "input holds a NUL at offset 1");
}

TEST(composition_gives_one_form)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str out;
	ASSERT_OK(nx_utf8_nfc(a, S("e\u0301"), &out, NULL));
	ASSERT_STREQ(out.p, "é");
	ASSERT_OK(nx_utf8_nfc(a, S("\u0627\u0653"), &out, NULL)); /* alef and madda */
	ASSERT_STREQ(out.p, "\u0622");
	ASSERT_OK(nx_utf8_nfc(a, S("\u212B"), &out, NULL)); /* the Ångström sign is a letter */
	ASSERT_STREQ(out.p, "Å");
}

TEST(what_is_normal_already_is_not_copied)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	static const char *const texts[] = {"", "ascii only", "café", "اللغة العربية", "日本語", "한국어", "й", "مُحَمَّد"};
	for (size_t i = 0; i < nx_countof(texts); i++) {
		nx_str s = nx_str_z(texts[i]), out;
		ASSERT_OK(nx_utf8_nfc(a, s, &out, NULL));
		ASSERT_TRUE(out.p == s.p);
		ASSERT_EQ(out.n, s.n);
	}
}

/* The quick check may say "normal" only of what the library leaves alone, also beside a neighbour. */
TEST(the_quick_check_agrees_with_the_library)
{
	static const char *const firsts[] = {"a", "\u0627", "\u0438", "\u3057", "\u1100", "\uAC00"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (uint32_t cp = 1; cp <= 0x1F6FF; cp++) {
		if (cp >= 0xD800 && cp <= 0xDFFF)
			continue;
		for (size_t f = 0; f < nx_countof(firsts); f++) {
			char text[8];
			size_t n = strlen(firsts[f]), made = 0;
			memcpy(text, firsts[f], n);
			n += nx_utf8_encode(cp, text + n);
			nx_str out;
			ASSERT_OK(nx_utf8_nfc(a, nx_str_n(text, n), &out, NULL));
			if (out.p != text)
				continue;
			uint8_t buffer[64];
			made = sizeof(buffer);
			uint8_t *r = u8_normalize(UNINORM_NFC, (const uint8_t *)text, n, buffer, &made);
			ASSERT_TRUE(r == buffer && made == n && memcmp(r, text, n) == 0);
		}
		if (nx_arena_used(a) > 1 << 20)
			nx_arena_reset(a);
	}
}
