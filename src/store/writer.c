/*
 * The writer: one thread, one connection, commits in groups.
 *
 *   inbox ──take──▶ lanes ──apply──▶ group ──commit──▶ deliver
 *
 * Senders push onto a lock-free stack per lane, which the writer takes whole and turns round, so that writes of one
 * sender keep their order. A group gathers interactive writes for at most GROUP_US or GROUP_MAX of them, what arrives
 * meanwhile included; while its commit waits for the disk the next group gathers by itself.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/trace.h"
#include "store/store_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#define GROUP_MAX 512
#define GROUP_US INT64_C(5000)
#define BULK_PATIENCE_US INT64_C(20000)     /* the longest bulk waits for its next slice */
#define CHECKPOINT_PAUSE_US INT64_C(100000) /* after one that failed, or that a reader held up */
#define FILES_CHECK_US NX_USEC_PER_SEC

static void lane_push(struct nx_lane_queue *q, struct nx_write *m)
{
	m->next = NULL;
	if (q->last)
		q->last->next = m;
	else
		q->first = m;
	q->last = m;
}

static struct nx_write *lane_pop(struct nx_lane_queue *q)
{
	struct nx_write *m = q->first;
	if (!m)
		return NULL;
	q->first = m->next;
	if (!q->first)
		q->last = NULL;
	return m;
}

static void lane_push_front(struct nx_lane_queue *q, struct nx_write *m)
{
	m->next = q->first;
	q->first = m;
	if (!q->last)
		q->last = m;
}

/* Relaxed counters, see store_internal.h. */
static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Moves what was posted to the lanes, oldest first. */
static void take_posted(struct nx_writer *w)
{
	for (int lane = 0; lane < 2; lane++) {
		if (!atomic_load_explicit(&w->inbox[lane], memory_order_relaxed))
			continue;
		/* Acquire pairs with the release of the push: what the sender wrote into the message is seen. */
		struct nx_write *newest = atomic_exchange_explicit(&w->inbox[lane], NULL, memory_order_acquire);
		struct nx_write *oldest = NULL;
		while (newest) {
			struct nx_write *next = newest->next;
			newest->next = oldest;
			oldest = newest;
			newest = next;
		}
		if (lane == NX_LANE_BULK && !w->lanes[lane].first)
			w->bulk_since_us = nx_time_mono_us();
		while (oldest) {
			struct nx_write *next = oldest->next;
			lane_push(&w->lanes[lane], oldest);
			oldest = next;
		}
	}
}

static void finish(struct nx_msg *msg)
{
	struct nx_write *m = nx_container_of(msg, struct nx_write, msg);
	nx_auto_error struct nx_error *err = nx_steal(m->err);
	if (m->done)
		m->done(m, err);
}

static void deliver(struct nx_writer *w, struct nx_write *m)
{
	count(m->err ? &w->failed : &w->writes);
	atomic_fetch_sub_explicit(&w->queue, 1, memory_order_relaxed);
	if (m->reply) {
		m->msg.run = finish;
		nx_loop_post(m->reply, &m->msg);
	} else {
		finish(&m->msg);
	}
}

/* Hands the members back: those that failed by themselves with their own error, the others with `shared` or none. */
static void deliver_group(struct nx_writer *w, const struct nx_error *shared)
{
	for (struct nx_write *m; (m = lane_pop(&w->group));) {
		if (shared && !m->err)
			m->err = nx_error_copy(shared);
		deliver(w, m);
	}
}

static int begin(struct nx_writer *w, struct nx_error **err)
{
	if (w->broken)
		return nx_error_move(err, nx_error_copy(w->broken));
	if (NX_FAULT(store_begin))
		return nx_error_set(err, NX_EIO, "injected fault: begin");
	return nx_db_exec(w->db, w->db->ops->begin_write, NX_NO_PARAMS, err);
}

static void roll_back(struct nx_writer *w)
{
	if (w->db->ops->in_tx(w->db))
		(void)nx_db_exec(w->db, "ROLLBACK", NX_NO_PARAMS, NULL);
}

static int run_apply(struct nx_writer *w, struct nx_write *m)
{
	m->slice_end_us = nx_time_mono_us() + NX_SLICE_US;
	int rc = m->apply(m, w->db, &m->err);
	nx_assert(rc <= 0 || (rc == NX_WRITE_MORE && m->lane == NX_LANE_BULK));
	nx_assert(w->db->open_rows == 0);
	if (rc < 0 && !m->err)
		return nx_error_set(&m->err, rc, "the write failed and did not say why");
	return rc;
}

