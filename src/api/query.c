#include "api/query_internal.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool needs_decoding(nx_str s, bool plus)
{
	return s.n > 0 && (memchr(s.p, '%', s.n) || (plus && memchr(s.p, '+', s.n)));
}

static int decode_into(nx_str s, bool plus, const char *what, char *out, size_t *ret_n, struct nx_error **err)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '+' && plus) {
			c = ' ';
		} else if (c == '%') {
			int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int lo = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
			if (i + 2 == s.n - 0 || hi < 0 || lo < 0)
				return nx_error_set(err, NX_EPARSE, "%s has a %% without two hex digits at byte %zu",
						    what, i);
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		out[n++] = c;
	}
	*ret_n = n;
	return 0;
}

int nx_percent_decode(nx_str s, bool plus, const char *what, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	if (needs_decoding(s, plus)) {
		char *out = nx_arena_alloc(a, s.n + 1);
		size_t n = 0;
		if (!out)
			return nx_error_set(err, NX_ENOMEM, "out of memory decoding %s", what);
		int rc = decode_into(s, plus, what, out, &n, err);
		if (rc)
			return rc;
		out[n] = '\0';
		s = nx_str_n(out, n);
	}
	int rc = nx_utf8_check(s, what, err);
	if (rc)
		return rc;
	*ret = s.p ? s : NX_STR("");
	return 0;
}

/* ---- values by the type of their field ---- */

struct query {
	const struct nx_schema *schema;
	struct nx_arena *arena;
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
};

static const struct nx_field *field_find(const struct nx_schema *s, nx_str name)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (nx_str_eqz(name, s->fields[i].name))
			return &s->fields[i];
	return NULL;
}

static yyjson_mut_val *value_of(struct query *q, enum nx_type type, nx_str text)
{
	int64_t i;
	double d;
	switch (type) {
	case NX_T_INT:
		if (nx_str_to_i64(text, &i))
			return yyjson_mut_sint(q->doc, i);
		break;
	case NX_T_NUMBER:
		if (nx_str_to_f64(text, &d))
			return yyjson_mut_real(q->doc, d);
		break;
	case NX_T_BOOL:
		if (nx_str_eqz(text, "true") || nx_str_eqz(text, "1"))
			return yyjson_mut_bool(q->doc, true);
		if (nx_str_eqz(text, "false") || nx_str_eqz(text, "0"))
			return yyjson_mut_bool(q->doc, false);
		break;
	default: break;
	}
	/* What is not of its type goes on as text: the schema then says what it should have been. */
	return yyjson_mut_strn(q->doc, text.p, text.n);
}

static bool add_items(struct query *q, yyjson_mut_val *list, const struct nx_field *f, nx_str text)
{
	while (text.n > 0) {
		nx_str part = nx_str_cut(&text, ',');
		if (!yyjson_mut_arr_append(list, value_of(q, f->item, part)))
			return false;
	}
	return true;
}

static int add_pair(struct query *q, nx_str name, nx_str text, struct nx_error **err)
{
	const struct nx_field *f = field_find(q->schema, name);
	yyjson_mut_val *old = yyjson_mut_obj_getn(q->root, name.p, name.n);
	bool ok;

	if (f && f->type == NX_T_ARRAY) {
		yyjson_mut_val *list = old ? old : yyjson_mut_arr(q->doc);
		ok = list && add_items(q, list, f, text) &&
		     (old || yyjson_mut_obj_add(q->root, yyjson_mut_strn(q->doc, name.p, name.n), list));
	} else if (old) {
		nx_error_set(err, NX_EINVAL, "`%.*s` is given more than once", NX_FMT(name));
		return nx_error_at(err, "/%.*s", NX_FMT(name));
	} else {
		ok = yyjson_mut_obj_add(q->root, yyjson_mut_strn(q->doc, name.p, name.n),
					value_of(q, f ? f->type : NX_T_STRING, text));
	}
	return ok ? 0 : nx_error_set(err, NX_ENOMEM, "out of memory reading the query");
}

static int read_pairs(struct query *q, nx_str text, struct nx_error **err)
{
	size_t count = 0;
	while (text.n > 0) {
		nx_str value = nx_str_cut(&text, '&');
		if (value.n == 0)
			continue;
		if (++count > NX_QUERY_MAX_PAIRS)
			return nx_error_set(err, NX_ELIMIT, "the query has more than %d parameters",
					    NX_QUERY_MAX_PAIRS);
		nx_str name = nx_str_cut(&value, '=');
		if (!value.p)
			value = NX_STR("");
		int rc = nx_percent_decode(name, true, "a name in the query", q->arena, &name, err);
		if (!rc)
			rc = nx_percent_decode(value, true, "a value in the query", q->arena, &value, err);
		if (!rc)
			rc = add_pair(q, name, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nx_query_decode(const struct nx_schema *schema, nx_str text, struct nx_arena *a, void **ret, struct nx_error **err)
{
	struct query q = {.schema = schema, .arena = a, .doc = nx_json_new(a)};
	q.root = q.doc ? yyjson_mut_obj(q.doc) : NULL;
	if (!q.root)
		return nx_error_set(err, NX_ENOMEM, "out of memory reading the query");
	int rc = read_pairs(&q, text, err);
	if (rc)
		return rc;
	yyjson_alc alc = nx_json_alc(a);
	yyjson_doc *fixed = yyjson_mut_val_imut_copy(q.root, &alc);
	if (!fixed)
		return nx_error_set(err, NX_ENOMEM, "out of memory reading the query");
	return nx_schema_decode(schema, yyjson_doc_get_root(fixed), a, ret, err);
}
