/* The start: which controllers this spawner may use, and what dead spawners left in them. */
#include "execution/cgroup_internal.h"

#include "base/macros.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TEXT_MAX 65536
#define MAIN_LEAF "nexus-main" /* v2: where server and spawner move, since only leaves may hold processes */

int nx_cg_read(int dir, const char *file, char *ret, size_t size)
{
	nx_auto_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t n = 0;
	while (n < size - 1) {
		ssize_t got = read(fd, ret + n, size - 1 - n);
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	ret[n] = '\0';
	return 0;
}

int nx_cg_write(int dir, const char *file, const char *text)
{
	nx_auto_fd int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t n = strlen(text);
	return write(fd, text, n) == (ssize_t)n ? 0 : -errno;
}

int64_t nx_cg_read_int(int dir, const char *file)
{
	char text[64];
	long long v;
	if (nx_cg_read(dir, file, text, sizeof(text)) < 0 || sscanf(text, "%lld", &v) != 1)
		return -1;
	return v;
}

int nx_cg_write_int(int dir, const char *file, int64_t v)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)v);
	return nx_cg_write(dir, file, text);
}

static void kill_members(int dir)
{
	char text[8192];
	if (nx_cg_read(dir, "cgroup.procs", text, sizeof(text)) < 0)
		return;
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int pid;
		if (sscanf(line, "%d", &pid) == 1 && pid > 1) /* 0: a process that this pid namespace cannot see */
			(void)kill(pid, SIGKILL);
	}
}

void nx_cg_remove(int parent, const char *name)
{
	for (int tries = 0; tries < 50; tries++) {
		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno != EBUSY)
			return;
		nx_auto_fd int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			return;
		(void)nx_cg_write(dir, "cgroup.kill", "1");
		kill_members(dir);
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
}

static bool is_left_over(const struct nx_cgroups *g, int proc_fd, const char *text)
{
	struct nx_cgroup_name name;
	if (!nx_cgroup_name_parse(text, &name) || name.pidns != g->self.pidns)
		return false;
	return nx_proc_stat_start(proc_fd, (pid_t)name.pid) != (int64_t)name.start;
}

static void reap_left_overs(const struct nx_cgroups *g, int parent, int proc_fd)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (is_left_over(g, proc_fd, e->d_name))
			nx_cg_remove(parent, e->d_name);
	closedir(d);
}

