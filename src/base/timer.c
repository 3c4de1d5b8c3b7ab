/* Timers of a loop: a binary heap over (due time, order of arming), so that equal times fire first come, first served. */
#include "base/loop_internal.h"

#include "base/assert.h"
#include "base/clock.h"

/* libuv's clock stands still in suspend and ours does not: a sleep no longer than this bounds how late a timer can be. */
#define MAX_SLEEP_MS INT64_C(60000)

static bool is_before(const struct nx_timer *a, const struct nx_timer *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_put(struct nx_loop *l, size_t slot, struct nx_timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

static void heap_up(struct nx_loop *l, size_t slot)
{
	struct nx_timer *t = l->heap[slot];
	for (; slot > 1 && is_before(t, l->heap[slot / 2]); slot /= 2)
		heap_put(l, slot, l->heap[slot / 2]);
	heap_put(l, slot, t);
}

static void heap_down(struct nx_loop *l, size_t slot)
{
	struct nx_timer *t = l->heap[slot];
	for (size_t child; (child = slot * 2) <= l->ntimers; slot = child) {
		if (child < l->ntimers && is_before(l->heap[child + 1], l->heap[child]))
			child++;
		if (!is_before(l->heap[child], t))
			break;
		heap_put(l, slot, l->heap[child]);
	}
	heap_put(l, slot, t);
}

static void heap_remove(struct nx_loop *l, struct nx_timer *t)
{
	size_t slot = t->slot;
	t->slot = 0;
	struct nx_timer *last = l->heap[l->ntimers--];
	if (last == t)
		return;
	heap_put(l, slot, last);
	heap_up(l, slot);
	heap_down(l, last->slot);
}

static int heap_reserve(struct nx_loop *l, struct nx_error **err)
{
	if (l->ntimers + 1 < l->heap_cap)
		return 0;
	size_t cap = l->heap_cap ? l->heap_cap * 2 : 16;
	struct nx_timer **heap = realloc(l->heap, cap * sizeof(*heap));
	if (!heap)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu timers", cap);
	l->heap = heap;
	l->heap_cap = cap;
	return 0;
}

int64_t nx_timers_next(const struct nx_loop *l)
{
	return l->ntimers ? l->heap[1]->due_us : INT64_MAX;
}

static void on_tick(uv_timer_t *tick)
{
	struct nx_loop *l = tick->data;
	(void)nx_timers_run(l, nx_time_mono_us());
	nx_timers_arm(l);
}

void nx_timers_arm(struct nx_loop *l)
{
	if (l->is_sim)
		return;
	if (!l->ntimers) {
		(void)uv_timer_stop(&l->tick);
		return;
	}
	int64_t wait_us = nx_max(l->heap[1]->due_us - nx_time_mono_us(), INT64_C(0));
	int64_t wait_ms = nx_min(wait_us / 1000 + (wait_us % 1000 != 0), MAX_SLEEP_MS);
	/* It fails only for a handle that is closing, and this one closes with the loop. */
	int r = uv_timer_start(&l->tick, on_tick, (uint64_t)wait_ms, 0);
	nx_assert(r == 0);
}

size_t nx_timers_run(struct nx_loop *l, int64_t now_us)
{
	uint64_t limit = l->timer_order;
	size_t n = 0;
	while (l->ntimers && l->heap[1]->due_us <= now_us && l->heap[1]->order < limit) {
		struct nx_timer *t = l->heap[1];
		heap_remove(l, t);
		t->fire(t);
		n++;
	}
	return n;
}

void nx_timers_done(struct nx_loop *l)
{
	for (size_t i = 1; i <= l->ntimers; i++)
		l->heap[i]->slot = 0;
	free(nx_steal(l->heap));
	l->ntimers = l->heap_cap = 0;
}

void nx_timer_init(struct nx_timer *t, struct nx_loop *l, void (*fire)(struct nx_timer *t))
{
	*t = (struct nx_timer){.loop = l, .fire = fire};
}

int nx_timer_start(struct nx_timer *t, int64_t after_us, struct nx_error **err)
{
	struct nx_loop *l = t->loop;
	nx_loop_assert(l);
	if (!t->slot) {
		int r = heap_reserve(l, err);
		if (r < 0)
			return r;
		heap_put(l, ++l->ntimers, t);
	}
	if (nx_add_overflows(nx_time_mono_us(), nx_max(after_us, INT64_C(0)), &t->due_us))
		t->due_us = INT64_MAX - 1;
	t->order = l->timer_order++;
	heap_up(l, t->slot);
	heap_down(l, t->slot);
	nx_timers_arm(l);
	return 0;
}

void nx_timer_stop(struct nx_timer *t)
{
	if (!t->slot)
		return;
	nx_loop_assert(t->loop);
	heap_remove(t->loop, t);
	nx_timers_arm(t->loop);
}
