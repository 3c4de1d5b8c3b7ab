/*
 * Configuration: one table, one row per option. The struct, the parser of `nexus.yaml`, the environment, the flags,
 * `nexus config` and docs/configuration.md all come from it.
 *
 * Precedence: built-in default < nexus.yaml (optional, in NEXUS_HOME) < environment NEXUS_* < flags. The environment name
 * is NEXUS_ and the option's name in capitals with dots as underscores; the flag is --name with dots as hyphens (the few
 * that differ say so). An unknown key is an error with the nearest name. Rows are sorted by name.
 *
 * X(field, name, TYPE, default, min, max, flags, help): TYPE is STR, INT, NUM, BOOL, SIZE (bytes; "512 MiB" in text) or
 * TIME (milliseconds inside; "30s", "5 min" in text).
 *
 * Owner: made and set by one thread before others start; read by all after. Only options that are NX_CONFIG_HOT may be
 * set later, by the thread that owns what they steer.
 */
#ifndef NX_BASE_CONFIG_H
#define NX_BASE_CONFIG_H

#include "base/config_table.h"
#include "base/json.h"

enum nx_config_type { NX_CONFIG_STR, NX_CONFIG_INT, NX_CONFIG_NUM, NX_CONFIG_BOOL, NX_CONFIG_SIZE, NX_CONFIG_TIME };
enum { NX_CONFIG_SECRET = 1, NX_CONFIG_HOT = 2 /* may change while running */ };
enum nx_config_origin { NX_ORIGIN_DEFAULT, NX_ORIGIN_FILE, NX_ORIGIN_ENV, NX_ORIGIN_FLAG };

#define NX_CT_STR const char *
#define NX_CT_INT int64_t
#define NX_CT_NUM double
#define NX_CT_BOOL bool
#define NX_CT_SIZE int64_t
#define NX_CT_TIME int64_t
#define NX_X_(field, name, type, def, min, max, flags, help) NX_CT_##type field;
struct nx_config {
	NX_CONFIG_OPTIONS(NX_X_)
	struct nx_arena *arena;
	unsigned char *origin; /* enum nx_config_origin by row */
};
#undef NX_X_

struct nx_config_option {
	const char *name, *env, *flag, *help;
	enum nx_config_type type;
	unsigned flags;
	const char *def; /* as text */
	double min, max; /* both 0: none */
	size_t offset;
};
extern const struct nx_config_option nx_config_options[];
extern const size_t nx_config_noptions;

/*
 * Defaults, then `file` (NULL or absent file: skipped), then the environment ("NAME=value", ended by NULL). `home` is
 * never empty afterwards. The names of the environment that are no options but ours all the same (NEXUS_URL, NEXUS_KEY,
 * NEXUS_FAULTS …) and those that Kubernetes makes for a service called nexus are passed over; any other NEXUS_* is an error.
 * The error names the source (the file, the variable) and the option.
 */
int nx_config_load(const char *file, const char *const *environ_, struct nx_config **ret, struct nx_error **err);
/* As a file, from memory; `what` names it in errors. */
int nx_config_read(struct nx_config *c, nx_str yaml, const char *what, struct nx_error **err);
/* "api.max_body_bytes", its flag or its variable. NX_EINVAL when there is no such option or the value is not allowed. */
int nx_config_set(struct nx_config *c, const char *name, nx_str value, enum nx_config_origin origin,
		  struct nx_error **err);
const struct nx_config_option *nx_config_find(const char *name_or_flag); /* NULL when unknown */
/* The words that a STR option takes, separated by spaces; NULL: any text. */
const char *nx_config_choices(const struct nx_config_option *o);
/* NX_EINVAL for a name that is none, with the nearest. */
int nx_config_unknown(const char *name, struct nx_error **err);
/* The value as text; secrets as "(set)" or "(not set)". NULL when out of memory. */
char *nx_config_text(const struct nx_config *c, const struct nx_config_option *o, struct nx_arena *a);
enum nx_config_origin nx_config_origin(const struct nx_config *c, const struct nx_config_option *o);
const char *nx_config_origin_name(enum nx_config_origin origin); /* "default", "file", "environment", "flag" */
void nx_config_free(struct nx_config *c);

/* The table as Markdown, for docs/configuration.md: a section a group, a row an option. */
void nx_config_markdown(struct nx_buf *b);

/*
 * Sizes and times as people write them. "512", "512B", "64 KiB", "1.5GiB", "10MB" (K, M, G and T alone are binary, as
 * their KiB…); "250ms", "30 s", "5min", "2h", "7d", "1h 30min". A time needs its unit, unless it is 0. Case does not
 * matter. NX_EINVAL when the text is something else, is negative, or does not come to a whole number of bytes or ms.
 */
int nx_size_parse(nx_str s, int64_t *ret_bytes, struct nx_error **err);
int nx_duration_parse(nx_str s, int64_t *ret_ms, struct nx_error **err);
/* In the largest unit that is exact: "32 MiB", "1200 B", "5 min". What these write, the two above read. */
#define NX_UNITS_TEXT 32
void nx_size_format(int64_t bytes, char ret[NX_UNITS_TEXT]);
void nx_duration_format(int64_t ms, char ret[NX_UNITS_TEXT]);

#endif
