/*
 * The store: one SQLite file (or a PostgreSQL server) behind one writer.
 *
 * One connection writes, on the writer thread. A write is a message: its `apply` runs inside a savepoint of the group that
 * is being gathered, the group commits with synchronous=FULL, and only then does `done` tell the sender. When `apply`
 * fails, its savepoint is rolled back and it alone fails; when the commit fails, every member fails with the same error.
 *
 * Two lanes. Interactive writes are taken first and in order. Bulk writes are taken when no interactive write waits; their
 * `apply` returns NX_WRITE_MORE to be called again for its next slice (at most 2 ms of work each, committed on its own),
 * so rows of a bulk write are staged and made visible by its last slice. Under interactive writes without a pause
 * one slice still runs every 20 ms, so that bulk ends.
 *
 * The checkpointer thread asks the writer for its turn and runs a passive checkpoint; wal_autocheckpoint is 0. A second
 * server on the data directory is refused (NX_EINUSE). A file newer than the program is refused (NX_EVERSION) and not
 * touched. Nothing else in the process opens the file.
 *
 * Each page of the file carries a checksum: a flipped bit is NX_ECORRUPT where it is read, naming the page. A log that is
 * damaged before its end is NX_ECORRUPT when the store is opened, instead of a silent loss of what follows.
 */
#ifndef NX_STORE_STORE_H
#define NX_STORE_STORE_H

#include "base/loop.h"
#include "store/sql.h"

#define NX_STORE_TENANT 1 /* the tenant that exists from the start, used when no keys exist */
#define NX_WRITE_MORE 1

enum nx_synchronous { NX_SYNC_FULL, NX_SYNC_NORMAL, NX_SYNC_OFF };
enum nx_lane { NX_LANE_INTERACTIVE, NX_LANE_BULK };

struct nx_store_options {
	const char *dir;          /* the data directory; made with mode 0700 when absent */
	enum nx_synchronous sync; /* other than FULL only in tests that prove why */
	unsigned readers;         /* read connections, one per worker thread */
	int64_t group_wait_us;
	const char *vfs;    /* SQLite VFS name; NULL: the default */
	bool inline_writer; /* no threads: writes run and commit in nx_store_write; for simulation and direct CLI use */
	bool read_only;
};

struct nx_store;
int nx_store_open(const struct nx_store_options *o, struct nx_store **ret, struct nx_error **err);
void nx_store_close(struct nx_store *s); /* finishes queued writes, checkpoints, releases the lock */
const char *nx_store_dir(const struct nx_store *s);

/* Who holds a data directory. */
struct nx_store_holder {
	int pid;
	char address[256]; /* "" until it listens */
};
/* False when nobody does. Any process; opens nothing but the lock file. */
bool nx_store_holder(const char *dir, struct nx_store_holder *ret);
/* Writes the address that this server listens on into the lock file, for nx_store_holder and NX_EINUSE messages. */
int nx_store_note_address(struct nx_store *s, const char *address, struct nx_error **err);

struct nx_write {
	struct nx_msg msg;
	enum nx_lane lane;
	/* On the writer thread, inside a savepoint. 0, NX_WRITE_MORE (bulk only) or a negative code with *err set. */
	int (*apply)(struct nx_write *w, struct nx_db *db, struct nx_error **err);
	/* After the commit (err NULL) or the failure, on `reply`, or on the writer thread when reply is NULL (then it must be
	 * short: a message posted onwards). Owns *err's lifetime only during the call. */
	void (*done)(struct nx_write *w, struct nx_error *err);
	struct nx_loop *reply;
	/* private to the store */
	struct nx_write *next;
	struct nx_error *err;
	int64_t queued_us;
	int64_t slice_end_us;
};
/* Inside `apply` of a bulk write: true when the slice has used its 2 ms, and NX_WRITE_MORE is due. */
bool nx_write_slice_over(const struct nx_write *w);

/* Any thread. Never fails: what goes wrong comes to `done`. */
void nx_store_write(struct nx_store *s, struct nx_write *w);

/* Blocks the calling thread until it is committed: for the command line and tests, never for a loop's thread. */
int nx_store_write_sync(struct nx_store *s, int (*apply)(void *ctx, struct nx_db *db, struct nx_error **err), void *ctx,
			struct nx_error **err);

/* The read connection of the calling worker thread (nx_worker_index), or of an inline store. */
struct nx_db *nx_store_reader(struct nx_store *s);
/* A read connection of one's own, for threads that are not workers. */
int nx_store_reader_new(struct nx_store *s, struct nx_db **ret, struct nx_error **err);
void nx_store_reader_free(struct nx_db *db);

/*
 * What a caller wants done in the same transaction as the effect it asks for: the row of an Idempotency-Key, an audit
 * line. Functions of upper modules that write take one (NULL: nothing) and call nx_tx_hook_run at the end of their apply,
 * with the answer that the caller will get, or a null string when the answer is read again from the object.
 */
struct nx_tx_hook {
	int (*run)(struct nx_tx_hook *h, struct nx_db *db, nx_id object, nx_str answer_json, struct nx_error **err);
};
static inline int nx_tx_hook_run(struct nx_tx_hook *h, struct nx_db *db, nx_id object, nx_str answer_json,
				 struct nx_error **err)
{
	return h ? h->run(h, db, object, answer_json, err) : 0;
}

struct nx_store_stats {
	uint64_t commits, writes, failed, checkpoints;
	int64_t queue, wal_bytes, db_bytes;
	int64_t last_commit_us;
};
void nx_store_stats(struct nx_store *s, struct nx_store_stats *ret); /* any thread */

/* PRAGMA quick_check or integrity_check on a reader; NX_ECORRUPT names the first fault. */
int nx_store_check(struct nx_store *s, bool full, struct nx_error **err);

/* Sequence of the tenant's durable events: see events.h of core. Kept by the writer: the next value inside `apply`. */
int nx_store_next_seq(struct nx_db *db, int64_t tenant, int64_t *ret, struct nx_error **err);

#endif
