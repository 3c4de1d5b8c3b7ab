/*
 * A process that sits in a set of v1 cgroups and clones guests there; see sandbox_internal.h for why. It also sits in an
 * empty network namespace, which its guests share one after the other: making and unmaking one for each run costs more than
 * all other namespaces together. Nothing passes from run to run in it: no guest has a privilege over it, loopback is down,
 * and no guest is cloned before the sockets of the one before are gone.
 */
#include "execution/sandbox_internal.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { SOCK_FD = 3 };

static int send_guest(int sock, const struct nx_guest *g)
{
	int fds[NX_KEEPER_FDS] = {g->ctl, g->status, g->box, g->out, g->err};
	size_t n = NX_KEEPER_FDS_LEAST;
	if (g->control >= 0)
		fds[n++] = g->control;
	if (g->processes >= 0)
		fds[n++] = g->processes;
	if (g->into_cgroup >= 0)
		fds[n++] = g->into_cgroup;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)g, sizeof(*g)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	nx_assert(c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(sock, &h, MSG_NOSIGNAL) == (ssize_t)sizeof(*g) ? 0 : -1;
}

static void __attribute__((noreturn)) keeper_main(int sock)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != nx_guest_env.spawner || (sock != SOCK_FD && dup2(sock, SOCK_FD) < 0) ||
	    close_range(SOCK_FD + 1, ~0U, 0) < 0)
		_exit(1);
	prctl(PR_SET_NAME, "nexus-keeper");
	nx_keeper_spare();
	(void)nx_keeper_serve(SOCK_FD, nx_guest_env.host->netns && unshare(CLONE_NEWNET) == 0);
	_exit(0);
}

struct nx_keeper *nx_keeper_new(struct nx_fault_at *ret)
{
	int pair[2];
	struct nx_keeper *k = calloc(1, sizeof(*k));
	if (!k || NX_FAULT(sandbox_keeper) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		nx_fault_at_set(ret, "make a keeper", errno ? errno : ENOMEM);
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
	if (NX_FAULT(sandbox_clone) || send_guest(k->sock, g) < 0 ||
	    recv(k->sock, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		return nx_fault_at_set(ret, "ask the keeper", EPIPE);
	return answer > 0 ? answer : nx_fault_at_set(ret, "clone", -answer);
}
