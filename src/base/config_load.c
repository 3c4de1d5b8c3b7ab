#include "base/config.h"

#include "base/assert.h"
#include "base/io.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#define FILE_MAX ((size_t)1 << 20)
#define FILE_DEPTH 8

static int no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory for the configuration");
}

static int set_defaults(struct nx_config *c, struct nx_error **err)
{
	for (size_t i = 0; i < nx_config_noptions; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		if (nx_config_set(c, o->name, nx_str_z(o->def), NX_ORIGIN_DEFAULT, err) != 0)
			return nx_error_wrap(err, "built-in default");
	}
	return 0;
}

/* A list of the file stands for its items with commas between. */
static int list_text(struct nx_config *c, const struct nx_config_option *o, yyjson_val *list, nx_str *ret,
		     struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!yyjson_is_str(item))
			return nx_error_set(err, NX_EINVAL, "%s: an item of the list is not text", o->name);
		if (b.n > 0)
			nx_buf_addc(&b, ',');
		nx_buf_adds(&b, nx_json_val_str(item));
	}
	*ret = nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(c->arena, nx_buf_str(&b));
	return ret->p == NULL ? no_memory(err) : 0;
}

/* A value of the file as the text that an environment variable would hold. */
static int value_text(struct nx_config *c, const struct nx_config_option *o, yyjson_val *v, nx_str *ret,
		      struct nx_error **err)
{
	if (yyjson_is_str(v)) {
		*ret = nx_json_val_str(v);
		return 0;
	}
	if (yyjson_is_null(v)) {
		*ret = nx_str_z(o->def);
		return 0;
	}
	if (o->type == NX_CONFIG_STR && yyjson_is_arr(v))
		return list_text(c, o, v, ret, err);
	if (yyjson_is_ctn(v))
		return nx_error_set(err, NX_EINVAL, "%s is one value, not %s", o->name,
				    yyjson_is_arr(v) ? "a list" : "a group of options");
	if (o->type == NX_CONFIG_STR) {
		nx_error_set(err, NX_EINVAL, "%s must be text", o->name);
		return nx_error_hint(err, "write the value in quotes");
	}
	return nx_json_write_val(c->arena, v, false, ret, err);
}

/* One reading of one file. */
struct reader {
	struct nx_config *c;
	bool *seen; /* by row: "api.threads" and "threads" below "api" are one option */
};

static int read_group(struct reader *r, yyjson_val *group, const char *prefix, unsigned depth, struct nx_error **err);

static int read_member(struct reader *r, const char *name, yyjson_val *v, unsigned depth, struct nx_error **err)
{
	const struct nx_config_option *o = nx_config_find(name);
	nx_str text;
	if (o == NULL && yyjson_is_obj(v))
		return read_group(r, v, name, depth + 1, err);
	if (o == NULL)
		return nx_config_unknown(name, err);
	bool *seen = &r->seen[o - nx_config_options];
	if (*seen)
		return nx_error_set(err, NX_EINVAL, "%s is set twice", o->name);
	*seen = true;
	int code = value_text(r->c, o, v, &text, err);
	if (code != 0)
		return code;
	return nx_config_set(r->c, o->name, text, yyjson_is_null(v) ? NX_ORIGIN_DEFAULT : NX_ORIGIN_FILE, err);
}

/* "api:" with options below it; "api.threads: 2" at the top is the same. */
static int read_group(struct reader *r, yyjson_val *group, const char *prefix, unsigned depth, struct nx_error **err)
{
	nx_assert(depth <= FILE_DEPTH);
	yyjson_obj_iter it = yyjson_obj_iter_with(group);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		nx_str word = nx_json_val_str(key);
		const char *name =
			nx_arena_printf(r->c->arena, "%s%s%.*s", prefix, *prefix == '\0' ? "" : ".", NX_FMT(word));
		if (name == NULL)
			return no_memory(err);
		int code = read_member(r, name, yyjson_obj_iter_get_val(key), depth, err);
		if (code != 0)
			return code;
	}
	return 0;
}

int nx_config_read(struct nx_config *c, nx_str yaml, const char *what, struct nx_error **err)
{
	const struct nx_json_limits limits = {.max_bytes = FILE_MAX, .max_depth = FILE_DEPTH};
	yyjson_val *root;
	if (nx_yaml_read(c->arena, yaml, &limits, &root, err) != 0)
		return nx_error_wrap(err, "%s", what);
	if (yyjson_is_null(root))
		return 0;
	if (!yyjson_is_obj(root)) {
		nx_error_set(err, NX_EINVAL, "%s must hold options, one a line", what);
		return nx_error_hint(err, "listen: 127.0.0.1:8600");
	}
	struct reader r = {.c = c, .seen = nx_arena_array(c->arena, bool, nx_config_noptions)};
	if (r.seen == NULL)
		return no_memory(err);
	if (read_group(&r, root, "", 0, err) != 0)
		return nx_error_wrap(err, "%s", what);
	return 0;
}

