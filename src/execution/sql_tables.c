/*
 * SQL over the CSV files of a run: the script that makes a table of each before the program starts.
 *
 * The files are read as RFC 4180 has them, only to name the columns and to tell numbers from text; what fills the tables is
 * the shell of SQLite, inside the walls. A column is NUMERIC, so that 9 is less than 10, unless a value begins like a
 * number without being a plain one (007, 1e5, 2026-01-31): then nothing in it is rewritten.
 */
#include "execution/execution_internal.h"

#include <stdio.h>

#define COLUMNS_MAX 2000 /* SQLITE_MAX_COLUMN */
#define DIGITS_MAX 15    /* what a double keeps */
#define NAME_MAX_BYTES 256
#define NAME_TRIES 8
#define SCRIPT_MAX (8 << 20)

struct column {
	nx_str name;
	bool is_text, has_empty;
};

struct table {
	struct nx_arena *arena;
	struct column *columns;
	size_t n;
};

struct field {
	nx_str raw; /* without the outer quotes; inner ones are still doubled */
	bool is_quoted, ends_record;
};

/* Takes one field off the front. A quote that is never closed takes the rest. */
static struct field take_field(nx_str *rest)
{
	struct field f = {0};
	size_t i = 0, start = 0, end;
	f.is_quoted = rest->n && rest->p[0] == '"';
	if (f.is_quoted) {
		for (i = start = 1; i < rest->n; i++) {
			if (rest->p[i] != '"')
				continue;
			if (i + 1 >= rest->n || rest->p[i + 1] != '"')
				break;
			i++;
		}
	}
	end = i;
	while (i < rest->n && rest->p[i] != ',' && rest->p[i] != '\n')
		i++;
	if (!f.is_quoted) {
		end = i;
		if (end > start && (i == rest->n || rest->p[i] == '\n') && rest->p[end - 1] == '\r')
			end--;
	}
	f.raw = nx_str_slice(*rest, start, end);
	f.ends_record = i >= rest->n || rest->p[i] == '\n';
	*rest = nx_str_slice(*rest, nx_min(i + 1, rest->n), rest->n);
	return f;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)? of at most DIGITS_MAX digits. */
static bool is_plain_number(nx_str s)
{
	size_t i = s.n && s.p[0] == '-', first = i, digits = 0;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		digits++;
	if (!digits || (s.p[first] == '0' && digits > 1))
		return false;
	if (i < s.n && s.p[i] == '.') {
		size_t dot = i++;
		for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
			digits++;
		if (i == dot + 1)
			return false;
	}
	return i == s.n && digits <= DIGITS_MAX;
}

