#include "execution/tar.h"

#include "base/io.h"
#include "tests/unit/nx_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fresh_dir(void)
{
	static unsigned n;
	char path[300];
	snprintf(path, sizeof(path), "%s/tar%u", nx_test_dir(), n++);
	ASSERT_EQ(mkdir(path, 0700), 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_TRUE(fd >= 0);
	return fd;
}

static struct nx_unpack into(int dir)
{
	return (struct nx_unpack){.dir = dir, .max_bytes = 1 << 20, .max_entries = 100, .max_depth = 16};
}

static int unpack(struct nx_unpack *u, const struct nx_buf *b, struct nx_error **err)
{
	nx_auto_fd int fd = memfd_create("tar", MFD_CLOEXEC);
	ASSERT_EQ(nx_write_all(fd, nx_buf_str(b)), 0);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	return nx_unpack_fd(u, fd, err);
}

static void assert_holds(int dir, const char *path, const char *text)
{
	char got[64] = {0};
	nx_auto_fd int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ASSERT_TRUE(fd >= 0);
	ASSERT_TRUE(read(fd, got, sizeof(got) - 1) >= 0);
	ASSERT_STREQ(got, text);
}

/* A header that the writer does not write: links, devices. */
static void add_special(struct nx_buf *b, const char *name, char type, const char *to)
{
	unsigned sum = 0;
	size_t at = b->n;
	nx_tar_add_dir(b, nx_str_z(name), 0777, 0);
	char *h = b->p + at;
	h[156] = type;
	memcpy(h + 157, to, strlen(to));
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
}

TEST(what_is_written_can_be_unpacked)
{
	char long_name[300];
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_fd int dir = fresh_dir();
	memset(long_name, 'n', sizeof(long_name));
	memcpy(long_name, "d/", 2);
	long_name[200] = '\0';
	nx_tar_add_dir(&b, NX_STR("d"), 0700, 65534);
	nx_tar_add_file(&b, nx_str_z(long_name), NX_STR("long"), 0600, 65534);
	nx_tar_add_file(&b, NX_STR("سلام"), NX_STR("peace"), 0600, 0);
	nx_tar_add_file(&b, NX_STR("empty"), NX_STR(""), 0600, 0);
	nx_tar_end(&b);
	struct nx_unpack u = into(dir);
	ASSERT_OK(unpack(&u, &b, NULL));
	assert_holds(dir, long_name, "long");
	assert_holds(dir, "سلام", "peace");
	assert_holds(dir, "empty", "");
	ASSERT_EQ(u.bytes, 9);
}

TEST(names_never_lead_out)
{
	static const char *const names[] = {"../x", "a/../../x", "a/.."};
	for (size_t i = 0; i < nx_countof(names); i++) {
		nx_auto_buf struct nx_buf b = NX_BUF_INIT;
		nx_auto_fd int dir = fresh_dir();
		struct nx_unpack u = into(dir);
		nx_tar_add_file(&b, nx_str_z(names[i]), NX_STR("x"), 0600, 0);
		nx_tar_end(&b);
		ASSERT_ERR(unpack(&u, &b, NULL), NX_EPARSE);
		ASSERT_TRUE(faccessat(dir, "../x", F_OK, 0) < 0);
	}
}

TEST(links_are_resolved_inside)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_fd int dir = fresh_dir();
	struct nx_unpack u = into(dir);
	add_special(&b, "etc", '5', "");
	add_special(&b, "out", '2', "/etc");
	add_special(&b, "up", '2', "../../../../etc");
	nx_tar_add_file(&b, NX_STR("out/one"), NX_STR("1"), 0600, 0);
	nx_tar_add_file(&b, NX_STR("up/two"), NX_STR("2"), 0600, 0);
	add_special(&b, "hard", '1', "etc/one");
	nx_tar_end(&b);
	ASSERT_OK(unpack(&u, &b, NULL));
	assert_holds(dir, "etc/one", "1");
	assert_holds(dir, "etc/two", "2");
	assert_holds(dir, "hard", "1");
	ASSERT_TRUE(access("/etc/one", F_OK) < 0);
}

TEST(a_file_replaces_a_link_and_is_not_written_through_it)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_fd int dir = fresh_dir();
	struct nx_unpack u = into(dir);
	nx_tar_add_file(&b, NX_STR("kept"), NX_STR("kept"), 0600, 0);
	add_special(&b, "x", '2', "kept");
	nx_tar_add_file(&b, NX_STR("x"), NX_STR("new"), 0600, 0);
	nx_tar_end(&b);
	ASSERT_OK(unpack(&u, &b, NULL));
	assert_holds(dir, "kept", "kept");
	assert_holds(dir, "x", "new");
}

