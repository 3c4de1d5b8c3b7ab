/*
 * Many runs, some of which make a mess, and then a proof that nothing is left of them: what traces.c counts is the same
 * before and after, with the spawner at rest both times, and its memory in the last quarter of the runs is that of the first.
 * All of it through queue, spawner, collection and record, as a client's runs go. The caller's thread starts the runs and
 * waits; `done` hands each back to it.
 */
#include "execution/execution_internal.h"
#include "execution/traces_internal.h"

#include <stdio.h>

/* Sanitizers keep what was freed, so that the spawner's memory says nothing there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_MEMORY_TOLD 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_MEMORY_TOLD 0
#endif
#endif
#ifndef IS_MEMORY_TOLD
#define IS_MEMORY_TOLD 1
#endif

enum { CLIENTS = 16, RUNS_MAX = 1000000, SAMPLES = 40, GROWTH_KIB_MAX = 128, REST_MS = 1000, LOOKS_MAX = 10 };

static const struct kind {
	const char *name, *language, *code;
	enum nx_exec_status want;
	int64_t max_time_us, max_memory_mb; /* 0: ample */
	bool is_cold, is_cancelled;         /* cancelled: as soon as it has said something */
} kinds[] = {
	{"python", "python", "print(1)", NX_EXEC_OK, 0, 0, false, false},
	{"true", "shell", "true", NX_EXEC_OK, 0, 0, false, false},
	{"cold python", "python", "print(1)", NX_EXEC_OK, 0, 0, true, false},
	{"timeout", "python", "while True: pass", NX_EXEC_TIMEOUT, 100000, 0, false, false},
	{"memory", "python", "x = []\nwhile True: x.append(b'x' * 1000000)", NX_EXEC_MEMORY_LIMIT, 0, 64, false, false},
	{"processes", "python", "import os\nwhile True: os.fork()", NX_EXEC_PROCESS_LIMIT, 0, 0, false, false},
	{"output", "python", "while True: print('x' * 1000)", NX_EXEC_OUTPUT_LIMIT, 0, 0, false, false},
	{"cancelled", "python", "import time\nprint(1, flush=True)\ntime.sleep(60)", NX_EXEC_CANCELLED, 0, 0, false,
	 true},
	{"daemons", "python",
	 "import os, time\n"
	 "for i in range(3):\n"
	 "    if os.fork() == 0:\n"
	 "        os.setsid()\n"
	 "        os.fork()\n"
	 "        time.sleep(60)\n",
	 NX_EXEC_OK, 0, 0, false, false},
	{"files", "python",
	 "import array, os, socket\n"
	 "for d in ('/tmp/d', '/dev/shm/d'):\n"
	 "    os.makedirs(d + '/e')\n"
	 "    for i in range(20): open(f'{d}/e/{i}', 'wb').write(b'x' * 10000)\n"
	 "a, b = socket.socketpair()\n"
	 "fd = array.array('i', [b.fileno()])\n"
	 "a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fd)])\n", /* a socket inside itself */
	 NX_EXEC_OK, 0, 0, false, false},
};
/* Of ten runs, the first seven are of kind 0, two of kind 1, and the last of each other kind in turn. */
enum { TRUE_KIND = 1, FIRST_MESS = 2 };

struct client {
	struct soak *s;
	const struct kind *kind;
	struct nx_exec x;
	struct nx_error *err;
};

struct soak {
	struct nx_execution *e;
	pid_t spawner;
	uv_mutex_t lock; /* over done[] and ndone */
	uv_cond_t came;
	struct client *done[CLIENTS];
	unsigned ndone;
	struct client clients[CLIENTS];
	unsigned total, asked, ended, running, warm;
	unsigned counts[nx_countof(kinds)];
	double memory[2], server[2]; /* KiB, sums of the first and the last quarter */
	unsigned samples[2];
	struct nx_error *err; /* the first; then nothing more is asked for */
};

/* ---- one run ---- */

static void on_done(struct nx_exec *x, struct nx_error *err)
{
	struct client *c = x->ctx;
	struct soak *s = c->s;
	c->err = nx_error_copy(err);
	uv_mutex_lock(&s->lock);
	s->done[s->ndone++] = c;
	uv_cond_signal(&s->came);
	uv_mutex_unlock(&s->lock);
}

static void on_output(struct nx_exec *x, int fd, nx_str bytes)
{
	struct client *c = x->ctx;
	(void)fd;
	(void)bytes;
	if (c->kind->is_cancelled)
		nx_execution_cancel(c->s->e, x->id);
}

static const struct kind *choose(unsigned n)
{
	const size_t messes = nx_countof(kinds) - FIRST_MESS;
	if (n % 10 < 7)
		return &kinds[0];
	return n % 10 < 9 ? &kinds[TRUE_KIND] : &kinds[FIRST_MESS + n / 10 % messes];
}

