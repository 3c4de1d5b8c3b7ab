/*
 * What a database driver gives: a table of functions for a connection, and the texts in which databases differ.
 *
 * sql.c and writer.c know connections only through this table. The SQLite driver is sqlite_*.c; a driver for another
 * database fills the same table, brings its own migrations, and leaves `checkpoint` NULL when it has no log to fold.
 */
#ifndef NX_STORE_DB_INTERNAL_H
#define NX_STORE_DB_INTERNAL_H

#include "store/sql.h"

#define NX_READ_TX_US INT64_C(1000000) /* longest read transaction: beyond it the log cannot be folded back */

struct nx_db_ops {
	const char *name;
	const char *begin_read, *begin_write;

	void (*close)(struct nx_db *db);
	int (*exec)(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_error **err);
	/* Several statements without parameters, as in a migration; the text need not live on. */
	int (*script)(struct nx_db *db, const char *sql, struct nx_error **err);
	int (*query)(struct nx_db *db, const char *sql, const struct nx_value *params, size_t n, struct nx_rows **ret,
		     struct nx_error **err);
	bool (*in_tx)(const struct nx_db *db);
	/* Moves what the log holds into the database. `truncate` also empties the log, when no reader needs it. */
	int (*checkpoint)(struct nx_db *db, bool truncate, struct nx_error **err);
	/* The version of the tables, 0 for a new database; setting it is part of the open transaction. */
	int (*get_version)(struct nx_db *db, int64_t *ret, struct nx_error **err);
	int (*set_version)(struct nx_db *db, int64_t version, struct nx_error **err);
	/* NX_ECORRUPT names the first fault. */
	int (*check)(struct nx_db *db, bool full, struct nx_error **err);

	int (*next)(struct nx_rows *r, struct nx_error **err);
	bool (*is_null)(struct nx_rows *r, int col);
	int64_t (*get_int)(struct nx_rows *r, int col);
	double (*get_real)(struct nx_rows *r, int col);
	nx_str (*get_text)(struct nx_rows *r, int col);
	nx_str (*get_blob)(struct nx_rows *r, int col);
	void (*done)(struct nx_rows *r);
};

struct nx_db {
	const struct nx_db_ops *ops;
	int64_t changes;
	int64_t read_deadline_us; /* of the read transaction; 0: none is open */
	int64_t log_pages;        /* pages in the log that are not in the database yet */
	bool sync_failed;         /* the last failure was the disk's answer to a sync */
	unsigned open_rows;
	unsigned forks;          /* nx_db_forks when it was opened */
	_Atomic unsigned *loose; /* the count it belongs to, when it is one of nx_store_reader_new */
};

struct nx_rows {
	struct nx_db *db;
	bool is_short; /* a copy of a column found no memory */
};

/* Counts the forks this process is the child of: a connection carried over a fork must not be used or closed. */
unsigned nx_db_forks(void);
/* NX_EINTERNAL in the child of a fork. */
int nx_db_usable(const struct nx_db *db, struct nx_error **err);
/* NX_ETIMEOUT when the read transaction has lasted too long. */
int nx_db_read_expired(const struct nx_db *db, struct nx_error **err);
/* Closes any connection; accepts NULL. */
void nx_db_close(struct nx_db *db);

#endif
