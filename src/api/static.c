/* Files that are part of the program: the console, the reference at /docs. */
#include "api/api_internal.h"

#include <stdio.h>

static const struct {
	const char *suffix, *mime;
} types[] = {
	{".css", "text/css; charset=utf-8"},
	{".html", "text/html; charset=utf-8"},
	{".ico", "image/x-icon"},
	{".js", "text/javascript; charset=utf-8"},
	{".json", "application/json"},
	{".map", "application/json"},
	{".png", "image/png"},
	{".svg", "image/svg+xml"},
	{".txt", "text/plain; charset=utf-8"},
	{".wasm", "application/wasm"},
	{".webmanifest", "application/manifest+json"},
	{".woff2", "font/woff2"},
};

static const char *mime_of(nx_str path)
{
	for (size_t i = 0; i < nx_countof(types); i++)
		if (nx_str_ends(path, nx_str_z(types[i].suffix)))
			return types[i].mime;
	return "application/octet-stream";
}

/* Vite puts a hash of at least eight characters into the names below assets/: they never change under one name. */
static bool is_hashed(nx_str path)
{
	return nx_str_starts(path, NX_STR("assets/"));
}

static void reply_asset(struct nx_request *r, const struct nx_asset *f, nx_str path)
{
	char *etag = nx_arena_printf(r->arena, "\"%s\"", f->etag);
	nx_request_header(r, "ETag", etag);
	nx_request_header(r, "Cache-Control", is_hashed(path) ? "public, max-age=31536000, immutable" : "no-cache");
	if (etag && r->headers.if_none_match.p && nx_str_find(r->headers.if_none_match, nx_str_z(etag)) >= 0)
		nx_request_reply_empty(r, 304);
	else
		nx_request_reply_bytes(r, 200, mime_of(path), nx_str_n((const char *)f->data, f->size));
}

bool nx_static_reply(struct nx_request *r, nx_str path)
{
	static const char docs[] = "/docs";
	const struct nx_assets *from = &nx_assets_console;
	nx_str name = nx_str_slice(path, 1, path.n);
	if (nx_str_eqz(path, docs)) {
		from = &nx_assets_docs;
		name = NX_STR("index.html");
	} else if (nx_str_starts(path, NX_STR("/docs/"))) {
		from = &nx_assets_docs;
		name = nx_str_slice(path, sizeof(docs), path.n);
	} else if (nx_str_eqz(path, "/")) {
		name = NX_STR("index.html");
	}
	/* An exact look-up in a table: there is no file system to leave. */
	char *key = nx_str_zdup(r->arena, name);
	if (!key) {
		nx_request_reply_value(r, 200, NULL);
		return true;
	}
	const struct nx_asset *f = strlen(key) == name.n ? nx_asset_find(from, key) : NULL;
	if (!f)
		return false;
	reply_asset(r, f, name);
	return true;
}
