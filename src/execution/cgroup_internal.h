/* Shared by cgroup_open.c and cgroup.c: small files below a directory. Errors are -errno. */
#ifndef NX_EXECUTION_CGROUP_INTERNAL_H
#define NX_EXECUTION_CGROUP_INTERNAL_H

#include "execution/sandbox_internal.h"

int nx_cg_read(int dir, const char *file, char *ret, size_t size); /* cut at size - 1, NUL-terminated */
int nx_cg_write(int dir, const char *file, const char *text);
int64_t nx_cg_read_int(int dir, const char *file); /* -1 when there is none */
int nx_cg_write_int(int dir, const char *file, int64_t v);
/* Kills what is inside and removes the directory; gives up after 100 ms. */
void nx_cg_remove(int parent, const char *name);

#endif
