/* Connections to an SQLite database: opening, settings, transactions, errors. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "store/datadir_internal.h"
#include "store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>

#define WRITER_CACHE_KIB 8192
#define BUSY_MS 1000            /* only recovery of the log after a crash ever holds another connection up */
#define LOG_KEPT_BYTES 16777216 /* a log that grew beyond this is cut back when it starts anew */
#define NX_TEXT_(x) #x
#define NX_TEXT(x) NX_TEXT_(x)
#define PROGRESS_OPS 1000 /* SQLite's virtual machine runs about this many in 20 µs */

static struct nx_sqlite *sqlite_of(struct nx_db *db)
{
	return nx_container_of(db, struct nx_sqlite, base);
}

static int constraint_error(struct nx_sqlite *d, int extended, struct nx_error **err)
{
	const char *text = sqlite3_errmsg(d->h);
	const char *what = strstr(text, ": ");
	what = what ? what + 2 : text;
	switch (extended) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return nx_error_set(err, NX_EEXISTS, "there is a row with the same %s already", what);
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return nx_error_set(err, NX_ENOTFOUND, "the row refers to one that does not exist");
	case SQLITE_CONSTRAINT_TRIGGER: return nx_error_set(err, NX_ECONFLICT, "%s", text);
	default: return nx_error_set(err, NX_EINVAL, "a value does not fit its column: %s", what);
	}
}

static int no_space(const struct nx_sqlite *d, struct nx_error **err)
{
	int code = nx_error_set(err, NX_ENOSPACE, "no space left to write %s", d->path);
	(void)nx_error_hint(
		err,
		"free space on its file system; what was acknowledged is safe, and writes go on once there is room");
	return code;
}

/* `what` says it where no page is known to be the cause. */
static int damaged(struct nx_sqlite *d, nx_str what, struct nx_error **err)
{
	int64_t page = nx_sqlite_bad_page();
	if (page)
		(void)nx_error_set(err, NX_ECORRUPT, "%s is damaged: page %lld is not what was written", d->path,
				   (long long)page);
	else
		(void)nx_error_set(err, NX_ECORRUPT, "%s is damaged: %.*s", d->path, NX_FMT(what));
	(void)nx_error_hint(err, "stop the server, keep a copy of the data directory, and restore a backup");
	return NX_ECORRUPT;
}

static int io_error(struct nx_sqlite *d, int extended, struct nx_error **err)
{
	int e = sqlite3_system_errno(d->h);
	d->base.sync_failed = extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC;
	if (extended == SQLITE_IOERR_DATA || extended == SQLITE_IOERR_CORRUPTFS)
		return damaged(d, nx_str_z(sqlite3_errmsg(d->h)), err);
	if (extended == SQLITE_IOERR_NOMEM)
		return nx_error_set(err, NX_ENOMEM, "no memory for the database");
	if (e == ENOSPC || e == EDQUOT || e == EFBIG)
		return no_space(d, err);
	return nx_error_set(err, NX_EIO, "%s cannot be read or written: %s (%d%s%s)", d->path, sqlite3_errmsg(d->h),
			    extended, e ? ", " : "", e ? strerror(e) : "");
}

int nx_sqlite_error(struct nx_sqlite *d, int rc, const char *sql, struct nx_error **err)
{
	int extended = sqlite3_extended_errcode(d->h);
	if ((extended & 0xff) != (rc & 0xff))
		extended = rc;
	d->base.sync_failed = false;
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT: return constraint_error(d, extended, err);
	case SQLITE_FULL: return no_space(d, err);
	case SQLITE_IOERR: return io_error(d, extended, err);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return damaged(d, nx_str_z(sqlite3_errmsg(d->h)), err);
	case SQLITE_NOMEM: return nx_error_set(err, NX_ENOMEM, "no memory for the database");
	case SQLITE_TOOBIG:
		return nx_error_set(err, NX_ETOOBIG, "a value is longer than the %d bytes a row may hold",
				    sqlite3_limit(d->h, SQLITE_LIMIT_LENGTH, -1));
	case SQLITE_INTERRUPT:
		return nx_db_read_expired(&d->base, err)
			       ?: nx_error_set(err, NX_ECANCELLED, "the query was interrupted");
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return nx_error_set(err, NX_EBUSY, "%s is locked: another program has it open", d->path);
	case SQLITE_CANTOPEN:
		return nx_error_set(err, NX_EIO, "%s cannot be opened: %s", d->path,
				    strerror(sqlite3_system_errno(d->h)));
	case SQLITE_READONLY:
		return nx_error_set(err, NX_EINTERNAL, "a write on a connection that only reads: %.80s",
				    sql ? sql : "");
	default:
		return nx_error_set(err, NX_EINTERNAL, "%s (%d) in: %.80s", sqlite3_errmsg(d->h), extended,
				    sql ? sql : "");
	}
}

static int sqlite_script(struct nx_db *db, const char *sql, struct nx_error **err)
{
	struct nx_sqlite *d = sqlite_of(db);
	int rc = sqlite3_exec(d->h, sql, NULL, NULL, NULL);
	return rc ? nx_sqlite_error(d, rc, sql, err) : 0;
}

