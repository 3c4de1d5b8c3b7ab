/*
 * Loops and messages: how threads talk.
 *
 * A loop belongs to one thread. Other threads reach what it owns only by posting a message: a struct that embeds
 * `struct nx_msg` and names the function to run over there. Posting never fails and never blocks: the queue is intrusive
 * (Vyukov's multi-producer single-consumer queue) and wakes the loop with one uv_async_send. Messages from one thread
 * arrive in the order they were posted. The receiver frees the message, or sends it back as the answer.
 *
 * A loop is real (libuv) or simulated: the simulated one has no thread, keeps its timers against nx_time_mono_us, and is
 * driven by nx_loop_step, so that everything on it runs deterministically in one thread from a seed.
 */
#ifndef NX_BASE_LOOP_H
#define NX_BASE_LOOP_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct nx_loop;
struct uv_loop_s;

struct nx_msg {
	struct nx_msg *_Atomic next;
	void (*run)(struct nx_msg *m);
	int64_t posted_us; /* set by the post */
};

int nx_loop_new(const char *name, struct nx_loop **ret, struct nx_error **err);
struct nx_loop *nx_loop_new_sim(const char *name); /* NULL when out of memory */
/* Starts the thread (named, all signals blocked). Real loops only. */
int nx_loop_start(struct nx_loop *l, struct nx_error **err);
/* Runs the loop on the calling thread until nx_loop_stop. */
void nx_loop_run(struct nx_loop *l);
/* Any thread. What was posted before is still run; what comes after is not, and stays its sender's to free. */
void nx_loop_stop(struct nx_loop *l);
void nx_loop_join(struct nx_loop *l); /* the caller owns the loop after it, as its maker does before the start */
void nx_loop_free(struct nx_loop *l); /* accepts NULL; after the join, and after the threads that post to it */

/* Any thread. */
void nx_loop_post(struct nx_loop *l, struct nx_msg *m);

/* Runs posted messages and due timers of a simulated loop; false when there was nothing. Sets *ret_next_us to the
 * monotonic time of the next timer, INT64_MAX when there is none. */
bool nx_loop_step(struct nx_loop *l, int64_t *ret_next_us);

bool nx_loop_is_current(const struct nx_loop *l);
void nx_loop_assert(const struct nx_loop *l);    /* the calling thread owns it; at the top of every owned function */
struct uv_loop_s *nx_loop_uv(struct nx_loop *l); /* NULL for a simulated loop */
const char *nx_loop_name(const struct nx_loop *l);
int64_t nx_loop_delay_us(const struct nx_loop *l); /* worst delay of a posted message in the last 10 s; any thread */

/* A one-shot timer, embedded in what it serves. Restarting moves it. The owner's thread only. */
struct nx_timer {
	struct nx_loop *loop;
	int64_t due_us;
	void (*fire)(struct nx_timer *t);
	size_t slot;    /* in the loop's heap; 0: not armed */
	uint64_t order; /* of arming: equal times fire first come, first served */
};
void nx_timer_init(struct nx_timer *t, struct nx_loop *l, void (*fire)(struct nx_timer *t));
int nx_timer_start(struct nx_timer *t, int64_t after_us, struct nx_error **err);
void nx_timer_stop(struct nx_timer *t);

/*
 * Workers: threads for what computes (search, decoding, hashing). Two lanes: short jobs always find one thread that does
 * no long job. A job runs on a worker, then `done` runs on `reply` (or on the worker when reply is NULL); without `done`,
 * `run` may free the job. A long job calls nx_job_yield every few milliseconds, with no rows open and no read begun, because
 * the short jobs that wait then run first, on this very thread and its connection. They do not nest further.
 */
struct nx_workers;
struct nx_job {
	struct nx_msg msg;
	void (*run)(struct nx_job *j);
	void (*done)(struct nx_job *j); /* may be NULL */
	struct nx_loop *reply;
	bool is_long;
	int64_t posted_us;
};
/* 0: one per core. At least 2, because the first does no long job. */
int nx_workers_new(unsigned threads, struct nx_workers **ret, struct nx_error **err);
/* Jobs run when posted, in the caller's thread, as worker 0. NULL when out of memory. */
struct nx_workers *nx_workers_new_sim(void);
void nx_workers_free(struct nx_workers *w); /* finishes what was posted; accepts NULL */
void nx_workers_post(struct nx_workers *w, struct nx_job *j);
void nx_job_yield(void);
/* Index of the calling worker thread, or -1: the slot of per-thread resources such as read connections. */
int nx_worker_index(void);
unsigned nx_workers_count(const struct nx_workers *w);

#endif
