#include "base/fault.h"
#include "base/io.h"
#include "tests/unit/nx_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *path(struct nx_arena *a, const char *name)
{
	static char dir[256];
	if (dir[0] == '\0')
		(void)snprintf(dir, sizeof(dir), "%s", nx_test_dir());
	return nx_path_join(a, dir, name);
}

TEST(what_was_written_is_read)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct stat st;
	nx_str got;
	ASSERT_OK(nx_file_write_durable(path(a, "f"), NX_STR("a\0b"), 0640, NULL));
	ASSERT_OK(nx_file_read(a, path(a, "f"), 3, &got, NULL));
	ASSERT_EQ(got.n, 3);
	ASSERT_MEMEQ(got.p, "a\0b\0", 4);
	ASSERT_OK(stat(path(a, "f"), &st));
	ASSERT_EQ(st.st_mode & 0707, 0600);
	ASSERT_OK(nx_file_write_durable(path(a, "f"), NX_STR(""), 0600, NULL));
	ASSERT_OK(nx_file_read(a, path(a, "f"), 0, &got, NULL));
	ASSERT_EQ(got.n, 0);
}

TEST(nothing_temporary_stays_behind)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *dir = path(a, "clean");
	ASSERT_OK(nx_mkdirs(dir, 0755, NULL));
	ASSERT_OK(nx_file_write_durable(nx_path_join(a, dir, "f"), NX_STR("x"), 0600, NULL));
	ASSERT_OK(mkdir(nx_path_join(a, dir, "d"), 0755));
	ASSERT_OK(mkdir(nx_path_join(a, dir, "d/full"), 0755));
	ASSERT_NE(nx_file_write_durable(nx_path_join(a, dir, "d"), NX_STR("x"), 0600, NULL), 0);
	ASSERT_OK(unlink(nx_path_join(a, dir, "f")));
	ASSERT_OK(rmdir(nx_path_join(a, dir, "d/full")));
	ASSERT_OK(rmdir(nx_path_join(a, dir, "d")));
	ASSERT_OK(rmdir(dir));
}

TEST(reading_says_why_it_cannot)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *absent = NULL, *big = NULL, *dir = NULL;
	nx_str got;
	ASSERT_ERR(nx_file_read(a, path(a, "absent"), 10, &got, &absent), NX_ENOTFOUND);
	ASSERT_CONTAINS(nx_error_message(absent), "absent: No such file");
	ASSERT_OK(nx_file_write_durable(path(a, "big"), NX_STR("12345"), 0600, NULL));
	ASSERT_ERR(nx_file_read(a, path(a, "big"), 4, &got, &big), NX_ETOOBIG);
	ASSERT_CONTAINS(nx_error_message(big), "over the limit of 4 bytes");
	ASSERT_ERR(nx_file_read(a, nx_test_dir(), 10, &got, &dir), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_message(dir), "Is a directory");
}

TEST(files_without_a_size_are_read_to_their_end)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str got;
	ASSERT_OK(nx_file_read(a, "/proc/self/maps", 1 << 22, &got, NULL));
	ASSERT_GT(got.n, 100);
	ASSERT_ERR(nx_file_read(a, "/dev/zero", 100000, &got, NULL), NX_ETOOBIG);
}

TEST(directories_are_made_with_their_parents)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct stat st;
	ASSERT_OK(nx_mkdirs(path(a, "x//y/z/"), 0755, NULL));
	ASSERT_OK(nx_mkdirs(path(a, "x/y/z"), 0755, NULL));
	ASSERT_OK(stat(path(a, "x/y/z"), &st));
	ASSERT_OK(nx_file_write_durable(path(a, "plain"), NX_STR(""), 0600, NULL));
	ASSERT_ERR(nx_mkdirs(path(a, "plain"), 0755, &err), NX_EEXISTS);
	ASSERT_CONTAINS(nx_error_message(err), "is there and is not a directory");
	ASSERT_NE(nx_mkdirs(path(a, "plain/below"), 0755, NULL), 0);
	ASSERT_ERR(nx_mkdirs("", 0755, NULL), NX_EINVAL);
}

