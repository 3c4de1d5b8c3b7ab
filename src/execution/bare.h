/*
 * Runs where no namespace can be made, as inside an unprivileged container: the walls are Landlock, seccomp, resource
 * limits and a host user of its own for each run. What that leaves open is in docs/decisions/0015; the server runs nothing
 * here unless the operator says so (sandbox.without_namespaces).
 *
 *   spawner, root of the container
 *     └─ reaper ── keeps the spawner's privilege, outside of the walls: the program can neither signal nor see into it
 *          └─ program … ── the run's user, behind the walls
 *
 * There is no pid namespace whose first process takes all others along. The reaper stands in for it: what loses its parent
 * becomes its child (PR_SET_CHILD_SUBREAPER), and a process of the run's user ends everyone of that user at once
 * (kill(2) with -1). It is told by SIGTERM, which it also gets when the spawner dies; only where reaper and spawner are
 * killed together by somebody else does a program outlive its run, until the next spawner starts.
 *
 * There is no tmpfs. A box is a directory, measured by walking it, that is removed when the last of those who were handed
 * its descriptor has closed it: each holds its shared lock (flock(2)).
 */
#ifndef NX_EXECUTION_BARE_H
#define NX_EXECUTION_BARE_H

#include "execution/sandbox_internal.h"

#include <dirent.h>

/* ---- bare_box.c: the spawner's side ---- */

/* Makes the directory of all boxes, below /tmp. What spawners that are gone left there is removed, and what still runs under
 * the users from uid_base on is ended. -EBUSY: those are the users of a spawner that lives; a run's end would be the end of
 * its runs, too. 0 or -errno. */
int nx_bare_open(int proc_fd, uid_t uid_base);
void nx_bare_close(void); /* removes it, whoever still holds a box */

/* A box for this user: a locked descriptor, or -1. It is removed when that and its copies are closed, or at the end. */
int nx_bare_box_new(uid_t uid, struct nx_fault_at *fault);
void nx_bare_boxes_remove(void); /* those that nobody holds any more */
bool nx_bare_has_boxes(void);
/* The same directory, opened apart, so that it does not hold the lock; -1 with errno. */
int nx_bare_box_reopen(int box);
/* Bytes (blocks in use) and files below it, counted until one of the limits is passed. Directories that are nested too
 * deeply for any program's good count as too many files. */
struct nx_bare_usage {
	int64_t bytes, inodes;
};
void nx_bare_box_measure(int tree, int64_t bytes_max, int64_t inodes_max, struct nx_bare_usage *ret);
/* ---- bare_guest.c: from the clone to the exec; in place of what child.c does ---- */

void nx_bare_main(const struct nx_guest *g) __attribute__((noreturn));
/* SIGKILL, one by one, to the processes of `count` users from `first` on that /proc shows. */
void nx_bare_end_users(int proc_fd, uid_t first, uid_t count);
DIR *nx_bare_list(int dir); /* of a copy of the descriptor; NULL with errno */
/* `text` with /work, /tmp and /code, where they begin a path, below `box`. False when that takes more than `size`. */
bool nx_bare_rewrite(const char *text, const char *box, char *ret, size_t size);

#endif
