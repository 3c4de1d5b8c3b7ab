/* Opening: the lock, versions, foreign files; what may happen to the files while they are open. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "store/datadir_internal.h"
#include "tests/unit/store/rig.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int open_error(const char *dir, struct nx_error **err)
{
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = dir, .readers = 1, .inline_writer = true};
	int rc = nx_store_open(&o, &s, err);
	nx_store_close(s);
	return rc;
}

static struct rig closed_store(void)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	rig_close(&r);
	return r;
}

/* Through the VFS that keeps the checksums, and past everything else. */
static void raw_sql(const struct rig *r, const char *sql, bool leave_log)
{
	sqlite3 *h = NULL;
	ASSERT_OK(sqlite3_open_v2(rig_path(r, NX_DB_NAME), &h, SQLITE_OPEN_READWRITE, "nexus-unix"));
	ASSERT_OK(sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave_log, NULL));
	ASSERT_OK(sqlite3_exec(h, sql, NULL, NULL, NULL));
	ASSERT_OK(sqlite3_close(h));
}

TEST(a_new_directory_gets_its_parts_and_is_private)
{
	struct rig r;
	rig_dir(&r);
	(void)strncat(r.dir, "/deep/er", sizeof(r.dir) - strlen(r.dir) - 1);
	rig_open(&r, true);
	static const char *const parts[] = {"artifacts", "index", "models", "lock", NX_DB_NAME};
	struct stat st;
	for (size_t i = 0; i < nx_countof(parts); i++)
		ASSERT_OK(stat(rig_path(&r, parts[i]), &st));
	ASSERT_OK(stat(r.dir, &st));
	ASSERT_EQ(st.st_mode & 0777, 0700);
	ASSERT_STREQ(nx_store_dir(r.store), r.dir);
	ASSERT_EQ(rig_count(nx_store_reader(r.store), "SELECT count(*) FROM tenants"), 1);
	rig_close(&r);
}

TEST(what_was_written_is_there_after_opening_again)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '1')"));
	rig_close(&r);
	rig_open(&r, false);
	struct nx_db *db = NULL;
	ASSERT_OK(nx_store_reader_new(r.store, &db, NULL));
	ASSERT_EQ(rig_count(db, "SELECT count(*) FROM settings"), 1);
	nx_store_reader_free(db);
	nx_store_reader_free(NULL);
	ASSERT_OK(nx_store_check(r.store, false, NULL));
	ASSERT_OK(nx_store_check(r.store, true, NULL));
	rig_close(&r);
}

TEST(a_second_server_is_refused_and_told_who_and_where_the_first_is)
{
	struct rig r;
	rig_dir(&r);
	struct nx_store_holder h;
	ASSERT_FALSE(nx_store_holder(r.dir, &h));
	rig_open(&r, false);
	char want[64];
	nx_auto_error struct nx_error *err = NULL, *later = NULL;
	ASSERT_ERR(open_error(r.dir, &err), NX_EINUSE);
	(void)snprintf(want, sizeof(want), "in use by process %d", (int)getpid());
	ASSERT_CONTAINS(nx_error_message(err), want);
	ASSERT_CONTAINS(nx_error_message(err), r.dir);
	ASSERT_OK(nx_store_note_address(r.store, "http://127.0.0.1:8600", NULL));
	ASSERT_ERR(open_error(r.dir, &later), NX_EINUSE);
	ASSERT_CONTAINS(nx_error_message(later), "http://127.0.0.1:8600");
	ASSERT_CONTAINS(nx_error_get_hint(later), "--home");
	ASSERT_TRUE(nx_store_holder(r.dir, &h));
	ASSERT_EQ(h.pid, getpid());
	ASSERT_STREQ(h.address, "http://127.0.0.1:8600");
	rig_close(&r);
	ASSERT_FALSE(nx_store_holder(r.dir, &h));
	ASSERT_OK(open_error(r.dir, NULL));
}

