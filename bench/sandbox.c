/*
 * What isolation costs: `true` and an empty Python program, bare, in bubblewrap and in our sandbox, alternating. And what it
 * leaves: many runs, and a count of everything before and after.
 *
 *   bench/sandbox [--rounds N] [--runs N] [--docker SOCKET --image NAME]
 *   bench/sandbox --soak N
 */
#include "bench/bench.h"

#include "base/config.h"
#include "execution/execution.h"

#include <stdio.h>

static unsigned number(int argc, char **argv, const char *name, unsigned max, unsigned otherwise)
{
	int64_t v;
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0 && nx_str_to_i64(nx_str_z(argv[i + 1]), &v) && v > 0 && v <= max)
			return (unsigned)v;
	return otherwise;
}

static const char *text(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return NULL;
}

/* A server's part that runs programs, without the rest of it. */
struct rig {
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_loop *loop;
	struct nx_execution *execution;
};

static int rig_open(struct rig *r, const struct nx_config *c, struct nx_spawner *sp, struct nx_error **err)
{
	const struct nx_store_options o = {.dir = bench_dir(), .sync = NX_SYNC_FULL, .readers = 2};
	int e = nx_store_open(&o, &r->store, err);
	if (e == 0)
		e = nx_workers_new(2, &r->workers, err);
	if (e == 0)
		e = nx_loop_new("exec", &r->loop, err);
	if (e == 0)
		e = nx_execution_new(c, r->store, sp, r->workers, r->loop, &r->execution, err);
	return e == 0 ? nx_loop_start(r->loop, err) : e;
}

static void rig_close(struct rig *r)
{
	nx_execution_free(r->execution);
	nx_workers_free(r->workers);
	nx_loop_stop(r->loop);
	nx_loop_join(r->loop);
	nx_store_close(r->store);
	nx_loop_free(r->loop);
}

static int soak(struct nx_config *c, struct nx_spawner *sp, unsigned runs, struct nx_arena *a, nx_str *ret,
		struct nx_error **err)
{
	struct rig rig = {0};
	int r = rig_open(&rig, c, sp, err);
	if (r == 0) { /* a benchmark that cannot be set up ends here, and its memory with it */
		r = nx_execution_soak(rig.execution, bench_dir(), runs, a, ret, err);
		rig_close(&rig);
	}
	return r;
}

int main(int argc, char **argv)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_config *c = NULL;
	struct nx_spawner *sp = NULL;
	const char *no_environment[] = {NULL};
	nx_str json = NX_STR_NULL;
	const struct nx_execution_peers peers = {text(argc, argv, "--docker"), text(argc, argv, "--image")};
	if (argc > 1 && strcmp(argv[1], "spawner") == 0)
		return nx_spawner_main(argc, argv);
	unsigned runs = text(argc, argv, "--soak") ? number(argc, argv, "--soak", 1000000, 10000) : 0;
	int r = nx_config_load(NULL, no_environment, &c, &err);
	if (r == 0 && runs) /* the spawner is counted when it has put everything away */
		r = nx_config_set(c, "sandbox.pool_idle", NX_STR("1s"), NX_ORIGIN_FLAG, &err);
	if (r == 0)
		r = nx_spawner_start(c, &sp, &err);
	if (r == 0 && runs)
		r = soak(c, sp, runs, a, &json, &err);
	else if (r == 0)
		r = nx_execution_bench(sp, &peers, number(argc, argv, "--rounds", 1000, 5),
				       number(argc, argv, "--runs", 1000, 40), a, &json, &err);
	if (json.p)
		printf("%.*s\n", NX_FMT(json));
	if (r < 0)
		fprintf(stderr, "bench sandbox: %s\n", nx_error_message(err));
	nx_spawner_free(sp);
	nx_config_free(c);
	return r == 0 ? 0 : 1;
}
