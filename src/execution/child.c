/* From clone to exec: the order in which a guest puts up its own walls. guest pid 1 is here, pid 2 at the end. */
#include "execution/bare.h"
#include "execution/hostfs.h"

#include "base/clock.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct nx_guest_env nx_guest_env;

enum {
	OUT_FD = 1,
	ERR_FD = 2,
	CTL_FD = 3,
	STATUS_FD = NX_GUEST_STATUS_FD,
	BOX_FD = NX_GUEST_BOX_FD,
	CONTROL_FD = NX_SPAWN_CONTROL_FD,
	PROCESSES_FD = 7,
	HIGH_FD = 64
};

static void guest_main(const struct nx_guest *g);

pid_t nx_guest_clone(const struct nx_guest *g, int into_cgroup, bool as_sibling)
{
	const struct nx_host *h = nx_guest_env.host;
	uint64_t flags = h->is_bare ? 0 : CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
	flags |= h->userns ? CLONE_NEWUSER : 0;
	flags |= h->netns && (!g->has_net || g->has_proxy) ? CLONE_NEWNET : 0;
	flags |= h->cgroupns && into_cgroup < 0 ? CLONE_NEWCGROUP : 0;
	flags |= as_sibling ? CLONE_PARENT : 0;
	struct clone_args args = {.flags = flags, .exit_signal = as_sibling ? 0 : SIGCHLD};
	if (into_cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)into_cgroup;
	}
	errno = ENOSYS;
	long pid = h->force & NX_FORCE_NO_CLONE3 ? -1 : syscall(SYS_clone3, &args, sizeof(args));
	/* Filters of containers refuse it, because they cannot see its flags; clone has all but the cgroup. */
	if (pid < 0 && errno == ENOSYS && into_cgroup < 0)
		pid = syscall(SYS_clone, (unsigned long)(flags | args.exit_signal), 0UL, 0UL, 0UL, 0UL);
	if (pid == 0)
		guest_main(g);
	return (pid_t)pid;
}

static int ctl_fd(void)
{
	return nx_guest_env.ctl ? nx_guest_env.ctl : CTL_FD;
}

void nx_guest_give_up(const char *stage, int errnum)
{
	struct nx_guest_error e = {.errnum = errnum};
	snprintf(e.stage, sizeof(e.stage), "%s", stage);
	(void)!send(ctl_fd(), &e, sizeof(e), MSG_NOSIGNAL);
	_exit(1);
}

/* Descriptors 0 to 5, and 6 and 7 in a session, have fixed meanings from here on, and nothing else is open. */
static int seat_fds(const struct nx_guest *g)
{
	int from[] = {g->out, g->err, g->ctl, g->status, g->box, g->control, g->processes}, high[nx_countof(from)];
	const size_t n = nx_countof(from) - (g->control < 0 ? 2 : 0);
	for (size_t i = 0; i < n; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, HIGH_FD)) < 0)
			return -errno;
	for (size_t i = 0; i < n; i++)
		if (dup2(high[i], OUT_FD + (int)i) < 0)
			return -errno;
	int null = open(nx_guest_env.host->is_bare ? "/dev/null" : NX_TEMPLATE "/dev/null", O_RDONLY);
	if (null < 0 || (null != 0 && dup2(null, 0) < 0))
		return -errno;
	return close_range(OUT_FD + (unsigned)n, ~0U, 0) < 0 ? -errno : 0;
}

void nx_guest_reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL); /* those that cannot be changed refuse */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void detach_from_host(const struct nx_guest *g)
{
	if (!nx_guest_env.warm) { /* an interpreter has set up its own, from the same beginnings */
		nx_guest_reset_signals();
		(void)clearenv();
	}
	if (setsid() < 0)
		nx_guest_give_up("setsid", errno);
	long keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (keyring < 0 && errno != ENOSYS)
		nx_guest_give_up("join a session keyring", errno);
	if (g->leave_cgroupns && unshare(CLONE_NEWCGROUP) < 0)
		nx_guest_give_up("unshare the cgroup namespace", errno);
	if (sethostname("sandbox", 7) < 0 || setdomainname("", 0) < 0)
		nx_guest_give_up("set the host name", errno);
	(void)umask(077);
}