TEST(the_lock_ends_with_its_process)
{
	struct rig r;
	rig_dir(&r);
	int ready[2];
	ASSERT_OK(pipe(ready));
	pid_t pid = fork();
	if (pid == 0) {
		struct nx_store *s = NULL;
		struct nx_store_options o = {.dir = r.dir, .readers = 1};
		(void)!write(ready[1], nx_store_open(&o, &s, NULL) ? "n" : "y", 1);
		(void)pause();
		_exit(0);
	}
	char c = 'n';
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	ASSERT_EQ(c, 'y');
	nx_auto_error struct nx_error *err = NULL;
	char want[64];
	(void)snprintf(want, sizeof(want), "process %d", (int)pid);
	ASSERT_ERR(open_error(r.dir, &err), NX_EINUSE);
	ASSERT_CONTAINS(nx_error_message(err), want);
	ASSERT_OK(kill(pid, SIGKILL));
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_OK(open_error(r.dir, NULL));
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static nx_str bytes_of(const struct rig *r, const char *name, struct nx_arena *a)
{
	nx_str s = NX_STR_NULL;
	(void)nx_file_read(a, rig_path(r, name), 64 << 20, &s, NULL);
	return s;
}

static void expect_refused_untouched(const struct rig *r)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_str db = bytes_of(r, NX_DB_NAME, a), log = bytes_of(r, NX_DB_NAME "-wal", a);
	ASSERT_GT(db.n, 4096);
	ASSERT_ERR(open_error(r->dir, &err), NX_EVERSION);
	ASSERT_CONTAINS(nx_error_message(err), "version 99");
	ASSERT_TRUE(nx_str_eq(bytes_of(r, NX_DB_NAME, a), db));
	ASSERT_TRUE(nx_str_eq(bytes_of(r, NX_DB_NAME "-wal", a), log));
}

TEST(a_newer_database_is_refused_and_not_touched)
{
	struct rig r = closed_store();
	raw_sql(&r, "PRAGMA user_version=99", false);
	expect_refused_untouched(&r);
}

TEST(a_newer_version_that_only_the_log_knows_is_refused_and_not_touched)
{
	struct rig r = closed_store();
	raw_sql(&r, "PRAGMA user_version=99", true);
	struct stat st;
	ASSERT_OK(stat(rig_path(&r, NX_DB_NAME "-wal"), &st));
	ASSERT_GT(st.st_size, 0);
	expect_refused_untouched(&r);
	expect_refused_untouched(&r);
}

TEST(a_migration_that_was_changed_after_it_was_applied_is_refused)
{
	struct rig r = closed_store();
	raw_sql(&r, "UPDATE schema_migrations SET hash = zeroblob(32)", false);
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(open_error(r.dir, &err), NX_EVERSION);
	ASSERT_CONTAINS(nx_error_message(err), "0001_first.sql was changed");
}

static void put_file(const struct rig *r, const char *name, nx_str bytes)
{
	ASSERT_OK(nx_file_write_durable(rig_path(r, name), bytes, 0600, NULL));
}

TEST(a_file_of_another_program_is_refused)
{
	struct rig r;
	rig_dir(&r);
	nx_auto_error struct nx_error *err = NULL, *other = NULL, *dir = NULL;
	put_file(&r, NX_DB_NAME, NX_STR("my diary, not a database"));
	ASSERT_ERR(open_error(r.dir, &err), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "not a database of NEXUS");

	ASSERT_OK(unlink(rig_path(&r, NX_DB_NAME)));
	sqlite3 *h = NULL;
	ASSERT_OK(sqlite3_open(rig_path(&r, NX_DB_NAME), &h));
	ASSERT_OK(
		sqlite3_exec(h, "PRAGMA application_id=7; PRAGMA user_version=3; CREATE TABLE t(x)", NULL, NULL, NULL));
	ASSERT_OK(sqlite3_close(h));
	ASSERT_ERR(open_error(r.dir, &other), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(other), "another program");

	ASSERT_OK(unlink(rig_path(&r, NX_DB_NAME)));
	ASSERT_OK(mkdir(rig_path(&r, NX_DB_NAME), 0700));
	ASSERT_ERR(open_error(r.dir, &dir), NX_ETYPE);
}

TEST(a_database_with_a_second_name_or_behind_a_link_is_refused)
{
	struct rig r = closed_store();
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(link(rig_path(&r, NX_DB_NAME), rig_path(&r, "twin.db")));
	ASSERT_ERR(open_error(r.dir, &err), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "hard link");
	ASSERT_OK(unlink(rig_path(&r, NX_DB_NAME)));
	ASSERT_OK(symlink("twin.db", rig_path(&r, NX_DB_NAME)));
	ASSERT_ERR(open_error(r.dir, NULL), NX_ETYPE);
}

TEST(a_directory_that_cannot_be_made_is_an_error_that_names_it)
{
	struct rig r;
	rig_dir(&r);
	put_file(&r, "file", NX_STR("x"));
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_NE(open_error(rig_path(&r, "file/home"), &err), 0);
	ASSERT_CONTAINS(nx_error_message(err), "file/home");
}

