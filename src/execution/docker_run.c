/* One container from its making to its end. All on the loop; what waits is a call to the engine or the timer. */
#include "execution/docker_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define TICK_US (NX_USEC_PER_SEC / 2)
#define REFUSED_MAX 32  /* forks, before the run is ended */
#define CROWDED_TICKS 4 /* at the limit of processes, before the run is ended */
#define OUTPUT_SLACK (INT64_C(1) << 20)
#define KILLED_CODE 137    /* 128 and SIGKILL */
#define NOT_THERE_CODE 127 /* as shells have it */

enum phase { MAKING, RUNNING, ENDING, OVER };

struct nx_container {
	TAILQ_ENTRY(nx_container) in_all;
	struct nx_docker *d;
	struct nx_run *run; /* NULL: it has heard how it ended */
	enum phase phase;
	unsigned calls; /* on their way, of this container */
	char name[48], id[NX_DOCKER_ID_MAX], exec[NX_DOCKER_ID_MAX];
	struct nx_docker_cgroup cgroup;
	struct nx_spawn_prepare limits;
	uint64_t attached, streaming; /* calls */
	struct nx_docker_demux demux;
	struct nx_buf refusal; /* what came in the place of a stream */
	struct nx_timer timer; /* while it runs: the next look; 0 when it is to end */
	unsigned waits;        /* that are being put */
	bool is_asked_to_end, is_looking, has_code, memory_hit, processes_hit, cpu_hit, is_made;
	int exit_code, crowded;
	int64_t started_us, ended_us, cpu_base_us, cpu_us, peak_bytes, processes;
	enum nx_spawn_end end;
	int leavings; /* the archive of its work directory */
	int64_t leavings_left;
};

typedef void then_fn(struct nx_container *c, const struct nx_docker_answer *a);

/* ---- calls that belong to the container ---- */

struct step {
	struct nx_container *c;
	then_fn *then;
	void (*on_data)(struct nx_container *c, nx_str bytes);
};

static void remove_container(struct nx_container *c);

static void free_container(struct nx_container *c)
{
	nx_timer_stop(&c->timer);
	TAILQ_REMOVE(&c->d->containers, c, in_all);
	nx_buf_done(&c->refusal);
	nx_docker_cgroup_close(&c->cgroup);
	if (c->leavings >= 0)
		(void)close(c->leavings);
	free(c);
}

static void step_data(void *ctx, nx_str bytes)
{
	struct step *s = ctx;
	s->on_data(s->c, bytes);
}

static void step_end(void *ctx, const struct nx_docker_answer *a)
{
	struct step *s = ctx;
	struct nx_container *c = s->c;
	then_fn *then = s->then;
	free(s);
	c->calls--;
	then(c, a);
	if (c->calls == 0 && c->phase == OVER)
		free_container(c);
}

static void fail(struct nx_container *c, struct nx_error *err);

static uint64_t start_step(struct nx_container *c, struct nx_docker_ask *ask, then_fn *then,
			   void (*on_data)(struct nx_container *c, nx_str bytes))
{
	struct step *s = malloc(sizeof(*s));
	if (!s) {
		struct nx_error *err = NULL;
		nx_error_set(&err, NX_ENOMEM, "no memory to ask the engine");
		fail(c, err);
		return 0;
	}
	*s = (struct step){.c = c, .then = then, .on_data = on_data};
	ask->ctx = s;
	ask->then = step_end;
	ask->on_data = on_data ? step_data : NULL;
	c->calls++;
	return nx_docker_start(c->d, ask);
}

static void ask(struct nx_container *c, const char *method, const char *what, nx_str body, then_fn *then)
{
	char path[160];
	snprintf(path, sizeof(path), "/containers/%s%s", c->name, what);
	(void)start_step(c, &(struct nx_docker_ask){.method = method, .path = path, .body = body}, then, NULL);
}

static void ask_exec(struct nx_container *c, then_fn *then)
{
	char path[160];
	snprintf(path, sizeof(path), "/exec/%s/json", c->exec);
	(void)start_step(c, &(struct nx_docker_ask){.method = "GET", .path = path}, then, NULL);
}

