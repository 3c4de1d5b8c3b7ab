/* The life of a session, from its request to its last row; runs in it are session_run.c's. */
#include "execution/changes_internal.h"
#include "execution/images_internal.h"

#include "base/asset.h"

#include <errno.h>
#include <fcntl.h>

NX_ASSETS(session_drivers);

#define START_WAIT_US (20 * NX_USEC_PER_SEC) /* for the interpreter, under a small share of the CPU */
#define WALL_SLACK_US (5 * NX_USEC_PER_SEC)
#define HANG_UP_US (NX_USEC_PER_SEC / 4)
#define BOX_SLACK (INT64_C(1) << 20) /* the driver, directories, and the remains of pages */
#define BOX_INODES 16384

static const struct {
	const char *language, *driver;
} drivers[] = {{"python", "python.py"}, {"javascript", "javascript.js"}};

/* ---- the list ---- */

int nx_sessions_init(struct nx_execution *e)
{
	TAILQ_INIT(&e->sessions);
	return uv_mutex_init(&e->sessions_lock);
}

void nx_sessions_done(struct nx_execution *e)
{
	uv_mutex_destroy(&e->sessions_lock);
}

struct nx_session *nx_session_find(struct nx_execution *e, int64_t tenant, nx_id id)
{
	struct nx_session *s;
	TAILQ_FOREACH(s, &e->sessions, in_all)
	if (s->tenant == tenant && nx_id_eq(s->id, id))
		return s;
	return NULL;
}

bool nx_session_has_network(struct nx_execution *e, int64_t tenant, nx_id id)
{
	uv_mutex_lock(&e->sessions_lock);
	const struct nx_session *s = nx_session_find(e, tenant, id);
	bool has = s && s->has_network;
	uv_mutex_unlock(&e->sessions_lock);
	return has;
}

bool nx_session_is_in_image(struct nx_execution *e, const char *id)
{
	const struct nx_session *s;
	uv_mutex_lock(&e->sessions_lock);
	TAILQ_FOREACH(s, &e->sessions, in_all)
	if (strcmp(s->root, id) == 0)
		break;
	uv_mutex_unlock(&e->sessions_lock);
	return s != NULL;
}

const struct nx_spawn_files *nx_session_files(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a)
{
	struct nx_spawn_files *copy = NULL;
	uv_mutex_lock(&e->sessions_lock);
	const struct nx_session *s = nx_session_find(e, tenant, id);
	if (s && s->state >= NX_SESSION_ACTIVE && s->files && (copy = nx_arena_new_of(a, struct nx_spawn_files)))
		*copy = *s->files;
	uv_mutex_unlock(&e->sessions_lock);
	return copy;
}

void nx_session_set_state(struct nx_session *s, enum nx_session_state state)
{
	uv_mutex_lock(&s->e->sessions_lock);
	s->state = state;
	s->used_us = nx_time_wall_us();
	uv_mutex_unlock(&s->e->sessions_lock);
}

static void set_box(struct nx_session *s, int box)
{
	uv_mutex_lock(&s->e->sessions_lock);
	if (s->box >= 0)
		(void)close(s->box);
	s->box = box;
	uv_mutex_unlock(&s->e->sessions_lock);
}

static size_t count_of(const struct nx_execution *e, int64_t tenant)
{
	size_t n = 0;
	struct nx_session *s;
	TAILQ_FOREACH(s, &e->sessions, in_all)
	n += s->tenant == tenant;
	return n;
}

static void free_session(struct nx_session *s)
{
	nx_buf_done(&s->rx);
	nx_buf_done(&s->tx);
	nx_arena_free(s->scratch);
	nx_error_free(s->error);
	free(s);
}

/* ---- the end ---- */

static void tell_creator(struct nx_session *s)
{
	struct nx_session_new *n = nx_steal(s->creator);
	if (!n)
		return;
	s->constraints.network = (struct nx_exec_network){0}; /* its texts are the request's; nobody asks again */
	if (!s->error && s->state != NX_SESSION_ACTIVE)
		nx_error_set(&s->error, NX_ESANDBOX, "the session ended before it began (%s)",
			     s->reason ? s->reason : "stopped");
	n->done(n, s->error);
}

