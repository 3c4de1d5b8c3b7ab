/* What a keeper does, and a zygote when it stands at its door: guests are cloned where it sits. */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COLLECTOR_MS_MAX 1000

static bool recv_guest(int sock, struct nx_guest *g)
{
	int fds[NX_KEEPER_FDS];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec iov = {g, sizeof(*g)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	if (recvmsg(sock, &h, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*g))
		return false;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	size_t n = NX_KEEPER_FDS_LEAST + (g->control >= 0) + (g->processes >= 0) + (g->into_cgroup >= 0);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(n * sizeof(int)))
		return false;
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	g->ctl = fds[0];
	g->status = fds[1];
	g->box = fds[2];
	g->out = fds[3];
	g->err = fds[4];
	n = NX_KEEPER_FDS_LEAST;
	g->control = g->control >= 0 ? fds[n++] : -1;
	g->processes = g->processes >= 0 ? fds[n++] : -1;
	g->into_cgroup = g->into_cgroup >= 0 ? fds[n] : -1;
	return true;
}

static void close_guest(const struct nx_guest *g)
{
	(void)close(g->ctl);
	(void)close(g->status);
	(void)close(g->box);
	(void)close(g->out);
	(void)close(g->err);
	if (g->control >= 0)
		(void)close(g->control);
	if (g->processes >= 0)
		(void)close(g->processes);
	if (g->into_cgroup >= 0)
		(void)close(g->into_cgroup);
}

void nx_keeper_spare(void)
{
	nx_auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "-1000", 5); /* refused to an ordinary user, who has no v1 cgroups either */
}

/* Whether /proc/net/unix has its line of titles alone. */
static bool has_no_sockets(int names_fd)
{
	char text[256];
	ssize_t n = pread(names_fd, text, sizeof(text), 0);
	const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	return end && end == text + n - 1;
}

/*
 * Sockets that a guest sent to one another outlive it, bound names and ports with them, until the kernel's collector has
 * been: it works in the background since Linux 6.10, and is woken by the end of any such socket. -errno.
 */
static int wait_for_collector(int names_fd)
{
	int pair[2];
	for (int i = 0; i < COLLECTOR_MS_MAX; i++) {
		if (has_no_sockets(names_fd))
			return 0;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
			(void)close(pair[0]);
			(void)close(pair[1]);
		}
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return -EBUSY;
}

static int32_t clone_guest(struct nx_guest *g, int names_fd)
{
	int r = names_fd < 0 ? 0 : wait_for_collector(names_fd);
	if (r < 0)
		return r;
	g->has_net = names_fd >= 0;
	pid_t pid = nx_guest_clone(g, g->into_cgroup, true);
	return pid < 0 ? -errno : pid;
}

bool nx_keeper_serve(int sock, bool has_net)
{
	struct nx_guest g;
	int names_fd = has_net ? open("/proc/self/net/unix", O_RDONLY | O_CLOEXEC) : -1;
	while (recv_guest(sock, &g)) {
		int32_t answer = clone_guest(&g, names_fd);
		if (answer == 0)
			return true; /* what was open here is closed, or another file now */
		close_guest(&g);
		if (send(sock, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	nx_closep(&names_fd);
	return false;
}