static bool sqlite_in_tx(const struct nx_db *db)
{
	return !sqlite3_get_autocommit(nx_container_of(db, struct nx_sqlite, base)->h);
}

static int sqlite_checkpoint(struct nx_db *db, bool truncate, struct nx_error **err)
{
	struct nx_sqlite *d = sqlite_of(db);
	if (NX_FAULT(store_checkpoint))
		return nx_error_set(err, NX_EIO, "injected fault: checkpoint");
	int in_log = -1, moved = -1;
	(void)sqlite3_busy_timeout(d->h, 0); /* a reader that is in the way is no reason to hold up the writes */
	int rc = sqlite3_wal_checkpoint_v2(
		d->h, "main", truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
	(void)sqlite3_busy_timeout(d->h, BUSY_MS);
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return 0;
	if (rc)
		return nx_sqlite_error(d, rc, "checkpoint", err);
	d->log_moved = nx_max(moved, 0);
	db->log_pages = nx_max(in_log - moved, 0);
	return 0;
}

static int sqlite_get_version(struct nx_db *db, int64_t *ret, struct nx_error **err)
{
	int64_t tables = 0;
	int rc = nx_db_get_int(db, "PRAGMA user_version", NX_NO_PARAMS, ret, err);
	if (rc || *ret > 0)
		return rc;
	rc = nx_db_get_int(db, "SELECT count(*) FROM sqlite_schema", NX_NO_PARAMS, &tables, err);
	if (!rc && tables > 0)
		return nx_error_set(err, NX_ETYPE, "%s is not a database of NEXUS: it has tables but no version",
				    sqlite_of(db)->path);
	return rc;
}

static int sqlite_set_version(struct nx_db *db, int64_t version, struct nx_error **err)
{
	char text[96];
	(void)snprintf(text, sizeof(text), "PRAGMA application_id=%d; PRAGMA user_version=%d", NX_APPLICATION_ID,
		       (int)version);
	return sqlite_script(db, text, err);
}

static int check_rows(struct nx_db *db, const char *sql, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(db, sql, NX_NO_PARAMS, &rows, err);
	if (rc)
		return rc;
	rc = nx_rows_next(rows, err);
	if (rc < 0)
		return rc;
	nx_str first = rc ? nx_rows_text(rows, 0) : NX_STR("ok");
	if (nx_str_eqz(first, "ok"))
		return 0;
	return damaged(sqlite_of(db), first, err);
}

static int sqlite_check(struct nx_db *db, bool full, struct nx_error **err)
{
	if (!full)
		return check_rows(db, "PRAGMA quick_check(1)", err);
	int rc = check_rows(db, "PRAGMA integrity_check(1)", err);
	if (rc)
		return rc;
	return check_rows(db,
			  "SELECT 'a row of ' || \"table\" || ' refers to one of ' || \"parent\" || ' that is missing'"
			  " FROM pragma_foreign_key_check LIMIT 1",
			  err);
}

static void sqlite_close(struct nx_db *db)
{
	struct nx_sqlite *d = sqlite_of(db);
	/* In the child of a fork the parent's connection is left as it is: closing it here would drop the parent's locks. */
	if (nx_db_usable(db, NULL))
		return;
	nx_assert(db->open_rows == 0);
	nx_sqlite_stmts_free(d);
	int rc = sqlite3_close(d->h);
	nx_assert(rc == SQLITE_OK);
	free(d->path);
	free(d);
}

static const struct nx_db_ops sqlite_ops = {
	.name = "sqlite",
	.begin_read = "BEGIN",
	.begin_write = "BEGIN IMMEDIATE",
	.close = sqlite_close,
	.exec = nx_sqlite_exec,
	.script = sqlite_script,
	.query = nx_sqlite_query,
	.in_tx = sqlite_in_tx,
	.checkpoint = sqlite_checkpoint,
	.get_version = sqlite_get_version,
	.set_version = sqlite_set_version,
	.check = sqlite_check,
	.next = nx_sqlite_next,
	.is_null = nx_sqlite_is_null,
	.get_int = nx_sqlite_get_int,
	.get_real = nx_sqlite_get_real,
	.get_text = nx_sqlite_get_text,
	.get_blob = nx_sqlite_get_blob,
	.done = nx_sqlite_done,
};

/* A statement that runs past its read transaction's time is interrupted. */
static int on_progress(void *ctx)
{
	return nx_db_read_expired(ctx, NULL) != 0;
}

static int on_log_grown(void *ctx, sqlite3 *h, const char *schema, int pages)
{
	(void)h, (void)schema;
	struct nx_sqlite *d = ctx;
	if (pages < d->log_moved)
		d->log_moved = 0; /* the log started anew */
	d->base.log_pages = pages - d->log_moved;
	return SQLITE_OK;
}

static int check_library(struct nx_error **err)
{
	if (sqlite3_libversion_number() < NX_SQLITE_MIN_VERSION)
		return nx_error_set(err, NX_EUNSUPPORTED, "SQLite %s can lose a commit: build with 3.51.3 or newer",
				    sqlite3_libversion());
	if (strcmp(sqlite3_sourceid(), SQLITE_SOURCE_ID) != 0)
		return nx_error_set(err, NX_EUNSUPPORTED,
				    "SQLite's library (%.10s) is not the one of its header (%.10s)", sqlite3_sourceid(),
				    SQLITE_SOURCE_ID);
	if (!sqlite3_threadsafe())
		return nx_error_set(err, NX_EUNSUPPORTED, "SQLite was built for one thread only");
	/* Its generator is seeded now: the first use notes the process without a lock. */
	unsigned char seeded;
	sqlite3_randomness(sizeof(seeded), &seeded);
	return 0;
}

static int want_wal(struct nx_db *db, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(db, "PRAGMA journal_mode=WAL", NX_NO_PARAMS, &rows, err);
	if (rc)
		return rc;
	rc = nx_rows_next(rows, err);
	if (rc < 0)
		return rc;
	if (rc == 0 || !nx_str_eqz(nx_rows_text(rows, 0), "wal"))
		return nx_error_set(err, NX_EUNSUPPORTED,
				    "%s cannot have a write-ahead log: its file system lacks shared memory maps",
				    sqlite_of(db)->path);
	return 0;
}

static int set_up_writer(struct nx_sqlite *d, enum nx_synchronous sync, struct nx_error **err)
{
	static const char *const sync_sql[] = {
		[NX_SYNC_FULL] = "PRAGMA synchronous=FULL",
		[NX_SYNC_NORMAL] = "PRAGMA synchronous=NORMAL",
		[NX_SYNC_OFF] = "PRAGMA synchronous=OFF",
	};
	/* Both take effect on a new database alone. */
	int sum_bytes = NX_SQLITE_PAGE_SUM;
	(void)sqlite3_file_control(d->h, "main", SQLITE_FCNTL_RESERVE_BYTES, &sum_bytes);
	int rc = sqlite_script(&d->base, "PRAGMA page_size=" NX_TEXT(NX_SQLITE_PAGE), err);
	if (!rc)
		rc = sqlite_script(&d->base, sync_sql[sync], err);
	if (!rc)
		rc = want_wal(&d->base, err);
	if (!rc)
		rc = sqlite_script(&d->base, "PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=0", err);
	char text[96];
	(void)snprintf(text, sizeof(text), "PRAGMA journal_size_limit=%d; PRAGMA cache_size=-%d", LOG_KEPT_BYTES,
		       WRITER_CACHE_KIB);
	if (!rc)
		rc = sqlite_script(&d->base, text, err);
	(void)sqlite3_wal_hook(d->h, on_log_grown, d);
	return rc;
}

static int set_up_reader(struct nx_sqlite *d, enum nx_sqlite_mode mode, struct nx_error **err)
{
	if (mode == NX_SQLITE_PEEK)
		(void)sqlite3_db_config(d->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_progress_handler(d->h, PROGRESS_OPS, on_progress, &d->base);
	/* Its cache keeps SQLite's 2 MB: setting another size would read the whole schema now, before anybody needs it. */
	return sqlite_script(&d->base, "PRAGMA query_only=1", err);
}

static int set_up(struct nx_sqlite *d, const struct nx_sqlite_options *o, struct nx_error **err)
{
	(void)sqlite3_extended_result_codes(d->h, 1);
	(void)sqlite3_busy_timeout(d->h, BUSY_MS);
	(void)sqlite3_db_config(d->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(d->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return o->mode == NX_SQLITE_WRITER ? set_up_writer(d, o->sync, err) : set_up_reader(d, o->mode, err);
}

int nx_sqlite_open(const struct nx_sqlite_options *o, struct nx_db **ret, struct nx_error **err)
{
	const char *vfs = NULL;
	int rc = check_library(err);
	if (!rc)
		rc = nx_sqlite_page_vfs(o->vfs, &vfs, err);
	if (rc)
		return rc;
	if (NX_FAULT(store_open))
		return nx_error_set(err, NX_EIO, "injected fault: open");
	struct nx_sqlite *d = calloc(1, sizeof(*d));
	if (!d || !(d->path = strdup(o->path))) {
		free(d);
		return nx_error_set(err, NX_ENOMEM, "no memory for a connection");
	}
	d->base.ops = &sqlite_ops;
	d->base.forks = nx_db_forks();
	int flags = o->mode == NX_SQLITE_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	rc = sqlite3_open_v2(o->path, &d->h, flags | SQLITE_OPEN_NOMUTEX, vfs);
	if (!d->h)
		rc = nx_error_set(err, NX_ENOMEM, "no memory for a connection");
	else if (rc)
		rc = nx_sqlite_error(d, rc, NULL, err);
	else
		rc = set_up(d, o, err);
	if (rc) {
		sqlite_close(&d->base);
		return rc;
	}
	*ret = &d->base;
	return 0;
}
