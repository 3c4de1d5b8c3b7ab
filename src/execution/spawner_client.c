/* The server's end of the spawner: starts it, waits for its hello, carries messages on the execution loop. */
#include "execution/execution_internal.h"
#include "execution/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define HELLO_WAIT_S 5
#define RESTART_US (NX_USEC_PER_SEC / 2)
#define MESSAGES_AT_ONCE 64

struct nx_spawner {
	uv_mutex_t lock; /* hello and has_hello, which other threads ask for */
	uv_cond_t came;
	struct nx_spawn_hello hello;
	bool has_hello;
	_Atomic pid_t pid; /* relaxed would do: it is read for reports only */
	int sock;
	char uid_base[24], pool_size[24], pool_idle_ms[24], forks_max[24];
	const struct nx_config *config;
	char *root, *images; /* real paths, or "" */
	/* of the loop */
	struct nx_loop *loop;
	uv_poll_t *poll; /* freed when libuv has let go of it */
	struct nx_spawner_events events;
	struct nx_timer restart;
};

/* Secrets of the server's environment stay in the server. */
static char **spawner_env(char *kept[], size_t max)
{
	static const char *const names[] = {"NEXUS_SANDBOX_FORCE=", "NEXUS_FAULTS=", "ASAN_OPTIONS=",
					    "UBSAN_OPTIONS=",       "TSAN_OPTIONS=", "LSAN_OPTIONS="};
	size_t n = 0;
	for (char **e = environ; e && *e; e++)
		for (size_t i = 0; i < nx_countof(names); i++)
			if (n + 1 < max && strncmp(*e, names[i], strlen(names[i])) == 0)
				kept[n++] = *e;
	kept[n] = NULL;
	return kept;
}

/* Where Landlock would not keep guests from the program they are cloned from. What cannot be sealed runs no images. */
static int seal(void)
{
	return nx_landlock_abi() == 0 || nx_forced() & NX_FORCE_NO_LANDLOCK ? nx_seal_program() : -1;
}

static int launch(struct nx_spawner *s, struct nx_error **err)
{
	int pair[2];
	pid_t pid;
	posix_spawn_file_actions_t actions;
	char name[] = "nexus", verb[] = "spawner", *kept[8];
	const struct nx_config *c = s->config;
	char *argv[] = {name,
			verb,
			s->uid_base,
			(char *)(uintptr_t)c->sandbox_read_roots,
			(char *)(uintptr_t)c->sandbox_write_roots,
			(char *)(uintptr_t)c->home,
			s->root,
			s->images,
			s->pool_size,
			s->pool_idle_ms,
			s->forks_max,
			NULL};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return nx_error_set_errno(err, errno, "make the spawner's socket");
	nx_auto_fd int ours = pair[0], theirs = pair[1], sealed = seal();
	char program[32] = "/proc/self/exe";
	if (sealed >= 0)
		snprintf(program, sizeof(program), "/proc/self/fd/%d", sealed);
	int r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, theirs, 3); /* also when it is 3: loses close-on-exec */
		if (r == 0)
			r = posix_spawn(&pid, program, &actions, NULL, argv, spawner_env(kept, nx_countof(kept)));
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	if (r != 0)
		return nx_error_set_errno(err, r, "start the spawner");
	s->pid = pid;
	s->sock = nx_steal_fd(&ours);
	return 0;
}

/* The images are there when the data directory is: who starts a server makes both first. */
static int find_roots(struct nx_spawner *s, const struct nx_config *c, struct nx_error **err)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/images", c->home ? c->home : "") < (int)sizeof(path))
		s->images = realpath(path, NULL);
	if (!s->images)
		s->images = strdup("");
	s->root = c->sandbox_root[0] ? realpath(c->sandbox_root, NULL) : strdup("");
	if (!s->root && c->sandbox_root[0])
		return nx_error_set_errno(err, errno, "sandbox.root: %s", c->sandbox_root);
	return s->root && s->images ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for the spawner");
}

int nx_spawner_start(const struct nx_config *c, struct nx_spawner **ret, struct nx_error **err)
{
	struct nx_spawner *s = calloc(1, sizeof(*s));
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory for the spawner");
	s->sock = -1;
	s->config = c;
	snprintf(s->uid_base, sizeof(s->uid_base), "%lld", (long long)c->sandbox_uid_base);
	snprintf(s->pool_size, sizeof(s->pool_size), "%lld", (long long)c->sandbox_pool_size);
	snprintf(s->pool_idle_ms, sizeof(s->pool_idle_ms), "%lld", (long long)c->sandbox_pool_idle);
	snprintf(s->forks_max, sizeof(s->forks_max), "%lld", (long long)c->sandbox_warm_forks_max);
	if (uv_mutex_init(&s->lock) < 0) {
		free(s);
		return nx_error_set(err, NX_ENOMEM, "no memory for the spawner's lock");
	}
	if (uv_cond_init(&s->came) < 0) {
		uv_mutex_destroy(&s->lock);
		free(s);
		return nx_error_set(err, NX_ENOMEM, "no memory for the spawner's lock");
	}
	int r = find_roots(s, c, err);
	if (r == 0)
		r = launch(s, err);
	if (r < 0)
		nx_spawner_free(s);
	else
		*ret = s;
	return r;
}

static void reap(struct nx_spawner *s)
{
	if (s->sock >= 0)
		(void)close(nx_steal_fd(&s->sock));
	if (s->pid > 0)
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	s->pid = 0;
}

void nx_spawner_free(struct nx_spawner *s)
{
	if (!s)
		return;
	reap(s);
	uv_cond_destroy(&s->came);
	uv_mutex_destroy(&s->lock);
	free(s->root);
	free(s->images);
	free(s);
}

