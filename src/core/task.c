#include "core/task.h"

#include "base/assert.h"
#include "core/core_internal.h"

const char *const nx_task_state_names[] = {"accepted", "planning",  "queued",    "running",     "waiting", "succeeded",
					   "failed",   "cancelled", "timed_out", "over_budget", NULL};
const char *const nx_step_state_names[] = {"pending", "ready",   "running",   "waiting",   "succeeded",
					   "failed",  "skipped", "cancelled", "timed_out", NULL};
const char *const nx_priority_names[] = {"low", "medium", "high", "critical", NULL};
const int64_t nx_priority_weights[] = {1, 10, 100, 1000};

#define T(s) (1u << NX_TASK_##s)
#define TASK_FINAL (T(SUCCEEDED) | T(FAILED) | T(CANCELLED) | T(TIMED_OUT) | T(OVER_BUDGET))
static const unsigned task_next[NX_TASK_STATE_MAX] = {
	[NX_TASK_ACCEPTED] = T(PLANNING) | TASK_FINAL,
	[NX_TASK_PLANNING] = T(QUEUED) | TASK_FINAL,
	[NX_TASK_QUEUED] = T(RUNNING) | T(WAITING) | TASK_FINAL,
	[NX_TASK_RUNNING] = T(WAITING) | T(QUEUED) | TASK_FINAL,
	[NX_TASK_WAITING] = T(RUNNING) | T(QUEUED) | TASK_FINAL,
};

#define S(s) (1u << NX_STEP_##s)
#define STEP_FINAL (S(SUCCEEDED) | S(FAILED) | S(SKIPPED) | S(CANCELLED) | S(TIMED_OUT))
static const unsigned step_next[NX_STEP_STATE_MAX] = {
	[NX_STEP_PENDING] = S(READY) | S(SKIPPED) | S(CANCELLED) | S(FAILED),
	[NX_STEP_READY] = S(RUNNING) | S(FAILED) | S(SKIPPED) | S(CANCELLED) | S(TIMED_OUT),
	[NX_STEP_RUNNING] = S(READY) | S(WAITING) | STEP_FINAL,
	[NX_STEP_WAITING] = S(READY) | S(RUNNING) | STEP_FINAL,
};

bool nx_task_state_final(enum nx_task_state s)
{
	return (1u << s & TASK_FINAL) != 0;
}

bool nx_step_state_final(enum nx_step_state s)
{
	return (1u << s & STEP_FINAL) != 0;
}

bool nx_task_may(enum nx_task_state from, enum nx_task_state to)
{
	return (task_next[from] & 1u << to) != 0;
}

bool nx_step_may(enum nx_step_state from, enum nx_step_state to)
{
	return (step_next[from] & 1u << to) != 0;
}

static int name_index(const char *const *names, nx_str name)
{
	for (int i = 0; names[i]; i++)
		if (nx_str_eqz(name, names[i]))
			return i;
	return -1;
}

int nx_task_state_parse(nx_str name)
{
	return name_index(nx_task_state_names, name);
}

int nx_step_state_parse(nx_str name)
{
	return name_index(nx_step_state_names, name);
}

void nx_task_set_state(struct nx_task *t, enum nx_task_state to)
{
	nx_loop_assert(t->core->loop);
	if (t->state == to)
		return;
	nx_assert(nx_task_may(t->state, to));
	t->state = to;
}

void nx_step_set_state(struct nx_step *s, enum nx_step_state to)
{
	struct nx_task *t = s->task;

	nx_loop_assert(t->core->loop);
	nx_assert(nx_step_may(s->state, to));
	if (s->state == NX_STEP_RUNNING)
		t->running--;
	if (to == NX_STEP_RUNNING)
		t->running++;
	if (nx_step_state_final(to))
		t->open--;
	s->state = to;
}

#ifndef NDEBUG
static bool depends_succeeded(const struct nx_step *s)
{
	for (size_t i = 0; i < s->ndepends; i++)
		if (s->task->steps[s->depends[i]].state != NX_STEP_SUCCEEDED)
			return false;
	return true;
}

void nx_task_check(const struct nx_task *t)
{
	size_t running = 0, open = 0;
	bool waiting = false;

	for (size_t i = 0; i < t->nsteps; i++) {
		const struct nx_step *s = &t->steps[i];
		running += s->state == NX_STEP_RUNNING;
		open += !nx_step_state_final(s->state);
		waiting |= s->state == NX_STEP_WAITING;
		if (s->state == NX_STEP_READY || s->state == NX_STEP_RUNNING)
			nx_assert(depends_succeeded(s));
	}
	nx_assert(running == t->running && open == t->open);
	if (nx_task_state_final(t->state))
		nx_assert(t->finished_us != 0 && running == 0);
	if (t->state == NX_TASK_WAITING)
		nx_assert(waiting && running == 0);
	if (t->state == NX_TASK_CANCELLED)
		nx_assert(t->cancel_us != 0);
}
#else
void nx_task_check(const struct nx_task *t)
{
	(void)t;
}
#endif
