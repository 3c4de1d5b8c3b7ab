/* The guest's file system: the shared read-only template, its own box, its own /proc, and nothing of the host's. */
#include "execution/sandbox_internal.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

static int clone_template(const char *root)
{
	nx_auto_fd int tree = (int)syscall(SYS_open_tree, AT_FDCWD, root,
					   OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	if (tree < 0)
		return -errno;
	/* A copy, because what came with the namespace is locked to its place and could not become the root. */
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return chdir(root) < 0 ? -errno : 0;
}

/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is taken off. */
static int enter_root(void)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int nx_guest_mounts(const struct nx_host *h, const char *root, int box, const char **ret_stage)
{
	*ret_stage = "mount the system read-only";
	int r = clone_template(root);
	if (r < 0)
		return r;
	*ret_stage = "mount the work directory";
	if (syscall(SYS_move_mount, box, "", AT_FDCWD, "box", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	/* Only the processes of this namespace: no kcore, keys, sysrq, sys or interrupts that would need masks. */
	*ret_stage = "mount proc";
	if (h->proc && mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") < 0)
		return -errno;
	*ret_stage = "pivot_root";
	return enter_root();
}
