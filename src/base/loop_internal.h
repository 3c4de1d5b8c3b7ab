/* What loop.c and timer.c share. */
#ifndef NX_BASE_LOOP_INTERNAL_H
#define NX_BASE_LOOP_INTERNAL_H

#include "base/loop.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <uv.h>

/* Vyukov's queue: producers exchange `head`, the consumer alone walks `tail`; `stub` keeps it from ever being empty. */
struct nx_msg_queue {
	alignas(64) struct nx_msg *_Atomic head;
	alignas(64) struct nx_msg *tail;
	struct nx_msg stub;
};

/* One second more than the window, so that the slot of the second under way never hides one that still counts. */
#define NX_LOOP_DELAY_SLOTS 11

struct nx_loop {
	struct nx_msg_queue queue;
	char name[12];
	bool is_sim, has_thread, stopping;
	pthread_t thread;
	_Atomic uintptr_t owner; /* see nx_loop_self; 0 while a thread that was started has not arrived */
	uv_loop_t uv;
	uv_async_t wake;
	uv_timer_t tick; /* due when the first timer of the heap is */

	struct nx_timer **heap; /* 1-based: heap[0] is not used */
	size_t ntimers, heap_cap;
	uint64_t timer_order;

	struct nx_msg stop_msg;
	atomic_flag stop_posted;
	_Atomic uint64_t delays[NX_LOOP_DELAY_SLOTS]; /* second << 40 | worst delay in microseconds */
};

/* Fires what is due at `now_us` and was armed before the call; returns how many. */
size_t nx_timers_run(struct nx_loop *l, int64_t now_us);
/* Monotonic time of the first timer; INT64_MAX when there is none. */
int64_t nx_timers_next(const struct nx_loop *l);
/* Sets the real loop's tick by the first timer. */
void nx_timers_arm(struct nx_loop *l);
/* Forgets every timer. */
void nx_timers_done(struct nx_loop *l);

#endif
