/*
 * The process that makes proxies. It is forked while the spawner still has the host's files, because names are resolved with
 * /etc/resolv.conf, /etc/hosts and the libraries of nsswitch.conf; it sits in the host's network, sees no program and reads
 * nothing but the spawner's orders. A proxy gives up everything before it looks at its first byte.
 */
#include "execution/proxy_internal.h"

#include "base/assert.h"
#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { SOCK_FD = 3, NFDS = 3, FD_SPARE = 16, LOOKUPS_SPARE = 8 };

struct order {
	struct nx_spawn_network network;
	uid_t uid;
};

/* ---- orders ---- */

static int send_order(int sock, const struct order *o, const int fds[NFDS])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * NFDS)];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)o, sizeof(*o)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	nx_assert(c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * NFDS);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * NFDS);
	return sendmsg(sock, &h, MSG_NOSIGNAL) == (ssize_t)sizeof(*o) ? 0 : -1;
}

static bool receive_order(struct order *o, struct nx_proxy_fds *ret)
{
	int fds[NFDS];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec iov = {o, sizeof(*o)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	if (recvmsg(SOCK_FD, &h, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*o))
		return false;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fds)))
		return false;
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	*ret = (struct nx_proxy_fds){fds[0], fds[1], fds[2]};
	return true;
}

/* ---- the proxy, before it serves ---- */

static int set_limit(__rlimit_resource_t what, rlim_t n)
{
	struct rlimit now;
	if (getrlimit(what, &now) < 0)
		return -1;
	n = nx_min(n, now.rlim_max);
	return setrlimit(what, &(struct rlimit){n, n});
}

static int limit_proxy(const struct order *o, bool has_own_uid)
{
	rlim_t connections = o->network.connections;
	if (set_limit(RLIMIT_CORE, 0) < 0 || set_limit(RLIMIT_FSIZE, 0) < 0 ||
	    set_limit(RLIMIT_NOFILE, 3 * connections + FD_SPARE) < 0)
		return -1;
	return has_own_uid ? set_limit(RLIMIT_NPROC, connections + LOOKUPS_SPARE) : 0;
}

/* The guest's own filter fits: sockets of AF_UNIX and AF_INET, no privilege, no namespaces. */
static int confine(const struct order *o, const struct nx_host *h, const struct nx_seccomp *filter)
{
	struct nx_host plain = *h;
	const char *stage;
	plain.userns = false;
	if (limit_proxy(o, h->is_root) < 0 || (h->is_root && nx_guest_drop(&plain, o->uid, &stage) < 0))
		return -1;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (h->landlock_abi && nx_landlock_restrict_proxy(h->landlock_abi) < 0)
		return -1;
	return filter->prog.len && nx_seccomp_install(filter) < 0 ? -1 : 0;
}

static void __attribute__((noreturn)) proxy_process(const struct order *o, const struct nx_proxy_fds *fds,
						    const struct nx_host *h, const struct nx_seccomp *filter)
{
	/* Descriptors 3 to 5, and nothing else but the standard ones, which are the server's. */
	int from[NFDS] = {fds->listener, fds->report, fds->counts}, high[NFDS];
	for (int i = 0; i < NFDS; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, 64)) < 0)
			_exit(1);
	for (int i = 0; i < NFDS; i++)
		if (dup2(high[i], SOCK_FD + i) < 0)
			_exit(1);
	(void)close_range(SOCK_FD + NFDS, ~0U, 0);
	(void)prctl(PR_SET_NAME, "nexus-proxy");
	if (confine(o, h, filter) < 0)
		_exit(1);
	nx_proxy_main(&o->network, &(struct nx_proxy_fds){SOCK_FD, SOCK_FD + 1, SOCK_FD + 2});
}

/* ---- the keeper ---- */

