#include "tests/fault/powercut_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR 512
#define MAX_FDS 1024
#define MAX_FILES 4096

/* A write that is not durable: data NULL is a change of size to `offset`. */
struct change {
	int64_t offset;
	size_t n;
	unsigned char *data;
};

struct file {
	unsigned char *durable;
	size_t size, cap;
	struct change *changes;
	size_t nchanges, changes_cap;
	bool loaded;
};

/* A name that is not durable yet: file NULL is a removal. Changes of one operation share its number. */
struct naming {
	unsigned op;
	int name;
	struct file *file;
};

struct name {
	char path[PATH_MAX];
	struct file *durable, *now;
	bool touched;
};

static struct {
	bool on;
	char dir[PATH_MAX];
	size_t dir_n;
	uint64_t ops, cut_at, seed;
	enum powercut_damage damage;
	struct name *names;
	int nnames;
	struct naming *namings;
	size_t nnamings, namings_cap;
	unsigned naming_ops;
	struct file *fd_file[MAX_FDS];
	char *fd_dir[MAX_FDS];
} disk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
	(void)fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	abort();
}

static void *grow(void *p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return p;
	*cap = need * 2 + 16;
	p = realloc(p, *cap * size);
	if (!p)
		die("memory");
	return p;
}

/* splitmix64 (Vigna 2015), from the seed and three numbers that say what is being decided. */
static uint64_t dice(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t z = disk.seed + a * 0x9e3779b97f4a7c15u + b * 0xbf58476d1ce4e5b9u + c * 0x94d049bb133111ebu;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* ---- contents ---- */

static void set_size(struct file *f, size_t size)
{
	f->durable = grow(f->durable, &f->cap, size, 1);
	if (size > f->size)
		memset(f->durable + f->size, 0, size - f->size);
	f->size = size;
}

static void put(struct file *f, size_t offset, const unsigned char *p, size_t n)
{
	if (n == 0)
		return;
	if (offset + n > f->size)
		set_size(f, offset + n);
	memcpy(f->durable + offset, p, n);
}

static void forget_changes(struct file *f)
{
	for (size_t i = 0; i < f->nchanges; i++)
		free(f->changes[i].data);
	f->nchanges = 0;
}

static void apply_whole(struct file *f, const struct change *c)
{
	if (c->data)
		put(f, (size_t)c->offset, c->data, c->n);
	else
		set_size(f, (size_t)c->offset);
}

static void make_durable(struct file *f)
{
	for (size_t i = 0; i < f->nchanges; i++)
		apply_whole(f, &f->changes[i]);
	forget_changes(f);
}

static void note_change(struct file *f, int64_t offset, const void *data, size_t n)
{
	f->changes = grow(f->changes, &f->changes_cap, f->nchanges + 1, sizeof(*f->changes));
	struct change *c = &f->changes[f->nchanges++];
	*c = (struct change){.offset = offset, .n = n};
	if (!data)
		return;
	c->data = malloc(n ? n : 1);
	if (!c->data)
		die("memory");
	memcpy(c->data, data, n);
}

/* How many of the file's changes this sector has seen when the power goes. */
static size_t version_of(const struct file *f, uint64_t id, uint64_t sector)
{
	uint64_t r = dice(id, sector, 1);
	if (r % 4 == 0)
		return 0;
	return r % 4 == 1 ? f->nchanges : (size_t)(dice(id, sector, 2) % (f->nchanges + 1));
}

static void apply_sectors(struct file *f, const struct change *c, size_t index, uint64_t id)
{
	for (size_t done = 0; done < c->n;) {
		size_t at = (size_t)c->offset + done;
		size_t n = SECTOR - at % SECTOR;
		if (n > c->n - done)
			n = c->n - done;
		if (index < version_of(f, id, at / SECTOR))
			put(f, at, c->data + done, n);
		else if (disk.damage == POWERCUT_SIZES && at + n > f->size && dice(id, index, 3) % 2) {
			size_t old = f->size;
			set_size(f, at + n);
			if (dice(id, at, 4) % 2)
				memset(f->durable + old, (int)(dice(id, at, 5) & 0xff), f->size - old);
		}
		done += n;
	}
}

static void damage_file(struct file *f, uint64_t id)
{
	size_t prefix = (size_t)(dice(id, 0, 6) % (f->nchanges + 1));
	for (size_t i = 0; i < f->nchanges; i++) {
		struct change *c = &f->changes[i];
		bool by_sector = disk.damage == POWERCUT_SECTORS || disk.damage == POWERCUT_SIZES;
		if (disk.damage == POWERCUT_KEEP || (disk.damage == POWERCUT_PREFIX && i < prefix)) {
			apply_whole(f, c);
		} else if (disk.damage == POWERCUT_PREFIX && i == prefix && c->data) {
			size_t torn = (size_t)(dice(id, i, 7) % (c->n / SECTOR + 1)) * SECTOR;
			put(f, (size_t)c->offset, c->data, torn < c->n ? torn : c->n);
		} else if (by_sector && c->data) {
			apply_sectors(f, c, i, id);
		} else if (by_sector && i < version_of(f, id, UINT64_MAX)) {
			apply_whole(f, c);
		}
	}
	forget_changes(f);
}

/* ---- names ---- */

static bool is_watched(const char *path)
{
	size_t n = strlen(path);
	return disk.on && strncmp(path, disk.dir, disk.dir_n) == 0 && path[disk.dir_n] == '/' &&
	       !(n > 4 && strcmp(path + n - 4, "-shm") == 0);
}

static int name_of(const char *path)
{
	for (int i = 0; i < disk.nnames; i++)
		if (strcmp(disk.names[i].path, path) == 0)
			return i;
	if (disk.nnames == MAX_FILES)
		die("too many names");
	struct name *n = &disk.names[disk.nnames];
	(void)snprintf(n->path, sizeof(n->path), "%s", path);
	return disk.nnames++;
}

static bool is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static void note_naming(unsigned op, int name, struct file *f)
{
	disk.namings = grow(disk.namings, &disk.namings_cap, disk.nnamings + 1, sizeof(*disk.namings));
	disk.namings[disk.nnamings++] = (struct naming){op, name, f};
	disk.names[name].now = f;
	disk.names[name].touched = true;
}

static void sync_names(const char *dir)
{
	size_t kept = 0;
	for (size_t i = 0; i < disk.nnamings; i++) {
		struct naming *n = &disk.namings[i];
		if (is_in(disk.names[n->name].path, dir))
			disk.names[n->name].durable = n->file;
		else
			disk.namings[kept++] = *n;
	}
	disk.nnamings = kept;
}

static bool naming_survives(unsigned op)
{
	uint64_t r = dice(op, 0, 8);
	switch (disk.damage) {
	case POWERCUT_DROP: return false;
	case POWERCUT_KEEP: return true;
	case POWERCUT_PREFIX: return op < dice(0, 0, 9) % (disk.naming_ops + 1);
	default: return r % 2;
	}
}

static struct file *file_new(void)
{
	struct file *f = calloc(1, sizeof(*f));
	if (!f)
		die("memory");
	return f;
}

/* What was on the disk before the program came is durable. */
static void load(struct file *f, int fd)
{
	struct stat st;
	if (fstat(fd, &st))
		die("fstat");
	set_size(f, (size_t)st.st_size);
	for (size_t at = 0; at < f->size;) {
		long n = syscall(SYS_pread64, fd, f->durable + at, f->size - at, (off_t)at);
		if (n <= 0)
			die("read");
		at += (size_t)n;
	}
}

/* ---- the cut ---- */

static void write_out(const char *path, const struct file *f)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die(path);
	for (size_t at = 0; at < f->size;) {
		long n = syscall(SYS_pwrite64, fd, f->durable + at, f->size - at, (off_t)at);
		if (n <= 0)
			die("write");
		at += (size_t)n;
	}
}

