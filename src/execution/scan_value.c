/* Names and constant values, common to the languages that follow them. */
#include "execution/scan_value.h"

#include <stdlib.h>

#define NAMES_MAX 8192
#define DEPTH_MAX 40
#define STEPS_MAX 4096            /* of one expression */
#define TOTAL_STEPS_MAX 20000000u /* of a scan: about a second */

struct nx_name {
	nx_str name;
	struct nx_value values[NX_NAME_VALUES_MAX];
	unsigned n;
	struct nx_name *next;
};

static const struct nx_value unknown = {.kind = NX_VALUE_UNKNOWN};

bool nx_names_init(struct nx_names *w, struct nx_scan *s)
{
	w->s = s;
	w->scratch = nx_arena_new(0);
	if (!w->scratch)
		s->out_of_memory = true;
	return w->scratch != NULL;
}

void nx_names_done(struct nx_names *w)
{
	nx_arena_free(w->scratch);
}

static struct nx_name **slot_of(struct nx_names *w, nx_str name)
{
	return &w->table[nx_str_hash(name) % nx_countof(w->table)];
}

static struct nx_name *find(const struct nx_names *w, nx_str name)
{
	struct nx_name *n = w->table[nx_str_hash(name) % nx_countof(w->table)];
	while (n && !nx_str_eq(n->name, name))
		n = n->next;
	return n;
}

bool nx_names_has(const struct nx_names *w, nx_str name)
{
	return find(w, name) != NULL;
}

static bool is_same(const struct nx_value *a, const struct nx_value *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == NX_VALUE_NUMBER)
		return a->number == b->number;
	return a->kind != NX_VALUE_LIST && a->partial == b->partial && nx_str_eq(a->text, b->text) &&
	       nx_str_eq(a->path, b->path);
}

/* A copy that outlives the expression. Lists of lists are cut to their first level. */
static bool keep(struct nx_names *w, const struct nx_value *v, struct nx_value *ret, bool is_inner)
{
	*ret = *v;
	if (v->kind == NX_VALUE_TEXT || v->kind == NX_VALUE_NAME) {
		ret->text = nx_str_dup(w->s->arena, v->text);
		ret->path = v->path.n ? nx_str_dup(w->s->arena, v->path) : NX_STR("");
		return ret->text.p && ret->path.p;
	}
	if (v->kind != NX_VALUE_LIST)
		return true;
	if (is_inner) {
		*ret = unknown;
		return true;
	}
	struct nx_value *items = nx_arena_array(w->s->arena, struct nx_value, v->n + 1);
	for (size_t i = 0; items && i < v->n; i++)
		if (!keep(w, &v->items[i], &items[i], true))
			return false;
	ret->items = items;
	return items != NULL;
}

static struct nx_name *make(struct nx_names *w, nx_str name)
{
	struct nx_name *n = w->n < NAMES_MAX ? nx_arena_new_of(w->s->arena, struct nx_name) : NULL;
	nx_str copy = n ? nx_str_dup(w->s->arena, name) : NX_STR_NULL;
	if (!copy.p) {
		w->s->out_of_memory |= w->n < NAMES_MAX;
		return NULL;
	}
	struct nx_name **slot = slot_of(w, name);
	*n = (struct nx_name){.name = copy, .next = *slot};
	*slot = n;
	w->n++;
	return n;
}

void nx_names_add(struct nx_names *w, nx_str name, const struct nx_value *v)
{
	struct nx_name *n = find(w, name);
	if (v->kind == NX_VALUE_UNKNOWN || (v->kind == NX_VALUE_NAME && nx_str_eq(v->text, name)) ||
	    (n && n->n == NX_NAME_VALUES_MAX))
		return;
	for (unsigned i = 0; n && i < n->n; i++)
		if (is_same(&n->values[i], v))
			return;
	if (!n && !(n = make(w, name)))
		return;
	if (keep(w, v, &n->values[n->n], false))
		n->n++;
	else
		w->s->out_of_memory = true;
}

struct nx_value nx_names_get(struct nx_names *w, nx_str name)
{
	const struct nx_name *n = find(w, name);
	if (!n || n->n == 0)
		return unknown;
	w->more |= n->n > w->choice + 1;
	return n->values[nx_min(w->choice, n->n - 1)];
}

bool nx_names_may_step(struct nx_names *w, unsigned depth)
{
	w->total_steps++;
	return depth < DEPTH_MAX && w->steps++ < STEPS_MAX && w->total_steps < TOTAL_STEPS_MAX;
}

