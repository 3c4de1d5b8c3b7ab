/* The process that opens what is granted; see hostfs.h. */
#include "execution/hostfs.h"

#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

enum {
	SOCK_FD = 3,
	ANSWER_S = 10,
	QUESTIONS_MAX = 32, /* under way at once */
	DEPTH_MAX = 256,    /* of a directory below "/" */
};

struct question {
	uint64_t run;
	uid_t uid;
	struct nx_spawn_files files;
};

static struct {
	const struct nx_host *host;
	const struct nx_hostfs_rules *rules;
} G;

/* ---- which directory ---- */

int nx_hostfs_open(const char *beneath, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	nx_auto_fd int base = (int)syscall(SYS_openat2, AT_FDCWD, beneath ? beneath : path, &how, sizeof(how));
	if (base < 0)
		return -errno;
	if (!beneath)
		return nx_steal_fd(&base);
	const char *rest = path + strlen(beneath);
	rest += strspn(rest, "/");
	how.resolve |= RESOLVE_BENEATH;
	int fd = (int)syscall(SYS_openat2, base, *rest ? rest : ".", &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* 1: `what` is `from` or one of the directories above it, 0: it is not. */
static int is_above(int from, const struct stat *what)
{
	struct stat here, above;
	nx_auto_fd int at = openat(from, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || fstat(at, &here) < 0)
		return -errno;
	for (int i = 0; i < DEPTH_MAX; i++) {
		if (is_same(&here, what))
			return 1;
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		(void)close(at);
		at = up;
		if (fstat(at, &above) < 0)
			return -errno;
		if (is_same(&above, &here))
			return 0;
		here = above;
	}
	return -ELOOP;
}

int nx_hostfs_check_apart(int dir, const char *data_dir)
{
	struct stat data, granted;
	nx_auto_fd int at = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(at, &data) < 0 || fstat(dir, &granted) < 0)
		return -errno;
	int r = is_above(dir, &data);
	if (r == 0)
		r = is_above(at, &granted);
	return r > 0 ? -EPERM : r;
}

bool nx_hostfs_is_kernels(int dir)
{
	static const uint32_t kinds[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
					 DEBUGFS_MAGIC,      TRACEFS_MAGIC,  SECURITYFS_MAGIC,   BPF_FS_MAGIC,
					 DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC, BINFMTFS_MAGIC,     SELINUX_MAGIC};
	struct statfs fs;
	if (fstatfs(dir, &fs) < 0)
		return true;
	for (size_t i = 0; i < nx_countof(kinds); i++)
		if ((uint32_t)fs.f_type == kinds[i])
			return true;
	return false;
}

/* Above its outermost root and below it nothing is a link, whoever may write there. */
static int open_granted(const char *path, bool is_write, uint8_t *ret_why)
{
	char write_root[NX_SPAWN_TEXT_MAX], read_root[NX_SPAWN_TEXT_MAX];
	bool may_write = nx_hostfs_root_of(G.rules->write_roots, path, write_root, sizeof(write_root));
	bool may_read = nx_hostfs_root_of(G.rules->read_roots, path, read_root, sizeof(read_root));
	*ret_why = NX_SPAWN_WHY_OUTSIDE;
	if ((!may_write && (is_write || !may_read)) || !nx_hostfs_is_plain(path) || !nx_hostfs_may_cover(path))
		return -EPERM;
	*ret_why = NX_SPAWN_WHY_OPEN;
	nx_auto_fd int dir = nx_hostfs_open(may_write ? write_root : read_root, path);
	if (dir < 0)
		return dir;
	*ret_why = NX_SPAWN_WHY_KERNEL;
	if (nx_hostfs_is_kernels(dir))
		return -EPERM;
	*ret_why = NX_SPAWN_WHY_DATA;
	int r = nx_hostfs_check_apart(dir, G.rules->data_dir);
	return r < 0 ? r : nx_steal_fd(&dir);
}

/* ---- whose files ---- */

static int write_map(pid_t pid, const char *file, unsigned long inside, unsigned long outside)
{
	char path[64], text[64];
	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	int n = snprintf(text, sizeof(text), "%lu %lu 1", inside, outside);
	nx_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : -1;
}

static void __attribute__((noreturn)) hold_userns(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		(void)pause();
	_exit(0);
}

/* A user namespace in which one owner is another: the map of a mount (mount_setattr(2), "ID-mapped mounts"). The bare
 * call: what libraries do after a fork (a sanitizer starts a thread) may keep a process from leaving its namespace. */
static int make_userns(const struct stat *st, uid_t uid)
{
	char path[64];
	int ns = -1;
	pid_t self = getpid(), pid = -1;
	if (!(G.host->force & NX_FORCE_NO_USERNS))
		pid = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_NEWUSER | SIGCHLD), 0UL, 0UL, 0UL, 0UL);
	if (pid == 0)
		hold_userns(self);
	if (pid < 0)
		return -1;
	if (write_map(pid, "uid_map", st->st_uid, uid) == 0 && write_map(pid, "gid_map", st->st_gid, uid) == 0) {
		snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return ns;
}

static int map_owner(int tree, uid_t uid, uint8_t *ret_why)
{
	struct stat st;
	*ret_why = NX_SPAWN_WHY_OWNER;
	if (fstat(tree, &st) < 0)
		return -errno;
	if (st.st_uid == 0 || st.st_gid == 0)
		return -EPERM;
	*ret_why = NX_SPAWN_WHY_MAP;
	nx_auto_fd int ns = make_userns(&st, uid);
	if (ns < 0)
		return -EPERM;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)ns};
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

