/* Pages with checksums: damage is found, and named. */
#include "store/datadir_internal.h"
#include "store/sqlite_internal.h"
#include "tests/unit/store/rig.h"

#include <fcntl.h>
#include <sys/stat.h>

static int fill(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(db,
			  "INSERT INTO logs(tenant_id, time_us, level, component, message, fields)"
			  " WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 40)"
			  " SELECT 1, x, '', '', hex(randomblob(1 + x * 97 % 4000)), '{}' FROM c",
			  NX_NO_PARAMS, err);
}

static struct rig filled(void)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	ASSERT_OK(nx_store_write_sync(r.store, fill, NULL, NULL));
	rig_close(&r);
	return r;
}

static int64_t file_size(const struct rig *r)
{
	struct stat st;
	ASSERT_OK(stat(rig_path(r, NX_DB_NAME), &st));
	return st.st_size;
}

static void flip_bit(const struct rig *r, int64_t byte, int bit)
{
	nx_auto_fd int fd = open(rig_path(r, NX_DB_NAME), O_RDWR | O_CLOEXEC);
	unsigned char c = 0;
	ASSERT_EQ(pread(fd, &c, 1, byte), 1);
	c ^= (unsigned char)(1 << bit);
	ASSERT_EQ(pwrite(fd, &c, 1, byte), 1);
}

/* Opens, checks, closes: the first error on the way. */
static int check(const struct rig *r, struct nx_error **err)
{
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = r->dir, .readers = 1, .inline_writer = true};
	int rc = nx_store_open(&o, &s, err);
	if (!rc)
		rc = nx_store_check(s, true, err);
	nx_store_close(s);
	return rc;
}

TEST(a_flipped_bit_in_any_page_is_found_and_the_page_is_named)
{
	struct rig r = filled();
	ASSERT_OK(check(&r, NULL));
	int64_t pages = file_size(&r) / NX_SQLITE_PAGE;
	ASSERT_GT(pages, 80);
	for (int64_t page = 1; page < pages; page++) {
		int64_t byte = page * NX_SQLITE_PAGE + (page * 1031) % NX_SQLITE_PAGE;
		nx_auto_error struct nx_error *err = NULL;
		char want[64];
		(void)snprintf(want, sizeof(want), "page %lld is not what was written", (long long)page + 1);
		flip_bit(&r, byte, (int)(page % 8));
		ASSERT_ERR(check(&r, &err), NX_ECORRUPT);
		ASSERT_CONTAINS(nx_error_message(err), want);
		ASSERT_CONTAINS(nx_error_get_hint(err), "backup");
		flip_bit(&r, byte, (int)(page % 8));
	}
	ASSERT_OK(check(&r, NULL));
}

TEST(a_flipped_bit_anywhere_in_the_first_page_is_found)
{
	struct rig r = filled();
	for (int64_t byte = 0; byte < NX_SQLITE_PAGE; byte += byte < 100 ? 1 : 37) {
		nx_auto_error struct nx_error *err = NULL;
		flip_bit(&r, byte, (int)(byte % 8));
		int rc = check(&r, &err);
		/* In the header the file may look like another program's, or a newer one's, before its page is read. */
		ASSERT_TRUE(rc == NX_ECORRUPT || (byte < 100 && (rc == NX_ETYPE || rc == NX_EVERSION)));
		flip_bit(&r, byte, (int)(byte % 8));
	}
	ASSERT_OK(check(&r, NULL));
}

TEST(a_page_in_anothers_place_is_found)
{
	struct rig r = filled();
	unsigned char page[NX_SQLITE_PAGE];
	nx_auto_fd int fd = open(rig_path(&r, NX_DB_NAME), O_RDWR | O_CLOEXEC);
	ASSERT_EQ(pread(fd, page, sizeof(page), 60 * NX_SQLITE_PAGE), NX_SQLITE_PAGE);
	ASSERT_EQ(pwrite(fd, page, sizeof(page), 61 * NX_SQLITE_PAGE), NX_SQLITE_PAGE);
	ASSERT_ERR(check(&r, NULL), NX_ECORRUPT);
}

TEST(a_file_that_was_cut_short_is_found)
{
	struct rig r = filled();
	ASSERT_OK(truncate(rig_path(&r, NX_DB_NAME), file_size(&r) - 5 * NX_SQLITE_PAGE));
	ASSERT_ERR(check(&r, NULL), NX_ECORRUPT);
}

TEST(damage_is_found_by_the_query_that_reads_it)
{
	struct rig r = filled();
	flip_bit(&r, file_size(&r) - NX_SQLITE_PAGE + 100, 3);
	struct nx_store *s = NULL;
	struct nx_store_options o = {.dir = r.dir, .readers = 1, .inline_writer = true};
	ASSERT_OK(nx_store_open(&o, &s, NULL));
	nx_auto_error struct nx_error *err = NULL;
	int64_t n;
	ASSERT_ERR(nx_db_get_int(nx_store_reader(s), "SELECT sum(length(message || fields)) FROM logs", NX_NO_PARAMS,
				 &n, &err),
		   NX_ECORRUPT);
	nx_store_close(s);
}
