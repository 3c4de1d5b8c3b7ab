#include "base/loop_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/thread_internal.h"

#include <stdio.h>
#include <string.h>

/* Messages run before sockets and timers get their turn again. */
#define MAX_BATCH 256

#define DELAY_BITS 40
#define DELAY_MASK ((UINT64_C(1) << DELAY_BITS) - 1)
#define DELAY_WINDOW 10 /* seconds */

/* An address that no other living thread has. */
static uintptr_t nx_loop_self(void)
{
	static _Thread_local char self;
	return (uintptr_t)&self;
}

static void queue_init(struct nx_msg_queue *q)
{
	/* relaxed: nobody else knows the queue yet; whatever hands the loop over publishes it. */
	atomic_store_explicit(&q->stub.next, NULL, memory_order_relaxed);
	atomic_store_explicit(&q->head, &q->stub, memory_order_relaxed);
	q->tail = &q->stub;
}

static void queue_push(struct nx_msg_queue *q, struct nx_msg *m)
{
	/* relaxed: m is ours until the release below. */
	atomic_store_explicit(&m->next, NULL, memory_order_relaxed);
	/* acq_rel: acquire, so that our link lands after the previous producer's clearing of the same field; release, so
	 * that the next producer sees ours. */
	struct nx_msg *prev = atomic_exchange_explicit(&q->head, m, memory_order_acq_rel);
	/* release: makes the message's contents visible to the consumer, which acquires `next`. */
	atomic_store_explicit(&prev->next, m, memory_order_release);
}

/* NULL also while a producer stands between its exchange and its link; it wakes the loop when it is through. */
static struct nx_msg *queue_pop(struct nx_msg_queue *q)
{
	struct nx_msg *m = q->tail;
	/* acquire, here and below: pairs with the release in queue_push. */
	struct nx_msg *next = atomic_load_explicit(&m->next, memory_order_acquire);
	if (m == &q->stub) {
		if (!next)
			return NULL;
		q->tail = m = next;
		next = atomic_load_explicit(&m->next, memory_order_acquire);
	}
	if (!next) {
		/* relaxed: only the address is compared; what it points to is reached through `next`. */
		if (atomic_load_explicit(&q->head, memory_order_relaxed) != m)
			return NULL;
		queue_push(q, &q->stub);
		next = atomic_load_explicit(&m->next, memory_order_acquire);
		if (!next)
			return NULL;
	}
	q->tail = next;
	return m;
}

static void delay_note(struct nx_loop *l, int64_t posted_us, int64_t now_us)
{
	uint64_t delay = (uint64_t)nx_max(now_us - posted_us, INT64_C(0)) & DELAY_MASK;
	uint64_t second = (uint64_t)(now_us / NX_USEC_PER_SEC) & (UINT64_MAX >> DELAY_BITS);
	_Atomic uint64_t *slot = &l->delays[(now_us / NX_USEC_PER_SEC) % NX_LOOP_DELAY_SLOTS];
	/* relaxed, both: the owner alone writes, and a reader needs no more than one whole word of any moment. */
	uint64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
	if (seen >> DELAY_BITS != second || (seen & DELAY_MASK) < delay)
		atomic_store_explicit(slot, second << DELAY_BITS | delay, memory_order_relaxed);
}

int64_t nx_loop_delay_us(const struct nx_loop *l)
{
	uint64_t now = (uint64_t)(nx_time_mono_us() / NX_USEC_PER_SEC) & (UINT64_MAX >> DELAY_BITS);
	uint64_t worst = 0;
	for (size_t i = 0; i < NX_LOOP_DELAY_SLOTS; i++) {
		/* relaxed: see delay_note. */
		uint64_t seen = atomic_load_explicit(&l->delays[i], memory_order_relaxed);
		if (now - (seen >> DELAY_BITS) < DELAY_WINDOW)
			worst = nx_max(worst, seen & DELAY_MASK);
	}
	return (int64_t)worst;
}

static size_t run_messages(struct nx_loop *l, size_t max)
{
	size_t n = 0;
	struct nx_msg *m;
	while (n < max && !l->stopping && (m = queue_pop(&l->queue))) {
		delay_note(l, m->posted_us, nx_time_mono_us());
		m->run(m);
		n++;
	}
	return n;
}

static void on_wake(uv_async_t *wake)
{
	struct nx_loop *l = wake->data;
	if (run_messages(l, MAX_BATCH) == MAX_BATCH)
		(void)uv_async_send(wake); /* fails only for a handle that is no uv_async_t */
}

static void on_stop(struct nx_msg *m)
{
	struct nx_loop *l = nx_container_of(m, struct nx_loop, stop_msg);
	l->stopping = true;
	if (!l->is_sim)
		uv_stop(&l->uv);
}

