#include "base/config.h"

#include "base/assert.h"

#include <math.h>
#include <stdio.h>

/* Longest text of one option. */
#define VALUE_MAX 8192
#define NAME_MAX_BYTES 64

#define NX_X_(field, name, type, def, min, max, flags, help) ROW_##field,
enum { NX_CONFIG_OPTIONS(NX_X_) NROWS };
#undef NX_X_

/* NEXUS_API_THREADS and --api-threads, made from the name before main runs. */
static struct {
	char env[NAME_MAX_BYTES], flag[NAME_MAX_BYTES];
} spellings[NROWS];

#define NX_X_(field, name_, type_, def_, min_, max_, flags_, help_) \
	[ROW_##field] = {.name = (name_),                           \
			 .env = spellings[ROW_##field].env,         \
			 .flag = spellings[ROW_##field].flag,       \
			 .help = (help_),                           \
			 .type = NX_CONFIG_##type_,                 \
			 .flags = (flags_),                         \
			 .def = (def_),                             \
			 .min = (double)(min_),                     \
			 .max = (double)(max_),                     \
			 .offset = offsetof(struct nx_config, field)},
const struct nx_config_option nx_config_options[] = {NX_CONFIG_OPTIONS(NX_X_)};
#undef NX_X_
const size_t nx_config_noptions = NROWS;

static const char *const choices[NROWS] = {
	[ROW_log_format] = "auto text json",
	[ROW_log_level] = "debug info warn error",
	[ROW_sandbox_backend] = "native docker",
	[ROW_store_synchronous] = "full normal off",
};

/* "Api-Max_body" and "api.max.body" are one name: letters are lowered, what is between words becomes '_'. */
static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '.' || c == '-' ? '_' : c;
}

__attribute__((constructor)) static void make_spellings(void)
{
	for (size_t i = 0; i < NROWS; i++) {
		const char *name = nx_config_options[i].name;
		size_t n = strlen(name);
		nx_assert(n + sizeof("NEXUS_") <= NAME_MAX_BYTES);
		memcpy(spellings[i].env, "NEXUS_", 6);
		memcpy(spellings[i].flag, "--", 2);
		for (size_t j = 0; j < n; j++) {
			char c = fold(name[j]);
			spellings[i].env[6 + j] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
			spellings[i].flag[2 + j] = c == '_' ? '-' : c;
		}
	}
}

static nx_str without_prefix(const char *name)
{
	nx_str s = nx_str_z(name);
	if (nx_str_starts(s, NX_STR("--")))
		return nx_str_slice(s, 2, s.n);
	if (nx_str_starts(s, NX_STR("NEXUS_")))
		return nx_str_slice(s, 6, s.n);
	return s;
}

static bool same_name(nx_str a, const char *name)
{
	size_t i = 0;
	for (; i < a.n && name[i] != '\0'; i++) {
		if (fold(a.p[i]) != fold(name[i]))
			return false;
	}
	return i == a.n && name[i] == '\0';
}

const struct nx_config_option *nx_config_find(const char *name_or_flag)
{
	nx_str name = without_prefix(name_or_flag);
	for (size_t i = 0; i < NROWS; i++) {
		if (same_name(name, nx_config_options[i].name))
			return &nx_config_options[i];
	}
	return NULL;
}

/* The nearest name in the spelling that was used. */
int nx_config_unknown(const char *name, struct nx_error **err)
{
	const char *names[NROWS];
	for (size_t i = 0; i < NROWS; i++) {
		const struct nx_config_option *o = &nx_config_options[i];
		names[i] = name[0] == '-'                                    ? o->flag
			   : nx_str_starts(nx_str_z(name), NX_STR("NEXUS_")) ? o->env
									     : o->name;
	}
	const char *nearest = nx_str_nearest(nx_str_z(name), names, NROWS);
	nx_error_set(err, NX_EINVAL, "there is no option \"%.*s\"", NAME_MAX_BYTES, name);
	if (nearest != NULL)
		return nx_error_hint(err, "did you mean \"%s\"?", nearest);
	return nx_error_hint(err, "`nexus config` lists every option");
}

static void *member(const struct nx_config *c, const struct nx_config_option *o)
{
	return (char *)(uintptr_t)c + o->offset;
}

static size_t row_of(const struct nx_config_option *o)
{
	return (size_t)(o - nx_config_options);
}

const char *nx_config_choices(const struct nx_config_option *o)
{
	return choices[row_of(o)];
}

static int set_str(struct nx_config *c, const struct nx_config_option *o, nx_str value, struct nx_error **err)
{
	const char *words = nx_config_choices(o);
	nx_str left = nx_str_z(words);
	bool allowed = words == NULL;
	while (!allowed && left.n > 0)
		allowed = nx_str_eq(nx_str_cut(&left, ' '), value);
	if (!allowed)
		return nx_error_set(err, NX_EINVAL, "\"%.*s\" is not one of: %s", NX_FMT(nx_utf8_truncate(value, 40)),
				    words);
	char *copy = nx_str_zdup(c->arena, value);
	if (copy == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory for the configuration");
	*(const char **)member(c, o) = copy;
	return 0;
}

static int set_bool(struct nx_config *c, const struct nx_config_option *o, nx_str value, struct nx_error **err)
{
	static const char *const words[] = {"false", "true", "off", "on", "no", "yes", "0", "1"};
	for (size_t i = 0; i < nx_countof(words); i++) {
		if (nx_str_ieq_ascii(value, nx_str_z(words[i]))) {
			*(bool *)member(c, o) = i % 2 == 1;
			return 0;
		}
	}
	return nx_error_set(err, NX_EINVAL, "\"%.*s\" is neither true nor false", NX_FMT(nx_utf8_truncate(value, 40)));
}

static void number_text(enum nx_config_type type, double v, char ret[NX_UNITS_TEXT])
{
	if (type == NX_CONFIG_SIZE)
		nx_size_format((int64_t)v, ret);
	else if (type == NX_CONFIG_TIME)
		nx_duration_format((int64_t)v, ret);
	else
		(void)snprintf(ret, NX_UNITS_TEXT, "%.15g", v);
}

static int check_range(const struct nx_config_option *o, double v, struct nx_error **err)
{
	char min[NX_UNITS_TEXT], max[NX_UNITS_TEXT], text[NX_UNITS_TEXT];
	if ((o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max))
		return 0;
	number_text(o->type, o->min, min);
	number_text(o->type, o->max, max);
	number_text(o->type, v, text);
	return nx_error_set(err, NX_EINVAL, "must be between %s and %s, not %s", min, max, text);
}

static int set_int(struct nx_config *c, const struct nx_config_option *o, nx_str value, struct nx_error **err)
{
	int64_t v;
	int code = 0;
	if (o->type == NX_CONFIG_SIZE)
		code = nx_size_parse(value, &v, err);
	else if (o->type == NX_CONFIG_TIME)
		code = nx_duration_parse(value, &v, err);
	else if (!nx_str_to_i64(value, &v))
		code = nx_error_set(err, NX_EINVAL, "\"%.*s\" is not a whole number",
				    NX_FMT(nx_utf8_truncate(value, 40)));
	if (code == 0)
		code = check_range(o, (double)v, err);
	if (code == 0)
		*(int64_t *)member(c, o) = v;
	return code;
}

static int set_num(struct nx_config *c, const struct nx_config_option *o, nx_str value, struct nx_error **err)
{
	double v;
	if (!nx_str_to_f64(value, &v))
		return nx_error_set(err, NX_EINVAL, "\"%.*s\" is not a number", NX_FMT(nx_utf8_truncate(value, 40)));
	int code = check_range(o, v, err);
	if (code == 0)
		*(double *)member(c, o) = v;
	return code;
}

static int set_value(struct nx_config *c, const struct nx_config_option *o, nx_str value, struct nx_error **err)
{
	if (value.n > VALUE_MAX)
		return nx_error_set(err, NX_EINVAL, "%zu bytes are over the limit of %d", value.n, VALUE_MAX);
	int code = nx_utf8_check(value, "the value", err);
	if (code != 0)
		return code;
	switch (o->type) {
	case NX_CONFIG_STR: return set_str(c, o, value, err);
	case NX_CONFIG_BOOL: return set_bool(c, o, value, err);
	case NX_CONFIG_NUM: return set_num(c, o, value, err);
	case NX_CONFIG_INT:
	case NX_CONFIG_SIZE:
	case NX_CONFIG_TIME: return set_int(c, o, value, err);
	}
	return nx_error_set(err, NX_EINTERNAL, "%s has a type that does not exist", o->name);
}

int nx_config_set(struct nx_config *c, const char *name, nx_str value, enum nx_config_origin origin,
		  struct nx_error **err)
{
	const struct nx_config_option *o = nx_config_find(name);
	if (o == NULL)
		return nx_config_unknown(name, err);
	if (set_value(c, o, nx_str_trim(value), err) != 0)
		return nx_error_wrap(err, "%s", o->name);
	c->origin[row_of(o)] = (unsigned char)origin;
	return 0;
}

char *nx_config_text(const struct nx_config *c, const struct nx_config_option *o, struct nx_arena *a)
{
	char text[NX_UNITS_TEXT];
	const void *p = member(c, o);
	switch (o->type) {
	case NX_CONFIG_STR:
		if (o->flags & NX_CONFIG_SECRET)
			return nx_arena_strdup(a, **(const char *const *)p != '\0' ? "(set)" : "(not set)");
		return nx_arena_strdup(a, *(const char *const *)p);
	case NX_CONFIG_BOOL: return nx_arena_strdup(a, *(const bool *)p ? "true" : "false");
	case NX_CONFIG_NUM: return nx_arena_printf(a, "%.15g", *(const double *)p);
	case NX_CONFIG_INT: return nx_arena_printf(a, "%lld", (long long)*(const int64_t *)p);
	case NX_CONFIG_SIZE:
	case NX_CONFIG_TIME: number_text(o->type, (double)*(const int64_t *)p, text); return nx_arena_strdup(a, text);
	}
	return NULL;
}

enum nx_config_origin nx_config_origin(const struct nx_config *c, const struct nx_config_option *o)
{
	return (enum nx_config_origin)c->origin[row_of(o)];
}

const char *nx_config_origin_name(enum nx_config_origin origin)
{
	static const char *const names[] = {"default", "file", "environment", "flag"};
	return names[origin];
}

void nx_config_free(struct nx_config *c)
{
	if (c != NULL)
		nx_arena_free(c->arena); /* which holds *c */
}
