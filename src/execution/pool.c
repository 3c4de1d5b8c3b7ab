#include "execution/pool_internal.h"

#include "base/clock.h"
#include "base/macros.h"

#include <string.h>

#define FAILURES_MAX 3 /* in a row; then nothing of this kind is made until the pool has been empty */
#define STARTED_MAX 2  /* of 40 MB each with Node */
#define GIB (INT64_C(1) << 30)
#define DYING_MS 50 /* between looks at guests that were told to end */

struct nx_spawn_prepare nx_pool_lenient(const struct nx_spawn_prepare *p)
{
	struct nx_spawn_prepare l = *p;
	l.file_bytes = 1024 * GIB;
	l.max_processes = 4096;
	l.memory_bytes = 1024 * 1024 * GIB;
	l.cpu_us = INT64_C(36000000000000);
	return l;
}

/* What an interpreter used to start is its run's where no cgroup counts from the run's beginning: none is started ahead. */
void nx_pool_use(struct nx_pool *p, const struct nx_spawn_prepare *prepare)
{
	p->used_us = nx_time_mono_us();
	p->is_emptied = false;
	if (!p->size || !prepare || prepare->ready == NX_READY_NOTHING)
		return;
	bool is_metered = prepare->ready != NX_READY_STARTED || p->cgroups->mode != NX_CGROUP_NONE;
	enum nx_ready kind = is_metered ? (enum nx_ready)prepare->ready : NX_READY_BOX;
	p->is_wanted[kind] = true;
	p->limits[kind] = *prepare;
	p->has_work = true;
}

void nx_pool_learn(struct nx_pool *p, enum nx_ready kind, const struct nx_spawn_start *start)
{
	if (p->commands[kind] || !p->size)
		return;
	p->commands[kind] = nx_spawn_command_key(start);
	p->starts[kind] = *start;
	p->has_work = true;
}

/* ---- zygotes ---- */

static bool is_seated_by_set(const struct nx_pool *p)
{
	return p->cgroups->mode == NX_CGROUP_V1;
}

struct nx_zygote *nx_pool_zygote(struct nx_pool *p, struct nx_cgroup *c, uint64_t command)
{
	struct nx_zygote *z = is_seated_by_set(p) ? (c ? c->zygote : NULL) : p->zygote;
	return z && z->state == NX_ZYGOTE_READY && command == p->commands[NX_READY_FORKED] ? z : NULL;
}

void nx_pool_drop_zygote(struct nx_pool *p, struct nx_cgroup *c)
{
	struct nx_zygote **z = is_seated_by_set(p) && c ? &c->zygote : &p->zygote;
	nx_zygote_free(nx_steal(*z));
	p->has_work = true;
}

void nx_pool_count_fork(struct nx_pool *p, struct nx_cgroup *c)
{
	struct nx_zygote *z = nx_pool_zygote(p, c, p->commands[NX_READY_FORKED]);
	if (z && ++z->forks >= p->forks_max)
		nx_pool_drop_zygote(p, c);
}

bool nx_pool_is_starting(const struct nx_pool *p)
{
	return p->starting || (p->zygote && p->zygote->state == NX_ZYGOTE_STARTING);
}

static void fail(struct nx_pool *p)
{
	if (++p->failures[NX_READY_FORKED] >= FAILURES_MAX)
		p->is_wanted[NX_READY_FORKED] = false;
}

/* A zygote that has started is put into its set, which is free again then. */
static void finish_start(struct nx_pool *p)
{
	struct nx_fault_at fault = {0};
	struct nx_cgroup *c = p->starting;
	struct nx_zygote *z = c ? c->zygote : p->zygote;
	nx_zygote_poll(z);
	if (z->state == NX_ZYGOTE_STARTING)
		return;
	if (z->state == NX_ZYGOTE_DEAD || (c && nx_cgroup_seat(p->cgroups, c, z->keeper.pid, &fault) < 0)) {
		nx_pool_drop_zygote(p, c);
		fail(p);
	}
	if (c)
		nx_cgroup_give(p->cgroups, nx_steal(p->starting));
}

static void start_zygote(struct nx_pool *p)
{
	struct nx_fault_at fault = {0};
	struct nx_cgroup *c = NULL;
	if (is_seated_by_set(p) && !(c = nx_cgroup_take(p->cgroups, false, &fault))) {
		fail(p);
		return;
	}
	bool has_net = c && c->keeper && nx_guest_env.host->netns;
	struct nx_zygote *z = nx_zygote_start(&p->starts[NX_READY_FORKED], has_net ? c->keeper->pid : 0, &fault);
	if (c)
		c->zygote = z;
	else
		p->zygote = z;
	if (z)
		p->starting = c;
	else if (c)
		nx_cgroup_give(p->cgroups, c);
	if (!z)
		fail(p);
}

static bool has_free_zygote(const struct nx_pool *p)
{
	if (!is_seated_by_set(p))
		return p->zygote != NULL;
	for (unsigned i = 0; i < p->cgroups->nsets; i++)
		if (!p->cgroups->sets[i].busy && p->cgroups->sets[i].zygote)
			return true;
	return false;
}

/* ---- what to do ---- */

static bool is_short(const struct nx_pool *p, enum nx_ready kind)
{
	unsigned size = kind == NX_READY_STARTED ? nx_min(p->size, (unsigned)STARTED_MAX) : p->size;
	return p->is_wanted[kind] && p->failures[kind] < FAILURES_MAX && p->waiting[kind] < size;
}

enum nx_ready nx_pool_next(struct nx_pool *p)
{
	if (nx_pool_is_starting(p))
		finish_start(p);
	if (is_short(p, NX_READY_BOX))
		return NX_READY_BOX;
	if (is_short(p, NX_READY_STARTED) && p->commands[NX_READY_STARTED])
		return NX_READY_STARTED;
	if (!is_short(p, NX_READY_FORKED) || !p->commands[NX_READY_FORKED] || nx_pool_is_starting(p))
		return NX_READY_NOTHING;
	if (has_free_zygote(p))
		return NX_READY_FORKED;
	start_zygote(p);
	return NX_READY_NOTHING;
}

static bool holds_zygotes(const struct nx_pool *p)
{
	for (unsigned i = 0; i < p->cgroups->nsets; i++)
		if (p->cgroups->sets[i].zygote)
			return true;
	return p->zygote != NULL;
}

int nx_pool_timeout(const struct nx_pool *p)
{
	bool holds = holds_zygotes(p) || nx_cgroups_spare(p->cgroups);
	if (!holds && !p->waiting[NX_READY_BOX] && !p->waiting[NX_READY_STARTED] && !p->waiting[NX_READY_FORKED])
		return -1;
	if (p->is_emptied && !holds)
		return DYING_MS;
	int64_t left = p->used_us + p->idle_us - nx_time_mono_us();
	return left <= 0 ? 0 : (int)nx_min(left / 1000 + 1, (int64_t)86400000);
}

void nx_pool_empty(struct nx_pool *p)
{
	if (p->starting)
		nx_cgroup_give(p->cgroups, nx_steal(p->starting));
	for (unsigned i = 0; i < p->cgroups->nsets; i++)
		nx_zygote_free(nx_steal(p->cgroups->sets[i].zygote));
	nx_zygote_free(nx_steal(p->zygote));
	nx_cgroups_trim(p->cgroups);
	p->is_emptied = true;
	for (int k = 0; k < NX_READY_MAX; k++) {
		p->is_wanted[k] = false;
		p->failures[k] = 0;
	}
	memset(p->commands, 0, sizeof(p->commands));
	p->has_work = false;
}
