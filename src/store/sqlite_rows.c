/* Running statements and reading rows. */
#include "base/fault.h"
#include "store/sqlite_internal.h"

static struct nx_sqlite *sqlite_of(struct nx_db *db)
{
	return nx_container_of(db, struct nx_sqlite, base);
}

static struct nx_sqlite_rows *rows_of(struct nx_rows *r)
{
	return nx_container_of(r, struct nx_sqlite_rows, base);
}

static sqlite3_stmt *handle_of(struct nx_rows *r)
{
	return rows_of(r)->stmt->h;
}

int nx_sqlite_exec(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_error **err)
{
	struct nx_sqlite *d = sqlite_of(db);
	if (NX_FAULT(store_step))
		return nx_error_set(err, NX_EIO, "injected fault: step");
	struct nx_sqlite_stmt *s = NULL;
	int rc = nx_sqlite_stmt_take(d, sql, params, n, &s, err);
	if (rc)
		return rc;
	do
		rc = sqlite3_step(s->h);
	while (rc == SQLITE_ROW);
	db->changes = sqlite3_stmt_readonly(s->h) ? 0 : sqlite3_changes64(d->h);
	rc = rc == SQLITE_DONE ? 0 : nx_sqlite_error(d, rc, sql, err);
	nx_sqlite_stmt_give(s);
	return rc;
}

int nx_sqlite_query(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_rows **ret,
		    struct nx_error **err)
{
	struct nx_sqlite_stmt *s = NULL;
	int rc = nx_sqlite_stmt_take(sqlite_of(db), sql, params, n, &s, err);
	if (rc)
		return rc;
	s->rows.finished = false;
	s->rows.base.is_short = false; /* the statement is kept, and one query's lack is not the next one's */
	*ret = &s->rows.base;
	return 0;
}

int nx_sqlite_next(struct nx_rows *r, struct nx_error **err)
{
	struct nx_sqlite *d = sqlite_of(r->db);
	if (rows_of(r)->finished)
		return 0;
	if (NX_FAULT(store_read))
		return nx_error_set(err, NX_EIO, "injected fault: read");
	sqlite3_stmt *h = handle_of(r);
	int rc = sqlite3_step(h);
	if (rc == SQLITE_ROW)
		return 1;
	rows_of(r)->finished = true;
	if (rc != SQLITE_DONE)
		return nx_sqlite_error(d, rc, sqlite3_sql(h), err);
	if (!sqlite3_stmt_readonly(h))
		r->db->changes = sqlite3_changes64(d->h);
	return 0;
}

bool nx_sqlite_is_null(struct nx_rows *r, int col)
{
	return sqlite3_column_type(handle_of(r), col) == SQLITE_NULL;
}

int64_t nx_sqlite_get_int(struct nx_rows *r, int col)
{
	return sqlite3_column_int64(handle_of(r), col);
}

double nx_sqlite_get_real(struct nx_rows *r, int col)
{
	return sqlite3_column_double(handle_of(r), col);
}

/* An empty value has no address in SQLite, and a NULL one in ours: the two are told apart here. */
static nx_str value_of(sqlite3_stmt *h, int col, const void *p)
{
	if (sqlite3_column_type(h, col) == SQLITE_NULL)
		return NX_STR_NULL;
	return p ? nx_str_n(p, (size_t)sqlite3_column_bytes(h, col)) : NX_STR("");
}

nx_str nx_sqlite_get_text(struct nx_rows *r, int col)
{
	sqlite3_stmt *h = handle_of(r);
	if (sqlite3_column_type(h, col) == SQLITE_NULL)
		return NX_STR_NULL;
	return value_of(h, col, sqlite3_column_text(h, col));
}

nx_str nx_sqlite_get_blob(struct nx_rows *r, int col)
{
	sqlite3_stmt *h = handle_of(r);
	if (sqlite3_column_type(h, col) == SQLITE_NULL)
		return NX_STR_NULL;
	return value_of(h, col, sqlite3_column_blob(h, col));
}

void nx_sqlite_done(struct nx_rows *r)
{
	nx_sqlite_stmt_give(rows_of(r)->stmt);
}
