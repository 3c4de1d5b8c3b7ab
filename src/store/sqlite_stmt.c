/* Statements: their parameters' spelling, and the cache. */
#include "base/assert.h"
#include "base/fault.h"
#include "store/sqlite_internal.h"

#include <ctype.h>

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

/* The byte after the quoted run, or comment, that starts at p; p itself when none starts there. */
static const char *skip_opaque(const char *p)
{
	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\n");
	if (p[0] == '/' && p[1] == '*') {
		const char *end = strstr(p + 2, "*/");
		return end ? end + 2 : p + strlen(p);
	}
	if (*p != '\'' && *p != '"' && *p != '`')
		return p;
	/* A doubled quote stands for itself: it ends one run and starts the next, which comes to the same. */
	const char *end = strchr(p + 1, *p);
	return end ? end + 1 : p + strlen(p);
}

static int rewrite_param(const char **p, struct nx_buf *out, struct nx_error **err)
{
	const char *digits = *p + 1;
	size_t n = strspn(digits, "0123456789");
	int64_t index;
	if (n == 0 || digits[0] == '0' || is_name_byte(digits[n]) || !nx_str_to_i64(nx_str_n(digits, n), &index) ||
	    index > NX_SQLITE_MAX_PARAMS)
		return nx_error_set(err, NX_EINTERNAL, "parameters are $1 to $%d, not %.12s", NX_SQLITE_MAX_PARAMS, *p);
	(void)nx_buf_addc(out, '?');
	(void)nx_buf_add(out, digits, n);
	*p = digits + n;
	return 0;
}

int nx_sqlite_rewrite(const char *sql, char **ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf out = NX_BUF_INIT;
	for (const char *p = sql; *p;) {
		const char *end = skip_opaque(p);
		if (end == p && *p == '$') {
			int rc = rewrite_param(&p, &out, err);
			if (rc)
				return rc;
			continue;
		}
		if (end == p && is_name_byte(*p))
			while (is_name_byte(*end))
				end++;
		else if (end == p)
			end++;
		(void)nx_buf_add(&out, p, (size_t)(end - p));
		p = end;
	}
	*ret = nx_buf_steal(&out);
	return *ret ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a statement");
}

static void stmt_free(struct nx_sqlite_stmt *s)
{
	(void)sqlite3_finalize(s->h); /* repeats the last step's error, which was reported then */
	free(s->text);
	free(s);
}

/* Compiles the text into s->h. */
static int compile(struct nx_sqlite *d, struct nx_sqlite_stmt *s, struct nx_error **err)
{
	if (NX_FAULT(store_prepare))
		return nx_error_set(err, NX_EIO, "injected fault: prepare");
	nx_auto_free char *rewritten = NULL;
	int rc = nx_sqlite_rewrite(s->text, &rewritten, err);
	if (rc)
		return rc;
	const char *tail = NULL;
	rc = sqlite3_prepare_v3(d->h, rewritten, -1, SQLITE_PREPARE_PERSISTENT, &s->h, &tail);
	if (rc)
		return nx_sqlite_error(d, rc, s->text, err);
	if (!s->h || tail[strspn(tail, " \t\n;")])
		return nx_error_set(err, NX_EINTERNAL, "one statement at a time, not: %.80s", s->text);
	s->nparams = (size_t)sqlite3_bind_parameter_count(s->h);
	return 0;
}

static int stmt_new(struct nx_sqlite *d, const char *sql, struct nx_sqlite_stmt **ret, struct nx_error **err)
{
	struct nx_sqlite_stmt *s = calloc(1, sizeof(*s));
	if (!s || !(s->text = strdup(sql))) {
		free(s);
		return nx_error_set(err, NX_ENOMEM, "no memory for a statement");
	}
	s->key = sql;
	s->rows = (struct nx_sqlite_rows){.base = {.db = &d->base}, .stmt = s};
	int rc = compile(d, s, err);
	if (rc) {
		stmt_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

static struct nx_sqlite_stmt **bucket_of(struct nx_sqlite *d, const char *sql)
{
	uint64_t x =
		(uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio (Knuth 6.4) */
	return &d->buckets[x >> 56];
}
_Static_assert(NX_SQLITE_BUCKETS == 256, "bucket_of takes the top 8 bits");

/* Drops what is idle: everything, or what was cached under one address. */
static void drop_idle(struct nx_sqlite *d, struct nx_sqlite_stmt **link, const char *key)
{
	while (*link) {
		struct nx_sqlite_stmt *s = *link;
		if (s->busy || (key && s->key != key)) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		stmt_free(s);
		d->ncached--;
	}
}

void nx_sqlite_stmts_free(struct nx_sqlite *d)
{
	for (size_t i = 0; i < NX_SQLITE_BUCKETS; i++)
		drop_idle(d, &d->buckets[i], NULL);
}

static int find(struct nx_sqlite *d, const char *sql, struct nx_sqlite_stmt **ret, struct nx_error **err)
{
	struct nx_sqlite_stmt **bucket = bucket_of(d, sql);
	for (struct nx_sqlite_stmt *s = *bucket; s; s = s->next) {
		if (s->key == sql && strcmp(s->text, sql) == 0) {
			*ret = s;
			return 0;
		}
	}
	/* The address is new, or holds another text now. */
	drop_idle(d, bucket, sql);
	if (d->ncached >= NX_SQLITE_MAX_CACHED)
		nx_sqlite_stmts_free(d);
	int rc = stmt_new(d, sql, ret, err);
	if (rc)
		return rc;
	(*ret)->next = *bucket;
	*bucket = *ret;
	d->ncached++;
	return 0;
}

static int bind_one(sqlite3_stmt *h, int i, const struct nx_value *v)
{
	switch (v->type) {
	case NX_V_NULL: return sqlite3_bind_null(h, i);
	case NX_V_INT: return sqlite3_bind_int64(h, i, v->i);
	case NX_V_REAL: return sqlite3_bind_double(h, i, v->d);
	case NX_V_TEXT: return sqlite3_bind_text64(h, i, v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
	case NX_V_BLOB: return sqlite3_bind_blob64(h, i, v->s.p, v->s.n, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

int nx_sqlite_stmt_take(struct nx_sqlite *d, const char *sql, const struct nx_value *params, size_t n,
			struct nx_sqlite_stmt **ret, struct nx_error **err)
{
	struct nx_sqlite_stmt *s = NULL;
	int rc = find(d, sql, &s, err);
	if (rc)
		return rc;
	if (s->busy)
		return nx_error_set(err, NX_EINTERNAL, "its rows are still open: %.80s", sql);
	if (s->nparams != n)
		return nx_error_set(err, NX_EINTERNAL, "%zu parameters given, %zu needed: %.80s", n, s->nparams, sql);
	s->busy = true;
	d->base.open_rows++;
	for (size_t i = 0; i < n; i++) {
		rc = bind_one(s->h, (int)i + 1, &params[i]);
		if (rc) {
			rc = nx_sqlite_error(d, rc, sql, err);
			nx_sqlite_stmt_give(s);
			return rc;
		}
	}
	*ret = s;
	return 0;
}

void nx_sqlite_stmt_give(struct nx_sqlite_stmt *s)
{
	nx_assert(s->busy && s->rows.base.db->open_rows > 0);
	(void)sqlite3_reset(s->h); /* repeats the last step's error */
	(void)sqlite3_clear_bindings(s->h);
	s->busy = false;
	s->rows.base.db->open_rows--;
}
