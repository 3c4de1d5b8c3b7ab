/* The queue of runs: admission, slots, cancellation, the way to `done`. One loop owns it all. */
#include "execution/docker_internal.h"
#include "execution/execution_internal.h"
#include "execution/images_internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char *const status_names[NX_EXEC_STATUS_MAX] = {
	"ok",           "error",         "timeout", "memory_limit", "cpu_limit",
	"output_limit", "process_limit", "blocked", "cancelled",    "compile_error",
};

const char *nx_exec_status_name(enum nx_exec_status s)
{
	return (unsigned)s < NX_EXEC_STATUS_MAX ? status_names[s] : "error";
}

const char *const nx_cpu_policy_names[] = {[NX_CPU_THROTTLE] = "throttle", [NX_CPU_KILL] = "kill", NULL};

const struct nx_exec_constraints nx_exec_constraints_default = {
	.max_cpu_percent = 20, .max_memory_mb = 512, .max_time_us = 30 * NX_USEC_PER_SEC};

/* ---- admission, on a worker ---- */

static int check_range(const char *name, int64_t v, int64_t min, int64_t max, const char *option, struct nx_error **err)
{
	if (v >= min && v <= max)
		return 0;
	nx_error_set(err, v > max ? NX_ELIMIT : NX_EINVAL, "%s must be between %lld and %lld (%s), not %lld", name,
		     (long long)min, (long long)max, option, (long long)v);
	return nx_error_at(err, "/constraints/%s", name);
}

int nx_exec_check_constraints(const struct nx_config *c, const struct nx_exec_constraints *k, struct nx_error **err)
{
	int r = check_range("max_cpu_percent", k->max_cpu_percent, 1, c->sandbox_max_cpu_percent,
			    "sandbox.max_cpu_percent", err);
	if (r == 0)
		r = check_range("max_memory_mb", k->max_memory_mb, 16, c->sandbox_max_memory_mb,
				"sandbox.max_memory_mb", err);
	if (r < 0)
		return r;
	if (k->max_time_us > 0 && k->max_time_us <= c->sandbox_max_time * 1000)
		return 0;
	nx_error_set(err, k->max_time_us > 0 ? NX_ELIMIT : NX_EINVAL,
		     "max_execution_time_s must be above 0 and at most %lld s (sandbox.max_time)",
		     (long long)(c->sandbox_max_time / 1000));
	return nx_error_at(err, "/constraints/max_execution_time_s");
}

int nx_exec_check_files(const struct nx_config *c, const struct nx_exec_file *files, size_t n, int64_t more,
			struct nx_error **err)
{
	if (n > (size_t)c->sandbox_max_files)
		return nx_error_set(err, NX_ELIMIT, "%zu files are more than %lld (sandbox.max_files)", n,
				    (long long)c->sandbox_max_files);
	int64_t total = more;
	for (size_t i = 0; i < n; i++) {
		total += (int64_t)files[i].bytes.n;
		if (nx_exec_path_check(files[i].path, err) < 0)
			return nx_error_at(err, "/files/%zu/path", i);
		for (size_t j = 0; j < i; j++)
			if (nx_str_eq(files[i].path, files[j].path)) {
				nx_error_set(err, NX_EINVAL, "two files have the path \"%.*s\"", NX_FMT(files[i].path));
				return nx_error_at(err, "/files/%zu/path", i);
			}
	}
	return total <= c->sandbox_work_bytes
		       ? 0
		       : nx_error_set(err, NX_ETOOBIG,
				      "files and stdin are %lld bytes, more than %lld (sandbox.work_bytes)",
				      (long long)total, (long long)c->sandbox_work_bytes);
}

