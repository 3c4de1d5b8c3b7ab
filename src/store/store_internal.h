/* The store and its two threads. */
#ifndef NX_STORE_STORE_INTERNAL_H
#define NX_STORE_STORE_INTERNAL_H

#include "store/datadir_internal.h"
#include "store/db_internal.h"
#include "store/store.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* Pages of the log at which it is folded back into the database: when nobody waits, and in any case. */
#define NX_LOG_PAGES_IDLE 250
#define NX_LOG_PAGES_FULL 2000

#define NX_SLICE_US INT64_C(2000)

/* First in, first out, by nx_write.next. */
struct nx_lane_queue {
	struct nx_write *first, *last;
};

struct nx_checkpointer {
	pthread_t thread;
	bool started;
	_Atomic bool stopping;
	sem_t go, done;
	struct nx_db *db; /* the writer's connection, while it is our turn */
	int rc;
};

struct nx_writer {
	struct nx_datadir *datadir;
	struct nx_db *db;
	struct nx_checkpointer *checkpointer;
	int64_t group_wait_us;

	/* What other threads posted, newest first; taken whole by the writer. */
	struct nx_write *_Atomic inbox[2];
	int wake_fd;
	_Atomic bool stopping;
	pthread_t thread;
	bool started;
	bool inline_busy; /* inline: a write is being run, and those made meanwhile wait behind it */

	/* The writer thread's own. */
	struct nx_lane_queue lanes[2], group;
	int64_t bulk_since_us;      /* when the bulk lane last had a slice, or began to wait */
	int64_t next_checkpoint_us; /* not before */
	int64_t files_checked_us;
	struct nx_error *broken; /* set: every write fails with a copy */

	/* Relaxed atomics: counters that are read a moment late are still right. */
	_Atomic uint64_t commits, writes, failed, checkpoints;
	_Atomic int64_t queue, last_commit_us;
};

struct nx_store {
	struct nx_datadir datadir;
	struct nx_db *writer_db; /* NULL: read only */
	struct nx_db **readers;
	unsigned nreaders;
	_Atomic unsigned loose_readers; /* of nx_store_reader_new */
	char *vfs;
	bool inline_writer;
	unsigned forks;
	struct nx_writer writer;
	struct nx_checkpointer checkpointer;
};

/* Starts the thread, or nothing when the store is inline. */
int nx_writer_start(struct nx_writer *w, bool with_thread, struct nx_error **err);
void nx_writer_stop(struct nx_writer *w); /* runs what is queued first */
void nx_writer_post(struct nx_writer *w, struct nx_write *m, bool is_inline);

int nx_checkpointer_start(struct nx_checkpointer *c, struct nx_error **err);
void nx_checkpointer_stop(struct nx_checkpointer *c);
/* Lends the connection to the checkpointer and waits until it comes back; without a thread, does it here. */
int nx_checkpointer_turn(struct nx_checkpointer *c, struct nx_db *db);

/* A named thread with all signals blocked. */
int nx_store_thread(pthread_t *ret, const char *name, void *(*run)(void *), void *ctx, struct nx_error **err);
/* As far up as the host allows: fsync under load measures the scheduler. */
void nx_store_raise_priority(void);

#endif
