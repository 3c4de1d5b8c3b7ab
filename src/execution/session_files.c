/*
 * Files of a session, while its guest runs and may change everything under the hand that reads: each step is one openat2
 * beneath the work directory, through no link and over no mount; what is opened is asked what it is, and is never waited for.
 */
#include "execution/session_internal.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define VISITS_MAX 20000
#define TIME_MAX_US (2 * NX_USEC_PER_SEC)

/* ---- writing ---- */

static int open_dir(int dir, const char *name)
{
	return nx_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
}

/* Root's files would be closed to the guest: what is made belongs to the owner of the work directory. */
static void take_owner(int fd, const struct stat *owner)
{
	if (fchown(fd, owner->st_uid, owner->st_gid) < 0)
		return; /* only root can, and only root's guests have another uid */
}

/* Makes and opens the directories of a path. -errno. */
static int open_parent(int work, nx_str path, const struct stat *owner, nx_str *ret_name)
{
	char name[256];
	nx_auto_fd int dir = fcntl(work, F_DUPFD_CLOEXEC, 3);
	nx_str rest = path, part = nx_str_cut(&rest, '/');
	while (dir >= 0 && rest.n > 0) {
		snprintf(name, sizeof(name), "%.*s", NX_FMT(part));
		bool is_new = mkdirat(dir, name, 0700) == 0;
		if (!is_new && errno != EEXIST)
			return -errno;
		int next = open_dir(dir, name);
		if (next >= 0 && is_new)
			take_owner(next, owner);
		(void)close(dir);
		dir = next;
		part = nx_str_cut(&rest, '/');
	}
	*ret_name = part;
	return dir < 0 ? -errno : nx_steal_fd(&dir);
}

/* Its time of modification is finer than the kernel's ticks, by which collect.c knows what nobody has written to since.
 * Under a name of its own first, so that no reader sees half of it and nothing that lies there is written through. */
