#include "cli/feed.h"

#include "base/clock.h"
#include "base/io.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#define BATCH_BYTES (512 << 10)
#define FILE_MAX ((size_t)1 << 30)
#define BAR 30

int nx_feed_add(struct nx_feed *f, const char *path, const char *name, struct nx_error **err)
{
	struct stat st;
	if (f->nfiles == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		f->files =
			nx_arena_realloc(f->cli->arena, f->files, f->cap * sizeof(*f->files), cap * sizeof(*f->files));
		if (!f->files)
			return nx_error_set(err, NX_ENOMEM, "list the files");
		f->cap = cap;
	}
	int64_t size = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0;
	f->files[f->nfiles++] = (struct nx_feed_file){.path = path, .name = name, .size = size};
	f->bytes += size;
	return 0;
}

/* ---- the bar ---- */

void nx_feed_draw(const struct nx_feed *f, bool is_over)
{
	char bar[BAR + 1];
	double share = f->bytes ? (double)f->bytes_done / (double)f->bytes : 1;
	double s = (double)(nx_time_mono_us() - f->started_us) / 1e6;
	size_t full = is_over ? BAR : (size_t)(share * BAR);

	if (!f->cli->progress || f->cli->json)
		return;
	memset(bar, '.', BAR);
	memset(bar, '#', nx_min(full, (size_t)BAR));
	bar[BAR] = 0;
	fprintf(stderr, "\ringest [%s] %.1f of %.1f MB  %zu documents  %.0f/s", bar, (double)f->bytes_done / 1e6,
		(double)f->bytes / 1e6, f->documents_done, s > 0 ? (double)f->documents_done / s : 0);
	if (!is_over && share > 0.01 && s > 1)
		fprintf(stderr, "  %.0f s left", s / share - s);
	fprintf(stderr, "\033[K%s", is_over ? "\n" : "");
	fflush(stderr);
}

/* ---- batches ---- */

static void add_text_members(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_document *doc)
{
	if (doc->name.n)
		nx_json_add_str(d, o, "id", doc->name);
	if (doc->title.n)
		nx_json_add_str(d, o, "title", doc->title);
	if (doc->mime.n)
		nx_json_add_str(d, o, "mime", doc->mime);
	if (doc->uri.n)
		nx_json_add_str(d, o, "uri", doc->uri);
	if (doc->metadata.n)
		nx_json_add_raw(d, o, "metadata", doc->metadata);
}

static int post(struct nx_feed *f, yyjson_mut_doc *d, yyjson_mut_val *list, struct nx_error **err)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);
	yyjson_val *answer;
	bool ok = o && yyjson_mut_obj_add_val(d, o, "documents", list) &&
		  yyjson_mut_obj_add_str(d, o, "wait", f->no_wait ? "stored" : "indexed");
	int rc = ok ? nx_cli_call(f->cli, "POST", "/v1/knowledge/documents", o, &answer, err)
		    : nx_error_set(err, NX_ENOMEM, "send documents");
	if (rc < 0)
		return rc;
	int64_t inserted = nx_json_int(answer, "inserted", 0), updated = nx_json_int(answer, "updated", 0),
		unchanged = nx_json_int(answer, "unchanged", 0);
	f->inserted += inserted;
	f->updated += updated;
	f->unchanged += unchanged;
	f->chunks += nx_json_int(answer, "chunks", 0);
	f->documents_done += (size_t)(inserted + updated + unchanged);
	return 0;
}

static int flush(struct nx_feed *f, struct nx_error **err)
{
	if (f->nbatch == 0)
		return 0;
	yyjson_mut_doc *d = nx_json_new(f->arena);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL;
	for (size_t i = 0; i < f->nbatch && list; i++) {
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
		add_text_members(d, o, &f->batch[i]);
		nx_json_add_str(d, o, "text", f->batch[i].text);
	}
	f->nbatch = 0;
	f->batch_bytes = 0;
	int rc = list ? post(f, d, list, err) : nx_error_set(err, NX_ENOMEM, "send documents");
	nx_feed_draw(f, false);
	return rc;
}

static int send_document(struct nx_feed *f, const struct nx_document *d, struct nx_error **err)
{
	if (f->nbatch == NX_FEED_BATCH || (f->nbatch && f->batch_bytes + d->text.n > BATCH_BYTES)) {
		int rc = flush(f, err);
		if (rc < 0)
			return rc;
	}
	f->batch[f->nbatch++] = *d;
	f->batch_bytes += d->text.n;
	return 0;
}

