/* Unpacking: libarchive decodes, what is made of it stays below one directory. */
#include "execution/tar.h"

#include "base/io.h"
#include "base/loop.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LIBRARY "libarchive.so.13" /* the ABI since 2013 */
#define READ_BYTES 65536
#define PART_MAX 255
#define PATH_BYTES 4096

/* ---- the library, when the first archive comes ---- */

#define FUNCTIONS(X)                        \
	X(archive_entry_filetype)           \
	X(archive_entry_hardlink)           \
	X(archive_entry_hardlink_utf8)      \
	X(archive_entry_pathname)           \
	X(archive_entry_pathname_utf8)      \
	X(archive_entry_perm)               \
	X(archive_entry_symlink)            \
	X(archive_entry_symlink_utf8)       \
	X(archive_error_string)             \
	X(archive_read_data)                \
	X(archive_read_free)                \
	X(archive_read_new)                 \
	X(archive_read_next_header)         \
	X(archive_read_open_fd)             \
	X(archive_read_support_filter_gzip) \
	X(archive_read_support_filter_zstd) \
	X(archive_read_support_format_tar)

static struct {
#define X_(name) __typeof__(name) *name;
	FUNCTIONS(X_)
#undef X_
} L;
static char why[200];

static void load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		(void)snprintf(why, sizeof(why), "%s", dlerror());
		return;
	}
#define X_(name)                                                                                         \
	{                                                                                                \
		void *f = dlsym(library, #name);                                                         \
		memcpy(&L.name, &f, sizeof(f)); /* POSIX has addresses of objects and functions alike */ \
		if (!f)                                                                                  \
			(void)snprintf(why, sizeof(why), LIBRARY " has no " #name);                      \
	}
	FUNCTIONS(X_)
#undef X_
}

static int need_library(struct nx_error **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, load);
	if (!why[0])
		return 0;
	(void)nx_error_set(err, NX_EUNSUPPORTED, "archives need libarchive: %s", why);
	return nx_error_hint(err, "install the libarchive of the distribution");
}

/* ---- names ---- */

/* Into `ret`, without "." parts and leading slashes. 0 for the root itself, else the number of parts, or a code. */
static int clean(const struct nx_unpack *u, const char *path, char ret[PATH_BYTES], struct nx_error **err)
{
	nx_str rest = nx_str_z(path);
	size_t n = 0;
	int parts = 0;
	if (rest.n >= PATH_BYTES)
		return nx_error_set(err, NX_ELIMIT, "a name in the archive has more than %d bytes", PATH_BYTES - 1);
	while (rest.n) {
		nx_str part = nx_str_cut(&rest, '/');
		if (part.n == 0 || nx_str_eqz(part, "."))
			continue;
		if (nx_str_eqz(part, "..") || part.n > PART_MAX)
			return nx_error_set(err, NX_EPARSE, "\"%.*s\" is no name for a file in an archive",
					    (int)nx_min(strlen(path), (size_t)100), path);
		if (n)
			ret[n++] = '/';
		memcpy(ret + n, part.p, part.n);
		n += part.n;
		parts++;
	}
	ret[n] = '\0';
	return (unsigned)parts > u->max_depth
		       ? nx_error_set(err, NX_ELIMIT, "the archive is more than %u directories deep", u->max_depth)
		       : parts;
}

static int open_inside(const struct nx_unpack *u, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV |
			   (u->only_files ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT),
	};
	return (int)syscall(SYS_openat2, u->dir, *path ? path : ".", &how, sizeof(how));
}

/* Splits off the last part: the rest is "" for a name at the top. */
static char *split(char *path, const char **ret_above)
{
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	*ret_above = slash ? path : "";
	return slash ? slash + 1 : path;
}

/* What fails is seen when the directory is opened. */
static void make_one(const struct nx_unpack *u, const char *path)
{
	char copy[PATH_BYTES];
	const char *above;
	(void)snprintf(copy, sizeof(copy), "%s", path);
	char *name = split(copy, &above);
	nx_auto_fd int fd = open_inside(u, above);
	if (fd >= 0)
		(void)mkdirat(fd, name, 0755);
}

