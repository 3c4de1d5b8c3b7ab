/* Files as documents: .txt and .md whole, .jsonl a line each. */
#include "knowledge/knowledge.h"

#include "base/io.h"

/* A file is read whole; a corpus larger than this is many files. */
#define FILE_MAX (INT64_C(1) << 30)
#define LINE_DEPTH 32

static nx_str base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return nx_str_z(slash ? slash + 1 : path);
}

static bool has_suffix(nx_str name, const char *suffix)
{
	nx_str s = nx_str_z(suffix);
	return name.n > s.n && nx_str_ieq_ascii(nx_str_slice(name, name.n - s.n, name.n), s);
}

static size_t line_number(nx_str text, size_t at)
{
	size_t n = 1;
	for (size_t i = 0; i < at && i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

/* Formats that people rename by mistake, told by their first bytes. */
static const char *binary_kind(nx_str t)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *kind;
	} kinds[] = {{"%PDF-", 5, "a PDF file"},
		     {"PK\3\4", 4, "a zip archive (or an office document)"},
		     {"\x7f"
		      "ELF",
		      4, "a program"},
		     {"\x89PNG", 4, "a PNG image"},
		     {"\xff\xd8\xff", 3, "a JPEG image"},
		     {"GIF8", 4, "a GIF image"},
		     {"\x1f\x8b", 2, "gzip data"},
		     {"SQLite format 3", 15, "an SQLite database"},
		     {"\xff\xfe", 2, "UTF-16 text; save it as UTF-8"},
		     {"\xfe\xff", 2, "UTF-16 text; save it as UTF-8"}};
	for (size_t i = 0; i < nx_countof(kinds); i++)
		if (t.n >= kinds[i].n && memcmp(t.p, kinds[i].magic, kinds[i].n) == 0)
			return kinds[i].kind;
	return NULL;
}

static int check_text(nx_str name, nx_str t, struct nx_error **err)
{
	const char *kind = binary_kind(t);
	if (kind)
		return nx_error_set(err, NX_ETYPE, "%.*s is not text: it is %s", NX_FMT(name), kind);
	const char *nul = t.n ? memchr(t.p, '\0', t.n) : NULL;
	ptrdiff_t bad = nx_utf8_invalid_at(t);
	if (nul && (bad < 0 || nul - t.p < bad))
		return nx_error_set(err, NX_ETYPE, "%.*s is not text: line %zu holds a NUL byte", NX_FMT(name),
				    line_number(t, (size_t)(nul - t.p)));
	if (bad >= 0)
		return nx_error_set(err, NX_ETYPE, "%.*s is not UTF-8 text: line %zu, byte 0x%02x", NX_FMT(name),
				    line_number(t, (size_t)bad), (unsigned char)t.p[bad]);
	return 0;
}

static int string_member(yyjson_val *o, const char *key, bool needed, nx_str *ret, const char **ret_fault)
{
	yyjson_val *v = yyjson_obj_get(o, key);
	if (!v || yyjson_is_null(v)) {
		if (needed)
			*ret_fault = "has no \"text\"";
		return needed ? NX_ETYPE : 0;
	}
	if (!yyjson_is_str(v)) {
		*ret_fault = strcmp(key, "text") == 0 ? "has a \"text\" that is not a string"
						      : "has a member of the wrong type";
		return NX_ETYPE;
	}
	*ret = nx_json_val_str(v);
	return 0;
}

/* Numbers are taken as ids too: many corpora have them. */
static int read_id(yyjson_val *o, struct nx_arena *a, nx_str *ret, const char **ret_fault)
{
	yyjson_val *v = yyjson_obj_get(o, "id");
	v = v ? v : yyjson_obj_get(o, "_id");
	if (!v || yyjson_is_null(v))
		return 0;
	if (yyjson_is_str(v)) {
		*ret = nx_json_val_str(v);
		return 0;
	}
	if (yyjson_is_int(v)) {
		*ret = nx_str_z(nx_arena_printf(a, "%lld", (long long)yyjson_get_sint(v)));
		return ret->p ? 0 : NX_ENOMEM;
	}
	*ret_fault = "has an \"id\" that is neither a string nor an integer";
	return NX_ETYPE;
}

