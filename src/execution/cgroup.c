/* Sets of cgroups: made, limited, read, given back. */
#include "execution/cgroup_internal.h"

#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SETTLED_BYTES (8 << 20)
/* The kernel's defaults, and most of what it takes: sched(7), cgroup-v2.rst. */
enum { SHARES = 1024, SHARES_IN_HURRY = 65536, WEIGHT = 100, WEIGHT_IN_HURRY = 6400 };
#define PERIOD_US 1000000 /* of the CPU quota: long, so that a short program is not slowed */

static void close_dirs(struct nx_cgroup *c)
{
	for (int i = 0; i < NX_CG_MAX; i++) {
		if (c->dir[i] >= 0)
			(void)close(c->dir[i]);
		c->dir[i] = -1;
	}
}

static void destroy(struct nx_cgroups *g, struct nx_cgroup *c)
{
	nx_zygote_free(nx_steal(c->zygote));
	nx_keeper_free(nx_steal(c->keeper));
	close_dirs(c);
	for (int i = 0; i < NX_CG_MAX; i++)
		if (g->parent[i] >= 0 && c->name[0])
			nx_cg_remove(g->parent[i], c->name);
	c->name[0] = '\0';
}

static int make_dirs(struct nx_cgroups *g, struct nx_cgroup *c, struct nx_fault_at *ret)
{
	struct nx_cgroup_name name = g->self;
	name.n = c->n;
	nx_cgroup_name_format(&name, c->name, sizeof(c->name));
	int last = g->mode == NX_CGROUP_V2 ? 1 : NX_CG_MAX;
	for (int i = 0; i < last; i++) {
		if (!g->has[i])
			continue;
		if (NX_FAULT(sandbox_cgroup))
			return nx_fault_at_set(ret, "make a cgroup", ENOSPC);
		if (mkdirat(g->parent[i], c->name, 0755) < 0)
			return nx_fault_at_set(ret, "make a cgroup", errno);
		c->dir[i] = openat(g->parent[i], c->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (c->dir[i] < 0)
			return nx_fault_at_set(ret, "open a cgroup", errno);
	}
	return 0;
}

int nx_cgroup_seat(struct nx_cgroups *g, struct nx_cgroup *c, pid_t pid, struct nx_fault_at *ret)
{
	for (int i = 0; i < NX_CG_MAX; i++) {
		if (!g->has[i])
			continue;
		int r = NX_FAULT(sandbox_seat) ? -EIO : nx_cg_write_int(c->dir[i], "cgroup.procs", pid);
		if (r < 0)
			return nx_fault_at_set(ret, "enter a cgroup", -r);
	}
	return 0;
}

static int seat_keeper(struct nx_cgroups *g, struct nx_cgroup *c, struct nx_fault_at *ret)
{
	c->keeper = nx_keeper_new(ret);
	if (!c->keeper || nx_cgroup_seat(g, c, c->keeper->pid, ret) < 0)
		return -1;
	if (g->has[NX_CG_CPU])
		(void)nx_cg_write_int(c->dir[NX_CG_CPU], "cpu.cfs_period_us", PERIOD_US);
	return 0;
}

static int create(struct nx_cgroups *g, struct nx_cgroup *c, struct nx_fault_at *ret)
{
	c->memory_set = c->pids_set = c->cpu_set = 0;
	c->hurries = false;
	c->broken = false;
	for (int i = 0; i < NX_CG_MAX; i++)
		c->dir[i] = -1;
	int r = make_dirs(g, c, ret);
	if (r == 0 && g->mode == NX_CGROUP_V1)
		r = seat_keeper(g, c, ret);
	if (r < 0)
		destroy(g, c);
	return r;
}

static struct nx_cgroup *grow(struct nx_cgroups *g, struct nx_fault_at *ret)
{
	if (!g->sets) {
		g->sets = calloc(g->max, sizeof(*g->sets)); /* once, so that addresses hold */
		if (!g->sets) {
			nx_fault_at_set(ret, "memory for cgroups", ENOMEM);
			return NULL;
		}
	}
	if (g->nsets == g->max) {
		nx_fault_at_set(ret, "take a cgroup", EMFILE);
		return NULL;
	}
	struct nx_cgroup *c = &g->sets[g->nsets];
	c->n = g->nsets++;
	return c;
}

void nx_cgroup_totals(enum nx_cgroup_mode mode, const int dir[NX_CG_MAX], struct nx_cgroup_usage *ret)
{
	char text[2048];
	*ret = (struct nx_cgroup_usage){.cpu_us = -1, .peak_bytes = -1};
	bool v2 = mode == NX_CGROUP_V2;
	int memory = dir[v2 ? 0 : NX_CG_MEMORY], pids = dir[v2 ? 0 : NX_CG_PIDS];
	if (memory >= 0) {
		ret->peak_bytes = nx_cg_read_int(memory, v2 ? "memory.peak" : "memory.max_usage_in_bytes");
		if (nx_cg_read(memory, v2 ? "memory.events" : "memory.oom_control", text, sizeof(text)) == 0)
			ret->oom_kills = nx_max(nx_cgroup_parse_key(text, "oom_kill"), 0);
	}
	if (pids >= 0 && nx_cg_read(pids, "pids.events", text, sizeof(text)) == 0)
		ret->refused = nx_max(nx_cgroup_parse_key(text, "max"), 0);
	int cpu = dir[v2 ? 0 : NX_CG_CPU];
	if (cpu >= 0 && nx_cg_read(cpu, "cpu.stat", text, sizeof(text)) == 0) {
		ret->throttled = nx_max(nx_cgroup_parse_key(text, "nr_throttled"), 0);
		ret->cpu_us = v2 ? nx_cgroup_parse_key(text, "usage_usec") : -1;
	}
	if (!v2 && dir[NX_CG_CPUACCT] >= 0) {
		int64_t ns = nx_cg_read_int(dir[NX_CG_CPUACCT], "cpuacct.usage");
		ret->cpu_us = ns < 0 ? -1 : ns / 1000;
	}
}

static void read_totals(const struct nx_cgroups *g, const struct nx_cgroup *c, struct nx_cgroup_usage *ret)
{
	nx_cgroup_totals(g->mode, c->dir, ret);
}

void nx_cgroup_rebase(struct nx_cgroups *g, struct nx_cgroup *c)
{
	c->peak_base = 0;
	if (g->mode == NX_CGROUP_V1 && c->dir[NX_CG_MEMORY] >= 0) {
		(void)nx_cg_write_int(c->dir[NX_CG_MEMORY], "memory.max_usage_in_bytes", 0);
		c->peak_base = nx_max(nx_cg_read_int(c->dir[NX_CG_MEMORY], "memory.usage_in_bytes"), 0);
	}
	struct nx_cgroup_usage u;
	read_totals(g, c, &u);
	c->cpu_base_us = u.cpu_us;
	c->oom_base = u.oom_kills;
	c->refused_base = u.refused;
	c->throttled_base = u.throttled;
}

/* What a run leaves charged to its set goes with its box, which lives until its artifacts are collected; until then the
 * set is not for the next run, whose limit might lie below that. */
static bool is_settled(struct nx_cgroups *g, const struct nx_cgroup *c)
{
	if (g->mode != NX_CGROUP_V1 || !c->name[0] || c->dir[NX_CG_MEMORY] < 0)
		return true;
	if (nx_cg_read_int(c->dir[NX_CG_MEMORY], "memory.usage_in_bytes") < SETTLED_BYTES)
		return true;
	char text[4096]; /* the page cache of files of the system may stay: it gives way */
	return nx_cg_read(c->dir[NX_CG_MEMORY], "memory.stat", text, sizeof(text)) < 0 ||
	       nx_cgroup_parse_key(text, "shmem") < SETTLED_BYTES;
}

struct nx_cgroup *nx_cgroup_take(struct nx_cgroups *g, bool with_zygote, struct nx_fault_at *ret)
{
	if (g->mode == NX_CGROUP_NONE)
		return NULL;
	struct nx_cgroup *c = NULL;
	for (unsigned i = 0; i < g->nsets; i++) {
		struct nx_cgroup *s = &g->sets[i];
		bool fits = c == NULL || (c->zygote != NULL) != with_zygote;
		if (!s->busy && fits && (!c || (s->zygote != NULL) == with_zygote) && is_settled(g, s))
			c = s;
	}
	if (!c && !(c = grow(g, ret)))
		return NULL;
	if (!c->name[0] && create(g, c, ret) < 0)
		return NULL;
	c->busy = true;
	nx_cgroup_rebase(g, c);
	return c;
}

/* The kernel rounds to pages, and refuses silently in no known case; a value that differs by more was not taken. */
static int write_checked(int dir, const char *file, int64_t v, struct nx_fault_at *ret)
{
	int r = nx_cg_write_int(dir, file, v);
	if (r < 0)
		return nx_fault_at_set(ret, file, -r);
	int64_t got = nx_cg_read_int(dir, file);
	return got > v || got < v - 65536 ? nx_fault_at_set(ret, file, ERANGE) : 0;
}

/* With memsw at the limit of memory there is no swap; it may never be the lower of the two, hence the order. */
static int limit_memory_v1(int dir, int64_t bytes, int64_t before, struct nx_fault_at *ret)
{
	bool has_memsw = faccessat(dir, "memory.memsw.limit_in_bytes", W_OK, 0) == 0;
	bool is_raise = before == 0 || bytes > before;
	if (has_memsw && before && is_raise && write_checked(dir, "memory.memsw.limit_in_bytes", bytes, ret) < 0)
		return -1;
	if (write_checked(dir, "memory.limit_in_bytes", bytes, ret) < 0)
		return -1;
	if (has_memsw && !(before && is_raise))
		return write_checked(dir, "memory.memsw.limit_in_bytes", bytes, ret);
	return 0;
}

static int limit_memory(struct nx_cgroups *g, struct nx_cgroup *c, int64_t bytes, struct nx_fault_at *ret)
{
	if (!g->has[NX_CG_MEMORY] || c->memory_set == bytes)
		return 0;
	if (g->mode == NX_CGROUP_V1) {
		if (limit_memory_v1(c->dir[NX_CG_MEMORY], bytes, c->memory_set, ret) < 0)
			return -1;
	} else {
		if (write_checked(c->dir[0], "memory.max", bytes, ret) < 0)
			return -1;
		(void)nx_cg_write(c->dir[0], "memory.swap.max", "0"); /* absent where the kernel has no swap */
		(void)nx_cg_write(c->dir[0], "memory.oom.group", "1");
	}
	c->memory_set = bytes;
	return 0;
}

static int limit_cpu(struct nx_cgroups *g, struct nx_cgroup *c, int64_t percent, struct nx_fault_at *ret)
{
	if (!g->has[NX_CG_CPU] || c->cpu_set == percent)
		return 0;
	int64_t quota = percent * (PERIOD_US / 100);
	if (g->mode == NX_CGROUP_V1) {
		if (write_checked(c->dir[NX_CG_CPU], "cpu.cfs_quota_us", quota, ret) < 0)
			return -1;
	} else {
		char text[64], got[64];
		int n = snprintf(text, sizeof(text), "%lld %d", (long long)quota, PERIOD_US);
		int r = nx_cg_write(c->dir[0], "cpu.max", text);
		if (r == 0)
			r = nx_cg_read(c->dir[0], "cpu.max", got, sizeof(got));
		if (r < 0)
			return nx_fault_at_set(ret, "cpu.max", -r);
		if (strncmp(got, text, (size_t)n) != 0)
			return nx_fault_at_set(ret, "cpu.max", ERANGE);
	}
	c->cpu_set = percent;
	return 0;
}

/* What dies needs the processor for it, also on a busy host. */
static void hurry(struct nx_cgroups *g, struct nx_cgroup *c, bool on)
{
	if (!g->has[NX_CG_CPU] || c->hurries == on)
		return;
	if (g->mode == NX_CGROUP_V1)
		(void)nx_cg_write_int(c->dir[NX_CG_CPU], "cpu.shares", on ? SHARES_IN_HURRY : SHARES);
	else
		(void)nx_cg_write_int(c->dir[0], "cpu.weight", on ? WEIGHT_IN_HURRY : WEIGHT);
	c->hurries = on;
}

int nx_cgroup_limit(struct nx_cgroups *g, struct nx_cgroup *c, const struct nx_spawn_prepare *p,
		    struct nx_fault_at *ret)
{
	/* The reaper, and those that share the set. */
	int64_t pids = p->max_processes + 1 + (c->keeper != NULL) + (c->zygote != NULL);
	int dir = c->dir[g->mode == NX_CGROUP_V2 ? 0 : NX_CG_PIDS];
	if (NX_FAULT(sandbox_limit))
		return nx_fault_at_set(ret, "limit a cgroup", EIO);
	if (g->has[NX_CG_PIDS] && c->pids_set != pids) {
		if (write_checked(dir, "pids.max", pids, ret) < 0)
			return -1;
		c->pids_set = pids;
	}
	hurry(g, c, false);
	if (limit_memory(g, c, p->memory_bytes, ret) < 0)
		return -1;
	return limit_cpu(g, c, p->cpu_percent, ret);
}

void nx_cgroup_kill(struct nx_cgroups *g, struct nx_cgroup *c)
{
	hurry(g, c, true);
	nx_cgroup_lift(g, c);
	if (g->mode == NX_CGROUP_V2)
		(void)nx_cg_write(c->dir[0], "cgroup.kill", "1");
}

void nx_cgroup_lift(struct nx_cgroups *g, struct nx_cgroup *c)
{
	if (c->cpu_set && g->mode == NX_CGROUP_V1)
		(void)nx_cg_write_int(c->dir[NX_CG_CPU], "cpu.cfs_quota_us", -1);
	if (c->cpu_set && g->mode == NX_CGROUP_V2)
		(void)nx_cg_write(c->dir[0], "cpu.max", "max");
	c->cpu_set = 0;
}

void nx_cgroup_usage(struct nx_cgroups *g, struct nx_cgroup *c, struct nx_cgroup_usage *ret)
{
	read_totals(g, c, ret);
	if (ret->cpu_us >= 0)
		ret->cpu_us -= c->cpu_base_us;
	if (ret->peak_bytes >= 0)
		ret->peak_bytes = nx_max(ret->peak_bytes - c->peak_base, (int64_t)0);
	ret->oom_kills -= c->oom_base;
	ret->refused -= c->refused_base;
	ret->throttled -= c->throttled_base;
}

/* v2 sets are not used again: memory.peak cannot be reset before Linux 6.12, and making one costs nothing there. */
void nx_cgroup_give(struct nx_cgroups *g, struct nx_cgroup *c)
{
	if (!c)
		return;
	c->busy = false;
	if (g->mode == NX_CGROUP_V2 || c->broken)
		destroy(g, c);
}

struct nx_cgroup *nx_cgroups_spare(const struct nx_cgroups *g)
{
	for (unsigned i = g->nsets; i-- > 1;)
		if (!g->sets[i].busy && g->sets[i].name[0])
			return &g->sets[i];
	return NULL;
}

void nx_cgroups_trim(struct nx_cgroups *g)
{
	struct nx_cgroup *c = nx_cgroups_spare(g);
	if (c)
		destroy(g, c);
	while (g->nsets > 1 && !g->sets[g->nsets - 1].busy && !g->sets[g->nsets - 1].name[0])
		g->nsets--;
}

void nx_cgroups_close(struct nx_cgroups *g)
{
	for (unsigned i = 0; i < g->nsets; i++)
		destroy(g, &g->sets[i]);
	for (int c = 0; c < NX_CG_MAX; c++)
		if (g->parent[c] >= 0)
			(void)close(g->parent[c]);
	free(g->sets);
	*g = (struct nx_cgroups){0};
}