/* Where the program's interpreter is looked for; NULL: the host. */
static int find_root(struct nx_run *r, const char **ret, struct nx_error **err)
{
	const struct nx_execution *e = r->e;
	*ret = e->config->sandbox_root[0] ? e->config->sandbox_root : NULL;
	if (r->x->image.n == 0)
		return 0;
	if (e->docker) {
		nx_error_set(err, NX_EUNSUPPORTED, "the Docker backend runs programs in sandbox.docker_image alone");
		return nx_error_at(err, "/image");
	}
	int result = nx_image_find(r->e, r->x->image, r->image, err);
	if (result < 0)
		return result;
	*ret = nx_arena_printf(r->scratch, "%s/images/%s/root", nx_store_dir(e->store), r->image);
	return *ret ? nx_image_env(e, r->image, r->scratch, &r->image_env, err)
		    : nx_error_set(err, NX_ENOMEM, "no memory for a run");
}

static int find_language(struct nx_run *r, struct nx_error **err)
{
	const char *root;
	if (r->x->program) {
		r->language = &nx_language_program;
		r->program = "/code/" NX_PROGRAM_NAME;
		return r->e->docker ? nx_error_set(err, NX_EUNSUPPORTED,
						   "sandbox.backend is docker, which runs no "
						   "program of NEXUS's own")
				    : 0;
	}
	if (!nx_id_none(r->x->session)) /* whose interpreter runs already */
		return nx_language_named(r->x->language, &r->language, err);
	int result = find_root(r, &root, err);
	if (result < 0)
		return result;
	return r->e->docker ? nx_language_named(r->x->language, &r->language, err)
			    : nx_language_need(r->x->language, root, &r->language, &r->program, err);
}

static int check_request(struct nx_run *r, struct nx_error **err)
{
	const struct nx_config *c = r->e->config;
	const struct nx_exec *x = r->x;
	if (nx_utf8_check(x->code, "code", err) < 0)
		return nx_error_at(err, "/code");
	if (x->code.n > (size_t)c->sandbox_max_code_bytes) {
		nx_error_set(err, NX_ETOOBIG, "code is %zu bytes, more than %lld (sandbox.max_code_bytes)", x->code.n,
			     (long long)c->sandbox_max_code_bytes);
		return nx_error_at(err, "/code");
	}
	int result = find_language(r, err);
	if (result == 0)
		result = nx_exec_check_constraints(c, &x->constraints, err);
	if (result == 0)
		result = nx_exec_grants_check(c, x, !r->e->docker, err);
	if (result == 0)
		result = nx_exec_check_files(c, x->files, x->nfiles, (int64_t)x->stdin_text.n, err);
	if (result == 0)
		result = nx_exec_files_check(c, &x->constraints.files, x->is_agents, r->scratch, &r->files, err);
	return result == 0 && r->language->has_tables ? nx_sql_tables(x, r->scratch, &r->load, err) : result;
}

static void admit_job(struct nx_job *j)
{
	struct nx_run *r = nx_container_of(j, struct nx_run, job);
	struct nx_exec *x = r->x;
	if (check_request(r, &r->error) < 0 || x->program)
		return;
	struct nx_scan_options o = {
		.policy = x->policy,
		.allowed_imports = x->constraints.allowed_imports,
		.nallowed_imports = x->constraints.nallowed_imports,
		.blocked_operations = x->constraints.blocked_operations,
		.nblocked_operations = x->constraints.nblocked_operations,
		.has_network = nx_id_none(x->session) ? x->constraints.network.is_granted
						      : nx_session_has_network(r->e, x->tenant, x->session),
	};
	const struct nx_spawn_files *files =
		nx_id_none(x->session) ? r->files : nx_session_files(r->e, x->tenant, x->session, r->scratch);
	o.granted = nx_exec_files_list(files, r->scratch, &o.ngranted);
	(void)nx_scan(x->language, x->code, &o, x->arena, &x->result.scan, &r->error);
}

void nx_execution_pump(struct nx_execution *e)
{
	struct nx_run *r;
	while (e->backend->is_ready(e) && e->running < e->max_running && (r = TAILQ_FIRST(&e->queue))) {
		TAILQ_REMOVE(&e->queue, r, in_queue);
		e->queued--;
		e->running++;
		r->holds_slot = true;
		nx_run_prepare(r);
	}
}

