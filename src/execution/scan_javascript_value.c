/* What an expression of JavaScript comes to. */
#include "execution/scan_javascript_internal.h"

static const struct nx_value unknown = {.kind = NX_VALUE_UNKNOWN};

static struct nx_value eval(struct nx_js *j, TSNode n, unsigned depth)
{
	return nx_js_evaluate(&j->w, n, depth);
}

static nx_str text(const struct nx_js *j, TSNode n)
{
	return ts_node_is_null(n) ? NX_STR("") : nx_scan_text(j->w.s, n);
}

/* ---- texts ---- */

/* \n, \x41, \u0041, \u{41}, and any other character as itself. */
static struct nx_value escape(struct nx_js *j, nx_str s)
{
	static const char from[] = "nrtbfv0", to[] = "\n\r\t\b\f\v";
	if (s.n < 2)
		return nx_value_text(NX_STR(""));
	if (s.p[1] == 'x' || s.p[1] == 'u') {
		char number[16] = "0x";
		size_t n = 2;
		for (size_t i = 2; i < s.n && n < sizeof(number); i++)
			if (s.p[i] != '{' && s.p[i] != '}')
				number[n++] = s.p[i];
		return nx_value_char(&j->w, nx_value_parse_number(nx_str_n(number, n)));
	}
	if (s.p[1] == '\n' || s.p[1] == '\r')
		return nx_value_text(NX_STR(""));
	const char *at = memchr(from, s.p[1], sizeof(from) - 1);
	return nx_value_text(at ? nx_str_n(to + (at - from), 1) : nx_str_slice(s, 1, s.n));
}

static struct nx_value string(struct nx_js *j, TSNode n, unsigned depth)
{
	struct nx_value r = nx_value_text(NX_STR(""));
	TSTreeCursor c = ts_tree_cursor_new(n);
	bool more = ts_tree_cursor_goto_first_child(&c);
	for (; more && nx_names_may_step(&j->w, depth); more = ts_tree_cursor_goto_next_sibling(&c)) {
		TSNode part = ts_tree_cursor_current_node(&c);
		struct nx_value v = unknown;
		if (nx_js_is(part, j->s.string_fragment))
			v = nx_value_text(text(j, part));
		else if (nx_js_is(part, j->s.escape_sequence))
			v = escape(j, text(j, part));
		else if (nx_js_is(part, j->s.template_substitution))
			v = eval(j, ts_node_named_child(part, 0), depth + 1);
		else
			continue;
		r = nx_value_concat(&j->w, &r, &v);
	}
	ts_tree_cursor_delete(&c);
	return r;
}

static struct nx_value binary(struct nx_js *j, TSNode n, unsigned depth)
{
	nx_str operator= text(j, nx_js_child(n, j->f.operator));
	struct nx_value a = eval(j, nx_js_child(n, j->f.left), depth + 1);
	struct nx_value b = eval(j, nx_js_child(n, j->f.right), depth + 1);
	if (nx_str_eqz(operator, "||") || nx_str_eqz(operator, "??") || nx_str_eqz(operator, "&&"))
		return a.kind == NX_VALUE_UNKNOWN || nx_str_eqz(operator, "&&") ? b : a;
	if (nx_str_eqz(operator, "+"))
		return nx_value_concat(&j->w, &a, &b);
	if (nx_str_eqz(operator, "**"))
		return nx_value_arithmetic('p', &a, &b);
	return operator.n ? nx_value_arithmetic(operator.p[0], &a, &b) : unknown;
}

static struct nx_value array(struct nx_js *j, TSNode n, unsigned depth)
{
	uint32_t count = nx_min(ts_node_named_child_count(n), (uint32_t)NX_VALUE_ITEMS_MAX);
	TSNode *nodes = nx_arena_array(j->w.scratch, TSNode, count + 1);
	count = nodes ? nx_scan_children(n, nodes, count) : 0;
	struct nx_value *items = nodes ? nx_arena_array(j->w.scratch, struct nx_value, count + 1) : NULL;
	if (!items)
		return unknown;
	for (uint32_t i = 0; i < count; i++) {
		bool is_spread = nx_js_is(nodes[i], j->s.spread_element);
		items[i] = eval(j, is_spread ? ts_node_named_child(nodes[i], 0) : nodes[i], depth + 1);
		if (is_spread && count == 1)
			return nx_value_items(&j->w, &items[i]);
	}
	return nx_value_list(items, count);
}

