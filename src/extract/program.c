/*
 * The program that reads foreign formats: `nexus-extract FORMAT MAX-TEXT MAX-BLOCKS MAX-EXPANDED MAX-RATIO MAX-DEPTH`, one
 * document on standard input, one answer on standard output (answer.c). Exit status 0 also when the answer is an error.
 */
#include "base/macros.h"
#include "extract/foreign_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int read_all(int fd, struct nx_buf *b)
{
	char block[65536];
	ssize_t n;
	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || !nx_buf_add(b, block, (size_t)n))
			return -1;
	}
	return 0;
}

/* ---- the answer ---- */

static void add_string(struct nx_buf *b, nx_str s)
{
	nx_buf_addc(b, '"');
	for (size_t i = 0, from = 0; i <= s.n; i++) {
		bool is_plain = i < s.n && s.p[i] != '"' && s.p[i] != '\\' && (unsigned char)s.p[i] >= 0x20;
		if (is_plain)
			continue;
		nx_buf_add(b, s.p + from, i - from);
		from = i + 1;
		if (i < s.n && s.p[i] == '\n')
			nx_buf_addz(b, "\\n");
		else if (i < s.n && (s.p[i] == '"' || s.p[i] == '\\'))
			nx_buf_addf(b, "\\%c", s.p[i]);
		else if (i < s.n)
			nx_buf_addf(b, "\\u%04x", (unsigned char)s.p[i]);
	}
	nx_buf_addc(b, '"');
}

static void write_document(struct nx_buf *b, const struct nx_extracted *d)
{
	nx_buf_addz(b, "{\"title\":");
	add_string(b, d->title);
	nx_buf_addf(b, ",\"unit\":\"%s\",\"text\":", nx_place_names[d->unit]);
	add_string(b, d->text);
	nx_buf_addz(b, ",\"blocks\":[");
	for (size_t i = 0; i < d->nblocks; i++) {
		const struct nx_block *k = &d->blocks[i];
		nx_buf_addf(b, "%s[%u,%u,%u,%u,%u,%u]", i ? "," : "", k->kind, k->level, k->start, k->length, k->from,
			    k->to);
	}
	nx_buf_addz(b, "]}\n");
}

static void write_error(struct nx_buf *b, const struct nx_error *err)
{
	const struct nx_error_info *info = nx_error_info(nx_error_code(err));
	nx_buf_addf(b, "{\"error\":{\"code\":\"%s\",\"message\":", info ? info->name : "NX-TYPE");
	add_string(b, nx_str_z(nx_error_message(err)));
	nx_buf_addz(b, ",\"hint\":");
	add_string(b, nx_str_z(nx_error_get_hint(err)));
	nx_buf_addz(b, "}}\n");
}

/* ---- the document ---- */

/* A file that can be read twice: standard input itself, or a copy. */
static int as_file(void)
{
	struct stat st;
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		return STDIN_FILENO;
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	static FILE *f; /* open until the process ends */
	f = tmpfile();
	if (!f || read_all(STDIN_FILENO, &b) < 0 || fwrite(b.p ? b.p : "", 1, b.n, f) != b.n || fflush(f) != 0)
		return -1;
	return fileno(f);
}

static int extract(nx_str format, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		   struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	if (nx_str_eqz(format, "pdf")) {
		int fd = as_file();
		return fd < 0 ? nx_error_set_errno(err, errno, "read standard input")
			      : nx_pdf_extract(fd, l, a, ret, err);
	}
	if (read_all(STDIN_FILENO, &b) < 0)
		return nx_error_set_errno(err, errno, "read standard input");
	nx_str bytes = b.n ? nx_str_dup(a, nx_buf_str(&b)) : NX_STR("");
	if (!bytes.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	if (nx_str_eqz(format, "html"))
		return nx_html_extract(bytes, l, a, ret, err);
	if (nx_str_eqz(format, "docx"))
		return nx_docx_extract(bytes, l, a, ret, err);
	nx_error_set(err, NX_EINVAL, "the format `%.*s` is not read", NX_FMT(format));
	return nx_error_hint(err, "html, docx or pdf");
}

static bool read_limits(int argc, char **argv, struct nx_extract_limits *ret)
{
	int64_t v[5];
	*ret = nx_extract_limits_default;
	if (argc == 2)
		return true;
	if (argc != 7)
		return false;
	for (int i = 0; i < 5; i++)
		if (!nx_str_to_i64(nx_str_z(argv[i + 2]), &v[i]) || v[i] < 1 || v[i] > INT64_C(1) << 32)
			return false;
	*ret = (struct nx_extract_limits){.max_text = (size_t)v[0],
					  .max_blocks = (size_t)v[1],
					  .max_expanded = (size_t)v[2],
					  .max_ratio = (unsigned)v[3],
					  .max_depth = (unsigned)v[4]};
	return true;
}

int main(int argc, char **argv)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	nx_auto_buf struct nx_buf answer = NX_BUF_INIT;
	struct nx_extract_limits limits;
	struct nx_extracted d;
	if (!a || !read_limits(argc, argv, &limits)) {
		fputs("usage: nexus extract html|docx|pdf <document\n", stderr);
		return 2;
	}
	if (extract(nx_str_z(argv[1]), &limits, a, &d, &err) < 0)
		write_error(&answer, err);
	else
		write_document(&answer, &d);
	if (nx_buf_failed(&answer) || fwrite(answer.p, 1, answer.n, stdout) != answer.n || fflush(stdout) != 0)
		return 1;
	return 0;
}
