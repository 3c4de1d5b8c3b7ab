/* The runs of the spawner, for the parts of its program: spawner_main.c, which owns them, and spawner_watch.c. */
#ifndef NX_EXECUTION_SPAWNER_INTERNAL_H
#define NX_EXECUTION_SPAWNER_INTERNAL_H

#include "execution/pool_internal.h"
#include "execution/proxy_internal.h"

struct nx_spawner_run {
	uint64_t id;      /* 0: free */
	uint32_t age;     /* never that of an earlier run in this place */
	bool is_waiting;  /* made ahead, for nobody yet */
	bool is_lenient;  /* its limits are lowered at the start */
	enum nx_ready is; /* what had been made ahead */
	bool is_at_door;  /* NX_READY_STARTED: the interpreter waits for its program */
	uint64_t command; /* whose interpreter it holds */
	struct nx_cgroup *cgroup;
	struct nx_guest_ends ends;
	struct nx_proxy_end proxy;
	int tree;             /* its box, where that is a directory; -1 */
	int64_t next_walk_us; /* through it */
	struct nx_spawn_prepare limits;
	int64_t files_until_us;          /* waits for granted directories until then; 0: it does not */
	int64_t started_us, deadline_us; /* 0: not started */
	enum nx_spawn_end end;
	bool reported;
	struct nx_guest_status status;
	struct nx_guest_error error;
	bool has_status, has_error;
	int64_t max_rss_bytes, max_cpu_us; /* what the watchdog saw */
	int64_t second_us, second_cpu_us;  /* start of the present second of the clock, and CPU used until then */
	int crowded;                       /* ticks at the limit of processes */
	bool met_processes;
};

/* Kills it; the first reason counts. */
void nx_spawner_stop(struct nx_spawner_run *r, enum nx_spawn_end why);

/* ---- spawner_watch.c ---- */

/* Ends a run that is above a limit which nothing else holds; every tick of the loop. */
void nx_spawner_watch(struct nx_probe *p, struct nx_spawner_run *r);
/* It failed above its limit of memory, where no cgroup holds that: RLIMIT_DATA, which is higher, was met before the watchdog
 * looked. */
bool nx_spawner_failed_above(const struct nx_probe *p, const struct nx_spawner_run *r);

#endif
