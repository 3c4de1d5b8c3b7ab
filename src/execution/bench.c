/*
 * What isolation costs: the same program bare, in bubblewrap with everything unshared, and in our sandbox, one after the
 * other in the same run. Ours is measured where bubblewrap is: from asking for a sandbox until every process in it is dead
 * and its usage was read; scanning and recording, which bubblewrap has not, are measured by `nexus bench requests`.
 *
 * Then 16 clients at once, each with its next warm run when the last has ended, and what all these runs have left behind.
 * bench_peers.c has the others, traces.c what is counted; soak.c proves that nothing is left.
 */
#include "execution/bench_internal.h"
#include "execution/traces_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 64, RUNS_MAX = 1000, CLIENTS = 16, WARM_WAIT_MS = 3000, STILL_MS = 500 };

static const char *const kind_names[NX_BENCH_KINDS] = {
	[NX_BENCH_BARE] = "bare",  [NX_BENCH_BWRAP] = "bubblewrap", [NX_BENCH_DOCKER] = "docker",
	[NX_BENCH_COLD] = "nexus", [NX_BENCH_BOX] = "nexus_ready",  [NX_BENCH_WARM] = "nexus_warm",
};

static const struct nx_bench_program programs[] = {
	{"true", {"/usr/bin/true", NULL}, NX_READY_BOX, "code/main.sh", 1},
	{"python", {"/usr/bin/python3", "-s", "-B", "/code/main.py", NULL}, NX_READY_FORKED, "code/main.py", 1},
	{"node", {"/usr/bin/node", "/code/main.js", NULL}, NX_READY_STARTED, "code/main.js", 8},
};
enum { PYTHON = 1 };

struct bench {
	int sock;
	uint64_t number;
	unsigned rounds, runs;
	bool has[NX_BENCH_KINDS];
	bool last_was_warm;
	double p50[NX_BENCH_KINDS][ROUNDS_MAX]; /* milliseconds */
	struct nx_execution_peers peers;
	yyjson_mut_doc *d;
	yyjson_mut_val *o, *goals;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[nx_min((size_t)(q * (double)n), n - 1)];
}

/* ---- one run of ours ---- */

static void fill_start(const struct nx_bench_program *p, uint64_t number, union nx_spawn_msg *m)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONPATH=/work"};
	size_t used = 0, env_used = 0;
	nx_spawn_init(m, NX_SPAWN_START, number);
	for (m->start.argc = 0; p->argv[m->start.argc]; m->start.argc++)
		(void)nx_spawn_append(m->start.args, &used, p->argv[m->start.argc]);
	for (m->start.envc = 0; m->start.envc < nx_countof(env); m->start.envc++)
		(void)nx_spawn_append(m->start.env, &env_used, env[m->start.envc]);
}

static int send_prepare(struct bench *b, const struct nx_bench_program *p, enum nx_ready ready, uint64_t number)
{
	union nx_spawn_msg m, start;
	fill_start(p, number, &start);
	nx_spawn_init(&m, NX_SPAWN_PREPARE, number);
	m.prepare = (struct nx_spawn_prepare){.head = m.head,
					      .memory_bytes = INT64_C(512) << 20,
					      .cpu_percent = 100,
					      .max_processes = 64,
					      .box_bytes = INT64_C(64) << 20,
					      .box_inodes = 16384,
					      .file_bytes = INT64_C(64) << 20,
					      .cpu_us = 30 * NX_USEC_PER_SEC,
					      .wall_us = 30 * NX_USEC_PER_SEC,
					      .command = nx_spawn_command_key(&start.start),
					      .ready = (uint8_t)ready};
	return nx_spawn_send(b->sock, &m, NULL, 0);
}

/* An empty program in the box, as the server would write it; then the word to start. */
static int send_start(struct bench *b, const struct nx_bench_program *p, uint64_t number, const int *fds)
{
	union nx_spawn_msg m;
	nx_auto_fd int file = openat(fds[0], p->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0)
		return -errno;
	if (fchmod(file, 0644) < 0)
		return -errno;
	fill_start(p, number, &m);
	return nx_spawn_send(b->sock, &m, NULL, 0);
}