/* ---- members ---- */

static bool is_global(nx_str name)
{
	static const char *const names[] = {"globalThis", "global", "window", "self", "frames"};
	for (size_t i = 0; i < nx_countof(names); i++)
		if (nx_str_eqz(name, names[i]))
			return true;
	return false;
}

bool nx_js_is_require(nx_str name)
{
	static const char *const names[] = {"require",
					    "module.require",
					    "process.mainModule.require",
					    "import",
					    "require.main.require",
					    "module.createRequire()",
					    "module.createRequire",
					    "process.getBuiltinModule"};
	for (size_t i = 0; i < nx_countof(names); i++)
		if (nx_str_eqz(name, names[i]))
			return true;
	return nx_str_ends(name, NX_STR(".mainModule.require")) || nx_str_ends(name, NX_STR("createRequire()"));
}

struct nx_value nx_js_module(struct nx_names *w, nx_str module)
{
	if (nx_str_starts(module, NX_STR("node:")))
		module = nx_str_slice(module, 5, module.n);
	struct nx_value v = nx_value_name(w, NX_STR(""), module);
	if (v.kind == NX_VALUE_NAME && memchr(module.p, '/', module.n)) {
		v = nx_value_replace(w, module, NX_STR("/"), NX_STR("."));
		v.kind = v.kind == NX_VALUE_TEXT ? NX_VALUE_NAME : v.kind;
	}
	return v;
}

static struct nx_value member(struct nx_js *j, const struct nx_value *object, nx_str property)
{
	struct nx_value kept = unknown;
	if (object->kind == NX_VALUE_NAME && is_global(object->text))
		return nx_value_name(&j->w, NX_STR(""), property);
	if (object->kind == NX_VALUE_NAME && nx_str_eqz(property, "default"))
		return *object;
	if (object->kind == NX_VALUE_NAME)
		return nx_value_name(&j->w, object->text, property);
	if (object->kind == NX_VALUE_TEXT || object->kind == NX_VALUE_LIST)
		return nx_value_name(&j->w, NX_STR("?"), property);
	struct nx_value own = nx_value_name(&j->w, NX_STR("this"), property); /* where `this.x = …` is kept */
	if (own.kind == NX_VALUE_NAME)
		kept = nx_names_get(&j->w, own.text);
	return kept.kind != NX_VALUE_UNKNOWN ? kept : nx_value_name(&j->w, NX_STR("?"), property);
}

static struct nx_value member_expression(struct nx_js *j, TSNode n, unsigned depth)
{
	nx_str property = text(j, nx_js_child(n, j->f.property));
	struct nx_value o = eval(j, nx_js_child(n, j->f.object), depth + 1);
	return member(j, &o, property);
}

static struct nx_value subscript(struct nx_js *j, TSNode n, unsigned depth)
{
	struct nx_value o = eval(j, nx_js_child(n, j->f.object), depth + 1);
	struct nx_value i = eval(j, nx_js_child(n, j->f.index), depth + 1);
	if (i.kind == NX_VALUE_NUMBER)
		return nx_value_index(&j->w, &o, i.number);
	return nx_value_is_text(&i) ? member(j, &o, i.text) : unknown;
}

/* ---- calls ---- */

static struct nx_value numbers_to_text(struct nx_js *j, const struct nx_value *list)
{
	struct nx_value r = nx_value_text(NX_STR(""));
	for (size_t i = 0; list->kind == NX_VALUE_LIST && i < list->n; i++) {
		struct nx_value c =
			list->items[i].kind == NX_VALUE_NUMBER ? nx_value_char(&j->w, list->items[i].number) : unknown;
		r = nx_value_concat(&j->w, &r, &c);
	}
	r.decoded = true;
	return list->kind == NX_VALUE_LIST ? r : unknown;
}