void nx_execution_release_slot(struct nx_run *r)
{
	if (!r->holds_slot)
		return;
	r->holds_slot = false;
	r->e->running--;
	nx_execution_pump(r->e);
}

void nx_execution_enqueue(struct nx_run *r)
{
	r->state = NX_RUN_QUEUED;
	TAILQ_INSERT_TAIL(&r->e->queue, r, in_queue);
	r->e->queued++;
	nx_execution_pump(r->e);
}

static void record_as(struct nx_run *r, enum nx_exec_status s)
{
	r->x->result.status = s;
	r->x->result.usage.queue_us = nx_time_mono_us() - r->queued_us;
	nx_run_record(r);
}

static void on_admitted(struct nx_job *j)
{
	struct nx_run *r = nx_container_of(j, struct nx_run, job);
	struct nx_execution *e = r->e;
	nx_loop_assert(e->loop);
	if (r->error) {
		nx_run_fail(r);
	} else if (r->is_cancelled || e->is_stopping) {
		record_as(r, NX_EXEC_CANCELLED);
	} else if (r->x->result.scan.scanned && !r->x->result.scan.is_safe) {
		record_as(r, NX_EXEC_BLOCKED);
	} else if (!nx_id_none(r->x->session)) {
		nx_session_submit(r);
	} else if (e->queued >= (unsigned)e->config->sandbox_max_queued) {
		nx_error_set(&r->error, NX_EBUSY, "%u runs wait already (sandbox.max_queued): try again later",
			     e->queued);
		nx_run_fail(r);
	} else {
		nx_execution_enqueue(r);
	}
}

/* ---- done ---- */

static void free_run(struct nx_run *r)
{
	nx_run_close(r);
	nx_buf_done(&r->out);
	nx_buf_done(&r->err_out);
	nx_arena_free(r->scratch);
	nx_error_free(r->error);
	free(r);
}

static void deliver(struct nx_msg *m)
{
	struct nx_exec *x = nx_container_of(m, struct nx_exec, msg);
	struct nx_run *r = x->run;
	struct nx_error *err = nx_steal(r->error);
	x->run = NULL;
	free_run(r);
	x->done(x, err); /* x may be gone after this */
	nx_error_free(err);
}

void nx_execution_check_stopped(struct nx_execution *e)
{
	if (!e->is_stopping || !TAILQ_EMPTY(&e->all) || !nx_sessions_are_over(e))
		return;
	if (!e->is_detached)
		e->backend->detach(e);
	e->is_detached = true;
	if (!e->backend->is_idle(e))
		return;
	uv_mutex_lock(&e->lock);
	e->is_stopped = true;
	uv_cond_signal(&e->stopped_cond);
	uv_mutex_unlock(&e->lock);
}

void nx_execution_finish(struct nx_run *r)
{
	struct nx_execution *e = r->e;
	struct nx_exec *x = r->x;
	r->state = NX_RUN_DONE;
	nx_run_close(r);
	nx_execution_release_slot(r);
	TAILQ_REMOVE(&e->all, r, in_all);
	const char *status = r->error ? "failed" : nx_exec_status_name(x->result.status);
	nx_metric_add(NX_M_SANDBOX_RUNS, status, NULL, 1);
	if (!r->error && x->result.usage.wall_us)
		nx_metric_observe(NX_M_SANDBOX_TIME, r->language->name, NULL,
				  (double)x->result.usage.wall_us / NX_USEC_PER_SEC);
	nx_span_attr_str(&r->span, "sandbox.status", nx_str_z(status));
	nx_span_end(&r->span, nx_error_code(r->error));
	if (r->session)
		nx_session_run_over(r);
	x->msg.run = deliver;
	if (x->reply)
		nx_loop_post(x->reply, &x->msg);
	else
		deliver(&x->msg);
	nx_execution_check_stopped(e);
}

/* ---- start and cancel ---- */

