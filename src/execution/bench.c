/*
 * What isolation costs: the same program bare, in bubblewrap with everything unshared, and in our sandbox, one after the
 * other in the same run. Ours is measured where bubblewrap is: from asking for a sandbox until every process in it is dead
 * and its usage was read; scanning and recording, which bubblewrap has not, are measured by `nexus bench requests`.
 */
#include "execution/execution_internal.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { BARE, BWRAP, OURS, KINDS };
enum { ROUNDS_MAX = 64, RUNS_MAX = 1000 };

static const char *const kind_names[KINDS] = {"bare", "bubblewrap", "nexus"};

struct program {
	const char *name;
	const char *argv[6];
};
static const struct program programs[] = {
	{"true", {"/usr/bin/true", NULL}},
	{"python", {"/usr/bin/python3", "-c", "pass", NULL}},
};

struct sample {
	double p50[KINDS][ROUNDS_MAX]; /* milliseconds */
	bool has_bwrap;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double middle(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static int spawn_and_wait(const char *const *argv, struct nx_error **err)
{
	pid_t pid;
	int status;
	char *empty[] = {NULL};
	int r = posix_spawn(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, empty);
	if (r != 0)
		return nx_error_set_errno(err, r, "start %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return nx_error_set_errno(err, errno, "wait for %s", argv[0]);
	return status == 0 ? 0 : nx_error_set(err, NX_ESANDBOX, "%s ended with status %d", argv[0], status);
}

static int run_bwrap(const struct program *p, struct nx_error **err)
{
	const char *argv[32] = {
		"/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr",
		"/usr",           "--symlink",     "usr/bin",           "/bin",          "--symlink", "usr/lib",
		"/lib",           "--symlink",     "usr/lib64",         "/lib64",        "--proc",    "/proc",
		"--dev",          "/dev",          "--tmpfs",           "/work",         "--chdir",   "/work"};
	size_t n = 24;
	for (size_t i = 0; p->argv[i]; i++)
		argv[n++] = p->argv[i];
	return spawn_and_wait(argv, err);
}

static int expect(int sock, enum nx_spawn_type type, union nx_spawn_msg *m, struct nx_error **err)
{
	int fds[NX_SPAWN_FDS_MAX];
	size_t nfds;
	int n = nx_spawn_recv(sock, m, fds, &nfds);
	while (nfds > 0)
		(void)close(fds[--nfds]);
	if (n <= 0 || nx_spawn_check(m, (size_t)n, false) || m->head.type != type)
		return nx_error_set(err, NX_ESANDBOX, "the spawner did not answer as expected");
	return 0;
}

static int run_ours(int sock, uint64_t number, const struct program *p, struct nx_error **err)
{
	union nx_spawn_msg m;
	size_t used = 0;
	nx_spawn_init(&m, NX_SPAWN_PREPARE, number);
	m.prepare = (struct nx_spawn_prepare){.head = m.head,
					      .memory_bytes = INT64_C(512) << 20,
					      .cpu_percent = 100,
					      .max_processes = 64,
					      .box_bytes = INT64_C(64) << 20,
					      .box_inodes = 16384,
					      .file_bytes = INT64_C(64) << 20,
					      .cpu_us = 30 * NX_USEC_PER_SEC,
					      .wall_us = 30 * NX_USEC_PER_SEC};
	if (nx_spawn_send(sock, &m, NULL, 0) < 0 || expect(sock, NX_SPAWN_PREPARED, &m, err) < 0)
		return nx_error_code(*err);
	nx_spawn_init(&m, NX_SPAWN_START, number);
	for (m.start.argc = 0; p->argv[m.start.argc]; m.start.argc++)
		(void)nx_spawn_append(m.start.args, &used, p->argv[m.start.argc]);
	if (nx_spawn_send(sock, &m, NULL, 0) < 0 || expect(sock, NX_SPAWN_EXITED, &m, err) < 0)
		return nx_error_code(*err);
	if (m.exited.end != NX_SPAWN_END_EXIT || m.exited.wait_status != 0)
		return nx_error_set(err, NX_ESANDBOX, "%s ended with %d, %s", p->name, m.exited.wait_status,
				    m.exited.stage);
	return 0;
}

static int run_kind(int kind, int sock, uint64_t number, const struct program *p, struct nx_error **err)
{
	if (kind == BARE)
		return spawn_and_wait(p->argv, err);
	return kind == BWRAP ? run_bwrap(p, err) : run_ours(sock, number, p, err);
}

static int measure(int sock, const struct program *p, unsigned rounds, unsigned runs, struct sample *s,
		   struct nx_error **err)
{
	static uint64_t number;
	double ms[KINDS][RUNS_MAX];
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < runs; i++)
			for (int kind = 0; kind < KINDS; kind++) {
				if (kind == BWRAP && !s->has_bwrap)
					continue;
				int64_t t = nx_time_mono_us();
				if (run_kind(kind, sock, ++number, p, err) < 0)
					return nx_error_code(*err);
				ms[kind][i] = (double)(nx_time_mono_us() - t) / 1000;
			}
		for (int kind = 0; kind < KINDS; kind++)
			s->p50[kind][round] = middle(ms[kind], runs);
	}
	return 0;
}

static void add_row(yyjson_mut_doc *d, yyjson_mut_val *o, const char *name, double *v, unsigned n)
{
	double mid = middle(v, n); /* sorts */
	yyjson_mut_val *row = yyjson_mut_obj_add_obj(d, o, name);
	yyjson_mut_obj_add_real(d, row, "min", v[0]);
	yyjson_mut_obj_add_real(d, row, "median", mid);
	yyjson_mut_obj_add_real(d, row, "max", v[n - 1]);
	fprintf(stderr, "  %-28s %8.3f %8.3f %8.3f\n", name, v[0], mid, v[n - 1]);
}

static void tell(yyjson_mut_doc *d, yyjson_mut_val *o, const struct program *p, struct sample *s, unsigned rounds)
{
	double to_bwrap[ROUNDS_MAX], over_bare[ROUNDS_MAX];
	for (unsigned i = 0; i < rounds; i++) {
		to_bwrap[i] = s->has_bwrap ? s->p50[OURS][i] / s->p50[BWRAP][i] : 0;
		over_bare[i] = s->p50[OURS][i] - s->p50[BARE][i];
	}
	fprintf(stderr, "%-30s %8s %8s %8s   (p50 of a round, ms)\n", p->name, "min", "median", "max");
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, p->name);
	for (int kind = 0; kind < KINDS; kind++)
		if (kind != BWRAP || s->has_bwrap)
			add_row(d, v, kind_names[kind], s->p50[kind], rounds);
	if (s->has_bwrap)
		add_row(d, v, "nexus_to_bubblewrap", to_bwrap, rounds);
	add_row(d, v, "nexus_above_bare", over_bare, rounds);
}