static int open_parent(const struct nx_unpack *u, char *path, const char **ret_name, struct nx_error **err)
{
	const char *above;
	*ret_name = split(path, &above);
	int fd = open_inside(u, above);
	if (fd < 0 && errno == ENOENT) {
		char part[PATH_BYTES];
		for (size_t i = 1; i <= strlen(above); i++)
			if (above[i] == '/' || above[i] == '\0') {
				(void)snprintf(part, sizeof(part), "%.*s", (int)i, above);
				make_one(u, part);
			}
		fd = open_inside(u, above);
	}
	if (fd < 0)
		nx_error_set_errno(err, errno, "unpack into \"%s\"", above);
	return fd;
}

/* ---- entries ---- */

static int remove_name(int parent, const char *name, struct nx_error **err)
{
	char path[PART_MAX + 64];
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent, name);
	return nx_rmtree(path, err);
}

static int make_dir(int parent, const char *name, struct nx_error **err)
{
	struct stat st;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		int r = remove_name(parent, name, err);
		if (r < 0)
			return r;
	}
	return mkdirat(parent, name, 0755) < 0 ? nx_error_set_errno(err, errno, "make the directory \"%s\"", name) : 0;
}

static int broken(struct archive *ar, struct nx_error **err)
{
	const char *text = L.archive_error_string(ar);
	return nx_error_set(err, NX_EPARSE, "the archive is broken: %s", text ? text : "it ends too early");
}

static int copy_data(struct nx_unpack *u, struct archive *ar, int fd, struct nx_error **err)
{
	char block[READ_BYTES];
	la_ssize_t n;
	while ((n = L.archive_read_data(ar, block, sizeof(block))) > 0) {
		u->bytes += n;
		if (u->bytes > u->max_bytes)
			return nx_error_set(err, NX_ELIMIT, "the archive holds more than %lld bytes%s%s%s",
					    (long long)u->max_bytes, u->option ? " (" : "", u->option ? u->option : "",
					    u->option ? ")" : "");
		int r = nx_write_all(fd, nx_str_n(block, (size_t)n));
		if (r < 0)
			return nx_error_set_errno(err, -r, "write what is in the archive");
		nx_job_yield();
	}
	return n < 0 ? broken(ar, err) : 0;
}

static int make_file(struct nx_unpack *u, struct archive *ar, struct archive_entry *e, int parent, const char *name,
		     struct nx_error **err)
{
	bool runs = L.archive_entry_perm(e) & 0111;
	mode_t mode = u->only_files ? 0600 : runs ? 0755 : 0644;
	int r = remove_name(parent, name, err);
	if (r < 0)
		return r;
	nx_auto_fd int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return nx_error_set_errno(err, errno, "make the file \"%s\"", name);
	r = copy_data(u, ar, fd, err);
	if (r < 0)
		(void)unlinkat(parent, name, 0); /* half a file is none */
	return r;
}

/* The text of a link is the guest's matter: nobody on this side ever follows it out of the directory. */
static int make_symlink(struct archive_entry *e, int parent, const char *name, struct nx_error **err)
{
	const char *target = L.archive_entry_symlink_utf8(e);
	if (!target)
		target = L.archive_entry_symlink(e);
	if (!target || !*target)
		return nx_error_set(err, NX_EPARSE, "the link \"%s\" of the archive leads nowhere", name);
	int r = remove_name(parent, name, err);
	if (r < 0)
		return r;
	return symlinkat(target, parent, name) < 0 ? nx_error_set_errno(err, errno, "make the link \"%s\"", name) : 0;
}

static int make_hardlink(const struct nx_unpack *u, const char *to, int parent, const char *name, struct nx_error **err)
{
	char path[PATH_BYTES];
	const char *target;
	int r = clean(u, to, path, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_EPARSE, "\"%s\" is a link to the root", name);
	nx_auto_fd int from = open_parent(u, path, &target, err);
	if (from < 0)
		return err && *err ? nx_error_code(*err) : NX_EIO;
	if ((r = remove_name(parent, name, err)) < 0)
		return r;
	return linkat(from, target, parent, name, 0) < 0 ? nx_error_set_errno(err, errno, "make the link \"%s\"", name)
							 : 0;
}

