/* Boxes without a file system of their own; see bare.h. One spawner is one process, so there is one directory of them. */
#include "execution/bare.h"

#include "base/io.h"
#include "base/macros.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define PLACE "/tmp" /* every user may pass through it, which cannot be said of the data directory */
#define PREFIX "nexus-boxes-"
#define NAME_BYTES 16 /* random, in hexadecimal: nobody guesses the box of another run */
#define DEPTH_MAX 64
#define TREES_MAX (2 * NX_SPAWN_RUNS_MAX) /* some wait for the server to let go of them */

static struct {
	int dir; /* of all boxes, with its lock */
	char path[64];
	int trees[TREES_MAX]; /* of every box, opened apart from what holds its lock */
	unsigned ntrees;
} B = {.dir = -1};

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* ---- removing ---- */

static bool remove_box(int tree)
{
	char link[64], path[PATH_MAX];
	if (flock(tree, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", tree);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n > 0) {
		path[n] = '\0';
		(void)nx_rmtree(path, NULL);
	}
	(void)close(tree);
	return true;
}

void nx_bare_boxes_remove(void)
{
	for (unsigned i = B.ntrees; i-- > 0;)
		if (remove_box(B.trees[i]))
			B.trees[i] = B.trees[--B.ntrees];
}

bool nx_bare_has_boxes(void)
{
	return B.ntrees > 0;
}

/* ---- what dead spawners left ---- */

static bool is_overlapping(uid_t a, uid_t b)
{
	return (a > b ? a - b : b - a) < NX_SPAWN_RUNS_MAX;
}

/* -EBUSY: it is in use by a spawner with the same users. */
static int remove_stray(int place, const char *name, uid_t uid_base)
{
	struct stat st;
	unsigned long base;
	nx_auto_fd int dir = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sscanf(name, PREFIX "%lu-", &base) != 1 || dir < 0 || fstat(dir, &st) < 0 || st.st_uid != geteuid())
		return 0;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return is_overlapping((uid_t)base, uid_base) ? -EBUSY : 0;
	char path[sizeof(PLACE) + NAME_MAX + 1];
	snprintf(path, sizeof(path), PLACE "/%s", name);
	(void)nx_rmtree(path, NULL);
	return 0;
}

static int remove_strays(uid_t uid_base)
{
	nx_auto_fd int place = open(PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = place >= 0 ? nx_bare_list(place) : NULL;
	int r = d ? 0 : -errno;
	for (struct dirent *e; d && r == 0 && (e = readdir(d));)
		r = remove_stray(place, e->d_name, uid_base);
	if (d)
		(void)closedir(d);
	return r;
}

/* ---- the directory of all ---- */

int nx_bare_open(int proc_fd, uid_t uid_base)
{
	int r = remove_strays(uid_base);
	if (r < 0)
		return r;
	nx_bare_end_users(proc_fd, uid_base, NX_SPAWN_RUNS_MAX);
	snprintf(B.path, sizeof(B.path), PLACE "/" PREFIX "%lu-XXXXXX", (unsigned long)uid_base);
	if (!mkdtemp(B.path)) {
		r = -errno;
		B.path[0] = '\0';
		return r;
	}
	B.dir = open(B.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (B.dir < 0 || flock(B.dir, LOCK_EX | LOCK_NB) < 0 || fchmod(B.dir, 0711) < 0) {
		r = -errno;
		nx_bare_close();
	}
	return r;
}

void nx_bare_close(void)
{
	if (B.path[0])
		(void)nx_rmtree(B.path, NULL);
	B.path[0] = '\0';
	if (B.dir >= 0)
		(void)close(nx_steal_fd(&B.dir));
}

/* ---- boxes ---- */

static bool random_name(char ret[2 * NAME_BYTES + 1])
{
	unsigned char bytes[NAME_BYTES];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

int nx_bare_box_reopen(int box)
{
	return openat(box, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int nx_bare_box_new(uid_t uid, struct nx_fault_at *fault)
{
	char name[2 * NAME_BYTES + 1];
	if (B.ntrees == TREES_MAX)
		return nx_fault_at_set(fault, "find room for a work directory", EAGAIN);
	if (!random_name(name) || mkdirat(B.dir, name, 0711) < 0)
		return nx_fault_at_set(fault, "make the work directory", errno);
	nx_auto_fd int box = openat(B.dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int tree = box < 0 ? -1 : nx_bare_box_reopen(box);
	if (tree < 0 || flock(box, LOCK_SH | LOCK_NB) < 0) {
		(void)nx_fault_at_set(fault, "open the work directory", errno);
		(void)unlinkat(B.dir, name, AT_REMOVEDIR);
		nx_closep(&tree);
		return -1;
	}
	B.trees[B.ntrees++] = tree;
	if (fchmod(box, 0711) < 0 || nx_box_fill(box, uid, uid) < 0)
		return nx_fault_at_set(fault, "fill the work directory", errno);
	return nx_steal_fd(&box);
}

static bool is_passed(const struct nx_bare_usage *u, int64_t bytes_max, int64_t inodes_max)
{
	return u->bytes > bytes_max || u->inodes > inodes_max;
}

static void measure(int dir, int depth, int64_t bytes_max, int64_t inodes_max, struct nx_bare_usage *u)
{
	struct stat st;
	DIR *d = nx_bare_list(dir);
	for (struct dirent *e; d && !is_passed(u, bytes_max, inodes_max) && (e = readdir(d));) {
		if (is_dots(e->d_name) || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		u->inodes++;
		u->bytes += (int64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode))
			continue;
		nx_auto_fd int below = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (depth == DEPTH_MAX)
			u->inodes = inodes_max + 1;
		else if (below >= 0)
			measure(below, depth + 1, bytes_max, inodes_max, u);
	}
	if (d)
		(void)closedir(d);
}

void nx_bare_box_measure(int tree, int64_t bytes_max, int64_t inodes_max, struct nx_bare_usage *ret)
{
	*ret = (struct nx_bare_usage){0};
	measure(tree, 0, bytes_max, inodes_max, ret);
}
