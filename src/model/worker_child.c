#include "model/worker_internal.h"

#include "base/assert.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <uv.h>

extern char **environ;

struct nx_worker_child {
	struct nx_worker_child_events events;
	pid_t pid; /* 0: reaped */
	int pidfd;
	uv_pipe_t pipe;
	uv_poll_t exit;
	unsigned open_handles;
	bool is_eof, is_dismissed;
	char how[192];
	struct nx_buf in;
	char bytes[65536];
};

/* ---- the end ---- */

static void on_closed(uv_handle_t *h)
{
	struct nx_worker_child *c = h->data;
	if (--c->open_handles > 0)
		return;
	struct nx_worker_child_events events = c->events;
	(void)close(c->pidfd);
	nx_buf_done(&c->in);
	free(c);
	events.on_gone(events.ctx);
}

/* Once it is reaped and has no more to say. */
static void check_end(struct nx_worker_child *c)
{
	if (c->pid != 0 || !(c->is_eof || c->is_dismissed))
		return;
	if (!c->is_dismissed)
		c->events.on_end(c->how, c->events.ctx);
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	uv_close((uv_handle_t *)&c->exit, on_closed);
}

static void on_exit_ready(uv_poll_t *h, int status, int events)
{
	struct nx_worker_child *c = h->data;
	siginfo_t info = {0};
	(void)status;
	(void)events;
	if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
		return;
	(void)uv_poll_stop(h);
	c->pid = 0;
	if (c->how[0] == '\0') /* else it was we who ended it, and why is known */
		(void)snprintf(c->how, sizeof(c->how),
			       info.si_code == CLD_EXITED ? "gone with status %d" : "killed by signal %d",
			       info.si_status);
	check_end(c);
}

void nx_worker_child_kill(struct nx_worker_child *c)
{
	if (c->pid != 0)
		(void)pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
}

void nx_worker_child_dismiss(struct nx_worker_child *c)
{
	c->is_dismissed = true;
	(void)uv_read_stop((uv_stream_t *)&c->pipe);
	nx_worker_child_kill(c);
	/* Reaped by on_exit_ready; when that has been already, only the end of its output was missing. */
	check_end(c);
}

/* ---- lines ---- */

static void give_buffer(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct nx_worker_child *c = h->data;
	(void)wanted;
	*ret = uv_buf_init(c->bytes, sizeof(c->bytes));
}

static void on_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct nx_worker_child *c = s->data;
	nx_auto_error struct nx_error *err = NULL;
	if (n == 0)
		return;
	if (n > 0 && nx_buf_add(&c->in, buf->base, (size_t)n) &&
	    nx_worker_take_lines(&c->in, c->events.on_line, c->events.ctx, &err) == 0)
		return;
	/* It has closed its end, or what it says makes no sense. */
	(void)uv_read_stop(s);
	c->is_eof = true;
	if (err != NULL)
		(void)snprintf(c->how, sizeof(c->how), "stopped (%s)", nx_error_message(err));
	nx_worker_child_kill(c);
	check_end(c);
}

struct line {
	uv_write_t request;
	char *bytes;
};

static void on_sent(uv_write_t *w, int status)
{
	struct line *l = nx_container_of(w, struct line, request);
	(void)status; /* the end of the child tells */
	free(l->bytes);
	free(l);
}

void nx_worker_child_send(struct nx_worker_child *c, struct nx_buf *line)
{
	struct line *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		nx_worker_child_kill(c); /* it would wait for ever for what was not said */
		return;
	}
	uv_buf_t b = uv_buf_init(NULL, (unsigned)line->n);
	l->bytes = b.base = nx_buf_steal(line);
	if (uv_write(&l->request, (uv_stream_t *)&c->pipe, &b, 1, on_sent) != 0)
		on_sent(&l->request, -1);
}

/* ---- the start ---- */

/* Only what a sanitizer needs: keys that lie in the environment are not for a process that runs a user's file. */
static size_t pick_environment(char **ret, size_t max)
{
	size_t n = 0;
	for (char **e = environ; *e != NULL && n + 1 < max; e++)
		if (strstr(*e, "SAN_OPTIONS=") != NULL)
			ret[n++] = *e;
	ret[n] = NULL;
	return n;
}

static int spawn_with(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes,
		      const struct nx_worker_child_options *o, int fd, pid_t *ret)
{
	char context[24], threads[24], *environment[8];
	const char *argv[] = {"nexus", "model-worker", "--model", o->model, "--context",
			      context, "--threads",    threads,   NULL};
	const char *self = o->program != NULL ? o->program : "/proc/self/exe";
	(void)snprintf(context, sizeof(context), "%lld", (long long)o->context);
	(void)snprintf(threads, sizeof(threads), "%u", o->threads);
	(void)pick_environment(environment, nx_countof(environment));

	sigset_t none, all;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	int r = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, fd, NX_WORKER_FD);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return r != 0 ? r : posix_spawn(ret, self, files, attributes, (char *const *)argv, environment);
}

static int spawn(const struct nx_worker_child_options *o, int fd, pid_t *ret, struct nx_error **err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	if (NX_FAULT(model_spawn))
		return nx_error_set_errno(err, EAGAIN, "start the model worker");
	if (posix_spawn_file_actions_init(&files) != 0)
		return nx_error_set(err, NX_ENOMEM, "start the model worker: out of memory");
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return nx_error_set(err, NX_ENOMEM, "start the model worker: out of memory");
	}
	int r = spawn_with(&files, &attributes, o, fd, ret);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&files);
	return r == 0 ? 0 : nx_error_set_errno(err, r, "start the model worker");
}

static void abandon(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* From here on the handles belong to the loop, and only their closing frees the child. Takes fd and pidfd. */
static void watch(struct nx_worker_child *c, uv_loop_t *uv, int fd)
{
	nx_assert(uv_pipe_init(uv, &c->pipe, 0) == 0 && uv_poll_init(uv, &c->exit, c->pidfd) == 0);
	c->pipe.data = c->exit.data = c;
	c->open_handles = 2;
	nx_assert(uv_pipe_open(&c->pipe, fd) == 0);
	nx_assert(uv_read_start((uv_stream_t *)&c->pipe, give_buffer, on_bytes) == 0);
	nx_assert(uv_poll_start(&c->exit, UV_READABLE, on_exit_ready) == 0);
}

int nx_worker_child_start(struct nx_loop *loop, const struct nx_worker_child_options *o,
			  const struct nx_worker_child_events *events, struct nx_worker_child **ret,
			  struct nx_error **err)
{
	int fds[2];
	nx_loop_assert(loop);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return nx_error_set_errno(err, errno, "a socket for the model worker");
	nx_auto_fd int ours = fds[0];
	nx_auto_fd int theirs = fds[1];
	nx_auto_free struct nx_worker_child *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return nx_error_set(err, NX_ENOMEM, "start the model worker: out of memory");
	c->events = *events;
	int r = spawn(o, theirs, &c->pid, err);
	if (r != 0)
		return r;
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0) {
		r = nx_error_set_errno(err, errno, "watch the model worker");
		abandon(c->pid);
		return r;
	}
	watch(c, nx_loop_uv(loop), nx_steal_fd(&ours));
	*ret = nx_steal(c);
	return 0;
}
