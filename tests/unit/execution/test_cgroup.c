#include "execution/sandbox_internal.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

TEST(mounts_of_both_versions_are_found)
{
	static const char text[] =
		"23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
		"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
		"33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime shared:5 master:1 - cgroup cgroup rw,cpuacct\n"
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
		"36 31 0:33 / /elsewhere rw,relatime - cgroup cgroup rw,memory\n"
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
		"garbage\n"
		" - \n";
	struct nx_cgroup_mounts m;
	nx_cgroup_parse_mounts(text, &m);
	ASSERT_STREQ(m.v1[NX_CG_CPU], "/sys/fs/cgroup/cpu");
	ASSERT_STREQ(m.v1[NX_CG_CPUACCT], "/sys/fs/cgroup/cpuacct");
	ASSERT_STREQ(m.v1[NX_CG_MEMORY], "/sys/fs/cgroup/memory");
	ASSERT_STREQ(m.v1[NX_CG_PIDS], "");
	ASSERT_STREQ(m.v2, "/sys/fs/cgroup/unified");
}

TEST(controllers_mounted_together_share_a_path)
{
	struct nx_cgroup_mounts m;
	nx_cgroup_parse_mounts("1 2 0:3 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct", &m);
	ASSERT_STREQ(m.v1[NX_CG_CPU], "/cg/cpu,cpuacct");
	ASSERT_STREQ(m.v1[NX_CG_CPUACCT], "/cg/cpu,cpuacct");
}

TEST(lines_that_are_too_long_are_left_out)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "1 2 0:3 / /");
	memset(text + n, 'a', 2000);
	snprintf(text + n + 2000, sizeof(text) - (size_t)n - 2000, " rw - cgroup2 cgroup2 rw\n");
	struct nx_cgroup_mounts m;
	nx_cgroup_parse_mounts(text, &m);
	ASSERT_STREQ(m.v2, "");
}

TEST(the_own_path_is_read_for_each_hierarchy)
{
	static const char text[] = "9:name=systemd:/\n4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/user.slice/x.scope\n";
	char path[64];
	ASSERT_TRUE(nx_cgroup_parse_path(text, "memory", path, sizeof(path)));
	ASSERT_STREQ(path, "/a/b");
	ASSERT_TRUE(nx_cgroup_parse_path(text, "cpuacct", path, sizeof(path)));
	ASSERT_STREQ(path, "/c");
	ASSERT_TRUE(nx_cgroup_parse_path(text, NULL, path, sizeof(path)));
	ASSERT_STREQ(path, "/user.slice/x.scope");
	ASSERT_FALSE(nx_cgroup_parse_path(text, "pids", path, sizeof(path)));
	ASSERT_FALSE(nx_cgroup_parse_path("4:memory:/a/../../b\n", "memory", path, sizeof(path)));
	ASSERT_FALSE(nx_cgroup_parse_path(text, NULL, path, 5));
}

TEST(keys_and_words_are_whole)
{
	static const char text[] = "low 0\nhigh 1\nmax 12\noom_kill 3\n";
	ASSERT_EQ(nx_cgroup_parse_key(text, "max"), 12);
	ASSERT_EQ(nx_cgroup_parse_key(text, "oom_kill"), 3);
	ASSERT_EQ(nx_cgroup_parse_key(text, "oom"), -1);
	ASSERT_EQ(nx_cgroup_parse_key("max x\n", "max"), -1);
	ASSERT_EQ(nx_cgroup_parse_key("max 99999999999999999999\n", "max"), -1);
	ASSERT_TRUE(nx_cgroup_has_word("cpu io memory\n", "io"));
	ASSERT_FALSE(nx_cgroup_has_word("cpuset io memory\n", "cpu"));
}

TEST(names_are_ours_only_when_we_would_write_them)
{
	struct nx_cgroup_name a = {4026531836, 987654, 42, 3}, b;
	char text[96];
	nx_cgroup_name_format(&a, text, sizeof(text));
	ASSERT_TRUE(nx_cgroup_name_parse(text, &b));
	ASSERT_EQ(b.pid, 42);
	ASSERT_EQ(b.start, 987654);
	static const char *const foreign[] = {"nexus",          "nexus-main",     "nexus-1-2-3",   "nexus-1-2-3-4x",
					      "nexus-01-2-3-4", "nexus-1--2-3-4", "xnexus-1-2-3-4"};
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		ASSERT_FALSE(nx_cgroup_name_parse(foreign[i], &b));
}

TEST(the_words_that_force_features_off_are_read)
{
	ASSERT_EQ(nx_force_parse(NULL), 0);
	ASSERT_EQ(nx_force_parse("no-cgroup,nonsense,no-userns"), NX_FORCE_NO_CGROUP | NX_FORCE_NO_USERNS);
}