/* While there still is a privilege over the network namespace. */
static void open_network(const struct nx_guest *g)
{
	const char *stage = "";
	int r = g->has_proxy ? nx_guest_network(CTL_FD, &stage) : 0;
	if (r < 0)
		nx_guest_give_up(stage, -r);
}

static void put_up_walls(const struct nx_guest *g)
{
	static struct nx_guest_trees trees;
	const struct nx_host *h = nx_guest_env.host;
	const char *stage = "";
	int r = g->has_files ? nx_guest_receive_trees(CTL_FD, &trees, &stage) : 0;
	if (r == 0)
		r = nx_guest_mounts(h, g->root, BOX_FD, &stage);
	if (r == 0)
		r = nx_guest_mount_trees(&trees, &stage);
	if (r == 0)
		r = nx_guest_limits(g, &stage);
	if (r == 0)
		r = nx_guest_drop(h, g->uid, &stage);
	if (r < 0)
		nx_guest_give_up(stage, -r);

	/* Set late, because changing ids clears it. A spawner that died before is noticed by the end of CTL_FD. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		nx_guest_give_up("prctl", errno);
	if (h->landlock_abi && (r = nx_landlock_restrict(h->landlock_abi, g->has_proxy, &trees)) < 0)
		nx_guest_give_up("landlock", -r);
	if (g->has_files && h->seccomp && (r = nx_seccomp_install(nx_guest_env.files_seccomp)) < 0)
		nx_guest_give_up("seccomp", -r);
	if (h->seccomp && (r = nx_seccomp_install(nx_guest_env.seccomp)) < 0)
		nx_guest_give_up("seccomp", -r);
}

void nx_guest_read_start(union nx_spawn_msg *ret, char **ret_argv, char **ret_envp)
{
	ssize_t n;
	do
		n = read(ctl_fd(), ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(1); /* the spawner is gone, or wants it so */
	if (nx_spawn_check(ret, (size_t)n, true) || ret->head.type != NX_SPAWN_START ||
	    !nx_spawn_split(ret->start.args, ret->start.argc, ret_argv) ||
	    !nx_spawn_split(ret->start.env, ret->start.envc, ret_envp))
		nx_guest_give_up("read the program to start", EPROTO);
}

