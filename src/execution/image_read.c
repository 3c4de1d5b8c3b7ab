/*
 * What the files of an image mean: the OCI image layout 1.0 (oci-layout, index.json, blobs/) and the archives that
 * `docker save` wrote before it (manifest.json). Every file is outside bytes: bounded, and verified by its digest before a
 * byte of it is used.
 */
#include "execution/images_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define JSON_MAX ((size_t)4 << 20)
#define LAYERS_MAX 256
#define INDEX_DEPTH 3
#define HASH_BLOCK 65536
#define PREFIX "sha256:"

/* Of what has failed already, for a caller that got no descriptor. */
static int code_of(struct nx_error **err)
{
	return err && *err ? nx_error_code(*err) : NX_EPARSE;
}

static int open_in_box(int box, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, box, path, &how, sizeof(how));
}

int nx_image_hash(int fd, char ret[NX_IMAGE_DIGEST_MAX], struct nx_error **err)
{
	unsigned char block[HASH_BLOCK], hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state s;
	ssize_t n;
	(void)crypto_hash_sha256_init(&s);
	while ((n = read(fd, block, sizeof(block))) > 0) {
		(void)crypto_hash_sha256_update(&s, block, (unsigned long long)n);
		nx_job_yield();
	}
	if (n < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return nx_error_set_errno(err, errno, "read the image");
	(void)crypto_hash_sha256_final(&s, hash);
	memcpy(ret, PREFIX, sizeof(PREFIX) - 1);
	(void)sodium_bin2hex(ret + sizeof(PREFIX) - 1, NX_IMAGE_DIGEST_MAX - sizeof(PREFIX) + 1, hash, sizeof(hash));
	return 0;
}

/* Opens a file of the layout and holds it against its digest, which the fd is at the start of. */
static int open_verified(const struct nx_image_reader *r, const char *path, nx_str digest, struct nx_error **err)
{
	char is[NX_IMAGE_DIGEST_MAX];
	struct stat st;
	nx_auto_fd int fd = open_in_box(r->box, path);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		nx_error_set(err, NX_EPARSE, "the image has no file %s", path);
		return -1;
	}
	if (nx_image_hash(fd, is, err) < 0)
		return -1;
	if (!nx_str_eqz(digest, is)) {
		nx_error_set(err, NX_ECORRUPT, "%s of the image is not what its digest says", path);
		return -1;
	}
	return nx_steal_fd(&fd);
}

static int blob_path(nx_str digest, char ret[128], struct nx_error **err)
{
	nx_str hex = nx_str_slice(digest, sizeof(PREFIX) - 1, digest.n);
	bool ok = nx_str_starts(digest, NX_STR(PREFIX)) && hex.n == 64;
	for (size_t i = 0; ok && i < hex.n; i++)
		ok = strchr("0123456789abcdef", hex.p[i]) && hex.p[i];
	if (!ok)
		return nx_error_set(err, NX_EPARSE, "`%.*s` is no digest that is known (sha256)",
				    NX_FMT(nx_str_slice(digest, 0, 80)));
	(void)snprintf(ret, 128, "blobs/sha256/%.*s", NX_FMT(hex));
	return 0;
}

static int open_blob(const struct nx_image_reader *r, nx_str digest, struct nx_error **err)
{
	char path[128];
	return blob_path(digest, path, err) < 0 ? -1 : open_verified(r, path, digest, err);
}

static int read_json(int fd, const char *what, struct nx_arena *a, yyjson_val **ret, struct nx_error **err)
{
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)JSON_MAX)
		return nx_error_set(err, NX_EPARSE, "%s of the image is missing or too large", what);
	size_t size = (size_t)st.st_size;
	char *text = nx_arena_array(a, char, size + 1);
	if (!text)
		return nx_error_set(err, NX_ENOMEM, "no memory for an image");
	if (pread(fd, text, size, 0) != (ssize_t)size)
		return nx_error_set(err, NX_EIO, "read %s of the image", what);
	struct nx_json_limits limits = {.max_bytes = JSON_MAX};
	return nx_json_read(a, nx_str_n(text, size), &limits, ret, err) < 0
		       ? nx_error_wrap(err, "%s of the image", what)
		       : 0;
}

/* ---- the OCI layout ---- */

/* Go's names of architectures. */
static const char *architecture(void)
{
	static const struct {
		const char *machine, *name;
	} names[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}, {"riscv64", "riscv64"}};
	static struct utsname u;
	if (uname(&u) < 0)
		return "";
	for (size_t i = 0; i < nx_countof(names); i++)
		if (strcmp(u.machine, names[i].machine) == 0)
			return names[i].name;
	return u.machine;
}

static bool is_for_us(yyjson_val *platform)
{
	return !platform || (nx_str_eqz(nx_json_str(platform, "os"), "linux") &&
			     nx_str_eqz(nx_json_str(platform, "architecture"), architecture()));
}

static yyjson_val *choose(yyjson_val *index)
{
	yyjson_val *v;
	size_t i, n;
	yyjson_arr_foreach (nx_json_get(index, "manifests"), i, n, v)
		if (is_for_us(nx_json_get(v, "platform")))
			return v;
	return NULL;
}

static int unpack_layer(struct nx_image_reader *r, int fd, struct nx_error **err)
{
	if (fd < 0)
		return code_of(err);
	int result = nx_unpack_fd(&r->root, fd, err);
	(void)close(fd);
	return result;
}

static int check_count(size_t n, struct nx_error **err)
{
	if (n == 0 || n > LAYERS_MAX)
		return nx_error_set(err, NX_ELIMIT, "an image has 1 to %d layers, not %zu", LAYERS_MAX, n);
	return 0;
}

