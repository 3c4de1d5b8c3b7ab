/* What a request asks of the host's files, and whether the config allows it; see hostfs.h. */
#include "execution/execution_internal.h"
#include "execution/hostfs.h"

#include <errno.h>

#define POINTER "/constraints/file_system_access"

/* ---- the request ---- */

static int read_list(yyjson_val *o, const char *key, struct nx_arena *a, nx_str **ret, size_t *ret_n,
		     struct nx_error **err)
{
	yyjson_val *list = nx_json_get(o, key), *v;
	size_t i, n;
	if (!list || yyjson_is_null(list))
		return 0;
	if (!yyjson_is_arr(list) || yyjson_arr_size(list) > NX_SPAWN_PATHS_MAX) {
		nx_error_set(err, NX_EINVAL, "%s is a list of at most %d directories", key, NX_SPAWN_PATHS_MAX);
		return nx_error_at(err, POINTER "/%s", key);
	}
	*ret = nx_arena_array(a, nx_str, yyjson_arr_size(list) + 1);
	if (!*ret)
		return nx_error_set(err, NX_ENOMEM, "no memory for granted directories");
	yyjson_arr_foreach (list, i, n, v) {
		if (!yyjson_is_str(v)) {
			nx_error_set(err, NX_EINVAL, "a directory is a text");
			return nx_error_at(err, POINTER "/%s/%zu", key, i);
		}
		(*ret)[i] = nx_json_val_str(v);
		(*ret_n)++;
	}
	return 0;
}

static int check_keys(yyjson_val *o, struct nx_error **err)
{
	yyjson_val *key, *v;
	size_t i, n;
	yyjson_obj_foreach (o, i, n, key, v) {
		if (yyjson_equals_str(key, "read") || yyjson_equals_str(key, "write"))
			continue;
		nx_error_set(err, NX_EINVAL, "file_system_access has `read` and `write`, not `%.*s`",
			     NX_FMT(nx_utf8_truncate(nx_json_val_str(key), 40)));
		return nx_error_at(err, POINTER);
	}
	return 0;
}

int nx_exec_files_read(yyjson_val *v, struct nx_arena *a, struct nx_exec_files *ret, struct nx_error **err)
{
	*ret = (struct nx_exec_files){0};
	if (!v || yyjson_is_null(v) || yyjson_is_false(v))
		return 0;
	ret->is_granted = true;
	ret->all = yyjson_is_true(v);
	if (ret->all)
		return 0;
	if (!yyjson_is_obj(v)) {
		nx_error_set(err, NX_EINVAL,
			     "file_system_access is true, false or {\"read\": [...], \"write\": [...]}");
		return nx_error_at(err, POINTER);
	}
	int r = check_keys(v, err);
	if (r == 0)
		r = read_list(v, "read", a, &ret->read, &ret->nread, err);
	if (r == 0)
		r = read_list(v, "write", a, &ret->write, &ret->nwrite, err);
	if (r < 0)
		return r;
	ret->is_granted = ret->nread + ret->nwrite > 0;
	return 0;
}

static void add_paths(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const nx_str *paths, size_t n)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, key);
	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_add_strncpy(d, list, paths[i].p ? paths[i].p : "", paths[i].n);
}

void nx_exec_files_write(yyjson_mut_doc *d, yyjson_mut_val *k, const struct nx_exec_files *f)
{
	if (f->all) {
		yyjson_mut_obj_add_bool(d, k, "file_system_access", true);
	} else if (f->is_granted) {
		yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, k, "file_system_access");
		add_paths(d, o, "read", f->read, f->nread);
		add_paths(d, o, "write", f->write, f->nwrite);
	}
}

/* ---- one directory ---- */

struct grant {
	const struct nx_config *config;
	struct nx_spawn_files *files;
	size_t used; /* of files->paths */
};

static int refuse_root(const struct nx_config *c, const char *path, bool is_write, struct nx_error **err)
{
	const char *option = is_write ? "sandbox.write_roots" : "sandbox.read_roots";
	bool has_roots = c->sandbox_write_roots[0] || (!is_write && c->sandbox_read_roots[0]);
	nx_error_set(err, NX_EFORBIDDEN,
		     has_roots ? "%s is not below a directory of %s" : "%s is not granted: %s is empty", path, option);
	return nx_error_hint(err,
			     "the operator sets %s to the directories, separated by colons, below which runs may be "
			     "granted directories",
			     option);
}

