/*
 * The data directory: nexus.db, index/, artifacts/, models/ and the lock, which one process holds at a time.
 *
 * The lock is flock(2) on the file `lock`, whose text says who holds it: two lines, the process id and the address it
 * listens on. A lock of this kind ends with its process, whatever kills it.
 */
#ifndef NX_STORE_DATADIR_INTERNAL_H
#define NX_STORE_DATADIR_INTERNAL_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

#define NX_DB_NAME "nexus.db"
#define NX_APPLICATION_ID 0x4e585553 /* "NXUS", in the header of the file */

struct nx_datadir {
	char *dir;
	char *db_path;
	int lock_fd;
	pid_t owner;  /* a child of a fork must not rewrite the lock's text */
	dev_t db_dev; /* of the database when it was opened */
	ino_t db_ino;
};

/* Makes what is missing, and takes the lock. NX_EINUSE names the holder. */
int nx_datadir_open(const char *dir, struct nx_datadir *ret, struct nx_error **err);
void nx_datadir_close(struct nx_datadir *d);
int nx_datadir_note_address(struct nx_datadir *d, const char *address, struct nx_error **err);

/*
 * What can be known of the database file before SQLite opens it: *ret_version is 0 for one that is absent or empty.
 * NX_ETYPE when it is another program's, a link, or on a network file system, where locks do not hold.
 */
int nx_datadir_peek(const struct nx_datadir *d, int64_t *ret_version, struct nx_error **err);
/* Remembers which file the database is, and makes its directory entry durable. */
int nx_datadir_remember(struct nx_datadir *d, struct nx_error **err);
/* NX_ECORRUPT when the path holds another file now: what is written to the old one would be lost. */
int nx_datadir_check(const struct nx_datadir *d, struct nx_error **err);

#endif
