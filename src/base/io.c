#include "base/io.h"

#include "base/fault.h"
#include "base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

int nx_write_all(int fd, nx_str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes = nx_str_slice(bytes, (size_t)n, bytes.n);
	}
	return 0;
}

static int too_big(const char *path, size_t max, struct nx_error **err)
{
	return nx_error_set(err, NX_ETOOBIG, "%s is over the limit of %zu bytes", path, max);
}

/* Reads to the end, whatever the size was said to be: files grow, and pipes have none. */
static int read_to_end(int fd, const char *path, size_t max, struct nx_buf *b, struct nx_error **err)
{
	for (;;) {
		size_t room = nx_min((size_t)1 << 16, max - b->n + 1);
		if (!nx_buf_reserve(b, room))
			return nx_error_set(err, NX_ENOMEM, "no memory to read %s", path);
		ssize_t n = read(fd, b->p + b->n, nx_min(b->cap - b->n - 1, max - b->n + 1));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return nx_error_set_errno(err, errno, "read %s", path);
		if (n == 0)
			return 0;
		b->n += (size_t)n;
		b->p[b->n] = '\0';
		if (b->n > max)
			return too_big(path, max, err);
	}
}

int nx_file_read(struct nx_arena *a, const char *path, size_t max, nx_str *ret, struct nx_error **err)
{
	struct stat st;
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "open %s", path);
	if (fstat(fd, &st) != 0)
		return nx_error_set_errno(err, errno, "look at %s", path);
	if (S_ISDIR(st.st_mode))
		return nx_error_set_errno(err, EISDIR, "read %s", path);
	if (S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max)
		return too_big(path, max, err);
	if (max == SIZE_MAX)
		max--;
	if (S_ISREG(st.st_mode) && !nx_buf_reserve(&b, (size_t)st.st_size + 1))
		return nx_error_set(err, NX_ENOMEM, "no memory to read %s", path);

	int code = read_to_end(fd, path, max, &b, err);
	if (code != 0)
		return code;
	nx_str copy = nx_str_dup(a, nx_buf_str(&b));
	if (copy.p == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to read %s", path);
	*ret = copy;
	return 0;
}

/* The directory that holds `path`, malloc'ed: "." for a bare name. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int sync_dir_of(const char *path, struct nx_error **err)
{
	nx_auto_free char *dir = dir_of(path);
	if (dir == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to sync the directory of %s", path);
	nx_auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "open %s", dir);
	if (NX_FAULT(file_fsync))
		return nx_error_set_errno(err, EIO, "sync %s", dir);
	/* Some network file systems sync no directories and say EINVAL; they order the rename themselves. */
	if (fsync(fd) != 0 && errno != EINVAL)
		return nx_error_set_errno(err, errno, "sync %s", dir);
	return 0;
}

static int write_and_sync(int fd, const char *path, const nx_str *parts, size_t n, struct nx_error **err)
{
	int rc = NX_FAULT(file_write) ? -ENOSPC : 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = nx_write_all(fd, parts[i]);
	if (rc != 0)
		return nx_error_set_errno(err, -rc, "write %s", path);
	if (NX_FAULT(file_fsync))
		return nx_error_set_errno(err, EIO, "sync %s", path);
	if (fsync(fd) != 0)
		return nx_error_set_errno(err, errno, "sync %s", path);
	return 0;
}

int nx_file_write_durable(const char *path, nx_str bytes, unsigned mode, struct nx_error **err)
{
	return nx_file_write_durable_parts(path, &bytes, 1, mode, err);
}