static int begin(struct soak *s, struct client *c, const struct kind *k)
{
	struct nx_arena *a = nx_arena_new(0);
	if (!a)
		return nx_error_set(&s->err, NX_ENOMEM, "no memory for a run");
	c->s = s;
	c->kind = k;
	c->x = (struct nx_exec){
		.arena = a,
		.tenant = NX_STORE_TENANT,
		.language = nx_str_z(k->language),
		.code = nx_str_z(k->code),
		.policy = NX_SCAN_OFF,
		.is_cold = k->is_cold,
		.constraints = {.max_cpu_percent = 100,
				.max_memory_mb = k->max_memory_mb ? k->max_memory_mb : 512,
				.max_time_us = k->max_time_us ? k->max_time_us : 30 * NX_USEC_PER_SEC},
		.on_output = on_output,
		.done = on_done,
		.ctx = c,
	};
	s->asked++;
	s->running++;
	s->counts[k - kinds]++;
	nx_execution_start(s->e, &c->x);
	return 0;
}

static struct client *wait_for_one(struct soak *s)
{
	uv_mutex_lock(&s->lock);
	while (!s->ndone)
		uv_cond_wait(&s->came, &s->lock);
	struct client *c = s->done[--s->ndone];
	uv_mutex_unlock(&s->lock);
	return c;
}

static void end(struct soak *s, struct client *c)
{
	enum nx_exec_status got = c->x.result.status;
	if (s->err) {
		nx_error_free(nx_steal(c->err));
	} else if (c->err) {
		s->err = nx_steal(c->err);
		(void)nx_error_wrap(&s->err, "run %u, %s", s->ended, c->kind->name);
	} else if (got != c->kind->want) {
		nx_error_set(&s->err, NX_ESANDBOX, "run %u, %s, ended as %s", s->ended, c->kind->name,
			     nx_exec_status_name(got));
	}
	s->warm += c->x.result.is_warm;
	nx_arena_free(nx_steal(c->x.arena));
	s->ended++;
	s->running--;
}

/* ---- many ---- */

/* Of the first and the last quarter. */
static void sample(struct soak *s)
{
	unsigned step = nx_max(s->total / SAMPLES, 1U), q = s->ended * 4 / s->total;
	if (s->ended % step != 0 || (q != 0 && q != 3))
		return;
	s->memory[q / 3] += (double)nx_traces_memory(s->spawner);
	s->server[q / 3] += (double)nx_traces_memory(getpid());
	s->samples[q / 3]++;
}

static void run_all(struct soak *s)
{
	for (size_t i = 0; i < CLIENTS && s->asked < s->total && !s->err; i++)
		(void)begin(s, &s->clients[i], choose(s->asked));
	while (s->running) {
		struct client *c = wait_for_one(s);
		end(s, c);
		sample(s);
		if (s->asked < s->total && !s->err)
			(void)begin(s, c, choose(s->asked));
	}
}

/* One of each kind: what is opened once and kept does not count. */
static void run_first(struct soak *s)
{
	for (size_t i = 0; i < nx_countof(kinds) && !s->err; i++)
		if (begin(s, &s->clients[0], &kinds[i]) == 0)
			end(s, wait_for_one(s));
	s->asked = s->ended = s->warm = 0;
	memset(s->counts, 0, sizeof(s->counts));
}

/* ---- the account ---- */

struct account {
	struct soak *s;
	yyjson_mut_doc *d;
	yyjson_mut_val *left;
	char names[256]; /* of what is left */
};

static void note_left(struct account *a, int64_t n, const char *what)
{
	size_t used = strlen(a->names);
	(void)snprintf(a->names + used, sizeof(a->names) - used, "%s%lld %s", used ? ", " : "", (long long)n, what);
}

static void put(struct account *a, const char *name, int64_t before, int64_t after)
{
	yyjson_mut_val *row = yyjson_mut_obj_add_obj(a->d, a->left, name);
	yyjson_mut_obj_add_int(a->d, row, "before", before);
	yyjson_mut_obj_add_int(a->d, row, "after", after);
	bool is_left = after > before || after < 0;
	fprintf(stderr, "  %-34s %8lld %8lld   %s\n", name, (long long)before, (long long)after, is_left ? "LEFT" : "");
	if (is_left)
		note_left(a, after - before, name);
}

static void put_memory(struct account *a, yyjson_mut_val *o, const char *name, const double *sums, bool is_judged)
{
	const unsigned *n = a->s->samples;
	double first = n[0] ? sums[0] / n[0] : 0, last = n[1] ? sums[1] / n[1] : 0;
	yyjson_mut_val *row = yyjson_mut_obj_add_obj(a->d, o, name);
	yyjson_mut_obj_add_real(a->d, row, "first_quarter", first);
	yyjson_mut_obj_add_real(a->d, row, "last_quarter", last);
	bool is_left = is_judged && last > first + GROWTH_KIB_MAX;
	fprintf(stderr, "  %-34s %8.0f %8.0f   %s\n", name, first, last, is_left ? "LEFT" : "");
	if (is_left)
		note_left(a, (int64_t)(last - first), "KiB in the spawner");
}

