/*
 * The reaper of a session: it waits for the driver as any reaper does, and starts further processes when the server asks.
 *
 * It is one thread behind all the walls, of the guest's own user, and holds nothing but a table. It never waits for one of
 * its children: whether a program was exec'ed is told by a pipe that closes with the exec, which it polls, because the guest
 * can stop a child before that. A process is signalled only while it is in the table, that is, before it is waited for; so
 * its number cannot be another's.
 */
#include "execution/hostfs.h"
#include "execution/process_protocol.h"

#include "base/macros.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWEEPS_MAX 16 /* a crowd that forks while it is swept is the session's own; its end ends them */

enum { EXEC_FD = 3, EXEC_HIGH_FD = 64, TERMINAL_FDS = 1, PIPE_FDS = 3 };

struct child {
	pid_t pid; /* 0: free */
	uint32_t number;
	int exec_fd; /* -1: it was exec'ed, or could not be */
	bool is_stopping;
};

static struct child children[NX_PROCESSES_MAX];
static struct nx_process_order order;
static char *argv[NX_PROCESS_TEXTS_MAX + 1], *envp[NX_PROCESS_TEXTS_MAX + 1];

extern char **environ;

static void say(int sock, struct nx_process_word w)
{
	w.magic = NX_PROCESS_MAGIC;
	if (sock >= 0) /* one that is closed has nobody who would want to know */
		(void)send(sock, &w, sizeof(w), MSG_NOSIGNAL);
}

static struct child *find(uint32_t number)
{
	for (size_t i = 0; i < nx_countof(children); i++)
		if (children[i].pid && children[i].number == number)
			return &children[i];
	return NULL;
}

static struct child *find_pid(pid_t pid)
{
	for (size_t i = 0; i < nx_countof(children); i++)
		if (children[i].pid == pid)
			return &children[i];
	return NULL;
}

/* ---- signals ---- */

/* One block of /proc; without an allocator, for which a guest's limits leave no room perhaps. */
static bool kill_listed(const char *block, long n, pid_t session)
{
	bool found = false;
	for (long at = 0; at < n;) {
		const struct dirent64 *e = (const struct dirent64 *)(const void *)(block + at);
		long pid = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? strtol(e->d_name, NULL, 10) : 0;
		if (pid > 1 && pid != session && getsid((pid_t)pid) == session && kill((pid_t)pid, SIGKILL) == 0)
			found = true;
		at += e->d_reclen;
	}
	return found;
}

static bool kill_members(pid_t session)
{
	_Alignas(struct dirent64) char block[8192];
	bool found = false;
	long n;
	nx_auto_fd int dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (dir >= 0 && (n = syscall(SYS_getdents64, dir, block, sizeof(block))) > 0)
		found |= kill_listed(block, n, session);
	return found;
}

/* Those that are killed but not yet waited for are found again: hence the number of rounds. */
static void sweep(pid_t session)
{
	(void)kill(-session, SIGKILL);
	(void)kill(session, SIGKILL);
	for (int i = 0; i < SWEEPS_MAX && kill_members(session); i++)
		continue;
}

static void signal_child(const struct child *c, int number)
{
	/* Before it is the leader of its group it is alone. */
	if (kill(-c->pid, number) < 0)
		(void)kill(c->pid, number);
}

/* ---- start ---- */

static void __attribute__((noreturn)) fail_exec(int errnum)
{
	(void)!write(EXEC_FD, &errnum, sizeof(errnum));
	_exit(127);
}

static void take_terminal(void)
{
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		fail_exec(errno);
}

/* In the child. Nothing but standard descriptors stays open; what the reaper handles is as at the start of any program. */
static void __attribute__((noreturn)) run(int exec_fd, const int *fds, size_t nfds)
{
	sigset_t none;
	int high[PIPE_FDS], out = fcntl(exec_fd, F_DUPFD_CLOEXEC, EXEC_HIGH_FD);
	for (size_t i = 0; i < PIPE_FDS; i++)
		high[i] = fcntl(fds[nfds == PIPE_FDS ? i : 0], F_DUPFD, EXEC_HIGH_FD);
	if (out < 0 || dup3(out, EXEC_FD, O_CLOEXEC) < 0)
		_exit(127);
	for (size_t i = 0; i < PIPE_FDS; i++)
		if (high[i] < 0 || dup2(high[i], (int)i) < 0)
			fail_exec(errno);
	if (close_range(EXEC_FD + 1, ~0U, 0) < 0 || setsid() < 0)
		fail_exec(errno);
	if (nfds == TERMINAL_FDS)
		take_terminal();
	sigemptyset(&none);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(NX_GUEST_INTERRUPT, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(order.dir) < 0)
		fail_exec(errno);
	environ = envp;
	(void)execvp(argv[0], argv);
	fail_exec(errno);
}

static int fork_child(struct child *c, const int *fds, size_t nfds)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return errno;
	pid_t pid = fork();
	int errnum = errno;
	if (pid == 0)
		run(p[1], fds, nfds);
	(void)close(p[1]);
	if (pid < 0) {
		(void)close(p[0]);
		return errnum;
	}
	*c = (struct child){.pid = pid, .number = order.number, .exec_fd = p[0]};
	return 0;
}