int nx_file_write_durable_parts(const char *path, const nx_str *parts, size_t n, unsigned mode, struct nx_error **err)
{
	nx_auto_buf struct nx_buf temporary = NX_BUF_INIT;
	if (!nx_buf_addf(&temporary, "%s.%016llx.tmp", path, (unsigned long long)nx_random_u64()))
		return nx_error_set(err, NX_ENOMEM, "no memory to write %s", path);
	nx_auto_fd int fd = open(temporary.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "create %s", temporary.p);

	int code = write_and_sync(fd, path, parts, n, err);
	if (code == 0 && (NX_FAULT(file_rename) ? (errno = EIO, true) : rename(temporary.p, path) != 0))
		code = nx_error_set_errno(err, errno, "rename %s to %s", temporary.p, path);
	if (code != 0) {
		(void)unlink(temporary.p);
		return code;
	}
	return sync_dir_of(path, err);
}

static int make_dir(const char *path, unsigned mode, struct nx_error **err)
{
	struct stat st;
	if (mkdir(path, (mode_t)mode) == 0)
		return 0;
	int errnum = errno;
	/* EROFS and EACCES come before EEXIST on some file systems: what counts is whether it is there. */
	if (stat(path, &st) != 0)
		return nx_error_set_errno(err, errnum, "make the directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return nx_error_set(err, NX_EEXISTS, "%s is there and is not a directory", path);
	return 0;
}

int nx_mkdirs(const char *path, unsigned mode, struct nx_error **err)
{
	nx_auto_free char *p = strdup(path);
	if (p == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to make the directory %s", path);
	if (*p == '\0')
		return nx_error_set(err, NX_EINVAL, "a directory needs a name");
	for (char *at = p + 1; *at != '\0'; at++) {
		if (*at != '/' || at[-1] == '/')
			continue;
		*at = '\0';
		int code = make_dir(p, mode, err);
		if (code != 0)
			return code;
		*at = '/';
	}
	return make_dir(p, mode, err);
}

char *nx_path_join(struct nx_arena *a, const char *dir, const char *name)
{
	size_t n = strlen(dir);
	const char *sep = n == 0 || dir[n - 1] == '/' ? "" : "/";
	while (n > 0 && *name == '/')
		name++;
	return nx_arena_printf(a, "%s%s%s", dir, sep, name);
}

char *nx_hex(struct nx_arena *a, const void *p, size_t n)
{
	size_t size;
	if (nx_mul_overflows(n, (size_t)2, &size) || nx_add_overflows(size, (size_t)1, &size))
		return NULL;
	char *text = nx_arena_alloc(a, size);
	return text == NULL ? NULL : sodium_bin2hex(text, size, p, n);
}

nx_str nx_base64(struct nx_arena *a, nx_str bytes)
{
	if (bytes.n > SIZE_MAX / 4)
		return NX_STR_NULL;
	size_t size = sodium_base64_encoded_len(bytes.n, sodium_base64_VARIANT_ORIGINAL);
	char *text = nx_arena_alloc(a, size);
	if (text == NULL)
		return NX_STR_NULL;
	(void)sodium_bin2base64(text, size, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_ORIGINAL);
	return nx_str_n(text, size - 1);
}

int nx_base64_decode(struct nx_arena *a, nx_str text, nx_str *ret, struct nx_error **err)
{
	size_t room = text.n / 4 * 3 + 3, n = 0;
	const char *end = text.p;
	unsigned char *bytes = nx_arena_alloc(a, room + 1);
	if (bytes == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to decode %zu characters of base64", text.n);
	if (text.n > 0 &&
	    (sodium_base642bin(bytes, room, text.p, text.n, NULL, &n, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	     end != text.p + text.n)) {
		return nx_error_set(
			err, NX_EPARSE,
			"not base64 at character %td: use A-Z, a-z, 0-9, + and /, padded with = to a multiple of four",
			end - text.p + 1);
	}
	bytes[n] = '\0';
	*ret = nx_str_n((const char *)bytes, n);
	return 0;
}

void nx_sha256(nx_str bytes, unsigned char ret[32])
{
	(void)crypto_hash_sha256(ret, (const unsigned char *)(bytes.n == 0 ? "" : bytes.p), bytes.n);
}

bool nx_secret_eq(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}
