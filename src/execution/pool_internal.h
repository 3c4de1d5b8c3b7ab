/*
 * What the spawner makes ahead: sandboxes that wait for any program, and those with an interpreter that has started, in
 * them or as a copy. All are filled on first use, while nobody waits for the spawner, and emptied when nothing has been
 * asked for some time: then the spawner is as it was when it had started, with one set of cgroups where it uses them again.
 * The pool decides; spawner_main.c makes and takes.
 */
#ifndef NX_EXECUTION_POOL_INTERNAL_H
#define NX_EXECUTION_POOL_INTERNAL_H

#include "execution/sandbox_internal.h"

#define NX_POOL_MAX 64

struct nx_pool {
	struct nx_cgroups *cgroups;
	unsigned size;      /* of each kind; 0: nothing is made ahead */
	unsigned forks_max; /* of a zygote: its hash seed and the layout of its memory are those of all its guests */
	int64_t idle_us, used_us;
	bool is_emptied; /* since it was last used; what waited may still be on its way out */
	bool is_wanted[NX_READY_MAX];
	unsigned waiting[NX_READY_MAX], failures[NX_READY_MAX];
	struct nx_spawn_prepare limits[NX_READY_MAX]; /* of the last run of its kind */
	uint64_t commands[NX_READY_MAX];              /* of the interpreter of each kind; 0: none yet */
	struct nx_spawn_start starts[NX_READY_MAX];
	struct nx_zygote *zygote;   /* where there are no v1 cgroups */
	struct nx_cgroup *starting; /* whose zygote is on its way; taken meanwhile */
	bool has_work;              /* worth a look when the spawner is idle */
};

/* A run has been asked for; its kind may be worth making ahead. NULL: one that is made for itself alone. */
void nx_pool_use(struct nx_pool *p, const struct nx_spawn_prepare *prepare);
/* The command line of a run that asked for an interpreter of this kind. The first is kept until the pool is emptied. */
void nx_pool_learn(struct nx_pool *p, enum nx_ready kind, const struct nx_spawn_start *start);
/* The kind to be made next, NX_READY_NOTHING when all is there or on its way. Starts zygotes itself. */
enum nx_ready nx_pool_next(struct nx_pool *p);
/* The zygote that clones into this set (NULL: no set), or NULL. */
struct nx_zygote *nx_pool_zygote(struct nx_pool *p, struct nx_cgroup *c, uint64_t command);
void nx_pool_drop_zygote(struct nx_pool *p, struct nx_cgroup *c); /* it failed, or has forked often enough */
void nx_pool_count_fork(struct nx_pool *p, struct nx_cgroup *c);  /* drops it when it has forked often enough */
bool nx_pool_is_starting(const struct nx_pool *p);
/* Milliseconds until nx_pool_empty is due; -1: nothing is held. */
int nx_pool_timeout(const struct nx_pool *p);
/* Ends the zygotes, and one set of cgroups that nobody needs a call; the guests that wait are the caller's. */
void nx_pool_empty(struct nx_pool *p);
/* What a guest may be given before its limits are known; the rest is lowered when it is taken. */
struct nx_spawn_prepare nx_pool_lenient(const struct nx_spawn_prepare *p);

#endif