/* ---- files ---- */

nx_str nx_feed_uri(struct nx_arena *a, const char *path)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addz(&b, "file://");
	for (const char *p = path; *p; p++)
		nx_buf_addf(&b, strchr(safe, *p) ? "%c" : "%%%02X", (unsigned char)*p);
	return nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(a, nx_buf_str(&b));
}

/* Where it lies, for who finds the document; empty when it cannot be said. */
static nx_str uri_of(struct nx_feed *f, const char *path)
{
	char real[PATH_MAX];
	return strcmp(path, "-") == 0 || !realpath(path, real) ? NX_STR("") : nx_feed_uri(f->arena, real);
}

/* ---- what is gone ---- */

static int delete_one(struct nx_feed *f, nx_str id, struct nx_error **err)
{
	nx_auto_error struct nx_error *why = NULL;
	yyjson_val *unused;
	char *path = nx_arena_printf(f->cli->arena, "/v1/knowledge/documents/%.*s", NX_FMT(id));
	if (!path)
		return nx_error_set(err, NX_ENOMEM, "delete a document");
	int rc = nx_cli_call(f->cli, "DELETE", path, NULL, &unused, &why);
	if (rc < 0 && rc != NX_ENOTFOUND) /* then somebody else was quicker */
		return nx_error_move(err, nx_steal(why));
	f->deleted += rc == 0;
	return 0;
}

/* The prefix of a file's uri is also that of longer names. */
static bool is_of(nx_str uri, nx_str prefix)
{
	return uri.n == prefix.n || prefix.p[prefix.n - 1] == '/';
}

int nx_feed_delete(struct nx_feed *f, const char *path, bool (*keeps)(void *ctx, nx_str name, nx_str uri), void *ctx,
		   struct nx_error **err)
{
	struct nx_arena *a = f->cli->arena;
	nx_str prefix = nx_feed_uri(a, path);
	char *escaped = prefix.p ? nx_cli_escape(f->cli, prefix.p) : NULL;
	char *cursor = nx_arena_strdup(a, "");
	while (escaped && cursor) {
		yyjson_val *page, *item;
		char *get = nx_arena_printf(a, "/v1/knowledge/documents?uri=%s&limit=200%s%s", escaped,
					    cursor[0] ? "&cursor=" : "", cursor);
		int rc = get ? nx_cli_call(f->cli, "GET", get, NULL, &page, err)
			     : nx_error_set(err, NX_ENOMEM, "list documents");
		if (rc < 0)
			return rc;
		yyjson_arr_iter it = yyjson_arr_iter_with(nx_json_get(page, "items"));
		while (rc == 0 && (item = yyjson_arr_iter_next(&it))) {
			nx_str uri = nx_json_str(item, "uri");
			if (is_of(uri, prefix) && !(keeps && keeps(ctx, nx_json_str(item, "name"), uri)))
				rc = delete_one(f, nx_json_str(item, "id"), err);
		}
		nx_str next = nx_json_str(page, "next_cursor");
		if (rc < 0 || next.n == 0)
			return rc;
		cursor = nx_cli_escape(f->cli, nx_str_zdup(a, next));
	}
	return nx_error_set(err, NX_ENOMEM, "list documents");
}

struct kept {
	const struct nx_document *docs;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return nx_str_cmp(((const struct nx_document *)a)->name, ((const struct nx_document *)b)->name);
}

static bool is_kept(void *ctx, nx_str name, nx_str uri)
{
	const struct kept *k = ctx;
	struct nx_document key = {.name = name};
	(void)uri;
	return k->n && bsearch(&key, k->docs, k->n, sizeof(key), by_name) != NULL;
}

/* Of a file that holds many documents, those that it held before. `docs` are sorted. */
static int delete_former(struct nx_feed *f, const char *path, struct nx_document *docs, size_t n, struct nx_error **err)
{
	char real[PATH_MAX];
	struct kept k = {docs, n};
	if (!realpath(path, real))
		return 0;
	qsort(docs, n, sizeof(*docs), by_name);
	return nx_feed_delete(f, real, is_kept, &k, err);
}