/* The next message; a guest that is prepared is started at once. */
static int receive(struct bench *b, const struct nx_bench_program *p, union nx_spawn_msg *m, struct nx_error **err)
{
	int fds[NX_SPAWN_FDS_MAX];
	size_t nfds;
	int n = nx_spawn_recv(b->sock, m, fds, &nfds);
	bool ok = n > 0 && !nx_spawn_check(m, (size_t)n, false);
	if (ok && m->head.type == NX_SPAWN_PREPARED)
		ok = nfds == 4 && send_start(b, p, m->head.run, fds) == 0;
	while (nfds > 0)
		(void)close(fds[--nfds]);
	if (!ok || (m->head.type != NX_SPAWN_PREPARED && m->head.type != NX_SPAWN_EXITED))
		return nx_error_set(err, NX_ESANDBOX, "the spawner did not answer as expected");
	if (m->head.type == NX_SPAWN_EXITED && (m->exited.end != NX_SPAWN_END_EXIT || m->exited.wait_status != 0))
		return nx_error_set(err, NX_ESANDBOX, "%s ended with %d, %s", p->name, m->exited.wait_status,
				    m->exited.stage);
	return 0;
}

static int run_ours(struct bench *b, const struct nx_bench_program *p, enum nx_ready ready, struct nx_error **err)
{
	union nx_spawn_msg m;
	if (send_prepare(b, p, ready, ++b->number) < 0)
		return nx_error_set(err, NX_ESANDBOX, "the spawner is gone");
	do
		if (receive(b, p, &m, err) < 0)
			return nx_error_code(*err);
	while (m.head.type != NX_SPAWN_EXITED);
	b->last_was_warm = m.exited.ready == ready;
	return 0;
}

static int run_kind(struct bench *b, int kind, const struct nx_bench_program *p, struct nx_error **err)
{
	if (kind == NX_BENCH_COLD)
		return run_ours(b, p, NX_READY_NOTHING, err);
	if (kind == NX_BENCH_BOX) /* the interpreter starts in a sandbox that was made ahead */
		return run_ours(b, p, NX_READY_BOX, err);
	if (kind == NX_BENCH_WARM)
		return run_ours(b, p, p->ready, err);
	return nx_bench_peer(kind, &b->peers, p, err);
}

/* ---- one after the other ---- */

/* False: this host has no pool, and the warm row stays out. */
static int try_warm(struct bench *b, const struct nx_bench_program *p, struct nx_error **err)
{
	b->last_was_warm = false;
	for (int i = 0; i < WARM_WAIT_MS / 20 && !b->last_was_warm; i++) {
		if (run_ours(b, p, p->ready, err) < 0)
			return nx_error_code(*err);
		(void)usleep(20000);
	}
	b->has[NX_BENCH_WARM] = b->last_was_warm;
	b->has[NX_BENCH_BOX] = b->last_was_warm && p->ready != NX_READY_BOX;
	return 0;
}

static int measure_round(struct bench *b, const struct nx_bench_program *p, unsigned round, struct nx_error **err)
{
	static double ms[NX_BENCH_KINDS][RUNS_MAX];
	unsigned cold = 0, runs = nx_max(b->runs / p->part, 1U);
	for (unsigned i = 0; i < runs; i++)
		for (int kind = 0; kind < NX_BENCH_KINDS; kind++) {
			if (!b->has[kind])
				continue;
			int64_t t = nx_time_mono_us();
			if (run_kind(b, kind, p, err) < 0)
				return nx_error_code(*err);
			ms[kind][i] = (double)(nx_time_mono_us() - t) / 1000;
			cold += kind == NX_BENCH_WARM && !b->last_was_warm;
		}
	for (int kind = 0; kind < NX_BENCH_KINDS; kind++)
		b->p50[kind][round] = b->has[kind] ? quantile(ms[kind], runs, 0.5) : 0;
	if (cold)
		fprintf(stderr, "  %u of %u runs of %s found nothing made ahead\n", cold, runs, p->name);
	return 0;
}

