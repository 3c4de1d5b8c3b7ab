#include "store/datadir_internal.h"

#include "base/fault.h"
#include "base/io.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HOLDER_TEXT 512 /* bytes of the lock's text that are read */
#define LOCK_TRIES 4    /* nx_store_holder of another process takes the lock for a moment */
#define LOCK_PAUSE_US 5000
#define SMB_MAGIC 0xff534d42u
#define SMB2_MAGIC 0xfe534d42u
#define HEADER_BYTES 100 /* of an SQLite file; the fields below are big-endian (fileformat2, "The Database Header") */
#define HEADER_VERSION 60
#define HEADER_APPLICATION 68

static char *join(const char *dir, const char *name)
{
	char *path = NULL;
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static int sync_dir(const char *dir, struct nx_error **err)
{
	nx_auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return nx_error_set_errno(err, errno, "sync the directory %s", dir);
	return 0;
}

static int make_dirs(const char *dir, struct nx_error **err)
{
	static const char *const names[] = {"artifacts", "index", "models"};
	int rc = nx_mkdirs(dir, 0700, err);
	for (size_t i = 0; !rc && i < nx_countof(names); i++) {
		nx_auto_free char *path = join(dir, names[i]);
		if (!path)
			return nx_error_set(err, NX_ENOMEM, "no memory for a path");
		if (mkdir(path, 0700) && errno != EEXIST)
			return nx_error_set_errno(err, errno, "make the directory %s", path);
	}
	return rc;
}

static int check_filesystem(const char *dir, struct nx_error **err)
{
	struct statfs fs;
	if (statfs(dir, &fs))
		return nx_error_set_errno(err, errno, "look at the file system of %s", dir);
	switch ((unsigned)fs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case SMB_MAGIC:
	case SMB2_MAGIC:
	case AFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
		(void)nx_error_set(err, NX_EUNSUPPORTED, "%s is on a network file system, where a database is not safe",
				   dir);
		(void)nx_error_hint(err, "name a directory on a local disk with --home or NEXUS_HOME");
		return NX_EUNSUPPORTED;
	default: return 0;
	}
}

static bool parse_holder(nx_str text, struct nx_store_holder *ret)
{
	nx_str pid = nx_str_cut(&text, '\n'), address = nx_str_cut(&text, '\n');
	int64_t n;
	if (!nx_str_to_i64(pid, &n) || n <= 0 || n > INT32_MAX)
		return false;
	*ret = (struct nx_store_holder){.pid = (pid_t)n};
	(void)snprintf(ret->address, sizeof(ret->address), "%.*s", NX_FMT(address));
	return true;
}

static bool read_holder(int fd, struct nx_store_holder *ret)
{
	char text[HOLDER_TEXT];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	return n > 0 && parse_holder(nx_str_n(text, (size_t)n), ret);
}

bool nx_store_holder(const char *dir, struct nx_store_holder *ret)
{
	nx_auto_free char *path = join(dir, "lock");
	nx_auto_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return false;
	return errno == EWOULDBLOCK && read_holder(fd, ret);
}

static int in_use(const char *dir, int fd, struct nx_error **err)
{
	struct nx_store_holder h;
	if (!read_holder(fd, &h))
		(void)nx_error_set(err, NX_EINUSE, "%s is in use by another process", dir);
	else if (!h.address[0])
		(void)nx_error_set(err, NX_EINUSE, "%s is in use by process %d", dir, (int)h.pid);
	else
		(void)nx_error_set(err, NX_EINUSE, "%s is in use by process %d, which listens on %s", dir, (int)h.pid,
				   h.address);
	(void)nx_error_hint(err, "talk to that server, stop it first, or name another directory with --home");
	return NX_EINUSE;
}

static int write_holder(int fd, const char *address, struct nx_error **err)
{
	char text[HOLDER_TEXT];
	int n = snprintf(text, sizeof(text), "%d\n%s\n", (int)getpid(), address);
	if (n < 0 || (size_t)n >= sizeof(text))
		return nx_error_set(err, NX_EINVAL, "the address is longer than %zu bytes", sizeof(text) - 16);
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
		return nx_error_set_errno(err, errno, "write the lock file");
	return 0;
}

static int lock_exclusively(int fd)
{
	for (int i = 1;; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return errno;
		(void)usleep(LOCK_PAUSE_US);
	}
}

static int take_lock(struct nx_datadir *d, struct nx_error **err)
{
	nx_auto_free char *path = join(d->dir, "lock");
	if (!path)
		return nx_error_set(err, NX_ENOMEM, "no memory for a path");
	if (NX_FAULT(store_lock))
		return nx_error_set(err, NX_EIO, "injected fault: lock");
	nx_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "open %s", path);
	int e = lock_exclusively(fd);
	if (e)
		return e == EWOULDBLOCK ? in_use(d->dir, fd, err) : nx_error_set_errno(err, e, "lock %s", path);
	/* On a full disk the lock holds all the same; only its text is missing. */
	nx_auto_error struct nx_error *untold = NULL;
	(void)write_holder(fd, "", &untold);
	d->owner = getpid();
	d->lock_fd = nx_steal_fd(&fd);
	return 0;
}

