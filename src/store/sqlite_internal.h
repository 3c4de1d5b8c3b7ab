/* The SQLite driver's own types. */
#ifndef NX_STORE_SQLITE_INTERNAL_H
#define NX_STORE_SQLITE_INTERNAL_H

#include "store/db_internal.h"
#include "store/store.h"

#include <sqlite3.h>

/*
 * 3.7.0 to 3.51.2 can lose a commit in WAL mode when a checkpoint runs just after a complete one while another connection
 * commits and resets the log.
 */
#define NX_SQLITE_MIN_VERSION 3051003
#define NX_SQLITE_MAX_PARAMS 100 /* in one statement; far below SQLite's own limit, far above any text of ours */

struct nx_sqlite_stmt;

/* What a query hands out: one for each prepared statement. */
struct nx_sqlite_rows {
	struct nx_rows base;
	struct nx_sqlite_stmt *stmt;
	bool finished; /* stepping on would start it again */
};

/* A prepared statement, found by the address of its text and confirmed by the text itself. */
struct nx_sqlite_stmt {
	const char *key;
	char *text;
	sqlite3_stmt *h;
	size_t nparams;
	bool busy;
	struct nx_sqlite_rows rows;
	struct nx_sqlite_stmt *next;
};

#define NX_SQLITE_BUCKETS 256
#define NX_SQLITE_MAX_CACHED 1024

struct nx_sqlite {
	struct nx_db base;
	sqlite3 *h;
	char *path;
	int log_moved; /* pages of the log that the last checkpoint found, or put, in the database */
	struct nx_sqlite_stmt *buckets[NX_SQLITE_BUCKETS];
	size_t ncached;
};

enum nx_sqlite_mode {
	NX_SQLITE_WRITER,
	NX_SQLITE_READER,
	NX_SQLITE_PEEK, /* reads, and leaves the bytes of database and log alone even as the last to close */
};

struct nx_sqlite_options {
	const char *path, *vfs;
	enum nx_sqlite_mode mode;
	enum nx_synchronous sync;
};

int nx_sqlite_open(const struct nx_sqlite_options *o, struct nx_db **ret, struct nx_error **err);

#define NX_SQLITE_PAGE 4096
#define NX_SQLITE_PAGE_SUM 8 /* bytes at the end of a page that hold its checksum */

/* The name of the VFS that checks pages and lies on `below` (NULL: the default); made on first use. */
int nx_sqlite_page_vfs(const char *below, const char **ret, struct nx_error **err);
/* Number of the page that failed its checksum last on this thread, once; 0: none. */
int64_t nx_sqlite_bad_page(void);

/* NX_ECORRUPT when the log at `path` is damaged before its end. Before any connection to its database is open. */
int nx_sqlite_log_check(const char *path, struct nx_error **err);

/* Turns an SQLite result into an error of ours. `sql` may be NULL. */
int nx_sqlite_error(struct nx_sqlite *d, int rc, const char *sql, struct nx_error **err);

/* $n → ?n outside of strings, quoted names and comments. The result is malloc'ed. */
int nx_sqlite_rewrite(const char *sql, char **ret, struct nx_error **err);

/* A prepared statement with its parameters bound, marked busy. */
int nx_sqlite_stmt_take(struct nx_sqlite *d, const char *sql, const struct nx_value *params, size_t n,
			struct nx_sqlite_stmt **ret, struct nx_error **err);
void nx_sqlite_stmt_give(struct nx_sqlite_stmt *s);
void nx_sqlite_stmts_free(struct nx_sqlite *d);

/* The rows half of the driver's table, in sqlite_rows.c. */
int nx_sqlite_exec(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_error **err);
int nx_sqlite_query(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_rows **ret,
		    struct nx_error **err);
int nx_sqlite_next(struct nx_rows *r, struct nx_error **err);
bool nx_sqlite_is_null(struct nx_rows *r, int col);
int64_t nx_sqlite_get_int(struct nx_rows *r, int col);
double nx_sqlite_get_real(struct nx_rows *r, int col);
nx_str nx_sqlite_get_text(struct nx_rows *r, int col);
nx_str nx_sqlite_get_blob(struct nx_rows *r, int col);
void nx_sqlite_done(struct nx_rows *r);

#endif