/* The directory of our own cgroup in a hierarchy; its root when ours cannot be seen (a namespace hides it). */
static int open_own(const char *mount, const char *path)
{
	char full[1024];
	int n = snprintf(full, sizeof(full), "%s%s", mount, path);
	if (n < 0 || (size_t)n >= sizeof(full))
		return -1;
	int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool can_make(int parent, const char *must_have)
{
	char name[64];
	snprintf(name, sizeof(name), "nexus-try-%ld", (long)getpid());
	if (mkdirat(parent, name, 0755) < 0)
		return false;
	nx_auto_fd int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = dir >= 0 && faccessat(dir, must_have, W_OK, 0) == 0;
	(void)unlinkat(parent, name, AT_REMOVEDIR);
	return ok;
}

static bool open_v1(struct nx_cgroups *g, const struct nx_cgroup_mounts *m, const char *own, int proc_fd)
{
	static const char *const must_have[NX_CG_MAX] = {"memory.limit_in_bytes", "pids.max", "cpu.cfs_quota_us",
							 "cpuacct.usage"};
	char path[512];
	for (int c = 0; c < NX_CG_MAX; c++) {
		if (!m->v1[c][0] || !nx_cgroup_parse_path(own, nx_controller_names[c], path, sizeof(path)))
			continue;
		g->parent[c] = open_own(m->v1[c], path);
		if (g->parent[c] < 0)
			continue;
		reap_left_overs(g, g->parent[c], proc_fd);
		g->has[c] = can_make(g->parent[c], must_have[c]);
	}
	return g->has[NX_CG_MEMORY] || g->has[NX_CG_PIDS] || g->has[NX_CG_CPU];
}

/* Moves who sits in our cgroup into a leaf, which frees it for children with controllers ("no internal processes",
 * cgroup-v2.rst): server and spawner, and what was delegated or put into a container together with them. */
static void make_room(int own)
{
	char text[8192];
	if (mkdirat(own, MAIN_LEAF, 0755) < 0 && errno != EEXIST)
		return;
	if (nx_cg_read(own, "cgroup.procs", text, sizeof(text)) < 0)
		return;
	char *save = NULL;
	for (char *pid = strtok_r(text, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
		if (strcmp(pid, "0") != 0) /* one that this pid namespace cannot see; written, it would be ourselves */
			(void)nx_cg_write(own, MAIN_LEAF "/cgroup.procs", pid);
}

static bool enable_v2(int own)
{
	static const char all[] = "+memory +pids +cpu";
	int r = nx_cg_write(own, "cgroup.subtree_control", all);
	if (r != -EBUSY)
		return r == 0;
	make_room(own);
	return nx_cg_write(own, "cgroup.subtree_control", all) == 0;
}

static bool open_v2(struct nx_cgroups *g, const struct nx_cgroup_mounts *m, const char *own, int proc_fd)
{
	char path[512], controllers[256];
	if (!m->v2[0] || !nx_cgroup_parse_path(own, NULL, path, sizeof(path)))
		return false;
	nx_auto_fd int dir = open_own(m->v2, path);
	if (dir < 0 || nx_cg_read(dir, "cgroup.controllers", controllers, sizeof(controllers)) < 0)
		return false;
	for (int c = NX_CG_MEMORY; c <= NX_CG_CPU; c++)
		if (!nx_cgroup_has_word(controllers, nx_controller_names[c]))
			return false;
	reap_left_overs(g, dir, proc_fd);
	if (!enable_v2(dir) || !can_make(dir, "memory.max"))
		return false;
	for (int c = 0; c < NX_CG_MAX; c++)
		g->has[c] = true;
	g->parent[0] = nx_steal_fd(&dir);
	return true;
}

static int read_proc(int proc_fd, const char *file, char *text)
{
	return nx_cg_read(proc_fd, file, text, TEXT_MAX);
}

static unsigned long pid_namespace(int proc_fd)
{
	struct stat st;
	return fstatat(proc_fd, "self/ns/pid", &st, 0) == 0 ? (unsigned long)st.st_ino : 0;
}

static void explain(struct nx_cgroups *g)
{
	static const char *const modes[] = {"no cgroup can be made here", "hybrid or v1:", "v2, delegated:"};
	size_t n = (size_t)snprintf(g->detail, sizeof(g->detail), "%s", modes[g->mode]);
	for (int c = 0; c < NX_CG_MAX && g->mode != NX_CGROUP_NONE; c++)
		if (g->has[c] && n < sizeof(g->detail))
			n += (size_t)snprintf(g->detail + n, sizeof(g->detail) - n, " %s", nx_controller_names[c]);
	if (!g->has[NX_CG_MEMORY] || !g->has[NX_CG_PIDS] || !g->has[NX_CG_CPU])
		snprintf(g->fix, sizeof(g->fix),
			 "run as root, or delegate: systemd-run --user --scope -p Delegate=yes nexus serve");
}

static void forget_forced(struct nx_cgroups *g, unsigned force)
{
	static const unsigned flags[] = {
		[NX_CG_MEMORY] = NX_FORCE_NO_MEMORY, [NX_CG_PIDS] = NX_FORCE_NO_PIDS, [NX_CG_CPU] = NX_FORCE_NO_CPU};
	for (size_t c = 0; c < nx_countof(flags); c++)
		g->has[c] = g->has[c] && !(force & flags[c]);
}

void nx_cgroups_open(struct nx_cgroups *g, unsigned force, int proc_fd)
{
	static char mountinfo[TEXT_MAX], own[TEXT_MAX];
	*g = (struct nx_cgroups){.max = NX_SPAWN_RUNS_MAX};
	for (int c = 0; c < NX_CG_MAX; c++)
		g->parent[c] = -1;
	g->self = (struct nx_cgroup_name){.pidns = pid_namespace(proc_fd),
					  .pid = getpid(),
					  .start = (unsigned long)nx_proc_stat_start(proc_fd, getpid())};

	struct nx_cgroup_mounts m;
	if (!(force & NX_FORCE_NO_CGROUP) && read_proc(proc_fd, "self/mountinfo", mountinfo) == 0 &&
	    read_proc(proc_fd, "self/cgroup", own) == 0) {
		nx_cgroup_parse_mounts(mountinfo, &m);
		if (!(force & NX_FORCE_NO_V2) && open_v2(g, &m, own, proc_fd))
			g->mode = NX_CGROUP_V2;
		else if (open_v1(g, &m, own, proc_fd))
			g->mode = NX_CGROUP_V1;
	}
	forget_forced(g, force);
	explain(g);
}