static void nothing(struct nx_container *c, const struct nx_docker_answer *a)
{
	(void)c;
	(void)a;
}

/* ---- the end ---- */

static void on_killed(struct nx_container *c, const struct nx_docker_answer *a)
{
	if (!a->error && a->status == 409) /* it never ran, so that the engine does not remove it by itself */
		ask(c, "DELETE", "?force=1&v=1", NX_STR_NULL, nothing);
}

/* Its standard input ends with our connection, and the shell with it; the kill is for the case that it does not. */
static void remove_container(struct nx_container *c)
{
	c->phase = OVER;
	nx_timer_stop(&c->timer);
	c->calls++; /* what the cancels bring must not free it under us */
	nx_docker_cancel(c->d, c->streaming);
	nx_docker_cancel(c->d, c->attached);
	ask(c, "POST", "/kill", NX_STR_NULL, on_killed);
	c->calls--;
}

static struct nx_run *part(struct nx_container *c)
{
	struct nx_run *r = nx_steal(c->run);
	if (r)
		r->container = NULL;
	return r;
}

static void fail(struct nx_container *c, struct nx_error *err)
{
	struct nx_run *r = part(c);
	if (!r) {
		nx_error_free(err);
		return;
	}
	r->error = err;
	if (c->phase != OVER)
		remove_container(c);
	nx_run_fail(r);
}

/* True when the answer is a failure, which has been dealt with. */
static bool failed(struct nx_container *c, const struct nx_docker_answer *a, const char *what)
{
	struct nx_error *err = NULL;
	if (!c->run)
		return true;
	if (nx_docker_check(a, what, &err) == 0)
		return false;
	fail(c, err);
	return true;
}

static int wait_status(const struct nx_container *c)
{
	bool is_signal = c->exit_code > 128 && c->exit_code <= 128 + 64; /* the engine tells signals as shells do */
	return is_signal ? c->exit_code - 128 : (c->exit_code & 255) << 8;
}

static void say_exited(struct nx_container *c)
{
	struct nx_run *r = part(c);
	struct nx_spawn_exited e = {
		.end = (uint8_t)c->end,
		.memory_hit = c->memory_hit,
		.processes_hit = c->processes_hit,
		.cpu_hit = c->cpu_hit || c->end == NX_SPAWN_END_CPU,
		.wait_status = wait_status(c),
		.cpu_us = nx_max(c->cpu_us - c->cpu_base_us, (int64_t)0),
		.max_rss_bytes = c->peak_bytes,
		.wall_us = c->started_us ? c->ended_us - c->started_us : 0,
		.exec_mono_us = c->started_us,
	};
	if (c->exit_code == NOT_THERE_CODE && nx_str_starts(nx_buf_str(&r->err_out), NX_STR("nexus: /"))) {
		e.end = NX_SPAWN_END_SETUP;
		e.errnum = ENOENT;
		snprintf(e.stage, sizeof(e.stage), "exec");
	}
	r->is_made = c->is_made;
	r->leavings = nx_steal_fd(&c->leavings);
	remove_container(c);
	nx_run_on_exited(r, &e);
}

/* ---- what is left behind ---- */

static void on_leavings_bytes(struct nx_container *c, nx_str bytes)
{
	size_t n = (size_t)nx_min((int64_t)bytes.n, c->leavings_left);
	c->leavings_left -= (int64_t)n;
	if (c->leavings >= 0 && n && nx_write_all(c->leavings, nx_str_n(bytes.p, n)) < 0)
		(void)close(nx_steal_fd(&c->leavings));
}

static void on_leavings(struct nx_container *c, const struct nx_docker_answer *a)
{
	(void)a; /* a container that ended before us has nothing left */
	if (c->run)
		say_exited(c);
}