/* list.map(f): f is String.fromCharCode, or a function whose body calls it. */
static struct nx_value map(struct nx_js *j, const struct nx_value *list, TSNode function)
{
	struct nx_value *items =
		list->kind == NX_VALUE_LIST ? nx_arena_array(j->w.scratch, struct nx_value, list->n + 1) : NULL;
	if (!items || ts_node_is_null(function) || nx_str_find(text(j, function), NX_STR("fromC")) < 0)
		return unknown;
	for (size_t i = 0; i < list->n; i++)
		items[i] =
			list->items[i].kind == NX_VALUE_NUMBER ? nx_value_char(&j->w, list->items[i].number) : unknown;
	return nx_value_list(items, list->n);
}

static int64_t clamp(int64_t n, int64_t low, int64_t high)
{
	return n < low ? low : n > high ? high : n;
}

static struct nx_value slice(struct nx_js *j, const struct nx_value *v, const struct nx_value *a, size_t n)
{
	struct nx_value items = nx_value_items(&j->w, v);
	int64_t from = n > 0 && a[0].kind == NX_VALUE_NUMBER ? a[0].number : 0, size = (int64_t)items.n;
	int64_t to = n > 1 && a[1].kind == NX_VALUE_NUMBER ? a[1].number : size;
	if (items.kind != NX_VALUE_LIST)
		return unknown;
	from = clamp(from < 0 ? from + size : from, 0, size);
	to = clamp(to < 0 ? to + size : to, from, size);
	struct nx_value part = nx_value_list(items.items + from, (size_t)(to - from));
	return v->kind == NX_VALUE_TEXT ? nx_value_join(&j->w, NX_STR(""), &part) : part;
}

static nx_str text_argument(const struct nx_value *a, size_t n, size_t i, const char *otherwise)
{
	return i < n && nx_value_is_text(&a[i]) ? a[i].text : nx_str_z(otherwise);
}

static struct nx_value split(struct nx_js *j, const struct nx_value *v, nx_str separator)
{
	nx_str rest = v->text;
	size_t n = 0;
	if (separator.n == 0 || v->kind != NX_VALUE_TEXT)
		return nx_value_items(&j->w, v);
	struct nx_value *items =
		nx_arena_array(j->w.scratch, struct nx_value, nx_min(v->text.n + 1, (size_t)NX_VALUE_ITEMS_MAX));
	if (!items)
		return unknown;
	for (ptrdiff_t at; n + 1 < NX_VALUE_ITEMS_MAX && (at = nx_str_find(rest, separator)) >= 0;) {
		items[n++] = nx_value_text(nx_str_slice(rest, 0, (size_t)at));
		rest = nx_str_slice(rest, (size_t)at + separator.n, rest.n);
	}
	items[n++] = nx_value_text(rest);
	return nx_value_list(items, n);
}

/* A method of a constant text or list. */
static struct nx_value method(struct nx_js *j, const struct nx_value *o, nx_str name, const struct nx_value *a,
			      size_t n, TSNode first)
{
	struct nx_names *w = &j->w;
	if (nx_str_eqz(name, "concat"))
		return n ? nx_value_concat(w, o, &a[0]) : *o;
	if (nx_str_eqz(name, "join"))
		return nx_value_join(w, text_argument(a, n, 0, ","), o);
	if (nx_str_eqz(name, "reverse") || nx_str_eqz(name, "toReversed"))
		return nx_value_reverse(w, o);
	if (nx_str_eqz(name, "split"))
		return split(j, o, text_argument(a, n, 0, ""));
	if (nx_str_eqz(name, "map"))
		return map(j, o, first);
	if (nx_str_eqz(name, "slice") || nx_str_eqz(name, "substring"))
		return slice(j, o, a, n);
	if (nx_str_eqz(name, "replace") || nx_str_eqz(name, "replaceAll"))
		return nx_value_replace(w, o->text, text_argument(a, n, 0, ""), text_argument(a, n, 1, ""));
	if ((nx_str_eqz(name, "charAt") || nx_str_eqz(name, "at")) && n && a[0].kind == NX_VALUE_NUMBER)
		return nx_value_index(w, o, a[0].number);
	if (nx_str_eqz(name, "charCodeAt") && n && a[0].kind == NX_VALUE_NUMBER) {
		struct nx_value c = nx_value_index(w, o, a[0].number);
		return c.kind == NX_VALUE_TEXT ? nx_value_number((unsigned char)c.text.p[0]) : unknown;
	}
	if (nx_str_eqz(name, "toString") || nx_str_eqz(name, "trim") || nx_str_eqz(name, "valueOf") ||
	    nx_str_eqz(name, "normalize"))
		return *o;
	return unknown;
}

