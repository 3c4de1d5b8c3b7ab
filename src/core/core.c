/* Core from the outside: made, recovered, asked, freed. Messages come in here and go to the file that serves them. */
#include "base/assert.h"
#include "core/core_internal.h"

#define HASH_BUCKETS 4096 /* a power of two */

int nx_core_new(const struct nx_core_parts *p, struct nx_core **ret, struct nx_error **err)
{
	struct nx_core *c = calloc(1, sizeof(*c));

	if (c)
		c->hash = calloc(HASH_BUCKETS, sizeof(*c->hash));
	if (!c || !c->hash) {
		free(c);
		return nx_error_set(err, NX_ENOMEM, "start core");
	}
	c->p = *p;
	c->config = p->config;
	c->loop = p->loop;
	c->nhash = HASH_BUCKETS;
	c->next_row = 1;
	*ret = c;
	return 0;
}

void nx_core_recover(struct nx_core *c, void (*done)(struct nx_error *err, void *ctx), void *ctx)
{
	nx_loop_assert(c->loop);
	nx_recovery_run(c, done, ctx);
}

void nx_core_check_stopped(struct nx_core *c)
{
	if (!c->stopping || c->running > 0 || !c->stopped)
		return;
	void (*done)(void *) = nx_steal(c->stopped);
	done(c->stopped_ctx);
}

static void stop(struct nx_msg *m)
{
	struct nx_core *c = nx_container_of(m, struct nx_core, stop_msg);

	c->stopping = true;
	for (struct nx_task *t = c->tasks; t; t = t->next)
		for (size_t i = 0; i < t->nsteps; i++)
			if (t->steps[i].state == NX_STEP_RUNNING)
				nx_step_cancel(&t->steps[i]);
	nx_core_check_stopped(c);
}

void nx_core_stop(struct nx_core *c, void (*done)(void *ctx), void *ctx)
{
	c->stopped = done;
	c->stopped_ctx = ctx;
	c->stop_msg.run = stop;
	nx_loop_post(c->loop, &c->stop_msg);
}

bool nx_core_ready(const struct nx_core *c)
{
	return atomic_load_explicit(&c->ready, memory_order_acquire);
}

int64_t nx_core_pending(const struct nx_core *c)
{
	return atomic_load_explicit(&c->pending, memory_order_relaxed);
}

/* Tasks that are still open stay in the store and are taken up at the next start. */
void nx_core_free(struct nx_core *c)
{
	if (!c)
		return;
	for (struct nx_task *t = c->tasks, *next; t; t = next) {
		next = t->next;
		nx_task_stop_timers(t);
		nx_journal_drop(t);
		for (size_t i = 0; i < t->nsteps; i++)
			nx_arena_free(t->steps[i].arena);
		nx_arena_free(t->arena);
	}
	free(c->heap);
	free(c->hash);
	free(c);
}

static void submit(struct nx_msg *m)
{
	struct nx_submit *s = nx_container_of(m, struct nx_submit, msg);
	struct nx_core *c = nx_steal(s->priv);

	nx_orchestrator_submit(c, s);
}

void nx_core_submit(struct nx_core *c, struct nx_submit *s)
{
	s->priv = c;
	s->msg.run = submit;
	nx_loop_post(c->loop, &s->msg);
}

struct leave {
	struct nx_msg msg;
	struct nx_core *core;
	struct nx_submit *submit;
};

static void leave(struct nx_msg *m)
{
	struct leave *l = nx_container_of(m, struct leave, msg);

	for (struct nx_task *t = l->core->tasks; t; t = t->next)
		if (t->submit == l->submit) {
			nx_orchestrator_answer(t, NULL);
			nx_task_release(t);
			break;
		}
	free(l);
}

void nx_core_submit_leave(struct nx_core *c, struct nx_submit *s)
{
	struct leave *l = malloc(sizeof(*l));

	if (!l)
		return; /* it waits to the end instead */
	*l = (struct leave){.msg.run = leave, .core = c, .submit = s};
	nx_loop_post(c->loop, &l->msg);
}

static void control(struct nx_msg *m)
{
	struct nx_control *k = nx_container_of(m, struct nx_control, msg);
	struct nx_core *c = nx_steal(k->priv);

	nx_control_run(c, k);
}

void nx_core_control(struct nx_core *c, struct nx_control *k)
{
	k->priv = c;
	k->msg.run = control;
	nx_loop_post(c->loop, &k->msg);
}