/* Everything is over and told: the session is forgotten. */
static void leave(struct nx_session *s)
{
	struct nx_execution *e = s->e;
	uv_mutex_lock(&e->sessions_lock);
	TAILQ_REMOVE(&e->sessions, s, in_all);
	uv_mutex_unlock(&e->sessions_lock);
	nx_image_release(e, s->root);
	tell_creator(s);
	for (struct nx_session_end *d = s->enders, *next; d; d = next) {
		next = d->next;
		d->done(d, NULL);
	}
	free_session(s);
	nx_execution_check_stopped(e);
}

static void on_updated(struct nx_write *w, struct nx_error *err)
{
	struct nx_session *s = nx_container_of(w, struct nx_session, write);
	if (err)
		nx_log_error("execution", "the end of a session was not recorded", NX_LERR(err));
	leave(s);
}

static void end_waiting(struct nx_session *s)
{
	struct nx_run *r;
	while ((r = TAILQ_FIRST(&s->waiting))) {
		nx_session_forget(r);
		nx_error_set(&r->error, NX_ECONFLICT, "the session ended (%s) before the run's turn came", s->reason);
		nx_run_fail(r);
	}
}

/* The one that has its turn: it fails when it has not begun, else it goes on to its row alone. */
static void let_go_of_run(struct nx_session *s)
{
	struct nx_run *r = nx_steal(s->current);
	if (!r)
		return;
	r->session = NULL;
	if (r->state != NX_RUN_QUEUED)
		return;
	TAILQ_REMOVE(&s->e->queue, r, in_queue);
	s->e->queued--;
	nx_error_set(&r->error, NX_ECONFLICT, "the session ended (%s) before the run's turn came", s->reason);
	nx_run_fail(r);
}

/* The guest is dead, or never was. */
static void close_session(struct nx_session *s)
{
	nx_timer_stop(&s->idle);
	nx_timer_stop(&s->life);
	nx_timer_stop(&s->grace);
	if (!s->reason)
		s->reason = "exited";
	nx_changes_end(s);
	nx_processes_end(s);
	nx_session_close(s);
	set_box(s, -1);
	let_go_of_run(s);
	end_waiting(s);
	nx_session_set_state(s, NX_SESSION_CLOSING);
	if (s->has_row)
		nx_session_update(s, on_updated);
	else
		leave(s);
}

static void kill_guest(struct nx_session *s)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_KILL, s->number);
	(void)nx_spawner_send(s->e->spawner, &m); /* a spawner that is gone has taken its guests with it */
}

void nx_session_stop(struct nx_session *s, const char *reason)
{
	if (!s->reason)
		s->reason = reason;
	if (s->state >= NX_SESSION_ENDING)
		return;
	if (s->state == NX_SESSION_ADMIT || s->state == NX_SESSION_FURNISHING || s->state == NX_SESSION_RECORDING)
		return; /* whoever works on it sees the reason when it comes back */
	nx_session_set_state(s, NX_SESSION_ENDING);
	kill_guest(s);
}

void nx_session_hang_up(struct nx_session *s)
{
	if (!s->reason)
		s->reason = "exited";
	s->interrupts = UINT_MAX;
	(void)nx_timer_start(&s->grace, HANG_UP_US, NULL);
}

void nx_session_fail(struct nx_session *s)
{
	if (!s->reason)
		s->reason = "failed";
	if (!s->has_guest) {
		close_session(s);
		return;
	}
	nx_session_set_state(s, NX_SESSION_ENDING);
	kill_guest(s);
}

static const char *reason_of(const struct nx_spawn_exited *e)
{
	static const char *const reasons[NX_SPAWN_END_MAX] = {
		[NX_SPAWN_END_MEMORY] = "memory_limit",
		[NX_SPAWN_END_CPU] = "cpu_limit",
		[NX_SPAWN_END_PROCESSES] = "process_limit",
		[NX_SPAWN_END_TIME] = "lifetime",
	};
	return e->memory_hit ? "memory_limit" : reasons[e->end];
}