static void keep_hello(struct nx_spawner *s, const struct nx_spawn_hello *hello)
{
	uv_mutex_lock(&s->lock);
	if (hello)
		s->hello = *hello;
	s->has_hello = hello != NULL;
	uv_cond_broadcast(&s->came);
	uv_mutex_unlock(&s->lock);
}

/* Before a loop reads the socket, whoever asks first does. */
static void read_hello_here(struct nx_spawner *s)
{
	union nx_spawn_msg m;
	int fds[NX_SPAWN_FDS_MAX];
	size_t nfds;
	struct timeval wait = {.tv_sec = HELLO_WAIT_S};
	(void)setsockopt(s->sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	int n = nx_spawn_recv(s->sock, &m, fds, &nfds);
	while (nfds > 0)
		(void)close(fds[--nfds]);
	if (n > 0 && !nx_spawn_check(&m, (size_t)n, false) && m.head.type == NX_SPAWN_HELLO) {
		s->hello = m.hello;
		s->has_hello = true;
	}
}

bool nx_spawner_hello(struct nx_spawner *s, struct nx_spawn_hello *ret)
{
	uv_mutex_lock(&s->lock);
	if (!s->has_hello && !s->loop && s->sock >= 0)
		read_hello_here(s);
	while (!s->has_hello && s->loop &&
	       uv_cond_timedwait(&s->came, &s->lock, HELLO_WAIT_S * UINT64_C(1000000000)) == 0)
		continue;
	bool has = s->has_hello;
	if (has)
		*ret = s->hello;
	uv_mutex_unlock(&s->lock);
	return has;
}

/* ---- on the loop ---- */

static void free_poll(uv_handle_t *h)
{
	free(h);
}

static void stop_poll(struct nx_spawner *s)
{
	if (!s->poll)
		return;
	(void)uv_poll_stop(s->poll);
	uv_close((uv_handle_t *)nx_steal(s->poll), free_poll);
}

static void on_lost(struct nx_spawner *s)
{
	stop_poll(s);
	reap(s);
	keep_hello(s, NULL);
	s->events.on_lost(s->events.ctx);
	(void)nx_timer_start(&s->restart, RESTART_US, NULL);
}

static bool receive(struct nx_spawner *s)
{
	union nx_spawn_msg m;
	int fds[NX_SPAWN_FDS_MAX] = {-1, -1, -1, -1, -1, -1};
	size_t nfds;
	int n = nx_spawn_recv(s->sock, &m, fds, &nfds);
	if (n == -EAGAIN)
		return false;
	if (n <= 0 || nx_spawn_check(&m, (size_t)n, false)) {
		while (nfds > 0)
			(void)close(fds[--nfds]);
		on_lost(s);
		return false;
	}
	if (m.head.type == NX_SPAWN_HELLO) {
		keep_hello(s, &m.hello);
		s->events.on_ready(s->events.ctx);
	} else {
		s->events.on_message(s->events.ctx, &m, fds, nfds);
	}
	for (size_t i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return s->poll != NULL;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct nx_spawner *s = poll->data;
	(void)events;
	if (status < 0) {
		on_lost(s);
		return;
	}
	for (int i = 0; i < MESSAGES_AT_ONCE && receive(s); i++)
		continue;
}

static int start_poll(struct nx_spawner *s, struct nx_error **err)
{
	int flags = fcntl(s->sock, F_GETFL);
	if (flags < 0 || fcntl(s->sock, F_SETFL, flags | O_NONBLOCK) < 0)
		return nx_error_set_errno(err, errno, "set up the spawner's socket");
	s->poll = calloc(1, sizeof(*s->poll));
	if (!s->poll)
		return nx_error_set(err, NX_ENOMEM, "no memory to watch the spawner");
	int r = uv_poll_init(nx_loop_uv(s->loop), s->poll, s->sock);
	if (r < 0) {
		free(nx_steal(s->poll));
		return nx_error_set(err, NX_EIO, "watch the spawner: %s", uv_strerror(r));
	}
	s->poll->data = s;
	r = uv_poll_start(s->poll, UV_READABLE, on_readable);
	return r < 0 ? nx_error_set(err, NX_EIO, "watch the spawner: %s", uv_strerror(r)) : 0;
}

static void on_restart(struct nx_timer *t)
{
	struct nx_spawner *s = nx_container_of(t, struct nx_spawner, restart);
	if (launch(s, NULL) < 0 || start_poll(s, NULL) < 0) {
		reap(s);
		(void)nx_timer_start(t, RESTART_US, NULL);
	}
}

int nx_spawner_attach(struct nx_spawner *s, struct nx_loop *loop, const struct nx_spawner_events *ev,
		      struct nx_error **err)
{
	nx_loop_assert(loop);
	s->events = *ev;
	nx_timer_init(&s->restart, loop, on_restart);
	uv_mutex_lock(&s->lock);
	s->loop = loop;
	bool has_hello = s->has_hello;
	int r = start_poll(s, err);
	uv_mutex_unlock(&s->lock);
	if (r == 0 && has_hello)
		s->events.on_ready(s->events.ctx);
	return r;
}

void nx_spawner_detach(struct nx_spawner *s)
{
	nx_timer_stop(&s->restart);
	stop_poll(s);
}

bool nx_spawner_is_ready(const struct nx_spawner *s)
{
	return s->has_hello; /* written on this loop only, once attached */
}

int nx_spawner_send(struct nx_spawner *s, const union nx_spawn_msg *m)
{
	return s->sock < 0 ? -EPIPE : nx_spawn_send(s->sock, m, NULL, 0);
}

pid_t nx_spawner_pid(const struct nx_spawner *s)
{
	return s->pid;
}

int nx_spawner_socket(const struct nx_spawner *s)
{
	return s->sock;
}