/*
 * Applies one message inside its savepoint. Returns what `apply` returned; on failure m->err is set and its changes are
 * gone. *ret_lost: the database gave the whole transaction up, as it does when the disk is full.
 */
static int apply_one(struct nx_writer *w, struct nx_write *m, bool *ret_lost)
{
	int rc = nx_db_exec(w->db, "SAVEPOINT message", NX_NO_PARAMS, &m->err);
	if (!rc) {
		rc = run_apply(w, m);
		*ret_lost = !w->db->ops->in_tx(w->db);
		if (*ret_lost)
			return rc < 0 ? rc
				      : nx_error_set(&m->err, NX_EINTERNAL,
						     "the write ended the transaction of its group");
		if (rc < 0 && nx_db_exec(w->db, "ROLLBACK TO message", NX_NO_PARAMS, NULL))
			*ret_lost = true;
		else if (nx_db_exec(w->db, "RELEASE message", NX_NO_PARAMS, rc < 0 ? NULL : &m->err))
			*ret_lost = true;
	}
	if (*ret_lost || !w->db->ops->in_tx(w->db)) {
		*ret_lost = true;
		roll_back(w);
	}
	return m->err ? nx_error_code(m->err) : rc;
}

/* Once a second: what is written to a file that nobody will find again must not be acknowledged. */
static int check_files(struct nx_writer *w, struct nx_error **err)
{
	int64_t now = nx_time_mono_us();
	if (now - w->files_checked_us < FILES_CHECK_US)
		return 0;
	w->files_checked_us = now;
	int rc = nx_datadir_check(w->datadir, err);
	if (rc && err)
		w->broken = nx_error_copy(*err);
	return rc;
}

static int commit(struct nx_writer *w, struct nx_error **err)
{
	int64_t start = nx_time_mono_us();
	int rc = NX_FAULT(store_commit) ? nx_error_set(err, NX_EIO, "injected fault: commit")
					: nx_db_exec(w->db, "COMMIT", NX_NO_PARAMS, err);
	if (rc) {
		roll_back(w);
		return rc;
	}
	int64_t took = nx_time_mono_us() - start;
	count(&w->commits);
	atomic_store_explicit(&w->last_commit_us, took, memory_order_relaxed);
	nx_metric_add(NX_M_COMMITS, NULL, NULL, 1);
	nx_metric_observe(NX_M_COMMIT_TIME, NULL, NULL, (double)took / (double)NX_USEC_PER_SEC);
	return check_files(w, err);
}

/* Waits for something to be posted, at most `us` microseconds (negative: for as long as it takes). */
static void sleep_until_posted(struct nx_writer *w, int64_t us)
{
	struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};
	struct timespec t = {.tv_sec = us / NX_USEC_PER_SEC, .tv_nsec = us % NX_USEC_PER_SEC * 1000};
	int n = ppoll(&p, 1, us < 0 ? NULL : &t, NULL);
	nx_assert(n >= 0 || errno == EINTR);
	uint64_t posted;
	if (n > 0 && read(w->wake_fd, &posted, sizeof(posted)) < 0)
		nx_assert(errno == EAGAIN);
}

/* The next member of the group that began at `start`, or NULL when it is complete. */
static struct nx_write *next_member(struct nx_writer *w, int64_t start, unsigned n)
{
	struct nx_lane_queue *q = &w->lanes[NX_LANE_INTERACTIVE];
	int64_t spent = nx_time_mono_us() - start;
	if (n >= GROUP_MAX || spent >= GROUP_US)
		return NULL;
	if (!q->first)
		take_posted(w);
	if (!q->first && w->started && spent < w->group_wait_us) {
		sleep_until_posted(w, w->group_wait_us - spent);
		take_posted(w);
	}
	return lane_pop(q);
}

static void run_group(struct nx_writer *w)
{
	nx_auto_error struct nx_error *err = NULL;
	int rc = begin(w, &err);
	int64_t start = nx_time_mono_us();
	struct nx_write *m = lane_pop(&w->lanes[NX_LANE_INTERACTIVE]);
	for (unsigned n = 1; m; n++) {
		bool lost = false;
		lane_push(&w->group, m);
		if (!rc)
			(void)apply_one(w, m, &lost);
		if (lost)
			rc = nx_error_move(&err, nx_error_copy(m->err));
		if (lost)
			break;
		m = next_member(w, start, n);
	}
	if (!rc)
		rc = commit(w, &err);
	deliver_group(w, rc ? err : NULL);
}

