/*
 * A process that sits in a set of v1 cgroups and clones guests there; see sandbox_internal.h for why. It also sits in an
 * empty network namespace, which its guests share one after the other: making and unmaking one for each run costs more than
 * all other namespaces together. Nothing passes from run to run in it: no guest has a privilege over it, loopback is down,
 * and sockets die with their processes before the next guest is cloned.
 */
#include "execution/sandbox_internal.h"

#include "base/assert.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { SOCK_FD = 3, GUEST_FDS = 5 }; /* and one more for a control socket */

static int send_guest(int sock, const struct nx_guest *g)
{
	int fds[GUEST_FDS + 1] = {g->ctl, g->status, g->box, g->out, g->err, g->control};
	const size_t size = (GUEST_FDS + (g->control >= 0)) * sizeof(fds[0]);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)g, sizeof(*g)};
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(size)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	nx_assert(c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), fds, size);
	return sendmsg(sock, &h, MSG_NOSIGNAL) == (ssize_t)sizeof(*g) ? 0 : -1;
}

static bool recv_guest(int sock, struct nx_guest *g)
{
	int fds[GUEST_FDS + 1] = {-1, -1, -1, -1, -1, -1};
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
	const size_t size = (GUEST_FDS + (g->control >= 0)) * sizeof(fds[0]);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(size))
		return false;
	memcpy(fds, CMSG_DATA(c), size);
	g->ctl = fds[0];
	g->status = fds[1];
	g->box = fds[2];
	g->out = fds[3];
	g->err = fds[4];
	g->control = fds[5];
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
}

/* The kernel must not choose the keeper when a guest's cgroup runs out of memory; guests undo this for themselves. */
static void spare_me(void)
{
	nx_auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "-1000", 5); /* refused to an ordinary user, who has no v1 cgroups either */
}

static void __attribute__((noreturn)) keeper_main(int sock)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != nx_guest_env.spawner || (sock != SOCK_FD && dup2(sock, SOCK_FD) < 0) ||
	    close_range(SOCK_FD + 1, ~0U, 0) < 0)
		_exit(1);
	prctl(PR_SET_NAME, "nexus-keeper");
	spare_me();

	bool has_net = nx_guest_env.host->netns && unshare(CLONE_NEWNET) == 0;
	struct nx_guest g;
	while (recv_guest(SOCK_FD, &g)) {
		g.has_net = has_net;
		pid_t pid = nx_guest_clone(&g, -1, true);
		int32_t answer = pid > 0 ? pid : -errno;
		close_guest(&g);
		if (send(SOCK_FD, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

struct nx_keeper *nx_keeper_new(struct nx_fault_at *ret)
{
	int pair[2];
	struct nx_keeper *k = calloc(1, sizeof(*k));
	if (!k || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		nx_fault_at_set(ret, "make a keeper", errno);
		free(k);
		return NULL;
	}
	k->pid = fork();
	if (k->pid == 0)
		keeper_main(pair[1]);
	int errnum = errno;
	(void)close(pair[1]);
	k->sock = pair[0];
	if (k->pid < 0) {
		nx_fault_at_set(ret, "fork a keeper", errnum);
		(void)close(k->sock);
		free(k);
		return NULL;
	}
	return k;
}

void nx_keeper_free(struct nx_keeper *k)
{
	if (!k)
		return;
	(void)close(k->sock);
	(void)kill(k->pid, SIGKILL);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(k);
}

pid_t nx_keeper_clone(struct nx_keeper *k, const struct nx_guest *g, struct nx_fault_at *ret)
{
	int32_t answer = -EPIPE;
	if (send_guest(k->sock, g) < 0 || recv(k->sock, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		return nx_fault_at_set(ret, "ask the keeper", EPIPE);
	return answer > 0 ? answer : nx_fault_at_set(ret, "clone", -answer);
}