/* What the sandbox aims at, and whether it was seen. Told at the end. */
static void judge(struct bench *b, const char *program, const char *name, double seen)
{
	static const struct {
		const char *program, *name, *words;
		double goal;
		bool is_least;
	} goals[] = {
		{"true", "nexus_to_bubblewrap", "true, cold, to bubblewrap", 0.6, false},
		{"python", "nexus_above_bare", "python, cold, above bare, ms", 2.5, false},
		{"python", "ready_above_bare", "python, cold, sandbox made ahead", 2.5, false},
		{"python", "warm_to_bare", "python, warm, to bare", 0.5, false},
		{"true", "warm_to_bubblewrap", "true, made ahead, to bubblewrap", 0.6, false},
		{"python", "docker_to_warm", "docker to python, warm", 20, true},
		{"clients_16", "runs_per_s", "16 clients, warm runs a second", 250, true},
		{"clients_16", "p99_ms", "16 clients, p99, ms", 150, false},
	};
	for (size_t i = 0; i < nx_countof(goals); i++) {
		if (strcmp(goals[i].program, program) != 0 || strcmp(goals[i].name, name) != 0)
			continue;
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(b->d, b->goals);
		nx_json_add_strz(b->d, v, "what", goals[i].words);
		nx_json_add_strz(b->d, v, "must_be", goals[i].is_least ? "at least" : "at most");
		yyjson_mut_obj_add_real(b->d, v, "goal", goals[i].goal);
		yyjson_mut_obj_add_real(b->d, v, "seen", seen);
		yyjson_mut_obj_add_bool(b->d, v, "met",
					goals[i].is_least ? seen >= goals[i].goal : seen <= goals[i].goal);
	}
}

static void tell_goals(const struct bench *b)
{
	yyjson_mut_val *v;
	size_t i, n;
	fprintf(stderr, "%-34s %9s %18s\n", "goals", "seen", "");
	yyjson_mut_arr_foreach(b->goals, i, n, v)
		fprintf(stderr, "  %-32s %9.3f   %-8s %7.1f   %s\n", yyjson_mut_get_str(yyjson_mut_obj_get(v, "what")),
			yyjson_mut_get_real(yyjson_mut_obj_get(v, "seen")),
			yyjson_mut_get_str(yyjson_mut_obj_get(v, "must_be")),
			yyjson_mut_get_real(yyjson_mut_obj_get(v, "goal")),
			yyjson_mut_get_bool(yyjson_mut_obj_get(v, "met")) ? "met" : "MISSED");
}

/* Returns the middle. */
static double add_row(struct bench *b, yyjson_mut_val *o, const char *name, double *v)
{
	double mid = quantile(v, b->rounds, 0.5); /* sorts */
	yyjson_mut_val *row = yyjson_mut_obj_add_obj(b->d, o, name);
	yyjson_mut_obj_add_real(b->d, row, "min", v[0]);
	yyjson_mut_obj_add_real(b->d, row, "median", mid);
	yyjson_mut_obj_add_real(b->d, row, "max", v[b->rounds - 1]);
	fprintf(stderr, "  %-28s %8.3f %8.3f %8.3f\n", name, v[0], mid, v[b->rounds - 1]);
	return mid;
}

static void add_ratio(struct bench *b, yyjson_mut_val *o, const char *program, const char *name, int of, int to,
		      bool is_difference)
{
	double v[ROUNDS_MAX];
	if (!b->has[of] || !b->has[to])
		return;
	for (unsigned i = 0; i < b->rounds; i++)
		v[i] = is_difference ? b->p50[of][i] - b->p50[to][i] : b->p50[of][i] / b->p50[to][i];
	judge(b, program, name, add_row(b, o, name, v));
}

static void tell(struct bench *b, const struct nx_bench_program *p)
{
	fprintf(stderr, "%-30s %8s %8s %8s   (p50 of a round, ms)\n", p->name, "min", "median", "max");
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(b->d, b->o, p->name);
	add_ratio(b, v, p->name, "nexus_to_bubblewrap", NX_BENCH_COLD, NX_BENCH_BWRAP, false);
	add_ratio(b, v, p->name, "nexus_above_bare", NX_BENCH_COLD, NX_BENCH_BARE, true);
	add_ratio(b, v, p->name, "ready_above_bare", NX_BENCH_BOX, NX_BENCH_BARE, true);
	add_ratio(b, v, p->name, "warm_to_bubblewrap", NX_BENCH_WARM, NX_BENCH_BWRAP, false);
	add_ratio(b, v, p->name, "warm_to_bare", NX_BENCH_WARM, NX_BENCH_BARE, false);
	add_ratio(b, v, p->name, "docker_to_nexus", NX_BENCH_DOCKER, NX_BENCH_COLD, false);
	add_ratio(b, v, p->name, "docker_to_warm", NX_BENCH_DOCKER, NX_BENCH_WARM, false);
	for (int kind = 0; kind < NX_BENCH_KINDS; kind++)
		if (b->has[kind])
			(void)add_row(b, v, kind_names[kind], b->p50[kind]);
}