/* A function whose result is known when its arguments are. */
static struct nx_value known_function(struct nx_js *j, nx_str f, const struct nx_value *a, size_t n)
{
	struct nx_names *w = &j->w;
	if (nx_str_eqz(f, "String.fromCharCode") || nx_str_eqz(f, "String.fromCodePoint") ||
	    nx_str_eqz(f, "String.fromCharCode.apply")) {
		struct nx_value list = nx_value_list(a, n);
		for (size_t i = 0; i < n; i++)
			if (a[i].kind == NX_VALUE_LIST)
				list = a[i];
		return numbers_to_text(j, &list);
	}
	if (nx_str_eqz(f, "Buffer.from") && n > 0 && a[0].kind == NX_VALUE_LIST)
		return nx_value_bytes(w, &a[0]);
	if (nx_str_eqz(f, "Buffer.from") && n > 0)
		return nx_value_decode(w, &a[0], text_argument(a, n, 1, ""));
	if (nx_str_eqz(f, "atob") && n > 0)
		return nx_value_decode(w, &a[0], NX_STR("base64"));
	if ((nx_str_eqz(f, "String") || nx_str_eqz(f, "Object") || nx_str_eqz(f, "Array.from") ||
	     nx_str_eqz(f, "Object.assign") || nx_str_eqz(f, "Object.freeze")) &&
	    n > 0)
		return a[0];
	if ((nx_str_eqz(f, "Reflect.get") || nx_str_eqz(f, "Object.getOwnPropertyDescriptor")) && n > 1 &&
	    nx_value_is_text(&a[1]))
		return member(j, &a[0], a[1].text);
	if (nx_str_eqz(f, "process.binding") && n > 0 && nx_value_is_text(&a[0]))
		return nx_value_name(w, NX_STR("process.binding"), a[0].text);
	return unknown;
}

nx_str nx_js_plain(nx_str name)
{
	static const nx_str ends[] = {NX_STR(".call"), NX_STR(".apply"), NX_STR(".bind"), NX_STR(".bind()"),
				      NX_STR(".value")};
	for (size_t i = 0; i < nx_countof(ends); i++)
		if (nx_str_ends(name, ends[i]) && name.n > ends[i].n)
			return nx_str_slice(name, 0, name.n - ends[i].n);
	return name;
}

static struct nx_value call_name(struct nx_js *j, nx_str f, TSNode n, unsigned depth)
{
	struct nx_value a[NX_CALL_ARGUMENTS_MAX] = {{.kind = NX_VALUE_UNKNOWN}};
	TSNode nodes[NX_CALL_ARGUMENTS_MAX];
	uint32_t count = j->w.arguments(&j->w, n, nodes);
	for (uint32_t i = 0; i < count; i++)
		a[i] = eval(j, nodes[i], depth + 1);
	if (nx_js_is_require(f) && !nx_str_eqz(f, "module.createRequire"))
		return count && nx_value_is_text(&a[0]) ? nx_js_module(&j->w, a[0].text) : unknown;
	struct nx_value v = known_function(j, f, a, count);
	if (v.kind != NX_VALUE_UNKNOWN)
		return v;
	if (nx_str_ends(f, NX_STR(".bind")))
		return nx_value_name(&j->w, NX_STR(""), nx_js_plain(f));
	if (nx_str_eqz(f, "Proxy") && count && a[0].kind == NX_VALUE_NAME)
		return a[0];
	char *p = nx_arena_printf(j->w.scratch, "%.*s()", NX_FMT(f));
	if (!p || f.n > NX_SCAN_DOTTED_MAX)
		return unknown;
	struct nx_value returned = nx_names_get(&j->w, nx_str_z(p));
	return returned.kind != NX_VALUE_UNKNOWN ? returned : nx_value_name(&j->w, NX_STR(""), nx_str_z(p));
}

