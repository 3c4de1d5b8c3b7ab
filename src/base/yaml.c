/*
 * YAML as JSON values.
 *
 * libyaml gives events; a mutable document is built from them without recursion, and copied into the immutable form that
 * everything else reads. Of YAML only what JSON can say is taken: anchors and aliases (which can make a small text
 * unfold without end), tags, second documents and keys that are no scalars are refused, with line and column. Plain
 * scalars follow the core schema of YAML 1.2, in which `no` and `on` are words.
 */
#include "base/json_internal.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <yaml.h>

struct key {
	nx_str name;
	yaml_mark_t mark;
};

/* A mapping or sequence that is open. */
struct level {
	yyjson_mut_val *val;
	yyjson_mut_val *key; /* of a mapping: the key that waits for its value */
	size_t first_key;    /* of a mapping: where its keys begin in reader.keys */
};

struct reader {
	yaml_parser_t parser;
	struct nx_arena *arena;
	yyjson_mut_doc *doc;
	unsigned max_depth;
	struct level *levels; /* max_depth of them */
	unsigned depth;
	struct key *keys; /* of all open mappings, the innermost last */
	size_t nkeys, cap;
	yyjson_mut_val *root;
};

static int no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory to read YAML");
}

#define fail(mark, code, err, fmt, ...)                                            \
	nx_error_set((err), (code), "line %zu, column %zu: " fmt, (mark).line + 1, \
		     (mark).column + 1 __VA_OPT__(, ) __VA_ARGS__)

static bool word_in(nx_str s, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (nx_str_eqz(s, *words))
			return true;
	}
	return false;
}

/* [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+, as far as it fits. */
static bool scalar_int(nx_str s, uint64_t *ret, bool *ret_negative)
{
	unsigned base = 10;
	*ret_negative = s.n > 0 && s.p[0] == '-';
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] == 'x' || s.p[1] == 'o')) {
		base = s.p[1] == 'x' ? 16 : 8;
		s = nx_str_slice(s, 2, s.n);
	} else if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
		s = nx_str_slice(s, 1, s.n);
	}
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *at = s.p[i] == '\0' ? NULL : strchr(digits, s.p[i]);
		uint64_t digit = at == NULL ? 16 : (uint64_t)(at - digits) % 16;
		if (digit >= base || nx_mul_overflows(v, (uint64_t)base, &v) || nx_add_overflows(v, digit, &v))
			return false;
	}
	*ret = v;
	return s.n > 0 && !(*ret_negative && v > (uint64_t)INT64_MAX + 1);
}

/* NULL when out of memory. */
static yyjson_mut_val *plain_scalar(yyjson_mut_doc *doc, nx_str s)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	uint64_t v;
	double d;
	bool negative;
	if (word_in(s, nulls))
		return yyjson_mut_null(doc);
	if (word_in(s, trues))
		return yyjson_mut_true(doc);
	if (word_in(s, falses))
		return yyjson_mut_false(doc);
	if (scalar_int(s, &v, &negative))
		return negative ? yyjson_mut_sint(doc, (int64_t)(0 - v)) : yyjson_mut_uint(doc, v);
	if (nx_str_to_f64(s, &d))
		return yyjson_mut_real(doc, d);
	return yyjson_mut_strncpy(doc, s.p, s.n);
}

static bool is_not_finite(nx_str s)
{
	if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
		s = nx_str_slice(s, 1, s.n);
	return nx_str_ieq_ascii(s, NX_STR(".inf")) || nx_str_ieq_ascii(s, NX_STR(".nan"));
}

static int remember_key(struct reader *r, nx_str name, yaml_mark_t mark, struct nx_error **err)
{
	if (r->nkeys == r->cap) {
		size_t cap = r->cap == 0 ? 64 : r->cap * 2;
		struct key *keys = reallocarray(r->keys, cap, sizeof(*keys));
		if (keys == NULL)
			return no_memory(err);
		r->keys = keys;
		r->cap = cap;
	}
	r->keys[r->nkeys++] = (struct key){.name = name, .mark = mark};
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int c = nx_str_cmp(x->name, y->name);
	return c != 0 ? c : (x->mark.index > y->mark.index) - (x->mark.index < y->mark.index);
}

/* Forgets the keys of the innermost mapping, which must all differ. */
static int check_keys(struct reader *r, struct nx_error **err)
{
	size_t first = r->levels[r->depth - 1].first_key, n = r->nkeys - first;
	r->nkeys = first;
	if (n < 2)
		return 0;
	struct key *keys = r->keys + first;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		nx_str name = nx_utf8_truncate(keys[i].name, 64);
		if (nx_str_eq(keys[i - 1].name, keys[i].name))
			return fail(keys[i].mark, NX_EPARSE, err, "the key \"%.*s\" is repeated", NX_FMT(name));
	}
	return 0;
}

/* Puts a value where the text has it: the root, the next item, or beside the key that waits for it. */
static int place(struct reader *r, yyjson_mut_val *v, struct nx_error **err)
{
	if (v == NULL)
		return no_memory(err);
	if (r->depth == 0) {
		r->root = v;
		return 0;
	}
	struct level *l = &r->levels[r->depth - 1];
	bool ok = yyjson_mut_is_arr(l->val) ? yyjson_mut_arr_append(l->val, v) : yyjson_mut_obj_add(l->val, l->key, v);
	l->key = NULL;
	return ok ? 0 : no_memory(err);
}

static bool wants_key(const struct reader *r)
{
	return r->depth > 0 && yyjson_mut_is_obj(r->levels[r->depth - 1].val) && r->levels[r->depth - 1].key == NULL;
}