static void on_exited(struct nx_session *s, const struct nx_spawn_exited *e)
{
	const char *reason = reason_of(e);
	s->has_guest = false;
	if (reason && (!s->reason || strcmp(s->reason, "exited") == 0))
		s->reason = reason;
	if (e->end == NX_SPAWN_END_SETUP && !s->error)
		nx_error_set(&s->error, NX_ESANDBOX, "the sandbox could not %s: %s", e->stage, strerror(e->errnum));
	if (s->state == NX_SESSION_FURNISHING || s->state == NX_SESSION_RECORDING) {
		if (!s->reason)
			s->reason = "exited";
		return; /* closed when what is under way comes back */
	}
	nx_session_end_run(s, e);
	close_session(s);
}

void nx_sessions_on_lost(struct nx_execution *e)
{
	struct nx_session *s, *next;
	for (s = TAILQ_FIRST(&e->sessions); s; s = next) {
		next = TAILQ_NEXT(s, in_all);
		if (!s->has_guest)
			continue;
		s->has_guest = false;
		if (!s->reason)
			s->reason = "spawner_lost";
		if (s->state == NX_SESSION_FURNISHING || s->state == NX_SESSION_RECORDING)
			continue;
		nx_session_end_run(s, NULL);
		close_session(s);
	}
}

void nx_sessions_stop(struct nx_execution *e)
{
	struct nx_session *s, *next;
	for (s = TAILQ_FIRST(&e->sessions); s; s = next) {
		next = TAILQ_NEXT(s, in_all);
		nx_session_stop(s, "stopped");
	}
}

bool nx_sessions_are_over(const struct nx_execution *e)
{
	return TAILQ_EMPTY(&e->sessions);
}

/* ---- timers ---- */

void nx_session_touch(struct nx_session *s)
{
	nx_session_set_state(s, s->state);
	if (s->state == NX_SESSION_ACTIVE && !s->current)
		(void)nx_timer_start(&s->idle, s->idle_us, NULL);
}

static void on_idle(struct nx_timer *t)
{
	struct nx_session *s = nx_container_of(t, struct nx_session, idle);
	if (s->nfollowers > 0)
		nx_session_touch(s); /* somebody looks on */
	else
		nx_session_stop(s, "idle");
}

static void on_life(struct nx_timer *t)
{
	struct nx_session *s = nx_container_of(t, struct nx_session, life);
	if (s->state != NX_SESSION_ACTIVE) {
		nx_error_set(&s->error, NX_ETIMEOUT, "the interpreter was not ready within %lld s",
			     (long long)(START_WAIT_US / NX_USEC_PER_SEC));
		nx_session_fail(s);
		return;
	}
	if (s->current && s->current->ending < 0)
		s->current->ending = NX_EXEC_TIMEOUT;
	nx_session_stop(s, "lifetime");
}

static void on_grace(struct nx_timer *t)
{
	struct nx_session *s = nx_container_of(t, struct nx_session, grace);
	if (s->has_guest && s->state != NX_SESSION_ENDING)
		nx_session_interrupt(s);
	else if (s->has_guest)
		kill_guest(s);
}

/* ---- ready ---- */

static void on_inserted(struct nx_write *w, struct nx_error *err)
{
	struct nx_session *s = nx_container_of(w, struct nx_session, write);
	s->has_row = !err;
	if (err) {
		s->error = nx_error_copy(err);
		nx_error_wrap(&s->error, "record a session");
	}
	if (err || s->reason || !s->has_guest) {
		nx_session_fail(s);
		return;
	}
	nx_session_set_state(s, NX_SESSION_ACTIVE);
	if (nx_timer_start(&s->life, s->lifetime_us, &s->error) < 0) {
		nx_session_fail(s);
		return;
	}
	tell_creator(s);
	nx_session_pump(s);
}

static void on_ready(struct nx_session *s)
{
	nx_timer_stop(&s->life);
	nx_session_set_state(s, NX_SESSION_RECORDING);
	nx_session_insert(s, on_inserted);
}

