/* Between images.c (rows, directories) and image_read.c (what the archives of an image mean). */
#ifndef NX_EXECUTION_IMAGES_INTERNAL_H
#define NX_EXECUTION_IMAGES_INTERNAL_H

#include "execution/execution_internal.h"
#include "execution/images.h"
#include "execution/tar.h"

#define NX_IMAGE_DIGEST_MAX 72 /* "sha256:", 64 hex digits, NUL */

#define NX_IMAGE_ENV_MAX 32     /* variables */
#define NX_IMAGE_ENV_BYTES 2048 /* of all, with their NULs */

struct nx_image_reader {
	int box;               /* the layout: a directory, which may be a stranger's */
	struct nx_unpack root; /* where the layers go */
	char digest[NX_IMAGE_DIGEST_MAX];
	char env[NX_IMAGE_ENV_BYTES];
	size_t env_bytes;
};
enum nx_image_kind { NX_IMAGE_OCI, NX_IMAGE_DOCKER, NX_IMAGE_NONE };
enum nx_image_kind nx_image_kind_of(int box);
/* Verifies and unpacks every layer; sets digest. */
int nx_image_read(struct nx_image_reader *r, enum nx_image_kind kind, struct nx_error **err);
/* "sha256:…" of what `fd` yields from its start, which it is set back to. */
int nx_image_hash(int fd, char ret[NX_IMAGE_DIGEST_MAX], struct nx_error **err);

/* ---- image_config.c ---- */

/* NX_EPARSE, NX_ELIMIT: what of a configuration is not as it has to be. */
int nx_image_config_check(yyjson_val *image, struct nx_error **err);

/* ---- image_env.c ---- */

/* Of a configuration that was checked: what has no plain name is left out. NX_ELIMIT. */
int nx_image_env_take(struct nx_image_reader *r, yyjson_val *config, struct nx_error **err);
int nx_image_env_keep(const struct nx_image_reader *r, const char *place, struct nx_error **err);

/* The directory of an image, as spawn_protocol.h takes it. NX_ENOTFOUND with the nearest name. On a worker. */
int nx_image_find(struct nx_execution *e, nx_str name, char ret[NX_SPAWN_IMAGE_MAX], struct nx_error **err);
/* A session in that image ("": none) has ended and is on the list no more: the files of one that was removed meanwhile go with
 * its last session. On the loop. */
void nx_image_release(struct nx_execution *e, const char *id);
/* Removes what no row names and what was being imported when a server died; older than before_ms. */
void nx_images_sweep(struct nx_store *s, int64_t before_ms);

#endif