static void set_owner(struct nx_loop *l, uintptr_t owner)
{
	/* relaxed: a thread compares it with its own identity only, and always sees what it wrote itself. */
	atomic_store_explicit(&l->owner, owner, memory_order_relaxed);
}

static struct nx_loop *loop_alloc(const char *name, bool is_sim)
{
	struct nx_loop *l = aligned_alloc(alignof(struct nx_loop), sizeof(*l));
	if (!l)
		return NULL;
	memset(l, 0, sizeof(*l));
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	l->is_sim = is_sim;
	l->stop_msg.run = on_stop;
	atomic_flag_clear_explicit(&l->stop_posted, memory_order_relaxed); /* relaxed: not shared yet */
	queue_init(&l->queue);
	set_owner(l, nx_loop_self());
	return l;
}

static void loop_done_uv(struct nx_loop *l);

int nx_loop_new(const char *name, struct nx_loop **ret, struct nx_error **err)
{
	struct nx_loop *l = loop_alloc(name, false);
	if (!l)
		return nx_error_set(err, NX_ENOMEM, "no memory for the loop `%s`", name);
	int r = uv_loop_init(&l->uv);
	if (r < 0) {
		free(l);
		return nx_error_set_errno(err, -r, "make the loop `%s`", name);
	}
	(void)uv_timer_init(&l->uv, &l->tick); /* cannot fail */
	l->tick.data = l->wake.data = l;
	r = uv_async_init(&l->uv, &l->wake, on_wake);
	l->wake.data = l;
	if (r < 0) {
		loop_done_uv(l);
		free(l);
		return nx_error_set_errno(err, -r, "make the wake-up of the loop `%s`", name);
	}
	*ret = l;
	return 0;
}

struct nx_loop *nx_loop_new_sim(const char *name)
{
	return loop_alloc(name, true);
}

static void close_handle(uv_handle_t *h, void *ctx NX_UNUSED)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void loop_done_uv(struct nx_loop *l)
{
	uv_walk(&l->uv, close_handle, NULL);
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	int r = uv_loop_close(&l->uv);
	nx_assert(r == 0);
}

void nx_loop_free(struct nx_loop *l)
{
	if (!l)
		return;
	nx_assert(!l->has_thread);
	set_owner(l, nx_loop_self());
	nx_timers_done(l);
	if (!l->is_sim)
		loop_done_uv(l);
	free(l);
}

void nx_loop_run(struct nx_loop *l)
{
	nx_assert(!l->is_sim);
	set_owner(l, nx_loop_self());
	while (!l->stopping)
		(void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void *loop_main(void *arg)
{
	nx_loop_run(arg);
	return NULL;
}

int nx_loop_start(struct nx_loop *l, struct nx_error **err)
{
	nx_assert(!l->is_sim && !l->has_thread);
	set_owner(l, 0);
	int r = nx_thread_start(&l->thread, l->name, loop_main, l, err);
	if (r < 0) {
		set_owner(l, nx_loop_self());
		return r;
	}
	l->has_thread = true;
	return 0;
}

void nx_loop_stop(struct nx_loop *l)
{
	/* relaxed: it only elects the one that posts; the post itself orders everything. */
	if (!atomic_flag_test_and_set_explicit(&l->stop_posted, memory_order_relaxed))
		nx_loop_post(l, &l->stop_msg);
}

void nx_loop_join(struct nx_loop *l)
{
	if (!l->has_thread)
		return;
	int r = pthread_join(l->thread, NULL);
	nx_assert(r == 0);
	l->has_thread = false;
	set_owner(l, nx_loop_self());
}

void nx_loop_post(struct nx_loop *l, struct nx_msg *m)
{
	bool is_woken = !l->is_sim; /* asked first: once the message is there, who takes it may free a simulated loop */
	m->posted_us = nx_time_mono_us();
	queue_push(&l->queue, m);
	if (is_woken)
		(void)uv_async_send(&l->wake); /* fails only for a handle that is no uv_async_t */
}

bool nx_loop_step(struct nx_loop *l, int64_t *ret_next_us)
{
	nx_assert(l->is_sim);
	set_owner(l, nx_loop_self());
	size_t n = run_messages(l, SIZE_MAX);
	n += nx_timers_run(l, nx_time_mono_us());
	*ret_next_us = nx_timers_next(l);
	return n > 0;
}

bool nx_loop_is_current(const struct nx_loop *l)
{
	/* relaxed: see set_owner. */
	return atomic_load_explicit(&l->owner, memory_order_relaxed) == nx_loop_self();
}

void nx_loop_assert(const struct nx_loop *l)
{
	nx_assert(nx_loop_is_current(l));
}

struct uv_loop_s *nx_loop_uv(struct nx_loop *l)
{
	return l->is_sim ? NULL : &l->uv;
}

const char *nx_loop_name(const struct nx_loop *l)
{
	return l->name;
}
