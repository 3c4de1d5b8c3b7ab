/* Which formats there are, and by what they are known. */
#include "extract/extract.h"

#include "base/macros.h"

const char *const nx_place_names[NX_PLACE_MAX] = {"", "line", "row", "page", "paragraph"};

const struct nx_extract_limits nx_extract_limits_default = {
	.max_text = 16 << 20, .max_blocks = 100000, .max_expanded = 256 << 20, .max_ratio = 200, .max_depth = 256};

/* The first row of a type is the one that documents are stored with. */
static const struct {
	const char *ending, *mime;
	enum nx_format format;
} formats[] = {
	{".txt", "text/plain", NX_FORMAT_TEXT},
	{".md", "text/markdown", NX_FORMAT_MARKDOWN},
	{".markdown", "text/markdown", NX_FORMAT_MARKDOWN},
	{".html", "text/html", NX_FORMAT_HTML},
	{".htm", "text/html", NX_FORMAT_HTML},
	{".xhtml", "application/xhtml+xml", NX_FORMAT_HTML},
	{".pdf", "application/pdf", NX_FORMAT_PDF},
	{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", NX_FORMAT_DOCX},
	{".csv", "text/csv", NX_FORMAT_CSV},
	{".tsv", "text/tab-separated-values", NX_FORMAT_CSV},
	{".json", "application/json", NX_FORMAT_JSON},
	{".jsonl", "application/jsonl", NX_FORMAT_JSONL},
	{".ndjson", "application/x-ndjson", NX_FORMAT_JSONL},
	{".py", "text/x-python", NX_FORMAT_CODE},
	{".js", "text/javascript", NX_FORMAT_CODE},
	{".mjs", "text/javascript", NX_FORMAT_CODE},
	{".ts", "text/x-typescript", NX_FORMAT_CODE},
	{".c", "text/x-c", NX_FORMAT_CODE},
	{".h", "text/x-c", NX_FORMAT_CODE},
	{".go", "text/x-go", NX_FORMAT_CODE},
	{".rs", "text/x-rust", NX_FORMAT_CODE},
	{".java", "text/x-java", NX_FORMAT_CODE},
	{".sh", "text/x-shellscript", NX_FORMAT_CODE},
	{".sql", "application/sql", NX_FORMAT_CODE},
};

/* Other names of the same types. */
static const struct {
	const char *mime, *stored;
	enum nx_format format;
} aliases[] = {
	{"text/x-markdown", "text/markdown", NX_FORMAT_MARKDOWN},
	{"application/csv", "text/csv", NX_FORMAT_CSV},
	{"text/json", "application/json", NX_FORMAT_JSON},
	{"application/x-ndjson", "application/jsonl", NX_FORMAT_JSONL},
	{"application/javascript", "text/javascript", NX_FORMAT_CODE},
	{"text/x-sql", "application/sql", NX_FORMAT_CODE},
};

const char *nx_format_name(enum nx_format f)
{
	static const char *const names[NX_FORMAT_MAX] = {"none",  "text", "markdown", "csv",  "json",
							 "jsonl", "code", "html",     "docx", "pdf"};
	return (unsigned)f < NX_FORMAT_MAX ? names[f] : "none";
}

bool nx_format_is_foreign(enum nx_format f)
{
	return f == NX_FORMAT_HTML || f == NX_FORMAT_DOCX || f == NX_FORMAT_PDF;
}

const char *nx_format_endings(void)
{
	return ".txt, .md, .html, .pdf, .docx, .csv, .tsv, .json, .jsonl, or code (.py .js .ts .c .h .go .rs .java .sh .sql)";
}

static bool has_ending(nx_str name, const char *ending)
{
	nx_str e = nx_str_z(ending);
	return name.n > e.n && nx_str_ieq_ascii(nx_str_slice(name, name.n - e.n, name.n), e);
}

static bool says_nothing(nx_str mime)
{
	return mime.n == 0 || nx_str_ieq_ascii(mime, NX_STR("application/octet-stream"));
}

static enum nx_format by_mime(nx_str mime, const char **ret_mime)
{
	for (size_t i = 0; i < nx_countof(formats); i++) {
		if (nx_str_ieq_ascii(mime, nx_str_z(formats[i].mime))) {
			*ret_mime = formats[i].mime;
			return formats[i].format;
		}
	}
	for (size_t i = 0; i < nx_countof(aliases); i++) {
		if (nx_str_ieq_ascii(mime, nx_str_z(aliases[i].mime))) {
			*ret_mime = aliases[i].stored;
			return aliases[i].format;
		}
	}
	return NX_FORMAT_NONE;
}

enum nx_format nx_format_of(nx_str name, nx_str mime, const char **ret_mime)
{
	const char *unused;
	const char **stored = ret_mime ? ret_mime : &unused;
	*stored = NULL;
	for (size_t i = 0; i < nx_countof(formats); i++) {
		if (has_ending(name, formats[i].ending)) {
			*stored = formats[i].mime;
			return formats[i].format;
		}
	}
	nx_str type = nx_str_trim(nx_str_cut(&mime, ';'));
	return says_nothing(type) ? NX_FORMAT_NONE : by_mime(type, stored);
}

bool nx_mime_is_code(nx_str mime)
{
	const char *stored;
	return by_mime(mime, &stored) == NX_FORMAT_CODE;
}

const char *nx_format_binary_kind(nx_str t)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *kind;
	} kinds[] = {{"%PDF-", 5, "a PDF file"},
		     {"PK\3\4", 4, "a zip archive (or an office document)"},
		     {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, "an old office document; save it as .docx"},
		     {"{\\rtf", 5, "a rich text document; save it as .docx"},
		     {"\x7f"
		      "ELF",
		      4, "a program"},
		     {"\x89PNG", 4, "a PNG image"},
		     {"\xff\xd8\xff", 3, "a JPEG image"},
		     {"GIF8", 4, "a GIF image"},
		     {"\x1f\x8b", 2, "gzip data"},
		     {"SQLite format 3", 15, "an SQLite database"}};
	for (size_t i = 0; i < nx_countof(kinds); i++)
		if (t.n >= kinds[i].n && memcmp(t.p, kinds[i].magic, kinds[i].n) == 0)
			return kinds[i].kind;
	return NULL;
}
