#include "execution/zygote.h"

#include "base/fault.h"
#include "base/macros.h"
#include "execution/execution_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif

enum { SOCK_FD = 3, SETUP_FD = 4, ROOT_FD = 5, PROCS_FD = 6, HIGH_FD = 64 };
#define BOX_BYTES 65536
#define BOX_INODES 32

/* What a new zygote is told, in a memory file: it shares no memory with the spawner. */
struct setup {
	struct nx_host host;
	pid_t spawner;
	uint32_t ninstructions, nprocs;
	char library[128];
	struct nx_spawn_start start;
	struct sock_filter instructions[BPF_MAXINSNS];
};

/* ---- what can be kept ready ---- */

/* The minor version of what `program` is a link to; 0: it is no python3.8 or newer. */
static unsigned version_of(const char *program)
{
	char real[4096];
	const char *name = realpath(program, real) ? strrchr(real, '/') : NULL;
	unsigned minor;
	int end = 0;
	bool is_python = name && sscanf(name, "/python3.%u%n", &minor, &end) == 1 && !name[end];
	return is_python && minor >= 8 ? minor : 0;
}

/* Where the distributions put it; guests see these places. */
static bool find_library(unsigned minor, char *ret, size_t size)
{
	static const char *const places[] = {"/usr/local/lib", "/usr/lib/*-linux-*", "/usr/lib64", "/usr/lib"};
	for (size_t i = 0; i < nx_countof(places); i++) {
		char pattern[128];
		glob_t found;
		snprintf(pattern, sizeof(pattern), "%s/libpython3.%u.so.1.0", places[i], minor);
		if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
			int n = snprintf(ret, size, "%s", found.gl_pathv[0]);
			globfree(&found);
			return n > 0 && (size_t)n < size;
		}
	}
	return false;
}

void nx_zygote_plan(struct nx_zygote_plan *ret)
{
	const struct nx_language *l;
	const char *program;
	struct nx_error *err = NULL;
	union nx_spawn_msg m;
	*ret = (struct nx_zygote_plan){.exe = -1};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	snprintf(ret->detail, sizeof(ret->detail), "a sanitizer cannot share its process with an interpreter");
	return;
#endif
	nx_spawn_init(&m, NX_SPAWN_START, 1);
	if (nx_language_need(NX_STR("python"), &l, &program, &err) < 0 ||
	    nx_language_start(l, program, 0, false, &m.start, &err) < 0) {
		snprintf(ret->detail, sizeof(ret->detail), "%s", nx_error_message(err));
		nx_error_free(err);
		return;
	}
	unsigned minor = version_of(program);
	if (!minor || !find_library(minor, ret->library, sizeof(ret->library))) {
		if (minor)
			snprintf(ret->detail, sizeof(ret->detail), "libpython3.%u.so.1.0 is not there", minor);
		else
			snprintf(ret->detail, sizeof(ret->detail), "%s is no python3.8 or newer", program);
		return;
	}
	snprintf(ret->detail, sizeof(ret->detail), "%s", ret->library);
	ret->start = m.start;
	ret->exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	ret->is_possible = ret->exe >= 0;
}

/* ---- the spawner's side ---- */

static int write_setup(const struct nx_zygote_plan *plan, size_t nprocs)
{
	static struct setup s; /* large, and the spawner has one thread */
	const struct sock_fprog *prog = &nx_guest_env.seccomp->prog;
	s = (struct setup){.host = *nx_guest_env.host,
			   .spawner = nx_guest_env.spawner,
			   .ninstructions = prog->len,
			   .nprocs = (uint32_t)nprocs,
			   .start = plan->start};
	memcpy(s.library, plan->library, sizeof(s.library));
	if (prog->len > 0)
		memcpy(s.instructions, prog->filter, prog->len * sizeof(prog->filter[0]));
	nx_auto_fd int fd = memfd_create("setup", MFD_CLOEXEC);
	if (fd < 0 || write(fd, &s, sizeof(s)) != (ssize_t)sizeof(s))
		return -1;
	return nx_steal_fd(&fd);
}

