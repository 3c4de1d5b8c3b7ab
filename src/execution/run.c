/* One run between its slot and its end: prepare, inputs, start, pipes, clock, kill, verdict. */
#include "execution/execution_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BOX_SLACK (INT64_C(256) << 10) /* directories and the remains of pages */
#define BOX_INODES 16384
#define WALL_SLACK_US (2 * NX_USEC_PER_SEC) /* the spawner's own clock acts when the server's did not */
#define READ_BYTES 65536

/* ---- the end ---- */

static void free_pump(uv_handle_t *h)
{
	free(h->data);
}

static void close_pump(struct nx_pump *p)
{
	if (!p)
		return;
	p->poll.data = p;
	uv_close((uv_handle_t *)&p->poll, free_pump);
	(void)close(
		p->fd); /* not before: the handle takes its number out of the loop, and it may be another's by then */
}

void nx_run_close(struct nx_run *r)
{
	close_pump(nx_steal(r->out_pump));
	close_pump(nx_steal(r->err_pump));
	if (r->box >= 0)
		(void)close(nx_steal_fd(&r->box));
	if (r->pidfd >= 0)
		(void)close(nx_steal_fd(&r->pidfd));
	if (r->leavings >= 0)
		(void)close(nx_steal_fd(&r->leavings));
	nx_timer_stop(&r->wall);
}

void nx_run_fail(struct nx_run *r)
{
	nx_execution_finish(r);
}

void nx_run_end(struct nx_run *r, enum nx_exec_status why)
{
	if (r->ending >= 0)
		return;
	r->ending = (int)why;
	if (r->session)
		nx_session_interrupt(r->session);
	else
		r->e->backend->kill(r);
}

/* ---- prepare ---- */

static int64_t input_bytes(const struct nx_run *r)
{
	const struct nx_exec *x = r->x;
	const int64_t page = 4096;
	int64_t n =
		(int64_t)(x->code.n + x->stdin_text.n + r->load.n + (x->program ? x->program->bytes.n : 0)) + 3 * page;
	for (size_t i = 0; i < x->nfiles; i++)
		n += (int64_t)x->files[i].bytes.n + page;
	return n;
}

/* With a quota the clock is the first to run out; without one, CPU time stands for the share that was granted. */
static int64_t cpu_budget_us(const struct nx_exec_constraints *k, bool has_quota)
{
	int64_t share = k->max_time_us / 100 * k->max_cpu_percent;
	return has_quota ? share + 2 * NX_USEC_PER_SEC : nx_max(share, NX_USEC_PER_SEC);
}

static bool is_cgroup(uint8_t mechanism)
{
	return mechanism == NX_MECH_CGROUP_V1 || mechanism == NX_MECH_CGROUP_V2;
}

static bool has_stem(nx_str path, const char *const *names)
{
	nx_str first = nx_str_cut(&path, '/'), stem = nx_str_cut(&first, '.');
	for (; names && *names; names++)
		if (nx_str_eqz(stem, *names))
			return true;
	return false;
}

/* An interpreter that has started did not see the run's files: where it would have read one, only the sandbox is ready.
 * One that is granted something is made for its run alone. */
static enum nx_ready most_ready(const struct nx_run *r)
{
	if (r->x->is_cold || r->x->constraints.network.is_granted || r->files || r->image[0])
		return NX_READY_NOTHING;
	for (size_t i = 0; i < r->x->nfiles; i++)
		if (has_stem(r->x->files[i].path, r->language->start_names))
			return r->language->ready > NX_READY_BOX ? NX_READY_BOX : r->language->ready;
	/* A filter that is loaded late holds for the thread that loads it, and Node has others by then. */
	if (r->language->ready == NX_READY_STARTED && nx_exec_blocked(&r->x->constraints))
		return NX_READY_BOX;
	return r->language->ready;
}

static int start_message(const struct nx_run *r, bool has_stdin, struct nx_spawn_start *ret, struct nx_error **err)
{
	if (r->x->program)
		return nx_program_start(r->x->program->args, has_stdin, ret, err);
	return nx_language_start(r->language, r->program, r->x->constraints.max_memory_mb, has_stdin, ret, err);
}

