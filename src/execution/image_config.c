/*
 * The configuration of an image (image-spec config.md), held against its shape before a layer is unpacked. What is wrong there
 * is told at the import, also where the sandbox does not use it: an image whose WorkingDir is a number was not made by what
 * makes images. `Env` is used (image_env.c). `User` and `WorkingDir` are not: every program is the sandbox's user in /work,
 * where its files are and its artifacts come from.
 */
#include "execution/images_internal.h"

#define DIR_MAX_BYTES 4095 /* PATH_MAX, without its NUL */
#define USER_MAX_BYTES 255 /* "name:group" */

static int has_wrong_type(const char *key, const char *wanted, yyjson_val *v, struct nx_error **err)
{
	return nx_error_set(err, NX_EPARSE, "`%s` of the image's configuration is %s, not %s", key,
			    yyjson_get_type_desc(v), wanted);
}

/* *ret is NX_STR_NULL where there is none. */
static int take_text(yyjson_val *config, const char *key, size_t max, nx_str *ret, struct nx_error **err)
{
	yyjson_val *v = nx_json_get(config, key);
	*ret = nx_json_val_str(v);
	if (v && !yyjson_is_null(v) && !yyjson_is_str(v))
		return has_wrong_type(key, "a text", v, err);
	if (ret->n > max)
		return nx_error_set(err, NX_ELIMIT,
				    "`%s` of the image's configuration has %zu bytes; at most %zu are read", key,
				    ret->n, max);
	return 0;
}

static int check_env(yyjson_val *config, struct nx_error **err)
{
	yyjson_val *env = nx_json_get(config, "Env"), *v;
	size_t i, n;
	if (env && !yyjson_is_null(env) && !yyjson_is_arr(env))
		return has_wrong_type("Env", "a list of texts", env, err);
	yyjson_arr_foreach (env, i, n, v) {
		if (!yyjson_is_str(v))
			return nx_error_set(err, NX_EPARSE,
					    "variable %zu in `Env` of the image's configuration is %s, not a text",
					    i + 1, yyjson_get_type_desc(v));
	}
	return 0;
}

int nx_image_config_check(yyjson_val *image, struct nx_error **err)
{
	yyjson_val *config = nx_json_get(image, "config");
	nx_str dir, user;
	if (!yyjson_is_obj(image))
		return nx_error_set(err, NX_EPARSE, "the image's configuration is %s, not an object",
				    yyjson_get_type_desc(image));
	if (!config || yyjson_is_null(config))
		return 0;
	if (!yyjson_is_obj(config))
		return has_wrong_type("config", "an object", config, err);
	int r = take_text(config, "WorkingDir", DIR_MAX_BYTES, &dir, err);
	if (r == 0)
		r = take_text(config, "User", USER_MAX_BYTES, &user, err);
	if (r == 0 && dir.n && dir.p[0] != '/')
		r = nx_error_set(err, NX_EPARSE, "`WorkingDir` of the image's configuration is relative: %.*s",
				 NX_FMT(nx_str_slice(dir, 0, 80)));
	return r < 0 ? r : check_env(config, err);
}