int nx_datadir_open(const char *dir, struct nx_datadir *ret, struct nx_error **err)
{
	struct nx_datadir d = {.lock_fd = -1};
	int rc = make_dirs(dir, err);
	if (!rc)
		rc = check_filesystem(dir, err);
	if (rc)
		return rc;
	d.dir = strdup(dir);
	d.db_path = join(dir, NX_DB_NAME);
	rc = d.dir && d.db_path ? take_lock(&d, err) : nx_error_set(err, NX_ENOMEM, "no memory for a path");
	if (rc) {
		nx_datadir_close(&d);
		return rc;
	}
	*ret = d;
	return 0;
}

void nx_datadir_close(struct nx_datadir *d)
{
	if (d->lock_fd >= 0) {
		/* The text goes before the lock does, or it would name the next holder wrongly. */
		if (d->owner == getpid())
			(void)!ftruncate(d->lock_fd, 0);
		(void)close(nx_steal_fd(&d->lock_fd));
	}
	free(nx_steal(d->dir));
	free(nx_steal(d->db_path));
}

int nx_datadir_note_address(struct nx_datadir *d, const char *address, struct nx_error **err)
{
	return write_holder(d->lock_fd, address, err);
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int foreign(const struct nx_datadir *d, const char *why, struct nx_error **err)
{
	(void)nx_error_set(err, NX_ETYPE, "%s is not a database of NEXUS: %s", d->db_path, why);
	(void)nx_error_hint(err, "move it away, or name another directory with --home");
	return NX_ETYPE;
}

static int check_header(const struct nx_datadir *d, const unsigned char *h, size_t n, int64_t *ret_version,
			struct nx_error **err)
{
	if (n < HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0)
		return foreign(d, "it is no SQLite file", err);
	uint32_t application = be32(h + HEADER_APPLICATION);
	*ret_version = be32(h + HEADER_VERSION);
	/* Between the making of the file and the first migration both are 0. */
	if (application != NX_APPLICATION_ID && (application != 0 || *ret_version != 0))
		return foreign(d, "it belongs to another program", err);
	return 0;
}

int nx_datadir_peek(const struct nx_datadir *d, int64_t *ret_version, struct nx_error **err)
{
	*ret_version = 0;
	struct stat st;
	if (lstat(d->db_path, &st))
		return errno == ENOENT ? 0 : nx_error_set_errno(err, errno, "look at %s", d->db_path);
	if (!S_ISREG(st.st_mode))
		return foreign(d, "it is no regular file", err);
	if (st.st_nlink != 1)
		return foreign(d, "it has a second name (a hard link), and its log would not be found from there", err);
	if (st.st_size == 0)
		return 0;
	/* This process has no connection to the file yet, whose locks closing a descriptor of it would drop. */
	nx_auto_fd int fd = open(d->db_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "open %s", d->db_path);
	unsigned char header[HEADER_BYTES];
	ssize_t n = pread(fd, header, sizeof(header), 0);
	if (n < 0)
		return nx_error_set_errno(err, errno, "read %s", d->db_path);
	return check_header(d, header, (size_t)n, ret_version, err);
}

int nx_datadir_remember(struct nx_datadir *d, struct nx_error **err)
{
	struct stat st;
	if (stat(d->db_path, &st))
		return nx_error_set_errno(err, errno, "look at %s", d->db_path);
	d->db_dev = st.st_dev;
	d->db_ino = st.st_ino;
	int rc = sync_dir(d->dir, err);
	if (rc)
		return rc;
	/* The directory's own name. A parent that may not be read was not made by us, and is there already. */
	nx_auto_free char *parent = join(d->dir, "..");
	nx_auto_error struct nx_error *unreadable = NULL;
	if (parent)
		(void)sync_dir(parent, &unreadable);
	return 0;
}

int nx_datadir_check(const struct nx_datadir *d, struct nx_error **err)
{
	struct stat st;
	if (stat(d->db_path, &st) == 0 && st.st_dev == d->db_dev && st.st_ino == d->db_ino && st.st_nlink == 1)
		return 0;
	(void)nx_error_set(err, NX_ECORRUPT, "%s was moved, linked or replaced while the server had it open",
			   d->db_path);
	(void)nx_error_hint(err, "stop the server and put the file back, or restore a backup");
	return NX_ECORRUPT;
}