static bool is_named(const struct nx_spawn_files *f, const char *path)
{
	const char *p = f->paths;
	for (uint32_t i = 0; i < f->nread + f->nwrite; i++, p += strlen(p) + 1)
		if (strcmp(p, path) == 0)
			return true;
	return false;
}

static int check_path(struct grant *g, const char *path, bool is_write, struct nx_error **err)
{
	char root[NX_SPAWN_TEXT_MAX];
	const struct nx_config *c = g->config;
	if (!nx_hostfs_root_of(c->sandbox_write_roots, path, root, sizeof(root)) &&
	    (is_write || !nx_hostfs_root_of(c->sandbox_read_roots, path, root, sizeof(root))))
		return refuse_root(c, path, is_write, err);
	if (!nx_hostfs_may_cover(path))
		return nx_error_set(err, NX_EFORBIDDEN, "%s cannot be granted: there a program has files of its own",
				    path);
	if (is_named(g->files, path))
		return nx_error_set(err, NX_EINVAL, "%s is named twice", path);
	return 0;
}

static int add_path(struct grant *g, nx_str s, bool is_write, struct nx_error **err)
{
	char path[NX_SPAWN_TEXT_MAX];
	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	bool fits = s.n > 0 && s.n < sizeof(path) && !memchr(s.p, '\0', s.n);
	if (fits) {
		memcpy(path, s.p, s.n);
		path[s.n] = '\0';
	}
	if (!fits || !nx_hostfs_is_plain(path))
		return nx_error_set(err, NX_EINVAL,
				    "\"%.*s\" is no absolute path without \"..\", doubled slashes and control bytes",
				    NX_FMT(nx_utf8_truncate(s, 80)));
	int r = check_path(g, path, is_write, err);
	if (r < 0)
		return r;
	if (s.n + 1 > sizeof(g->files->paths) - g->used)
		return nx_error_set(err, NX_ETOOBIG, "granted directories are at most %d bytes long, together",
				    NX_SPAWN_TEXT_MAX);
	memcpy(g->files->paths + g->used, path, s.n + 1);
	g->used += s.n + 1;
	*(is_write ? &g->files->nwrite : &g->files->nread) += 1;
	return 0;
}

/* ---- all of them ---- */

static int add_list(struct grant *g, const nx_str *paths, size_t n, bool is_write, struct nx_error **err)
{
	for (size_t i = 0; i < n; i++)
		if (add_path(g, paths[i], is_write, err) < 0)
			return nx_error_at(err, POINTER "/%s/%zu", is_write ? "write" : "read", i);
	return 0;
}

/* `true`: every root. */
static int add_roots(struct grant *g, bool is_write, struct nx_error **err)
{
	char path[NX_SPAWN_TEXT_MAX];
	const char *roots = is_write ? g->config->sandbox_write_roots : g->config->sandbox_read_roots;
	uint32_t *n = is_write ? &g->files->nwrite : &g->files->nread;
	int r = 0;
	while (r == 0 && nx_hostfs_next_root(&roots, path, sizeof(path))) {
		if (*n == NX_SPAWN_PATHS_MAX)
			r = nx_error_set(err, NX_ELIMIT, "at most %d directories are granted at once: name them",
					 NX_SPAWN_PATHS_MAX);
		else
			r = add_path(g, nx_str_z(path), is_write, err);
	}
	return r == 0 ? 0 : nx_error_at(err, POINTER);
}

static int add_all(struct grant *g, struct nx_error **err)
{
	int r = add_roots(g, false, err);
	if (r == 0)
		r = add_roots(g, true, err);
	if (r < 0 || g->files->nread + g->files->nwrite)
		return r;
	nx_error_set(err, NX_EFORBIDDEN,
		     "no directory is granted: sandbox.read_roots and sandbox.write_roots are empty");
	return nx_error_at(err, POINTER);
}

