/*
 * Workers: a mutex, two lists of jobs, and a condition for each thread, so that a post wakes exactly one that may take
 * the job. Thread 0 takes short jobs only; the others take short ones first, but no long job waits behind them for more
 * than LONG_PATIENCE_US.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/thread_internal.h"

#include <stdio.h>

#define MIN_THREADS 2U
#define MAX_THREADS 256U
#define LONG_PATIENCE_US (100 * NX_USEC_PER_MSEC)

/* Linked by msg.next, which belongs to whoever holds the job; the mutex orders it, so relaxed accesses do. */
struct job_list {
	struct nx_job *first, *last;
};

struct worker {
	struct nx_workers *pool;
	pthread_t thread;
	pthread_cond_t wake;
	bool is_idle; /* cleared by the one who wakes it, so that two posts wake two threads */
	int index;
};

struct nx_workers {
	pthread_mutex_t lock; /* shorts, longs, stopping, and is_idle of each worker */
	struct job_list shorts, longs;
	bool stopping;
	bool is_sim;
	unsigned n, nstarted; /* fixed once the pool is made */
	struct worker workers[];
};

/* What the calling thread is doing for a pool. */
static _Thread_local struct {
	struct nx_workers *pool;
	int index_plus_1;
	bool in_long;
} current;

static void list_push(struct job_list *q, struct nx_job *j)
{
	atomic_store_explicit(&j->msg.next, NULL, memory_order_relaxed); /* relaxed: under the mutex */
	if (q->last)
		atomic_store_explicit(&q->last->msg.next, &j->msg, memory_order_relaxed); /* relaxed: under the mutex */
	else
		q->first = j;
	q->last = j;
}

static struct nx_job *list_pop(struct job_list *q)
{
	struct nx_job *j = q->first;
	if (!j)
		return NULL;
	/* relaxed: under the mutex */
	struct nx_msg *next = atomic_load_explicit(&j->msg.next, memory_order_relaxed);
	q->first = next ? nx_container_of(next, struct nx_job, msg) : NULL;
	if (!q->first)
		q->last = NULL;
	return j;
}

static void on_reply(struct nx_msg *m)
{
	struct nx_job *j = nx_container_of(m, struct nx_job, msg);
	j->done(j);
}

static void job_run(struct nx_job *j)
{
	bool was_long = current.in_long;
	bool has_done = j->done != NULL; /* without one, run may free the job */
	current.in_long = j->is_long;
	j->run(j);
	current.in_long = was_long;
	if (!has_done)
		return;
	if (j->reply) {
		j->msg.run = on_reply;
		nx_loop_post(j->reply, &j->msg);
	} else {
		j->done(j);
	}
}

/* The lock is held. While the pool stops, thread 0 helps with long jobs, so that none is left behind. */
static struct nx_job *take_job(struct nx_workers *w, int index)
{
	bool may_long = index != 0 || w->stopping;
	if (may_long && w->longs.first) {
		int64_t waited_us = nx_time_mono_us() - w->longs.first->posted_us;
		if (!w->shorts.first || waited_us > LONG_PATIENCE_US)
			return list_pop(&w->longs);
	}
	return list_pop(&w->shorts);
}

