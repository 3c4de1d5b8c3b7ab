/*
 * Directories of the host that a run is granted: file_system_access, below roots that the operator names.
 *
 *   server   hostfs_grants.c   reads the request, refuses what the config does not allow, puts the rest into PREPARE
 *   spawner  spawner_main.c    asks the keeper, and makes the guest when the answer is there
 *   keeper   hostfs_keeper.c   a process that has stayed among the host's mounts; a child of its own per question, so that a
 *                              file system that does not answer holds up the run that asked and nobody else
 *   spawner  hostfs_trees.c    makes the way to each directory in the guest, and hands all to it
 *   guest    child_files.c     mounts them, before pivot_root
 *
 * Invariants:
 *  1. A directory is judged after it was opened and copied from the same descriptor: there is no second look by name, and
 *     nobody but the keeper's child looks at all, because a look may take for ever.
 *  2. Roots are opened without following a link anywhere, and what is below them likewise: who may write below one root can
 *     put nothing in the place of another.
 *  3. Only the mount on which the directory lies is copied. What is mounted below it is not granted by it.
 *  4. The data directory of the server is in no grant and no grant is in it, by the identity of its parents, not by name.
 *  5. Every copy is nosuid and nodev; what may only be read is a read-only mount, and not writable by Landlock.
 */
#ifndef NX_EXECUTION_HOSTFS_H
#define NX_EXECUTION_HOSTFS_H

#include "execution/sandbox_internal.h"

/* ---- hostfs_paths.c: pure text ---- */

/* Absolute, not "/", without empty parts, "." and "..", control bytes and a last slash: so that texts can be compared. */
bool nx_hostfs_is_plain(const char *path);
/* `path` is `dir` or below it. */
bool nx_hostfs_is_inside(const char *path, const char *dir);
/* Not where a guest has its own system or what it writes. /home, /srv, /var and the like are free. */
bool nx_hostfs_may_cover(const char *path);
/* Cuts the next root off a list separated by colons, without slashes at its end; false at the end of the list. */
bool nx_hostfs_next_root(const char **list, char *ret, size_t size);
/* The outermost root of the list that `path` is inside of. */
bool nx_hostfs_root_of(const char *list, const char *path, char *ret, size_t size);

/* ---- hostfs_keeper.c ---- */

/* Opens a path of which no part may be a link, or, when `beneath` is not NULL, one below that which is opened so. O_PATH.
 * -errno: ELOOP for a link. */
int nx_hostfs_open(const char *beneath, const char *path);
/* 0, or -errno: EPERM when the directory is the data directory, below it or above it. */
int nx_hostfs_check_apart(int dir, const char *data_dir);
/* A file system whose files are the kernel's own: proc, sysfs, cgroups. */
bool nx_hostfs_is_kernels(int dir);

struct nx_hostfs_answer {
	uint64_t run;
	int32_t errnum;    /* 0: all were opened */
	uint8_t why, path; /* of struct nx_spawn_failed */
};

/* `rules` has to outlive it. Forked before the spawner leaves the host's mounts. 0 or -1; without roots there is none. */
int nx_hostfs_keeper_start(const struct nx_host *h, const struct nx_hostfs_rules *rules, struct nx_hostfs_keeper *ret);
void nx_hostfs_keeper_end(struct nx_hostfs_keeper *k);
/* The answer comes on the keeper's socket. `uid`: who runs the program, on the host. */
int nx_hostfs_ask(struct nx_hostfs_keeper *k, uint64_t run, const struct nx_spawn_files *files, uid_t uid,
		  struct nx_fault_at *ret);
/* 1: an answer, with a detached mount per directory in `fds` (of NX_HOSTFS_PATHS_MAX) when errnum is 0; 0: not yet;
 * -1: the keeper is gone. */
int nx_hostfs_hear(struct nx_hostfs_keeper *k, struct nx_hostfs_answer *ret, int *fds, size_t *ret_nfds);

/* ---- hostfs_trees.c ---- */

/* What the guest mounts at the end, in this order: skeletons of directories, then those that were granted. */
struct nx_guest_trees {
	uint32_t n;
	uint8_t is_write[NX_HOSTFS_TREES_MAX];
	int fds[NX_HOSTFS_TREES_MAX];      /* of each side */
	char paths[2 * NX_SPAWN_TEXT_MAX]; /* as the guest sees them, each with its NUL */
};
/* Takes the descriptors, in the order of `files`; on failure they are closed. */
int nx_hostfs_plan(const struct nx_spawn_files *files, int *fds, struct nx_guest_trees *ret, struct nx_fault_at *fault);
/* Sends and closes them. */
int nx_hostfs_send(struct nx_guest_trees *t, int ctl, struct nx_fault_at *fault);
void nx_hostfs_close(struct nx_guest_trees *t);

/* ---- child_files.c ---- */

/* Both 0 or -errno. */
int nx_guest_receive_trees(int ctl, struct nx_guest_trees *ret, const char **ret_stage);
int nx_guest_mount_trees(struct nx_guest_trees *t, const char **ret_stage); /* closes them */

/* ---- fds.c ---- */

/* One message with descriptors. 0, or -1 with errno. */
int nx_fds_send(int sock, const void *bytes, size_t n, const int *fds, size_t nfds, int flags);
/* Bytes, or -1 with errno. Up to `max` descriptors, close-on-exec; more than that are closed. */
ssize_t nx_fds_recv(int sock, void *bytes, size_t n, int *fds, size_t max, size_t *ret_nfds, int flags);

#endif
