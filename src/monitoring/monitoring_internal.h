/*
 * What the files of monitoring share.
 *
 *   sinks ──push──▶ queue ──take──▶ batch ──apply, slice by slice──▶ store
 *
 * A record has its row key from the moment it is pushed, and keys are committed in order: what a read finds in the store
 * is always older than what still waits. A record leaves queue or batch only after its commit, so that a read that looks
 * at them first and at the store second misses nothing.
 */
#ifndef NX_MONITORING_INTERNAL_H
#define NX_MONITORING_INTERNAL_H

#include "monitoring/monitoring.h"

#include <pthread.h>

enum nx_record_kind { NX_RECORD_SPAN, NX_RECORD_LOG };

/* One allocation: the texts follow the struct. */
struct nx_record {
	struct nx_record *next;
	enum nx_record_kind kind;
	int64_t id; /* row key */
	size_t size;
	int64_t tenant;
	nx_id task, trace, step;
	uint64_t span, parent;     /* span */
	int64_t start_us, end_us;  /* log: both are its time */
	int error;                 /* span */
	int level;                 /* log */
	nx_str name, text, fields; /* span: name, "", attributes; log: component, message, fields. JSON objects */
};

struct nx_record_list {
	struct nx_record *first, *last;
	size_t bytes, n;
};

#define NX_MAX_WATCHED 8

struct nx_monitoring {
	struct nx_store *store;
	struct nx_loop *loop;
	size_t max_bytes;
	int64_t keep_us;

	/* The loop's. */
	struct nx_timer flush_timer;
	struct nx_msg wake_msg;
	struct nx_loop *watched[NX_MAX_WATCHED];
	size_t nwatched;

	/* nx_monitoring_lock's. */
	struct nx_record_list queue, batch;
	int64_t next_id;
	bool is_armed, is_hurried; /* a flush is coming, or coming at once; until the batch is taken */
	bool wake_posted;          /* wake_msg is on its way */
	unsigned busy;             /* writes under way: of a batch, of a purge */
	uint64_t kept, dropped;
	int64_t purge_due_us; /* monotonic */

	struct nx_write batch_write, purge_write; /* the store's while they are under way */
	size_t written; /* the batch's first records, in the slice under way. The writer thread's */
};

/* One lock for the instance and what is in it: the sinks have no argument that outlives it. */
struct nx_monitoring *nx_monitoring_lock(void); /* NULL when there is none; locked all the same */
void nx_monitoring_unlock(void);

/* Copies of the task's records of one kind that wait, in order, appended to ret (an array in the arena). NX_ENOMEM. */
int nx_monitoring_waiting(enum nx_record_kind kind, int64_t tenant, nx_id task, struct nx_arena *a,
			  struct nx_record **ret, size_t *ret_n, struct nx_error **err);

#endif