static struct nx_job *wait_job(struct worker *t)
{
	struct nx_workers *w = t->pool;
	struct nx_job *j;
	pthread_mutex_lock(&w->lock);
	while (!(j = take_job(w, t->index)) && !w->stopping) {
		t->is_idle = true;
		pthread_cond_wait(&t->wake, &w->lock);
		t->is_idle = false;
	}
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void *worker_main(void *arg)
{
	struct worker *t = arg;
	current.pool = t->pool;
	current.index_plus_1 = t->index + 1;
	for (struct nx_job *j; (j = wait_job(t));)
		job_run(j);
	return NULL;
}

/* The lock is held. */
static void wake_one(struct nx_workers *w, bool is_long)
{
	for (unsigned i = is_long ? 1 : 0; i < w->nstarted; i++) {
		struct worker *t = &w->workers[i];
		if (t->is_idle) {
			t->is_idle = false;
			pthread_cond_signal(&t->wake);
			return;
		}
	}
}

static void run_inline(struct nx_workers *w, struct nx_job *j)
{
	__typeof__(current) before = current;
	current.pool = w;
	current.index_plus_1 = 1;
	job_run(j);
	current = before;
}

void nx_workers_post(struct nx_workers *w, struct nx_job *j)
{
	j->posted_us = nx_time_mono_us();
	if (w->is_sim) {
		run_inline(w, j);
		return;
	}
	pthread_mutex_lock(&w->lock);
	list_push(j->is_long ? &w->longs : &w->shorts, j);
	wake_one(w, j->is_long);
	pthread_mutex_unlock(&w->lock);
}

/* Runs what waits at the moment of the call, and no more: the long job must get on as well. */
void nx_job_yield(void)
{
	struct nx_workers *w = current.pool;
	if (!w || w->is_sim || !current.in_long)
		return;
	int64_t now_us = nx_time_mono_us();
	for (;;) {
		struct nx_job *j = NULL;
		pthread_mutex_lock(&w->lock);
		if (w->shorts.first && w->shorts.first->posted_us <= now_us)
			j = list_pop(&w->shorts);
		pthread_mutex_unlock(&w->lock);
		if (!j)
			return;
		job_run(j);
	}
}

int nx_worker_index(void)
{
	return current.index_plus_1 - 1;
}

unsigned nx_workers_count(const struct nx_workers *w)
{
	return w->n;
}

static struct nx_workers *pool_alloc(unsigned n, bool is_sim)
{
	struct nx_workers *w = calloc(1, sizeof(*w) + n * sizeof(w->workers[0]));
	if (!w)
		return NULL;
	w->n = n;
	w->is_sim = is_sim;
	if (pthread_mutex_init(&w->lock, NULL) != 0) {
		free(w);
		return NULL;
	}
	return w;
}

static unsigned pool_size(unsigned asked)
{
	if (asked == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);
		asked = cores > 0 ? (unsigned)cores : 1;
	}
	if (asked < MIN_THREADS)
		return MIN_THREADS;
	return nx_min(asked, MAX_THREADS);
}

static int worker_start(struct nx_workers *w, unsigned i, struct nx_error **err)
{
	struct worker *t = &w->workers[i];
	t->pool = w;
	t->index = (int)i;
	int r = pthread_cond_init(&t->wake, NULL);
	if (r != 0)
		return nx_error_set_errno(err, r, "make the condition of worker %u", i);
	char name[16];
	(void)snprintf(name, sizeof(name), "worker-%u", i);
	r = nx_thread_start(&t->thread, name, worker_main, t, err);
	if (r < 0) {
		(void)pthread_cond_destroy(&t->wake);
		return r;
	}
	w->nstarted++; /* nobody else looks before nx_workers_new has returned */
	return 0;
}

int nx_workers_new(unsigned threads, struct nx_workers **ret, struct nx_error **err)
{
	unsigned n = pool_size(threads);
	struct nx_workers *w = pool_alloc(n, false);
	if (!w)
		return nx_error_set(err, NX_ENOMEM, "no memory for %u workers", n);
	for (unsigned i = 0; i < n; i++) {
		int r = worker_start(w, i, err);
		if (r < 0) {
			nx_workers_free(w);
			return r;
		}
	}
	*ret = w;
	return 0;
}

struct nx_workers *nx_workers_new_sim(void)
{
	return pool_alloc(1, true);
}

void nx_workers_free(struct nx_workers *w)
{
	if (!w)
		return;
	nx_assert(current.pool != w);
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	for (unsigned i = 0; i < w->nstarted; i++)
		pthread_cond_signal(&w->workers[i].wake);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->nstarted; i++) {
		int r = pthread_join(w->workers[i].thread, NULL);
		nx_assert(r == 0);
	}
	for (unsigned i = 0; i < w->nstarted; i++)
		(void)pthread_cond_destroy(&w->workers[i].wake);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}