static struct nx_value call(struct nx_js *j, TSNode n, unsigned depth)
{
	TSNode function = j->w.callee(&j->w, n);
	struct nx_value f = unknown;
	if (nx_js_is(function, j->s.member_expression)) {
		nx_str property = text(j, nx_js_child(function, j->f.property));
		struct nx_value o = eval(j, nx_js_child(function, j->f.object), depth + 1);
		if (o.kind == NX_VALUE_TEXT || o.kind == NX_VALUE_LIST) {
			struct nx_value a[NX_CALL_ARGUMENTS_MAX];
			TSNode nodes[NX_CALL_ARGUMENTS_MAX] = {0};
			uint32_t count = j->w.arguments(&j->w, n, nodes);
			for (uint32_t i = 0; i < count; i++)
				a[i] = eval(j, nodes[i], depth + 1);
			return method(j, &o, property, a, count, nodes[0]);
		}
		f = member(j, &o, property); /* not evaluated again: chains would take 2^n steps */
	}
	if (nx_js_is(function, j->s.import))
		return call_name(j, NX_STR("import"), n, depth);
	if (!nx_js_is(function, j->s.member_expression))
		f = eval(j, function, depth + 1);
	return f.kind == NX_VALUE_NAME ? call_name(j, f.text, n, depth) : unknown;
}

static struct nx_value identifier(struct nx_js *j, TSNode n)
{
	struct nx_value v = nx_names_get(&j->w, text(j, n));
	return v.kind != NX_VALUE_UNKNOWN ? v : nx_value_name(&j->w, NX_STR(""), text(j, n));
}

static struct nx_value either(struct nx_js *j, TSNode n, unsigned depth)
{
	struct nx_value v = eval(j, nx_js_child(n, j->f.consequence), depth + 1);
	return v.kind != NX_VALUE_UNKNOWN ? v : eval(j, nx_js_child(n, j->f.alternative), depth + 1);
}

static TSNode last_child(TSNode n)
{
	uint32_t count = ts_node_named_child_count(n);
	return count ? ts_node_named_child(n, count - 1) : (TSNode){0};
}

struct nx_value nx_js_evaluate(struct nx_names *w, TSNode n, unsigned depth)
{
	struct nx_js *j = nx_container_of(w, struct nx_js, w);
	if (ts_node_is_null(n) || !nx_names_may_step(w, depth))
		return unknown;
	TSSymbol s = ts_node_symbol(n);
	if (s == j->s.identifier || s == j->s.shorthand_property_identifier)
		return identifier(j, n);
	if (s == j->s.member_expression)
		return member_expression(j, n, depth);
	if (s == j->s.call_expression || s == j->s.new_expression)
		return call(j, n, depth);
	if (s == j->s.string || s == j->s.template_string)
		return string(j, n, depth);
	if (s == j->s.number)
		return nx_value_number(nx_value_parse_number(text(j, n)));
	if (s == j->s.subscript_expression)
		return subscript(j, n, depth);
	if (s == j->s.binary_expression)
		return binary(j, n, depth);
	if (s == j->s.array)
		return array(j, n, depth);
	if (s == j->s.parenthesized_expression || s == j->s.await_expression || s == j->s.sequence_expression ||
	    s == j->s.spread_element)
		return eval(j, last_child(n), depth + 1);
	if (s == j->s.assignment_expression)
		return eval(j, nx_js_child(n, j->f.right), depth + 1);
	return s == j->s.ternary_expression ? either(j, n, depth) : unknown;
}
