#include "extract/extract.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *arena;
static struct nx_csv t;
static struct nx_error *err;

static int parse(const char *z)
{
	arena = arena ? arena : nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	return nx_csv_read(NX_STR("t.csv"), nx_str_z(z), &nx_extract_limits_default, arena, &t, &err);
}

static const char *field(size_t row, size_t column)
{
	return nx_str_zdup(arena, t.rows[row].fields[column]);
}

TEST(quotes_hold_separators_quotes_and_line_ends)
{
	ASSERT_OK(parse("name,said\r\n\"Ada, of London\",\"she said \"\"yes\"\"\nthen left\"\r\nBob,\r\n"));
	ASSERT_EQ(t.nheader, 2);
	ASSERT_EQ(t.nrows, 2);
	ASSERT_STREQ(field(0, 0), "Ada, of London");
	ASSERT_STREQ(field(0, 1), "she said \"yes\"\nthen left");
	ASSERT_STREQ(field(1, 1), "");
	ASSERT_EQ(t.rows[1].line, 4);
}

TEST(the_separator_is_the_one_that_cuts_evenly)
{
	ASSERT_OK(parse("a;b;c\n1,5;2;3\n4,5;5;6\n"));
	ASSERT_EQ(t.separator, ';');
	ASSERT_STREQ(field(0, 0), "1,5");
	ASSERT_OK(parse("a\tb\n1\t2,3\n"));
	ASSERT_EQ(t.separator, '\t');
	ASSERT_OK(parse("one column\nx\n"));
	ASSERT_EQ(t.nheader, 1);
}

TEST(short_rows_lack_their_last_columns_and_long_ones_are_refused)
{
	ASSERT_OK(parse("a,b,c\n1\n\n1,2,3,,\n"));
	ASSERT_EQ(t.nrows, 2);
	ASSERT_STREQ(field(0, 2), "");
	ASSERT_ERR(parse("a,b\n1,2\n1,2,3\n"), NX_EPARSE);
	ASSERT_CONTAINS(nx_error_message(err), "line 3 has 3 columns, the header 2");
}

TEST(broken_quotes_are_named_by_line)
{
	ASSERT_ERR(parse("a,b\n1,\"2\n3,4\n"), NX_EPARSE);
	ASSERT_CONTAINS(nx_error_message(err), "line 2 is never closed");
	ASSERT_ERR(parse("a,b\n1,\"2\"x\n"), NX_EPARSE);
	ASSERT_ERR(parse(""), NX_ETYPE);
	ASSERT_ERR(parse("a,b\n"), NX_ETYPE);
}

TEST(columns_without_a_name_or_with_the_same_get_one)
{
	ASSERT_OK(parse("a,,a\n1,2,3\n"));
	ASSERT_TRUE(nx_str_eqz(t.header[1], "column 2"));
	ASSERT_TRUE(nx_str_eqz(t.header[2], "a (2)"));
}

TEST(rows_are_bounded)
{
	struct nx_extract_limits l = nx_extract_limits_default;
	l.max_blocks = 2;
	ASSERT_ERR(nx_csv_read(NX_STR("t.csv"), NX_STR("a\n1\n2\n3\n"), &l, arena, &t, &err), NX_ELIMIT);
	ASSERT_CONTAINS(nx_error_message(err), "knowledge.max_blocks");
	nx_error_free(err);
	nx_arena_free(arena);
}