static int measure(struct bench *b, const struct nx_bench_program *p, struct nx_error **err)
{
	for (int kind = 0; kind < NX_BENCH_KINDS; kind++)
		b->has[kind] = nx_bench_has(kind, &b->peers, p);
	if (try_warm(b, p, err) < 0)
		return nx_error_code(*err);
	for (unsigned round = 0; round < b->rounds; round++)
		if (measure_round(b, p, round, err) < 0)
			return nx_error_code(*err);
	tell(b, p);
	return 0;
}

/* ---- many at once ---- */

/* As in the server, what runs at once is bounded (sandbox.max_running); the rest waits, and its time counts. */
struct crowd {
	int64_t begun_us[CLIENTS];
	uint64_t number[CLIENTS]; /* 0: waits */
	unsigned queue[CLIENTS], first, nqueue;
	double *ms;
	unsigned done, asked, total, warm, running, slots;
};

static int pump(struct bench *b, const struct nx_bench_program *p, struct crowd *c)
{
	for (; c->nqueue && c->running < c->slots; c->nqueue--, c->running++) {
		unsigned client = c->queue[c->first++ % CLIENTS];
		c->number[client] = ++b->number;
		int r = send_prepare(b, p, p->ready, b->number);
		if (r < 0)
			return r;
	}
	return 0;
}

static int ask_next(struct bench *b, const struct nx_bench_program *p, struct crowd *c, unsigned client)
{
	if (c->asked < c->total) {
		c->asked++;
		c->number[client] = 0;
		c->begun_us[client] = nx_time_mono_us();
		c->queue[(c->first + c->nqueue++) % CLIENTS] = client;
	}
	return pump(b, p, c);
}

static int serve_crowd(struct bench *b, const struct nx_bench_program *p, struct crowd *c, struct nx_error **err)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (ask_next(b, p, c, i) < 0)
			return nx_error_set(err, NX_ESANDBOX, "the spawner is gone");
	while (c->done < c->total) {
		union nx_spawn_msg m;
		unsigned i = 0;
		if (receive(b, p, &m, err) < 0)
			return nx_error_code(*err);
		if (m.head.type != NX_SPAWN_EXITED)
			continue;
		while (i < CLIENTS - 1 && c->number[i] != m.head.run)
			i++;
		c->ms[c->done++] = (double)(nx_time_mono_us() - c->begun_us[i]) / 1000;
		c->warm += m.exited.ready == p->ready;
		c->running--;
		if (ask_next(b, p, c, i) < 0)
			return nx_error_set(err, NX_ESANDBOX, "the spawner is gone");
	}
	return 0;
}

static int measure_crowd(struct bench *b, const struct nx_bench_program *p, unsigned total, struct nx_arena *a,
			 struct nx_error **err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct crowd c = {.slots = cores > 0 && cores * 2 < CLIENTS ? (unsigned)cores * 2 : CLIENTS,
			  .total = nx_max(total, (unsigned)CLIENTS),
			  .ms = nx_arena_array(a, double, total + CLIENTS)};
	if (!c.ms)
		return nx_error_set(err, NX_ENOMEM, "no memory for a benchmark");
	int64_t t = nx_time_mono_us();
	if (serve_crowd(b, p, &c, err) < 0)
		return nx_error_code(*err);
	double s = (double)(nx_time_mono_us() - t) / NX_USEC_PER_SEC;
	double per_s = (double)c.total / s, p50 = quantile(c.ms, c.done, 0.5), p99 = quantile(c.ms, c.done, 0.99);
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(b->d, b->o, "clients_16");
	yyjson_mut_obj_add_uint(b->d, v, "runs", c.total);
	yyjson_mut_obj_add_uint(b->d, v, "warm", c.warm);
	yyjson_mut_obj_add_real(b->d, v, "runs_per_s", per_s);
	yyjson_mut_obj_add_real(b->d, v, "p50_ms", p50);
	yyjson_mut_obj_add_real(b->d, v, "p99_ms", p99);
	fprintf(stderr, "16 clients, %u runs of %s, %u warm: %.0f/s, p50 %.1f ms, p99 %.1f ms\n", c.total, p->name,
		c.warm, per_s, p50, p99);
	return 0;
}

/* ---- what is left ---- */

