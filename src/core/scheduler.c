/*
 * The scheduler: which ready step goes next, and when it is predicted to be done.
 *
 * A step's order is fixed when it becomes ready: key = ready time − weight · 1 s, so that a critical step (weight 1000)
 * goes before anything of low priority that has waited less than about 1,000 s, and everything is reached in the end:
 * ageing without ever sorting again, because all keys age alike. A deadline pulls the key forward to the latest moment at
 * which the step must start.
 *
 * At most core.max_running steps run at once. Owner: the core loop.
 */
#include "base/assert.h"
#include "core/core_internal.h"

static bool before(const struct nx_step *a, const struct nx_step *b)
{
	return a->heap_key != b->heap_key ? a->heap_key < b->heap_key : a->task->row < b->task->row;
}

static void place(struct nx_core *c, struct nx_step *s, size_t slot)
{
	c->heap[slot] = s;
	s->heap_slot = slot;
}

static void sift_up(struct nx_core *c, size_t i)
{
	struct nx_step *s = c->heap[i];

	while (i > 1 && before(s, c->heap[i / 2])) {
		place(c, c->heap[i / 2], i);
		i /= 2;
	}
	place(c, s, i);
}

static void sift_down(struct nx_core *c, size_t i)
{
	struct nx_step *s = c->heap[i];

	for (size_t k; (k = 2 * i) <= c->nheap; i = k) {
		if (k < c->nheap && before(c->heap[k + 1], c->heap[k]))
			k++;
		if (!before(c->heap[k], s))
			break;
		place(c, c->heap[k], i);
	}
	place(c, s, i);
}

static bool heap_grow(struct nx_core *c)
{
	if (c->nheap + 1 < c->heap_cap)
		return true;
	size_t cap = c->heap_cap ? c->heap_cap * 2 : 64;
	struct nx_step **h = realloc(c->heap, cap * sizeof(*h));
	if (!h)
		return false;
	c->heap = h;
	c->heap_cap = cap;
	return true;
}

static int64_t order_key(const struct nx_step *s)
{
	const struct nx_task *t = s->task;
	int64_t key = s->queued_us - nx_priority_weights[t->request->priority] * NX_USEC_PER_SEC;

	if (t->request->deadline) {
		int64_t latest = t->request->deadline - t->analysis.estimate_wall_ms * NX_USEC_PER_MSEC;
		key = nx_min(key, latest - nx_priority_weights[NX_PRIORITY_CRITICAL] * NX_USEC_PER_SEC);
	}
	return key;
}

void nx_scheduler_add(struct nx_step *s)
{
	struct nx_core *c = s->task->core;

	nx_assert(s->state == NX_STEP_READY && s->heap_slot == 0);
	if (!heap_grow(c)) {
		nx_step_fail_now(s, NX_STEP_FAILED, NX_ENOMEM, "no memory to queue the step");
		return;
	}
	s->queued_us = nx_time_wall_us();
	s->heap_key = order_key(s);
	place(c, s, ++c->nheap);
	sift_up(c, c->nheap);
}

void nx_scheduler_remove(struct nx_step *s)
{
	struct nx_core *c = s->task->core;
	size_t i = s->heap_slot;

	if (i == 0)
		return;
	struct nx_step *last = c->heap[c->nheap--];
	s->heap_slot = 0;
	if (last == s)
		return;
	place(c, last, i);
	sift_up(c, i);
	sift_down(c, last->heap_slot);
}

static void retry_due(struct nx_timer *timer)
{
	struct nx_step *s = nx_container_of(timer, struct nx_step, timer);

	nx_scheduler_add(s);
	nx_scheduler_dispatch(s->task->core);
}

/* Ready, but not before its time. */
static void queue_or_wait(struct nx_step *s)
{
	int64_t wait = s->not_before_us - nx_time_wall_us();

	if (wait <= 0) {
		nx_scheduler_add(s);
		return;
	}
	nx_timer_init(&s->timer, s->task->core->loop, retry_due);
	if (nx_timer_start(&s->timer, wait, NULL) < 0)
		nx_scheduler_add(s);
}

