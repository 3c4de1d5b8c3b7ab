/*
 * The request target: path segments and query, as RFC 3986 and the URL standard's form encoding have them.
 *
 * A path is cut at '/' first and decoded then, so that %2F is part of a segment. What does not decode to UTF-8 without a
 * NUL is refused. A query is decoded by the same nx_schema tables as bodies are: unknown names are errors with the
 * nearest name, numbers are numbers; an ARRAY field takes "a=1&a=2" and "a=1,2".
 */
#ifndef NX_API_QUERY_INTERNAL_H
#define NX_API_QUERY_INTERNAL_H

#include "base/schema.h"

enum { NX_QUERY_MAX_PAIRS = 64 };

/* Decodes %XX, and '+' as a space where `plus`. The result borrows when there is nothing to decode. NX_EENCODING, NX_EPARSE. */
int nx_percent_decode(nx_str s, bool plus, const char *what, struct nx_arena *a, nx_str *ret, struct nx_error **err);

/* `text`: what follows '?'. *ret is the schema's struct. */
int nx_query_decode(const struct nx_schema *schema, nx_str text, struct nx_arena *a, void **ret, struct nx_error **err);

#endif
