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

/* Defaults, then `file` (NULL or absent file: skipped), then the environment. */
int nx_config_load(const char *file, const char *const *environ_, struct nx_config **ret, struct nx_error **err);
/* "api.max_body_bytes" or its flag form. */
int nx_config_set(struct nx_config *c, const char *name, nx_str value, enum nx_config_origin origin,
		  struct nx_error **err);
const struct nx_config_option *nx_config_find(const char *name_or_flag);
/* The value as text; secrets as "(set)" or "(not set)". */
char *nx_config_text(const struct nx_config *c, const struct nx_config_option *o, struct nx_arena *a);
enum nx_config_origin nx_config_origin(const struct nx_config *c, const struct nx_config_option *o);
void nx_config_free(struct nx_config *c);

#endif