static int read_record(yyjson_val *o, struct nx_arena *a, struct nx_document *d, const char **ret_fault)
{
	if (!yyjson_is_obj(o)) {
		*ret_fault = "is not a JSON object";
		return NX_ETYPE;
	}
	int r = read_id(o, a, &d->name, ret_fault);
	if (r == 0)
		r = string_member(o, "title", false, &d->title, ret_fault);
	if (r == 0)
		r = string_member(o, "text", true, &d->text, ret_fault);
	if (r == 0)
		r = string_member(o, "uri", false, &d->uri, ret_fault);
	yyjson_val *m = yyjson_obj_get(o, "metadata");
	if (r < 0 || !m || yyjson_is_null(m))
		return r;
	if (!yyjson_is_obj(m)) {
		*ret_fault = "has \"metadata\" that is not an object";
		return NX_ETYPE;
	}
	return nx_json_write_val(a, m, false, &d->metadata, NULL);
}

static int read_line(nx_str name, nx_str line, size_t number, struct nx_arena *a, struct nx_document *d,
		     struct nx_error **err)
{
	yyjson_val *o = NULL;
	nx_auto_error struct nx_error *why = NULL;
	const char *fault = "";
	int r = nx_json_read(a, line, &(struct nx_json_limits){.max_depth = LINE_DEPTH}, &o, &why);
	if (r == NX_ENOMEM)
		return nx_error_move(err, nx_steal(why));
	if (r < 0)
		return nx_error_set(err, NX_ETYPE, "%.*s: line %zu is not JSON: %s", NX_FMT(name), number,
				    nx_error_message(why));
	r = read_record(o, a, d, &fault);
	if (r == NX_ETYPE)
		return nx_error_set(err, NX_ETYPE, "%.*s: line %zu %s", NX_FMT(name), number, fault);
	return r < 0 ? nx_error_set(err, r, "%.*s: line %zu could not be read", NX_FMT(name), number) : 0;
}

int nx_knowledge_read_jsonl(nx_str name, nx_str text, struct nx_arena *a, struct nx_document **ret, size_t *ret_n,
			    struct nx_error **err)
{
	size_t lines = 1, n = 0, number = 0;
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	struct nx_document *d = nx_arena_array(a, struct nx_document, lines);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu lines", lines);
	while (text.n) {
		nx_str line = nx_str_trim(nx_str_cut(&text, '\n'));
		number++;
		if (line.n == 0)
			continue;
		int r = read_line(name, line, number, a, &d[n++], err);
		if (r < 0)
			return r;
	}
	if (n == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s holds no documents", NX_FMT(name));
	*ret = d;
	*ret_n = n;
	return 0;
}

static int read_whole(nx_str name, nx_str text, const char *mime, struct nx_arena *a, struct nx_document **ret,
		      size_t *ret_n, struct nx_error **err)
{
	struct nx_document *d = nx_arena_new_of(a, struct nx_document);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	if (nx_str_trim(text).n == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s is empty", NX_FMT(name));
	*d = (struct nx_document){.name = name, .text = text, .mime = nx_str_z(mime)};
	*ret = d;
	*ret_n = 1;
	return 0;
}

int nx_knowledge_read_file(const char *path, struct nx_arena *a, struct nx_document **ret, size_t *ret_n,
			   struct nx_error **err)
{
	nx_str name = nx_str_dup(a, base_name(path)), text;
	bool markdown = has_suffix(name, ".md") || has_suffix(name, ".markdown"), jsonl = has_suffix(name, ".jsonl");
	if (!name.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a file name");
	if (!markdown && !jsonl && !has_suffix(name, ".txt")) {
		(void)nx_error_set(err, NX_ETYPE, "%.*s is not a kind of file that is read", NX_FMT(name));
		return nx_error_hint(err, "give .txt, .md or .jsonl files");
	}
	int r = nx_file_read(a, path, (size_t)FILE_MAX, &text, err);
	if (r == 0)
		r = check_text(name, text, err);
	if (r < 0)
		return r;
	if (nx_str_starts(text, NX_STR("\xef\xbb\xbf"))) /* a byte order mark is not text */
		text = nx_str_slice(text, 3, text.n);
	if (jsonl)
		return nx_knowledge_read_jsonl(name, text, a, ret, ret_n, err);
	return read_whole(name, text, markdown ? "text/markdown" : "text/plain", a, ret, ret_n, err);
}