static void fetch_leavings(struct nx_container *c)
{
	char path[160];
	const struct nx_config *k = c->d->e->config;
	if (k->sandbox_max_artifact_bytes == 0 || k->sandbox_max_files == 0 || c->run->ending == NX_EXEC_CANCELLED) {
		say_exited(c);
		return;
	}
	snprintf(path, sizeof(path), "%s/artifacts/incoming", nx_store_dir(c->d->e->store));
	c->leavings = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	c->leavings_left = 2 * c->limits.box_bytes;
	snprintf(path, sizeof(path), "/containers/%s/archive?path=/work", c->name);
	struct nx_docker_ask q = {.method = "GET", .path = path, .max_bytes = (size_t)c->leavings_left};
	(void)start_step(c, &q, on_leavings, on_leavings_bytes);
}

static void on_head(struct nx_container *c, const struct nx_docker_answer *a)
{
	c->is_made = !a->error && a->status == 200;
	if (c->run)
		fetch_leavings(c);
}

static void look_for_binary(struct nx_container *c)
{
	if (c->run->language->made && c->exit_code != 0 && c->end == NX_SPAWN_END_EXIT)
		ask(c, "HEAD", "/archive?path=/tmp/program", NX_STR_NULL, on_head);
	else
		fetch_leavings(c);
}

static void on_frozen(struct nx_container *c, const struct nx_docker_answer *a)
{
	(void)a;
	if (c->run)
		look_for_binary(c);
}

/* What the program left running must not write while its files are read. */
static void freeze(struct nx_container *c)
{
	if (c->end != NX_SPAWN_END_EXIT || c->processes > NX_DOCKER_EXTRA_PROCESSES - 1)
		ask(c, "POST", "/pause", NX_STR_NULL, on_frozen);
	else
		look_for_binary(c);
}

/* ---- looking ---- */

static void keep_sample(struct nx_container *c, const struct nx_docker_stats *s)
{
	c->cpu_us = nx_max(c->cpu_us, s->cpu_us);
	c->peak_bytes = nx_max(c->peak_bytes, s->memory_bytes);
	c->peak_bytes = nx_max(c->peak_bytes, s->peak_bytes);
	c->processes = s->processes;
	c->memory_hit |= s->oom_kills > 0;
	c->cpu_hit |= s->throttled > 0;
	bool is_full = s->processes >= c->limits.max_processes + NX_DOCKER_EXTRA_PROCESSES;
	c->processes_hit |= is_full || s->refused > 0;
	c->crowded = is_full ? c->crowded + 1 : 0;
	if (s->refused > REFUSED_MAX)
		c->crowded = CROWDED_TICKS + 1;
}

static void keep_stats(struct nx_container *c, const struct nx_docker_answer *a)
{
	struct nx_docker_stats s;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	if (arena && !a->error && a->status == 200 && nx_docker_read_stats(arena, a->body, &s))
		keep_sample(c, &s);
}

#define STATS "/stats?stream=false&one-shot=true"

static void finish(struct nx_container *c);

static void end_for(struct nx_container *c, enum nx_spawn_end why)
{
	if (c->phase != RUNNING)
		return;
	c->end = why;
	finish(c);
}

/* {"ID":…,"Running":false,"ExitCode":0}: true when it has ended. */
static bool read_exec(struct nx_container *c, const struct nx_docker_answer *a)
{
	yyjson_val *v;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	if (!arena || a->error || a->status != 200 || nx_json_read(arena, a->body, NULL, &v, NULL) < 0)
		return a->status == 404; /* with its container */
	if (nx_json_bool(v, "Running", true))
		return false;
	c->exit_code = (int)nx_json_int(v, "ExitCode", KILLED_CODE);
	c->has_code = true;
	return true;
}

static void on_exec_looked(struct nx_container *c, const struct nx_docker_answer *a)
{
	c->is_looking = false;
	if (c->phase != RUNNING)
		return;
	if (read_exec(c, a))
		finish(c);
	else if (c->streaming == 0)
		(void)nx_timer_start(&c->timer, TICK_US / 10, NULL); /* it has closed its output, or is about to end */
}