TEST(paths_join_with_one_slash)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_STREQ(nx_path_join(a, "/a", "b"), "/a/b");
	ASSERT_STREQ(nx_path_join(a, "/a/", "/b"), "/a/b");
	ASSERT_STREQ(nx_path_join(a, "", "b"), "b");
	ASSERT_STREQ(nx_path_join(a, "", "/b"), "/b");
}

TEST(a_write_that_fails_returns_errno)
{
	int fd = open("/dev/full", O_WRONLY);
	ASSERT_EQ(nx_write_all(fd, NX_STR("x")), -ENOSPC);
	(void)close(fd);
	ASSERT_EQ(nx_write_all(-1, NX_STR("x")), -EBADF);
	ASSERT_EQ(nx_write_all(-1, NX_STR("")), 0);
}

TEST(base64_goes_there_and_back)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str back;
	ASSERT_STREQ(nx_base64(a, NX_STR("hi\0\xff")).p, "aGkA/w==");
	ASSERT_STREQ(nx_base64(a, NX_STR("")).p, "");
	ASSERT_OK(nx_base64_decode(a, NX_STR("aGkA/w=="), &back, NULL));
	ASSERT_EQ(back.n, 4);
	ASSERT_MEMEQ(back.p, "hi\0\xff", 4);
	ASSERT_OK(nx_base64_decode(a, NX_STR(""), &back, NULL));
	ASSERT_EQ(back.n, 0);
	for (size_t n = 0; n < 100; n++) {
		char bytes[100];
		memset(bytes, (int)n, n);
		ASSERT_OK(nx_base64_decode(a, nx_base64(a, nx_str_n(bytes, n)), &back, NULL));
		ASSERT_TRUE(nx_str_eq(back, nx_str_n(bytes, n)));
	}
}

TEST(what_is_not_base64_is_refused_with_its_place)
{
	static const char *const bad[] = {"a",      "aG",   "aGk",      "aGk!", "aG k",
					  "aGk=\n", "====", "aGkA_w==", "a===", "aGkA/x=="};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_str back;
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_ERR(nx_base64_decode(a, nx_str_z(bad[i]), &back, NULL), NX_EPARSE);
	ASSERT_ERR(nx_base64_decode(a, NX_STR("aGk!"), &back, &err), NX_EPARSE);
	ASSERT_CONTAINS(nx_error_message(err), "not base64 at character 4");
}

TEST(hashes_and_hex)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	unsigned char hash[32];
	nx_sha256(NX_STR("abc"), hash);
	ASSERT_STREQ(nx_hex(a, hash, 32), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	nx_sha256(NX_STR_NULL, hash);
	ASSERT_STREQ(nx_hex(a, hash, 4), "e3b0c442");
	ASSERT_STREQ(nx_hex(a, "", 0), "");
	ASSERT_TRUE(nx_secret_eq("abc", "abc", 3));
	ASSERT_FALSE(nx_secret_eq("abc", "abd", 3));
}

/* Each durable step fails once: the old file is whole, nothing temporary stays. */
TEST(a_durable_write_that_fails_leaves_the_old_file)
{
	static const char *const plans[] = {"file_write=1", "file_fsync=1", "file_rename=1"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *dir = path(a, "faults"), *file = nx_path_join(a, dir, "f");
	nx_str got;
	ASSERT_OK(nx_mkdirs(dir, 0755, NULL));
	ASSERT_OK(nx_file_write_durable(file, NX_STR("old"), 0600, NULL));
	for (size_t i = 0; i < nx_countof(plans); i++) {
		nx_auto_error struct nx_error *err = NULL;
		int code = nx_fault_plan(plans[i], NULL);
		if (code == NX_EUNSUPPORTED)
			SKIP("fault points are compiled out");
		ASSERT_OK(code);
		ASSERT_NE(nx_file_write_durable(file, NX_STR("new"), 0600, &err), 0);
		ASSERT_OK(nx_fault_plan(NULL, NULL));
		ASSERT_CONTAINS(nx_error_message(err), "faults/f");
		ASSERT_OK(nx_file_read(a, file, 10, &got, NULL));
		ASSERT_STREQ(got.p, "old");
	}
	ASSERT_OK(unlink(file));
	ASSERT_OK(rmdir(dir));
}
