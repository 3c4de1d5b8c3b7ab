/*
 * The environment that an image asks for (`Env` of its configuration, image-spec config.md): kept beside its root as texts
 * that each end with a NUL, and mixed with the sandbox's own when a program starts there. It is a stranger's text: bounded,
 * only plain names, and it never takes the place of what the sandbox stands on (HOME, TMPDIR, a granted network).
 */
#include "execution/images_internal.h"

#include "base/io.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>

#define FILE_NAME "env"
#define TEXT_MAX 1024
#define WORK "/work" /* first on every path of modules */

static size_t name_length(const char *text)
{
	size_t n = 0;
	while (isalpha((unsigned char)text[n]) || text[n] == '_' || (n && isdigit((unsigned char)text[n])))
		n++;
	return text[n] == '=' ? n : 0;
}

static bool is_name(const char *text, const char *name)
{
	size_t n = name_length(text);
	return n == strlen(name) && memcmp(text, name, n) == 0;
}

int nx_image_env_take(struct nx_image_reader *r, yyjson_val *config, struct nx_error **err)
{
	yyjson_val *v;
	size_t i, n;
	char text[TEXT_MAX];
	unsigned count = 0;
	r->env_bytes = 0;
	yyjson_arr_foreach (nx_json_get(nx_json_get(config, "config"), "Env"), i, n, v) {
		nx_str s = nx_json_val_str(v);
		if (s.n >= sizeof(text))
			return nx_error_set(err, NX_ELIMIT,
					    "variable %zu of the image has %zu bytes; at most %zu are taken", i + 1,
					    s.n, sizeof(text) - 1);
		if (s.n == 0 || memchr(s.p, '\0', s.n))
			continue;
		(void)snprintf(text, sizeof(text), "%.*s", NX_FMT(s));
		if (name_length(text) == 0)
			continue;
		if (++count > NX_IMAGE_ENV_MAX || s.n + 1 > sizeof(r->env) - r->env_bytes)
			return nx_error_set(err, NX_ELIMIT,
					    "the image asks for more than %d variables or %zu bytes of them",
					    NX_IMAGE_ENV_MAX, sizeof(r->env));
		memcpy(r->env + r->env_bytes, text, s.n + 1);
		r->env_bytes += s.n + 1;
	}
	return 0;
}

int nx_image_env_keep(const struct nx_image_reader *r, const char *place, struct nx_error **err)
{
	if (r->env_bytes == 0)
		return 0;
	nx_auto_fd int dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nx_auto_fd int fd = dir < 0 ? -1 : openat(dir, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int code = fd < 0 ? -errno : nx_write_all(fd, nx_str_n(r->env, r->env_bytes));
	return code < 0 ? nx_error_set_errno(err, -code, "keep the environment of the image") : 0;
}

int nx_image_env(const struct nx_execution *e, const char *image, struct nx_arena *a, nx_str *ret,
		 struct nx_error **err)
{
	const char *path = nx_arena_printf(a, "%s/images/%s/" FILE_NAME, nx_store_dir(e->store), image);
	*ret = NX_STR_NULL;
	if (!path)
		return nx_error_set(err, NX_ENOMEM, "no memory for a run");
	if (access(path, F_OK) < 0)
		return 0;
	int r = nx_file_read(a, path, NX_IMAGE_ENV_BYTES, ret, err);
	if (r == 0 && (ret->n == 0 || ret->p[ret->n - 1] != '\0'))
		return nx_error_set(err, NX_ECORRUPT, "%s is no environment", path);
	return r;
}

/* ---- the mixture ---- */

static const char *find(const char *texts, size_t n, const char *of)
{
	size_t length = name_length(of);
	for (const char *p = texts; p < texts + n; p += strlen(p) + 1)
		if (name_length(p) == length && memcmp(p, of, length) == 0)
			return p;
	return NULL;
}

/* What says where a proxy is, in a run that may have one. */
static bool is_reserved(const char *text)
{
	size_t n = name_length(text);
	return (n >= 5 && strncasecmp(text + n - 5, "proxy", 5) == 0) || is_name(text, "NODE_USE_ENV_PROXY");
}

static bool append(struct nx_spawn_start *s, size_t *used, const char *text)
{
	if (s->envc >= NX_SPAWN_ARGS_MAX || !nx_spawn_append(s->env, used, text))
		return false;
	s->envc++;
	return true;
}

static bool append_own(struct nx_spawn_start *s, size_t *used, const char *own, const char *theirs)
{
	char text[TEXT_MAX + sizeof(WORK) + 1];
	if (theirs && (is_name(own, "PATH") || is_name(own, "LANG") || is_name(own, "TZ")))
		return append(s, used, theirs);
	if (!theirs || !is_name(own, "PYTHONPATH"))
		return append(s, used, own);
	(void)snprintf(text, sizeof(text), "PYTHONPATH=" WORK ":%s", theirs + sizeof("PYTHONPATH=") - 1);
	return append(s, used, text);
}

int nx_image_env_add(nx_str env, struct nx_spawn_start *s, struct nx_error **err)
{
	char own[NX_SPAWN_TEXT_MAX];
	size_t used = 0, nown = 0;
	bool ok = true;
	if (env.n == 0)
		return 0;
	memcpy(own, s->env, sizeof(own));
	for (uint32_t i = 0; i < s->envc; i++)
		nown += strlen(own + nown) + 1;
	memset(s->env, 0, sizeof(s->env));
	s->envc = 0;
	for (const char *p = own; ok && p < own + nown; p += strlen(p) + 1)
		ok = append_own(s, &used, p, find(env.p, env.n, p));
	for (const char *p = env.p; ok && p < env.p + env.n; p += strlen(p) + 1)
		if (!find(own, nown, p) && !is_reserved(p))
			ok = append(s, &used, p);
	return ok ? 0 : nx_error_set(err, NX_ELIMIT, "the environment of the image does not fit");
}
