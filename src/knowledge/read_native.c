/* Files of native formats as documents. */
#include "knowledge/read_internal.h"

#include "base/io.h"
#include "base/macros.h"

/* A file is read whole; a corpus larger than this is many files. */
#define FILE_MAX (INT64_C(1) << 30)

struct nx_extract_limits nx_knowledge_extract_limits(const struct nx_config *c)
{
	return (struct nx_extract_limits){.max_text = (size_t)c->knowledge_max_document_bytes,
					  .max_blocks = (size_t)c->knowledge_max_blocks,
					  .max_expanded = (size_t)c->knowledge_max_expanded_bytes,
					  .max_ratio = (unsigned)c->knowledge_max_expansion,
					  .max_depth = (unsigned)c->knowledge_max_nesting};
}

static int one(const struct nx_knowledge_file *f, const struct nx_document *d, struct nx_arena *a,
	       struct nx_document **ret, size_t *ret_n, struct nx_error **err)
{
	struct nx_document *copy = nx_arena_new_of(a, struct nx_document);
	if (!copy)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	*copy = *d;
	copy->name = f->name;
	copy->uri = f->uri;
	copy->metadata = f->metadata;
	copy->title = f->title.n ? f->title : d->title;
	*ret = copy;
	*ret_n = 1;
	return 0;
}

static int read_whole(const struct nx_knowledge_file *f, nx_str text, const char *mime, struct nx_arena *a,
		      struct nx_document **ret, size_t *ret_n, struct nx_error **err)
{
	if (nx_str_trim(text).n == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s is empty", NX_FMT(f->name));
	/* What a program defines first is not what it is about; its file's name is. */
	nx_str title = nx_mime_is_code(nx_str_z(mime)) ? f->name : NX_STR("");
	struct nx_document d = {.text = text, .mime = nx_str_z(mime), .title = title};
	return one(f, &d, a, ret, ret_n, err);
}

static bool is_record(yyjson_val *v)
{
	return yyjson_is_obj(v) && yyjson_is_str(yyjson_obj_get(v, "text"));
}

static bool is_list_of_records(yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it));)
		if (!is_record(item))
			return false;
	return yyjson_arr_size(v) > 0;
}

static int read_records(const struct nx_knowledge_file *f, yyjson_val *list, struct nx_arena *a,
			struct nx_document **ret, size_t *ret_n, struct nx_error **err)
{
	struct nx_document *d = nx_arena_array(a, struct nx_document, yyjson_arr_size(list));
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	const char *fault = "";
	size_t n = 0;
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu documents", yyjson_arr_size(list));
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)); n++) {
		int r = nx_read_record(item, a, &d[n], &fault);
		if (r < 0)
			return nx_error_set(err, r, "%.*s: element %zu %s", NX_FMT(f->name), n + 1, fault);
		d[n].uri = d[n].uri.n ? d[n].uri : f->uri;
	}
	*ret = d;
	*ret_n = n;
	return 0;
}

static int read_json(const struct nx_extract_limits *l, const struct nx_knowledge_file *f, nx_str text,
		     struct nx_arena *a, struct nx_document **ret, size_t *ret_n, struct nx_error **err)
{
	struct nx_extracted x;
	yyjson_val *root;
	int r = nx_json_read(a, text, &(struct nx_json_limits){.max_bytes = text.n + 1}, &root, err);
	if (r < 0)
		return nx_error_wrap(err, "%.*s", NX_FMT(f->name));
	if (is_list_of_records(root))
		return read_records(f, root, a, ret, ret_n, err);
	r = nx_json_extract(f->name, text, l, a, &x, err);
	struct nx_document d = {.title = r < 0 ? NX_STR("") : x.title, .mime = NX_STR("application/json")};
	if (r < 0)
		return r;
	d.text = x.text;
	d.blocks = x.blocks;
	d.nblocks = x.nblocks;
	d.unit = x.unit;
	d.title = d.title.n ? d.title : f->name;
	return one(f, &d, a, ret, ret_n, err);
}

static int read_lines(const struct nx_knowledge_file *f, nx_str text, struct nx_arena *a, struct nx_document **ret,
		      size_t *ret_n, struct nx_error **err)
{
	int r = nx_knowledge_read_jsonl(f->name, text, a, ret, ret_n, err);
	for (size_t i = 0; r == 0 && i < *ret_n; i++)
		if ((*ret)[i].uri.n == 0)
			(*ret)[i].uri = f->uri;
	return r;
}

static int not_read(nx_str name, struct nx_error **err)
{
	(void)nx_error_set(err, NX_ETYPE, "%.*s is not a kind of file that is read", NX_FMT(name));
	return nx_error_hint(err, "give %s", nx_format_endings());
}

int nx_knowledge_read_native(const struct nx_extract_limits *l, const struct nx_knowledge_file *f, struct nx_arena *a,
			     struct nx_document **ret, size_t *ret_n, struct nx_error **err)
{
	const char *mime, *encoding, *kind = nx_format_binary_kind(f->bytes);
	enum nx_format format = nx_format_of(f->mime.n ? NX_STR("") : f->name, f->mime, &mime);
	nx_str text;
	if (format == NX_FORMAT_NONE)
		return not_read(f->name, err);
	if (nx_format_is_foreign(format))
		return nx_error_set(err, NX_EUNSUPPORTED, "%.*s is read in the server's sandbox alone",
				    NX_FMT(f->name));
	if (kind)
		return nx_error_set(err, NX_ETYPE, "%.*s is not text: it is %s", NX_FMT(f->name), kind);
	int r = nx_text_decode(f->name, f->bytes, NX_STR(""), a, &text, &encoding, err);
	if (r < 0)
		return r;
	switch (format) {
	case NX_FORMAT_CSV: return nx_read_table(l, f, text, a, ret, ret_n, err);
	case NX_FORMAT_JSON: return read_json(l, f, text, a, ret, ret_n, err);
	case NX_FORMAT_JSONL: return read_lines(f, text, a, ret, ret_n, err);
	default: return read_whole(f, text, mime, a, ret, ret_n, err);
	}
}

int nx_knowledge_read_file(const char *path, struct nx_arena *a, struct nx_document **ret, size_t *ret_n,
			   struct nx_error **err)
{
	struct nx_extract_limits limits = nx_extract_limits_default;
	const char *slash = strrchr(path, '/');
	struct nx_knowledge_file f = {.name = nx_str_dup(a, nx_str_z(slash ? slash + 1 : path))};
	if (!f.name.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a file name");
	if (nx_format_of(f.name, NX_STR(""), NULL) == NX_FORMAT_NONE)
		return not_read(f.name, err);
	int r = nx_file_read(a, path, (size_t)FILE_MAX, &f.bytes, err);
	limits.max_text = (size_t)FILE_MAX;
	limits.max_blocks = UINT32_MAX;
	return r < 0 ? r : nx_knowledge_read_native(&limits, &f, a, ret, ret_n, err);
}