static void begin(struct nx_msg *m)
{
	struct nx_exec *x = nx_container_of(m, struct nx_exec, msg);
	struct nx_run *r = x->run;
	nx_loop_assert(r->e->loop);
	TAILQ_INSERT_TAIL(&r->e->all, r, in_all);
	r->number = ++r->e->last_number;
	r->queued_us = nx_time_mono_us();
	nx_timer_init(&r->wall, r->e->loop, NULL);
	nx_span_start(&r->span, x->trace, "sandbox.run");
	r->span.tenant = x->tenant;
	r->span.task = x->task;
	r->span.step = x->step;
	nx_span_attr_str(&r->span, "sandbox.language", nx_str_slice(x->language, 0, 32));
	r->job = (struct nx_job){.run = admit_job, .done = on_admitted, .reply = r->e->loop};
	nx_workers_post(r->e->workers, &r->job);
}

static void no_memory(struct nx_msg *m)
{
	struct nx_exec *x = nx_container_of(m, struct nx_exec, msg);
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_ENOMEM, "no memory for a run");
	x->done(x, err);
}

void nx_execution_start(struct nx_execution *e, struct nx_exec *x)
{
	x->id = nx_id_new();
	x->result = (struct nx_exec_result){.id = x->id, .exit_code = -1};
	struct nx_run *r = calloc(1, sizeof(*r));
	x->run = r;
	if (r)
		r->scratch = nx_arena_new(0);
	if (!r || !r->scratch) {
		free(r);
		x->msg.run = no_memory;
		nx_loop_post(x->reply ? x->reply : e->loop, &x->msg);
		return;
	}
	r->x = x;
	r->e = e;
	r->ending = -1;
	r->box = r->pidfd = r->leavings = -1;
	r->created_us = nx_time_wall_us();
	x->msg.run = begin;
	nx_loop_post(e->loop, &x->msg);
}

static void cancel_run(struct nx_run *r)
{
	r->is_cancelled = true; /* ADMIT, COLLECTING and RECORDING see it or are past it */
	if (r->state == NX_RUN_QUEUED && r->waits_for_session) {
		nx_session_forget(r);
		record_as(r, NX_EXEC_CANCELLED);
	} else if (r->state == NX_RUN_QUEUED) {
		TAILQ_REMOVE(&r->e->queue, r, in_queue);
		r->e->queued--;
		record_as(r, NX_EXEC_CANCELLED);
	} else if (r->state == NX_RUN_PREPARING || r->state == NX_RUN_RUNNING) {
		nx_run_end(r, NX_EXEC_CANCELLED);
	}
}

struct cancel_msg {
	struct nx_msg msg;
	struct nx_execution *e;
	nx_id id;
};

static void on_cancel(struct nx_msg *m)
{
	struct cancel_msg *c = nx_container_of(m, struct cancel_msg, msg);
	struct nx_run *r;
	TAILQ_FOREACH(r, &c->e->all, in_all)
	if (nx_id_eq(r->x->id, c->id))
		break;
	if (r)
		cancel_run(r);
	free(c);
}

void nx_execution_cancel(struct nx_execution *e, nx_id id)
{
	struct cancel_msg *c = malloc(sizeof(*c));
	if (!c)
		return; /* the run still ends by its clock */
	*c = (struct cancel_msg){.msg.run = on_cancel, .e = e, .id = id};
	nx_loop_post(e->loop, &c->msg);
}

/* ---- the backend ---- */

static void attach(struct nx_msg *m)
{
	struct nx_execution *e = nx_container_of(m, struct nx_execution, attach_msg);
	nx_auto_error struct nx_error *err = NULL;
	if (e->backend->attach(e, &err) < 0)
		nx_log_error("execution", "no programs can be run", NX_LERR(err));
}

