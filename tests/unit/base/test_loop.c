#include "base/clock.h"
#include "base/loop.h"
#include "tests/unit/nx_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND NX_USEC_PER_SEC

/* ---- messages ---- */

#define SENDERS 4
#define PER_SENDER 20000

struct numbered {
	struct nx_msg msg;
	struct tally *tally;
	int sender, number;
};

/* Written by the loop, read after the join. */
struct tally {
	struct nx_loop *loop;
	int next[SENDERS];
	int out_of_order, elsewhere;
};

struct sender {
	struct tally *tally;
	int index;
};

static void on_numbered(struct nx_msg *m)
{
	struct numbered *n = nx_container_of(m, struct numbered, msg);
	struct tally *t = n->tally;
	t->out_of_order += n->number != t->next[n->sender];
	t->elsewhere += !nx_loop_is_current(t->loop);
	t->next[n->sender] = n->number + 1;
	free(n);
}

static void *send_all(void *arg)
{
	struct sender *s = arg;
	for (int i = 0; i < PER_SENDER; i++) {
		struct numbered *n = malloc(sizeof(*n));
		if (!n)
			abort();
		*n = (struct numbered){.msg.run = on_numbered, .tally = s->tally, .sender = s->index, .number = i};
		nx_loop_post(s->tally->loop, &n->msg);
	}
	return NULL;
}