static int start(const int *fds, size_t nfds)
{
	struct child *c = find_pid(0);
	if (nfds != (size_t)(order.is_terminal ? TERMINAL_FDS : PIPE_FDS) || order.argc == 0 ||
	    !memchr(order.dir, '\0', sizeof(order.dir)) ||
	    !nx_process_texts_split(order.args, sizeof(order.args), order.argc, argv) ||
	    !nx_process_texts_split(order.env, sizeof(order.env), order.envc, envp))
		return EPROTO;
	return c ? fork_child(c, fds, nfds) : EAGAIN;
}

/* ---- orders ---- */

static void obey(int sock, const int *fds, size_t nfds)
{
	if (order.type == NX_PROCESS_START) {
		int errnum = start(fds, nfds);
		if (errnum)
			say(sock, (struct nx_process_word){
					  .type = NX_PROCESS_FAILED, .number = order.number, .errnum = errnum});
		return;
	}
	struct child *c = find(order.number);
	if (!c)
		return;
	c->is_stopping |= order.type != NX_PROCESS_SIGNAL;
	if (order.type == NX_PROCESS_KILL)
		sweep(c->pid);
	else
		signal_child(c, order.signal);
}

/* False: the server has gone from the other end. */
static bool take_order(int sock)
{
	int fds[PIPE_FDS];
	size_t nfds;
	memset(&order, 0, sizeof(order));
	ssize_t n = nx_fds_recv(sock, &order, sizeof(order), fds, PIPE_FDS, &nfds, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n >= (ssize_t)NX_PROCESS_ORDER_SHORT && order.magic == NX_PROCESS_MAGIC && order.number)
		obey(sock, fds, nfds);
	while (nfds)
		(void)close(fds[--nfds]);
	return n > 0;
}

/* ---- what became of them ---- */

/* The pipe closed with the exec, or says why there was none. */
static void take_exec(int sock, struct child *c)
{
	struct nx_process_word w = {.type = NX_PROCESS_STARTED, .number = c->number, .pid = c->pid};
	int errnum;
	ssize_t n = read(c->exec_fd, &errnum, sizeof(errnum));
	if (n < 0 && errno == EINTR)
		return;
	(void)close(c->exec_fd);
	c->exec_fd = -1;
	if (n == (ssize_t)sizeof(errnum) && errnum > 0) {
		w.type = NX_PROCESS_FAILED;
		w.errnum = errnum;
		c->pid = 0; /* it ends unseen */
	}
	say(sock, w);
}

static int64_t microseconds(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void tell_end(int sock, struct child *c, int status, const struct rusage *u)
{
	if (c->exec_fd >= 0)
		take_exec(sock, c);
	if (!c->pid)
		return;
	say(sock, (struct nx_process_word){.type = NX_PROCESS_ENDED,
					   .number = c->number,
					   .wait_status = status,
					   .cpu_us = microseconds(u->ru_utime) + microseconds(u->ru_stime),
					   .max_rss_bytes = (int64_t)u->ru_maxrss * 1024});
	c->pid = 0;
}

/* Waits for all that have ended. True: the program is among them. */
static bool reap_all(pid_t program, int sock, int *ret_status)
{
	for (;;) {
		siginfo_t info = {0};
		struct rusage u;
		int status;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return false;
		struct child *c = find_pid(info.si_pid);
		if (c && c->is_stopping)
			sweep(c->pid); /* while its number still is its own */
		if (wait4(info.si_pid, &status, 0, &u) != info.si_pid)
			return false;
		if (c)
			tell_end(sock, c, status, &u);
		if (info.si_pid == program) {
			*ret_status = status;
			return true;
		}
	}
}

static void wake(int sig)
{
	(void)sig;
}

int nx_guest_serve_processes(pid_t program, int sock)
{
	const struct sigaction on_child = {.sa_handler = wake};
	sigset_t block, before;
	int status;
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &block, &before);
	(void)sigaction(SIGCHLD, &on_child, NULL);
	while (!reap_all(program, sock, &status)) {
		struct pollfd fds[NX_PROCESSES_MAX + 1] = {{.fd = sock, .events = POLLIN}};
		struct child *of[NX_PROCESSES_MAX + 1];
		nfds_t n = 1;
		for (size_t i = 0; i < nx_countof(children); i++) {
			if (!children[i].pid || children[i].exec_fd < 0)
				continue;
			of[n] = &children[i];
			fds[n++] = (struct pollfd){.fd = children[i].exec_fd, .events = POLLIN};
		}
		if (ppoll(fds, n, NULL, &before) <= 0)
			continue;
		for (nfds_t i = 1; i < n; i++)
			if (fds[i].revents)
				take_exec(sock, of[i]);
		if (fds[0].revents && !take_order(sock)) {
			(void)close(sock);
			sock = -1;
		}
	}
	return status;
}