static void judge_usage(struct nx_container *c)
{
	if (c->memory_hit)
		end_for(c, NX_SPAWN_END_MEMORY);
	else if (c->cpu_us - c->cpu_base_us > c->limits.cpu_us || (c->limits.cpu_kill && c->cpu_hit))
		end_for(c, NX_SPAWN_END_CPU);
	else if (c->crowded > CROWDED_TICKS)
		end_for(c, NX_SPAWN_END_PROCESSES);
}

static void on_stats(struct nx_container *c, const struct nx_docker_answer *a)
{
	keep_stats(c, a);
	judge_usage(c);
}

static void look(struct nx_container *c)
{
	struct nx_docker_stats s;
	if (c->is_looking)
		return;
	c->is_looking = true;
	if (nx_docker_cgroup_read(&c->cgroup, &s)) {
		keep_sample(c, &s);
		judge_usage(c);
	} else {
		ask(c, "GET", STATS, NX_STR_NULL, on_stats);
	}
	if (c->phase == RUNNING)
		ask_exec(c, on_exec_looked);
}

static void on_timer(struct nx_timer *t)
{
	struct nx_container *c = nx_container_of(t, struct nx_container, timer);
	if (c->is_asked_to_end && c->phase == RUNNING) {
		end_for(c, NX_SPAWN_END_KILLED);
	} else if (c->is_asked_to_end && c->phase == MAKING) {
		c->end = NX_SPAWN_END_KILLED;
		say_exited(c);
	} else if (c->phase == RUNNING) {
		(void)nx_timer_start(&c->timer, TICK_US, NULL);
		look(c);
	}
}

void nx_docker_on_oom(struct nx_docker *d, nx_str name)
{
	struct nx_container *c;
	TAILQ_FOREACH(c, &d->containers, in_all)
	if (nx_str_eqz(name, c->name))
		break;
	if (!c || c->phase == OVER)
		return;
	c->memory_hit = true;
	end_for(c, NX_SPAWN_END_MEMORY);
}

/* ---- ended ---- */

/* {"State":{"OOMKilled":true}} */
static void on_inspected(struct nx_container *c, const struct nx_docker_answer *a)
{
	yyjson_val *v;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	if (!c->run)
		return;
	if (arena && !a->error && a->status == 200 && nx_json_read(arena, a->body, NULL, &v, NULL) == 0)
		c->memory_hit |= nx_json_bool(nx_json_get(v, "State"), "OOMKilled", false);
	freeze(c);
}

static void on_last_usage(struct nx_container *c)
{
	/* The peak is the kernel's own. At the limit, and killed: nobody else did that. */
	c->memory_hit |=
		c->exit_code == KILLED_CODE && c->end == NX_SPAWN_END_EXIT && c->peak_bytes >= c->limits.memory_bytes;
	ask(c, "GET", "/json", NX_STR_NULL, on_inspected);
}

static void on_last_stats(struct nx_container *c, const struct nx_docker_answer *a)
{
	keep_stats(c, a);
	if (c->run)
		on_last_usage(c);
}

static void take_last_usage(struct nx_container *c)
{
	struct nx_docker_stats s;
	if (nx_docker_cgroup_read(&c->cgroup, &s)) {
		keep_sample(c, &s);
		on_last_usage(c);
	} else {
		ask(c, "GET", STATS, NX_STR_NULL, on_last_stats);
	}
}

static void on_last_code(struct nx_container *c, const struct nx_docker_answer *a)
{
	if (!read_exec(c, a) || !c->has_code)
		c->exit_code = KILLED_CODE;
	if (c->run)
		take_last_usage(c);
}

static void finish(struct nx_container *c)
{
	c->phase = ENDING;
	c->ended_us = nx_time_mono_us();
	nx_timer_stop(&c->timer);
	if (c->run->ending == NX_EXEC_CANCELLED)
		say_exited(c);
	else if (c->has_code)
		take_last_usage(c);
	else
		ask_exec(c, on_last_code);
}

/* ---- running ---- */