void nx_session_on_answer(struct nx_session *s, const struct nx_session_answer *a)
{
	if (a->is_ready && s->state == NX_SESSION_STARTING)
		on_ready(s);
	else if (s->state == NX_SESSION_ACTIVE && s->turn == NX_TURN_RUNS && s->current && !a->is_ready &&
		 a->run == s->current->number)
		nx_session_take_answer(s, a);
	else if (s->state < NX_SESSION_ENDING)
		nx_session_stop(s, "protocol"); /* an answer that nobody asked for */
}

/* ---- furnish and start ---- */

static int write_driver(struct nx_session *s, struct nx_error **err)
{
	nx_auto_fd int code = openat(s->box, "code", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	nx_auto_fd int file = code < 0 ? -1
				       : openat(code, s->language->source,
						O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r = file < 0 ? -errno : nx_write_all(file, s->driver);
	if (r == 0 && fchmod(file, 0644) < 0)
		r = -errno;
	return r < 0 ? nx_error_set_errno(err, -r, "write the driver of a session") : 0;
}

static int furnish(struct nx_session *s, struct nx_error **err)
{
	const struct nx_session_new *n = s->creator;
	if (write_driver(s, err) < 0)
		return nx_error_code(*err);
	nx_auto_fd int work = nx_open_beneath(s->box, "work", O_RDONLY | O_DIRECTORY, 0);
	if (work < 0)
		return nx_error_set_errno(err, errno, "open the work directory");
	if (s->snapshot.n && nx_session_unpack(work, s->snapshot, err) < 0)
		return nx_error_code(*err);
	for (size_t i = 0; i < n->nfiles; i++)
		if (nx_session_put_file(work, n->files[i].path, n->files[i].bytes, err) < 0)
			return nx_error_at(err, "/files/%zu", i);
	return 0;
}

static void furnish_job(struct nx_job *j)
{
	struct nx_session *s = nx_container_of(j, struct nx_session, job);
	(void)furnish(s, &s->error);
}

static int start(struct nx_session *s, struct nx_error **err)
{
	union nx_spawn_msg m;
	nx_spawn_init(&m, NX_SPAWN_START, s->number);
	if (nx_session_watch(s, err) < 0 ||
	    nx_language_start(s->language, s->program, s->constraints.max_memory_mb, false, &m.start, err) < 0 ||
	    nx_image_env_add(s->image_env, &m.start, err) < 0 ||
	    nx_run_network_env(&s->constraints.network, &m.start, err) < 0)
		return nx_error_code(*err);
	s->env = nx_str_dup(s->scratch, nx_str_n(m.start.env, sizeof(m.start.env)));
	s->envc = m.start.envc;
	if (!s->env.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a session");
	int n = nx_spawner_send(s->e->spawner, &m);
	if (n < 0)
		return nx_error_set_errno(err, -n, "start the interpreter");
	nx_session_set_state(s, NX_SESSION_STARTING);
	return nx_timer_start(&s->life, START_WAIT_US, err);
}

static void on_furnished(struct nx_job *j)
{
	struct nx_session *s = nx_container_of(j, struct nx_session, job);
	if (!s->error && !s->reason)
		(void)start(s, &s->error);
	if (s->error || s->reason)
		nx_session_fail(s);
}

static void on_prepared(struct nx_session *s, int *fds, size_t nfds)
{
	if (s->state != NX_SESSION_PREPARING || nfds != 2 + nx_countof(s->fds))
		return;
	set_box(s, nx_steal_fd(&fds[0]));
	s->pidfd = nx_steal_fd(&fds[1]);
	for (size_t i = 0; i < nx_countof(s->fds); i++)
		s->fds[i] = nx_steal_fd(&fds[2 + i]);
	nx_session_set_state(s, NX_SESSION_FURNISHING);
	s->job = (struct nx_job){.run = furnish_job, .done = on_furnished, .reply = s->e->loop, .is_long = true};
	nx_workers_post(s->e->workers, &s->job);
}

/* To the run that has its turn, or to the session, where something that a run left in the background tried it. */
static void on_refused(struct nx_session *s, const struct nx_spawn_refused *m)
{
	nx_execution_refused(s->e, s->tenant, s->current && s->turn != NX_TURN_NONE ? s->current->x->id : s->id, m);
}

static void on_failed(struct nx_session *s, const struct nx_spawn_failed *f)
{
	s->has_guest = false;
	if (s->files && f->why) {
		nx_exec_files_explain(&s->constraints.files, s->files, f, &s->error);
	} else {
		nx_error_set(&s->error, f->errnum == EAGAIN ? NX_EBUSY : NX_ESANDBOX, "the sandbox could not %s: %s",
			     f->stage, strerror(f->errnum));
		nx_error_hint(&s->error, "nexus doctor");
	}
	nx_session_fail(s);
}

void nx_sessions_on_message(struct nx_execution *e, const union nx_spawn_msg *m, int *fds, size_t nfds)
{
	struct nx_session *s;
	TAILQ_FOREACH(s, &e->sessions, in_all)
	if (s->number == m->head.run)
		break;
	if (!s || !s->has_guest)
		return;
	switch (m->head.type) {
	case NX_SPAWN_PREPARED: on_prepared(s, fds, nfds); break;
	case NX_SPAWN_MEASURED: nx_session_on_measured(s, &m->measured); break;
	case NX_SPAWN_EXITED: on_exited(s, &m->exited); break;
	case NX_SPAWN_REFUSED: on_refused(s, &m->refused); break;
	case NX_SPAWN_FAILED: on_failed(s, &m->failed); break;
	default: break;
	}
}

/* ---- admission ---- */

static int64_t given_bytes(const struct nx_session *s)
{
	int64_t n = (int64_t)(s->driver.n + s->snapshot.n);
	for (size_t i = 0; i < s->creator->nfiles; i++)
		n += (int64_t)s->creator->files[i].bytes.n;
	return n;
}

static int prepare(struct nx_session *s, struct nx_error **err)
{
	const struct nx_config *c = s->e->config;
	union nx_spawn_msg m;
	if (!s->e->backend->is_ready(s->e)) /* what the host can do was asked on a worker, which may wait for it */
		return nx_error_set(err, NX_ESANDBOX, "the spawner does not answer");
	if (s->has_network && nx_native_grant_network(&s->features, err) < 0)
		return nx_error_code(*err);
	nx_spawn_init(&m, NX_SPAWN_PREPARE, s->number);
	m.prepare = (struct nx_spawn_prepare){
		.head = m.head,
		.memory_bytes = s->constraints.max_memory_mb << 20,
		.cpu_percent = s->constraints.max_cpu_percent,
		.max_processes = c->sandbox_max_processes,
		.box_bytes = c->sandbox_work_bytes + BOX_SLACK,
		.box_inodes = BOX_INODES,
		.file_bytes = c->sandbox_work_bytes,
		.cpu_us = s->lifetime_us / 100 * s->constraints.max_cpu_percent + START_WAIT_US,
		.wall_us = s->lifetime_us + START_WAIT_US + WALL_SLACK_US,
		.has_control = 1,
	};
	if (nx_run_network(c, &s->constraints.network, &m.prepare.network, err) < 0)
		return nx_error_code(*err);
	if (s->files)
		m.prepare.files = *s->files;
	memcpy(m.prepare.image, s->root, sizeof(m.prepare.image));
	int n = nx_spawner_send(s->e->spawner, &m);
	if (n < 0)
		return nx_error_set_errno(err, -n, "ask the spawner for a sandbox");
	s->has_guest = true;
	nx_session_set_state(s, NX_SESSION_PREPARING);
	return 0;
}

static int check_time(const char *name, int64_t us, int64_t max_ms, const char *option, struct nx_error **err)
{
	if (us > 0 && us <= max_ms * NX_USEC_PER_MSEC)
		return 0;
	nx_error_set(err, us > 0 ? NX_ELIMIT : NX_EINVAL, "%s must be above 0 and at most %lld s (%s)", name,
		     (long long)(max_ms / 1000), option);
	return nx_error_at(err, "/%s", name);
}

/* Looked for again once it is ours: who removes it in between does not see us yet, and who does it later leaves us the files. */
static int take_image(struct nx_session *s, struct nx_error **err)
{
	char root[NX_SPAWN_IMAGE_MAX], again[NX_SPAWN_IMAGE_MAX];
	int r = nx_image_find(s->e, s->creator->image, root, err);
	if (r < 0)
		return r;
	uv_mutex_lock(&s->e->sessions_lock);
	memcpy(s->root, root, sizeof(s->root));
	uv_mutex_unlock(&s->e->sessions_lock);
	r = nx_image_find(s->e, s->creator->image, again, err);
	return r < 0 || strcmp(root, again) == 0 ? r
						 : nx_error_set(err, NX_ECONFLICT, "the image was exchanged just now");
}

/* Where its interpreter is looked for; NULL: the host. */
static int find_root(struct nx_session *s, const char **ret, struct nx_error **err)
{
	*ret = s->e->config->sandbox_root[0] ? s->e->config->sandbox_root : NULL;
	if (s->creator->image.n == 0)
		return 0;
	s->image = nx_str_dup(s->scratch, s->creator->image);
	int r = take_image(s, err);
	if (r < 0)
		return r;
	*ret = nx_arena_printf(s->scratch, "%s/images/%s/root", nx_store_dir(s->e->store), s->root);
	return *ret && s->image.p ? nx_image_env(s->e, s->root, s->scratch, &s->image_env, err)
				  : nx_error_set(err, NX_ENOMEM, "no memory for a session");
}

static int find_driver(struct nx_session *s, nx_str language, struct nx_error **err)
{
	const char *root;
	int r = find_root(s, &root, err);
	if (r == 0)
		r = nx_language_need(language, root, &s->language, &s->program, err);
	for (size_t i = 0; r == 0 && i < nx_countof(drivers); i++) {
		const struct nx_asset *f = nx_asset_find(&nx_assets_session_drivers, drivers[i].driver);
		if (!f || strcmp(drivers[i].language, s->language->name) != 0)
			continue;
		s->driver = nx_str_n((const char *)f->data, f->size);
		return 0;
	}
	if (r < 0)
		return r;
	nx_error_set(err, NX_EINVAL, "%s has no sessions", s->language->name);
	nx_error_hint(err, "python and javascript have; other programs are run from them, or without a session");
	return nx_error_at(err, "/language");
}

/* On a worker. */
static int check(struct nx_session *s, struct nx_error **err)
{
	const struct nx_config *c = s->e->config;
	const struct nx_session_new *n = s->creator;
	if (s->e->backend != &nx_backend_native)
		return nx_error_set(err, NX_EUNSUPPORTED, "sessions need sandbox.backend native");
	int r = find_driver(s, n->language, err);
	if (r == 0)
		r = nx_native_check_host(s->e, &s->features, err);
	if (r == 0)
		r = nx_native_check_whole(&s->features, "sessions need", err);
	if (r == 0)
		r = nx_exec_check_constraints(c, &s->constraints, err);
	if (r == 0)
		r = nx_exec_network_check(c, &s->constraints.network, true, err);
	if (r == 0)
		r = check_time("idle_timeout_s", s->idle_us, c->sandbox_max_session_idle, "sandbox.max_session_idle",
			       err);
	if (r == 0)
		r = check_time("lifetime_s", s->lifetime_us, c->sandbox_max_session_time, "sandbox.max_session_time",
			       err);
	if (r == 0)
		r = nx_exec_check_files(c, n->files, n->nfiles, 0, err);
	if (r == 0)
		r = nx_exec_files_check(c, &s->constraints.files, false, s->scratch, &s->files, err);
	if (r == 0 && !nx_id_none(n->snapshot)) {
		nx_str mime;
		r = nx_execution_artifact(s->e, s->tenant, n->snapshot, s->scratch, &s->snapshot, &mime, err);
		if (r == 0 && !nx_str_eqz(mime, NX_SESSION_SNAPSHOT_MIME))
			r = nx_error_set(err, NX_ENOTFOUND, "the artifact is no snapshot of a session");
		if (r < 0)
			return nx_error_at(err, "/snapshot_id");
	}
	return r;
}

static void admit_job(struct nx_job *j)
{
	struct nx_session *s = nx_container_of(j, struct nx_session, job);
	(void)check(s, &s->error);
}

static void on_admitted(struct nx_job *j)
{
	struct nx_session *s = nx_container_of(j, struct nx_session, job);
	nx_loop_assert(s->e->loop);
	if (!s->error && !s->reason && given_bytes(s) > s->e->config->sandbox_work_bytes)
		nx_error_set(&s->error, NX_ETOOBIG, "the files are %lld bytes, more than %lld (sandbox.work_bytes)",
			     (long long)given_bytes(s), (long long)s->e->config->sandbox_work_bytes);
	if (!s->error && !s->reason)
		(void)prepare(s, &s->error);
	if (s->error || s->reason)
		nx_session_fail(s);
}

static void begin(struct nx_msg *m)
{
	struct nx_session_new *n = nx_container_of(m, struct nx_session_new, msg);
	struct nx_session *s = n->session;
	struct nx_execution *e = s->e;
	nx_auto_error struct nx_error *err = NULL;
	nx_loop_assert(e->loop);
	if (e->is_stopping)
		nx_error_set(&err, NX_EBUSY, "the server is stopping");
	else if (count_of(e, s->tenant) >= (size_t)e->config->sandbox_max_sessions)
		nx_error_set(&err, NX_ELIMIT, "there are %lld sessions already (sandbox.max_sessions): end one",
			     (long long)e->config->sandbox_max_sessions);
	if (err) {
		free_session(s);
		n->done(n, err);
		return;
	}
	s->number = ++e->last_number;
	nx_timer_init(&s->idle, e->loop, on_idle);
	nx_timer_init(&s->life, e->loop, on_life);
	nx_timer_init(&s->grace, e->loop, on_grace);
	uv_mutex_lock(&e->sessions_lock);
	TAILQ_INSERT_TAIL(&e->sessions, s, in_all);
	uv_mutex_unlock(&e->sessions_lock);
	s->job = (struct nx_job){.run = admit_job, .done = on_admitted, .reply = e->loop};
	nx_workers_post(e->workers, &s->job);
}

static void no_memory(struct nx_msg *m)
{
	struct nx_session_new *n = nx_container_of(m, struct nx_session_new, msg);
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_ENOMEM, "no memory for a session");
	n->done(n, err);
}

void nx_session_create(struct nx_execution *e, struct nx_session_new *n)
{
	struct nx_session *s = calloc(1, sizeof(*s));
	n->id = nx_id_new();
	n->session = s;
	n->msg.run = no_memory;
	if (s)
		s->scratch = nx_arena_new(0);
	if (s && s->scratch) {
		s->e = e;
		s->id = n->id;
		s->tenant = n->tenant;
		s->creator = n;
		s->constraints = n->constraints;
		s->has_network = n->constraints.network.is_granted;
		s->idle_us = n->idle_us ? n->idle_us : e->config->sandbox_max_session_idle * NX_USEC_PER_MSEC;
		s->lifetime_us =
			n->lifetime_us ? n->lifetime_us : e->config->sandbox_max_session_time * NX_USEC_PER_MSEC;
		s->created_us = s->used_us = nx_time_wall_us();
		s->box = s->pidfd = -1;
		for (size_t i = 0; i < nx_countof(s->fds); i++)
			s->fds[i] = -1;
		TAILQ_INIT(&s->waiting);
		TAILQ_INIT(&s->processes);
		n->msg.run = begin;
	} else {
		free(s);
	}
	nx_loop_post(e->loop, &n->msg);
}

/* ---- asked to end ---- */

static void on_end(struct nx_msg *m)
{
	struct nx_session_end *d = nx_container_of(m, struct nx_session_end, msg);
	struct nx_session *s = nx_session_find(d->e, d->tenant, d->id);
	nx_auto_error struct nx_error *err = NULL;
	if (!s || s->state < NX_SESSION_ACTIVE) {
		/* One that has ended is the caller's to find in the store. */
		nx_error_set(&err, NX_ENOTFOUND, "no such session is active");
		d->done(d, err);
		return;
	}
	d->next = s->enders;
	s->enders = d;
	if (s->current && s->current->ending < 0)
		s->current->ending = NX_EXEC_CANCELLED;
	nx_session_stop(s, "deleted");
}

void nx_session_end(struct nx_execution *e, struct nx_session_end *d)
{
	d->e = e;
	d->msg.run = on_end;
	nx_loop_post(e->loop, &d->msg);
}
