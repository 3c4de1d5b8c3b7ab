/*
 * Archives: what goes into a container is written as tar (POSIX.1-2001, pax), what comes out of one, and the layers of
 * images, are unpacked by libarchive, which is loaded when the first archive is read.
 *
 * Unpacking never leaves the directory it is given: every name is resolved by openat2 inside it; devices, FIFOs and sockets
 * are never made; set-user-id bits are dropped; sizes, entries and depth are bounded.
 */
#ifndef NX_EXECUTION_TAR_H
#define NX_EXECUTION_TAR_H

#include "base/str.h"

/* ---- writing, into a buffer whose failure is checked at the end ---- */

void nx_tar_add_dir(struct nx_buf *b, nx_str path, unsigned mode, unsigned uid);
void nx_tar_add_file(struct nx_buf *b, nx_str path, nx_str bytes, unsigned mode, unsigned uid);
void nx_tar_end(struct nx_buf *b);

/* ---- reading ---- */

struct nx_unpack {
	int dir;            /* where to */
	bool only_files;    /* links are left out; the names of a program's files are data, not a tree */
	bool has_whiteouts; /* of an image's layer: ".wh.NAME" removes NAME, ".wh..wh..opq" what is in its directory */
	bool may_be_cut;    /* what is whole before the archive breaks off is kept */
	int64_t max_bytes;  /* of the files together */
	const char *option; /* that sets max_bytes; NULL: none */
	int64_t max_entries;
	unsigned max_depth;
	int64_t bytes, entries; /* so far; both go on over several archives */
};
/* The whole archive that `fd` yields, plain or compressed by gzip or zstd. NX_EPARSE, NX_ELIMIT, NX_EIO, NX_EUNSUPPORTED
 * (no libarchive). */
int nx_unpack_fd(struct nx_unpack *u, int fd, struct nx_error **err);

#endif