static void on_bytes(void *ctx, int fd, nx_str bytes)
{
	struct nx_container *c = ctx;
	if (c->run && (c->phase == RUNNING || c->phase == ENDING))
		nx_run_on_output(c->run, fd, bytes);
}

/* An engine that cannot start the program says so in plain text, where the stream should be. */
static void on_stream(struct nx_container *c, nx_str bytes)
{
	bool is_first = c->demux.nhead == 0 && c->demux.left == 0;
	if (nx_docker_demux_feed(&c->demux, bytes, on_bytes, c))
		return;
	if (is_first && c->refusal.n < 500)
		(void)nx_buf_adds(&c->refusal, nx_str_slice(bytes, 0, 500));
}

static void on_stream_end(struct nx_container *c, const struct nx_docker_answer *a)
{
	struct nx_error *err = NULL;
	c->streaming = 0;
	if (c->phase != RUNNING || !c->run)
		return;
	if (c->demux.failed) {
		nx_error_set(&err, NX_ESANDBOX, "the engine could not start the program: %.*s",
			     NX_FMT(nx_buf_str(&c->refusal)));
		fail(c, err);
	} else if (a->error || (a->status >= 200 && a->status <= 299)) {
		ask_exec(c, on_exec_looked);
	} else {
		(void)failed(c, a, "start the program");
	}
}

static void start_program(struct nx_container *c)
{
	char path[160];
	struct nx_error *err = NULL;
	c->cpu_base_us = c->cpu_us;
	snprintf(path, sizeof(path), "/exec/%s/start", c->exec);
	struct nx_docker_ask q = {
		.method = "POST",
		.path = path,
		.body = NX_STR("{\"Detach\":false,\"Tty\":false}"),
		.max_bytes = (size_t)(4 * c->d->e->config->sandbox_max_output_bytes + OUTPUT_SLACK),
		.timeout_us = -1,
	};
	c->phase = RUNNING;
	c->started_us = nx_time_mono_us();
	c->streaming = start_step(c, &q, on_stream_end, on_stream);
	if (c->run && (nx_run_running(c->run, &err) < 0 || nx_timer_start(&c->timer, TICK_US, &err) < 0))
		fail(c, err);
}

static void on_base_stats(struct nx_container *c, const struct nx_docker_answer *a)
{
	keep_stats(c, a);
	if (c->run)
		start_program(c);
}

/* ---- making ---- */

static void on_exec(struct nx_container *c, const struct nx_docker_answer *a)
{
	struct nx_docker_stats s;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	struct nx_error *err = NULL;
	if (failed(c, a, "prepare the program"))
		return;
	if (!arena || !nx_docker_read_id(arena, a->body, c->exec)) {
		nx_error_set(&err, NX_ESANDBOX, "the engine did not name the program");
		fail(c, err);
		return;
	}
	if (nx_docker_cgroup_read(&c->cgroup, &s)) {
		keep_sample(c, &s);
		start_program(c);
	} else {
		ask(c, "GET", STATS, NX_STR_NULL, on_base_stats);
	}
}

static void prepare_program(struct nx_container *c)
{
	nx_str json;
	struct nx_error *err = NULL;
	if (nx_docker_exec_json(c->run, c->run->scratch, &json, &err) < 0)
		fail(c, err);
	else
		ask(c, "POST", "/exec", json, on_exec);
}

static void on_put(struct nx_container *c, const struct nx_docker_answer *a)
{
	if (!failed(c, a, "take the program's files") && --c->waits == 0)
		prepare_program(c);
}

/* {"State":{"Pid":4711}} */
static void on_started_state(struct nx_container *c, const struct nx_docker_answer *a)
{
	yyjson_val *v;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	if (failed(c, a, "show a container"))
		return;
	if (arena && nx_json_read(arena, a->body, NULL, &v, NULL) == 0)
		(void)nx_docker_cgroup_open(&c->cgroup, nx_json_int(nx_json_get(v, "State"), "Pid", 0), c->id);
	if (--c->waits == 0)
		prepare_program(c);
}