static void remove_shm(void)
{
	for (int i = 0; i < disk.nnames; i++) {
		char path[PATH_MAX + 8];
		(void)snprintf(path, sizeof(path), "%s-shm", disk.names[i].path);
		(void)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	}
}

static void cut(void)
{
	for (size_t i = 0; i < disk.nnamings; i++)
		if (naming_survives(disk.namings[i].op))
			disk.names[disk.namings[i].name].durable = disk.namings[i].file;
	for (int i = 0; i < disk.nnames; i++)
		if (disk.names[i].durable)
			damage_file(disk.names[i].durable, (uint64_t)i);
	/* Links go before files are written anew, for a file may be found under a name that another had. */
	for (int i = 0; i < disk.nnames; i++)
		if (disk.names[i].touched || disk.names[i].durable)
			(void)syscall(SYS_unlinkat, AT_FDCWD, disk.names[i].path, 0);
	for (int i = 0; i < disk.nnames; i++)
		if (disk.names[i].durable)
			write_out(disk.names[i].path, disk.names[i].durable);
	remove_shm();
	_exit(POWERCUT_EXIT);
}

/* Each operation begins with this, and holds the lock to its end: none is under way when the power goes. */
static void enter(void)
{
	(void)pthread_mutex_lock(&lock);
	disk.ops++;
	if (disk.cut_at && disk.ops >= disk.cut_at)
		cut();
}

