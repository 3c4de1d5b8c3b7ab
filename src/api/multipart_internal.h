/*
 * multipart/form-data (RFC 7578 over RFC 2046), for uploads of documents.
 *
 * The body is at hand whole, gathered within api.max_body_bytes; parts borrow from it and nothing is copied but names with
 * escapes in them. Bounds: the boundary has 1 to 70 characters, a part's header block NX_MULTIPART_MAX_HEADER bytes, and
 * the number of parts is the caller's. A file name is a label and never a path: directories before the last separator are
 * cut off, as RFC 7578 4.2 asks, and `filename*` is ignored as it forbids it.
 */
#ifndef NX_API_MULTIPART_INTERNAL_H
#define NX_API_MULTIPART_INTERNAL_H

#include "base/str.h"

enum { NX_MULTIPART_MAX_BOUNDARY = 70, NX_MULTIPART_MAX_HEADER = 4096 };

struct nx_part {
	nx_str name;     /* of the form's field; valid UTF-8 without NUL, like the two below */
	nx_str filename; /* p NULL: not a file */
	nx_str mime;     /* lower case is not forced; empty: none given */
	nx_str bytes;
};

/* The boundary parameter of a Content-Type. NX_EPARSE when there is none or it is not a boundary. */
int nx_multipart_boundary(nx_str content_type, nx_str *ret, struct nx_error **err);

/* NX_EPARSE with what is wrong and at which part, NX_ELIMIT above `max` parts. */
int nx_multipart_parse(nx_str body, nx_str boundary, size_t max, struct nx_arena *a, struct nx_part **ret,
		       size_t *ret_n, struct nx_error **err);

/* A parameter of a header value such as `form-data; name="a"`: unquoted, escapes undone. False when it is
 * absent, and, without an arena, when it has escapes. */
bool nx_header_param(nx_str value, const char *name, struct nx_arena *a, nx_str *ret);

#endif
