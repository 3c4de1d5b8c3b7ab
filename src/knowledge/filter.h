/*
 * Filters: {"field": value | {"in": [...], "gte": x, "lte": y}}, all of which must hold.
 *
 * Values compare by type: numbers as numbers, strings bytewise, so that RFC 3339 times in UTC compare as times do. A list
 * meets a condition when one of its members does. What does not have the field does not match.
 */
#ifndef NX_KNOWLEDGE_FILTER_H
#define NX_KNOWLEDGE_FILTER_H

#include "base/json.h"

struct nx_filter;

/* Keeps `spec`; NULL, null or an empty object: *ret is NULL, and everything passes. NX_EINVAL at /filters/…. */
int nx_filter_new(yyjson_val *spec, struct nx_arena *a, struct nx_filter **ret, struct nx_error **err);
void nx_filter_done(struct nx_filter *f); /* accepts NULL */

/* Whether `have` meets what the filter asks of `field`: true when it asks nothing. `have` NULL: there is no such field. */
bool nx_filter_holds(const struct nx_filter *f, const char *field, yyjson_val *have);

/* Whether metadata (JSON text, p NULL: none) meets what the filter asks of all fields but those of `except`, which ends
 * with NULL. One thread at a time. */
bool nx_filter_metadata(struct nx_filter *f, nx_str metadata, const char *const *except);

#endif
