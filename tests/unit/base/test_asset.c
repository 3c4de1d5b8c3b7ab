#include "base/asset.h"
#include "tests/unit/nx_test.h"

NX_ASSETS(fixture);
NX_ASSETS(fallback);
NX_ASSETS(nothing);

TEST(files_are_listed_by_path_with_their_bytes)
{
	ASSERT_EQ(nx_assets_fixture.count, 3);
	ASSERT_STREQ(nx_assets_fixture.items[0].path, "a.txt");
	ASSERT_STREQ(nx_assets_fixture.items[1].path, "empty.txt");
	ASSERT_STREQ(nx_assets_fixture.items[2].path, "sub/b c.txt");
	ASSERT_EQ(nx_assets_fixture.items[0].size, 6);
	ASSERT_MEMEQ(nx_assets_fixture.items[0].data, "first\n", 6);
}

TEST(a_text_file_is_also_a_c_string)
{
	const struct nx_asset *b = nx_asset_find(&nx_assets_fixture, "sub/b c.txt");
	ASSERT_NOT_NULL(b);
	ASSERT_STREQ((const char *)b->data, "deep \"quoted\" \\ text");
	ASSERT_EQ(b->size, strlen((const char *)b->data));
}

TEST(an_empty_file_is_there_and_empty)
{
	const struct nx_asset *empty = nx_asset_find(&nx_assets_fixture, "empty.txt");
	ASSERT_NOT_NULL(empty);
	ASSERT_EQ(empty->size, 0);
	ASSERT_STREQ(empty->etag, "e3b0c44298fc1c14"); /* SHA-256 of nothing */
}

TEST(a_path_that_is_not_there_is_not_found)
{
	ASSERT_NULL(nx_asset_find(&nx_assets_fixture, ""));
	ASSERT_NULL(nx_asset_find(&nx_assets_fixture, "a.tx"));
	ASSERT_NULL(nx_asset_find(&nx_assets_fixture, "zzz"));
	ASSERT_NULL(nx_asset_find(&nx_assets_nothing, "a.txt"));
}

TEST(a_directory_without_files_gives_the_fallback)
{
	ASSERT_EQ(nx_assets_fallback.count, 1);
	ASSERT_STREQ(nx_assets_fallback.items[0].path, "index.html");
	ASSERT_STREQ((const char *)nx_assets_fallback.items[0].data, "first\n");
}