static void tell_leaks(struct bench *b, const struct nx_traces *before, const struct nx_traces *after)
{
	const struct {
		const char *name;
		int64_t before, after;
	} rows[] = {
		{"processes", before->processes, after->processes},
		{"cgroups", before->cgroups, after->cgroups},
		{"mounts", before->mounts, after->mounts},
		{"descriptors", before->spawner_fds, after->spawner_fds},
		{"spawner_kib", before->spawner_kib, after->spawner_kib},
	};
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(b->d, b->o, "left_behind");
	yyjson_mut_obj_add_uint(b->d, v, "runs", b->number);
	fprintf(stderr, "%-30s %8s %8s   (of the spawner, %llu runs)\n", "left behind", "before", "after",
		(unsigned long long)b->number);
	for (size_t i = 0; i < nx_countof(rows); i++) {
		yyjson_mut_val *row = yyjson_mut_obj_add_obj(b->d, v, rows[i].name);
		yyjson_mut_obj_add_int(b->d, row, "before", rows[i].before);
		yyjson_mut_obj_add_int(b->d, row, "after", rows[i].after);
		fprintf(stderr, "  %-28s %8lld %8lld\n", rows[i].name, (long long)rows[i].before,
			(long long)rows[i].after);
	}
}

static int run_all(struct bench *b, pid_t spawner, struct nx_arena *a, struct nx_error **err)
{
	struct nx_traces before, after;
	const struct nx_bench_program *python = &programs[PYTHON];
	for (size_t i = 0; i < nx_countof(programs); i++)
		if (access(programs[i].argv[0], X_OK) == 0 && measure(b, &programs[i], err) < 0)
			return nx_error_wrap(err, "bench %s", programs[i].name);
	if (measure_crowd(b, python, b->runs * 2, a, err) < 0) /* as many sets and zygotes as there will ever be */
		return nx_error_wrap(err, "bench 16 clients");
	nx_traces_settle(spawner, NULL, STILL_MS, &before);
	yyjson_mut_obj_remove_key(b->o, "clients_16");
	if (measure_crowd(b, python, b->runs * b->rounds * 5, a, err) < 0)
		return nx_error_wrap(err, "bench 16 clients");
	nx_traces_settle(spawner, NULL, STILL_MS, &after);
	tell_leaks(b, &before, &after);
	yyjson_mut_val *crowd = yyjson_mut_obj_get(b->o, "clients_16");
	judge(b, "clients_16", "runs_per_s", yyjson_mut_get_real(yyjson_mut_obj_get(crowd, "runs_per_s")));
	judge(b, "clients_16", "p99_ms", yyjson_mut_get_real(yyjson_mut_obj_get(crowd, "p99_ms")));
	tell_goals(b);
	return 0;
}

int nx_execution_bench(struct nx_spawner *sp, const struct nx_execution_peers *peers, unsigned rounds, unsigned runs,
		       struct nx_arena *a, nx_str *ret_json, struct nx_error **err)
{
	struct nx_spawn_hello hello;
	struct bench *b = nx_arena_new_of(a, struct bench);
	if (!b || !(b->d = nx_json_new(a)))
		return nx_error_set(err, NX_ENOMEM, "no memory for a benchmark");
	if (rounds < 1 || rounds > ROUNDS_MAX || runs < 1 || runs > RUNS_MAX)
		return nx_error_set(err, NX_EINVAL, "rounds must be 1 to %d and runs 1 to %d", ROUNDS_MAX, RUNS_MAX);
	if (!nx_spawner_hello(sp, &hello) || !hello.features.usable)
		return nx_error_set(err, NX_ESANDBOX, "this host cannot isolate a program: %s", hello.refusal);
	b->o = yyjson_mut_obj(b->d);
	b->sock = nx_spawner_socket(sp);
	b->peers = *peers;
	b->rounds = rounds;
	b->runs = runs;
	nx_json_add_strz(b->d, b->o, "bench", "sandbox");
	yyjson_mut_obj_add_uint(b->d, b->o, "rounds", rounds);
	yyjson_mut_obj_add_uint(b->d, b->o, "runs_per_round", runs);
	b->goals = yyjson_mut_obj_add_arr(b->d, b->o, "goals");
	if (run_all(b, nx_spawner_pid(sp), a, err) < 0)
		return nx_error_code(*err);
	return nx_json_write(a, b->o, false, ret_json, err);
}
