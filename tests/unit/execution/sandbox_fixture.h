/*
 * A sandbox for tests: the real spawner, store, workers and loop, and runs that are waited for. The test program is its own
 * spawner: started as `program spawner UID`, it becomes one before main.
 */
#ifndef NX_SANDBOX_FIXTURE_H
#define NX_SANDBOX_FIXTURE_H

#include "execution/execution_internal.h"
#include "execution/sandbox_internal.h"
#include "tests/unit/nx_test.h"

struct box {
	struct nx_config *config;
	struct nx_store *store;
	struct nx_spawner *spawner;
	struct nx_workers *workers;
	struct nx_loop *loop;
	struct nx_execution *execution;
};
extern const char *box_home; /* where data directories are made; NULL: in nx_test_dir() */
/* Options as "name=value", ended by NULL, are set in the configuration. */
void box_open(struct box *b, const char *const *options);
void box_close(struct box *b);

struct trial {
	struct box *box;
	struct nx_arena *arena;
	struct nx_exec x;
	struct nx_error *err;
	bool is_done;
	uv_mutex_t lock;
	uv_cond_t came;
	_Atomic size_t streamed; /* bytes given to on_output */
};
/* Fills defaults: 100 % CPU, 256 MiB, 10 s, policy off. */
void trial_init(struct trial *t, struct box *b, const char *language, const char *code);
void trial_start(struct trial *t);
void trial_wait(struct trial *t);
void trial_run(struct trial *t); /* start and wait; fails the test on an error */
void trial_done(struct trial *t);

/* One run with defaults, for its status and output. The caller calls trial_done. */
void run_python(struct trial *t, struct box *b, const char *code);
void run_shell(struct trial *t, struct box *b, const char *code);
/* The program prints "held": C programs are those of tests/unit/execution/walls/. */
void holds_in(struct box *b, const char *language, const char *code, const char *input);
void holds_c(struct box *b, const char *name, const char *input);
const char *trial_out(const struct trial *t);
const char *trial_status(const struct trial *t);

/* Traces of sandboxes on this host: processes, cgroups. */
size_t count_processes_of(uid_t first, uid_t last);
size_t count_cgroups_of(pid_t spawner);
pid_t spawner_pid(const struct box *b);

#endif
