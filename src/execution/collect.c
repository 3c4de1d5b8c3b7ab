/*
 * What a run leaves behind: the regular files of its work directory, as bytes and a name, nothing else.
 *
 * All guest processes are dead, so nothing moves under the walk, but in a session, where what changes meanwhile is left
 * out; and every step is openat2 beneath the work directory,
 * through no link, over no mount, and what is opened is asked what it is. Links, devices, FIFOs, sparse files, deep paths
 * and whatever exceeds the caps is left out. An artifact is durable in the data directory before its row is written.
 */
#include "execution/execution_internal.h"

#include "base/fault.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define VISITS_MAX 20000 /* directory entries looked at */
#define TIME_MAX_US (2 * NX_USEC_PER_SEC)
#define BLOCK 512 /* of st_blocks */

struct walk {
	struct nx_run *r;
	int incoming; /* artifacts/incoming/ of the data directory */
	struct nx_exec_artifact *found;
	size_t nfound, max;
	int64_t bytes_left, until_us;
	unsigned visits;
	bool left_out; /* for a cap, not for what it is */
	char path[NX_EXEC_PATH_MAX + 1];
};

int nx_open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.mode = flags & O_CREAT ? mode : 0,
		.flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static bool is_unchanged_input(const struct nx_run *r, const struct stat *st)
{
	int64_t ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
	for (size_t i = 0; r->inputs && i < r->x->nfiles; i++)
		if (r->inputs[i].inode == st->st_ino && r->inputs[i].ctime_ns == ctime_ns)
			return true;
	return false;
}

/* A file that was put into a session in the very tick in which the run began: what a guest writes to has the time of its last
 * change as that of its last modification. */
static bool is_as_given(const struct stat *st)
{
	return st->st_mtim.tv_sec != st->st_ctim.tv_sec || st->st_mtim.tv_nsec != st->st_ctim.tv_nsec;
}

static bool is_wanted(struct walk *w, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || is_unchanged_input(w->r, st))
		return false;
	if ((int64_t)st->st_blocks * BLOCK + BLOCK * 8 < st->st_size) /* holes: bytes that nobody wrote */
		return false;
	int64_t ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
	if (w->r->in_session && (ctime_ns < w->r->since_ns || (ctime_ns == w->r->since_ns && is_as_given(st))))
		return false;
	w->left_out |= st->st_size > w->bytes_left;
	return st->st_size <= w->bytes_left;
}

static int read_whole(int fd, char *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, p + done, n - done, (off_t)done);
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

static int write_new(int dir, nx_id id, nx_str bytes)
{
	char name[NX_ID_TEXT];
	nx_id_format(id, name);
	nx_auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : nx_write_all(fd, bytes);
}

static int keep(struct walk *w, int fd, const struct stat *st, struct nx_error **err)
{
	struct nx_arena *a = w->r->x->arena;
	size_t size = (size_t)st->st_size;
	nx_auto_free char *bytes = malloc(size + 1);
	char *path = nx_arena_strdup(a, w->path);
	if (!bytes || !path)
		return nx_error_set(err, NX_ENOMEM, "no memory for an artifact");
	int r = read_whole(fd, bytes, size);
	if (r < 0 && w->r->in_session)
		return 0; /* a process that goes on has changed it meanwhile: it is no file of this run's end */
	if (r < 0)
		return nx_error_set_errno(err, -r, "read the artifact \"%s\"", w->path);
	struct nx_exec_artifact *f = &w->found[w->nfound];
	*f = (struct nx_exec_artifact){.id = nx_id_new(), .path = nx_str_z(path), .size = st->st_size};
	f->mime = nx_str_z(nx_mime_of(f->path, nx_str_n(bytes, size)));
	nx_sha256(nx_str_n(bytes, size), f->sha256);

	if (NX_FAULT(artifact_write))
		return nx_error_set(err, NX_EIO, "write the artifact \"%s\"", w->path);
	r = write_new(w->incoming, f->id, nx_str_n(bytes, size));
	if (r < 0)
		return nx_error_set_errno(err, -r, "write the artifact \"%s\"", w->path);
	w->nfound++;
	w->bytes_left -= st->st_size;
	return 0;
}

