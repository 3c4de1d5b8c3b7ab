/* Files: whole reads and durable writes. Paths end in NUL. */
#ifndef NX_BASE_IO_H
#define NX_BASE_IO_H

#include "base/str.h"

/* NX_ENOTFOUND, NX_EFORBIDDEN, NX_ETOOBIG (naming the limit) or NX_EIO. */
int nx_file_read(struct nx_arena *a, const char *path, size_t max, nx_str *ret, struct nx_error **err);
/* Temporary name, write, fsync, rename, fsync of the directory: after 0 the file is there whatever happens. */
int nx_file_write_durable(const char *path, nx_str bytes, unsigned mode, struct nx_error **err);
/* The same of parts that lie apart, one behind the other. */
int nx_file_write_durable_parts(const char *path, const nx_str *parts, size_t n, unsigned mode, struct nx_error **err);
int nx_mkdirs(const char *path, unsigned mode, struct nx_error **err);
/* "." or "..", as readdir(3) has them. */
static inline bool nx_is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}
int nx_rmtree(const char *path, struct nx_error **err); /* never follows a link; absent is fine */
char *nx_path_join(struct nx_arena *a, const char *dir, const char *name);
int nx_write_all(int fd, nx_str bytes); /* 0 or -errno */

/* Hex and base64 (libsodium). base64 takes the standard alphabet with padding. */
char *nx_hex(struct nx_arena *a, const void *p, size_t n);
nx_str nx_base64(struct nx_arena *a, nx_str bytes);
int nx_base64_decode(struct nx_arena *a, nx_str text, nx_str *ret, struct nx_error **err);
void nx_sha256(nx_str bytes, unsigned char ret[32]);
bool nx_secret_eq(const void *a, const void *b, size_t n); /* constant time */

#endif
