/* Files that a person names: themselves, or what a directory below holds. */
#include "cli/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define MAX_FILES 100000
#define MAX_DEPTH 16

static int add_file(struct nx_cli *c, struct nx_cli_files *f, const char *path, struct nx_error **err)
{
	if (f->n == MAX_FILES)
		return nx_error_set(err, NX_ELIMIT, "more than %d files: name them in parts", MAX_FILES);
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		char **p = nx_arena_realloc(c->arena, f->paths, f->cap * sizeof(*p), cap * sizeof(*p));
		if (!p)
			return nx_error_set(err, NX_ENOMEM, "list the files");
		f->paths = p;
		f->cap = cap;
	}
	f->paths[f->n] = nx_arena_strdup(c->arena, path);
	return f->paths[f->n++] ? 0 : nx_error_set(err, NX_ENOMEM, "list the files");
}

static int walk(struct nx_cli *c, const char *path, unsigned depth, bool (*is_wanted)(const char *path),
		struct nx_cli_files *f, struct nx_error **err);

static int walk_directory(struct nx_cli *c, const char *path, unsigned depth, bool (*is_wanted)(const char *path),
			  struct nx_cli_files *f, struct nx_error **err)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), rc = 0;

	if (n < 0)
		return nx_error_set_errno(err, errno, "%s", path);
	for (int i = 0; i < n; i++) {
		char *child = nx_arena_printf(c->arena, "%s/%s", path, names[i]->d_name);
		bool is_dir = names[i]->d_type == DT_DIR;
		if (rc == 0 && !child)
			rc = nx_error_set(err, NX_ENOMEM, "list the files");
		else if (rc == 0 && names[i]->d_name[0] != '.' && (is_dir || is_wanted(child)))
			rc = walk(c, child, depth + 1, is_wanted, f, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

static int walk(struct nx_cli *c, const char *path, unsigned depth, bool (*is_wanted)(const char *path),
		struct nx_cli_files *f, struct nx_error **err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return nx_error_set_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return add_file(c, f, path, err);
	if (depth > MAX_DEPTH)
		return nx_error_set(err, NX_ELIMIT, "%s: more than %d directories deep", path, MAX_DEPTH);
	return walk_directory(c, path, depth, is_wanted, f, err);
}

int nx_cli_find_files(struct nx_cli *c, const char *path, bool (*is_wanted)(const char *path), struct nx_cli_files *ret,
		      struct nx_error **err)
{
	return strcmp(path, "-") == 0 ? add_file(c, ret, path, err) : walk(c, path, 0, is_wanted, ret, err);
}
