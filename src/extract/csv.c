/* Tables as text. */
#include "base/macros.h"
#include "extract/extract.h"

#define COLUMNS_MAX 1024
#define SAMPLE_ROWS 20

struct reader {
	nx_str name, text;
	size_t at, line;
	char separator;
	struct nx_arena *arena;
	nx_str *fields; /* of the row that was read last */
	size_t n, cap;
};

static bool is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

static int push(struct reader *r, nx_str field, struct nx_error **err)
{
	if (r->n == COLUMNS_MAX)
		return nx_error_set(err, NX_ELIMIT, "%.*s: line %zu has more than %d columns", NX_FMT(r->name), r->line,
				    COLUMNS_MAX);
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 16;
		nx_str *v = nx_arena_realloc(r->arena, r->fields, r->cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return nx_error_set(err, NX_ENOMEM, "no memory for a row of %.*s", NX_FMT(r->name));
		r->fields = v;
		r->cap = cap;
	}
	r->fields[r->n++] = field;
	return 0;
}

/* From behind the opening quote to behind the closing one. */
static int read_quoted(struct reader *r, nx_str *ret, struct nx_error **err)
{
	size_t from = r->at, began = r->line, doubled = 0;
	for (; r->at < r->text.n; r->at++) {
		char c = r->text.p[r->at];
		r->line += c == '\n';
		if (c != '"')
			continue;
		if (r->at + 1 < r->text.n && r->text.p[r->at + 1] == '"') {
			r->at++;
			doubled++;
			continue;
		}
		*ret = nx_str_slice(r->text, from, r->at++);
		break;
	}
	if (!ret->p) {
		nx_error_set(err, NX_EPARSE, "%.*s: the quote that opens in line %zu is never closed", NX_FMT(r->name),
			     began);
		return nx_error_hint(err, "write a quote inside quotes twice: \"\"");
	}
	if (doubled == 0)
		return 0;
	char *out = nx_arena_alloc(r->arena, ret->n - doubled + 1);
	size_t n = 0;
	if (!out)
		return nx_error_set(err, NX_ENOMEM, "no memory for a row of %.*s", NX_FMT(r->name));
	for (size_t i = 0; i < ret->n; i++) {
		out[n++] = ret->p[i];
		i += ret->p[i] == '"'; /* the second one */
	}
	*ret = nx_str_n(out, n);
	return 0;
}

static int read_field(struct reader *r, nx_str *ret, struct nx_error **err)
{
	*ret = NX_STR_NULL;
	if (r->at < r->text.n && r->text.p[r->at] == '"') {
		r->at++;
		int rc = read_quoted(r, ret, err);
		if (rc < 0)
			return rc;
		while (r->at < r->text.n && r->text.p[r->at] == ' ' && r->separator != ' ')
			r->at++;
		if (r->at == r->text.n || r->text.p[r->at] == r->separator || is_line_end(r->text.p[r->at]))
			return 0;
		nx_error_set(err, NX_EPARSE, "%.*s: line %zu has text behind a closing quote", NX_FMT(r->name),
			     r->line);
		return nx_error_hint(err, "write a quote inside quotes twice: \"\"");
	}
	size_t from = r->at;
	while (r->at < r->text.n && r->text.p[r->at] != r->separator && !is_line_end(r->text.p[r->at]))
		r->at++;
	*ret = nx_str_slice(r->text, from, r->at);
	return 0;
}

static void skip_line_end(struct reader *r)
{
	if (r->at < r->text.n && r->text.p[r->at] == '\r')
		r->at++;
	if (r->at < r->text.n && r->text.p[r->at] == '\n')
		r->at++;
	r->line++;
}

/* 1: a row; 0: there is none left. Rows without anything in them are passed over. */
static int read_row(struct reader *r, size_t *ret_line, struct nx_error **err)
{
	for (;;) {
		bool has_text = false;
		r->n = 0;
		if (r->at >= r->text.n)
			return 0;
		*ret_line = r->line;
		for (;;) {
			nx_str field;
			int rc = read_field(r, &field, err);
			if (rc == 0)
				rc = push(r, field, err);
			if (rc < 0)
				return rc;
			has_text |= nx_str_trim(field).n > 0;
			if (r->at >= r->text.n || r->text.p[r->at] != r->separator)
				break;
			r->at++;
		}
		skip_line_end(r);
		if (has_text)
			return 1;
	}
}

