/*
 * Images: roots of other systems that programs can run in, each unpacked below images/ of the data directory, with a row
 * that names it. An image is data of strangers: its archives are bounded and verified by their digests, and unpacked as
 * tar.h says; nothing of it is ever run outside a sandbox.
 *
 *   images/incoming-<id>/       while it is imported
 *   images/<id>/root/           its files; synced before the row is written
 */
#ifndef NX_EXECUTION_IMAGES_H
#define NX_EXECUTION_IMAGES_H

#include "execution/execution.h"

/*
 * Imports an OCI image layout (a directory, or a tar), an archive of `docker save`, or a tar of a root, all plain or
 * compressed by gzip or zstd. The image must be for this machine's architecture. On a worker, as a long job; the answer is
 * the image as JSON. NX_EINVAL, NX_EEXISTS, NX_ENOTFOUND, NX_EPARSE, NX_ECORRUPT (a digest), NX_ELIMIT, NX_EUNSUPPORTED.
 */
int nx_image_import(struct nx_execution *e, nx_str name, nx_str path, struct nx_arena *a, nx_str *ret_json,
		    struct nx_error **err);
/* {"items":[{"name","digest","size","created_at"}]}, by name. On a worker. */
int nx_image_list(struct nx_execution *e, struct nx_arena *a, nx_str *ret_json, struct nx_error **err);
/* Which languages have an interpreter in it; versions are not asked, because nothing of it is run for that. NX_ENOTFOUND. On
 * a worker. */
int nx_image_languages(struct nx_execution *e, nx_str name, struct nx_exec_language *ret, size_t max, size_t *ret_n,
		       struct nx_error **err);
/* Programs that run in it lose what they have not opened; its sessions keep it until they end. NX_ENOTFOUND. On a worker. */
int nx_image_remove(struct nx_execution *e, nx_str name, struct nx_error **err);

#endif
