/*
 * An image: its archive is unpacked (the first byte even), or its index, manifest or configuration is read with digests that
 * are right, so that what is behind the digests is reached. Nothing is made outside the directory.
 */
#include "base/assert.h"
#include "base/io.h"
#include "execution/images_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PLACE "/tmp/nexus-fuzz-image-XXXXXX"

static int put(int dir, const char *path, const void *bytes, size_t n)
{
	nx_auto_fd int fd = openat(dir, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	nx_assert(fd >= 0);
	return nx_write_all(fd, nx_str_n(bytes, n));
}

/* Under its own digest, which goes into `ret`. */
static void put_blob(int box, const void *bytes, size_t n, char ret[NX_IMAGE_DIGEST_MAX])
{
	char path[128];
	nx_assert(put(box, "blob", bytes, n) == 0);
	nx_auto_fd int fd = openat(box, "blob", O_RDONLY | O_CLOEXEC);
	nx_assert(fd >= 0 && nx_image_hash(fd, ret, NULL) == 0);
	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", ret + sizeof("sha256:") - 1);
	nx_assert(renameat(box, "blob", box, path) == 0);
}

static void put_index(int box, const char *digest)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "{\"manifests\":[{\"digest\":\"%s\"}]}", digest);
	nx_assert(put(box, "index.json", text, (size_t)n) == 0);
}

static void put_config(int box, const uint8_t *data, size_t n)
{
	char digest[NX_IMAGE_DIGEST_MAX], text[256];
	put_blob(box, data, n, digest);
	int length = snprintf(text, sizeof(text), "{\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"%s\"}]}",
			      digest, digest);
	put_blob(box, text, (size_t)length, digest);
	put_index(box, digest);
}

static void read_layout(int box, struct nx_unpack u, uint8_t what, const uint8_t *data, size_t n)
{
	char digest[NX_IMAGE_DIGEST_MAX];
	struct nx_image_reader r = {.box = box, .root = u};
	switch (what % 4) {
	case 0: nx_assert(put(box, "index.json", data, n) == 0); break;
	case 1:
		put_blob(box, data, n, digest);
		put_index(box, digest);
		break;
	case 2: put_config(box, data, n); break;
	default: nx_assert(put(box, "manifest.json", data, n) == 0);
	}
	(void)nx_image_read(&r, what % 4 == 3 ? NX_IMAGE_DOCKER : NX_IMAGE_OCI, NULL);
	nx_assert(r.digest[sizeof(r.digest) - 1] == '\0');
}

static void read_layer(struct nx_unpack *u, const uint8_t *data, size_t n)
{
	nx_auto_fd int fd = memfd_create("layer", MFD_CLOEXEC);
	nx_assert(fd >= 0 && nx_write_all(fd, nx_str_n((const char *)data, n)) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	(void)nx_unpack_fd(u, fd, NULL);
	nx_assert(u->entries <= u->max_entries + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char place[] = PLACE, path[64];
	struct stat before, after;
	if (n < 1 || !mkdtemp(place))
		return 0;
	(void)snprintf(path, sizeof(path), "%s/box", place);
	nx_assert(mkdir(path, 0755) == 0);
	nx_auto_fd int box = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nx_auto_fd int above = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nx_assert(box >= 0 && above >= 0 && fstat(above, &before) == 0);
	nx_assert(mkdirat(box, "root", 0755) == 0 && mkdirat(box, "blobs", 0755) == 0 &&
		  mkdirat(box, "blobs/sha256", 0755) == 0);
	nx_auto_fd int root = openat(box, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct nx_unpack u = {
		.dir = root, .has_whiteouts = true, .max_bytes = 1 << 20, .max_entries = 200, .max_depth = 16};
	if (data[0] & 1)
		read_layout(box, u, data[0] >> 1, data + 1, n - 1);
	else
		read_layer(&u, data + 1, n - 1);
	nx_assert(fstat(above, &after) == 0 && before.st_nlink == after.st_nlink);
	nx_assert(nx_rmtree(place, NULL) == 0);
	return 0;
}