int nx_execution_new(const struct nx_config *c, struct nx_store *s, struct nx_spawner *sp, struct nx_workers *w,
		     struct nx_loop *loop, struct nx_execution **ret, struct nx_error **err)
{
	int r = *c->sandbox_rules_dir ? nx_scan_rules_use(c->sandbox_rules_dir, err) : 0;
	if (r == 0 && s)
		r = nx_artifacts_open(s, err); /* without a store: only what the host can do is asked */
	if (r < 0)
		return r;
	struct nx_execution *e = calloc(1, sizeof(*e));
	if (!e)
		return nx_error_set(err, NX_ENOMEM, "no memory for execution");
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	e->config = c;
	e->store = s;
	e->backend = &nx_backend_native;
	e->spawner = sp;
	e->workers = w;
	e->loop = loop;
	e->max_running = c->sandbox_max_running ? (unsigned)c->sandbox_max_running : (unsigned)nx_max(cores, 1L) * 2;
	TAILQ_INIT(&e->all);
	TAILQ_INIT(&e->queue);
	if (nx_sessions_init(e) < 0 || uv_mutex_init(&e->lock) < 0 || uv_cond_init(&e->stopped_cond) < 0) {
		free(e);
		return nx_error_set(err, NX_ENOMEM, "no memory for execution");
	}
	if (strcmp(c->sandbox_backend, "docker") == 0) {
		e->backend = &nx_backend_docker;
		r = nx_docker_new(e, &e->docker, err);
	}
	if (r < 0) {
		uv_cond_destroy(&e->stopped_cond);
		uv_mutex_destroy(&e->lock);
		free(e);
		return r;
	}
	e->attach_msg.run = attach;
	nx_loop_post(loop, &e->attach_msg);
	if (s) {
		nx_artifacts_sweep(s, w);
		nx_sessions_mark_lost(e);
	}
	*ret = e;
	return 0;
}

static void stop(struct nx_msg *m)
{
	struct nx_execution *e = nx_container_of(m, struct nx_execution, stop_msg);
	struct nx_run *r, *next;
	e->is_stopping = true;
	for (r = TAILQ_FIRST(&e->all); r; r = next) {
		next = TAILQ_NEXT(r, in_all);
		cancel_run(r);
	}
	nx_sessions_stop(e);
	nx_execution_check_stopped(e);
}

void nx_execution_free(struct nx_execution *e)
{
	if (!e)
		return;
	e->stop_msg.run = stop;
	nx_loop_post(e->loop, &e->stop_msg);
	uv_mutex_lock(&e->lock);
	while (!e->is_stopped)
		uv_cond_wait(&e->stopped_cond, &e->lock);
	uv_mutex_unlock(&e->lock);
	nx_docker_free(e->docker);
	uv_cond_destroy(&e->stopped_cond);
	uv_mutex_destroy(&e->lock);
	nx_sessions_done(e);
	free(e);
}

size_t nx_execution_languages(struct nx_execution *e, struct nx_exec_language *ret, size_t max)
{
	return nx_language_list(e->config->sandbox_root[0] ? e->config->sandbox_root : NULL, ret, max);
}

size_t nx_execution_checks(struct nx_execution *e, struct nx_exec_check *ret, size_t max)
{
	struct nx_spawn_hello hello;
	static const char *const names[] = {"sandbox",       "user namespaces", "network namespaces", "private /proc",
					    "cgroup memory", "cgroup pids",     "cgroup cpu",         "seccomp",
					    "granted files", "landlock"};
	if (e->docker)
		return nx_docker_checks(e->docker, ret, max);
	if (!nx_spawner_hello(e->spawner, &hello)) {
		if (max)
			ret[0] = (struct nx_exec_check){.what = "sandbox",
							.detail = "the spawner does not answer",
							.fix = "restart the server"};
		return max ? 1 : 0;
	}
	size_t n = 0;
	for (uint32_t i = 0; i < hello.nchecks && n < max; i++) {
		for (size_t k = 0; k < nx_countof(names); k++) {
			if (strcmp(names[k], hello.checks[i].what) != 0)
				continue;
			ret[n] = (struct nx_exec_check){.what = names[k], .ok = hello.checks[i].ok};
			snprintf(ret[n].detail, sizeof(ret[n].detail), "%s", hello.checks[i].detail);
			snprintf(ret[n].fix, sizeof(ret[n].fix), "%s", hello.checks[i].fix);
			n++;
		}
	}
	return n;
}
