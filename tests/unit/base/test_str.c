#include "base/str.h"
#include "tests/unit/nx_test.h"

#include <locale.h>

#define S(lit) NX_STR(lit)

static void check_str(nx_str got, const char *want)
{
	ASSERT_EQ(got.n, strlen(want));
	if (got.n > 0)
		ASSERT_MEMEQ(got.p, want, got.n);
}

TEST(comparison_is_bytewise_and_shorter_comes_first)
{
	ASSERT_LT(nx_str_cmp(S("a"), S("b")), 0);
	ASSERT_LT(nx_str_cmp(S("a"), S("ab")), 0);
	ASSERT_GT(nx_str_cmp(S("\xff"), S("a")), 0);
	ASSERT_EQ(nx_str_cmp(S("ab"), S("ab")), 0);
	ASSERT_EQ(nx_str_cmp(NX_STR_NULL, S("")), 0);
	ASSERT_TRUE(nx_str_eq(NX_STR_NULL, S("")));
	ASSERT_TRUE(nx_str_eqz(S("x"), "x"));
}

TEST(beginnings_and_ends)
{
	ASSERT_TRUE(nx_str_starts(S("nexus"), S("nex")));
	ASSERT_TRUE(nx_str_starts(S("x"), S("")));
	ASSERT_FALSE(nx_str_starts(S("ne"), S("nex")));
	ASSERT_TRUE(nx_str_ends(S("a.md"), S(".md")));
	ASSERT_FALSE(nx_str_ends(S("md"), S(".md")));
	ASSERT_TRUE(nx_str_ends(NX_STR_NULL, NX_STR_NULL));
}

TEST(trimming_takes_ascii_space_only)
{
	check_str(nx_str_trim(S(" \t\n a b \r\v")), "a b");
	check_str(nx_str_trim(S("   ")), "");
	check_str(nx_str_trim(S("\xC2\xA0x")), "\xC2\xA0x");
	check_str(nx_str_trim(NX_STR_NULL), "");
}

TEST(cutting_walks_through_the_parts)
{
	nx_str s = S("a,,bc");
	check_str(nx_str_cut(&s, ','), "a");
	check_str(nx_str_cut(&s, ','), "");
	check_str(nx_str_cut(&s, ','), "bc");
	ASSERT_EQ(s.n, 0);
	s = NX_STR_NULL;
	check_str(nx_str_cut(&s, ','), "");
}

TEST(slices_are_clamped)
{
	check_str(nx_str_slice(S("hello"), 1, 3), "el");
	check_str(nx_str_slice(S("hello"), 3, 100), "lo");
	check_str(nx_str_slice(S("hello"), 9, 100), "");
	check_str(nx_str_slice(S("hello"), 3, 1), "");
	check_str(nx_str_slice(NX_STR_NULL, 0, 1), "");
}

TEST(finding_gives_an_offset_or_minus_one)
{
	ASSERT_EQ(nx_str_find(S("hello"), S("ll")), 2);
	ASSERT_EQ(nx_str_find(S("hello"), S("x")), -1);
	ASSERT_EQ(nx_str_find(S("hello"), S("")), 0);
	ASSERT_EQ(nx_str_find(NX_STR_NULL, S("x")), -1);
}

TEST(ascii_case_is_folded_and_nothing_else)
{
	ASSERT_TRUE(nx_str_ieq_ascii(S("AbZ-1"), S("aBz-1")));
	ASSERT_FALSE(nx_str_ieq_ascii(S("ab"), S("abc")));
	ASSERT_FALSE(nx_str_ieq_ascii(S("@"), S("`")));
	ASSERT_FALSE(nx_str_ieq_ascii(S("Ä"), S("ä")));
}

TEST(copies_end_in_nul)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str copy = nx_str_dup(a, nx_str_n("abcdef", 3));
	check_str(copy, "abc");
	ASSERT_EQ(copy.p[3], 0);
	ASSERT_STREQ(nx_str_zdup(a, NX_STR_NULL), "");
	ASSERT_NOT_NULL(nx_str_dup(a, NX_STR_NULL).p);
}

