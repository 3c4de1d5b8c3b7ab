/* Images: their rows and directories. */
#include "execution/images_internal.h"
#include "execution/session_internal.h"

#include "base/fault.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define NAME_MAX_BYTES 63
#define ENTRIES_MAX 2000000
#define DEPTH_MAX 64
#define LISTED_MAX 1000
#define INCOMING "incoming-"

static int check_name(nx_str name, struct nx_error **err)
{
	bool ok = name.n > 0 && name.n <= NAME_MAX_BYTES && isalnum((unsigned char)name.p[0]);
	for (size_t i = 0; ok && i < name.n; i++)
		ok = isdigit((unsigned char)name.p[i]) || islower((unsigned char)name.p[i]) ||
		     (name.p[i] && strchr("._-", name.p[i]));
	if (ok)
		return 0;
	nx_error_set(err, NX_EINVAL, "an image's name has 1 to %d of a-z, 0-9, \".\", \"_\" and \"-\"", NAME_MAX_BYTES);
	return nx_error_at(err, "/name");
}

/* ---- rows ---- */

static int find_row(struct nx_db *db, nx_str name, char ret[NX_SPAWN_IMAGE_MAX], struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db, "SELECT path FROM images WHERE name = $1", NX_PARAMS(nx_v_text(name)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r
			     : nx_error_set(err, NX_ENOTFOUND, "there is no image \"%.*s\"",
					    NX_FMT(nx_str_slice(name, 0, 80)));
	(void)snprintf(ret, NX_SPAWN_IMAGE_MAX, "%.*s", NX_FMT(nx_rows_text(rows, 0)));
	return 0;
}

int nx_image_find(struct nx_execution *e, nx_str name, char ret[NX_SPAWN_IMAGE_MAX], struct nx_error **err)
{
	int r = find_row(nx_store_reader(e->store), name, ret, err);
	if (r != NX_ENOTFOUND)
		return r;
	nx_error_at(err, "/image");
	return nx_error_hint(err, "nexus sandbox image list");
}

struct new_image {
	nx_str name;
	const char *id, *digest;
	int64_t size, created_us;
};

static int insert(void *ctx, struct nx_db *db, struct nx_error **err)
{
	const struct new_image *n = ctx;
	return nx_db_exec(db, "INSERT INTO images(name, digest, path, size, created_at) VALUES ($1, $2, $3, $4, $5)",
			  NX_PARAMS(nx_v_text(n->name), nx_v_textz(n->digest), nx_v_textz(n->id), nx_v_int(n->size),
				    nx_v_int(n->created_us)),
			  err);
}

static void put_image(yyjson_mut_doc *d, yyjson_mut_val *o, const struct new_image *n)
{
	nx_json_add_str(d, o, "name", n->name);
	nx_json_add_strz(d, o, "digest", n->digest);
	yyjson_mut_obj_add_sint(d, o, "size", n->size);
	nx_json_add_time(d, o, "created_at", n->created_us);
}

/* ---- import ---- */

struct import {
	struct nx_execution *e;
	struct nx_arena *arena;
	const char *place; /* images/incoming-<id> */
	const char *final; /* images/<id> */
	char id[NX_ID_TEXT];
	struct nx_image_reader reader;
};

static int make_dir(const char *path, struct nx_error **err)
{
	if (NX_FAULT(sandbox_image))
		return nx_error_set(err, NX_EIO, "make the directory %s", path);
	if (mkdir(path, 0755) < 0)
		return nx_error_set_errno(err, errno, "make the directory %s", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		nx_error_set_errno(err, errno, "open the directory %s", path);
	return fd;
}

static struct nx_unpack unpack_into(const struct import *im, int dir)
{
	return (struct nx_unpack){.dir = dir,
				  .max_bytes = im->e->config->sandbox_max_image_bytes,
				  .option = "sandbox.max_image_bytes",
				  .max_entries = ENTRIES_MAX,
				  .max_depth = DEPTH_MAX};
}

static int read_layout(struct import *im, int box, enum nx_image_kind kind, struct nx_error **err)
{
	const char *path = nx_path_join(im->arena, im->place, "root");
	nx_auto_fd int root = path ? make_dir(path, err) : -1;
	if (root < 0)
		return err && *err ? nx_error_code(*err) : NX_ENOMEM;
	im->reader.box = box;
	im->reader.root = unpack_into(im, root);
	im->reader.root.has_whiteouts = true;
	return nx_image_read(&im->reader, kind, err);
}

/* An archive without an index is a root itself, as of `docker export` or of tar over a directory. */
static int read_archive(struct import *im, int fd, struct nx_error **err)
{
	const char *path = nx_path_join(im->arena, im->place, "box"),
		   *root = nx_path_join(im->arena, im->place, "root");
	nx_auto_fd int box = path && root ? make_dir(path, err) : -1;
	if (box < 0)
		return err && *err ? nx_error_code(*err) : NX_ENOMEM;
	struct nx_unpack u = unpack_into(im, box);
	int r = nx_image_hash(fd, im->reader.digest, err);
	if (r == 0)
		r = nx_unpack_fd(&u, fd, err);
	if (r < 0)
		return r;
	enum nx_image_kind kind = nx_image_kind_of(box);
	if (kind != NX_IMAGE_NONE) {
		r = read_layout(im, box, kind, err);
		return r == 0 ? nx_rmtree(path, err) : r;
	}
	im->reader.root.bytes = u.bytes;
	if (faccessat(box, "usr", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return nx_error_set(err, NX_EPARSE, "the archive is neither an image nor a root: it has no usr/");
	return rename(path, root) < 0 ? nx_error_set_errno(err, errno, "keep the root of the image") : 0;
}

static int read_any(struct import *im, const char *path, struct nx_error **err)
{
	struct stat st;
	nx_auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return nx_error_set_errno(err, errno, "open %s", path);
	if (S_ISREG(st.st_mode))
		return read_archive(im, fd, err);
	if (S_ISDIR(st.st_mode) && nx_image_kind_of(fd) != NX_IMAGE_NONE)
		return read_layout(im, fd, nx_image_kind_of(fd), err);
	nx_error_set(err, NX_EINVAL, "%s is no image: an OCI layout has an index.json", path);
	return S_ISDIR(st.st_mode) ? nx_error_hint(err, "a root is imported as `tar -C %s -cf root.tar .`", path)
				   : nx_error_code(err ? *err : NULL);
}

/* The files are durable under their name before the row is. */
static int settle(const struct import *im, const char *images, struct nx_error **err)
{
	nx_auto_fd int dir = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (NX_FAULT(sandbox_image))
		return nx_error_set(err, NX_EIO, "sync the image");
	if (dir < 0 || syncfs(dir) < 0 || rename(im->place, im->final) < 0)
		return nx_error_set_errno(err, errno, "keep the image");
	if (NX_FAULT(sandbox_image))
		return nx_error_set(err, NX_EIO, "sync the directory of the images");
	return fsync(dir) < 0 ? nx_error_set_errno(err, errno, "keep the image") : 0;
}

static int keep(const struct import *im, nx_str name, const char *images, nx_str *ret_json, struct nx_error **err)
{
	struct new_image n = {.name = name,
			      .id = im->id,
			      .digest = im->reader.digest,
			      .size = im->reader.root.bytes,
			      .created_us = nx_time_wall_us()};
	yyjson_mut_doc *d = nx_json_new(im->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	if (!o)
		return nx_error_set(err, NX_ENOMEM, "no memory for an image");
	put_image(d, o, &n);
	int r = nx_image_env_keep(&im->reader, im->place, err);
	if (r == 0)
		r = settle(im, images, err);
	if (r == 0)
		r = nx_json_write(im->arena, o, false, ret_json, err);
	return r < 0 ? r : nx_store_write_sync(im->e->store, insert, &n, err);
}

int nx_image_import(struct nx_execution *e, nx_str name, nx_str path, struct nx_arena *a, nx_str *ret_json,
		    struct nx_error **err)
{
	char known[NX_SPAWN_IMAGE_MAX];
	struct import im = {.e = e, .arena = a};
	int r = check_name(name, err);
	if (r == 0 && find_row(nx_store_reader(e->store), name, known, NULL) == 0) {
		nx_error_set(err, NX_EEXISTS, "there is an image \"%.*s\" already", NX_FMT(name));
		return nx_error_hint(err, "nexus sandbox image remove %.*s", NX_FMT(name));
	}
	const char *images = nx_path_join(a, nx_store_dir(e->store), "images"), *file = nx_str_zdup(a, path);
	nx_id_format(nx_id_new(), im.id);
	im.place = images ? nx_arena_printf(a, "%s/" INCOMING "%s", images, im.id) : NULL;
	im.final = images ? nx_path_join(a, images, im.id) : NULL;
	if (r == 0 && (!im.place || !im.final || !file))
		r = nx_error_set(err, NX_ENOMEM, "no memory for an image");
	if (r == 0)
		r = nx_mkdirs(images, 0700, err);
	if (r == 0)
		r = nx_mkdirs(im.place, 0755, err);
	if (r == 0)
		r = read_any(&im, file, err);
	if (r == 0)
		r = keep(&im, name, images, ret_json, err);
	if (r < 0 && im.place && im.final) {
		(void)nx_rmtree(im.place, NULL);
		(void)nx_rmtree(im.final, NULL);
	}
	return r;
}

/* ---- list, languages, remove ---- */

int nx_image_list(struct nx_execution *e, struct nx_arena *a, nx_str *ret_json, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *list = o ? yyjson_mut_obj_add_arr(d, o, "items") : NULL;
	nx_auto_rows struct nx_rows *rows = NULL;
	if (!list)
		return nx_error_set(err, NX_ENOMEM, "no memory for the images");
	int r = nx_db_query(nx_store_reader(e->store),
			    "SELECT name, digest, size, created_at FROM images ORDER BY name LIMIT $1",
			    NX_PARAMS(nx_v_int(LISTED_MAX)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) == 1) {
		nx_str digest = nx_rows_textdup(rows, 1, a);
		struct new_image n = {.name = nx_rows_text(rows, 0),
				      .digest = digest.p,
				      .size = nx_rows_int(rows, 2),
				      .created_us = nx_rows_int(rows, 3)};
		put_image(d, yyjson_mut_arr_add_obj(d, list), &n);
		r = 0;
	}
	return r < 0 ? r : nx_json_write(a, o, false, ret_json, err);
}

int nx_image_languages(struct nx_execution *e, nx_str name, struct nx_exec_language *ret, size_t max, size_t *ret_n,
		       struct nx_error **err)
{
	char id[NX_SPAWN_IMAGE_MAX];
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	int r = a ? nx_image_find(e, name, id, err) : nx_error_set(err, NX_ENOMEM, "no memory to look into an image");
	if (r < 0)
		return r;
	const char *root = nx_arena_printf(a, "%s/images/%s/root", nx_store_dir(e->store), id);
	if (!root)
		return nx_error_set(err, NX_ENOMEM, "no memory to look into an image");
	*ret_n = nx_language_list(root, ret, max);
	return 0;
}

static int delete_row(void *ctx, struct nx_db *db, struct nx_error **err)
{
	const nx_str *name = ctx;
	return nx_db_exec(db, "DELETE FROM images WHERE name = $1", NX_PARAMS(nx_v_text(*name)), err);
}

/*
 * Of two that do it at once one gets the directory, under the name of what is swept at the next start, and the other finds
 * nothing.
 */
static int remove_files(struct nx_store *s, const char *id, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *path = a ? nx_arena_printf(a, "%s/images/%s", nx_store_dir(s), id) : NULL;
	const char *going = a ? nx_arena_printf(a, "%s/images/" INCOMING "%s", nx_store_dir(s), id) : NULL;
	if (!path || !going)
		return nx_error_set(err, NX_ENOMEM, "no memory to remove an image");
	if (NX_FAULT(sandbox_image))
		return nx_error_set(err, NX_EIO, "remove the image");
	if (rename(path, going) < 0)
		return errno == ENOENT ? 0 : nx_error_set_errno(err, errno, "remove the image");
	return nx_rmtree(going, err);
}

/* The row first: a crash between the two leaves a directory that the next start removes. */
int nx_image_remove(struct nx_execution *e, nx_str name, struct nx_error **err)
{
	char id[NX_SPAWN_IMAGE_MAX];
	int r = find_row(nx_store_reader(e->store), name, id, err);
	if (r == 0)
		r = nx_store_write_sync(e->store, delete_row, &name, err);
	if (r < 0 || nx_session_is_in_image(e, id))
		return r; /* the last of its sessions removes the files */
	return remove_files(e->store, id, err);
}

struct release {
	struct nx_job job;
	struct nx_store *store;
	char id[NX_SPAWN_IMAGE_MAX];
};

static bool has_row(struct nx_store *s, const char *id)
{
	int64_t n = 1;
	int r = nx_db_get_int(nx_store_reader(s), "SELECT count(*) FROM images WHERE path = $1",
			      NX_PARAMS(nx_v_textz(id)), &n, NULL);
	return r < 0 || n > 0; /* in doubt it is kept */
}

static void run_release(struct nx_job *j)
{
	struct release *l = nx_container_of(j, struct release, job);
	nx_auto_error struct nx_error *err = NULL;
	if (!has_row(l->store, l->id) && remove_files(l->store, l->id, &err) < 0)
		nx_log_warn("execution", "the files of a removed image are left", NX_LERR(err));
	free(l);
}

void nx_image_release(struct nx_execution *e, const char *id)
{
	struct release *l = id[0] && !nx_session_is_in_image(e, id) ? calloc(1, sizeof(*l)) : NULL;
	if (!l)
		return; /* the next start removes what is left */
	l->job = (struct nx_job){.run = run_release, .is_long = true};
	l->store = e->store;
	(void)snprintf(l->id, sizeof(l->id), "%s", id);
	nx_workers_post(e->workers, &l->job);
}

/* ---- what nobody names ---- */

void nx_images_sweep(struct nx_store *s, int64_t before_ms)
{
	nx_id id;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *path = a ? nx_path_join(a, nx_store_dir(s), "images") : NULL;
	DIR *d = path ? opendir(path) : NULL;
	for (struct dirent *e; d && (e = readdir(d)); nx_job_yield()) {
		bool is_incoming = strncmp(e->d_name, INCOMING, sizeof(INCOMING) - 1) == 0;
		const char *text = e->d_name + (is_incoming ? sizeof(INCOMING) - 1 : 0);
		if (!nx_id_parse(nx_str_z(text), &id) || nx_id_time_ms(id) >= before_ms ||
		    (!is_incoming && has_row(s, text)))
			continue;
		const char *whole = nx_path_join(a, path, e->d_name);
		if (whole)
			(void)nx_rmtree(whole, NULL);
	}
	if (d)
		(void)closedir(d);
}
