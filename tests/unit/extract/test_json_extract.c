#include "extract/extract.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *arena;
static struct nx_extracted x;
static struct nx_error *err;

static int extract(const char *z)
{
	arena = arena ? arena : nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	return nx_json_extract(NX_STR("a.json"), nx_str_z(z), &nx_extract_limits_default, arena, &x, &err);
}

TEST(members_are_lines_and_the_roots_are_blocks)
{
	ASSERT_OK(extract(
		"{\"name\":\"Bridge\",\"at\":{\"city\":\"Florence\",\"lat\":43.5},\"tags\":[\"old\",\"stone\"],\"n\":null}"));
	ASSERT_STREQ(nx_str_zdup(arena, x.text), "name: Bridge\n\nat.city: Florence\nat.lat: 43.5\n\ntags: old, stone");
	ASSERT_EQ(x.nblocks, 3);
	ASSERT_EQ(x.blocks[1].from, 2);
	ASSERT_TRUE(nx_str_eqz(x.title, "Bridge"));
}

TEST(lists_of_objects_are_numbered)
{
	ASSERT_OK(extract("[{\"a\":1,\"b\":[{\"c\":true},{\"c\":false}]},2]"));
	ASSERT_STREQ(nx_str_zdup(arena, x.text), "a: 1\nb.1.c: true\nb.2.c: false\n\n2");
}

TEST(what_is_not_json_or_says_nothing_is_refused)
{
	ASSERT_ERR(extract("{\"a\":"), NX_EPARSE);
	ASSERT_CONTAINS(nx_error_message(err), "a.json");
	ASSERT_ERR(extract("{}"), NX_ETYPE);
	ASSERT_ERR(extract("null"), NX_ETYPE);
	nx_error_free(err);
	nx_arena_free(arena);
}
