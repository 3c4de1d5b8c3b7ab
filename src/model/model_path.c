#include "model/model.h"

#include "base/build.h"
#include "base/io.h"

static int is_readable(const char *path)
{
	return access(path, R_OK) == 0;
}

/* "$var/rest", or "" when the variable is not set. */
static const char *below_env(struct nx_arena *a, const char *var, const char *rest)
{
	const char *v = getenv(var);
	return v != NULL && v[0] != '\0' ? nx_arena_printf(a, "%s%s", v, rest) : "";
}

static const char *home_models(struct nx_arena *a, const struct nx_config *c)
{
	if (c->home != NULL && c->home[0] != '\0')
		return nx_arena_printf(a, "%s/models", c->home);
	return below_env(a, "HOME", "/.local/share/nexus/models");
}

static const char *cache_models(struct nx_arena *a)
{
	const char *d = below_env(a, "NEXUS_CACHE", "/models");
	if (d != NULL && d[0] == '\0')
		d = below_env(a, "XDG_CACHE_HOME", "/nexus/models");
	if (d != NULL && d[0] == '\0')
		d = below_env(a, "HOME", "/.cache/nexus/models");
	return d;
}

static int not_there(const char *name, const char *const dirs[3], struct nx_arena *a, struct nx_error **err)
{
	const char *looked = "";
	for (int i = 0; i < 3 && looked != NULL; i++)
		if (dirs[i][0] != '\0')
			looked = nx_arena_printf(a, "%s%s%s", looked, looked[0] != '\0' ? ", " : "", dirs[i]);
	(void)nx_error_set(err, NX_EMISSING, "no model %s in %s", name, looked != NULL ? looked : "(out of memory)");
	return nx_error_hint(err, "run scripts/setup, or copy the file to %s", dirs[0][0] != '\0' ? dirs[0] : dirs[1]);
}

static int found(const char *path, char **ret, struct nx_error **err)
{
	*ret = strdup(path);
	return *ret != NULL ? 0 : nx_error_set(err, NX_ENOMEM, "path of a model: out of memory");
}

int nx_model_path(const struct nx_config *c, const char *name, char **ret, struct nx_error **err)
{
	if (strchr(name, '/') != NULL) {
		if (is_readable(name))
			return found(name, ret, err);
		return nx_error_set(err, NX_EMISSING, "no model at %s, or it may not be read", name);
	}
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (a == NULL)
		return nx_error_set(err, NX_ENOMEM, "path of a model: out of memory");
	const char *dirs[3] = {home_models(a, c), NX_MODELS_DIR, cache_models(a)};
	for (int i = 0; i < 3; i++) {
		const char *path = dirs[i] != NULL ? nx_path_join(a, dirs[i], name) : NULL;
		if (path == NULL)
			return nx_error_set(err, NX_ENOMEM, "path of a model: out of memory");
		if (dirs[i][0] != '\0' && is_readable(path))
			return found(path, ret, err);
	}
	return not_there(name, dirs, a, err);
}