static long leave(long rc)
{
	int e = errno;
	(void)pthread_mutex_unlock(&lock);
	errno = e;
	return rc;
}

void powercut_start(const char *dir, uint64_t after_ops, enum powercut_damage damage, uint64_t seed)
{
	disk.names = calloc(MAX_FILES, sizeof(*disk.names));
	if (!disk.names)
		die("memory");
	(void)snprintf(disk.dir, sizeof(disk.dir), "%s", dir);
	disk.dir_n = strlen(dir);
	disk.cut_at = after_ops;
	disk.damage = damage;
	disk.seed = seed;
	disk.on = true;
}

uint64_t powercut_ops(void)
{
	(void)pthread_mutex_lock(&lock);
	uint64_t n = disk.ops;
	(void)pthread_mutex_unlock(&lock);
	return n;
}

void powercut_now(void)
{
	(void)pthread_mutex_lock(&lock);
	cut();
	abort();
}

/* ---- the system calls ---- */

static bool is_watched_fd(int fd)
{
	if (!disk.on || fd < 0 || fd >= MAX_FDS)
		return false;
	(void)pthread_mutex_lock(&lock);
	bool is = disk.fd_file[fd] || disk.fd_dir[fd];
	(void)pthread_mutex_unlock(&lock);
	return is;
}

static void watch_fd(int fd, const char *path, bool existed, int flags)
{
	struct stat st;
	if (fd >= MAX_FDS || fstat(fd, &st))
		die("watch");
	if (S_ISDIR(st.st_mode)) {
		disk.fd_dir[fd] = strdup(path);
		return;
	}
	int i = name_of(path);
	struct name *n = &disk.names[i];
	if (!existed) {
		note_naming(disk.naming_ops++, i, file_new());
	} else if (!n->now) {
		n->now = n->durable = file_new();
		load(n->now, fd);
	}
	if (flags & O_TRUNC)
		note_change(n->now, 0, NULL, 0);
	disk.fd_file[fd] = n->now;
}

static int open_at(int at, const char *path, int flags, unsigned mode)
{
	bool is_root = disk.on && strcmp(path, disk.dir) == 0;
	if (at != AT_FDCWD || (!is_watched(path) && !is_root))
		return (int)syscall(SYS_openat, at, path, flags, mode);
	enter();
	bool existed = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
	if (existed && (flags & O_TRUNC)) {
		/* Its durable bytes are read before they go. */
		int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			watch_fd(fd, path, true, 0);
			disk.fd_file[fd] = NULL;
			(void)syscall(SYS_close, fd);
		}
	}
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0)
		watch_fd(fd, path, existed, flags);
	return (int)leave(fd);
}

