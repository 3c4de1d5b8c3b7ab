#include "base/io.h"
#include "tests/unit/nx_test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *path(struct nx_arena *a, const char *name)
{
	static char dir[256];
	if (dir[0] == '\0')
		(void)snprintf(dir, sizeof(dir), "%s", nx_test_dir());
	return nx_path_join(a, dir, name);
}

static bool exists(const char *p)
{
	struct stat st;
	return lstat(p, &st) == 0;
}

TEST(what_is_absent_is_gone_already)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_rmtree(path(a, "absent"), NULL));
}

TEST(a_tree_goes_with_all_that_is_in_it)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (int i = 0; i < 20; i++) {
		const char *dir = path(a, nx_arena_printf(a, "t/%d/x", i));
		ASSERT_OK(nx_mkdirs(dir, 0755, NULL));
		for (int f = 0; f < 10; f++)
			ASSERT_OK(nx_file_write_durable(nx_arena_printf(a, "%s/f%d", dir, f), NX_STR("x"), 0400, NULL));
	}
	ASSERT_OK(mkfifo(path(a, "t/fifo"), 0600));
	ASSERT_OK(nx_rmtree(path(a, "t"), NULL));
	ASSERT_FALSE(exists(path(a, "t")));
}

TEST(links_are_removed_and_not_followed)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_mkdirs(path(a, "keep"), 0755, NULL));
	ASSERT_OK(nx_file_write_durable(path(a, "keep/f"), NX_STR("x"), 0600, NULL));
	ASSERT_OK(nx_mkdirs(path(a, "l"), 0755, NULL));
	ASSERT_OK(symlink(path(a, "keep"), path(a, "l/link")));
	ASSERT_OK(symlink("/", path(a, "l/root")));
	ASSERT_OK(symlink(path(a, "keep"), path(a, "top")));
	ASSERT_OK(nx_rmtree(path(a, "l"), NULL));
	ASSERT_OK(nx_rmtree(path(a, "top"), NULL));
	ASSERT_FALSE(exists(path(a, "l")));
	ASSERT_FALSE(exists(path(a, "top")));
	ASSERT_TRUE(exists(path(a, "keep/f")));
}

/* Deeper than PATH_MAX, than the stack would like and than there are descriptors. */
TEST(depth_costs_no_stack_and_no_descriptors)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_mkdirs(path(a, "deep"), 0755, NULL));
	int fd = open(path(a, "deep"), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 3000; i++) {
		ASSERT_OK(mkdirat(fd, "dddddddd", 0755));
		int next = openat(fd, "dddddddd", O_RDONLY | O_DIRECTORY);
		ASSERT_GE(next, 0);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	ASSERT_OK(nx_rmtree(path(a, "deep"), NULL));
	ASSERT_FALSE(exists(path(a, "deep")));
}

TEST(permissions_that_were_taken_away_do_not_matter)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_mkdirs(path(a, "p/q"), 0755, NULL));
	ASSERT_OK(nx_file_write_durable(path(a, "p/q/f"), NX_STR("x"), 0, NULL));
	ASSERT_OK(chmod(path(a, "p/q"), 0));
	ASSERT_OK(chmod(path(a, "p"), 0500));
	ASSERT_OK(nx_rmtree(path(a, "p"), NULL));
	ASSERT_FALSE(exists(path(a, "p")));
}

/* 0: refused and kept; 77: the host lets nobody mount. */
static int mount_and_remove(struct nx_arena *a)
{
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(path(a, "outside"), path(a, "m/in"), NULL, MS_BIND, NULL) != 0)
		return 77;
	return nx_rmtree(path(a, "m"), NULL) == NX_EBUSY && exists(path(a, "outside/f")) ? 0 : 1;
}

TEST(a_mount_is_never_entered)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_OK(nx_mkdirs(path(a, "outside"), 0755, NULL));
	ASSERT_OK(nx_file_write_durable(path(a, "outside/f"), NX_STR("x"), 0600, NULL));
	ASSERT_OK(nx_mkdirs(path(a, "m/in"), 0755, NULL));
	pid_t child = fork();
	if (child == 0)
		_exit(mount_and_remove(a));
	int status;
	ASSERT_EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("this host lets nobody mount");
	ASSERT_EQ(status, 0);
	ASSERT_TRUE(exists(path(a, "outside/f")));
}
