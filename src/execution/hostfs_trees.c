/*
 * The order in which a guest mounts what it was granted, and the way to it: the guest's root is read-only and shared by all,
 * so a small file system is put over the first directory of a granted path, with the rest of the way in it. The first
 * directories themselves are in the template, from the roots. See hostfs.h.
 */
#include "execution/hostfs.h"

#include "base/fault.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct wanted {
	const char *path;
	bool is_write;
	int fd;
};

struct plan {
	struct nx_guest_trees *trees;
	size_t used;                          /* of trees->paths */
	struct wanted w[NX_HOSTFS_PATHS_MAX]; /* by path: what holds another comes before it */
	size_t n;
	struct nx_fault_at *fault;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct wanted *)a)->path, ((const struct wanted *)b)->path);
}

void nx_hostfs_close(struct nx_guest_trees *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->fds[i] >= 0)
			(void)close(nx_steal_fd(&t->fds[i]));
	t->n = 0;
}

static int add_tree(struct plan *p, int fd, const char *path, bool is_write)
{
	struct nx_guest_trees *t = p->trees;
	size_t n = strlen(path) + 1;
	if (t->n == NX_HOSTFS_TREES_MAX || n > sizeof(t->paths) - p->used) {
		(void)close(fd);
		return nx_fault_at_set(p->fault, "mount so many directories", E2BIG);
	}
	memcpy(t->paths + p->used, path, n);
	p->used += n;
	t->is_write[t->n] = is_write;
	t->fds[t->n++] = fd;
	return 0;
}

static int way_fault(struct plan *p, int errnum)
{
	return nx_fault_at_set(p->fault, "make the way to a granted directory", errnum);
}

/* A small file system over the first directory of a path, with the way down to every wanted one in it. */
static int make_skeleton(struct plan *p, const char *top)
{
	nx_auto_fd int fs = nx_tmpfs_new("64k", "256", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fs < 0 || NX_FAULT(sandbox_files_way))
		return way_fault(p, fs < 0 ? errno : ENOSPC);
	for (size_t i = 0; i < p->n; i++) {
		const char *path = p->w[i].path;
		bool is_below = nx_hostfs_is_inside(path, top) && strcmp(path, top) != 0;
		int r = is_below ? nx_make_dirs(fs, path + strlen(top) + 1) : 0;
		if (r < 0)
			return way_fault(p, -r);
	}
	if (strcmp(top, "/var") == 0 && symlinkat("/box/tmp", fs, "tmp") < 0 && errno != EEXIST)
		return way_fault(p, errno);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	if (syscall(SYS_mount_setattr, fs, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return way_fault(p, errno);
	return nx_steal_fd(&fs);
}

/* Below another grant its place has to be there, in the host's own directory; nothing is made in that. */
static bool is_covered(const struct plan *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (nx_hostfs_is_inside(p->w[i].path, p->w[k].path))
			return true;
	return false;
}

static int add_way(struct plan *p, size_t i)
{
	char top[256];
	const char *path = p->w[i].path;
	size_t length = 1 + strcspn(path + 1, "/");
	if (length >= sizeof(top))
		return way_fault(p, ENAMETOOLONG);
	memcpy(top, path, length);
	top[length] = '\0';
	for (size_t k = 0; k < i; k++)
		if (nx_hostfs_is_inside(p->w[k].path, top))
			return 0;
	if (strcmp(path, top) == 0)
		return 0;
	int fs = make_skeleton(p, top);
	return fs < 0 ? -1 : add_tree(p, fs, top, false);
}

static int add_wanted(struct plan *p, size_t i)
{
	struct wanted *w = &p->w[i];
	if (!is_covered(p, i) && add_way(p, i) < 0)
		return -1;
	return add_tree(p, nx_steal_fd(&w->fd), w->path, w->is_write);
}

int nx_hostfs_plan(const struct nx_spawn_files *files, int *fds, struct nx_guest_trees *ret, struct nx_fault_at *fault)
{
	struct plan p = {.trees = ret, .n = files->nread + files->nwrite, .fault = fault};
	const char *path = files->paths;
	int r = 0;
	*ret = (struct nx_guest_trees){0};
	for (size_t i = 0; i < p.n; i++, path += strlen(path) + 1)
		p.w[i] = (struct wanted){path, i >= files->nread, nx_steal_fd(&fds[i])};
	qsort(p.w, p.n, sizeof(*p.w), by_path);
	for (size_t i = 0; i < p.n && r == 0; i++)
		r = add_wanted(&p, i);
	for (size_t i = 0; i < p.n; i++)
		if (p.w[i].fd >= 0)
			(void)close(p.w[i].fd);
	if (r < 0)
		nx_hostfs_close(ret);
	return r;
}

int nx_hostfs_send(struct nx_guest_trees *t, int ctl, struct nx_fault_at *fault)
{
	int r = NX_FAULT(sandbox_trees) ? -1 : nx_fds_send(ctl, t, sizeof(*t), t->fds, t->n, 0);
	if (r < 0)
		nx_fault_at_set(fault, "send the granted directories", errno ? errno : EPIPE);
	nx_hostfs_close(t);
	return r;
}
