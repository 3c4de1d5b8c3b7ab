/*
 * Removing a tree that strangers made.
 *
 * What a guest leaves behind may be deeper than any stack or descriptor table, may hold links to anywhere and mounts of
 * anything. So the walk holds two descriptors at any depth, keeps its path in memory, never follows a link, and never
 * enters a mount: a directory is left by "..", which must be the directory that it was entered from.
 */
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct level {
	char *name; /* in its parent */
	dev_t dev;  /* of the parent */
	ino_t ino;
};

struct walk {
	const char *path; /* for messages */
	int fd;           /* the directory that is being emptied */
	struct level *levels;
	size_t n, cap;
};

static int open_dir(int at, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return fd;
	/* An older kernel or a seccomp filter: without it only mounts of another device are noticed. */
	struct stat above, st;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(at, &above) != 0 || fstat(fd, &st) != 0 || above.st_dev != st.st_dev)) {
		(void)close(fd);
		errno = EXDEV;
		return -1;
	}
	return fd;
}

/* A guest may have taken its own directory's permissions away; without privileges they are needed to empty it. */
static int open_dir_forced(int at, const char *name)
{
	struct stat st;
	int fd = open_dir(at, name);
	if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0)
		fd = open_dir(at, name);
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700); /* if it matters, what comes next fails and says so */
	return fd;
}

static int walk_push(struct walk *w, const char *name, struct nx_error **err)
{
	struct stat here;
	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 16 : w->cap * 2;
		struct level *levels = reallocarray(w->levels, cap, sizeof(*levels));
		if (levels == NULL)
			return nx_error_set(err, NX_ENOMEM, "no memory to remove %s", w->path);
		w->levels = levels;
		w->cap = cap;
	}
	if (fstat(w->fd, &here) != 0)
		return nx_error_set_errno(err, errno, "remove %s", w->path);
	nx_auto_fd int fd = open_dir_forced(w->fd, name);
	if (fd < 0 && errno == EXDEV)
		return nx_error_set(err, NX_EBUSY, "%s holds a mount at \"%s\": unmount it first", w->path, name);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "remove %s: open \"%s\"", w->path, name);
	char *copy = strdup(name);
	if (copy == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to remove %s", w->path);
	w->levels[w->n++] = (struct level){.name = copy, .dev = here.st_dev, .ino = here.st_ino};
	(void)close(w->fd);
	w->fd = nx_steal_fd(&fd);
	return 0;
}

/* Goes up and removes the directory that was left, which is empty. */
static int walk_pop(struct walk *w, struct nx_error **err)
{
	struct stat st;
	struct level *l = &w->levels[w->n - 1];
	int up = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up < 0)
		return nx_error_set_errno(err, errno, "remove %s", w->path);
	(void)close(w->fd);
	w->fd = up;
	if (fstat(up, &st) != 0 || st.st_dev != l->dev || st.st_ino != l->ino)
		return nx_error_set(err, NX_ECONFLICT, "%s was moved while it was being removed", w->path);
	if (unlinkat(up, l->name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		return nx_error_set_errno(err, errno, "remove %s: remove \"%s\"", w->path, l->name);
	free(l->name);
	w->n--;
	return 0;
}

static void close_dirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Removes what is no directory from the current one. Sets *ret_entered when it went down into a directory instead. */
static int walk_sweep(struct walk *w, bool *ret_entered, struct nx_error **err)
{
	int copy = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__attribute__((cleanup(close_dirp))) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		int errnum = errno;
		if (copy >= 0)
			(void)close(copy);
		return nx_error_set_errno(err, errnum, "remove %s", w->path);
	}
	*ret_entered = false;
	for (struct dirent *e; (errno = 0, e = readdir(dir)) != NULL;) {
		if (nx_is_dots(e->d_name))
			continue;
		if (unlinkat(w->fd, e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		/* POSIX says EPERM for a directory, Linux says EISDIR. */
		if (errno != EISDIR && errno != EPERM && errno != EACCES)
			return nx_error_set_errno(err, errno, "remove %s: remove \"%s\"", w->path, e->d_name);
		*ret_entered = true;
		return walk_push(w, e->d_name, err);
	}
	return errno == 0 ? 0 : nx_error_set_errno(err, errno, "remove %s", w->path);
}

static int walk_run(struct walk *w, struct nx_error **err)
{
	for (;;) {
		bool entered = false;
		int code = walk_sweep(w, &entered, err);
		if (code == 0 && !entered) {
			if (w->n == 0)
				return 0;
			code = walk_pop(w, err);
		}
		if (code != 0)
			return code;
	}
}

int nx_rmtree(const char *path, struct nx_error **err)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	struct walk w = {.path = path, .fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
	if (w.fd < 0 && errno == EACCES && chmod(path, 0700) == 0)
		w.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w.fd < 0)
		return nx_error_set_errno(err, errno, "remove %s", path);
	int code = walk_run(&w, err);
	for (size_t i = 0; i < w.n; i++)
		free(w.levels[i].name);
	free(w.levels);
	(void)close(w.fd);
	if (code == 0 && rmdir(path) != 0 && errno != ENOENT)
		code = nx_error_set_errno(err, errno, "remove %s", path);
	return code;
}
