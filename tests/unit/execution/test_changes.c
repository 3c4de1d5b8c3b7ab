#include "execution/changes_internal.h"
#include "tests/unit/execution/sandbox_fixture.h"

static void put(struct nx_watch_tree *t, int wd, int parent, const char *name)
{
	ASSERT_OK(nx_watch_tree_put(t, wd, parent, nx_str_z(name), NULL));
}

static const char *path_of(const struct nx_watch_tree *t, int wd, const char *name, unsigned depth)
{
	static char path[NX_EXEC_PATH_MAX + 1];
	unsigned got;
	if (!nx_watch_tree_path(t, wd, nx_str_z(name), path, &got))
		return NULL;
	ASSERT_EQ(got, depth);
	return path;
}

static void some(struct nx_watch_tree *t)
{
	put(t, 1, -1, "");
	put(t, 2, 1, "a");
	put(t, 3, 2, "b");
	put(t, 4, 3, "c");
	put(t, 5, 1, "d");
}

TEST(paths_follow_the_tree)
{
	struct nx_watch_tree t = {0};
	some(&t);
	ASSERT_STREQ(path_of(&t, 1, "x", 1), "x");
	ASSERT_STREQ(path_of(&t, 4, "x", 4), "a/b/c/x");
	ASSERT_STREQ(path_of(&t, 4, "", 3), "a/b/c");
	ASSERT_STREQ(path_of(&t, 1, "", 0), "");
	ASSERT_NULL(path_of(&t, 9, "x", 0));
	ASSERT_EQ(nx_watch_tree_child(&t, 1, NX_STR("d")), 5);
	ASSERT_EQ(nx_watch_tree_child(&t, 2, NX_STR("d")), -1);
	nx_watch_tree_done(&t);
}

TEST(a_directory_that_moves_takes_along_what_is_below_it)
{
	struct nx_watch_tree t = {0};
	some(&t);
	put(&t, 3, 5, "moved");
	ASSERT_EQ(t.n, 5);
	ASSERT_STREQ(path_of(&t, 4, "x", 4), "d/moved/c/x");
	ASSERT_FALSE(nx_watch_tree_is_below(&t, 4, 2));
	ASSERT_TRUE(nx_watch_tree_is_below(&t, 4, 5));
	nx_watch_tree_done(&t);
}

static void count(int wd, void *ctx)
{
	*(unsigned *)ctx |= 1u << wd;
}

/* Also when what is below came before it. */
TEST(a_directory_that_leaves_takes_along_what_is_below_it)
{
	struct nx_watch_tree t = {0};
	unsigned left = 0;
	some(&t);
	put(&t, 2, 5, "late");
	nx_watch_tree_prune(&t, 5, count, &left);
	ASSERT_EQ(left, 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5);
	ASSERT_EQ(t.n, 1);
	ASSERT_NOT_NULL(nx_watch_tree_find(&t, 1));
	nx_watch_tree_remove(&t, 1);
	nx_watch_tree_remove(&t, 1);
	ASSERT_EQ(t.n, 0);
	nx_watch_tree_done(&t);
}

TEST(paths_that_are_too_long_or_lead_in_a_circle_are_refused)
{
	struct nx_watch_tree t = {0};
	char name[200];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	put(&t, 1, -1, "");
	put(&t, 2, 1, name);
	put(&t, 3, 2, name);
	ASSERT_NOT_NULL(path_of(&t, 3, "x", 3));
	ASSERT_NULL(path_of(&t, 3, name, 0));
	memset(name, 'm', 112);
	name[112] = '\0';
	ASSERT_EQ(strlen(path_of(&t, 3, name, 3)), NX_EXEC_PATH_MAX);
	name[112] = 'm';
	name[113] = '\0';
	ASSERT_NULL(path_of(&t, 3, name, 0));
	put(&t, 4, 5, "a");
	put(&t, 5, 4, "b");
	ASSERT_NULL(path_of(&t, 4, "x", 0));
	ASSERT_FALSE(nx_watch_tree_is_below(&t, 4, 1));
	nx_watch_tree_done(&t);
}