/* A box like a guest's, so that Python finds the same paths: it remembers which exist. */
static int pretend_box(void)
{
	struct nx_fault_at fault;
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	nx_auto_fd int box = nx_box_new(BOX_BYTES, BOX_INODES, geteuid(), getegid(), &fault);
	if (box < 0)
		return -1;
	nx_auto_fd int program = openat(box, "code/main.py", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (program < 0)
		return -1;
	return (int)syscall(SYS_move_mount, box, "", AT_FDCWD, NX_TEMPLATE "/box", MOVE_MOUNT_F_EMPTY_PATH);
}

static int seat(const int *from, size_t n)
{
	int high[PROCS_FD - SOCK_FD + NX_CG_MAX];
	for (size_t i = 0; i < n; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, HIGH_FD)) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (dup2(high[i], SOCK_FD + (int)i) < 0)
			return -1;
	return close_range(SOCK_FD + (unsigned)n, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* Its standard streams are pipes, as a guest's are: Python looks at them when it starts. */
static int seat_streams(void)
{
	int out[2];
	int null = open(NX_TEMPLATE "/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, 0) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	return dup2(out[1], 1) < 0 || dup2(out[1], 2) < 0 ? -1 : 0;
}

static void __attribute__((noreturn)) execute(const struct nx_zygote_plan *plan, int *fds, size_t nfds)
{
	static struct nx_spawn_start start;
	static char name[] = "nexus", verb[] = "spawner", what[] = "zygote";
	char *argv[] = {name, verb, what, NULL}, *envp[NX_SPAWN_ARGS_MAX + 1];
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	nx_keeper_spare_me();
	nx_guest_reset_signals(); /* what the spawner ignores Python would take for its user's wish */
	start = plan->start;
	int exe = fcntl(plan->exe, F_DUPFD_CLOEXEC, 2 * HIGH_FD);
	if (exe < 0 || !nx_spawn_split(start.env, start.envc, envp) || pretend_box() < 0 || seat_streams() < 0)
		_exit(1);
	fds[ROOT_FD - SOCK_FD] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC); /* of its own mount namespace */
	if (fds[ROOT_FD - SOCK_FD] < 0 || seat(fds, nfds) < 0 || chdir(NX_TEMPLATE) < 0 || chroot(".") < 0)
		_exit(1);
	(void)syscall(SYS_execveat, exe, "", argv, envp, AT_EMPTY_PATH);
	_exit(1);
}

static int open_procs(const int *dirs, size_t ndirs, int *fds, size_t *nfds)
{
	*nfds = PROCS_FD - SOCK_FD;
	for (size_t i = 0; i < ndirs; i++) {
		if (dirs[i] < 0)
			continue;
		fds[*nfds] = openat(dirs[i], "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (fds[*nfds] < 0)
			return -1;
		(*nfds)++;
	}
	return 0;
}

struct nx_zygote *nx_zygote_new(const struct nx_zygote_plan *plan, const int *dirs, size_t ndirs,
				struct nx_fault_at *ret)
{
	int pair[2], fds[PROCS_FD - SOCK_FD + NX_CG_MAX];
	size_t nfds = 0;
	struct nx_zygote *z = calloc(1, sizeof(*z));
	if (NX_FAULT(sandbox_zygote) || !z || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		nx_fault_at_set(ret, "make a zygote", errno);
		free(z);
		return NULL;
	}
	int r = open_procs(dirs, ndirs, fds, &nfds);
	fds[0] = pair[1];
	fds[SETUP_FD - SOCK_FD] = r == 0 ? write_setup(plan, nfds - (PROCS_FD - SOCK_FD)) : -1;
	fds[ROOT_FD - SOCK_FD] = -1;
	z->sock = pair[0];
	z->pid = fds[SETUP_FD - SOCK_FD] >= 0 ? fork() : -1;
	if (z->pid == 0)
		execute(plan, fds, nfds);
	if (z->pid < 0)
		nx_fault_at_set(ret, "fork a zygote", errno);
	for (size_t i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	if (z->pid > 0)
		return z;
	(void)close(z->sock);
	free(z);
	return NULL;
}

void nx_zygote_free(struct nx_zygote *z)
{
	if (!z)
		return;
	(void)close(z->sock);
	(void)kill(z->pid, SIGKILL);
	while (waitpid(z->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(z);
}

void nx_zygote_greet(struct nx_zygote *z)
{
	int32_t word;
	ssize_t n = recv(z->sock, &word, sizeof(word), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	z->state = n == (ssize_t)sizeof(word) && word == 0 ? NX_ZYGOTE_READY : NX_ZYGOTE_DEAD;
}

pid_t nx_zygote_clone(struct nx_zygote *z, const struct nx_guest *g, struct nx_fault_at *ret)
{
	pid_t pid = nx_keeper_ask(z->sock, g, ret);
	if (pid <= 0)
		z->state = NX_ZYGOTE_DEAD;
	z->forks++;
	return pid;
}

/* ---- the zygote itself ---- */

static struct {
	struct setup setup;
	struct nx_seccomp seccomp;
	bool is_serving, is_guest;
	struct sigaction actions[NSIG]; /* as Python set them */
	int (*add_hook)(int (*hook)(const char *, void *, void *), void *data);
	int (*main)(int argc, char **argv);
	void (*before_fork)(void), (*after_fork_parent)(void), (*after_fork_child)(void);
} Z;

static bool load(void)
{
	void *lib = dlopen(Z.setup.library, RTLD_NOW | RTLD_GLOBAL);
	if (!lib)
		return false;
	const struct {
		const char *name;
		void *to;
	} symbols[] = {{"PySys_AddAuditHook", &Z.add_hook},
		       {"Py_BytesMain", &Z.main},
		       {"PyOS_BeforeFork", &Z.before_fork},
		       {"PyOS_AfterFork_Parent", &Z.after_fork_parent},
		       {"PyOS_AfterFork_Child", &Z.after_fork_child}};
	for (size_t i = 0; i < nx_countof(symbols); i++) {
		void *s = dlsym(lib, symbols[i].name);
		if (!s)
			return false;
		memcpy(symbols[i].to, &s, sizeof(s)); /* POSIX's way from an object pointer to a function's */
	}
	return true;
}

static bool read_setup(void)
{
	struct setup *s = &Z.setup;
	if (pread(SETUP_FD, s, sizeof(*s), 0) != (ssize_t)sizeof(*s) || s->ninstructions > BPF_MAXINSNS ||
	    s->nprocs > NX_CG_MAX || getppid() != s->spawner)
		return false;
	Z.seccomp.prog = (struct sock_fprog){.len = (unsigned short)s->ninstructions, .filter = s->instructions};
	nx_guest_env = (struct nx_guest_env){.host = &s->host, .seccomp = &Z.seccomp, .spawner = s->spawner};
	return true;
}

/* From the guests' file system back to the spawner's, into the cgroups, into an empty network. */
static bool take_place(void)
{
	if (fchdir(ROOT_FD) < 0 || chroot(".") < 0 || umount2(NX_TEMPLATE "/box", MNT_DETACH) < 0)
		return false;
	for (uint32_t i = 0; i < Z.setup.nprocs; i++)
		if (write(PROCS_FD + (int)i, "0", 1) != 1)
			return false;
	if (Z.setup.host.netns && Z.setup.nprocs > 0 && unshare(CLONE_NEWNET) < 0)
		return false;
	return close_range(SETUP_FD, ~0U, 0) == 0;
}

/* In a guest, with its walls up: the program that was prepared for, or another one by exec. */
static void go_on(void)
{
	static union nx_spawn_msg m;
	nx_guest_await(&m);
	const struct nx_spawn_start *want = &Z.setup.start;
	if (m.start.argc != want->argc || m.start.envc != want->envc ||
	    memcmp(m.start.args, want->args, sizeof(want->args)) != 0 ||
	    memcmp(m.start.env, want->env, sizeof(want->env)) != 0)
		nx_guest_exec(&m);
	nx_guest_begin(&m);
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &Z.actions[s], NULL); /* those that cannot be changed refuse */
	/* As after exec: its own files in /proc are its own. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	(void)prctl(PR_SET_NAME, "python3");
	Z.after_fork_child();
	Z.is_guest = true;
}

/* Returns in guests alone. */
static void serve(void)
{
	struct nx_guest g;
	int32_t word = 0;
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, NULL, &Z.actions[s]);
	bool has_net = Z.setup.host.netns && Z.setup.nprocs > 0;
	if (!take_place() || send(SOCK_FD, &word, sizeof(word), MSG_NOSIGNAL) < 0)
		_exit(1);
	while (nx_guest_receive(SOCK_FD, &g)) {
		g.has_net = has_net;
		Z.before_fork();
		pid_t pid = nx_guest_clone(&g, -1, true);
		if (pid == 0) {
			nx_guest_enter(&g);
			go_on();
			return;
		}
		word = pid > 0 ? pid : -errno;
		Z.after_fork_parent();
		nx_guest_close(&g);
		if (send(SOCK_FD, &word, sizeof(word), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* Called for every audited event; "cpython.run_file" comes once everything before the program is done. */
static int on_audit(const char *event, void *args, void *data)
{
	(void)args;
	(void)data;
	if (Z.is_serving || strcmp(event, "cpython.run_file") != 0)
		return 0;
	Z.is_serving = true;
	serve();
	return 0;
}

int nx_zygote_main(void)
{
	char *argv[NX_SPAWN_ARGS_MAX + 1];
	static struct nx_spawn_start start;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NAME, "nexus-zygote");
	if (!read_setup() || !load())
		return 1;
	start = Z.setup.start;
	if (!nx_spawn_split(start.args, start.argc, argv) || Z.add_hook(on_audit, NULL) < 0)
		return 1;
	int status = Z.main((int)start.argc, argv);
	(void)fflush(NULL); /* of libraries in C; Python has flushed its own */
	_exit(Z.is_guest ? status : 1);
}