TEST(an_unknown_vfs_is_an_error)
{
	struct rig r;
	rig_dir(&r);
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = r.dir, .vfs = "no-such"};
	ASSERT_ERR(nx_store_open(&o, &s, NULL), NX_EINVAL);
}

TEST(a_database_that_is_replaced_while_open_takes_no_more_writes)
{
	struct rig r;
	rig_dir(&r);
	struct nx_fake_clock clock;
	nx_fake_clock_install(&clock, 0);
	rig_open(&r, true);
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '1')"));
	ASSERT_OK(rename(rig_path(&r, NX_DB_NAME), rig_path(&r, "moved.db")));
	nx_fake_clock_advance(&clock, 2 * NX_USEC_PER_SEC);
	ASSERT_ERR(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('b', '1')"), NX_ECORRUPT);
	ASSERT_ERR(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('c', '1')"), NX_ECORRUPT);
	ASSERT_OK(rename(rig_path(&r, "moved.db"), rig_path(&r, NX_DB_NAME)));
	rig_close(&r);
	nx_clock_set(NULL);
}

TEST(reading_only_writes_nothing_and_needs_the_latest_version)
{
	struct rig r = closed_store();
	rig_open_with(&r, (struct nx_store_options){.readers = 1, .read_only = true});
	ASSERT_EQ(rig_count(nx_store_reader(r.store), "SELECT count(*) FROM tenants"), 1);
	ASSERT_ERR(rig_write(&r, "DELETE FROM settings"), NX_EUNSUPPORTED);
	ASSERT_OK(nx_store_check(r.store, true, NULL));
	rig_close(&r);
	raw_sql(&r, "PRAGMA user_version=0; DELETE FROM schema_migrations", false);
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = r.dir, .read_only = true};
	ASSERT_NE(nx_store_open(&o, &s, NULL), 0);
}

/* Opens, writes, reads, closes; *ret_acked: the write was acknowledged. */
static int live(const char *dir, bool *ret_acked)
{
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = dir, .readers = 1, .inline_writer = true};
	int rc = nx_store_open(&o, &s, NULL);
	if (rc)
		return rc;
	rc = nx_store_write_sync(s, rig_run_sql,
				 (void *)(uintptr_t) "INSERT INTO settings(key, value) VALUES ('a', '1')", NULL);
	*ret_acked = rc == 0;
	int64_t n = -1;
	int read = nx_db_get_int(nx_store_reader(s), "SELECT count(*) FROM settings", NX_NO_PARAMS, &n, NULL);
	if (!read)
		ASSERT_EQ(n, *ret_acked);
	nx_store_close(s);
	return rc ? rc : read;
}

TEST(whatever_fails_once_nothing_acknowledged_is_lost_and_the_next_start_works)
{
	int rc = -1;
	for (unsigned n = 1; rc != 0; n++) {
		struct rig r;
		char plan[16];
		bool acked = false;
		rig_dir(&r);
		(void)snprintf(plan, sizeof(plan), "%u", n);
		if (nx_fault_plan(plan, NULL))
			SKIP("fault points are compiled out");
		rc = live(r.dir, &acked);
		/* One that nobody noticed, such as a checkpoint's, is no failure: the end is where none was met. */
		if (rc == 0 && nx_fault_passed() >= n)
			rc = -1;
		ASSERT_OK(nx_fault_plan(NULL, NULL));
		rig_open(&r, true);
		ASSERT_EQ(rig_count(nx_store_reader(r.store), "SELECT count(*) FROM settings"), acked);
		rig_close(&r);
		ASSERT_LT(n, 1000);
	}
}

static int take_seq(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_store_next_seq(db, NX_STORE_TENANT, ctx, err);
}

static int take_seq_of_nobody(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_store_next_seq(db, 4711, ctx, err);
}

TEST(sequence_numbers_count_up_from_one)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	int64_t seq = 0;
	for (int64_t i = 1; i < 5; i++) {
		ASSERT_OK(nx_store_write_sync(r.store, take_seq, &seq, NULL));
		ASSERT_EQ(seq, i);
	}
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_store_write_sync(r.store, take_seq_of_nobody, &seq, &err), NX_ENOTFOUND);
	ASSERT_CONTAINS(nx_error_message(err), "4711");
	rig_close(&r);
}

TEST(there_is_one_sqlite_in_the_process)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	ASSERT_NOT_NULL(maps);
	while (fgets(line, sizeof(line), maps))
		ASSERT_NULL(strstr(line, "libsqlite3"));
	(void)fclose(maps);
	ASSERT_GE(sqlite3_libversion_number(), 3051003);
	ASSERT_EQ(sqlite3_threadsafe(), 2);
}