static void run_slice(struct nx_writer *w)
{
	struct nx_write *m = lane_pop(&w->lanes[NX_LANE_BULK]);
	nx_assert(m);
	bool lost = false;
	int rc = begin(w, &m->err);
	if (!rc)
		rc = apply_one(w, m, &lost);
	if (rc < 0)
		roll_back(w);
	else if (commit(w, &m->err))
		rc = nx_error_code(m->err);
	w->bulk_since_us = nx_time_mono_us();
	if (rc == NX_WRITE_MORE)
		lane_push_front(&w->lanes[NX_LANE_BULK], m);
	else
		deliver(w, m);
}

static void fold_log(struct nx_writer *w, bool is_idle)
{
	if (!w->db->ops->checkpoint || w->db->log_pages < (is_idle ? NX_LOG_PAGES_IDLE : NX_LOG_PAGES_FULL))
		return;
	int64_t now = nx_time_mono_us();
	if (now < w->next_checkpoint_us)
		return;
	if (nx_checkpointer_turn(w->checkpointer, w->db) == 0)
		count(&w->checkpoints);
	if (w->db->log_pages >= NX_LOG_PAGES_IDLE)
		w->next_checkpoint_us = now + CHECKPOINT_PAUSE_US;
}

/* One group, slice or checkpoint; false when there is nothing to do. */
static bool run_once(struct nx_writer *w)
{
	take_posted(w);
	bool is_bulk = w->lanes[NX_LANE_BULK].first;
	if (w->lanes[NX_LANE_INTERACTIVE].first &&
	    !(is_bulk && nx_time_mono_us() - w->bulk_since_us > BULK_PATIENCE_US))
		run_group(w);
	else if (is_bulk)
		run_slice(w);
	else
		return false;
	fold_log(w, false);
	return true;
}

static void *run(void *ctx)
{
	struct nx_writer *w = ctx;
	nx_store_raise_priority();
	for (;;) {
		if (run_once(w))
			continue;
		/* Acquire: what was posted before the stop is taken by the turn that follows. */
		if (atomic_load_explicit(&w->stopping, memory_order_acquire)) {
			if (run_once(w))
				continue;
			return NULL;
		}
		fold_log(w, true);
		sleep_until_posted(w, -1);
	}
}

bool nx_write_slice_over(const struct nx_write *m)
{
	return nx_time_mono_us() >= m->slice_end_us;
}

static void run_inline(struct nx_writer *w)
{
	if (w->inline_busy)
		return;
	w->inline_busy = true;
	while (run_once(w))
		;
	fold_log(w, true);
	w->inline_busy = false;
}

void nx_writer_post(struct nx_writer *w, struct nx_write *m, bool is_inline)
{
	nx_assert(m->apply && (m->lane == NX_LANE_INTERACTIVE || m->lane == NX_LANE_BULK));
	m->err = NULL;
	m->queued_us = nx_time_mono_us();
	atomic_fetch_add_explicit(&w->queue, 1, memory_order_relaxed);
	struct nx_write *_Atomic *inbox = &w->inbox[m->lane];
	struct nx_write *head = atomic_load_explicit(inbox, memory_order_relaxed);
	do
		m->next = head;
	while (!atomic_compare_exchange_weak_explicit(inbox, &head, m, memory_order_release, memory_order_relaxed));
	/* `m` may be gone from here on. Whoever found the inbox empty wakes the writer. */
	if (is_inline) {
		run_inline(w);
	} else if (!head) {
		uint64_t one = 1;
		ssize_t n = write(w->wake_fd, &one, sizeof(one));
		nx_assert(n == sizeof(one) || errno == EAGAIN); /* a full counter wakes as well */
	}
}

int nx_writer_start(struct nx_writer *w, bool with_thread, struct nx_error **err)
{
	w->wake_fd = -1;
	if (!with_thread)
		return 0;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0)
		return nx_error_set_errno(err, errno, "make an event descriptor");
	w->started = true;
	int rc = nx_store_thread(&w->thread, "nx-writer", run, w, err);
	if (rc)
		w->started = false;
	return rc;
}

void nx_writer_stop(struct nx_writer *w)
{
	if (w->started) {
		uint64_t one = 1;
		atomic_store_explicit(&w->stopping, true, memory_order_release);
		ssize_t n = write(w->wake_fd, &one, sizeof(one));
		nx_assert(n == sizeof(one) || errno == EAGAIN);
		int rc = pthread_join(w->thread, NULL);
		nx_assert(rc == 0);
		w->started = false;
	}
	if (w->wake_fd >= 0)
		(void)close(nx_steal_fd(&w->wake_fd));
	nx_error_free(nx_steal(w->broken));
}
