/*
 * Documents of many formats as text with an outline: what is read, and where in the source it stood.
 *
 * Two kinds of formats. Native ones (text, Markdown, CSV, JSON, code) are small enough to be read by decoders of our own,
 * anywhere. Foreign ones (HTML, Word, PDF) are read by other people's parsers, which never run in the server: they are a
 * program of their own (program.c), embedded here as nx_extract_program, which reads one document from standard input and
 * writes one JSON object to standard output; whoever uses it runs it in a sandbox and reads the answer with
 * nx_extract_read_answer, which believes nothing.
 *
 * The text that comes out is UTF-8 in NFC without control characters but newline and tab. Blocks are in order, do not
 * overlap, and between them stand only newlines. A block's place is where its source stands, counted from 1 in the unit of
 * its document: lines of a text format, rows of a table, pages of a PDF, paragraphs of a Word document; HTML has none.
 *
 * All functions are pure and may be called on any thread. Results live in the arena, or in the bytes that were given.
 */
#ifndef NX_EXTRACT_EXTRACT_H
#define NX_EXTRACT_EXTRACT_H

#include "base/str.h"

enum nx_format {
	NX_FORMAT_NONE, /* none that is read */
	NX_FORMAT_TEXT,
	NX_FORMAT_MARKDOWN,
	NX_FORMAT_CSV,
	NX_FORMAT_JSON,
	NX_FORMAT_JSONL,
	NX_FORMAT_CODE,
	NX_FORMAT_HTML,
	NX_FORMAT_DOCX,
	NX_FORMAT_PDF,
	NX_FORMAT_MAX
};
const char *nx_format_name(enum nx_format f); /* "text", "markdown", … */
bool nx_format_is_foreign(enum nx_format f);

/* By the ending of a file's name, or else by its type (RFC 9110; parameters are ignored; "" and application/octet-stream
 * say nothing). *ret_mime, which may be NULL: the type that documents of it are stored with, a literal. */
enum nx_format nx_format_of(nx_str name, nx_str mime, const char **ret_mime);
/* The endings that are read, for messages: ".txt, .md, …". */
const char *nx_format_endings(void);
/* What the first bytes are of: "a PDF file"; NULL when they could be text. */
const char *nx_format_binary_kind(nx_str bytes);

enum nx_block_kind { NX_BLOCK_HEADING, NX_BLOCK_PARAGRAPH, NX_BLOCK_ITEM, NX_BLOCK_ROW, NX_BLOCK_CODE, NX_BLOCK_MAX };
enum nx_place_unit { NX_PLACE_NONE, NX_PLACE_LINE, NX_PLACE_ROW, NX_PLACE_PAGE, NX_PLACE_PARAGRAPH, NX_PLACE_MAX };
extern const char *const nx_place_names[NX_PLACE_MAX]; /* "", "line", "row", "page", "paragraph" */

struct nx_block {
	uint32_t start, length; /* bytes of the text */
	uint32_t from, to;      /* place; 0: none */
	uint8_t kind;           /* enum nx_block_kind */
	uint8_t level;          /* of a heading, 1 to 6; of an item or a definition in code, its depth */
};
struct nx_extracted {
	nx_str title; /* empty: none was found */
	nx_str text;
	struct nx_block *blocks;
	size_t nblocks;
	enum nx_place_unit unit;
};

struct nx_extract_limits {
	size_t max_text;     /* bytes of text that come out: knowledge.max_document_bytes */
	size_t max_blocks;   /* knowledge.max_blocks */
	size_t max_expanded; /* bytes unpacked of an archive: knowledge.max_expanded_bytes */
	unsigned max_ratio;  /* of unpacked to packed, above 1 MiB: knowledge.max_expansion */
	unsigned max_depth;  /* of nested elements: knowledge.max_nesting */
};
extern const struct nx_extract_limits nx_extract_limits_default;

/* ---- encoding.c ---- */

/*
 * Any text as UTF-8 without its byte order mark. A mark decides; else what is UTF-8 is UTF-8; else `hint` (a label of the
 * WHATWG Encoding Standard, may be empty) where it names one of the two we know; else Windows-1252 and Windows-1256 are told
 * apart by the company that letters above 0x7f keep: in Western text they stand between ASCII letters, in Arabic among
 * themselves. NX_EENCODING when neither is three times as frequent; NX_ETYPE for what holds NULs and is not UTF-16.
 * *ret_encoding: "UTF-8", "UTF-16", "windows-1252", "windows-1256".
 */
int nx_text_decode(nx_str name, nx_str bytes, nx_str hint, struct nx_arena *a, nx_str *ret, const char **ret_encoding,
		   struct nx_error **err);

/* ---- native decoders; the text has passed nx_text_decode ---- */

/* A table as RFC 4180 has it, and as it is found: separated by commas, semicolons, tabs or bars, whichever cuts the first
 * lines most evenly; quotes may hold separators, quotes and line ends. The first row is the header. A row that is shorter
 * than the header lacks its last columns; what a longer one has beyond it is NX_EPARSE with the row, unless it is empty. */
struct nx_csv_row {
	nx_str *fields; /* nheader of them; what the row lacks is empty */
	size_t line;    /* in the source, from 1 */
};
struct nx_csv {
	nx_str *header;
	size_t nheader;
	struct nx_csv_row *rows;
	size_t nrows;
	char separator;
};
int nx_csv_read(nx_str name, nx_str text, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_csv *ret,
		struct nx_error **err);

/* Any JSON value, strict, as lines "path: value", a block for each member or element of the root. */
int nx_json_extract(nx_str name, nx_str text, const struct nx_extract_limits *l, struct nx_arena *a,
		    struct nx_extracted *ret, struct nx_error **err);

/* Blocks of program text, which stays as it is: a definition with the comment before it, by the rules of the language that
 * `mime` names (text/x-python …): where a line begins that is indented no deeper than the definitions around it, after a
 * blank line, and a block is long enough. */
int nx_code_outline(nx_str text, nx_str mime, const struct nx_extract_limits *l, struct nx_arena *a,
		    struct nx_block **ret, size_t *ret_n, struct nx_error **err);
bool nx_mime_is_code(nx_str mime);

/* ---- the program ---- */

/* The bytes of the program that reads foreign formats; n = 0: this build has none. */
nx_str nx_extract_program(void);
/* Arguments of a run, each a text in the arena, ended by NULL: the program's name, the format and the limits. */
char **nx_extract_arguments(enum nx_format f, const struct nx_extract_limits *l, struct nx_arena *a);
/* What it wrote: the document, or the error that it reports. NX_EPARSE when it is neither, or is over a limit. */
int nx_extract_read_answer(nx_str json, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
			   struct nx_error **err);
/* `nexus extract`: becomes that program. An exit status. */
int nx_extract_main(int argc, char **argv);

#endif
