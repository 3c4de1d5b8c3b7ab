/*
 * JSON: yyjson (RFC 8259) behind our limits, allocated from the caller's arena.
 *
 * Reading refuses what is over `max_depth` or `max_bytes`, is not UTF-8, holds a NUL (as \u0000 too), repeats a key in
 * one object, or is not strict JSON; the error says line and column. Values are yyjson's own (`yyjson_val`), read with
 * its accessors; documents made for output are `yyjson_mut_doc`.
 */
#ifndef NX_BASE_JSON_H
#define NX_BASE_JSON_H

#include "base/id.h"
#include "base/str.h"

#include <yyjson.h>

struct nx_json_limits {
	size_t max_bytes;   /* 0: 64 MiB */
	unsigned max_depth; /* 0: 64 */
};

/* yyjson's allocator over an arena (frees nothing). The arena must outlive what is made with it. */
yyjson_alc nx_json_alc(struct nx_arena *a);

/* The root lives in the arena. NX_EPARSE, NX_EENCODING, NX_ETOOBIG, NX_ELIMIT or NX_ENOMEM. */
int nx_json_read(struct nx_arena *a, nx_str text, const struct nx_json_limits *limits, yyjson_val **ret,
		 struct nx_error **err);

yyjson_mut_doc *nx_json_new(struct nx_arena *a); /* NULL when out of memory */
/*
 * The text of a value, in the arena, NUL-terminated. NX_ENOMEM also when anything that was added, by whatever call, to
 * the arena's newest document found no memory: what is missing would not be seen in the text.
 */
int nx_json_write(struct nx_arena *a, const yyjson_mut_val *v, bool pretty, nx_str *ret, struct nx_error **err);
int nx_json_write_val(struct nx_arena *a, const yyjson_val *v, bool pretty, nx_str *ret, struct nx_error **err);

/* Accessors that forgive: the zero value when `obj` is not an object or the member is absent or of another type. */
nx_str nx_json_str(yyjson_val *obj, const char *key);
int64_t nx_json_int(yyjson_val *obj, const char *key, int64_t otherwise);
double nx_json_num(yyjson_val *obj, const char *key, double otherwise);
bool nx_json_bool(yyjson_val *obj, const char *key, bool otherwise);
yyjson_val *nx_json_get(yyjson_val *obj, const char *key);
nx_str nx_json_val_str(yyjson_val *v);

/*
 * Builders. Strings are copied into the document (keys must be literals). All return false when out of memory; a
 * document built with unchecked calls is checked once by nx_json_write, which fails when `v` is NULL.
 */
bool nx_json_add_str(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, nx_str v); /* p NULL: null */
bool nx_json_add_strz(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, const char *v);
bool nx_json_add_id(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, nx_id id);          /* none: null */
bool nx_json_add_time(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, int64_t wall_us); /* 0: null */
/* A copy of a read value, or of JSON text that we wrote ourselves (null when it is empty). */
bool nx_json_add_val(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_val *v);
bool nx_json_add_raw(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, nx_str json);

/* YAML (1.1 by libyaml, core-schema scalars; no anchors, tags or second documents) as the same values, same limits. */
int nx_yaml_read(struct nx_arena *a, nx_str text, const struct nx_json_limits *limits, yyjson_val **ret,
		 struct nx_error **err);

#endif