static const char *below(const char *box, const char *name, char ret[PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s%s", box, name) < PATH_MAX ? ret : "";
}

void nx_guest_enter_program(const struct nx_spawn_start *s, const char *box)
{
	char path[PATH_MAX];
	int r = s->rlimits.nproc ? nx_guest_limits_lower(&s->rlimits) : 0;
	if (r < 0)
		nx_guest_give_up("lower the limits", -r);
	if (chdir(below(box, "/work", path)) < 0)
		nx_guest_give_up("enter the work directory", errno);
	int in = s->has_stdin ? open(below(box, "/code/stdin", path), O_RDONLY) : 0;
	if (in < 0 || (in > 0 && (dup2(in, 0) < 0 || close(in) < 0)))
		nx_guest_give_up("open standard input", errno);
}

static void block_operations(const struct nx_spawn_start *s, char **path)
{
	int r = s->blocked ? nx_seccomp_block(s->blocked, path) : 0;
	if (r < 0)
		nx_guest_give_up("block operations", -r);
}

void nx_guest_exec(const struct nx_spawn_start *s, char **argv, char **envp)
{
	char *path = argv[0];
	block_operations(s, &path);
	(void)fcntl(ctl_fd(), F_SETFD, FD_CLOEXEC);
	execve(path, argv, envp);
	nx_guest_give_up("exec", errno);
}

/* The interpreter is exec'ed before its program is there, and waits where it looks for it: door_started.c. */
static void __attribute__((noreturn)) start_ahead(const struct nx_spawn_start *s, char **argv, char **envp)
{
	static char preload[] = "LD_PRELOAD=" NX_DOOR_OBJECT, door[sizeof(NX_DOOR_VARIABLE) + PATH_MAX];
	static char *env[NX_SPAWN_ARGS_MAX + 3];
	size_t n = 0;
	for (; envp[n]; n++)
		env[n] = envp[n];
	snprintf(door, sizeof(door), NX_DOOR_VARIABLE "=%s", argv[s->argc - 1]);
	env[n++] = preload;
	env[n] = door;
	if (dup2(CTL_FD, NX_DOOR_CTL_FD) < 0)
		nx_guest_give_up("hold an interpreter", errno);
	nx_guest_env.ctl = NX_DOOR_CTL_FD;
	(void)close(CTL_FD);
	execve(argv[0], argv, env);
	nx_guest_give_up("exec", errno);
}

/* Returns in a warm interpreter that is to go on. It is as after an exec: nothing of it is hidden from itself. */
static void run_program(const struct nx_guest *g)
{
	static union nx_spawn_msg m;
	static char *argv[NX_SPAWN_ARGS_MAX + 1], *envp[NX_SPAWN_ARGS_MAX + 1];
	(void)close(STATUS_FD);
	(void)close(BOX_FD);
	if (g->processes >= 0)
		(void)close(PROCESSES_FD); /* the reaper's */
	(void)setsid();
	nx_guest_read_start(&m, argv, envp);
	nx_guest_enter_program(&m.start, "");
	if (m.start.is_ahead)
		start_ahead(&m.start, argv, envp);
	if (nx_guest_env.warm && m.start.is_warm) {
		block_operations(&m.start, NULL);
		(void)prctl(PR_SET_DUMPABLE, 1);
		(void)close(CTL_FD);
		return;
	}
	if (nx_guest_env.warm)
		nx_guest_reset_signals();
	nx_guest_exec(&m.start, argv, envp);
}

/* Kills what the program left behind and waits for it: after this only the reaper is alive in the namespace. One
 * kill(-1) is enough: the kernel refuses to finish a fork while a signal is pending. */
static void end_everyone(void)
{
	(void)kill(-1, SIGKILL);
	for (;;) {
		pid_t pid = waitpid(-1, NULL, 0);
		if (pid < 0 && errno != EINTR)
			return;
	}
}

static pid_t interruptible; /* the program */

/* The program's process group, as a terminal's Ctrl-C would. */
static void pass_interrupt(int sig)
{
	(void)sig;
	(void)kill(-interruptible, SIGINT);
}

static int wait_for(pid_t program)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);
		if (pid == program)
			return status;
		if (pid < 0 && errno != EINTR)
			_exit(1);
	}
}

void nx_guest_leave_ends(void)
{
	(void)close(OUT_FD);
	(void)close(ERR_FD);
	(void)close(CTL_FD);
	(void)close(CONTROL_FD);
}

void nx_guest_report(struct nx_guest_status *s)
{
	struct rusage u;
	if (getrusage(RUSAGE_CHILDREN, &u) == 0) {
		s->cpu_us = (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
			    u.ru_stime.tv_usec;
		s->max_rss_bytes = (int64_t)u.ru_maxrss * 1024;
	}
	(void)!write(STATUS_FD, s, sizeof(*s));
	_exit(0);
}

static void __attribute__((noreturn)) reap(const struct nx_guest *g, pid_t program)
{
	struct nx_guest_status s = {0};
	const struct sigaction interrupt = {.sa_handler = pass_interrupt};
	if (nx_guest_env.warm)
		nx_guest_reset_signals();
	interruptible = program;
	(void)sigaction(NX_GUEST_INTERRUPT, &interrupt, NULL);
	nx_guest_leave_ends();
	s.wait_status = g->processes >= 0 ? nx_guest_serve_processes(program, PROCESSES_FD) : wait_for(program);
	s.exit_mono_us = nx_time_mono_us();
	end_everyone();
	nx_guest_report(&s);
}

static void guest_main(const struct nx_guest *g)
{
	const struct nx_warm_hooks *warm = nx_guest_env.warm;
	struct nx_guest mine = *g;
	char go;
	if (seat_fds(g) < 0)
		_exit(1);
	if (read(CTL_FD, &go, 1) != 1)
		_exit(1);
	if (nx_guest_env.host->is_bare)
		nx_bare_main(&mine);
	detach_from_host(&mine);
	open_network(&mine);
	put_up_walls(&mine);
	if (mine.is_trial)
		nx_guest_give_up("", 0);
	if (warm)
		warm->before_fork();
	pid_t program = fork();
	if (program < 0)
		nx_guest_give_up("fork", errno);
	if (program == 0) {
		if (warm)
			warm->after_fork();
		run_program(&mine);
		return;
	}
	(void)close(BOX_FD);
	reap(&mine, program);
}
