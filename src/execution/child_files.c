/* The guest's part in the directories that it was granted; see hostfs.h. */
#include "execution/hostfs.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

int nx_guest_receive_trees(int ctl, struct nx_guest_trees *ret, const char **ret_stage)
{
	int fds[NX_HOSTFS_TREES_MAX];
	size_t nfds;
	*ret_stage = "receive the granted directories";
	ssize_t n = nx_fds_recv(ctl, ret, sizeof(*ret), fds, NX_HOSTFS_TREES_MAX, &nfds, 0);
	if (n != (ssize_t)sizeof(*ret) || ret->n != nfds)
		return -EPROTO; /* and this process ends */
	memcpy(ret->fds, fds, nfds * sizeof(*fds));
	return 0;
}

int nx_guest_mount_trees(struct nx_guest_trees *t, const char **ret_stage)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	const char *path = t->paths;
	*ret_stage = "mount a granted directory";
	for (uint32_t i = 0; i < t->n; i++, path += strlen(path) + 1) {
		nx_auto_fd int at = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
		if (at < 0 || syscall(SYS_move_mount, t->fds[i], "", at, "",
				      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return -errno;
		(void)close(nx_steal_fd(&t->fds[i]));
	}
	return 0;
}