TEST(messages_of_many_threads_arrive_once_and_in_the_order_of_each_sender)
{
	struct tally t = {0};
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	ASSERT_OK(nx_loop_new("test", &t.loop, NULL));
	ASSERT_OK(nx_loop_start(t.loop, NULL));
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){&t, i};
		ASSERT_EQ(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	for (int i = 0; i < SENDERS; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	nx_loop_stop(t.loop);
	nx_loop_join(t.loop);
	for (int i = 0; i < SENDERS; i++)
		ASSERT_EQ(t.next[i], PER_SENDER);
	ASSERT_EQ(t.out_of_order, 0);
	ASSERT_EQ(t.elsewhere, 0);
	nx_loop_free(t.loop);
}

struct ping {
	struct nx_msg msg;
	struct nx_loop *there, *back;
	int hops;
};

static void on_ping(struct nx_msg *m)
{
	struct ping *p = nx_container_of(m, struct ping, msg);
	if (++p->hops == 1000) {
		nx_loop_stop(p->there);
		nx_loop_stop(p->back);
		return;
	}
	nx_loop_post(p->hops % 2 ? p->back : p->there, m);
}

TEST(a_message_may_be_sent_back_as_the_answer)
{
	struct ping p = {.msg.run = on_ping};
	ASSERT_OK(nx_loop_new("there", &p.there, NULL));
	ASSERT_OK(nx_loop_new("back", &p.back, NULL));
	nx_loop_post(p.there, &p.msg);
	ASSERT_OK(nx_loop_start(p.there, NULL));
	nx_loop_run(p.back);
	nx_loop_join(p.there);
	ASSERT_EQ(p.hops, 1000);
	nx_loop_free(p.there);
	nx_loop_free(p.back);
}

TEST(a_loop_stopped_before_it_starts_runs_what_was_posted_and_ends)
{
	struct tally t = {0};
	ASSERT_OK(nx_loop_new("test", &t.loop, NULL));
	struct sender s = {&t, 0};
	(void)send_all(&s);
	nx_loop_stop(t.loop);
	nx_loop_stop(t.loop);
	nx_loop_run(t.loop);
	ASSERT_EQ(t.next[0], PER_SENDER);
	nx_loop_free(t.loop);
}

static void note_thread_name(struct nx_msg *m NX_UNUSED)
{
	char name[16] = "";
	sigset_t blocked;
	(void)pthread_getname_np(pthread_self(), name, sizeof(name));
	(void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	if (strcmp(name, "nx-core") != 0 || !sigismember(&blocked, SIGTERM))
		abort();
}

TEST(the_thread_of_a_loop_is_named_and_takes_no_signals)
{
	struct nx_msg m = {.run = note_thread_name};
	struct nx_loop *l;
	ASSERT_OK(nx_loop_new("core", &l, NULL));
	ASSERT_OK(nx_loop_start(l, NULL));
	nx_loop_post(l, &m);
	nx_loop_stop(l);
	nx_loop_join(l);
	ASSERT_STREQ(nx_loop_name(l), "core");
	nx_loop_free(l);
}

/* ---- timers on a simulated loop ---- */

#define MAX_FIRED 64

struct log {
	struct nx_fake_clock clock;
	struct nx_loop *loop;
	int fired[MAX_FIRED], n;
};

struct alarm {
	struct nx_timer timer;
	struct log *log;
	int id;
	int64_t again_us; /* -1: once */
	int times;
};

static void on_alarm(struct nx_timer *t)
{
	struct alarm *a = nx_container_of(t, struct alarm, timer);
	if (a->log->n < MAX_FIRED)
		a->log->fired[a->log->n++] = a->id;
	a->times++;
	if (a->again_us >= 0)
		(void)nx_timer_start(t, a->again_us, NULL);
}

static void log_init(struct log *g)
{
	*g = (struct log){.n = 0};
	nx_fake_clock_install(&g->clock, 0);
	g->loop = nx_loop_new_sim("sim");
	ASSERT_NOT_NULL(g->loop);
}

static void log_done(struct log *g)
{
	nx_loop_free(g->loop);
	nx_clock_set(NULL);
}

static void alarm_init(struct alarm *a, struct log *g, int id)
{
	*a = (struct alarm){.log = g, .id = id, .again_us = -1};
	nx_timer_init(&a->timer, g->loop, on_alarm);
}

/* Moves the clock from timer to timer up to `us`. */
static void run_for(struct log *g, int64_t us)
{
	int64_t end = nx_time_mono_us() + us, next;
	for (;;) {
		while (nx_loop_step(g->loop, &next))
			;
		if (next > end)
			break;
		nx_fake_clock_advance(&g->clock, next - nx_time_mono_us());
	}
	nx_fake_clock_advance(&g->clock, end - nx_time_mono_us());
}

TEST(timers_fire_by_time_and_equal_times_in_the_order_of_their_start)
{
	static const int64_t after[] = {5, 1, 3, 1, 5, 0, 2, 1};
	static const int want[] = {5, 1, 3, 7, 6, 2, 0, 4};
	struct log g;
	struct alarm a[nx_countof(after)];
	log_init(&g);
	for (int i = 0; i < (int)nx_countof(after); i++) {
		alarm_init(&a[i], &g, i);
		ASSERT_OK(nx_timer_start(&a[i].timer, after[i] * SECOND, NULL));
	}
	run_for(&g, 10 * SECOND);
	ASSERT_EQ(g.n, nx_countof(want));
	ASSERT_MEMEQ(g.fired, want, sizeof(want));
	log_done(&g);
}

TEST(a_timer_fires_not_before_its_time)
{
	struct log g;
	struct alarm a;
	int64_t next;
	log_init(&g);
	alarm_init(&a, &g, 1);
	ASSERT_FALSE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(next, INT64_MAX);
	ASSERT_OK(nx_timer_start(&a.timer, SECOND, NULL));
	ASSERT_FALSE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(next - nx_time_mono_us(), SECOND);
	nx_fake_clock_advance(&g.clock, SECOND - 1);
	ASSERT_FALSE(nx_loop_step(g.loop, &next));
	nx_fake_clock_advance(&g.clock, 1);
	ASSERT_TRUE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(a.times, 1);
	ASSERT_EQ(next, INT64_MAX);
	log_done(&g);
}

TEST(restarting_a_timer_moves_it_and_stopping_it_twice_is_fine)
{
	struct log g;
	struct alarm a, b;
	log_init(&g);
	alarm_init(&a, &g, 1);
	alarm_init(&b, &g, 2);
	ASSERT_OK(nx_timer_start(&a.timer, SECOND, NULL));
	ASSERT_OK(nx_timer_start(&b.timer, 2 * SECOND, NULL));
	ASSERT_OK(nx_timer_start(&a.timer, 3 * SECOND, NULL));
	run_for(&g, 2 * SECOND);
	ASSERT_EQ(a.times, 0);
	ASSERT_EQ(b.times, 1);
	nx_timer_stop(&a.timer);
	nx_timer_stop(&a.timer);
	run_for(&g, 5 * SECOND);
	ASSERT_EQ(a.times, 0);
	log_done(&g);
}

TEST(a_timer_that_restarts_itself_at_once_does_not_hold_the_step)
{
	struct log g;
	struct alarm a;
	int64_t next;
	log_init(&g);
	alarm_init(&a, &g, 1);
	a.again_us = 0;
	ASSERT_OK(nx_timer_start(&a.timer, 0, NULL));
	ASSERT_TRUE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(a.times, 1);
	ASSERT_TRUE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(a.times, 2);
	nx_timer_stop(&a.timer);
	log_done(&g);
}

/* The heap against a plain search for the least. */
TEST(a_thousand_timers_started_moved_and_stopped_by_chance_fire_in_order)
{
	enum { N = 1000 };
	struct log g;
	log_init(&g);
	struct alarm *a = calloc(N, sizeof(*a));
	ASSERT_NOT_NULL(a);
	unsigned seed = 7;
	for (int i = 0; i < N; i++)
		alarm_init(&a[i], &g, i);
	for (int i = 0; i < 5 * N; i++) {
		struct alarm *x = &a[rand_r(&seed) % N];
		if (rand_r(&seed) % 3 == 0)
			nx_timer_stop(&x->timer);
		else
			ASSERT_OK(nx_timer_start(&x->timer, rand_r(&seed) % 500, NULL));
	}
	int armed = 0;
	for (int i = 0; i < N; i++)
		armed += a[i].timer.slot != 0;
	int64_t last = -1, next;
	int fired = 0;
	while ((void)nx_loop_step(g.loop, &next), next != INT64_MAX) {
		ASSERT_GT(next, last);
		for (int i = 0; i < N; i++)
			ASSERT_TRUE(a[i].timer.slot == 0 || a[i].timer.due_us >= next);
		last = next;
		nx_fake_clock_advance(&g.clock, next - nx_time_mono_us());
	}
	for (int i = 0; i < N; i++)
		fired += a[i].times;
	ASSERT_EQ(fired, armed);
	free(a);
	log_done(&g);
}

/* ---- the simulated loop ---- */

struct echo {
	struct nx_msg msg;
	struct nx_loop *loop;
	int left;
};

static void on_echo(struct nx_msg *m)
{
	struct echo *e = nx_container_of(m, struct echo, msg);
	if (--e->left > 0)
		nx_loop_post(e->loop, m);
}

TEST(a_simulated_loop_runs_messages_only_when_it_is_stepped)
{
	struct log g;
	int64_t next;
	log_init(&g);
	struct echo e = {.msg.run = on_echo, .loop = g.loop, .left = 3};
	nx_loop_post(g.loop, &e.msg);
	ASSERT_EQ(e.left, 3);
	ASSERT_TRUE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(e.left, 0);
	ASSERT_FALSE(nx_loop_step(g.loop, &next));
	ASSERT_NULL(nx_loop_uv(g.loop));
	ASSERT_TRUE(nx_loop_is_current(g.loop));
	log_done(&g);
}

TEST(the_worst_delay_is_shown_for_ten_seconds)
{
	struct log g;
	int64_t next;
	log_init(&g);
	struct echo e = {.msg.run = on_echo, .loop = g.loop, .left = 1};
	nx_loop_post(g.loop, &e.msg);
	nx_fake_clock_advance(&g.clock, 250000);
	ASSERT_TRUE(nx_loop_step(g.loop, &next));
	ASSERT_EQ(nx_loop_delay_us(g.loop), 250000);
	e.left = 1;
	nx_loop_post(g.loop, &e.msg);
	ASSERT_TRUE(nx_loop_step(g.loop, &next));
	nx_fake_clock_advance(&g.clock, 9 * SECOND);
	ASSERT_EQ(nx_loop_delay_us(g.loop), 250000);
	nx_fake_clock_advance(&g.clock, 2 * SECOND);
	ASSERT_EQ(nx_loop_delay_us(g.loop), 0);
	log_done(&g);
}

/* ---- a real loop's timers ---- */

struct stopper {
	struct nx_timer timer;
	int64_t fired_us;
};

static void on_stopper(struct nx_timer *t)
{
	nx_container_of(t, struct stopper, timer)->fired_us = nx_time_mono_us();
	nx_loop_stop(t->loop);
}

TEST(a_real_loop_fires_a_timer_after_its_time)
{
	struct stopper s = {.fired_us = 0};
	struct nx_loop *l;
	ASSERT_OK(nx_loop_new("test", &l, NULL));
	nx_timer_init(&s.timer, l, on_stopper);
	int64_t started = nx_time_mono_us();
	ASSERT_OK(nx_timer_start(&s.timer, 20 * NX_USEC_PER_MSEC, NULL));
	nx_loop_run(l);
	ASSERT_GE(s.fired_us - started, 20 * NX_USEC_PER_MSEC);
	nx_loop_free(l);
}