static void add_command(const struct nx_run *r, struct nx_spawn_prepare *p)
{
	union nx_spawn_msg m;
	if (!r->program)
		return; /* a backend with programs of its own */
	nx_spawn_init(&m, NX_SPAWN_START, r->number);
	p->ready = (uint8_t)most_ready(r);
	if (start_message(r, false, &m.start, NULL) == 0)
		p->command = nx_spawn_command_key(&m.start);
}

void nx_run_prepare(struct nx_run *r)
{
	const struct nx_config *c = r->e->config;
	const struct nx_exec_constraints *k = &r->x->constraints;
	union nx_spawn_msg m;
	r->state = NX_RUN_PREPARING;
	r->prepare_us = nx_time_mono_us();
	r->x->result.usage.queue_us = r->prepare_us - r->queued_us;
	if (r->session) {
		nx_session_begin(r);
		return;
	}
	if (r->e->backend->check(r, &r->error) < 0) {
		nx_run_fail(r);
		return;
	}
	if (nx_exec_blocked(k) && r->features.syscalls != NX_MECH_SECCOMP) {
		nx_error_set(&r->error, NX_ESANDBOX, "this host has no seccomp, which is what blocks operations");
		nx_error_hint(&r->error, "nexus doctor");
		nx_run_fail(r);
		return;
	}
	nx_spawn_init(&m, NX_SPAWN_PREPARE, r->number);
	m.prepare = (struct nx_spawn_prepare){
		.head = m.head,
		.memory_bytes = k->max_memory_mb << 20,
		.cpu_percent = k->max_cpu_percent,
		.max_processes = c->sandbox_max_processes,
		.box_bytes = c->sandbox_work_bytes + input_bytes(r) + BOX_SLACK,
		.box_inodes = BOX_INODES,
		.file_bytes = c->sandbox_work_bytes,
		.cpu_kill = k->cpu_policy == NX_CPU_KILL,
		.cpu_us = cpu_budget_us(k, is_cgroup(r->features.cpu)),
		.wall_us = k->max_time_us + WALL_SLACK_US,
	};
	memcpy(m.prepare.image, r->image, sizeof(m.prepare.image));
	add_command(r, &m.prepare);
	if (r->files)
		m.prepare.files = *r->files;
	if (nx_run_network(c, &k->network, &m.prepare.network, &r->error) < 0 ||
	    r->e->backend->prepare(r, &m.prepare, &r->error) < 0)
		nx_run_fail(r);
}

void nx_run_on_failed(struct nx_run *r, const struct nx_spawn_failed *f)
{
	if (r->ending == NX_EXEC_CANCELLED) { /* before anything was made */
		r->x->result.status = NX_EXEC_CANCELLED;
		nx_execution_release_slot(r);
		nx_run_record(r);
		return;
	}
	if (r->files && f->why) {
		nx_exec_files_explain(&r->x->constraints.files, r->files, f, &r->error);
		nx_run_fail(r);
		return;
	}
	nx_error_set(&r->error, f->errnum == EAGAIN ? NX_EBUSY : NX_ESANDBOX, "the sandbox could not %s: %s", f->stage,
		     strerror(f->errnum));
	nx_error_hint(&r->error, "nexus doctor");
	nx_run_fail(r);
}

void nx_run_on_lost(struct nx_run *r)
{
	nx_error_set(&r->error, NX_ESANDBOX, "the spawner ended, and the program with it");
	nx_error_hint(&r->error, "it is started again: repeat the run if its effects allow that");
	nx_run_fail(r);
}

/* ---- output ---- */

void nx_run_on_output(struct nx_run *r, int fd, nx_str bytes)
{
	bool is_out = fd == 1;
	struct nx_buf *b = is_out ? &r->out : &r->err_out;
	size_t max =
		(size_t)(r->x->program && is_out ? r->x->program->max_output : r->e->config->sandbox_max_output_bytes);
	size_t room = b->n < max ? max - b->n : 0, take = nx_min(bytes.n, room);
	if (take && nx_buf_add(b, bytes.p, take) && r->x->on_output)
		r->x->on_output(r->x, fd, nx_str_n(bytes.p, take));
	if (take == bytes.n && !b->failed)
		return;
	*(is_out ? &r->x->result.out_truncated : &r->x->result.err_truncated) = true;
	if (r->state == NX_RUN_RUNNING)
		nx_run_end(r, NX_EXEC_OUTPUT_LIMIT);
}

