#include "base/json_internal.h"

#include <stdlib.h>

#define DEFAULT_MAX_BYTES ((size_t)64 << 20)
#define DEFAULT_MAX_DEPTH 64u

struct nx_json_limits nx_json_limits_or_default(const struct nx_json_limits *limits)
{
	struct nx_json_limits l = limits == NULL ? (struct nx_json_limits){0} : *limits;
	if (l.max_bytes == 0)
		l.max_bytes = DEFAULT_MAX_BYTES;
	if (l.max_depth == 0)
		l.max_depth = DEFAULT_MAX_DEPTH;
	return l;
}

struct nx_text_place nx_text_place(nx_str text, size_t offset)
{
	struct nx_text_place place = {.line = 1, .column = 1};
	for (size_t i = 0; i < offset && i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '\n') {
			place.line++;
			place.column = 1;
		} else if ((c & 0xC0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

int nx_json_check_text(nx_str text, const struct nx_json_limits *limits, const char *what, struct nx_error **err)
{
	if (text.n > limits->max_bytes)
		return nx_error_set(err, NX_ETOOBIG, "%zu bytes of %s are over the limit of %zu", text.n, what,
				    limits->max_bytes);
	ptrdiff_t bad = nx_utf8_invalid_at(text);
	const char *nul = text.n == 0 ? NULL : memchr(text.p, '\0', text.n);
	if (bad < 0 && nul == NULL)
		return 0;
	size_t offset = bad >= 0 ? (size_t)bad : (size_t)(nul - text.p);
	struct nx_text_place at = nx_text_place(text, offset);
	return nx_error_set(err, NX_EENCODING, "line %zu, column %zu: the %s %s (byte 0x%02x at offset %zu)", at.line,
			    at.column, what, bad >= 0 ? "is not UTF-8" : "holds a NUL", (unsigned char)text.p[offset],
			    offset);
}

/* Steps over a string that opens at text[*i]; true with *i at the backslash when it holds an escaped NUL. */
static bool string_holds_nul(nx_str text, size_t *i)
{
	for ((*i)++; *i < text.n && text.p[*i] != '"'; (*i)++) {
		if (text.p[*i] != '\\')
			continue;
		if (text.n - *i >= 6 && memcmp(text.p + *i, "\\u0000", 6) == 0)
			return true;
		(*i)++;
	}
	return false;
}

/*
 * What must be known before the parser runs: it keeps no depth of its own, and an escaped NUL is easy to place only
 * while its text is still there. Text that is not JSON passes or fails here in ways that do not matter.
 */
static int prescan(nx_str text, unsigned max_depth, struct nx_error **err)
{
	unsigned depth = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '"') {
			if (string_holds_nul(text, &i)) {
				struct nx_text_place at = nx_text_place(text, i);
				return nx_error_set(
					err, NX_EENCODING,
					"line %zu, column %zu: a string holds \\u0000, which is not allowed", at.line,
					at.column);
			}
		} else if (c == '{' || c == '[') {
			if (++depth > max_depth) {
				struct nx_text_place at = nx_text_place(text, i);
				return nx_error_set(err, NX_ELIMIT,
						    "line %zu, column %zu: nested deeper than the limit of %u levels",
						    at.line, at.column, max_depth);
			}
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	yyjson_val *const *x = a, *const *y = b;
	int c = nx_str_cmp(nx_json_val_str(*x), nx_json_val_str(*y));
	return c != 0 ? c : (*x > *y) - (*x < *y);
}

static bool same_key(yyjson_val *a, yyjson_val *b)
{
	return nx_str_eq(nx_json_val_str(a), nx_json_val_str(b));
}

/* Below this many members every pair is compared, which needs no memory. */
#define FEW_KEYS 8

static yyjson_val *repeated_of_few(yyjson_val *obj)
{
	yyjson_val *seen[FEW_KEYS];
	size_t n = 0;
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	for (yyjson_val *key; n < FEW_KEYS && (key = yyjson_obj_iter_next(&it)) != NULL; seen[n++] = key) {
		for (size_t i = 0; i < n; i++) {
			if (same_key(seen[i], key))
				return key;
		}
	}
	return NULL;
}

/* Sorted rather than hashed: no choice of keys makes it slow. `keys` has room for all. */
static yyjson_val *repeated_of_many(yyjson_val *obj, yyjson_val **keys)
{
	size_t n = 0;
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (same_key(keys[i - 1], keys[i]))
			return keys[i];
	}
	return NULL;
}

/* Values of a document lie in one array, in the order of the text: no recursion is needed to see them all. */
static int find_repeated(const yyjson_doc *doc, yyjson_val **ret, struct nx_error **err)
{
	size_t most = 0;
	for (size_t i = 0; i < doc->val_read; i++)
		most = nx_max(most, yyjson_obj_size(doc->root + i));

	nx_auto_free yyjson_val **keys = most > FEW_KEYS ? calloc(most, sizeof(yyjson_val *)) : NULL;
	if (most > FEW_KEYS && keys == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to compare %zu keys", most);

	*ret = NULL;
	for (size_t i = 0; i < doc->val_read && *ret == NULL; i++) {
		yyjson_val *v = doc->root + i;
		size_t size = yyjson_obj_size(v);
		if (size > 1)
			*ret = size <= FEW_KEYS ? repeated_of_few(v) : repeated_of_many(v, keys);
	}
	return 0;
}

static int read_error(nx_str text, const yyjson_read_err *e, struct nx_error **err)
{
	if (e->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return nx_error_set(err, NX_ENOMEM, "no memory to read %zu bytes of JSON", text.n);
	struct nx_text_place at = nx_text_place(text, e->pos);
	return nx_error_set(err, NX_EPARSE, "line %zu, column %zu: %s", at.line, at.column, e->msg);
}

/* Strings keep the place at which they began: `copy` is the text, in which the parser unescapes them. */
static int repeated_error(nx_str text, const char *copy, yyjson_val *key, struct nx_error **err)
{
	struct nx_text_place at = nx_text_place(text, (size_t)(yyjson_get_str(key) - copy) - 1);
	nx_str name = nx_utf8_truncate(nx_json_val_str(key), 64);
	return nx_error_set(err, NX_EPARSE, "line %zu, column %zu: the key \"%.*s\" is repeated", at.line, at.column,
			    NX_FMT(name));
}

int nx_json_read(struct nx_arena *a, nx_str text, const struct nx_json_limits *limits, yyjson_val **ret,
		 struct nx_error **err)
{
	struct nx_json_limits l = nx_json_limits_or_default(limits);
	int code = nx_json_check_text(text, &l, "JSON", err);
	if (code != 0)
		return code;
	if (nx_str_trim(text).n == 0)
		return nx_error_set(err, NX_EPARSE, "line 1, column 1: there is no JSON, the text is empty");
	code = prescan(text, l.max_depth, err);
	if (code != 0)
		return code;

	char *copy = nx_arena_alloc(a, text.n + YYJSON_PADDING_SIZE);
	if (copy == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to read %zu bytes of JSON", text.n);
	memcpy(copy, text.p, text.n);
	memset(copy + text.n, 0, YYJSON_PADDING_SIZE);

	yyjson_read_err e;
	yyjson_alc alc = nx_json_alc(a);
	yyjson_doc *doc = yyjson_read_opts(copy, text.n, YYJSON_READ_INSITU, &alc, &e);
	if (doc == NULL)
		return read_error(text, &e, err);

	yyjson_val *repeated;
	code = find_repeated(doc, &repeated, err);
	if (code != 0)
		return code;
	if (repeated != NULL)
		return repeated_error(text, copy, repeated, err);
	*ret = doc->root;
	return 0;
}
