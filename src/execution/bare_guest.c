/* Runs without namespaces, from the clone to the exec, and their reaper; see bare.h. */
#include "execution/bare.h"

#include "base/clock.h"
#include "base/macros.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* ---- paths ---- */

/* Of a path's beginning, not of a part inside one: "/usr/share/code" stays. */
static size_t match_place(const char *text, char before)
{
	static const char *const places[] = {"/work", "/tmp", "/code"};
	if (islower((unsigned char)before) || isdigit((unsigned char)before) || before == '_' || before == '.' ||
	    before == '/')
		return 0;
	for (size_t i = 0; i < nx_countof(places); i++) {
		size_t n = strlen(places[i]);
		if (strncmp(text, places[i], n) == 0 && !isalnum((unsigned char)text[n]) && text[n] != '_')
			return n;
	}
	return 0;
}

bool nx_bare_rewrite(const char *text, const char *box, char *ret, size_t size)
{
	size_t n = 0, nbox = strlen(box);
	for (char before = '\0'; *text; before = *text++) {
		if (match_place(text, before)) {
			if (n + nbox >= size)
				return false;
			memcpy(ret + n, box, nbox);
			n += nbox;
		}
		if (n + 1 >= size)
			return false;
		ret[n++] = *text;
	}
	ret[n] = '\0';
	return size > n;
}

/* ---- the program ---- */

struct texts {
	char bytes[8 * NX_SPAWN_TEXT_MAX];
	size_t n;
};

static void rewrite_all(struct texts *t, char **list, const char *box)
{
	for (; *list; list++) {
		if (!nx_bare_rewrite(*list, box, t->bytes + t->n, sizeof(t->bytes) - t->n))
			nx_guest_give_up("write the program's paths", E2BIG);
		*list = t->bytes + t->n;
		t->n += strlen(*list) + 1;
	}
}

static void find_box(char ret[PATH_MAX])
{
	char link[32];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", NX_GUEST_BOX_FD);
	ssize_t n = readlink(link, ret, PATH_MAX - 1);
	if (n <= 0)
		nx_guest_give_up("find the work directory", n < 0 ? errno : EIO);
	ret[n] = '\0';
}

static void put_up_walls(const struct nx_guest *g)
{
	const struct nx_host *h = nx_guest_env.host;
	const char *stage = "";
	int r = nx_guest_limits(g, &stage);
	if (r == 0)
		r = nx_guest_drop(h, g->uid, &stage);
	if (r < 0)
		nx_guest_give_up(stage, -r);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		nx_guest_give_up("prctl", errno);
	r = nx_landlock_restrict_bare(h->landlock_abi, NX_GUEST_BOX_FD);
	if (r < 0)
		nx_guest_give_up("landlock", -r);
	r = nx_seccomp_install(nx_guest_env.seccomp);
	if (r < 0)
		nx_guest_give_up("seccomp", -r);
}

static void __attribute__((noreturn)) run_program(const struct nx_guest *g, pid_t reaper)
{
	static union nx_spawn_msg m;
	static char *argv[NX_SPAWN_ARGS_MAX + 1], *envp[NX_SPAWN_ARGS_MAX + 1], box[PATH_MAX];
	static struct texts texts;
	(void)close(NX_GUEST_STATUS_FD);
	(void)setsid();
	find_box(box);
	put_up_walls(g);
	(void)close(NX_GUEST_BOX_FD);
	if (getppid() != reaper)
		_exit(1); /* it died before its death was a signal */
	if (g->is_trial)
		nx_guest_give_up("", 0);
	nx_guest_read_start(&m, argv, envp);
	rewrite_all(&texts, argv, box);
	rewrite_all(&texts, envp, box);
	nx_guest_enter_program(&m.start, box);
	nx_guest_exec(&m.start, argv, envp);
}

/* ---- the reaper ---- */

DIR *nx_bare_list(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d && copy >= 0)
		(void)close(copy);
	return d;
}

static void end_process(int proc_fd, const char *name, uid_t first, uid_t count)
{
	struct stat st;
	char *end;
	long pid = strtol(name, &end, 10);
	if (*end || pid <= 1)
		return;
	nx_auto_fd int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0); /* first: the number may become another's */
	if (fd >= 0 && fstatat(proc_fd, name, &st, 0) == 0 && st.st_uid >= first && st.st_uid - first < count)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

void nx_bare_end_users(int proc_fd, uid_t first, uid_t count)
{
	DIR *d = proc_fd >= 0 ? nx_bare_list(proc_fd) : NULL;
	for (struct dirent *e; d && (e = readdir(d));)
		end_process(proc_fd, e->d_name, first, count);
	if (d)
		(void)closedir(d);
}

/* By the system calls: the C library's would wait for threads that only the parent of a bare clone has. */
static void __attribute__((noreturn)) kill_all_of(uid_t uid)
{
	if (uid != 0 && syscall(SYS_setresgid, uid, uid, uid) == 0 && syscall(SYS_setresuid, uid, uid, uid) == 0 &&
	    getuid() == uid && geteuid() == uid && (kill(-1, SIGKILL) == 0 || errno == ESRCH))
		_exit(0);
	_exit(1);
}

/* Everybody of the run's user at once, by one process of that user: what is being forked meanwhile gets the signal, too.
 * Where Landlock does not part their signals (before ABI 6) the program may end that process first, and where it holds all
 * processes that there may be there is none: then those that are seen are ended one by one, and it is tried again. */
static void end_everyone(uid_t uid)
{
	nx_auto_fd int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (;;) {
		int status = 1;
		pid_t killer = fork();
		if (killer == 0)
			kill_all_of(uid);
		while (killer > 0 && waitpid(killer, &status, 0) < 0 && errno == EINTR)
			continue;
		if (killer > 0 && status == 0)
			break;
		nx_bare_end_users(proc_fd, uid, 1);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		continue;
}

/* The program's wait status, or that of a program that was killed when the run is to end. */
static int wait_for(pid_t program, const sigset_t *heard)
{
	for (;;) {
		int status, sig = sigwaitinfo(heard, NULL);
		if (sig == SIGTERM)
			return SIGKILL;
		if (sig == NX_GUEST_INTERRUPT)
			(void)kill(-program, SIGINT);
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
			if (pid == program)
				return status;
	}
}

static void hear(sigset_t *ret)
{
	sigemptyset(ret);
	(void)sigaddset(ret, SIGCHLD);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, NX_GUEST_INTERRUPT);
	(void)sigprocmask(SIG_SETMASK, ret, NULL);
}

static void __attribute__((noreturn)) reap(const struct nx_guest *g, pid_t program, const sigset_t *heard)
{
	struct nx_guest_status s = {0};
	nx_guest_leave_ends();
	s.wait_status = wait_for(program, heard);
	s.exit_mono_us = nx_time_mono_us();
	end_everyone(g->uid);
	nx_guest_report(&s);
}

void nx_bare_main(const struct nx_guest *g)
{
	sigset_t heard;
	nx_guest_reset_signals();
	(void)clearenv();
	(void)umask(077);
	hear(&heard);
	if (setsid() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		nx_guest_give_up("stand beside the program", errno);
	pid_t reaper = getpid(), program = fork();
	if (program < 0)
		nx_guest_give_up("fork", errno);
	if (program == 0) {
		nx_guest_reset_signals();
		run_program(g, reaper);
	}
	(void)close(NX_GUEST_BOX_FD);
	reap(g, program, &heard);
}
