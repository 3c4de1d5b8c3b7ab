/* Damage in the log is told from its torn end. */
#include "base/io.h"
#include "store/datadir_internal.h"
#include "tests/unit/store/rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define COMMITS 20
#define LOG_HEADER 32
#define FRAME (24 + 4096)

/* A store whose process died with COMMITS writes in the log. */
static struct rig dead_store(void)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	rig_close(&r);
	pid_t pid = fork();
	if (pid == 0) {
		struct nx_store_options o = {.dir = r.dir, .inline_writer = true};
		int rc = nx_store_open(&o, &r.store, NULL);
		for (int i = 0; !rc && i < COMMITS; i++)
			rc = rig_write(&r, "INSERT INTO settings(key, value) SELECT count(*) || '', '' FROM settings");
		_exit(rc ? 1 : 0);
	}
	int status = -1;
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	return r;
}

static struct rig copy_of(const struct rig *from)
{
	struct rig r;
	rig_dir(&r);
	static const char *const names[] = {NX_DB_NAME, NX_DB_NAME "-wal"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; i < nx_countof(names); i++) {
		nx_str bytes;
		ASSERT_OK(nx_file_read(a, rig_path(from, names[i]), 64 << 20, &bytes, NULL));
		nx_auto_fd int fd = open(rig_path(&r, names[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ASSERT_OK(nx_write_all(fd, bytes));
	}
	return r;
}

static void flip_bit(const struct rig *r, int64_t byte)
{
	nx_auto_fd int fd = open(rig_path(r, NX_DB_NAME "-wal"), O_RDWR | O_CLOEXEC);
	unsigned char c = 0;
	ASSERT_EQ(pread(fd, &c, 1, byte), 1);
	c ^= (unsigned char)(1 << byte % 8);
	ASSERT_EQ(pwrite(fd, &c, 1, byte), 1);
}

/* Rows found, or the error of opening. */
static int64_t rows_of(const struct rig *r, struct nx_error **err)
{
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = r->dir, .inline_writer = true};
	int rc = nx_store_open(&o, &s, err);
	if (rc)
		return rc;
	int64_t n = rig_count(nx_store_reader(s), "SELECT count(*) FROM settings");
	ASSERT_OK(nx_store_check(s, true, NULL));
	nx_store_close(s);
	return n;
}

TEST(a_log_of_a_process_that_died_is_read_whole)
{
	struct rig dead = dead_store();
	ASSERT_EQ(rows_of(&dead, NULL), COMMITS);
}

TEST(a_flipped_bit_in_the_log_is_found_unless_it_is_in_the_last_two_commits)
{
	struct rig dead = dead_store();
	/* Each of these commits is one frame. Every part of a frame: page number, size, salts, sums, data. */
	static const int parts[] = {1, 5, 9, 13, 17, 21, 24, 1000, 4119};
	for (int64_t frame = 0; frame < COMMITS; frame++) {
		for (size_t i = 0; i < nx_countof(parts); i++) {
			nx_auto_error struct nx_error *err = NULL;
			struct rig r = copy_of(&dead);
			flip_bit(&r, LOG_HEADER + frame * FRAME + parts[i]);
			int64_t got = rows_of(&r, &err);
			if (frame < COMMITS - 2) {
				char want[64];
				(void)snprintf(want, sizeof(want), "damaged at frame %lld: %lld commits",
					       (long long)frame + 1, (long long)(COMMITS - 1 - frame));
				ASSERT_EQ(got, NX_ECORRUPT);
				ASSERT_CONTAINS(nx_error_message(err), want);
			} else {
				ASSERT_EQ(got, frame);
			}
		}
	}
}

TEST(a_flipped_bit_in_the_header_of_the_log_is_found)
{
	struct rig dead = dead_store();
	for (int64_t byte = 0; byte < LOG_HEADER; byte++) {
		nx_auto_error struct nx_error *err = NULL;
		struct rig r = copy_of(&dead);
		flip_bit(&r, byte);
		ASSERT_EQ(rows_of(&r, &err), NX_ECORRUPT);
		ASSERT_CONTAINS(nx_error_message(err), "nexus.db-wal is damaged");
	}
}

TEST(a_log_that_ends_anywhere_is_read_up_to_there)
{
	struct rig dead = dead_store();
	for (int64_t frames = 0; frames < COMMITS; frames += 3) {
		for (int64_t extra = 0; extra < FRAME; extra += 1500) {
			struct rig r = copy_of(&dead);
			ASSERT_OK(truncate(rig_path(&r, NX_DB_NAME "-wal"), LOG_HEADER + frames * FRAME + extra));
			ASSERT_EQ(rows_of(&r, NULL), frames);
		}
	}
}

TEST(rubbish_for_a_log_is_no_log)
{
	struct rig dead = dead_store();
	struct rig r = copy_of(&dead);
	nx_auto_fd int fd = open(rig_path(&r, NX_DB_NAME "-wal"), O_RDWR | O_CLOEXEC | O_TRUNC);
	for (int i = 0; i < 20000; i++)
		ASSERT_EQ(write(fd, &(uint32_t){(uint32_t)i * 2654435761u}, 4), 4);
	ASSERT_EQ(rows_of(&r, NULL), 0);
}