static bool begins_like_a_number(nx_str s)
{
	size_t i = 0;
	while (i < s.n && s.p[i] && strchr("+-. \t", s.p[i]))
		i++;
	return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static void look_at(struct column *c, nx_str value)
{
	c->has_empty |= value.n == 0;
	c->is_text |= begins_like_a_number(value) && !is_plain_number(value);
}

static bool is_taken(const struct table *t, nx_str name)
{
	for (size_t i = 0; i < t->n; i++)
		if (nx_str_ieq_ascii(t->columns[i].name, name))
			return true;
	return false;
}

static nx_str unquote(struct nx_arena *a, struct field f)
{
	char *z = nx_arena_array(a, char, f.raw.n + 1);
	size_t n = 0;
	if (!z)
		return NX_STR_NULL;
	for (size_t i = 0; i < f.raw.n; i++) {
		z[n++] = f.raw.p[i];
		i += f.is_quoted && f.raw.p[i] == '"';
	}
	return nx_str_n(z, n);
}

/* A column without a name is called by its number; one whose name is taken gets its number after the name. */
static int add_column(struct table *t, struct field f, const char *what, struct nx_error **err)
{
	nx_str name = unquote(t->arena, f);
	size_t number = t->n + 1;
	if (name.p && name.n == 0)
		name = nx_str_z(nx_arena_printf(t->arena, "column_%zu", number));
	if (name.n > NAME_MAX_BYTES)
		return nx_error_set(err, NX_EINVAL, "%s has a column whose name is longer than %d bytes", what,
				    NAME_MAX_BYTES);
	nx_str wanted = name;
	for (size_t tries = 0; name.p && is_taken(t, name); tries++, number++) {
		if (tries == NAME_TRIES)
			return nx_error_set(err, NX_EINVAL, "%s has too many columns with the name \"%.*s\"", what,
					    (int)nx_min(wanted.n, (size_t)64), wanted.p);
		name = nx_str_z(nx_arena_printf(t->arena, "%.*s_%zu", NX_FMT(wanted), number));
	}
	if (!name.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for the columns of %s", what);
	t->columns[t->n++].name = name;
	return 0;
}

static int read_header(struct table *t, nx_str *rest, const char *what, struct nx_error **err)
{
	struct field f = {0};
	if (nx_str_starts(*rest, NX_STR("\xef\xbb\xbf")))
		*rest = nx_str_slice(*rest, 3, rest->n);
	if (rest->n == 0)
		return nx_error_set(err, NX_EINVAL, "%s is empty: its first line names the columns", what);
	t->columns = nx_arena_array(t->arena, struct column, COLUMNS_MAX);
	if (!t->columns)
		return nx_error_set(err, NX_ENOMEM, "no memory for the columns of %s", what);
	while (!f.ends_record) {
		if (t->n == COLUMNS_MAX)
			return nx_error_set(err, NX_EINVAL, "%s has more than %d columns", what, COLUMNS_MAX);
		f = take_field(rest);
		if (!nx_utf8_valid(f.raw) || nx_str_find(f.raw, nx_str_n("", 1)) >= 0)
			return nx_error_set(err, NX_EENCODING, "the first line of %s is not UTF-8", what);
		if (add_column(t, f, what, err) < 0)
			return nx_error_code(*err);
	}
	return 0;
}

static void read_rows(struct table *t, nx_str rest)
{
	for (size_t i = 0; rest.n;) {
		struct field f = take_field(&rest);
		if (i < t->n)
			look_at(&t->columns[i], f.raw);
		i = f.ends_record ? 0 : i + 1;
	}
}

static void put_name(struct nx_buf *b, nx_str name)
{
	nx_buf_addc(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		nx_buf_addc(b, name.p[i]);
		if (name.p[i] == '"')
			nx_buf_addc(b, '"');
	}
	nx_buf_addc(b, '"');
}

/* An argument of a dot command: whatever is not plain is written in octal. */
static void put_argument(struct nx_buf *b, nx_str s)
{
	nx_buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				c == '_' || c == '.' || c == '/';
		if (is_plain)
			nx_buf_addc(b, (char)c);
		else
			nx_buf_addf(b, "\\%03o", c);
	}
	nx_buf_addc(b, '"');
}

/* An empty value in a column of numbers is none. */
static void put_empty(struct nx_buf *b, const struct table *t, nx_str name)
{
	bool is_first = true;
	for (size_t i = 0; i < t->n; i++) {
		if (t->columns[i].is_text || !t->columns[i].has_empty)
			continue;
		nx_buf_addz(b, is_first ? "UPDATE " : ", ");
		if (is_first) {
			put_name(b, name);
			nx_buf_addz(b, " SET ");
		}
		put_name(b, t->columns[i].name);
		nx_buf_addz(b, " = NULLIF(");
		put_name(b, t->columns[i].name);
		nx_buf_addz(b, ", '')");
		is_first = false;
	}
	nx_buf_addz(b, is_first ? "" : ";\n");
}

static void put_table(struct nx_buf *b, const struct table *t, nx_str name, nx_str path)
{
	nx_buf_addz(b, "CREATE TABLE ");
	put_name(b, name);
	for (size_t i = 0; i < t->n; i++) {
		nx_buf_addz(b, i ? ", " : "(");
		put_name(b, t->columns[i].name);
		nx_buf_addz(b, t->columns[i].is_text ? " TEXT" : " NUMERIC");
	}
	nx_buf_addz(b, ");\n.import --csv --skip 1 ");
	put_argument(b, path);
	nx_buf_addc(b, ' ');
	put_argument(b, name);
	nx_buf_addc(b, '\n');
	put_empty(b, t, name);
}

static int add_table(struct nx_buf *b, nx_str name, nx_str path, nx_str bytes, struct nx_error **err)
{
	char what[100];
	struct nx_arena *scratch = nx_arena_new(0);
	if (!scratch)
		return nx_error_set(err, NX_ENOMEM, "no memory for a table");
	struct table t = {.arena = scratch};
	snprintf(what, sizeof(what), "the table \"%.*s\"", (int)nx_min(name.n, (size_t)64), name.p);
	int r = read_header(&t, &bytes, what, err);
	if (r == 0) {
		read_rows(&t, bytes);
		put_table(b, &t, name, path);
		if (b->n > SCRIPT_MAX)
			r = nx_error_set(err, NX_ELIMIT, "the names of the columns are longer than %d bytes together",
					 SCRIPT_MAX);
	}
	nx_arena_free(scratch);
	return r;
}

/* The name of the table of a file; empty when the file is no table. */
static nx_str table_of(nx_str path)
{
	size_t start = path.n;
	while (start > 0 && path.p[start - 1] != '/')
		start--;
	if (path.n - start < 4 || !nx_str_ieq_ascii(nx_str_slice(path, path.n - 4, path.n), NX_STR(".csv")))
		return NX_STR_NULL;
	return nx_str_slice(path, start, path.n - 4);
}

static int check_name(const struct nx_exec *x, size_t at, nx_str name, struct nx_error **err)
{
	bool is_twice = x->stdin_text.n && nx_str_ieq_ascii(name, NX_STR("stdin"));
	for (size_t i = 0; i < at && !is_twice; i++)
		is_twice = nx_str_ieq_ascii(table_of(x->files[i].path), name);
	if (is_twice)
		nx_error_set(err, NX_EINVAL, "two files would be the table \"%.*s\"", NX_FMT(name));
	else if (nx_str_ieq_ascii(nx_str_slice(name, 0, nx_min(name.n, (size_t)7)), NX_STR("sqlite_")))
		nx_error_set(err, NX_EINVAL, "names of tables that begin with \"sqlite_\" are SQLite's own");
	else
		return 0;
	return nx_error_at(err, "/files/%zu/path", at);
}

static int add_file(struct nx_buf *b, const struct nx_exec *x, size_t at, struct nx_error **err)
{
	char path[NX_EXEC_PATH_MAX + 16];
	const struct nx_exec_file *f = &x->files[at];
	nx_str name = table_of(f->path);
	if (name.n == 0)
		return 0;
	if (check_name(x, at, name, err) < 0)
		return nx_error_code(*err);
	snprintf(path, sizeof(path), "./%.*s", NX_FMT(f->path)); /* wherever /work lies */
	if (add_table(b, name, nx_str_z(path), f->bytes, err) < 0)
		return nx_error_at(err, "/files/%zu", at);
	return 0;
}

int nx_sql_tables(const struct nx_exec *x, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = {0};
	int r = 0;
	for (size_t i = 0; i < x->nfiles && r == 0; i++)
		r = add_file(&b, x, i, err);
	if (r == 0 && x->stdin_text.n &&
	    (r = add_table(&b, NX_STR("stdin"), NX_STR("../code/stdin.csv"), x->stdin_text, err)) < 0)
		r = nx_error_at(err, "/stdin");
	if (r < 0)
		return r;
	nx_buf_addz(&b, ".mode csv\n.separator \",\" \"\\n\"\n.headers on\n");
	nx_str text = nx_buf_str(&b);
	char *kept = nx_buf_failed(&b) ? NULL : nx_arena_array(a, char, text.n + 1);
	if (!kept)
		return nx_error_set(err, NX_ENOMEM, "no memory for the tables of a run");
	memcpy(kept, text.p, text.n);
	*ret = nx_str_n(kept, text.n);
	return 0;
}