/* How many of the first rows have as many columns as the first; 0: that has only one. */
static size_t evenness(const struct reader *r, char separator, size_t *ret_columns)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *ignored = NULL;
	struct reader sample = {.name = r->name, .text = r->text, .line = 1, .separator = separator, .arena = a};
	size_t even = 0, line;
	*ret_columns = 0;
	for (size_t i = 0; a && i < SAMPLE_ROWS && read_row(&sample, &line, &ignored) > 0; i++) {
		if (i == 0)
			*ret_columns = sample.n;
		even += sample.n == *ret_columns;
	}
	return *ret_columns > 1 ? even : 0;
}

static char find_separator(const struct reader *r)
{
	static const char candidates[] = {',', ';', '\t', '|'};
	size_t best = 0, most = 0, columns;
	char found = ',';
	for (size_t i = 0; i < sizeof(candidates); i++) {
		size_t even = evenness(r, candidates[i], &columns);
		if (even > best || (even == best && even && columns > most)) {
			best = even;
			most = columns;
			found = candidates[i];
		}
	}
	return found;
}

static int name_column(struct reader *r, struct nx_csv *c, size_t i, struct nx_error **err)
{
	nx_str name = nx_str_trim(r->fields[i]);
	unsigned same = 1;
	for (size_t j = 0; j < i; j++)
		same += name.n && nx_str_eq(nx_str_trim(r->fields[j]), name);
	if (name.n == 0)
		name = nx_str_z(nx_arena_printf(r->arena, "column %zu", i + 1));
	else if (same > 1)
		name = nx_str_z(nx_arena_printf(r->arena, "%.*s (%u)", NX_FMT(name), same));
	c->header[i] = name;
	return name.p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for the header of %.*s", NX_FMT(r->name));
}

static int read_header(struct reader *r, struct nx_csv *c, struct nx_error **err)
{
	size_t line;
	int rc = read_row(r, &line, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s is empty", NX_FMT(r->name));
	c->nheader = r->n;
	c->header = nx_arena_array(r->arena, nx_str, r->n);
	if (!c->header)
		return nx_error_set(err, NX_ENOMEM, "no memory for the header of %.*s", NX_FMT(r->name));
	for (size_t i = 0; i < r->n && rc >= 0; i++)
		rc = name_column(r, c, i, err);
	return rc < 0 ? rc : 0;
}

static int keep_row(struct reader *r, struct nx_csv *c, size_t line, size_t *cap, const struct nx_extract_limits *l,
		    struct nx_error **err)
{
	for (size_t i = c->nheader; i < r->n; i++) {
		if (nx_str_trim(r->fields[i]).n == 0)
			continue;
		nx_error_set(err, NX_EPARSE, "%.*s: line %zu has %zu columns, the header %zu", NX_FMT(r->name), line,
			     r->n, c->nheader);
		return nx_error_hint(err, "quote fields that hold the separator \"%c\"", r->separator);
	}
	if (c->nrows == l->max_blocks)
		return nx_error_set(err, NX_ELIMIT, "%.*s has more than %zu rows (knowledge.max_blocks)",
				    NX_FMT(r->name), l->max_blocks);
	if (c->nrows == *cap) {
		size_t more = *cap ? 2 * *cap : 64;
		c->rows = nx_arena_realloc(r->arena, c->rows, *cap * sizeof(*c->rows), more * sizeof(*c->rows));
		*cap = more;
	}
	nx_str *fields = nx_arena_array(r->arena, nx_str, c->nheader);
	if (!c->rows || !fields)
		return nx_error_set(err, NX_ENOMEM, "no memory for the rows of %.*s", NX_FMT(r->name));
	memcpy(fields, r->fields, nx_min(r->n, c->nheader) * sizeof(*fields));
	c->rows[c->nrows++] = (struct nx_csv_row){.fields = fields, .line = line};
	return 0;
}

int nx_csv_read(nx_str name, nx_str text, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_csv *ret,
		struct nx_error **err)
{
	struct reader r = {.name = name, .text = text, .line = 1, .arena = a};
	struct nx_csv c = {0};
	size_t cap = 0, line;
	r.separator = c.separator = find_separator(&r);
	int rc = read_header(&r, &c, err);
	while (rc == 0 && (rc = read_row(&r, &line, err)) > 0)
		rc = keep_row(&r, &c, line, &cap, l, err);
	if (rc < 0)
		return rc;
	if (c.nrows == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s has a header and no rows", NX_FMT(name));
	*ret = c;
	return 0;
}