static void tell_runs(const struct soak *s, double seconds)
{
	fprintf(stderr, "%u runs in %.0f s, 16 at once, %u warm:", s->total, seconds, s->warm);
	for (size_t i = 0; i < nx_countof(kinds); i++)
		fprintf(stderr, "%s %u %s", i ? "," : "", s->counts[i], kinds[i].name);
	fputc('\n', stderr);
}

static int judge(struct soak *s, const struct nx_traces *before, const struct nx_traces *after, double seconds,
		 struct nx_arena *arena, nx_str *ret_json, struct nx_error **err)
{
	struct account a = {.s = s, .d = nx_json_new(arena)};
	if (!a.d)
		return nx_error_set(err, NX_ENOMEM, "no memory for a report");
	yyjson_mut_val *o = yyjson_mut_obj(a.d);
	nx_json_add_strz(a.d, o, "bench", "sandbox_soak");
	yyjson_mut_obj_add_uint(a.d, o, "runs", s->total);
	yyjson_mut_obj_add_uint(a.d, o, "warm", s->warm);
	yyjson_mut_obj_add_real(a.d, o, "seconds", seconds);
	tell_runs(s, seconds);
	fprintf(stderr, "%-36s %8s %8s\n", "at rest", "before", "after");
	a.left = yyjson_mut_obj_add_obj(a.d, o, "left_behind");
	put(&a, "processes", before->processes, after->processes);
	put(&a, "cgroups", before->cgroups, after->cgroups);
	put(&a, "mounts", before->mounts, after->mounts);
	put(&a, "spawner_descriptors", before->spawner_fds, after->spawner_fds);
	put(&a, "server_descriptors", before->server_fds, after->server_fds);
	put(&a, "files", before->files, after->files);
	fprintf(stderr, "%-36s %8s %8s\n", "KiB, mean of a quarter of the runs", "first", "last");
	put_memory(&a, o, "spawner_kib", s->memory, IS_MEMORY_TOLD);
	put_memory(&a, o, "server_kib", s->server, false); /* with the pages of its store */
	int r = nx_json_write(arena, o, false, ret_json, err);
	if (r == 0 && a.names[0])
		r = nx_error_set(err, NX_ESANDBOX, "%u runs left something: %s", s->total, a.names);
	return r;
}

static int soak(struct soak *s, const char *dir, struct nx_arena *a, nx_str *ret_json, struct nx_error **err)
{
	struct nx_traces before, after;
	int64_t still_ms = s->e->config->sandbox_pool_idle + REST_MS;
	run_first(s);
	if (!s->err)
		nx_traces_settle(s->spawner, dir, still_ms, &before);
	int64_t t = nx_time_mono_us();
	if (!s->err)
		run_all(s);
	double seconds = (double)(nx_time_mono_us() - t) / NX_USEC_PER_SEC;
	if (s->err) {
		int code = nx_error_code(s->err);
		*err = nx_steal(s->err);
		return code;
	}
	for (int i = 0; i < LOOKS_MAX; i++) { /* the kernel takes its time over the last namespaces */
		nx_traces_settle(s->spawner, dir, i ? REST_MS : still_ms, &after);
		if (after.processes <= before.processes && after.cgroups <= before.cgroups)
			break;
	}
	return judge(s, &before, &after, seconds, a, ret_json, err);
}

int nx_execution_soak(struct nx_execution *e, const char *dir, unsigned runs, struct nx_arena *a, nx_str *ret_json,
		      struct nx_error **err)
{
	struct nx_spawn_features features;
	if (runs < 1 || runs > RUNS_MAX)
		return nx_error_set(err, NX_EINVAL, "runs must be 1 to %d", RUNS_MAX);
	int r = nx_native_check_host(e, &features, err);
	if (r < 0)
		return r;
	struct soak *s = nx_arena_new_of(a, struct soak);
	if (!s || uv_mutex_init(&s->lock) < 0)
		return nx_error_set(err, NX_ENOMEM, "no memory for a soak");
	if (uv_cond_init(&s->came) < 0) {
		uv_mutex_destroy(&s->lock);
		return nx_error_set(err, NX_ENOMEM, "no memory for a soak");
	}
	s->e = e;
	s->spawner = nx_spawner_pid(e->spawner);
	s->total = runs;
	r = soak(s, dir, a, ret_json, err);
	uv_cond_destroy(&s->came);
	uv_mutex_destroy(&s->lock);
	return r;
}