static void skip(struct nx_step *s, const char *why)
{
	s->finished_us = nx_time_wall_us();
	s->why = nx_str_z(why);
	nx_step_set_state(s, NX_STEP_SKIPPED);
	nx_journal_step(s, NULL);
}

static bool wanted(struct nx_step *s)
{
	bool yes = true;
	nx_auto_error struct nx_error *err = NULL;

	for (size_t i = 0; i < s->ndepends; i++)
		if (s->task->steps[s->depends[i]].state != NX_STEP_SUCCEEDED) {
			skip(s, "skipped: a step it depends on did not succeed");
			return false;
		}
	if (s->spec->when.n > 0 && nx_refs_when(s->task, s->spec->when, &yes, &err) < 0) {
		nx_step_fail_now(s, NX_STEP_FAILED, nx_error_code(err), nx_error_message(err));
		return false;
	}
	if (!yes)
		skip(s, "skipped: its `when` is false");
	return yes;
}

static void unblock_dependants(struct nx_step *s)
{
	for (size_t i = 0; i < s->ndependants; i++)
		s->task->steps[s->dependants[i]].blocked_by--;
	s->ndependants = 0;
}

void nx_scheduler_release(struct nx_task *t)
{
	bool again = true;

	while (again) { /* a skipped step may release, that is skip, what depends on it */
		again = false;
		for (size_t i = 0; i < t->nsteps; i++) {
			struct nx_step *s = &t->steps[i];
			if (nx_step_state_final(s->state) && s->ndependants > 0) {
				unblock_dependants(s);
				again = true;
			}
			if (s->state == NX_STEP_PENDING && s->blocked_by == 0) {
				again = true;
				if (!wanted(s))
					continue;
				nx_step_set_state(s, NX_STEP_READY);
				queue_or_wait(s);
			} else if (s->state == NX_STEP_READY && s->heap_slot == 0 && s->timer.slot == 0) {
				queue_or_wait(s);
			}
		}
	}
}

void nx_scheduler_dispatch(struct nx_core *c)
{
	if (c->dispatching || c->stopping) /* a step that finishes at once comes back here */
		return;
	c->dispatching = true;
	while (c->nheap > 0 && c->running < (size_t)c->config->core_max_running) {
		struct nx_step *s = c->heap[1];
		nx_scheduler_remove(s);
		nx_step_start(s);
	}
	c->dispatching = false;
}

/* What waits before it, over the slots, at the pace its kind is estimated to have. */
void nx_scheduler_plan_times(struct nx_task *t)
{
	struct nx_core *c = t->core;
	size_t slots = (size_t)c->config->core_max_running;
	size_t ahead = c->running + c->nheap;
	int64_t delay_ms =
		ahead >= slots ? (int64_t)((ahead - slots + 1) / slots + 1) * t->analysis.estimate_wall_ms : 0;
	int64_t start = t->created_us + delay_ms * NX_USEC_PER_MSEC;
	char text[NX_TIME_TEXT];
	yyjson_mut_doc *d = nx_json_new(t->arena);

	if (!d)
		return;
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_time_format(start, text);
	nx_json_add_strz(d, o, "start", text);
	nx_time_format(start + t->analysis.estimate_wall_ms * NX_USEC_PER_MSEC, text);
	nx_json_add_strz(d, o, "estimated_completion", text);
	yyjson_mut_val *r = yyjson_mut_obj_add_obj(d, o, "resources");
	yyjson_mut_obj_add_int(d, r, "slots", (int64_t)nx_min(t->nsteps, slots));
	yyjson_mut_obj_add_int(d, r, "ahead", (int64_t)ahead);
	(void)nx_json_write(t->arena, o, false, &t->schedule_json, NULL);
}
