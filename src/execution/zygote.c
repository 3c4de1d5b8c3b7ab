/*
 * The spawner's side of a zygote: an interpreter that is started with the command line of a cold run, in the template that
 * guests see, and stops at the door of its program (door.c). It sees no code but that of the host's own interpreter and its
 * site packages, is the spawner's child, dies with it, and is never chosen by the kernel when memory runs out.
 */
#include "execution/sandbox_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define START_WAIT_US (5 * NX_USEC_PER_SEC)
#define STACK_SOFT (8 << 20) /* as guests have it when they exec; the C library remembers what it was */
#define STACK_HARD (64 << 20)
enum { HIGH_FD = 64 };

struct launch {
	char *argv[NX_SPAWN_ARGS_MAX + 1], *envp[NX_SPAWN_ARGS_MAX + 2];
	struct nx_spawn_start command;
	int sock, plan, root, null, out; /* out: a pipe that nobody reads, because guests write to pipes */
	pid_t net;
};

/* ---- the child ---- */

static int seat_fds(const struct launch *l)
{
	const int from[] = {l->null, l->out, l->out, l->sock, l->plan, l->root};
	int high[nx_countof(from)];
	for (size_t i = 0; i < nx_countof(from); i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, HIGH_FD)) < 0)
			return -1;
	for (size_t i = 0; i < nx_countof(from); i++)
		if (dup2(high[i], (int)i) < 0)
			return -1;
	return close_range(NX_ZYGOTE_ROOT_FD + 1, ~0U, 0);
}

static int join_net(pid_t pid)
{
	if (pid <= 0)
		return 0;
	nx_auto_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}

static void __attribute__((noreturn)) launch_main(struct launch *l)
{
	struct rlimit stack = {STACK_SOFT, STACK_HARD}, core = {1, 1};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != nx_guest_env.spawner || setsid() < 0 || join_net(l->net) < 0 || seat_fds(l) < 0)
		_exit(1);
	nx_keeper_spare();
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)setrlimit(RLIMIT_STACK, &stack);
	(void)setrlimit(RLIMIT_CORE, &core);
	(void)umask(077);
	if (chroot(NX_TEMPLATE) < 0 || chdir("/work") < 0)
		_exit(1);
	execve(l->argv[0], l->argv, l->envp);
	_exit(1);
}

/* ---- the spawner ---- */

static int write_plan(const struct launch *l)
{
	static struct nx_zygote_plan plan;
	const struct sock_fprog *prog = &nx_guest_env.seccomp->prog;
	memset(&plan, 0, sizeof(plan));
	plan.host = *nx_guest_env.host;
	plan.spawner = nx_guest_env.spawner;
	plan.has_net = l->net > 0;
	const char *door = l->argv[l->command.argc - 1];
	if (NX_FAULT(sandbox_plan))
		return -ENOSPC;
	if (strlen(door) >= sizeof(plan.door) || prog->len > BPF_MAXINSNS)
		return -E2BIG;
	memcpy(plan.door, door, strlen(door));
	plan.nfilter = prog->len;
	if (prog->len)
		memcpy(plan.filter, prog->filter, prog->len * sizeof(*prog->filter));
	return pwrite(l->plan, &plan, sizeof(plan), 0) == (ssize_t)sizeof(plan) ? 0 : -EIO;
}

static int open_all(struct launch *l, int *ret_sock)
{
	int pair[2], out[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_sock = pair[0];
	l->sock = pair[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	(void)close(out[0]);
	l->out = out[1];
	l->plan = memfd_create("nexus-plan", MFD_CLOEXEC);
	l->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->null = open(NX_TEMPLATE "/dev/null", O_RDONLY | O_CLOEXEC);
	return l->plan < 0 || l->root < 0 || l->null < 0 ? -errno : write_plan(l);
}

static void close_all(struct launch *l)
{
	const int fds[] = {l->sock, l->plan, l->root, l->null, l->out};
	for (size_t i = 0; i < nx_countof(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static bool split(struct launch *l)
{
	static char preload[] = "LD_PRELOAD=" NX_DOOR_OBJECT;
	struct nx_spawn_start *c = &l->command;
	if (!nx_spawn_split(c->args, c->argc, l->argv) || !nx_spawn_split(c->env, c->envc, l->envp))
		return false;
	l->envp[c->envc] = preload;
	l->envp[c->envc + 1] = NULL;
	return true;
}

struct nx_zygote *nx_zygote_start(const struct nx_spawn_start *command, pid_t net, struct nx_fault_at *ret)
{
	static struct launch l;
	l = (struct launch){.command = *command, .net = net, .sock = -1, .plan = -1, .root = -1, .null = -1, .out = -1};
	struct nx_zygote *z = calloc(1, sizeof(*z));
	if (!z || !split(&l)) {
		free(z);
		nx_fault_at_set(ret, "memory for a zygote", ENOMEM);
		return NULL;
	}
	z->keeper.sock = -1;
	int r = NX_FAULT(sandbox_zygote) ? -EAGAIN : open_all(&l, &z->keeper.sock);
	if (r == 0 && (z->keeper.pid = fork()) == 0)
		launch_main(&l);
	if (r == 0 && z->keeper.pid < 0)
		r = -errno;
	close_all(&l);
	z->started_us = nx_time_mono_us();
	if (r == 0)
		return z;
	nx_fault_at_set(ret, "start a zygote", -r);
	nx_zygote_free(z);
	return NULL;
}

void nx_zygote_poll(struct nx_zygote *z)
{
	int32_t ready;
	if (z->state != NX_ZYGOTE_STARTING)
		return;
	ssize_t n = recv(z->keeper.sock, &ready, sizeof(ready), MSG_DONTWAIT);
	if (n == (ssize_t)sizeof(ready) && !NX_FAULT(sandbox_door))
		z->state = NX_ZYGOTE_READY;
	else if (n >= 0 || errno != EAGAIN || nx_time_mono_us() - z->started_us > START_WAIT_US)
		z->state = NX_ZYGOTE_DEAD;
}

void nx_zygote_free(struct nx_zygote *z)
{
	if (!z)
		return;
	if (z->keeper.sock >= 0)
		(void)close(z->keeper.sock);
	if (z->keeper.pid > 0) {
		(void)kill(z->keeper.pid, SIGKILL);
		while (waitpid(z->keeper.pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	free(z);
}
