/* What goes into the work directory, before any guest code has run. */
#include "execution/execution_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static int bad_path(nx_str path, const char *why, struct nx_error **err)
{
	return nx_error_set(err, NX_EINVAL, "path \"%.*s\" %s", (int)nx_min(path.n, (size_t)80), path.p ? path.p : "",
			    why);
}

int nx_exec_path_check(nx_str path, struct nx_error **err)
{
	if (path.n == 0 || path.n > NX_EXEC_PATH_MAX)
		return bad_path(path, "must have 1 to 512 bytes", err);
	if (nx_utf8_check(path, "path", err) < 0)
		return nx_error_code(*err);
	size_t parts = 0;
	nx_str rest = path;
	while (rest.n > 0 || (rest.p && parts == 0)) {
		nx_str part = nx_str_cut(&rest, '/');
		if (part.n == 0 || part.n > 255 || nx_str_eqz(part, ".") || nx_str_eqz(part, ".."))
			return bad_path(path, "must be relative, without empty, \".\" or \"..\" parts", err);
		if (++parts > NX_EXEC_PATH_PARTS)
			return bad_path(path, "has more than 8 parts", err);
	}
	return path.p[path.n - 1] == '/' ? bad_path(path, "names a directory", err) : 0;
}

static void take_owner(int fd, const struct stat *owner)
{
	if (fchown(fd, owner->st_uid, owner->st_gid) < 0)
		return; /* only root can, and only root's guests have another uid */
}

/* Makes and opens the directories of a path, one part at a time, never through a link. */
static int open_parent(int work, nx_str path, const struct stat *owner, nx_str *ret_name, struct nx_error **err)
{
	char name[256];
	nx_auto_fd int dir = dup(work);
	nx_str rest = path, part = nx_str_cut(&rest, '/');
	while (dir >= 0 && rest.n > 0) {
		snprintf(name, sizeof(name), "%.*s", NX_FMT(part));
		if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
			return nx_error_set_errno(err, errno, "make the directory \"%s\"", name);
		int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next >= 0)
			take_owner(next, owner);
		(void)close(dir);
		dir = next;
		part = nx_str_cut(&rest, '/');
	}
	if (dir < 0)
		return nx_error_set_errno(err, errno, "open the directories of \"%.*s\"", NX_FMT(path));
	*ret_name = part;
	return nx_steal_fd(&dir);
}

static int write_file(int dir, nx_str name, nx_str bytes, mode_t mode, const struct stat *owner, struct stat *ret,
		      struct nx_error **err)
{
	char z[256];
	snprintf(z, sizeof(z), "%.*s", NX_FMT(name));
	nx_auto_fd int fd = openat(dir, z, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r = fd < 0 ? -errno : nx_write_all(fd, bytes);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && owner)
		take_owner(fd, owner);
	if (r == 0 && ret && fstat(fd, ret) < 0)
		r = -errno;
	return r < 0 ? nx_error_set_errno(err, -r, "write \"%s\" into the sandbox", z) : 0;
}

static int write_code(struct nx_run *r, struct nx_error **err)
{
	nx_auto_fd int code = openat(r->box, "code", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (code < 0)
		return nx_error_set_errno(err, errno, "open the program's directory");
	bool is_ours = r->x->program != NULL;
	int result = write_file(code, nx_str_z(r->language->source), is_ours ? r->x->program->bytes : r->x->code,
				is_ours ? 0755 : 0644, NULL, NULL, err);
	if (result == 0 && r->x->stdin_text.n)
		result = write_file(code, nx_str_z(r->language->stdin_name), r->x->stdin_text, 0644, NULL, NULL, err);
	if (result == 0 && r->load.n)
		result = write_file(code, NX_STR("load.sql"), r->load, 0644, NULL, NULL, err);
	return result;
}

int nx_run_write_inputs(struct nx_run *r, struct nx_error **err)
{
	struct stat owner, st;
	nx_auto_fd int work = openat(r->box, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (work < 0 || fstat(work, &owner) < 0)
		return nx_error_set_errno(err, errno, "open the work directory");
	if (write_code(r, err) < 0)
		return nx_error_code(*err);
	r->inputs = nx_arena_array(r->scratch, struct nx_run_input, r->x->nfiles + 1);
	if (!r->inputs)
		return nx_error_set(err, NX_ENOMEM, "no memory for the files of a run");
	for (size_t i = 0; i < r->x->nfiles; i++) {
		nx_str name;
		nx_auto_fd int dir = open_parent(work, r->x->files[i].path, &owner, &name, err);
		if (dir < 0 || write_file(dir, name, r->x->files[i].bytes, 0600, &owner, &st, err) < 0)
			return nx_error_code(*err);
		r->inputs[i] = (struct nx_run_input){
			.inode = st.st_ino, .ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec};
	}
	return 0;
}