TEST(devices_are_left_out_and_set_user_id_is_dropped)
{
	struct stat st;
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_fd int dir = fresh_dir();
	struct nx_unpack u = into(dir);
	add_special(&b, "device", '3', "");
	add_special(&b, "fifo", '6', "");
	nx_tar_add_file(&b, NX_STR("su"), NX_STR("x"), 06755, 0);
	nx_tar_end(&b);
	ASSERT_OK(unpack(&u, &b, NULL));
	ASSERT_TRUE(faccessat(dir, "device", F_OK, 0) < 0 && faccessat(dir, "fifo", F_OK, 0) < 0);
	ASSERT_EQ(fstatat(dir, "su", &st, 0), 0);
	ASSERT_EQ(st.st_mode & 07777, 0755);
}

TEST(whiteouts_remove_what_lower_layers_have)
{
	nx_auto_buf struct nx_buf low = NX_BUF_INIT, high = NX_BUF_INIT;
	nx_auto_fd int dir = fresh_dir();
	struct nx_unpack u = into(dir);
	u.has_whiteouts = true;
	nx_tar_add_file(&low, NX_STR("a/one"), NX_STR("1"), 0600, 0);
	nx_tar_add_file(&low, NX_STR("a/two"), NX_STR("2"), 0600, 0);
	nx_tar_add_file(&low, NX_STR("b/deep/three"), NX_STR("3"), 0600, 0);
	nx_tar_add_file(&low, NX_STR("c/four"), NX_STR("4"), 0600, 0);
	nx_tar_end(&low);
	nx_tar_add_file(&high, NX_STR("a/.wh.one"), NX_STR(""), 0600, 0);
	nx_tar_add_file(&high, NX_STR(".wh.b"), NX_STR(""), 0600, 0);
	nx_tar_add_file(&high, NX_STR("c/.wh..wh..opq"), NX_STR(""), 0600, 0);
	nx_tar_add_file(&high, NX_STR("c/five"), NX_STR("5"), 0600, 0);
	nx_tar_end(&high);
	ASSERT_OK(unpack(&u, &low, NULL));
	ASSERT_OK(unpack(&u, &high, NULL));
	ASSERT_TRUE(faccessat(dir, "a/one", F_OK, 0) < 0 && faccessat(dir, "b", F_OK, 0) < 0);
	ASSERT_TRUE(faccessat(dir, "c/four", F_OK, 0) < 0);
	assert_holds(dir, "a/two", "2");
	assert_holds(dir, "c/five", "5");
}

TEST(caps_on_size_count_and_depth)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_tar_add_file(&b, NX_STR("a/b/c"), NX_STR("12345"), 0600, 0);
	nx_tar_add_file(&b, NX_STR("d"), NX_STR("12345"), 0600, 0);
	nx_tar_end(&b);
	nx_auto_fd int one = fresh_dir(), two = fresh_dir(), three = fresh_dir();
	struct nx_unpack u = into(one);
	u.max_bytes = 9;
	ASSERT_ERR(unpack(&u, &b, NULL), NX_ELIMIT);
	ASSERT_TRUE(faccessat(one, "d", F_OK, 0) < 0); /* no half file */
	u = into(two);
	u.max_entries = 1;
	ASSERT_ERR(unpack(&u, &b, NULL), NX_ELIMIT);
	u = into(three);
	u.max_depth = 2;
	ASSERT_ERR(unpack(&u, &b, NULL), NX_ELIMIT);
}

TEST(an_archive_that_breaks_off_is_an_error_or_kept_as_far_as_it_is_whole)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_fd int one = fresh_dir(), two = fresh_dir();
	static char big[5000];
	nx_tar_add_file(&b, NX_STR("whole"), NX_STR("w"), 0600, 0);
	nx_tar_add_file(&b, NX_STR("cut"), nx_str_n(big, sizeof(big)), 0600, 0);
	b.n -= 3000;
	struct nx_unpack u = into(one);
	ASSERT_ERR(unpack(&u, &b, NULL), NX_EPARSE);
	u = into(two);
	u.may_be_cut = u.only_files = true;
	ASSERT_OK(unpack(&u, &b, NULL));
	assert_holds(two, "whole", "w");
	ASSERT_TRUE(faccessat(two, "cut", F_OK, 0) < 0);
}
