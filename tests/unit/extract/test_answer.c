#include "extract/extract.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *arena;
static struct nx_extracted x;
static struct nx_error *err;

static int read_answer(const char *z)
{
	arena = arena ? arena : nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	return nx_extract_read_answer(nx_str_z(z), &nx_extract_limits_default, arena, &x, &err);
}

TEST(a_document_is_read)
{
	ASSERT_OK(read_answer(
		"{\"title\":\"T\",\"unit\":\"page\",\"text\":\"one\\n\\ntwo\",\"blocks\":[[0,1,0,3,1,1],[1,0,5,3,2,2]]}"));
	ASSERT_EQ(x.nblocks, 2);
	ASSERT_EQ(x.unit, NX_PLACE_PAGE);
	ASSERT_EQ(x.blocks[1].start, 5);
}

TEST(an_error_keeps_its_code_only_where_a_document_can_be_guilty_of_it)
{
	ASSERT_ERR(read_answer("{\"error\":{\"code\":\"NX-TOO-BIG\",\"message\":\"m\",\"hint\":\"h\"}}"), NX_ETOOBIG);
	ASSERT_STREQ(nx_error_get_hint(err), "h");
	ASSERT_ERR(read_answer("{\"error\":{\"code\":\"NX-UNAUTHORIZED\",\"message\":\"m\"}}"), NX_ETYPE);
}

TEST(nothing_else_is_believed)
{
	static const char *const lies[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"text\":\"\",\"blocks\":[]}",
		"{\"text\":\"abc\"}",
		"{\"text\":\"abc\",\"blocks\":[[1,0,0,4,0,0]]}",               /* beyond the text */
		"{\"text\":\"abc\",\"blocks\":[[1,0,4294967295,2,0,0]]}",      /* wraps */
		"{\"text\":\"abc\",\"blocks\":[[1,0,0,2,0,0],[1,0,1,1,0,0]]}", /* overlap */
		"{\"text\":\"abc\",\"blocks\":[[9,0,0,1,0,0]]}",
		"{\"text\":\"abc\",\"blocks\":[[1,0,0,1,3,2]]}",
		"{\"text\":\"abc\",\"blocks\":[[1,0,0,0,0,0]]}",
		"{\"text\":\"abc\",\"blocks\":[[1,0,-1,1,0,0]]}",
		"{\"text\":\"abc\",\"blocks\":[[1,0,0]]}",
		"{\"text\":\"\\u00e9\",\"blocks\":[[1,0,1,1,0,0]]}", /* inside a character */
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		ASSERT_ERR(read_answer(lies[i]), NX_EPARSE);
}

TEST(formats_are_known_by_ending_and_type)
{
	const char *mime;
	ASSERT_EQ(nx_format_of(NX_STR("A.PDF"), NX_STR("text/plain"), &mime), NX_FORMAT_PDF);
	ASSERT_STREQ(mime, "application/pdf");
	ASSERT_EQ(nx_format_of(NX_STR(""), NX_STR("Text/HTML; charset=utf-8"), &mime), NX_FORMAT_HTML);
	ASSERT_EQ(nx_format_of(NX_STR(".md"), NX_STR(""), &mime), NX_FORMAT_NONE);
	ASSERT_EQ(nx_format_of(NX_STR("a.exe"), NX_STR("application/octet-stream"), &mime), NX_FORMAT_NONE);
	ASSERT_TRUE(nx_mime_is_code(NX_STR("text/x-python")));
	ASSERT_FALSE(nx_mime_is_code(NX_STR("text/plain")));
	ASSERT_STREQ(nx_format_binary_kind(NX_STR("%PDF-1.7")), "a PDF file");
	ASSERT_NULL(nx_format_binary_kind(NX_STR("text")));
	nx_error_free(err);
	nx_arena_free(arena);
}
