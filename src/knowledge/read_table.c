/*
 * A table as documents, one for each row: its columns are lines of the text, "city: Cairo", and members of the metadata, by
 * which searches can be filtered. The title is the column that is named so, else the first that holds words.
 *
 * The id is the file's with the row's own behind it, "people.csv#17": the value of a column `id` or `_id`, else a hash of
 * the row, so that rows keep their ids when others come and go. Rows that are the same in all columns are numbered.
 */
#include "knowledge/map.h"
#include "knowledge/read_internal.h"

#include "base/io.h"
#include "base/macros.h"

#define TITLE_MAX 200
#define HASH_BYTES 8

struct table {
	const struct nx_knowledge_file *file;
	struct nx_csv csv;
	struct nx_arena *a;
	size_t id, title;     /* columns; nheader: none */
	struct nx_map seen;   /* hash of a row → how often it came */
	yyjson_val *metadata; /* of the file; NULL: none */
};

static size_t find_column(const struct nx_csv *c, const char *const *names)
{
	for (; *names; names++)
		for (size_t i = 0; i < c->nheader; i++)
			if (nx_str_ieq_ascii(c->header[i], nx_str_z(*names)))
				return i;
	return c->nheader;
}

static bool is_number(nx_str s, int64_t *ret_int, double *ret_double, bool *ret_is_int)
{
	bool has_zeros = s.n > 1 && s.p[0] == '0' && s.p[1] != '.';
	if (s.n == 0 || has_zeros || s.p[0] == '+') /* 007 and +49 are names */
		return false;
	*ret_is_int = nx_str_to_i64(s, ret_int);
	return *ret_is_int || nx_str_to_f64(s, ret_double);
}

static nx_str find_title(const struct table *t, const struct nx_csv_row *row)
{
	int64_t i;
	double d;
	bool is_int;
	if (t->title < t->csv.nheader && nx_str_trim(row->fields[t->title]).n)
		return nx_utf8_truncate(nx_str_trim(row->fields[t->title]), TITLE_MAX);
	for (size_t k = 0; k < t->csv.nheader; k++) {
		nx_str s = nx_str_trim(row->fields[k]);
		if (k != t->id && s.n && s.n <= TITLE_MAX && !is_number(s, &i, &d, &is_int))
			return s;
	}
	return nx_str_z(nx_arena_printf(t->a, "%.*s, line %zu", NX_FMT(t->file->name), row->line));
}

static bool add_column(yyjson_mut_doc *d, yyjson_mut_val *o, nx_str name, nx_str value)
{
	int64_t i;
	double f;
	bool is_int;
	yyjson_mut_val *key = yyjson_mut_strncpy(d, name.p, name.n), *v;
	if (!is_number(value, &i, &f, &is_int))
		v = yyjson_mut_strncpy(d, value.p, value.n);
	else
		v = is_int ? yyjson_mut_sint(d, i) : yyjson_mut_real(d, f);
	return key && v && yyjson_mut_obj_put(o, key, v);
}

static int write_metadata(const struct table *t, const struct nx_csv_row *row, nx_str *ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(t->a);
	yyjson_mut_val *o = d ? (t->metadata ? yyjson_val_mut_copy(d, t->metadata) : yyjson_mut_obj(d)) : NULL;
	bool ok = o != NULL;
	for (size_t i = 0; i < t->csv.nheader && ok; i++) {
		nx_str v = nx_str_trim(row->fields[i]);
		ok = v.n == 0 || add_column(d, o, t->csv.header[i], v);
	}
	return ok ? nx_json_write(t->a, o, false, ret, err) : nx_error_set(err, NX_ENOMEM, "no memory for a row");
}

static int write_text(const struct table *t, const struct nx_csv_row *row, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	for (size_t i = 0; i < t->csv.nheader; i++) {
		nx_str v = nx_str_trim(row->fields[i]);
		if (v.n == 0)
			continue;
		nx_buf_addf(&b, "%s%.*s: ", b.n ? "\n" : "", NX_FMT(t->csv.header[i]));
		nx_buf_adds(&b, v);
	}
	*ret = nx_str_dup(t->a, nx_buf_str(&b));
	return nx_buf_failed(&b) || !ret->p ? nx_error_set(err, NX_ENOMEM, "no memory for a row") : 0;
}

static int write_id(struct table *t, const struct nx_csv_row *row, nx_str text, nx_str *ret, struct nx_error **err)
{
	unsigned char hash[32];
	char *z;
	nx_str own = t->id < t->csv.nheader ? nx_str_trim(row->fields[t->id]) : NX_STR_NULL;
	if (own.n) {
		z = nx_arena_printf(t->a, "%.*s#%.*s", NX_FMT(t->file->name), NX_FMT(own));
	} else {
		uint64_t key;
		nx_sha256(text, hash);
		memcpy(&key, hash, sizeof(key));
		key |= 1; /* never 0 */
		uint32_t before = nx_map_get(&t->seen, key), times = before == NX_MAP_NONE ? 1 : before + 1;
		char *hex = nx_hex(t->a, hash, HASH_BYTES);
		if (!hex || !nx_map_reserve(&t->seen, 1) || !nx_map_set(&t->seen, key, times))
			return nx_error_set(err, NX_ENOMEM, "no memory for a row");
		z = times == 1 ? nx_arena_printf(t->a, "%.*s#%s", NX_FMT(t->file->name), hex)
			       : nx_arena_printf(t->a, "%.*s#%s-%u", NX_FMT(t->file->name), hex, times);
	}
	*ret = nx_str_z(z);
	return z ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a row");
}

static int read_row(struct table *t, const struct nx_csv_row *row, struct nx_document *d, struct nx_error **err)
{
	*d = (struct nx_document){.mime = NX_STR("text/plain"), .uri = t->file->uri, .title = find_title(t, row)};
	int r = write_text(t, row, &d->text, err);
	if (r == 0)
		r = write_metadata(t, row, &d->metadata, err);
	if (r == 0)
		r = write_id(t, row, d->text, &d->name, err);
	return r == 0 && !d->title.p ? nx_error_set(err, NX_ENOMEM, "no memory for a row") : r;
}

int nx_read_table(const struct nx_extract_limits *l, const struct nx_knowledge_file *file, nx_str text,
		  struct nx_arena *a, struct nx_document **ret, size_t *ret_n, struct nx_error **err)
{
	static const char *const ids[] = {"id", "_id", NULL};
	static const char *const titles[] = {"title", "name", "العنوان", "الاسم", NULL};
	struct table t = {.file = file, .a = a};
	int r = nx_csv_read(file->name, text, l, a, &t.csv, err);
	if (r == 0 && file->metadata.n)
		r = nx_json_read(a, file->metadata, NULL, &t.metadata, err);
	if (r < 0)
		return r;
	t.metadata = yyjson_is_obj(t.metadata) ? t.metadata : NULL;
	t.id = find_column(&t.csv, ids);
	t.title = find_column(&t.csv, titles);
	struct nx_document *d = nx_arena_array(a, struct nx_document, t.csv.nrows);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu rows", t.csv.nrows);
	for (size_t i = 0; i < t.csv.nrows && r == 0; i++)
		r = read_row(&t, &t.csv.rows[i], &d[i], err);
	nx_map_done(&t.seen);
	*ret = d;
	*ret_n = t.csv.nrows;
	return r;
}
