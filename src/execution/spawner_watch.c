/* The watchdog: what no cgroup, and no file system of the run's own, holds. */
#include "execution/bare.h"
#include "execution/spawner_internal.h"

#include "base/clock.h"
#include "base/macros.h"

enum {
	REFUSED_MAX = 32, /* forks refused before a run that does not stop trying is ended */
	CROWDED_TICKS = 4,
	WALK_SHARE = 20 /* walks through a box take at most one part in so many of the time */
};

static void watch_cgroup(struct nx_probe *p, struct nx_spawner_run *r)
{
	struct nx_cgroup_usage u;
	nx_cgroup_usage(&p->cgroups, r->cgroup, &u);
	if (u.oom_kills > 0) /* v1 has no memory.oom.group: the rest must not go on without the victim */
		nx_spawner_stop(r, NX_SPAWN_END_MEMORY);
	else if (u.refused > REFUSED_MAX)
		nx_spawner_stop(r, NX_SPAWN_END_PROCESSES);
	else if (u.cpu_us > r->limits.cpu_us || (r->limits.cpu_kill && u.throttled > 0))
		nx_spawner_stop(r, NX_SPAWN_END_CPU);
}

/* Where no cgroup holds the share: is more used of this second than was granted? */
static bool is_over_share(struct nx_spawner_run *r, int64_t cpu_us)
{
	int64_t now = nx_time_mono_us();
	if (now - r->second_us >= 1000000) {
		r->second_us = now;
		r->second_cpu_us = cpu_us;
	}
	return cpu_us - r->second_cpu_us > r->limits.cpu_percent * 10000;
}

static bool is_held(const struct nx_probe *p, const struct nx_spawner_run *r, enum nx_controller c)
{
	return r->cgroup && p->cgroups.has[c];
}

static void watch_tree(struct nx_probe *p, struct nx_spawner_run *r)
{
	struct nx_tree_usage u;
	nx_tree_usage(p->proc_fd, r->ends.pid, r->limits.memory_bytes, &u);
	r->max_rss_bytes = nx_max(r->max_rss_bytes, u.rss_bytes);
	r->max_cpu_us = nx_max(r->max_cpu_us, u.cpu_us);
	if (!is_held(p, r, NX_CG_PIDS)) {
		bool is_full = u.tasks > r->limits.max_processes; /* with the reaper */
		r->crowded = is_full ? r->crowded + 1 : 0;
		r->met_processes |= is_full;
	}
	if (!is_held(p, r, NX_CG_MEMORY) && u.rss_bytes > r->limits.memory_bytes)
		nx_spawner_stop(r, NX_SPAWN_END_MEMORY);
	else if (r->crowded >= CROWDED_TICKS)
		nx_spawner_stop(r, NX_SPAWN_END_PROCESSES);
	else if (u.cpu_us > r->limits.cpu_us ||
		 (r->limits.cpu_kill && !is_held(p, r, NX_CG_CPU) && is_over_share(r, u.cpu_us)))
		nx_spawner_stop(r, NX_SPAWN_END_CPU);
}

static void watch_box(struct nx_spawner_run *r)
{
	struct nx_bare_usage u;
	int64_t from_us = nx_time_mono_us();
	if (r->tree < 0 || from_us < r->next_walk_us)
		return;
	nx_bare_box_measure(r->tree, r->limits.box_bytes, r->limits.box_inodes, &u);
	r->next_walk_us = from_us + WALK_SHARE * (nx_time_mono_us() - from_us);
	if (u.bytes > r->limits.box_bytes || u.inodes > r->limits.box_inodes)
		nx_spawner_stop(r, NX_SPAWN_END_DISK);
}

void nx_spawner_watch(struct nx_probe *p, struct nx_spawner_run *r)
{
	const struct nx_cgroups *g = &p->cgroups;
	bool is_whole = g->mode != NX_CGROUP_NONE && g->has[NX_CG_MEMORY] && g->has[NX_CG_PIDS] && g->has[NX_CG_CPU] &&
			(g->mode == NX_CGROUP_V2 || g->has[NX_CG_CPUACCT]);
	if (nx_time_mono_us() > r->deadline_us)
		nx_spawner_stop(r, NX_SPAWN_END_TIME);
	if (r->cgroup && r->end == NX_SPAWN_END_EXIT)
		watch_cgroup(p, r);
	if (!is_whole && r->end == NX_SPAWN_END_EXIT)
		watch_tree(p, r);
	if (r->end == NX_SPAWN_END_EXIT)
		watch_box(r);
}

bool nx_spawner_failed_above(const struct nx_probe *p, const struct nx_spawner_run *r)
{
	return !is_held(p, r, NX_CG_MEMORY) && r->has_status && r->status.wait_status &&
	       r->status.max_rss_bytes > r->limits.memory_bytes;
}