int nx_execution_bench(struct nx_spawner *sp, unsigned rounds, unsigned runs, struct nx_arena *a, nx_str *ret_json,
		       struct nx_error **err)
{
	struct nx_spawn_hello hello;
	yyjson_mut_doc *d = nx_json_new(a);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for a benchmark");
	if (rounds < 1 || rounds > ROUNDS_MAX || runs < 1 || runs > RUNS_MAX)
		return nx_error_set(err, NX_EINVAL, "rounds must be 1 to %d and runs 1 to %d", ROUNDS_MAX, RUNS_MAX);
	if (!nx_spawner_hello(sp, &hello) || !hello.features.usable)
		return nx_error_set(err, NX_ESANDBOX, "this host cannot isolate a program: %s", hello.refusal);
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_strz(d, o, "bench", "sandbox");
	yyjson_mut_obj_add_uint(d, o, "rounds", rounds);
	yyjson_mut_obj_add_uint(d, o, "runs_per_round", runs);
	for (size_t i = 0; i < nx_countof(programs); i++) {
		struct sample s = {.has_bwrap = access("/usr/bin/bwrap", X_OK) == 0};
		if (measure(nx_spawner_socket(sp), &programs[i], rounds, runs, &s, err) < 0)
			return nx_error_wrap(err, "bench %s", programs[i].name);
		tell(d, o, &programs[i], &s, rounds);
	}
	return nx_json_write(a, o, false, ret_json, err);
}