/* Alone in its request: when it is refused, nothing else is. */
static int send_bytes(struct nx_feed *f, const struct nx_knowledge_file *file, struct nx_error **err)
{
	const char *mime;
	yyjson_mut_doc *d = nx_json_new(f->arena);
	yyjson_mut_val *list = d ? yyjson_mut_arr(d) : NULL, *o = list ? yyjson_mut_arr_add_obj(d, list) : NULL;
	nx_str content = nx_base64(f->arena, file->bytes);
	if (!o || !content.p)
		return nx_error_set(err, NX_ENOMEM, "send %.*s", NX_FMT(file->name));
	(void)nx_format_of(file->name, NX_STR(""), &mime);
	struct nx_document doc = {.name = file->name, .uri = file->uri, .mime = nx_str_z(mime)};
	add_text_members(d, o, &doc);
	nx_json_add_str(d, o, "content_base64", content);
	int rc = post(f, d, list, err);
	nx_feed_draw(f, false);
	return rc;
}

static int read_bytes(struct nx_feed *f, const struct nx_feed_file *file, nx_str *ret, struct nx_error **err)
{
	if (strcmp(file->path, "-") != 0)
		return nx_file_read(f->arena, file->path, FILE_MAX, ret, err);
	(void)nx_error_set(err, NX_EINVAL, "standard input has no name that says what it holds");
	return nx_error_hint(err, "give files");
}

static bool is_sent_whole(enum nx_format format)
{
	return nx_format_is_foreign(format) || format == NX_FORMAT_JSON;
}

static int send_file(struct nx_feed *f, const struct nx_feed_file *file, bool *ret_is_servers, struct nx_error **err)
{
	struct nx_extract_limits limits = nx_knowledge_extract_limits(f->cli->config);
	struct nx_knowledge_file k = {.name = nx_str_z(file->name), .uri = uri_of(f, file->path)};
	struct nx_document *docs;
	size_t n;
	int rc = read_bytes(f, file, &k.bytes, err);
	if (rc < 0)
		return rc;
	limits.max_blocks = UINT32_MAX; /* rows are documents, and are sent in parts */
	enum nx_format format = nx_format_of(k.name, NX_STR(""), NULL);
	if (is_sent_whole(format) && (k.bytes.n || nx_format_is_foreign(format)))
		return send_bytes(f, &k, err);
	rc = nx_knowledge_read_native(&limits, &k, f->arena, &docs, &n, err);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = send_document(f, &docs[i], err);
		*ret_is_servers = rc < 0;
	}
	if (rc == 0 && f->follows && (format == NX_FORMAT_CSV || format == NX_FORMAT_JSONL))
		rc = delete_former(f, file->path, docs, n, err);
	return rc;
}

/* Faults of the file, and not of the server or the way to it. */
static bool is_files_fault(int code)
{
	switch (code) {
	case NX_ETYPE:
	case NX_EENCODING:
	case NX_EPARSE:
	case NX_ETOOBIG:
	case NX_ELIMIT:
	case NX_EINVAL:
	case NX_EUNSUPPORTED:
	case NX_EMISSING:
	case NX_ENOTFOUND:
	case NX_EFORBIDDEN: return true;
	default: return false;
	}
}

static void pass_over(struct nx_feed *f, const struct nx_feed_file *file, struct nx_error *err)
{
	f->failed++;
	fprintf(stderr, "%snexus: %s: %s\n", f->cli->progress && !f->cli->json ? "\r\033[K" : "", file->path,
		nx_error_message(err));
	nx_error_free(err);
}

static int run_file(struct nx_feed *f, const struct nx_feed_file *file, struct nx_error **err)
{
	struct nx_error *why = NULL;
	bool is_servers = false;
	if (f->nbatch == 0)
		nx_arena_reset(f->arena);
	int rc = send_file(f, file, &is_servers, &why);
	f->bytes_done += file->size;
	nx_feed_draw(f, false);
	if (rc == 0)
		return 0;
	if (f->nfiles == 1 || is_servers || !is_files_fault(rc))
		return nx_error_move(err, why);
	pass_over(f, file, why);
	return 0;
}

int nx_feed_run(struct nx_feed *f, struct nx_error **err)
{
	f->arena = nx_arena_new(0);
	f->started_us = nx_time_mono_us();
	if (!f->arena)
		return nx_error_set(err, NX_ENOMEM, "read the files");
	int rc = 0;
	for (size_t i = 0; i < f->nfiles && rc == 0; i++)
		rc = run_file(f, &f->files[i], err);
	if (rc == 0)
		rc = flush(f, err);
	if (rc == 0)
		nx_feed_draw(f, true);
	else if (f->cli->progress && !f->cli->json)
		fputc('\n', stderr);
	nx_arena_free(nx_steal(f->arena));
	return rc;
}