static int read_file(struct nx_config *c, const char *file, struct nx_error **err)
{
	nx_auto_error struct nx_error *e = NULL;
	nx_str text;
	int code = nx_file_read(c->arena, file, FILE_MAX, &text, &e);
	if (code == NX_ENOTFOUND)
		return 0;
	if (code != 0)
		return nx_error_move(err, nx_steal(e));
	return nx_config_read(c, text, file, err);
}

/*
 * Kubernetes gives every pod NAME_SERVICE_HOST, NAME_SERVICE_PORT, NAME_PORT and NAME_PORT_8600_TCP… for each service;
 * one whose name begins with "nexus" must not keep the server from starting.
 */
static bool is_service_variable(nx_str name)
{
	if (nx_str_find(name, NX_STR("_SERVICE_HOST")) >= 0 || nx_str_find(name, NX_STR("_SERVICE_PORT")) >= 0)
		return true;
	ptrdiff_t at = nx_str_find(name, NX_STR("_PORT"));
	nx_str rest = at < 0 ? NX_STR("x") : nx_str_slice(name, (size_t)at + 5, name.n);
	return rest.n == 0 || (rest.n > 1 && rest.p[0] == '_' && rest.p[1] >= '0' && rest.p[1] <= '9');
}

static bool is_ours_but_no_option(nx_str name)
{
	/* Read elsewhere: the key and address of a client, and what tests, benches and scripts/setup go by. */
	static const char *const names[] = {"NEXUS_BENCH_RUNS", "NEXUS_CACHE",         "NEXUS_FAULTS",
					    "NEXUS_KEY",        "NEXUS_SANDBOX_FORCE", "NEXUS_URL"};
	for (size_t i = 0; i < nx_countof(names); i++) {
		if (nx_str_eqz(name, names[i]))
			return true;
	}
	return is_service_variable(name);
}

static int read_environment(struct nx_config *c, const char *const *environ_, struct nx_error **err)
{
	for (; environ_ != NULL && *environ_ != NULL; environ_++) {
		nx_str value = nx_str_z(*environ_), name = nx_str_cut(&value, '=');
		if (!nx_str_starts(name, NX_STR("NEXUS_")) || is_ours_but_no_option(name))
			continue;
		const char *z = nx_str_zdup(c->arena, name);
		if (z == NULL)
			return no_memory(err);
		if (nx_config_set(c, z, value, NX_ORIGIN_ENV, err) != 0)
			return nx_error_wrap(err, "environment variable %s", z);
	}
	return 0;
}

/* The value of an environment variable when it is an absolute path, else NULL. */
static const char *absolute_path(const char *const *environ_, const char *name)
{
	size_t n = strlen(name);
	for (; environ_ != NULL && *environ_ != NULL; environ_++) {
		if (strncmp(*environ_, name, n) == 0 && (*environ_)[n] == '=' && (*environ_)[n + 1] == '/')
			return *environ_ + n + 1;
	}
	return NULL;
}

static const char *user_directory(const char *const *environ_)
{
	const char *home = absolute_path(environ_, "HOME");
	if (home != NULL)
		return home;
	const struct passwd *pw = getpwuid(getuid()); /* before threads start */
	return pw != NULL && pw->pw_dir != NULL && pw->pw_dir[0] == '/' ? pw->pw_dir : "/";
}

/* An empty home becomes the default one (XDG Base Directory Specification); "~/" is the user's. The origin stays. */
static int resolve_home(struct nx_config *c, const char *const *environ_, struct nx_error **err)
{
	const char *below = NULL, *data = absolute_path(environ_, "XDG_DATA_HOME");
	if (c->home[0] == '\0' && data != NULL) {
		c->home = nx_path_join(c->arena, data, "nexus");
		return c->home == NULL ? no_memory(err) : 0;
	}
	if (c->home[0] == '\0')
		below = ".local/share/nexus";
	else if (strncmp(c->home, "~/", 2) == 0)
		below = c->home + 2;
	if (below == NULL)
		return 0;
	c->home = nx_path_join(c->arena, user_directory(environ_), below);
	return c->home == NULL ? no_memory(err) : 0;
}

static int load(struct nx_config *c, const char *file, const char *const *environ_, struct nx_error **err)
{
	int code = set_defaults(c, err);
	if (code == 0 && file != NULL)
		code = read_file(c, file, err);
	if (code == 0)
		code = read_environment(c, environ_, err);
	return code == 0 ? resolve_home(c, environ_, err) : code;
}

int nx_config_load(const char *file, const char *const *environ_, struct nx_config **ret, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_config *c = a == NULL ? NULL : nx_arena_new_of(a, struct nx_config);
	if (c == NULL)
		return no_memory(err);
	c->arena = a;
	c->origin = nx_arena_calloc(a, nx_config_noptions, 1);
	if (c->origin == NULL)
		return no_memory(err);
	int code = load(c, file, environ_, err);
	if (code != 0)
		return code;
	nx_steal(a);
	*ret = c;
	return 0;
}