/* OCI image layers: an empty file that stands for something that is not there any more. An opaque mark stands before what
 * its own layer has in the directory, as the specification asks of who writes layers. */
static int white_out(int parent, const char *name, struct nx_error **err)
{
	if (strcmp(name, ".wh..wh..opq") != 0)
		return remove_name(parent, name + 4, err);
	int r = 0, copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d) {
		if (copy >= 0)
			(void)close(copy);
		return nx_error_set(err, NX_EIO, "read a directory of the image");
	}
	for (struct dirent *e; r == 0 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = remove_name(parent, e->d_name, err);
	(void)closedir(d);
	return r;
}

static int make(struct nx_unpack *u, struct archive *ar, struct archive_entry *e, int parent, const char *name,
		struct nx_error **err)
{
	const char *to = L.archive_entry_hardlink_utf8(e);
	if (!to)
		to = L.archive_entry_hardlink(e);
	mode_t type = L.archive_entry_filetype(e);
	if (u->has_whiteouts && strncmp(name, ".wh.", 4) == 0)
		return white_out(parent, name, err);
	if (to)
		return u->only_files ? 0 : make_hardlink(u, to, parent, name, err);
	switch (type) {
	case AE_IFDIR: return make_dir(parent, name, err);
	case AE_IFREG: return make_file(u, ar, e, parent, name, err);
	case AE_IFLNK: return u->only_files ? 0 : make_symlink(e, parent, name, err);
	default: return 0; /* devices, FIFOs, sockets */
	}
}

static int take_entry(struct nx_unpack *u, struct archive *ar, struct archive_entry *e, struct nx_error **err)
{
	char path[PATH_BYTES];
	const char *name, *given = L.archive_entry_pathname_utf8(e);
	if (!given)
		given = L.archive_entry_pathname(e);
	if (!given)
		return nx_error_set(err, NX_EPARSE, "an entry of the archive has no name");
	if (++u->entries > u->max_entries)
		return nx_error_set(err, NX_ELIMIT, "the archive has more than %lld entries",
				    (long long)u->max_entries);
	int r = clean(u, given, path, err);
	if (r <= 0)
		return r;
	nx_auto_fd int parent = open_parent(u, path, &name, err);
	if (parent < 0)
		return err && *err ? nx_error_code(*err) : NX_EIO;
	return make(u, ar, e, parent, name, err);
}

static int unpack(struct nx_unpack *u, struct archive *ar, struct nx_error **err)
{
	for (;;) {
		struct archive_entry *e;
		int r = L.archive_read_next_header(ar, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return broken(ar, err);
		r = take_entry(u, ar, e, err);
		if (r < 0)
			return r;
	}
}

int nx_unpack_fd(struct nx_unpack *u, int fd, struct nx_error **err)
{
	int r = need_library(err);
	if (r < 0)
		return r;
	struct archive *ar = L.archive_read_new();
	if (!ar)
		return nx_error_set(err, NX_ENOMEM, "no memory to read an archive");
	if (L.archive_read_support_format_tar(ar) < ARCHIVE_WARN ||
	    L.archive_read_support_filter_gzip(ar) < ARCHIVE_WARN ||
	    L.archive_read_support_filter_zstd(ar) < ARCHIVE_WARN ||
	    L.archive_read_open_fd(ar, fd, READ_BYTES) != ARCHIVE_OK) {
		r = broken(ar, err);
	} else {
		struct nx_error *why_not = NULL;
		r = unpack(u, ar, &why_not);
		if (r < 0 && u->may_be_cut && (r == NX_EPARSE || r == NX_ELIMIT)) {
			nx_error_free(why_not);
			r = 0;
		} else if (r < 0) {
			(void)nx_error_move(err, why_not);
		}
	}
	(void)L.archive_read_free(ar);
	return r;
}