static int write_and_rename(int dir, const char *name, nx_str bytes, const struct stat *owner)
{
	char id[NX_ID_TEXT], temporary[NX_ID_TEXT + 16];
	nx_id_format(nx_id_new(), id);
	snprintf(temporary, sizeof(temporary), ".upload-%s", id);
	int64_t now_us = nx_time_wall_us();
	const struct timespec time = {.tv_sec = now_us / NX_USEC_PER_SEC,
				      .tv_nsec = now_us % NX_USEC_PER_SEC * 1000 + 1};
	const struct timespec given_at[] = {time, time};
	nx_auto_fd int fd = nx_open_beneath(dir, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	int r = nx_write_all(fd, bytes);
	if (r == 0)
		take_owner(fd, owner);
	if (r == 0 && futimens(fd, given_at) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r;
}

int nx_session_put_file(int work, nx_str path, nx_str bytes, struct nx_error **err)
{
	struct stat owner;
	char name[256];
	nx_str last = NX_STR("");
	int r = nx_exec_path_check(path, err);
	if (r < 0)
		return r;
	if (fstat(work, &owner) < 0)
		return nx_error_set_errno(err, errno, "open the work directory");
	nx_auto_fd int dir = open_parent(work, path, &owner, &last);
	r = dir;
	if (r >= 0) {
		snprintf(name, sizeof(name), "%.*s", NX_FMT(last));
		r = write_and_rename(dir, name, bytes, &owner);
	}
	if (r == -ENOSPC || r == -EDQUOT)
		return nx_error_set(err, NX_ENOSPACE, "the session has no room for \"%.*s\" (sandbox.work_bytes)",
				    NX_FMT(path));
	if (r == -ELOOP || r == -ENOTDIR || r == -EISDIR || r == -EXDEV)
		return nx_error_set(err, NX_ECONFLICT, "\"%.*s\" leads through a link, or is a directory",
				    NX_FMT(path));
	return r < 0 ? nx_error_set_errno(err, -r, "write \"%.*s\" into the session", NX_FMT(path)) : 0;
}

int nx_session_unpack(int work, nx_str tar, struct nx_error **err)
{
	nx_str path, bytes;
	size_t at = 0;
	int r;
	while ((r = nx_tar_next(tar, &at, &path, &bytes, err)) > 0)
		if ((r = nx_session_put_file(work, path, bytes, err)) < 0)
			break;
	return r;
}

/* ---- the box of a session, on a worker ---- */

static int has_row(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_error **err)
{
	int64_t n;
	return nx_db_get_int(nx_store_reader(e->store),
			     "SELECT count(*) FROM sandbox_sessions WHERE uid = $1 AND tenant_id = $2",
			     NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &n, err) < 0
		       ? nx_error_code(*err)
		       : n > 0;
}

/* A descriptor of the work directory. */
static int open_work(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_error **err)
{
	uv_mutex_lock(&e->sessions_lock);
	const struct nx_session *s = nx_session_find(e, tenant, id);
	bool is_active = s && s->state == NX_SESSION_ACTIVE;
	nx_auto_fd int box = is_active ? fcntl(s->box, F_DUPFD_CLOEXEC, 3) : -1;
	uv_mutex_unlock(&e->sessions_lock);
	if (!is_active) {
		int r = has_row(e, tenant, id, err);
		if (r < 0)
			return r;
		return r ? nx_error_set(err, NX_ECONFLICT, "the session has ended, and its files are gone")
			 : nx_error_set(err, NX_ENOTFOUND, "no such sandbox session");
	}
	int work = box < 0 ? -1 : open_dir(box, "work");
	return work < 0 ? nx_error_set_errno(err, errno, "open the session's files") : work;
}

int nx_session_write_files(struct nx_execution *e, int64_t tenant, nx_id id, const struct nx_exec_file *files, size_t n,
			   struct nx_error **err)
{
	int r = nx_exec_check_files(e->config, files, n, 0, err);
	if (r < 0)
		return r;
	nx_auto_fd int work = open_work(e, tenant, id, err);
	if (work < 0)
		return work;
	for (size_t i = 0; i < n; i++)
		if ((r = nx_session_put_file(work, files[i].path, files[i].bytes, err)) < 0)
			return nx_error_at(err, "/files/%zu/path", i);
	return 0;
}

/* ---- one file ---- */

static int no_file(nx_str path, struct nx_error **err)
{
	return nx_error_set(err, NX_ENOTFOUND, "the session has no file \"%.*s\"", (int)nx_min(path.n, (size_t)80),
			    path.p);
}

static int read_whole(int fd, size_t n, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	char *p = nx_arena_alloc(a, n + 1);
	size_t done = 0;
	if (!p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a file of %zu bytes", n);
	while (done < n) {
		ssize_t got = pread(fd, p + done, n - done, (off_t)done);
		if (got < 0 && errno != EINTR)
			return nx_error_set_errno(err, errno, "read a file of the session");
		if (got == 0)
			break; /* it was cut meanwhile */
		done += got > 0 ? (size_t)got : 0;
	}
	*ret = nx_str_n(p, done);
	return 0;
}

static int read_at(int work, nx_str path, int64_t max, const char *option, struct nx_arena *a, nx_str *ret,
		   struct stat *ret_stat, struct nx_error **err)
{
	char name[NX_EXEC_PATH_MAX + 1];
	snprintf(name, sizeof(name), "%.*s", NX_FMT(path));
	nx_auto_fd int fd = nx_open_beneath(work, name, O_RDONLY, 0);
	if (fd < 0 || fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode))
		return no_file(path, err);
	if (ret_stat->st_size > max)
		return nx_error_set(err, NX_ETOOBIG, "\"%.*s\" has %lld bytes, more than %lld (%s)", NX_FMT(path),
				    (long long)ret_stat->st_size, (long long)max, option);
	return read_whole(fd, (size_t)ret_stat->st_size, a, ret, err);
}

int nx_session_read_file(struct nx_execution *e, int64_t tenant, nx_id id, nx_str path, struct nx_arena *a,
			 nx_str *ret_bytes, nx_str *ret_mime, struct nx_error **err)
{
	struct stat st;
	nx_auto_fd int work = open_work(e, tenant, id, err);
	if (work < 0)
		return work;
	if (nx_exec_path_check(path, NULL) < 0)
		return no_file(path, err);
	int r = read_at(work, path, e->config->sandbox_max_artifact_bytes, "sandbox.max_artifact_bytes", a, ret_bytes,
			&st, err);
	if (r == 0)
		*ret_mime = nx_str_z(nx_mime_of(path, *ret_bytes));
	return r;
}

int nx_session_delete_file(struct nx_execution *e, int64_t tenant, nx_id id, nx_str path, struct nx_error **err)
{
	char text[NX_EXEC_PATH_MAX + 1];
	nx_auto_fd int work = open_work(e, tenant, id, err);
	if (work < 0)
		return work;
	if (nx_exec_path_check(path, NULL) < 0)
		return no_file(path, err);
	snprintf(text, sizeof(text), "%.*s", NX_FMT(path));
	char *slash = strrchr(text, '/');
	if (slash)
		*slash = '\0';
	nx_auto_fd int dir = slash ? open_dir(work, text) : fcntl(work, F_DUPFD_CLOEXEC, 3);
	return dir < 0 || unlinkat(dir, slash ? slash + 1 : text, 0) < 0 ? no_file(path, err) : 0;
}

/* ---- all of them ---- */

struct walk {
	int (*visit)(struct walk *w, nx_str path, const struct stat *st, struct nx_error **err);
	struct nx_execution *e;
	int work;
	unsigned visits;
	int64_t until_us;
	bool is_cut;
	char path[NX_EXEC_PATH_MAX + 1];
	/* of a list */
	yyjson_mut_doc *doc;
	yyjson_mut_val *items;
	/* of a snapshot */
	struct nx_buf tar;
	size_t nfiles;
};

static int walk_dir(struct walk *w, int dir, size_t len, unsigned depth, struct nx_error **err);

/* `len` is the length of w->path up to and with its last "/". */
static int walk_one(struct walk *w, int dir, const char *name, size_t len, unsigned depth, struct nx_error **err)
{
	struct stat st;
	size_t n = strlen(name);
	if (len + n + 1 > NX_EXEC_PATH_MAX || !nx_utf8_valid(nx_str_n(name, n)))
		return 0;
	memcpy(w->path + len, name, n + 1);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return w->visit(w, nx_str_n(w->path, len + n), &st, err);
	int next = S_ISDIR(st.st_mode) && depth + 1 < NX_EXEC_PATH_PARTS ? open_dir(dir, name) : -1;
	if (next < 0)
		return 0;
	memcpy(w->path + len + n, "/", 2);
	return walk_dir(w, next, len + n + 1, depth + 1, err);
}

/* Takes `dir`. */
static int walk_dir(struct walk *w, int dir, size_t len, unsigned depth, struct nx_error **err)
{
	DIR *d = fdopendir(dir);
	if (!d) {
		(void)close(dir);
		return 0;
	}
	int r = 0;
	for (struct dirent *entry; r == 0 && !w->is_cut && (entry = readdir(d));) {
		if (nx_is_dots(entry->d_name))
			continue;
		w->is_cut = ++w->visits > VISITS_MAX || nx_time_mono_us() > w->until_us;
		r = w->is_cut ? 0 : walk_one(w, dir, entry->d_name, len, depth, err);
	}
	closedir(d);
	return r;
}

static int walk_all(struct walk *w, struct nx_error **err)
{
	w->until_us = nx_time_mono_us() + TIME_MAX_US;
	int top = open_dir(w->work, ".");
	return top < 0 ? nx_error_set_errno(err, errno, "open the session's files") : walk_dir(w, top, 0, 0, err);
}

static int list_one(struct walk *w, nx_str path, const struct stat *st, struct nx_error **err)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(w->doc, w->items);
	int64_t changed_us = (int64_t)st->st_mtim.tv_sec * NX_USEC_PER_SEC + st->st_mtim.tv_nsec / 1000;
	bool ok = o && nx_json_add_str(w->doc, o, "path", path) &&
		  yyjson_mut_obj_add_sint(w->doc, o, "size", st->st_size) &&
		  nx_json_add_time(w->doc, o, "modified_at", nx_max(changed_us, (int64_t)0));
	return ok ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a list of files");
}

static int by_path(const void *a, const void *b)
{
	yyjson_mut_val *const *x = a, *const *y = b;
	return nx_str_cmp(nx_str_z(yyjson_mut_get_str(yyjson_mut_obj_get(*x, "path"))),
			  nx_str_z(yyjson_mut_get_str(yyjson_mut_obj_get(*y, "path"))));
}

static yyjson_mut_val *sorted(yyjson_mut_doc *d, yyjson_mut_val *items, struct nx_arena *a)
{
	size_t n = yyjson_mut_arr_size(items), i, max;
	yyjson_mut_val **all = nx_arena_array(a, yyjson_mut_val *, n + 1), *v, *list = yyjson_mut_arr(d);
	if (!all || !list)
		return NULL;
	yyjson_mut_arr_foreach(items, i, max, v) all[i] = v;
	qsort(all, n, sizeof(*all), by_path);
	for (i = 0; i < n; i++)
		if (!yyjson_mut_arr_append(list, all[i]))
			return NULL;
	return list;
}

int nx_session_list_files(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
			  struct nx_error **err)
{
	nx_auto_fd int work = open_work(e, tenant, id, err);
	if (work < 0)
		return work;
	struct walk w = {.visit = list_one, .work = work, .doc = nx_json_new(a)};
	yyjson_mut_val *o = w.doc ? yyjson_mut_obj(w.doc) : NULL;
	w.items = o ? yyjson_mut_arr(w.doc) : NULL;
	if (!w.items)
		return nx_error_set(err, NX_ENOMEM, "no memory for a list of files");
	int r = walk_all(&w, err);
	if (r < 0)
		return r;
	if (!yyjson_mut_obj_add_val(w.doc, o, "items", sorted(w.doc, w.items, a)) ||
	    !yyjson_mut_obj_add_bool(w.doc, o, "truncated", w.is_cut))
		return nx_error_set(err, NX_ENOMEM, "no memory for a list of files");
	return nx_json_write(a, o, false, ret_json, err);
}

/* ---- snapshots ---- */

static int pack_one(struct walk *w, nx_str path, const struct stat *st, struct nx_error **err)
{
	const int64_t max = w->e->config->sandbox_max_snapshot_bytes;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct stat now;
	nx_str bytes;
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "no memory for a snapshot");
	if ((int64_t)w->tar.n + st->st_size > max)
		return nx_error_set(err, NX_ETOOBIG,
				    "the session's files are more than %lld bytes "
				    "(sandbox.max_snapshot_bytes)",
				    (long long)max);
	nx_auto_error struct nx_error *gone = NULL;
	if (read_at(w->work, path, max - (int64_t)w->tar.n, "sandbox.max_snapshot_bytes", a, &bytes, &now, &gone) < 0)
		return nx_error_code(gone) == NX_ENOTFOUND ? 0 : nx_error_move(err, nx_steal(gone));
	w->nfiles++;
	nx_tar_add_file(&w->tar, path, bytes, 0644, 0);
	return nx_buf_failed(&w->tar) ? nx_error_set(err, NX_ENOMEM, "no memory for a snapshot") : 0;
}

