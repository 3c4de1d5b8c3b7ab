#include "extract/foreign_internal.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *arena;
static struct nx_extracted x;
static struct nx_error *err;

static int extract_with(nx_str html, const struct nx_extract_limits *l)
{
	nx_arena_free(arena);
	arena = nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	return nx_html_extract(html, l, arena, &x, &err);
}

static int extract(const char *z)
{
	return extract_with(nx_str_z(z), &nx_extract_limits_default);
}

static const char *text(void)
{
	return nx_str_zdup(arena, x.text);
}

TEST(headings_lists_and_tables_keep_their_shape)
{
	ASSERT_OK(extract(
		"<title>T &amp; U</title><nav>menu</nav><h1>Head</h1><p>One <b>two</b><br>three.<ul><li>a<li><p>b</p>"
		"</ul><table><tr><th>n<th>y<tr><td>x<td>1</table><pre>if:\n  y</pre>"));
	ASSERT_STREQ(text(), "Head\n\nOne two\nthree.\n\na\nb\n\nn | y\nx | 1\n\nif:\n  y");
	ASSERT_TRUE(nx_str_eqz(x.title, "T & U"));
	ASSERT_EQ(x.blocks[0].kind, NX_BLOCK_HEADING);
	ASSERT_EQ(x.blocks[2].kind, NX_BLOCK_ITEM);
	ASSERT_EQ(x.blocks[4].kind, NX_BLOCK_ROW);
	ASSERT_EQ(x.blocks[6].kind, NX_BLOCK_CODE);
}

TEST(what_nobody_reads_is_left_out)
{
	ASSERT_OK(extract(
		"<style>p{}</style><p>a<script>evil()</script></p><div hidden>no</div><!-- no --><select><option>no"
		"</select><div aria-hidden=true>no</div>b<img alt='a picture' src=x>"));
	ASSERT_STREQ(text(), "a\n\nb a picture");
}

TEST(the_encoding_is_found)
{
	ASSERT_OK(extract("<meta charset=windows-1256><p>\xc7\xe1\xd3\xe1\xc7\xe3"));
	ASSERT_STREQ(text(), "السلام");
	ASSERT_OK(extract("<meta http-equiv=Content-Type content=\"text/html; charset=iso-8859-1\"><p>\xe9 x"));
	ASSERT_STREQ(text(), "é x");
	ASSERT_OK(extract("<p>caf\xe9"));
	ASSERT_STREQ(text(), "café");
}

TEST(depth_and_length_are_bounded)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_extract_limits l = nx_extract_limits_default;
	for (int i = 0; i < 1000; i++)
		nx_buf_addz(&b, "<div>");
	ASSERT_ERR(extract_with(nx_buf_str(&b), &l), NX_ELIMIT);
	ASSERT_CONTAINS(nx_error_message(err), "knowledge.max_nesting");
	l.max_text = 10;
	ASSERT_ERR(extract_with(NX_STR("<p>more than ten bytes"), &l), NX_ETOOBIG);
	l = nx_extract_limits_default;
	l.max_blocks = 2;
	ASSERT_ERR(extract_with(NX_STR("<p>a<p>b<p>c"), &l), NX_ELIMIT);
	ASSERT_CONTAINS(nx_error_message(err), "knowledge.max_blocks");
}

TEST(control_characters_go_and_nothing_is_an_error)
{
	ASSERT_OK(extract("<p>a\x01\x02 b\xc2\x85 c\xe2\x80\xa8 d&#7;"));
	ASSERT_STREQ(text(), "a b c d");
	ASSERT_ERR(extract("<html><body></body></html>"), NX_ETYPE);
	ASSERT_ERR(extract(""), NX_ETYPE);
	nx_error_free(err);
	nx_arena_free(arena);
}
