/*
 * Files embedded in the program: the console, migrations, the specs of the built-in agents.
 *
 * scripts/embed.py turns a directory into a table sorted by path, named nx_assets_<name>; declare it with
 * NX_ASSETS(name) and add the custom_target to the sources of the library that uses it (see src/store/meson.build).
 * The bytes are followed by a NUL that size does not count, so that a text file is also a C string.
 */
#ifndef NX_BASE_ASSET_H
#define NX_BASE_ASSET_H

#include <stddef.h>
#include <string.h>

struct nx_asset {
	const char *path; /* relative to the embedded directory, with "/" */
	const unsigned char *data;
	size_t size;
	const char *etag; /* first 16 hex digits of the SHA-256 of the data */
};

struct nx_assets {
	const struct nx_asset *items; /* sorted by path (bytes) */
	size_t count;
};

#define NX_ASSETS(name) extern const struct nx_assets nx_assets_##name

/* NULL when no file has this path. */
static inline const struct nx_asset *nx_asset_find(const struct nx_assets *assets, const char *path)
{
	size_t lo = 0, hi = assets->count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(assets->items[mid].path, path);
		if (order == 0)
			return &assets->items[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

#endif