static unsigned mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, unsigned) : 0;
}

#define OPEN(name)                                           \
	int __wrap_##name(const char *path, int flags, ...); \
	int __wrap_##name(const char *path, int flags, ...)  \
	{                                                    \
		va_list ap;                                  \
		va_start(ap, flags);                         \
		unsigned mode = mode_of(flags, ap);          \
		va_end(ap);                                  \
		return open_at(AT_FDCWD, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                 \
	int __wrap_##name(int at, const char *path, int flags, ...); \
	int __wrap_##name(int at, const char *path, int flags, ...)  \
	{                                                            \
		va_list ap;                                          \
		va_start(ap, flags);                                 \
		unsigned mode = mode_of(flags, ap);                  \
		va_end(ap);                                          \
		return open_at(at, path, flags, mode);               \
	}
OPENAT(openat)
OPENAT(openat64)

int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (disk.on && fd >= 0 && fd < MAX_FDS) {
		(void)pthread_mutex_lock(&lock);
		disk.fd_file[fd] = NULL;
		free(disk.fd_dir[fd]);
		disk.fd_dir[fd] = NULL;
		(void)pthread_mutex_unlock(&lock);
	}
	return (int)syscall(SYS_close, fd);
}

static ssize_t write_at(int fd, const void *p, size_t n, off_t offset)
{
	enter();
	long rc = syscall(SYS_pwrite64, fd, p, n, offset);
	if (rc > 0)
		note_change(disk.fd_file[fd], offset, p, (size_t)rc);
	return leave(rc);
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return is_watched_fd(fd) ? write_at(fd, p, n, offset) : syscall(SYS_pwrite64, fd, p, n, offset);
}

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t offset)
{
	return __wrap_pwrite(fd, p, n, offset);
}

ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (!is_watched_fd(fd))
		return syscall(SYS_write, fd, p, n);
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t rc = write_at(fd, p, n, at);
	if (rc > 0)
		(void)lseek(fd, at + rc, SEEK_SET);
	return rc;
}

int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
	if (!is_watched_fd(fd))
		return (int)syscall(SYS_ftruncate, fd, size);
	enter();
	long rc = syscall(SYS_ftruncate, fd, size);
	if (rc == 0)
		note_change(disk.fd_file[fd], size, NULL, 0);
	return (int)leave(rc);
}

int __wrap_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size)
{
	return __wrap_ftruncate(fd, size);
}

/* The real disk is not waited for: nothing here depends on it. */
static int sync_fd(int fd)
{
	if (!is_watched_fd(fd))
		return 0;
	enter();
	if (disk.fd_file[fd])
		make_durable(disk.fd_file[fd]);
	else
		sync_names(disk.fd_dir[fd]);
	return (int)leave(0);
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return sync_fd(fd);
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	return sync_fd(fd);
}

int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
	if (!is_watched(path))
		return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	enter();
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		watch_fd(fd, path, true, 0);
		disk.fd_file[fd] = NULL;
		(void)syscall(SYS_close, fd);
	}
	long rc = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (rc == 0)
		note_naming(disk.naming_ops++, name_of(path), NULL);
	return (int)leave(rc);
}

int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	if (!is_watched(from) || !is_watched(to))
		return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
	enter();
	long rc = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
	if (rc == 0) {
		unsigned op = disk.naming_ops++;
		struct file *f = disk.names[name_of(from)].now;
		if (!f)
			die("rename of a file that was never opened");
		note_naming(op, name_of(from), NULL);
		note_naming(op, name_of(to), f);
	}
	return (int)leave(rc);
}