struct nx_value nx_names_evaluate(struct nx_names *w, TSNode n, unsigned choice)
{
	nx_arena_reset(w->scratch);
	w->choice = choice;
	w->more = false;
	w->steps = 0;
	if (w->total_steps < TOTAL_STEPS_MAX)
		return w->evaluate(w, n, 0);
	nx_scan_check(w->s, "too-complex", n);
	return unknown;
}

/* ---- values ---- */

struct nx_value nx_value_text(nx_str s)
{
	return (struct nx_value){.kind = NX_VALUE_TEXT, .text = s.p ? s : NX_STR("")};
}

struct nx_value nx_value_number(int64_t n)
{
	return (struct nx_value){.kind = NX_VALUE_NUMBER, .number = n};
}

struct nx_value nx_value_list(const struct nx_value *items, size_t n)
{
	return (struct nx_value){.kind = NX_VALUE_LIST, .items = items, .n = n};
}

bool nx_value_is_text(const struct nx_value *v)
{
	return v->kind == NX_VALUE_TEXT && !v->partial;
}

static char *take(struct nx_names *w, size_t n)
{
	char *p = n <= NX_VALUE_TEXT_MAX ? nx_arena_alloc(w->scratch, n + 1) : NULL;
	return p;
}

static nx_str glue(struct nx_names *w, nx_str a, nx_str b)
{
	char *p = take(w, a.n + b.n);
	if (!p)
		return NX_STR_NULL;
	if (a.n)
		memcpy(p, a.p, a.n);
	if (b.n)
		memcpy(p + a.n, b.p, b.n);
	return nx_str_n(p, a.n + b.n);
}

struct nx_value nx_value_name(struct nx_names *w, nx_str base, nx_str part)
{
	struct nx_value v = {.kind = NX_VALUE_NAME, .text = part};
	if (base.n + part.n >= NX_SCAN_DOTTED_MAX)
		return unknown;
	if (base.n) {
		nx_str dotted = glue(w, base, NX_STR("."));
		v.text = dotted.p ? glue(w, dotted, part) : NX_STR_NULL;
	}
	return v.text.p ? v : unknown;
}

static nx_str written(struct nx_names *w, const struct nx_value *v)
{
	if (v->kind == NX_VALUE_TEXT)
		return v->text;
	if (v->kind != NX_VALUE_NUMBER)
		return NX_STR("?");
	char *p = nx_arena_printf(w->scratch, "%lld", (long long)v->number);
	return p ? nx_str_z(p) : NX_STR("?");
}

static bool is_whole(const struct nx_value *v)
{
	return nx_value_is_text(v) || v->kind == NX_VALUE_NUMBER;
}

static struct nx_value concat_lists(struct nx_names *w, const struct nx_value *a, const struct nx_value *b)
{
	struct nx_value *items =
		a->n + b->n <= NX_VALUE_ITEMS_MAX ? nx_arena_array(w->scratch, struct nx_value, a->n + b->n + 1) : NULL;
	if (!items)
		return unknown;
	if (a->n)
		memcpy(items, a->items, a->n * sizeof(*items));
	if (b->n)
		memcpy(items + a->n, b->items, b->n * sizeof(*items));
	return nx_value_list(items, a->n + b->n);
}

struct nx_value nx_value_concat(struct nx_names *w, const struct nx_value *a, const struct nx_value *b)
{
	if (a->kind == NX_VALUE_LIST && b->kind == NX_VALUE_LIST)
		return concat_lists(w, a, b);
	if (a->kind != NX_VALUE_TEXT && b->kind != NX_VALUE_TEXT)
		return nx_value_arithmetic('+', a, b);
	struct nx_value v = nx_value_text(glue(w, written(w, a), written(w, b)));
	v.partial = !is_whole(a) || !is_whole(b);
	v.decoded = a->decoded || b->decoded;
	return v;
}

struct nx_value nx_value_join(struct nx_names *w, nx_str separator, const struct nx_value *list)
{
	size_t total = 0, at = 0;
	bool partial = false, decoded = false;
	struct nx_value letters;
	if (list->kind == NX_VALUE_TEXT) {
		letters = nx_value_items(w, list);
		letters.decoded = list->decoded;
		list = &letters;
	}
	if (list->kind != NX_VALUE_LIST)
		return unknown;
	for (size_t i = 0; i < list->n; i++) {
		total += written(w, &list->items[i]).n + (i ? separator.n : 0);
		partial |= !is_whole(&list->items[i]);
		decoded |= list->items[i].decoded;
	}
	char *p = take(w, total);
	if (!p)
		return unknown;
	for (size_t i = 0; i < list->n; i++) {
		nx_str t = written(w, &list->items[i]);
		if (i && separator.n)
			memcpy(p + at, separator.p, separator.n);
		at += i ? separator.n : 0;
		if (t.n)
			memcpy(p + at, t.p, t.n);
		at += t.n;
	}
	struct nx_value v = nx_value_text(nx_str_n(p, total));
	v.partial = partial;
	v.decoded = decoded || list->decoded;
	return v;
}

