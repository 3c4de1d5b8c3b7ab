#include "base/assert.h"
#include "base/clock.h"
#include "store/db_internal.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic unsigned forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
	/* Relaxed: the child has one thread. */
	atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, count_fork);
}

unsigned nx_db_forks(void)
{
	(void)pthread_once(&forks_once, watch_forks);
	return atomic_load_explicit(&forks, memory_order_relaxed);
}

int nx_db_usable(const struct nx_db *db, struct nx_error **err)
{
	if (db->forks != atomic_load_explicit(&forks, memory_order_relaxed))
		return nx_error_set(
			err, NX_EINTERNAL,
			"a database connection was carried over a fork: only the process that opened it may use it");
	return 0;
}

int nx_db_read_expired(const struct nx_db *db, struct nx_error **err)
{
	if (!db->read_deadline_us || nx_time_mono_us() <= db->read_deadline_us)
		return 0;
	return nx_error_set(err, NX_ETIMEOUT, "the read took longer than %d s, the limit of a read transaction",
			    (int)(NX_READ_TX_US / NX_USEC_PER_SEC));
}

void nx_db_close(struct nx_db *db)
{
	if (db)
		db->ops->close(db);
}

static int check_usable(const struct nx_db *db, struct nx_error **err)
{
	int rc = nx_db_usable(db, err);
	return rc ? rc : nx_db_read_expired(db, err);
}

int nx_db_exec(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_error **err)
{
	int rc = check_usable(db, err);
	return rc ? rc : db->ops->exec(db, sql, params, n, err);
}

int64_t nx_db_changes(const struct nx_db *db)
{
	return db->changes;
}

int nx_db_query(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_rows **ret,
		struct nx_error **err)
{
	int rc = check_usable(db, err);
	return rc ? rc : db->ops->query(db, sql, params, n, ret, err);
}

int nx_rows_next(struct nx_rows *r, struct nx_error **err)
{
	int rc = check_usable(r->db, err);
	if (rc == 0)
		rc = nx_rows_check(r, err);
	return rc ? rc : r->db->ops->next(r, err);
}

int nx_rows_check(const struct nx_rows *r, struct nx_error **err)
{
	return r->is_short ? nx_error_set(err, NX_ENOMEM, "out of memory reading a row") : 0;
}

bool nx_rows_is_null(struct nx_rows *r, int col)
{
	return r->db->ops->is_null(r, col);
}

int64_t nx_rows_int(struct nx_rows *r, int col)
{
	return r->db->ops->get_int(r, col);
}

double nx_rows_real(struct nx_rows *r, int col)
{
	return r->db->ops->get_real(r, col);
}

nx_str nx_rows_text(struct nx_rows *r, int col)
{
	return r->db->ops->get_text(r, col);
}

nx_str nx_rows_blob(struct nx_rows *r, int col)
{
	return r->db->ops->get_blob(r, col);
}

nx_id nx_rows_id(struct nx_rows *r, int col)
{
	nx_str bytes = nx_rows_blob(r, col);
	nx_id id = NX_ID_NONE;
	if (bytes.n == sizeof(id.b))
		memcpy(id.b, bytes.p, sizeof(id.b));
	return id;
}

nx_str nx_rows_textdup(struct nx_rows *r, int col, struct nx_arena *a)
{
	nx_str s = nx_rows_text(r, col);
	if (!s.p)
		return s;
	s = nx_str_dup(a, s);
	r->is_short = r->is_short || !s.p;
	return s;
}

void nx_rows_done(struct nx_rows *r)
{
	if (r)
		r->db->ops->done(r);
}

int nx_db_get_int(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, int64_t *ret,
		  struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(db, sql, params, n, &rows, err);
	if (rc)
		return rc;
	rc = nx_rows_next(rows, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return nx_error_set(err, NX_ENOTFOUND, "no such row");
	*ret = nx_rows_int(rows, 0);
	return 0;
}

int nx_db_begin_read(struct nx_db *db, struct nx_error **err)
{
	nx_assert(!db->read_deadline_us);
	int rc = nx_db_exec(db, db->ops->begin_read, NX_NO_PARAMS, err);
	if (!rc)
		db->read_deadline_us = nx_time_mono_us() + NX_READ_TX_US;
	return rc;
}

void nx_db_end_read(struct nx_db *db)
{
	nx_assert(db->open_rows == 0);
	db->read_deadline_us = 0;
	/* A transaction that only read has nothing to lose: whatever COMMIT says, ROLLBACK ends it. */
	if (nx_db_exec(db, "COMMIT", NX_NO_PARAMS, NULL))
		(void)nx_db_exec(db, "ROLLBACK", NX_NO_PARAMS, NULL);
}
