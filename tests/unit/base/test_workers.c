#include "base/clock.h"
#include "base/loop.h"
#include "tests/unit/nx_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

/* A gate that threads wait at until it opens. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_open;
};
#define GATE_INIT                                                          \
	{                                                                  \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false \
	}

static void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->is_open = true;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

static void gate_wait(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	while (!g->is_open)
		pthread_cond_wait(&g->cond, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static bool gate_is_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	bool is_open = g->is_open;
	pthread_mutex_unlock(&g->lock);
	return is_open;
}

struct task {
	struct nx_job job;
	struct gate begun, *hold, ended; /* hold: waits for it while it runs */
	atomic_int index, done_index;    /* worker that ran it */
};

static void task_run(struct nx_job *j)
{
	struct task *t = nx_container_of(j, struct task, job);
	t->index = nx_worker_index();
	gate_open(&t->begun);
	if (t->hold)
		gate_wait(t->hold);
}

static void task_done(struct nx_job *j)
{
	struct task *t = nx_container_of(j, struct task, job);
	t->done_index = nx_worker_index();
	gate_open(&t->ended);
}

static struct task task_of(bool is_long, struct gate *hold)
{
	return (struct task){.job = {.run = task_run, .done = task_done, .is_long = is_long},
			     .begun = GATE_INIT,
			     .ended = GATE_INIT,
			     .hold = hold};
}

TEST(short_jobs_run_while_every_other_thread_is_held_by_a_long_one)
{
	struct nx_workers *w;
	struct gate hold = GATE_INIT;
	struct task longs[3] = {task_of(true, &hold), task_of(true, &hold), task_of(true, &hold)};
	struct task quick = task_of(false, NULL);
	ASSERT_OK(nx_workers_new(3, &w, NULL));
	ASSERT_EQ(nx_workers_count(w), 3);
	for (int i = 0; i < 3; i++)
		nx_workers_post(w, &longs[i].job);
	gate_wait(&longs[0].begun);
	gate_wait(&longs[1].begun);
	nx_workers_post(w, &quick.job);
	gate_wait(&quick.ended);
	ASSERT_EQ(quick.index, 0);
	ASSERT_EQ(quick.done_index, 0);
	ASSERT_FALSE(gate_is_open(&longs[2].begun));
	gate_open(&hold);
	gate_wait(&longs[2].ended);
	for (int i = 0; i < 3; i++)
		ASSERT_NE(longs[i].index, 0);
	nx_workers_free(w);
}

TEST(one_worker_asked_for_is_two_because_one_does_no_long_job)
{
	struct nx_workers *w;
	struct task t = task_of(true, NULL);
	ASSERT_OK(nx_workers_new(1, &w, NULL));
	ASSERT_EQ(nx_workers_count(w), 2);
	nx_workers_post(w, &t.job);
	gate_wait(&t.ended);
	nx_workers_free(w);
	ASSERT_EQ(nx_worker_index(), -1);
}

TEST(two_posts_in_a_row_wake_two_threads)
{
	struct nx_workers *w;
	struct gate hold = GATE_INIT;
	struct task a = task_of(false, &hold), b = task_of(false, &hold);
	ASSERT_OK(nx_workers_new(2, &w, NULL));
	nx_workers_post(w, &a.job);
	nx_workers_post(w, &b.job);
	gate_wait(&a.begun);
	gate_wait(&b.begun);
	ASSERT_NE(a.index, b.index);
	gate_open(&hold);
	nx_workers_free(w);
}

/* ---- giving way ---- */

/* Keeps thread 0 busy until `hold` opens. Either thread may take a short job, so it is tried until the right one has. */
static void hold_thread_0(struct nx_workers *w, struct task *held, struct gate *hold)
{
	for (;;) {
		struct gate other = GATE_INIT;
		*held = task_of(false, hold);
		struct task probe = task_of(false, &other);
		nx_workers_post(w, &probe.job);
		gate_wait(&probe.begun);
		if (probe.index == 1) {
			nx_workers_post(w, &held->job);
			gate_wait(&held->begun);
		}
		gate_open(&other);
		gate_wait(&probe.ended);
		if (held->index == 0 && gate_is_open(&held->begun))
			return;
	}
}

struct yielding {
	struct nx_job job;
	struct nx_workers *w;
	struct task *quick[3];
	int ran_before_end; /* short jobs that ended while the long one was at work */
};

static void yielding_run(struct nx_job *j)
{
	struct yielding *y = nx_container_of(j, struct yielding, job);
	for (int i = 0; i < 3; i++)
		nx_workers_post(y->w, &y->quick[i]->job);
	nx_job_yield();
	for (int i = 0; i < 3; i++)
		y->ran_before_end += gate_is_open(&y->quick[i]->ended);
}