int nx_exec_files_check(const struct nx_config *c, const struct nx_exec_files *f, bool is_agents, struct nx_arena *a,
			const struct nx_spawn_files **ret, struct nx_error **err)
{
	*ret = NULL;
	if (!f->is_granted)
		return 0;
	/* Who writes the arguments of an agent's call may have read them in a page: grants are the operator's to open. */
	if (is_agents && !c->sandbox_files_agents) {
		nx_error_set(err, NX_EFORBIDDEN, "agents grant no files of the host (sandbox.files_agents is false)");
		return nx_error_at(err, POINTER);
	}
	if (strcmp(c->sandbox_backend, "native") != 0) {
		nx_error_set(err, NX_EUNSUPPORTED, "file_system_access needs the native backend (sandbox.backend)");
		nx_error_hint(err, "give the files as `files`");
		return nx_error_at(err, POINTER);
	}
	struct grant g = {.config = c, .files = nx_arena_new_of(a, struct nx_spawn_files)};
	if (!g.files)
		return nx_error_set(err, NX_ENOMEM, "no memory for granted directories");
	int r = f->all ? add_all(&g, err) : add_list(&g, f->read, f->nread, false, err);
	if (r == 0 && !f->all)
		r = add_list(&g, f->write, f->nwrite, true, err);
	if (r == 0)
		*ret = g.files;
	return r;
}

/* ---- what the keeper found ---- */

static int explain_open(const char *path, int errnum, struct nx_error **err)
{
	if (errnum == ELOOP) {
		nx_error_set(err, NX_EFORBIDDEN, "%s leads through a link, and links are not followed", path);
		return nx_error_hint(err, "name the directory that it leads to, below a root");
	}
	nx_error_set_errno(err, errnum, "open the directory %s", path);
	return nx_error_hint(err, "it has to be there before the run is");
}

static int explain_map(const char *path, int errnum, struct nx_error **err)
{
	nx_error_set(err, NX_EUNSUPPORTED, "the owner of %s cannot be mapped to the program's user: %s", path,
		     strerror(errnum));
	return nx_error_hint(err,
			     "as root, what may be written has to lie on a file system with ID-mapped mounts (ext4, "
			     "xfs, btrfs, tmpfs from Linux 6.3), and user namespaces have to be allowed");
}

static int explain(const char *path, const struct nx_spawn_failed *f, struct nx_error **err)
{
	switch ((enum nx_spawn_why)f->why) {
	case NX_SPAWN_WHY_OPEN: return explain_open(path, f->errnum, err);
	case NX_SPAWN_WHY_MAP: return explain_map(path, f->errnum, err);
	case NX_SPAWN_WHY_KERNEL:
		return nx_error_set(err, NX_EFORBIDDEN, "%s holds files of the kernel, which are not granted", path);
	case NX_SPAWN_WHY_DATA:
		return nx_error_set(err, NX_EFORBIDDEN, "%s holds, or is held by, the server's own data", path);
	case NX_SPAWN_WHY_OWNER:
		nx_error_set(err, NX_EFORBIDDEN, "%s belongs to root, and what a program writes there would, too",
			     path);
		return nx_error_hint(err, "chown it to another user and group");
	case NX_SPAWN_WHY_COPY:
		nx_error_set(err, NX_EUNSUPPORTED, "%s cannot be granted alone: %s", path, strerror(f->errnum));
		return nx_error_hint(err, "where NEXUS is an ordinary user's, nothing may be mounted below it");
	default: return nx_error_set(err, NX_EFORBIDDEN, "%s is not below a root", path);
	}
}

int nx_exec_files_explain(const struct nx_exec_files *f, const struct nx_spawn_files *files,
			  const struct nx_spawn_failed *failed, struct nx_error **err)
{
	const char *path = files->paths;
	if (failed->why == NX_SPAWN_WHY_LATE || failed->path >= files->nread + files->nwrite) {
		nx_error_set(err, NX_ETIMEOUT, "the file system of a granted directory does not answer");
		return nx_error_at(err, POINTER);
	}
	for (uint8_t i = 0; i < failed->path; i++)
		path += strlen(path) + 1;
	explain(path, failed, err);
	if (f->all)
		return nx_error_at(err, POINTER);
	return failed->path < files->nread ? nx_error_at(err, POINTER "/read/%u", failed->path)
					   : nx_error_at(err, POINTER "/write/%u", failed->path - files->nread);
}

nx_str *nx_exec_files_list(const struct nx_spawn_files *files, struct nx_arena *a, size_t *ret_n)
{
	const size_t n = files ? files->nread + files->nwrite : 0;
	const char *path = files ? files->paths : "";
	nx_str *list = n ? nx_arena_array(a, nx_str, n) : NULL;
	*ret_n = list ? n : 0;
	for (size_t i = 0; i < *ret_n; i++, path += strlen(path) + 1)
		list[i] = nx_str_z(path);
	return list;
}
