#include "extract/foreign_internal.h"
#include "tests/unit/nx_test.h"

TEST(pages_are_places_and_cut_words_are_joined)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_extracted x;
	ASSERT_OK(nx_pdf_text_extract(NX_STR("A para-\ngraph of\ntwo lines.\n\nAnother 5-\n10.\n\fPage two.\n\f"),
				      NX_STR("T"), &nx_extract_limits_default, a, &x, NULL));
	ASSERT_STREQ(nx_str_zdup(a, x.text), "A paragraph of two lines.\n\nAnother 5- 10.\n\nPage two.");
	ASSERT_EQ(x.nblocks, 3);
	ASSERT_EQ(x.blocks[1].to, 1);
	ASSERT_EQ(x.blocks[2].from, 2);
	ASSERT_EQ(x.unit, NX_PLACE_PAGE);
}

TEST(pages_of_pictures_are_told)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_extracted x;
	ASSERT_ERR(nx_pdf_text_extract(NX_STR("\f\f \f"), NX_STR(""), &nx_extract_limits_default, a, &x, &err),
		   NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "pictures");
}