static void keep_output(struct nx_run *r, const struct nx_pump *p, const char *bytes, size_t n)
{
	nx_run_on_output(r, p == r->out_pump ? 1 : 2, nx_str_n(bytes, n));
}

/* False when nothing more will come. One block a turn, so that a flood does not hold the loop. */
static bool read_block(struct nx_run *r, struct nx_pump *p)
{
	char block[READ_BYTES];
	ssize_t n = read(p->fd, block, sizeof(block));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n > 0)
		keep_output(r, p, block, (size_t)n);
	return n > 0;
}

static void on_output(uv_poll_t *poll, int status, int events)
{
	struct nx_pump *p = poll->data;
	(void)events;
	if (status < 0 || !read_block(p->run, p))
		(void)uv_poll_stop(poll);
}

/* Everybody who could write is dead: what is left is in the pipe, whose size bounds it. */
static void drain(struct nx_run *r, struct nx_pump *p)
{
	char block[READ_BYTES];
	ssize_t n;
	if (!p)
		return;
	while ((n = read(p->fd, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			keep_output(r, p, block, (size_t)n);
}

static int open_pump(struct nx_run *r, int *fd, struct nx_pump **ret, struct nx_error **err)
{
	int flags = fcntl(*fd, F_GETFL);
	struct nx_pump *p = calloc(1, sizeof(*p));
	if (!p || flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(p);
		return nx_error_set(err, NX_ENOMEM, "no memory for a pipe");
	}
	int n = uv_poll_init(nx_loop_uv(r->e->loop), &p->poll, *fd);
	if (n < 0) {
		free(p);
		return nx_error_set(err, NX_EIO, "watch a pipe: %s", uv_strerror(n));
	}
	p->run = r;
	p->fd = nx_steal_fd(fd);
	p->poll.data = p;
	*ret = p;
	n = uv_poll_start(&p->poll, UV_READABLE, on_output);
	return n < 0 ? nx_error_set(err, NX_EIO, "watch a pipe: %s", uv_strerror(n)) : 0;
}

/* ---- start ---- */

static void on_wall(struct nx_timer *t)
{
	nx_run_end(nx_container_of(t, struct nx_run, wall), NX_EXEC_TIMEOUT);
}

int nx_run_running(struct nx_run *r, struct nx_error **err)
{
	r->wall.fire = on_wall;
	r->state = NX_RUN_RUNNING;
	return nx_timer_start(&r->wall, r->x->constraints.max_time_us, err);
}

static int start(struct nx_run *r, int *fds, struct nx_error **err)
{
	union nx_spawn_msg m;
	r->box = nx_steal_fd(&fds[0]);
	r->pidfd = nx_steal_fd(&fds[1]);
	nx_spawn_init(&m, NX_SPAWN_START, r->number);
	if (open_pump(r, &fds[2], &r->out_pump, err) < 0 || open_pump(r, &fds[3], &r->err_pump, err) < 0 ||
	    nx_run_write_inputs(r, err) < 0 || start_message(r, r->x->stdin_text.n > 0, &m.start, err) < 0 ||
	    nx_image_env_add(r->image_env, &m.start, err) < 0 ||
	    nx_run_network_env(&r->x->constraints.network, &m.start, err) < 0)
		return nx_error_code(*err);
	m.start.blocked = (uint8_t)nx_exec_blocked(&r->x->constraints);
	m.start.sent_us = nx_time_mono_us();
	int n = nx_spawner_send(r->e->spawner, &m);
	if (n < 0)
		return nx_error_set_errno(err, -n, "start the program");
	return nx_run_running(r, err);
}

void nx_run_on_prepared(struct nx_run *r, int *fds, size_t nfds)
{
	if (r->state != NX_RUN_PREPARING || nfds != 4)
		return;
	if (r->ending >= 0) /* cancelled in the meantime; EXITED is on its way */
		return;
	if (start(r, fds, &r->error) < 0)
		nx_run_end(r, NX_EXEC_ERROR); /* the guest waits for its program: EXITED brings the error to done */
}

/* ---- the verdict ---- */

/* V8 ends itself when its heap, whose limit follows from that of the run, is full. */
static bool heap_is_full(const struct nx_run *r)
{
	return r->language->has_heap_limit && r->x->result.signal == SIGABRT &&
	       nx_str_find(nx_buf_str(&r->err_out), NX_STR("heap out of memory")) >= 0;
}

/* The compiler failed, so that there is nothing to run. */
static bool is_not_compiled(const struct nx_run *r)
{
	return r->language->made && !r->is_made && faccessat(r->box, r->language->made, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

static enum nx_exec_status judge_exit(struct nx_run *r, const struct nx_spawn_exited *e)
{
	struct nx_exec_result *res = &r->x->result;
	res->exit_code = WIFEXITED(e->wait_status) ? WEXITSTATUS(e->wait_status) : -1;
	res->signal = WIFSIGNALED(e->wait_status) ? WTERMSIG(e->wait_status) : 0;
	if (e->memory_hit || heap_is_full(r))
		return NX_EXEC_MEMORY_LIMIT;
	if (res->signal == SIGXCPU)
		return NX_EXEC_CPU_LIMIT;
	if (res->exit_code == 0)
		return NX_EXEC_OK;
	if (e->processes_hit)
		return NX_EXEC_PROCESS_LIMIT;
	return is_not_compiled(r) ? NX_EXEC_COMPILE_ERROR : NX_EXEC_ERROR;
}

static int judge(struct nx_run *r, const struct nx_spawn_exited *e, enum nx_exec_status *ret, struct nx_error **err)
{
	static const enum nx_exec_status by_end[NX_SPAWN_END_MAX] = {
		[NX_SPAWN_END_KILLED] = NX_EXEC_CANCELLED, [NX_SPAWN_END_MEMORY] = NX_EXEC_MEMORY_LIMIT,
		[NX_SPAWN_END_CPU] = NX_EXEC_CPU_LIMIT,    [NX_SPAWN_END_PROCESSES] = NX_EXEC_PROCESS_LIMIT,
		[NX_SPAWN_END_TIME] = NX_EXEC_TIMEOUT,     [NX_SPAWN_END_DISK] = NX_EXEC_ERROR,
	};
	*ret = NX_EXEC_ERROR;
	if (e->end == NX_SPAWN_END_SETUP && r->ending != NX_EXEC_CANCELLED) {
		bool is_missing = strcmp(e->stage, "exec") == 0 && e->errnum == ENOENT;
		nx_error_set(err, is_missing ? NX_EMISSING : NX_ESANDBOX, "the sandbox could not %s: %s", e->stage,
			     strerror(e->errnum));
		return nx_error_hint(err, is_missing ? "apt-get install %s" : "nexus doctor", r->language->package);
	}
	if (e->end == NX_SPAWN_END_LOST && r->ending < 0)
		return nx_error_set(err, NX_ESANDBOX, "the sandbox ended without a word");
	if (r->ending >= 0)
		*ret = (enum nx_exec_status)r->ending;
	else if (e->end == NX_SPAWN_END_EXIT)
		*ret = judge_exit(r, e);
	else
		*ret = by_end[e->end];
	if (e->end != NX_SPAWN_END_EXIT && *ret != NX_EXEC_CANCELLED)
		r->x->result.signal = SIGKILL;
	return 0;
}

void nx_run_list_enforced(struct nx_run *r)
{
	const struct nx_spawn_features *f = &r->features;
	r->x->result.enforced = (struct nx_exec_enforced){
		.memory = nx_mechanism_name(f->memory),
		.cpu = nx_mechanism_name(f->cpu),
		.processes = nx_mechanism_name(f->processes),
		.time = nx_mechanism_name(f->time),
		.output = nx_mechanism_name(f->output),
		.disk = nx_mechanism_name(f->disk),
		.network = nx_mechanism_name(f->network),
		.filesystem = nx_mechanism_name(f->filesystem),
		.syscalls = nx_mechanism_name(f->syscalls),
		.user = nx_mechanism_name(f->user),
		.degraded = f->degraded,
	};
}

static bool is_box_full(const struct nx_run *r)
{
	struct statfs fs;
	return r->box >= 0 && fstatfs(r->box, &fs) == 0 && (fs.f_bavail == 0 || fs.f_ffree == 0);
}

static void list_limits_met(struct nx_run *r, const struct nx_spawn_exited *e)
{
	const struct nx_exec_result *res = &r->x->result;
	enum nx_exec_status s = res->status;
	unsigned met = 0;
	met |= e->memory_hit || s == NX_EXEC_MEMORY_LIMIT ? NX_LIMIT_MEMORY : 0;
	met |= e->cpu_hit || s == NX_EXEC_CPU_LIMIT ? NX_LIMIT_CPU : 0;
	met |= e->processes_hit || s == NX_EXEC_PROCESS_LIMIT ? NX_LIMIT_PROCESSES : 0;
	met |= s == NX_EXEC_TIMEOUT ? NX_LIMIT_TIME : 0;
	met |= res->out_truncated || res->err_truncated ? NX_LIMIT_OUTPUT : 0;
	bool is_full = e->end == NX_SPAWN_END_DISK || (!r->features.is_bare && is_box_full(r));
	met |= is_full || res->signal == SIGXFSZ ? NX_LIMIT_DISK : 0;
	r->x->result.limits_met = met;
}

static void keep_usage(struct nx_run *r, const struct nx_spawn_exited *e)
{
	struct nx_exec_usage *u = &r->x->result.usage;
	u->wall_us = e->wall_us;
	u->cpu_us = e->cpu_us;
	u->max_rss_bytes = e->max_rss_bytes;
	u->network_in = e->net_in;
	u->network_out = e->net_out;
	u->network_refused = e->net_refused;
	if (e->exec_mono_us)
		u->start_us = nx_max(e->exec_mono_us - r->prepare_us, (int64_t)0);
}

static void collect_job(struct nx_job *j)
{
	struct nx_run *r = nx_container_of(j, struct nx_run, job);
	struct nx_exec_result *res = &r->x->result;
	res->out = nx_utf8_repair(r->x->arena, nx_buf_str(&r->out));
	res->err_out = nx_utf8_repair(r->x->arena, nx_buf_str(&r->err_out));
	if (!res->out.p || !res->err_out.p)
		nx_error_set(&r->error, NX_ENOMEM, "no memory for the output of a run");
	else if (!r->x->program && nx_docker_unpack(r, &r->error) == 0)
		(void)nx_run_collect(r, &r->error);
	nx_docker_forget(r);
}

static void on_collected(struct nx_job *j)
{
	struct nx_run *r = nx_container_of(j, struct nx_run, job);
	if (r->error)
		nx_run_fail(r);
	else
		nx_run_record(r);
}

void nx_run_collect_soon(struct nx_run *r)
{
	r->job = (struct nx_job){.run = collect_job, .done = on_collected, .reply = r->e->loop, .is_long = true};
	nx_workers_post(r->e->workers, &r->job);
}

void nx_run_on_exited(struct nx_run *r, const struct nx_spawn_exited *e)
{
	if (r->state != NX_RUN_PREPARING && r->state != NX_RUN_RUNNING)
		return;
	r->state = NX_RUN_COLLECTING;
	nx_timer_stop(&r->wall);
	drain(r, r->out_pump);
	drain(r, r->err_pump);
	keep_usage(r, e);
	r->x->result.is_warm = e->ready > NX_READY_BOX;
	nx_run_list_enforced(r);
	nx_execution_release_slot(r);
	if (r->error || judge(r, e, &r->x->result.status, &r->error) < 0) {
		nx_run_fail(r);
		return;
	}
	list_limits_met(r, e);
	nx_run_collect_soon(r);
}