struct nx_value nx_value_reverse(struct nx_names *w, const struct nx_value *v)
{
	if (v->kind == NX_VALUE_LIST) {
		struct nx_value *items = nx_arena_array(w->scratch, struct nx_value, v->n + 1);
		for (size_t i = 0; items && i < v->n; i++)
			items[i] = v->items[v->n - 1 - i];
		struct nx_value r = items ? nx_value_list(items, v->n) : unknown;
		r.decoded = true;
		return r;
	}
	char *p = v->kind == NX_VALUE_TEXT ? take(w, v->text.n) : NULL;
	if (!p)
		return unknown;
	for (size_t i = 0; i < v->text.n; i++)
		p[i] = v->text.p[v->text.n - 1 - i];
	struct nx_value r = *v;
	r.text = nx_str_n(p, v->text.n);
	r.decoded = true;
	return r;
}

struct nx_value nx_value_index(struct nx_names *w, const struct nx_value *v, int64_t i)
{
	size_t n = v->kind == NX_VALUE_LIST ? v->n : v->kind == NX_VALUE_TEXT ? v->text.n : 0;
	(void)w;
	if (i < 0)
		i += (int64_t)n;
	if (i < 0 || (uint64_t)i >= n)
		return unknown;
	return v->kind == NX_VALUE_LIST ? v->items[i] : nx_value_text(nx_str_slice(v->text, (size_t)i, (size_t)i + 1));
}

struct nx_value nx_value_items(struct nx_names *w, const struct nx_value *v)
{
	if (v->kind == NX_VALUE_LIST)
		return *v;
	size_t n = v->kind == NX_VALUE_TEXT ? v->text.n : SIZE_MAX;
	struct nx_value *items = n <= NX_VALUE_ITEMS_MAX ? nx_arena_array(w->scratch, struct nx_value, n + 1) : NULL;
	if (!items)
		return unknown;
	for (size_t i = 0; i < n; i++)
		items[i] = nx_value_text(nx_str_slice(v->text, i, i + 1));
	return nx_value_list(items, n);
}

struct nx_value nx_value_char(struct nx_names *w, int64_t cp)
{
	char out[4];
	if (cp < 0 || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return unknown;
	nx_str s = nx_str_dup(w->scratch, nx_str_n(out, nx_utf8_encode((uint32_t)cp, out)));
	struct nx_value v = s.p ? nx_value_text(s) : unknown;
	v.decoded = true;
	return v;
}

struct nx_value nx_value_bytes(struct nx_names *w, const struct nx_value *list)
{
	char *p = list->kind == NX_VALUE_LIST ? take(w, list->n) : NULL;
	if (!p)
		return unknown;
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i].kind != NX_VALUE_NUMBER)
			return unknown;
		p[i] = (char)list->items[i].number;
	}
	struct nx_value v = nx_value_text(nx_str_n(p, list->n));
	v.decoded = true;
	return v;
}

static int64_t power(int64_t base, int64_t exponent)
{
	int64_t r = 1;
	if (exponent < 0)
		return 0;
	if (base >= -1 && base <= 1)
		return base < 0 && exponent % 2 == 0 ? 1 : exponent == 0 ? 1 : base;
	for (; exponent > 0; exponent--)
		if (__builtin_mul_overflow(r, base, &r))
			return INT64_MAX;
	return r;
}

struct nx_value nx_value_arithmetic(char operator, const struct nx_value * a, const struct nx_value *b)
{
	int64_t r = 0, x = a->number, y = b->number;
	bool over = false;
	if (a->kind != NX_VALUE_NUMBER || b->kind != NX_VALUE_NUMBER)
		return unknown;
	switch (operator) {
	case '+': over = __builtin_add_overflow(x, y, &r); break;
	case '-': over = __builtin_sub_overflow(x, y, &r); break;
	case '*': over = __builtin_mul_overflow(x, y, &r); break;
	case '^': r = x ^ y; break;
	case '&': r = x & y; break;
	case '|': r = x | y; break;
	case 'p': r = power(x, y); break;
	case '<':
		over = x != 0 && (x < 0 || y < 0 || y > 62 || x > INT64_MAX >> y);
		r = over || x == 0 ? 0 : x << y; /* 0 by any amount, which C has not */
		break;
	case '>': r = y < 0 || y > 63 ? 0 : x >> y; break;
	case '/':
		if (y == 0 || (x == INT64_MIN && y == -1))
			return unknown;
		r = x / y;
		break;
	case '%':
		if (y == 0 || y == -1)
			return unknown;
		r = x % y;
		break;
	default: return unknown;
	}
	return nx_value_number(over ? INT64_MAX : r);
}