static int keep_tar(struct nx_execution *e, struct nx_arena *a, nx_str tar, struct nx_session_snapshot *s,
		    struct nx_error **err)
{
	s->id = nx_id_new();
	s->size = (int64_t)tar.n;
	s->created_us = nx_time_wall_us();
	nx_sha256(tar, s->sha256);
	char *dir = nx_path_join(a, nx_store_dir(e->store), "artifacts");
	char *path = dir ? nx_artifact_path(a, dir, s->id) : NULL;
	if (!path)
		return nx_error_set(err, NX_ENOMEM, "no memory for a snapshot");
	return nx_file_write_durable(path, tar, 0600, err);
}

int nx_session_take_snapshot(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a,
			     struct nx_session_snapshot *ret, struct nx_error **err)
{
	nx_auto_fd int work = open_work(e, tenant, id, err);
	if (work < 0)
		return work;
	struct walk w = {.visit = pack_one, .e = e, .work = work};
	*ret = (struct nx_session_snapshot){.tenant = tenant, .session = id};
	int r = walk_all(&w, err);
	if (r == 0 && w.is_cut)
		r = nx_error_set(err, NX_ELIMIT, "the session has more than %d files, or they take too long to read",
				 VISITS_MAX);
	nx_tar_end(&w.tar);
	if (r == 0 && nx_buf_failed(&w.tar))
		r = nx_error_set(err, NX_ENOMEM, "no memory for a snapshot");
	ret->nfiles = w.nfiles;
	if (r == 0)
		r = keep_tar(e, a, nx_buf_str(&w.tar), ret, err);
	nx_buf_done(&w.tar);
	return r;
}
