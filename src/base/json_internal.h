/* Shared by the readers of JSON and YAML. */
#ifndef NX_BASE_JSON_INTERNAL_H
#define NX_BASE_JSON_INTERNAL_H

#include "base/json.h"

/* `limits` with the defaults filled in; NULL: all defaults. */
struct nx_json_limits nx_json_limits_or_default(const struct nx_json_limits *limits);

/* Line and column of a byte, both from 1, in code points. */
struct nx_text_place {
	size_t line, column;
};
struct nx_text_place nx_text_place(nx_str text, size_t offset);

/* The checks that both start with: size and UTF-8. `what` is "JSON" or "YAML". */
int nx_json_check_text(nx_str text, const struct nx_json_limits *limits, const char *what, struct nx_error **err);

#endif