struct nx_value nx_value_replace(struct nx_names *w, nx_str text, nx_str from, nx_str to)
{
	nx_str out = NX_STR("");
	ptrdiff_t at;
	if (from.n == 0 || text.n > NX_VALUE_TEXT_MAX)
		return unknown;
	for (unsigned i = 0; i < 64 && (at = nx_str_find(text, from)) >= 0; i++) {
		out = glue(w, out, nx_str_slice(text, 0, (size_t)at));
		out = out.p ? glue(w, out, to) : out;
		if (!out.p)
			return unknown;
		text = nx_str_slice(text, (size_t)at + from.n, text.n);
	}
	out = glue(w, out, text);
	return out.p ? nx_value_text(out) : unknown;
}

/* ---- encodings ---- */

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static size_t decode_base64(nx_str s, char *out)
{
	uint32_t bits = 0;
	size_t n = 0;
	int have = 0;
	for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
		int d = base64_digit(s.p[i]);
		if (d < 0)
			continue;
		bits = (bits << 6 | (uint32_t)d) & 0xffffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	return n;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t decode_hex(nx_str s, char *out)
{
	size_t n = 0;
	int high = -1;
	for (size_t i = 0; i < s.n; i++) {
		int d = hex_digit(s.p[i]);
		if (d < 0)
			continue;
		if (high >= 0)
			out[n++] = (char)(high << 4 | d);
		high = high < 0 ? d : -1;
	}
	return n;
}

static char rot13(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		char first = c >= 'a' ? 'a' : 'A';
		return (char)(first + (c - first + 13) % 26);
	}
	return c;
}

struct nx_value nx_value_decode(struct nx_names *w, const struct nx_value *v, nx_str encoding)
{
	bool is_base64 = nx_str_starts(encoding, NX_STR("base64")), is_hex = nx_str_starts(encoding, NX_STR("hex")),
	     is_rot = nx_str_starts(encoding, NX_STR("rot"));
	if (!nx_value_is_text(v) || !(is_base64 || is_hex || is_rot))
		return *v;
	char *p = take(w, v->text.n);
	size_t n = 0;
	if (!p)
		return unknown;
	if (is_base64)
		n = decode_base64(v->text, p);
	else if (is_hex)
		n = decode_hex(v->text, p);
	else
		for (; n < v->text.n; n++)
			p[n] = rot13(v->text.p[n]);
	struct nx_value r = nx_value_text(nx_str_n(p, n));
	r.decoded = true;
	return r;
}

/* ---- numbers ---- */

static int64_t digits(nx_str s, int base)
{
	int64_t r = 0;
	for (size_t i = 0; i < s.n; i++) {
		int d = hex_digit(s.p[i]);
		if (s.p[i] == '_')
			continue;
		if (d < 0 || d >= base)
			break;
		if (__builtin_mul_overflow(r, (int64_t)base, &r) || __builtin_add_overflow(r, (int64_t)d, &r))
			return INT64_MAX;
	}
	return r;
}

int64_t nx_value_parse_number(nx_str s)
{
	double d;
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x')
		return digits(nx_str_slice(s, 2, s.n), 16);
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'o')
		return digits(nx_str_slice(s, 2, s.n), 8);
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'b')
		return digits(nx_str_slice(s, 2, s.n), 2);
	if (!memchr(s.p, 'e', s.n) && !memchr(s.p, 'E', s.n) && !memchr(s.p, '.', s.n))
		return digits(s, 10);
	if (!nx_str_to_f64(s, &d))
		return 0;
	return d >= 9e18 ? INT64_MAX : d <= -9e18 ? INT64_MIN : (int64_t)d;
}

uint32_t nx_scan_children(TSNode n, TSNode *ret, uint32_t max)
{
	TSTreeCursor c = ts_tree_cursor_new(n);
	uint32_t count = 0;
	if (ts_tree_cursor_goto_first_child(&c))
		do {
			TSNode child = ts_tree_cursor_current_node(&c);
			if (ts_node_is_named(child) && !ts_node_is_extra(child))
				ret[count++] = child;
		} while (count < max && ts_tree_cursor_goto_next_sibling(&c));
	ts_tree_cursor_delete(&c);
	return count;
}