static int copy_tree(const char *path, bool is_write, uid_t uid, uint8_t *ret_why)
{
	nx_auto_fd int dir = open_granted(path, is_write, ret_why);
	if (dir < 0)
		return dir;
	*ret_why = NX_SPAWN_WHY_COPY; /* EINVAL: with mounts below it that an ordinary user may not lift */
	nx_auto_fd int tree = (int)syscall(SYS_open_tree, dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | O_CLOEXEC);
	if (tree < 0)
		return -errno;
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (is_write ? 0 : MOUNT_ATTR_RDONLY),
		.propagation = MS_PRIVATE,
	};
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	int r = is_write && G.host->is_root ? map_owner(tree, uid, ret_why) : 0;
	return r < 0 ? r : nx_steal_fd(&tree);
}

/* ---- the process ---- */

static void __attribute__((noreturn)) answer(int sock, const struct question *q)
{
	struct nx_hostfs_answer a = {.run = q->run};
	int fds[NX_HOSTFS_PATHS_MAX];
	uint8_t n = 0;
	const uint32_t wanted = q->files.nread + q->files.nwrite;
	const char *path = q->files.paths;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(ANSWER_S);
	for (; n < wanted && a.errnum == 0; n++, path += strlen(path) + 1) {
		a.path = n;
		fds[n] = copy_tree(path, n >= q->files.nread, q->uid, &a.why);
		if (fds[n] < 0)
			a.errnum = -fds[n];
	}
	_exit(nx_fds_send(sock, &a, sizeof(a), fds, a.errnum ? 0 : n, 0) < 0);
}

static void refuse(int sock, uint64_t run, int errnum)
{
	const struct nx_hostfs_answer a = {.run = run, .errnum = errnum};
	(void)nx_fds_send(sock, &a, sizeof(a), NULL, 0, 0);
}

static bool take_place(int ready)
{
	char done = 'y';
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		done = 'n';
	return write(ready, &done, 1) == 1 && done == 'y';
}

static void __attribute__((noreturn)) keeper_main(int sock, int ready)
{
	static struct question q;
	unsigned under_way = 0;
	size_t nfds;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "nexus-files");
	if (!take_place(ready) || (sock != SOCK_FD && dup2(sock, SOCK_FD) < 0) || close_range(SOCK_FD + 1, ~0U, 0) < 0)
		_exit(1);
	while (nx_fds_recv(SOCK_FD, &q, sizeof(q), NULL, 0, &nfds, 0) == (ssize_t)sizeof(q)) {
		while (under_way > 0 && waitpid(-1, NULL, WNOHANG) > 0)
			under_way--;
		pid_t pid = under_way < QUESTIONS_MAX ? fork() : -1;
		if (pid == 0)
			answer(SOCK_FD, &q);
		under_way += pid > 0;
		if (pid < 0)
			refuse(SOCK_FD, q.run, EAGAIN);
	}
	_exit(0);
}

int nx_hostfs_keeper_start(const struct nx_host *h, const struct nx_hostfs_rules *rules, struct nx_hostfs_keeper *ret)
{
	int pair[2], ready[2];
	char c = 'n';
	*ret = (struct nx_hostfs_keeper){.sock = -1};
	G.host = h;
	G.rules = rules;
	if (!rules->read_roots[0] && !rules->write_roots[0])
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (pipe2(ready, O_CLOEXEC) < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return -1;
	}
	ret->pid = fork();
	if (ret->pid == 0)
		keeper_main(pair[1], ready[1]);
	(void)close(pair[1]);
	(void)close(ready[1]);
	ssize_t n = ret->pid > 0 ? read(ready[0], &c, 1) : 0;
	(void)close(ready[0]);
	ret->sock = pair[0];
	if (n == 1 && c == 'y')
		return 0;
	nx_hostfs_keeper_end(ret);
	return -1;
}

void nx_hostfs_keeper_end(struct nx_hostfs_keeper *k)
{
	if (k->sock >= 0)
		(void)close(nx_steal_fd(&k->sock));
	if (k->pid > 0) {
		(void)kill(k->pid, SIGKILL);
		while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	k->pid = 0;
}

int nx_hostfs_ask(struct nx_hostfs_keeper *k, uint64_t run, const struct nx_spawn_files *files, uid_t uid,
		  struct nx_fault_at *ret)
{
	struct question q = {.run = run, .uid = uid, .files = *files};
	if (k->sock < 0)
		return nx_fault_at_set(ret, "grant files on this host", EPERM);
	if (NX_FAULT(sandbox_files))
		return nx_fault_at_set(ret, "ask for granted directories", EPIPE);
	if (nx_fds_send(k->sock, &q, sizeof(q), NULL, 0, MSG_DONTWAIT) < 0)
		return nx_fault_at_set(ret, "ask for granted directories", errno);
	return 0;
}

int nx_hostfs_hear(struct nx_hostfs_keeper *k, struct nx_hostfs_answer *ret, int *fds, size_t *ret_nfds)
{
	ssize_t n = nx_fds_recv(k->sock, ret, sizeof(*ret), fds, NX_HOSTFS_PATHS_MAX, ret_nfds, MSG_DONTWAIT);
	if (n == (ssize_t)sizeof(*ret))
		return 1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	nx_hostfs_keeper_end(k);
	return -1;
}