static void __attribute__((noreturn)) keeper_main(int sock, pid_t spawner, struct nx_host *h)
{
	static struct order o;
	struct nx_seccomp filter = {0};
	struct nx_proxy_fds fds;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != spawner || (sock != SOCK_FD && dup2(sock, SOCK_FD) < 0) ||
	    close_range(SOCK_FD + 1, ~0U, 0) < 0)
		_exit(1);
	(void)prctl(PR_SET_NAME, "nexus-net");
	h->landlock_abi = h->force & NX_FORCE_NO_LANDLOCK ? 0 : nx_landlock_abi();
	while (receive_order(&o, &fds)) {
		if (!filter.prog.len && !(h->force & NX_FORCE_NO_SECCOMP))
			(void)nx_seccomp_compile(true, &filter);
		/* A child of the spawner, which watches and ends it. Not clone3, which filters of containers refuse. */
		pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)CLONE_PARENT, 0UL, 0UL, 0UL, 0UL);
		if (pid == 0)
			proxy_process(&o, &fds, h, &filter);
		int32_t answer = pid > 0 ? pid : -errno;
		(void)close(fds.listener);
		(void)close(fds.report);
		(void)close(fds.counts);
		if (send(SOCK_FD, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

void nx_net_keeper_start(struct nx_net_keeper *k, const struct nx_host *h)
{
	int pair[2];
	struct nx_host mine = *h;
	pid_t spawner = getpid();
	*k = (struct nx_net_keeper){.pid = -1, .sock = -1};
	if (h->force & NX_FORCE_NO_NETNS || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	k->pid = fork();
	if (k->pid == 0)
		keeper_main(pair[1], spawner, &mine);
	(void)close(pair[1]);
	if (k->pid < 0)
		(void)close(pair[0]);
	else
		k->sock = pair[0];
}

/* ---- the spawner's side ---- */

static int open_proxy(struct nx_proxy_end *e, int *ret_theirs, struct nx_fault_at *fault)
{
	int pair[2];
	if (NX_FAULT(sandbox_proxy))
		return nx_fault_at_set(fault, "start the proxy", EMFILE);
	e->counts = memfd_create("nexus-proxy", MFD_CLOEXEC);
	if (e->counts < 0 || ftruncate(e->counts, sizeof(struct nx_proxy_counts)) < 0)
		return nx_fault_at_set(fault, "make the proxy's counters", errno);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return nx_fault_at_set(fault, "make the proxy's socket", errno);
	e->report = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

int nx_proxy_start(struct nx_net_keeper *k, const struct nx_spawn_network *n, int listener, uid_t uid,
		   struct nx_proxy_end *ret, struct nx_fault_at *fault)
{
	nx_auto_fd int theirs = -1;
	int32_t answer = -EPIPE;
	struct order o = {.network = *n, .uid = uid};
	*ret = NX_PROXY_END_NONE;
	if (open_proxy(ret, &theirs, fault) < 0) {
		nx_proxy_stop(ret);
		return -1;
	}
	if (send_order(k->sock, &o, (const int[]){listener, theirs, ret->counts}) < 0 ||
	    recv(k->sock, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer) || answer <= 0) {
		nx_proxy_stop(ret);
		return nx_fault_at_set(fault, "start the proxy", answer < 0 ? -answer : EPIPE);
	}
	ret->pid = answer;
	return 0;
}

/* By reading, not by a mapping: whatever the proxy did to the file, this fails and does not fault. */
void nx_proxy_read(const struct nx_proxy_end *e, struct nx_proxy_counts *ret)
{
	if (e->counts < 0 || pread(e->counts, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret))
		*ret = (struct nx_proxy_counts){0};
}

void nx_proxy_stop(struct nx_proxy_end *e)
{
	if (e->pid > 0) {
		(void)kill(e->pid, SIGKILL);
		while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (e->report >= 0)
		(void)close(e->report);
	if (e->counts >= 0)
		(void)close(e->counts);
	*e = NX_PROXY_END_NONE;
}