TEST(a_long_job_that_yields_lets_the_waiting_short_ones_run_first)
{
	struct nx_workers *w;
	struct gate hold = GATE_INIT;
	struct task held, quick[3] = {task_of(false, NULL), task_of(false, NULL), task_of(false, NULL)};
	ASSERT_OK(nx_workers_new(2, &w, NULL));
	struct yielding y = {
		.job = {.run = yielding_run, .is_long = true}, .w = w, .quick = {&quick[0], &quick[1], &quick[2]}};
	hold_thread_0(w, &held, &hold);
	nx_workers_post(w, &y.job);
	for (int i = 0; i < 3; i++)
		gate_wait(&quick[i].ended);
	gate_open(&hold);
	nx_workers_free(w);
	ASSERT_EQ(y.ran_before_end, 3);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(quick[i].index, 1);
}

struct nested {
	struct nx_job job;
	struct nx_workers *w;
	struct task *behind;
	bool ran_inside;
};

static void nested_run(struct nx_job *j)
{
	struct nested *n = nx_container_of(j, struct nested, job);
	nx_workers_post(n->w, &n->behind->job);
	nx_job_yield();
	n->ran_inside = gate_is_open(&n->behind->begun);
}

struct outer {
	struct nx_job job;
	struct nx_workers *w;
	struct nested *nested;
};

static void outer_run(struct nx_job *j)
{
	struct outer *o = nx_container_of(j, struct outer, job);
	nx_workers_post(o->w, &o->nested->job);
	nx_job_yield();
}

TEST(a_short_job_inside_a_yield_does_not_nest_another)
{
	struct nx_workers *w;
	struct gate hold = GATE_INIT;
	ASSERT_OK(nx_workers_new(2, &w, NULL));
	struct task held, behind = task_of(false, NULL);
	hold_thread_0(w, &held, &hold);
	struct nested n = {.job = {.run = nested_run}, .w = w, .behind = &behind};
	struct outer o = {.job = {.run = outer_run, .is_long = true}, .w = w, .nested = &n};
	nx_workers_post(w, &o.job);
	gate_wait(&behind.ended);
	gate_open(&hold);
	nx_workers_free(w);
	ASSERT_FALSE(n.ran_inside);
}

/* ---- replies ---- */

struct counted {
	struct nx_job job;
	struct counter *counter;
};

struct counter {
	struct nx_loop *loop;
	int n, of;
	bool elsewhere;
	atomic_int ran;
};

static void counted_run(struct nx_job *j)
{
	/* relaxed: read after the pool is gone */
	atomic_fetch_add_explicit(&nx_container_of(j, struct counted, job)->counter->ran, 1, memory_order_relaxed);
}

static void counted_done(struct nx_job *j)
{
	struct counter *c = nx_container_of(j, struct counted, job)->counter;
	c->elsewhere |= !nx_loop_is_current(c->loop);
	if (++c->n == c->of)
		nx_loop_stop(c->loop);
}

TEST(done_comes_on_the_loop_that_was_named)
{
	enum { N = 2000 };
	static struct counted jobs[N];
	struct nx_workers *w;
	struct counter c = {.of = N};
	ASSERT_OK(nx_loop_new("test", &c.loop, NULL));
	ASSERT_OK(nx_workers_new(4, &w, NULL));
	for (int i = 0; i < N; i++) {
		jobs[i] = (struct counted){
			.job = {.run = counted_run, .done = counted_done, .reply = c.loop, .is_long = i % 3 == 0},
			.counter = &c};
		nx_workers_post(w, &jobs[i].job);
	}
	nx_loop_run(c.loop);
	nx_workers_free(w);
	ASSERT_EQ(c.ran, N);
	ASSERT_FALSE(c.elsewhere);
	nx_loop_free(c.loop);
}

TEST(free_finishes_what_was_posted)
{
	enum { N = 500 };
	static struct counted jobs[N];
	struct nx_workers *w;
	struct counter c = {.of = N};
	ASSERT_OK(nx_workers_new(2, &w, NULL));
	for (int i = 0; i < N; i++) {
		jobs[i] = (struct counted){.job = {.run = counted_run, .is_long = i % 2 == 0}, .counter = &c};
		nx_workers_post(w, &jobs[i].job);
	}
	nx_workers_free(w);
	ASSERT_EQ(c.ran, N);
}

TEST(simulated_workers_run_a_job_when_it_is_posted_and_reply_through_the_loop)
{
	struct nx_workers *w = nx_workers_new_sim();
	struct nx_loop *l = nx_loop_new_sim("sim");
	struct task t = task_of(true, NULL);
	int64_t next;
	ASSERT_NOT_NULL(w);
	ASSERT_NOT_NULL(l);
	t.job.reply = l;
	nx_workers_post(w, &t.job);
	ASSERT_TRUE(gate_is_open(&t.begun));
	ASSERT_EQ(t.index, 0);
	ASSERT_FALSE(gate_is_open(&t.ended));
	ASSERT_TRUE(nx_loop_step(l, &next));
	ASSERT_TRUE(gate_is_open(&t.ended));
	ASSERT_EQ(t.done_index, -1);
	nx_workers_free(w);
	nx_loop_free(l);
}