TEST(equal_strings_have_equal_hashes)
{
	ASSERT_EQ(nx_str_hash(S("nexus")), nx_str_hash(nx_str_n("nexus!", 5)));
	ASSERT_NE(nx_str_hash(S("nexus")), nx_str_hash(S("nexuS")));
	ASSERT_EQ(nx_str_hash(NX_STR_NULL), nx_str_hash(S("")));
}

TEST(integers_are_whole_or_refused)
{
	int64_t v;
	ASSERT_TRUE(nx_str_to_i64(S("9223372036854775807"), &v) && v == INT64_MAX);
	ASSERT_TRUE(nx_str_to_i64(S("-9223372036854775808"), &v) && v == INT64_MIN);
	ASSERT_TRUE(nx_str_to_i64(S("007"), &v) && v == 7);
	static const char *const bad[] = {
		"",    " 1",  "1 ", "+1", "-", "1.0", "0x1", "9223372036854775808", "-9223372036854775809",
		"1e3", "--1", "٣"};
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_FALSE(nx_str_to_i64(nx_str_z(bad[i]), &v));
	ASSERT_FALSE(nx_str_to_i64(nx_str_n("1\0", 2), &v));
	ASSERT_FALSE(nx_str_to_i64(NX_STR_NULL, &v));
}

TEST(doubles_are_finite_and_have_a_point_in_every_locale)
{
	double d;
	ASSERT_TRUE(nx_str_to_f64(S("1.5"), &d) && d == 1.5);
	ASSERT_TRUE(nx_str_to_f64(S("-2e-3"), &d) && d == -0.002);
	static const char *const bad[] = {"",      " 1",  "1 ",   "inf", "nan", "0x10",
					  "1e999", "1,5", "1.5x", ".",   "e5",  "--1"};
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_FALSE(nx_str_to_f64(nx_str_z(bad[i]), &d));
	char longest[600];
	memset(longest, '1', sizeof(longest));
	ASSERT_FALSE(nx_str_to_f64(nx_str_n(longest, sizeof(longest)), &d));
	if (setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL) {
		ASSERT_TRUE(nx_str_to_f64(S("1.5"), &d) && d == 1.5);
		ASSERT_NOT_NULL(setlocale(LC_NUMERIC, "C"));
	}
}

TEST(distance_counts_edits_and_swaps)
{
	ASSERT_EQ(nx_str_distance(S("abc"), S("abc"), 5), 0);
	ASSERT_EQ(nx_str_distance(S("abc"), S("acb"), 5), 1);
	ASSERT_EQ(nx_str_distance(S("kitten"), S("sitting"), 5), 3);
	ASSERT_EQ(nx_str_distance(S(""), S("ab"), 5), 2);
	ASSERT_EQ(nx_str_distance(S("aaaa"), S("bbbb"), 2), 3);
	ASSERT_EQ(nx_str_distance(S("a"), S("abcdefgh"), 2), 3);
	char longer[2][100];
	memset(longer, 'x', sizeof(longer));
	ASSERT_EQ(nx_str_distance(nx_str_n(longer[0], 100), nx_str_n(longer[1], 99), 3), 4);
	ASSERT_EQ(nx_str_distance(nx_str_n(longer[0], 100), nx_str_n(longer[1], 100), 3), 0);
}

TEST(the_nearest_name_is_near_or_none)
{
	static const char *const names[] = {"limit", "query", "filters", "mode"};
	ASSERT_STREQ(nx_str_nearest(S("limt"), names, 4), "limit");
	ASSERT_STREQ(nx_str_nearest(S("Query"), names, 4), "query");
	ASSERT_STREQ(nx_str_nearest(S("fliter"), names, 4), "filters");
	ASSERT_NULL(nx_str_nearest(S("temperature"), names, 4));
	ASSERT_NULL(nx_str_nearest(S("limit"), names, 0));
	ASSERT_NULL(nx_str_nearest(S(""), names, 4));
}