static int on_scalar(struct reader *r, const yaml_event_t *e, struct nx_error **err)
{
	nx_str s = nx_str_n((const char *)e->data.scalar.value, e->data.scalar.length);
	if (e->data.scalar.anchor != NULL)
		return fail(e->start_mark, NX_EPARSE, err, "anchors (&name) are not supported: write the value out");
	if (e->data.scalar.tag != NULL)
		return fail(e->start_mark, NX_EPARSE, err, "tags (!name) are not supported");
	if (memchr(s.p, '\0', s.n) != NULL)
		return fail(e->start_mark, NX_EENCODING, err, "a string holds a NUL, which is not allowed");
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (wants_key(r)) {
		yyjson_mut_val *key = yyjson_mut_strncpy(r->doc, s.p, s.n);
		if (key == NULL)
			return no_memory(err);
		r->levels[r->depth - 1].key = key;
		return remember_key(r, nx_str_n(yyjson_mut_get_str(key), s.n), e->start_mark, err);
	}
	if (plain && is_not_finite(s))
		return fail(e->start_mark, NX_EPARSE, err, "%.*s is no number that JSON has", NX_FMT(s));
	return place(r, plain ? plain_scalar(r->doc, s) : yyjson_mut_strncpy(r->doc, s.p, s.n), err);
}

static int on_open(struct reader *r, yyjson_mut_val *v, const yaml_char_t *anchor, const yaml_char_t *tag,
		   yaml_mark_t mark, struct nx_error **err)
{
	if (anchor != NULL)
		return fail(mark, NX_EPARSE, err, "anchors (&name) are not supported: write the value out");
	if (tag != NULL)
		return fail(mark, NX_EPARSE, err, "tags (!name) are not supported");
	if (wants_key(r))
		return fail(mark, NX_EPARSE, err, "a key must be a word or a string");
	if (r->depth == r->max_depth)
		return fail(mark, NX_ELIMIT, err, "nested deeper than the limit of %u levels", r->max_depth);
	int code = place(r, v, err);
	if (code == 0)
		r->levels[r->depth++] = (struct level){.val = v, .first_key = r->nkeys};
	return code;
}

static int on_event(struct reader *r, const yaml_event_t *e, struct nx_error **err)
{
	int code;
	switch (e->type) {
	case YAML_SCALAR_EVENT: return on_scalar(r, e, err);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, yyjson_mut_arr(r->doc), e->data.sequence_start.anchor, e->data.sequence_start.tag,
			       e->start_mark, err);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, yyjson_mut_obj(r->doc), e->data.mapping_start.anchor, e->data.mapping_start.tag,
			       e->start_mark, err);
	case YAML_MAPPING_END_EVENT:
		code = check_keys(r, err);
		r->depth--;
		return code;
	case YAML_SEQUENCE_END_EVENT: r->depth--; return 0;
	case YAML_ALIAS_EVENT:
		return fail(e->start_mark, NX_EPARSE, err, "aliases (*name) are not supported: write the value out");
	case YAML_DOCUMENT_START_EVENT:
		if (r->root != NULL)
			return fail(e->start_mark, NX_EPARSE, err, "a second document begins; one is allowed");
		return 0;
	default: return 0;
	}
}

static int parser_error(const yaml_parser_t *p, struct nx_error **err)
{
	const char *problem = p->problem != NULL ? p->problem : "cannot be parsed";
	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(err);
	if (p->error == YAML_READER_ERROR)
		return nx_error_set(err, NX_EENCODING, "offset %zu: %s", p->problem_offset, problem);
	if (p->context != NULL)
		return fail(p->problem_mark, NX_EPARSE, err, "%s %s", problem, p->context);
	return fail(p->problem_mark, NX_EPARSE, err, "%s", problem);
}

static int read_events(struct reader *r, struct nx_error **err)
{
	for (bool end = false; !end;) {
		yaml_event_t e;
		if (!yaml_parser_parse(&r->parser, &e))
			return parser_error(&r->parser, err);
		end = e.type == YAML_STREAM_END_EVENT;
		int code = on_event(r, &e, err);
		yaml_event_delete(&e);
		if (code != 0)
			return code;
	}
	nx_assert(r->depth == 0);
	return 0;
}

/* What an empty text means is for the schema to say: it is null. */
static int finish(struct reader *r, yyjson_val **ret, struct nx_error **err)
{
	yyjson_alc alc = nx_json_alc(r->arena);
	if (r->root == NULL)
		r->root = yyjson_mut_null(r->doc);
	yyjson_doc *doc = r->root == NULL ? NULL : yyjson_mut_val_imut_copy(r->root, &alc);
	if (doc == NULL)
		return no_memory(err);
	*ret = yyjson_doc_get_root(doc);
	return 0;
}

int nx_yaml_read(struct nx_arena *a, nx_str text, const struct nx_json_limits *limits, yyjson_val **ret,
		 struct nx_error **err)
{
	struct nx_json_limits l = nx_json_limits_or_default(limits);
	int code = nx_json_check_text(text, &l, "YAML", err);
	if (code != 0)
		return code;
	struct reader r = {.arena = a, .max_depth = l.max_depth, .doc = nx_json_new(a)};
	r.levels = nx_arena_array(a, struct level, l.max_depth);
	if (r.doc == NULL || r.levels == NULL || !yaml_parser_initialize(&r.parser))
		return no_memory(err);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n == 0 ? "" : text.p), text.n);

	code = read_events(&r, err);
	if (code == 0)
		code = finish(&r, ret, err);
	free(r.keys);
	yaml_parser_delete(&r.parser);
	return code;
}
