/* The spawner's side of making a guest: box, pipes, clone, uid map, the word to go on. */
#include "execution/bare.h"
#include "execution/hostfs.h"

#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NPROC_SLACK 16
#define OOM_SCORE "500" /* guests go first when the host runs out of memory */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void nx_guest_ends_close(struct nx_guest_ends *e)
{
	close_fd(&e->pidfd);
	close_fd(&e->ctl);
	close_fd(&e->status);
	close_fd(&e->box);
	close_fd(&e->out);
	close_fd(&e->err);
	close_fd(&e->control);
	close_fd(&e->processes);
}

static void close_inner(struct nx_guest *g)
{
	close_fd(&g->ctl);
	close_fd(&g->status);
	close_fd(&g->out);
	close_fd(&g->err);
	close_fd(&g->control);
	close_fd(&g->processes);
}

static int open_pipe(int *ret_read, int *ret_write, struct nx_fault_at *fault)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return nx_fault_at_set(fault, "make a pipe", errno);
	*ret_read = p[0];
	*ret_write = p[1];
	return 0;
}

static int open_control(const struct nx_guest_order *o, struct nx_guest *g, struct nx_guest_ends *e,
			struct nx_fault_at *fault)
{
	int pair[2];
	if (!o->prepare->has_control)
		return 0;
	if (NX_FAULT(sandbox_control))
		return nx_fault_at_set(fault, "make a control socket", EMFILE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return nx_fault_at_set(fault, "make a control socket", errno);
	e->control = pair[0];
	g->control = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return nx_fault_at_set(fault, "make a socket for processes", errno);
	e->processes = pair[0];
	g->processes = pair[1];
	return 0;
}

static int open_ends(const struct nx_guest_order *o, struct nx_guest *g, struct nx_guest_ends *e,
		     struct nx_fault_at *fault)
{
	int pair[2];
	if (!o->is_trial && NX_FAULT(sandbox_pipe))
		return nx_fault_at_set(fault, "make a pipe", EMFILE);
	if (open_pipe(&e->out, &g->out, fault) < 0 || open_pipe(&e->err, &g->err, fault) < 0 ||
	    open_pipe(&e->status, &g->status, fault) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return nx_fault_at_set(fault, "make a socket pair", errno);
	e->ctl = pair[0];
	g->ctl = pair[1];
	if (open_control(o, g, e, fault) < 0)
		return -1;
	if (!o->is_trial && NX_FAULT(sandbox_workdir))
		return nx_fault_at_set(fault, "make the work directory", ENOSPC);
	e->box = o->host->is_bare ? nx_bare_box_new(o->uid, fault)
				  : nx_box_new(o->prepare->box_bytes, o->prepare->box_inodes, o->uid, o->uid, fault);
	g->box = e->box;
	return e->box < 0 ? -1 : 0;
}

static int write_file(int proc_fd, pid_t pid, const char *file, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "%ld/%s", (long)pid, file);
	nx_auto_fd int fd = openat(proc_fd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t n = strlen(text);
	return write(fd, text, n) == (ssize_t)n ? 0 : -errno;
}

static int write_maps(const struct nx_guest_order *o, pid_t pid, struct nx_fault_at *fault)
{
	char map[64];
	snprintf(map, sizeof(map), "%d %lu 1", NX_GUEST_UID, (unsigned long)o->uid);
	int r = write_file(o->proc_fd, pid, "setgroups", "deny");
	if (r == 0)
		r = write_file(o->proc_fd, pid, "gid_map", map);
	if (r == 0)
		r = write_file(o->proc_fd, pid, "uid_map", map);
	return r < 0 ? nx_fault_at_set(fault, "write the uid map", -r) : 0;
}

/* Without clone3: the guest waits for its word to go on, so it is in its cgroup before it does anything. */
static pid_t clone_and_move(struct nx_guest *g, int cgroup)
{
	char text[32];
	pid_t pid = nx_guest_clone(g, -1, false);
	if (pid < 0)
		return -1;
	snprintf(text, sizeof(text), "%ld", (long)pid);
	nx_auto_fd int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return pid;
	int errnum = errno;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	errno = errnum;
	return -1;
}

static pid_t clone_guest(const struct nx_guest_order *o, struct nx_guest *g, struct nx_fault_at *fault)
{
	if (!o->is_trial && NX_FAULT(sandbox_spawn))
		return nx_fault_at_set(fault, "clone", EAGAIN);
	bool is_seated = o->cgroup && o->cgroup->keeper; /* whoever clones sits in the cgroups */
	int into = o->cgroup && !is_seated ? o->cgroup->dir[0] : -1;
	g->leave_cgroupns = into >= 0 && o->host->cgroupns;
	g->into_cgroup = into;
	if (o->zygote)
		return nx_keeper_clone(&o->zygote->keeper, g, fault);
	if (is_seated)
		return nx_keeper_clone(o->cgroup->keeper, g, fault);
	pid_t pid = nx_guest_clone(g, into, false);
	if (pid < 0 && errno == ENOSYS && into >= 0)
		pid = clone_and_move(g, into);
	return pid < 0 ? nx_fault_at_set(fault, "clone", errno) : pid;
}

static int launch(const struct nx_guest_order *o, struct nx_guest *g, struct nx_guest_ends *e,
		  struct nx_fault_at *fault)
{
	e->pid = clone_guest(o, g, fault);
	if (e->pid < 0)
		return -1;
	errno = ENOSYS;
	e->pidfd = o->host->force & NX_FORCE_NO_PIDFD ? -1 : (int)syscall(SYS_pidfd_open, e->pid, 0);
	if (e->pidfd < 0)
		return nx_fault_at_set(fault, "open a pidfd", errno);
	/* From outside, because what a privileged writer sets is also the least that the guest can go back to. */
	(void)write_file(o->proc_fd, e->pid, "oom_score_adj", OOM_SCORE);
	if (o->host->userns && write_maps(o, e->pid, fault) < 0)
		return -1;
	if (send(e->ctl, "g", 1, MSG_NOSIGNAL) != 1)
		return nx_fault_at_set(fault, "let the guest go on", errno);
	return o->trees ? nx_hostfs_send(o->trees, e->ctl, fault) : 0;
}

struct nx_spawn_rlimits nx_guest_rlimits(const struct nx_cgroups *g, bool has_cgroup, const struct nx_spawn_prepare *p)
{
	bool counted = has_cgroup && g->has[NX_CG_PIDS];
	return (struct nx_spawn_rlimits){
		.file_bytes = p->file_bytes,
		.nproc = p->max_processes + (counted ? NPROC_SLACK : 1),
		.cpu_us = p->cpu_us,
		.memory_bytes = has_cgroup && g->has[NX_CG_MEMORY] ? 0 : p->memory_bytes,
	};
}

int nx_guest_make(const struct nx_guest_order *o, struct nx_guest_ends *ret, struct nx_fault_at *fault)
{
	struct nx_spawn_rlimits l = nx_guest_rlimits(o->cgroups, o->cgroup != NULL, o->prepare);
	struct nx_guest g = {
		.ctl = -1,
		.status = -1,
		.box = -1,
		.out = -1,
		.err = -1,
		.control = -1,
		.processes = -1,
		.is_trial = o->is_trial,
		.into_cgroup = -1,
		.nproc = l.nproc,
		.file_bytes = l.file_bytes,
		.cpu_us = l.cpu_us,
		.memory_bytes = l.memory_bytes,
		.uid = o->uid,
		.has_proxy = o->prepare->network.is_granted,
		.has_files = o->trees != NULL,
	};
	(void)snprintf(g.root, sizeof(g.root), "%s", o->root ? o->root : NX_TEMPLATE);
	*ret = NX_GUEST_ENDS_NONE;
	int r = open_ends(o, &g, ret, fault);
	if (r == 0)
		r = launch(o, &g, ret, fault);
	close_inner(&g);
	if (r < 0) {
		if (ret->pid > 0) {
			(void)kill(ret->pid, SIGKILL);
			while (waitpid(ret->pid, NULL, 0) < 0 && errno == EINTR)
				continue;
		}
		nx_guest_ends_close(ret);
	}
	return r;
}