static void put(struct nx_container *c, const char *where, nx_str tar)
{
	char path[160];
	snprintf(path, sizeof(path), "/containers/%s/archive?path=%s", c->name, where);
	struct nx_docker_ask q = {.method = "PUT", .path = path, .body = tar, .type = "application/x-tar"};
	(void)start_step(c, &q, on_put, NULL);
}

static void on_started(struct nx_container *c, const struct nx_docker_answer *a)
{
	struct nx_error *err = NULL;
	nx_auto_buf struct nx_buf code = NX_BUF_INIT, work = NX_BUF_INIT;
	if (failed(c, a, "start a container"))
		return;
	if (nx_docker_code_tar(c->run, &code, &err) < 0 || nx_docker_work_tar(c->run, &work, &err) < 0) {
		fail(c, err);
		return;
	}
	c->waits = c->run->x->nfiles ? 3 : 2;
	ask(c, "GET", "/json", NX_STR_NULL, on_started_state);
	if (!c->run)
		return;
	put(c, "/code", nx_buf_str(&code));
	if (c->run && c->run->x->nfiles)
		put(c, "/work", nx_buf_str(&work));
}

static void on_attached_end(struct nx_container *c, const struct nx_docker_answer *a)
{
	(void)a;
	c->attached = 0;
}

static void on_attached_bytes(struct nx_container *c, nx_str bytes)
{
	(void)c;
	(void)bytes;
}

static void on_created(struct nx_container *c, const struct nx_docker_answer *a)
{
	char path[160];
	if (!c->run) { /* ended while it was made: the kill came too early */
		ask(c, "DELETE", "?force=1&v=1", NX_STR_NULL, nothing);
		return;
	}
	if (failed(c, a, "create a container"))
		return;
	nx_auto_arena struct nx_arena *arena = nx_arena_new(0);
	if (!arena || !nx_docker_read_id(arena, a->body, c->id)) {
		struct nx_error *err = NULL;
		nx_error_set(&err, NX_ESANDBOX, "the engine did not name the container");
		fail(c, err);
		return;
	}
	snprintf(path, sizeof(path), "/containers/%s/attach?stream=1&stdin=1", c->name);
	struct nx_docker_ask q = {.method = "POST", .path = path, .timeout_us = -1};
	c->attached = start_step(c, &q, on_attached_end, on_attached_bytes);
	if (c->run)
		ask(c, "POST", "/start", NX_STR_NULL, on_started);
}

int nx_docker_prepare(struct nx_run *r, const struct nx_spawn_prepare *p, struct nx_error **err)
{
	char path[160], id[NX_ID_TEXT];
	nx_str json;
	struct nx_docker *d = r->e->docker;
	int rc = nx_docker_create_json(d, r, p, r->scratch, &json, err);
	if (rc < 0)
		return rc;
	struct nx_container *c = calloc(1, sizeof(*c));
	struct step *s = malloc(sizeof(*s));
	if (!c || !s) {
		free(c);
		free(s);
		return nx_error_set(err, NX_ENOMEM, "no memory for a container");
	}
	*c = (struct nx_container){.d = d, .run = r, .limits = *p, .leavings = -1, .cgroup = NX_DOCKER_CGROUP_NONE};
	*s = (struct step){.c = c, .then = on_created};
	nx_id_format(r->x->id, id);
	snprintf(c->name, sizeof(c->name), "nexus-%s", id);
	nx_timer_init(&c->timer, d->loop, on_timer);
	TAILQ_INSERT_TAIL(&d->containers, c, in_all);
	r->container = c;
	snprintf(path, sizeof(path), "/containers/create?name=%s", c->name);
	c->calls++;
	(void)nx_docker_start(
		d, &(struct nx_docker_ask){.method = "POST", .path = path, .body = json, .then = step_end, .ctx = s});
	return 0;
}

void nx_docker_kill(struct nx_run *r)
{
	struct nx_container *c = r->container;
	if (!c)
		return;
	c->is_asked_to_end = true;
	(void)nx_timer_start(&c->timer, 0, NULL);
}
