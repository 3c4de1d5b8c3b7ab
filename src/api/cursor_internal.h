/*
 * Cursors: where a list goes on. Opaque to clients, checked by us: base64url of a version byte, the row key (big endian)
 * and four bytes of a hash over key, tenant and list, so that a cursor of another list or tenant, or one that was cut,
 * is refused instead of giving a page of something else. It is no secret: every query names its tenant anyway.
 */
#ifndef NX_API_CURSOR_INTERNAL_H
#define NX_API_CURSOR_INTERNAL_H

#include "base/str.h"

#define NX_CURSOR_TEXT 19 /* 13 bytes in base64url without padding, and NUL */

/* `list` is the operation's id. */
void nx_cursor_format(int64_t key, int64_t tenant, const char *list, char ret[NX_CURSOR_TEXT]);
/* NX_EINVAL at /cursor. An empty text is 0, the start. */
int nx_cursor_parse(nx_str text, int64_t tenant, const char *list, int64_t *ret_key, struct nx_error **err);

#endif