static bool is_over(const struct walk *w)
{
	return w->nfound >= w->max || w->visits >= VISITS_MAX || nx_time_mono_us() > w->until_us;
}

static int walk(struct walk *w, int dir, size_t len, unsigned depth, struct nx_error **err);

/* `len` is the length of w->path up to and with its last "/". */
static int visit(struct walk *w, int dir, const char *name, size_t len, unsigned depth, struct nx_error **err)
{
	struct stat st;
	size_t n = strlen(name);
	w->visits++;
	if (len + n > NX_EXEC_PATH_MAX || !nx_utf8_valid(nx_str_n(name, n)))
		return 0;
	memcpy(w->path + len, name, n + 1);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !(S_ISDIR(st.st_mode) || is_wanted(w, &st)))
		return 0;
	nx_auto_fd int fd = nx_open_beneath(dir, name, S_ISDIR(st.st_mode) ? O_RDONLY | O_DIRECTORY : O_RDONLY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		if (depth + 1 >= NX_EXEC_PATH_PARTS || len + n + 1 > NX_EXEC_PATH_MAX)
			return 0;
		memcpy(w->path + len + n, "/", 2);
		return walk(w, nx_steal_fd(&fd), len + n + 1, depth + 1, err);
	}
	return is_wanted(w, &st) ? keep(w, fd, &st, err) : 0;
}

/* Takes `dir`. */
static int walk(struct walk *w, int dir, size_t len, unsigned depth, struct nx_error **err)
{
	DIR *d = fdopendir(dir);
	if (!d) {
		(void)close(dir);
		return 0;
	}
	int r = 0;
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		if (nx_is_dots(e->d_name))
			continue;
		if (is_over(w)) {
			w->left_out = true;
			break;
		}
		r = visit(w, dir, e->d_name, len, depth, err);
	}
	closedir(d);
	return r;
}

static int by_path(const void *a, const void *b)
{
	const struct nx_exec_artifact *x = a, *y = b;
	return nx_str_cmp(x->path, y->path);
}

static int find(struct nx_run *r, int incoming, struct nx_error **err)
{
	const struct nx_config *c = r->e->config;
	struct walk w = {
		.r = r,
		.incoming = incoming,
		.max = (size_t)c->sandbox_max_files,
		.bytes_left = c->sandbox_max_artifact_bytes,
		.until_us = nx_time_mono_us() + TIME_MAX_US,
	};
	w.found = nx_arena_array(r->x->arena, struct nx_exec_artifact, w.max);
	if (!w.found)
		return nx_error_set(err, NX_ENOMEM, "no memory for artifacts");
	int work = nx_open_beneath(r->box, "work", O_RDONLY | O_DIRECTORY, 0);
	if (work < 0)
		return nx_error_set_errno(err, errno, "open the work directory");
	int result = walk(&w, work, 0, 0, err);
	qsort(w.found, w.nfound, sizeof(*w.found), by_path);
	r->x->result.artifacts = w.found;
	r->x->result.nartifacts = w.nfound;
	r->x->result.limits_met |= w.left_out ? NX_LIMIT_ARTIFACTS : 0;
	return result;
}

