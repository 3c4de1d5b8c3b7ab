/*
 * The SQL interface: connections and rows, the same for every driver.
 *
 * One text for all databases, with parameters $1…$n (the SQLite driver rewrites them to ?1…?n once per statement, because
 * there $1 is a name numbered by first appearance). Statements are prepared once per connection and cached by the address
 * of their text, so `sql` must be a literal or live as long as the connection.
 *
 * A connection is used by one thread at a time. Times are int64 microseconds, ids 16-byte blobs, money integer
 * micro-dollars, booleans 0 or 1. Every query on a tenant's rows names tenant_id.
 */
#ifndef NX_STORE_SQL_H
#define NX_STORE_SQL_H

#include "base/id.h"
#include "base/str.h"

struct nx_db;
struct nx_rows;

enum nx_value_type { NX_V_NULL, NX_V_INT, NX_V_REAL, NX_V_TEXT, NX_V_BLOB };
struct nx_value {
	enum nx_value_type type;
	union {
		int64_t i;
		double d;
		nx_str s; /* borrowed until the call returns (exec) or nx_rows_done (query) */
	};
};
static inline struct nx_value nx_v_int(int64_t i)
{
	return (struct nx_value){.type = NX_V_INT, .i = i};
}
static inline struct nx_value nx_v_real(double d)
{
	return (struct nx_value){.type = NX_V_REAL, .d = d};
}
/* p NULL binds NULL. */
static inline struct nx_value nx_v_text(nx_str s)
{
	return (struct nx_value){.type = s.p ? NX_V_TEXT : NX_V_NULL, .s = s};
}
static inline struct nx_value nx_v_textz(const char *z)
{
	return nx_v_text(nx_str_z(z));
}
static inline struct nx_value nx_v_blob(nx_str s)
{
	return (struct nx_value){.type = s.p ? NX_V_BLOB : NX_V_NULL, .s = s};
}
/* Takes a pointer, because the bytes must live until the call returns; NULL or an empty id binds NULL. */
static inline struct nx_value nx_v_id(const nx_id *id)
{
	if (!id || nx_id_none(*id))
		return (struct nx_value){.type = NX_V_NULL};
	return (struct nx_value){.type = NX_V_BLOB, .s = {(const char *)id->b, 16}};
}
/* 0 binds NULL: a time, or a reference, that is not there. */
static inline struct nx_value nx_v_int0(int64_t i)
{
	return i ? nx_v_int(i) : (struct nx_value){.type = NX_V_NULL};
}

/* nx_db_exec(db, "UPDATE …", NX_PARAMS(nx_v_int(1), nx_v_text(s)), err) */
#define NX_PARAMS(...) (const struct nx_value[]){__VA_ARGS__}, nx_countof(((const struct nx_value[]){__VA_ARGS__}))
#define NX_NO_PARAMS NULL, 0

/* Runs a statement that returns no rows (rows are discarded). NX_EEXISTS on a unique constraint, NX_ENOTFOUND on a foreign
 * key, NX_EINVAL on another constraint, NX_ENOSPACE on a full disk, NX_ECORRUPT, NX_EIO, NX_EINTERNAL. */
int nx_db_exec(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_error **err);
int64_t nx_db_changes(const struct nx_db *db); /* rows changed by the last exec */

/* Rows, one at a time. Close before the same text is run again on this connection; RETURNING works in both drivers. */
int nx_db_query(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_rows **ret,
		struct nx_error **err);
/* 1: a row is current; 0: no more; negative: error. */
int nx_rows_next(struct nx_rows *r, struct nx_error **err);
bool nx_rows_is_null(struct nx_rows *r, int col);
int64_t nx_rows_int(struct nx_rows *r, int col); /* NULL: 0 */
double nx_rows_real(struct nx_rows *r, int col);
nx_str nx_rows_text(struct nx_rows *r, int col); /* borrowed until the next nx_rows_next; NULL: p NULL */
nx_str nx_rows_blob(struct nx_rows *r, int col);
nx_id nx_rows_id(struct nx_rows *r, int col); /* none when NULL or not 16 bytes */
/*
 * A copy; NULL: p NULL. Without memory it is that, too, and nx_rows_next and nx_rows_check say NX_ENOMEM from then on: who
 * reads a single row asks nx_rows_check after its last column.
 */
nx_str nx_rows_textdup(struct nx_rows *r, int col, struct nx_arena *a);
int nx_rows_check(const struct nx_rows *r, struct nx_error **err);
void nx_rows_done(struct nx_rows *r); /* accepts NULL */
static inline void nx_rows_donep(struct nx_rows **r)
{
	nx_rows_done(*r);
}
#define nx_auto_rows __attribute__((cleanup(nx_rows_donep)))

/* First column of the first row; NX_ENOTFOUND when there is none. */
int nx_db_get_int(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, int64_t *ret,
		  struct nx_error **err);

/* A consistent view for several reads: begin, read, end. At most a second, or the next read fails with NX_ETIMEOUT. */
int nx_db_begin_read(struct nx_db *db, struct nx_error **err);
void nx_db_end_read(struct nx_db *db);

#endif