/* What is wrong in the configuration is told before a layer is unpacked. */
static int take_config(struct nx_image_reader *r, yyjson_val *config, size_t nlayers, struct nx_error **err)
{
	int result = check_count(nlayers, err);
	if (result == 0)
		result = nx_image_config_check(config, err);
	return result == 0 ? nx_image_env_take(r, config, err) : result;
}

static int read_manifest(struct nx_image_reader *r, yyjson_val *manifest, struct nx_arena *a, struct nx_error **err)
{
	yyjson_val *v, *config, *layers = nx_json_get(manifest, "layers");
	size_t i, n;
	nx_auto_fd int fd = open_blob(r, nx_json_str(nx_json_get(manifest, "config"), "digest"), err);
	if (fd < 0)
		return code_of(err);
	int result = read_json(fd, "the configuration", a, &config, err);
	if (result == 0 && nx_json_str(config, "architecture").n && !is_for_us(config))
		result = nx_error_set(err, NX_EUNSUPPORTED, "the image is for %.*s, this machine is %s",
				      NX_FMT(nx_str_slice(nx_json_str(config, "architecture"), 0, 40)), architecture());
	if (result == 0)
		result = take_config(r, config, yyjson_arr_size(layers), err);
	if (result < 0)
		return result;
	yyjson_arr_foreach (layers, i, n, v) {
		result = unpack_layer(r, open_blob(r, nx_json_str(v, "digest"), err), err);
		if (result < 0)
			return nx_error_wrap(err, "layer %zu", i + 1);
	}
	return 0;
}

static int read_oci(struct nx_image_reader *r, struct nx_arena *a, struct nx_error **err)
{
	yyjson_val *v;
	nx_auto_fd int fd = open_in_box(r->box, "index.json");
	int result = read_json(fd, "index.json", a, &v, err);
	for (int depth = 0; result == 0; depth++) {
		yyjson_val *chosen = choose(v);
		if (!chosen)
			return nx_error_set(err, NX_EUNSUPPORTED, "the image has nothing for linux/%s", architecture());
		nx_str digest = nx_json_str(chosen, "digest");
		nx_auto_fd int blob = open_blob(r, digest, err);
		if (blob < 0)
			return code_of(err);
		(void)snprintf(r->digest, sizeof(r->digest), "%.*s", NX_FMT(digest));
		result = read_json(blob, "a manifest", a, &v, err);
		if (result == 0 && !nx_json_get(v, "manifests"))
			return read_manifest(r, v, a, err);
		if (depth >= INDEX_DEPTH)
			return nx_error_set(err, NX_ELIMIT, "the indexes of the image are nested too deep");
	}
	return result;
}

/* ---- docker save ---- */

static int open_named(const struct nx_image_reader *r, nx_str name, nx_str digest, struct nx_error **err)
{
	char path[300];
	if (name.n == 0 || name.n >= sizeof(path)) {
		nx_error_set(err, NX_EPARSE, "manifest.json of the image names no file");
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%.*s", NX_FMT(name));
	return open_verified(r, path, digest, err);
}

/* The file of the configuration is called by its own digest; the configuration lists those of the layers. */
static int read_docker(struct nx_image_reader *r, struct nx_arena *a, struct nx_error **err)
{
	yyjson_val *v, *config, *layer;
	size_t i, n;
	nx_auto_fd int fd = open_in_box(r->box, "manifest.json");
	int result = read_json(fd, "manifest.json", a, &v, err);
	if (result < 0)
		return result;
	v = yyjson_arr_get_first(v);
	nx_str name = nx_json_str(v, "Config");
	nx_auto_fd int config_fd = -1;
	const char *digest = nx_arena_printf(a, PREFIX "%.*s", NX_FMT(nx_str_slice(name, 0, 64)));
	if (!digest)
		return nx_error_set(err, NX_ENOMEM, "no memory for an image");
	config_fd = open_named(r, name, nx_str_z(digest), err);
	if (config_fd < 0)
		return code_of(err);
	(void)snprintf(r->digest, sizeof(r->digest), "%s", digest);
	result = read_json(config_fd, "the configuration", a, &config, err);
	yyjson_val *layers = nx_json_get(v, "Layers"), *ids = nx_json_get(nx_json_get(config, "rootfs"), "diff_ids");
	if (result == 0 && !is_for_us(config))
		result = nx_error_set(err, NX_EUNSUPPORTED, "the image is not for linux/%s", architecture());
	if (result == 0 && yyjson_arr_size(layers) != yyjson_arr_size(ids))
		result = nx_error_set(err, NX_EPARSE, "the image has other layers than its configuration");
	if (result == 0)
		result = take_config(r, config, yyjson_arr_size(layers), err);
	if (result < 0)
		return result;
	yyjson_arr_foreach (layers, i, n, layer) {
		nx_str id = nx_json_val_str(yyjson_arr_get(ids, i));
		result = unpack_layer(r, open_named(r, nx_json_val_str(layer), id, err), err);
		if (result < 0)
			return nx_error_wrap(err, "layer %zu", i + 1);
	}
	return 0;
}

enum nx_image_kind nx_image_kind_of(int box)
{
	nx_auto_fd int oci = open_in_box(box, "index.json"), docker = open_in_box(box, "manifest.json");
	return oci >= 0 ? NX_IMAGE_OCI : docker >= 0 ? NX_IMAGE_DOCKER : NX_IMAGE_NONE;
}

int nx_image_read(struct nx_image_reader *r, enum nx_image_kind kind, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "no memory for an image");
	return kind == NX_IMAGE_OCI ? read_oci(r, a, err) : read_docker(r, a, err);
}