static int settle_one(int dir, int incoming, nx_id id)
{
	char name[NX_ID_TEXT];
	nx_id_format(id, name);
	nx_auto_fd int fd = openat(incoming, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (NX_FAULT(artifact_fsync))
		return -EIO;
	if (fsync(fd) < 0)
		return -errno;
	if (NX_FAULT(artifact_rename))
		return -EIO;
	return renameat(incoming, name, dir, name) < 0 ? -errno : 0;
}

/* All are written before the first is synced, and the directory is synced once for all: a hundred small files cost little
 * more than one. Their row comes after. */
static int settle(struct nx_run *r, int dir, int incoming, struct nx_error **err)
{
	const struct nx_exec_result *res = &r->x->result;
	int result = 0;
	for (size_t i = 0; i < res->nartifacts && result == 0; i++)
		result = settle_one(dir, incoming, res->artifacts[i].id);
	if (result == 0 && res->nartifacts && fsync(dir) < 0)
		result = -errno;
	return result < 0 ? nx_error_set_errno(err, -result, "keep the artifacts") : 0;
}

static void forget(struct nx_run *r, int dir, int incoming)
{
	for (size_t i = 0; i < r->x->result.nartifacts; i++) {
		char name[NX_ID_TEXT];
		nx_id_format(r->x->result.artifacts[i].id, name);
		(void)unlinkat(incoming, name, 0);
		(void)unlinkat(dir, name, 0);
	}
	r->x->result.nartifacts = 0;
}

int nx_run_collect(struct nx_run *r, struct nx_error **err)
{
	const struct nx_config *c = r->e->config;
	if (r->box < 0 || c->sandbox_max_artifact_bytes == 0 || c->sandbox_max_files == 0)
		return 0;
	if (NX_FAULT(sandbox_collect))
		return nx_error_set(err, NX_EIO, "open the work directory");
	char *path = nx_path_join(r->scratch, nx_store_dir(r->e->store), "artifacts");
	if (!path)
		return nx_error_set(err, NX_ENOMEM, "no memory for artifacts");
	nx_auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nx_auto_fd int incoming =
		dir >= 0 ? openat(dir, "incoming", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (incoming < 0)
		return nx_error_set_errno(err, errno, "open the directory of artifacts");
	int result = find(r, incoming, err);
	if (result == 0)
		result = settle(r, dir, incoming, err);
	if (result < 0)
		forget(r, dir, incoming);
	return result;
}

/* What a crash left half-way has no row and never will; what it left behind the rename is sweep.c's. */
int nx_artifacts_open(struct nx_store *s, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *dir = a ? nx_path_join(a, nx_store_dir(s), "artifacts/incoming") : NULL;
	if (!dir)
		return nx_error_set(err, NX_ENOMEM, "no memory for artifacts");
	int r = nx_rmtree(dir, err);
	return r == 0 ? nx_mkdirs(dir, 0700, err) : r;
}

/* ---- what it is: by its first bytes, then by its name; never by what the guest says ---- */

const char *nx_mime_of(nx_str path, nx_str head)
{
	static const struct {
		nx_str magic;
		const char *mime;
	} magics[] = {
		{NX_STR("\x89PNG\r\n\x1a\n"), "image/png"},
		{NX_STR("\xff\xd8\xff"), "image/jpeg"},
		{NX_STR("GIF8"), "image/gif"},
		{NX_STR("%PDF-"), "application/pdf"},
		{NX_STR("PK\x03\x04"), "application/zip"},
		{NX_STR("\x1f\x8b"), "application/gzip"},
	};
	static const struct {
		nx_str suffix;
		const char *mime;
	} names[] = {
		{NX_STR(".json"), "application/json"}, {NX_STR(".csv"), "text/csv"},
		{NX_STR(".html"), "text/html"},        {NX_STR(".md"), "text/markdown"},
		{NX_STR(".svg"), "image/svg+xml"},
	};
	for (size_t i = 0; i < nx_countof(magics); i++)
		if (nx_str_starts(head, magics[i].magic))
			return magics[i].mime;
	if (!nx_utf8_valid(head) || (head.n && memchr(head.p, '\0', head.n)))
		return "application/octet-stream";
	for (size_t i = 0; i < nx_countof(names); i++)
		if (nx_str_ends(path, names[i].suffix))
			return names[i].mime;
	return "text/plain";
}
