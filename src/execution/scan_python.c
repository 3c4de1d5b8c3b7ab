/*
 * Python: one walk over the tree notes which names stand for which modules, functions and texts (imports, also with `as`,
 * star imports, assignments, defaults, loops, returns); then what is imported, called, named and handed on is resolved, and
 * the rules are asked. Scopes are not followed: a name that stands for os anywhere does so everywhere, which errs on the
 * side of finding.
 */
#include "execution/scan_python_internal.h"

#define EXIT_SEARCH_MAX 2000
#define PARTS_MAX 128   /* names of one import, targets of one assignment */
#define LARGE 100000000 /* of a repetition */
#define LARGE_EXPONENT 1000000
#define RECURSION_DEPTH 8 /* of an expression that is searched for a call */

static bool is(TSNode n, TSSymbol s)
{
	return nx_py_is(n, s);
}

static nx_str text(const struct nx_py *p, TSNode n)
{
	return ts_node_is_null(n) ? NX_STR("") : nx_scan_text(p->w.s, n);
}

static void learn_grammar(struct nx_py *p, const TSLanguage *l)
{
#define X(name) p->s.name = ts_language_symbol_for_name(l, #name, sizeof(#name) - 1, true);
	NX_PY_SYMBOLS(X)
#undef X
#define X(name) p->f.name = ts_language_field_id_for_name(l, #name, sizeof(#name) - 1);
	NX_PY_FIELDS(X)
#undef X
	p->s.float_ = ts_language_symbol_for_name(l, "float", 5, true);
	p->s.true_ = ts_language_symbol_for_name(l, "true", 4, true);
}

/* ---- what the common part asks ---- */

static TSNode callee(const struct nx_names *w, TSNode n)
{
	const struct nx_py *p = nx_container_of(w, struct nx_py, w);
	if (is(n, p->s.call))
		return nx_py_child(n, p->f.function);
	return is(n, p->s.decorator) ? ts_node_named_child(n, 0) : (TSNode){0};
}

static uint32_t arguments(const struct nx_names *w, TSNode call, TSNode ret[static NX_CALL_ARGUMENTS_MAX])
{
	const struct nx_py *p = nx_container_of(w, struct nx_py, w);
	TSNode list = nx_py_child(call, p->f.arguments);
	if (is(list, p->s.argument_list))
		return nx_scan_children(list, ret, NX_CALL_ARGUMENTS_MAX);
	if (ts_node_is_null(list))
		return 0;
	ret[0] = list; /* f(x for x in y) */
	return 1;
}

static bool is_endless(const struct nx_py *p, TSNode n)
{
	TSNode c = is(n, p->s.while_statement) ? nx_py_child(n, p->f.condition) : (TSNode){0};
	while (is(c, p->s.parenthesized_expression))
		c = ts_node_named_child(c, 0);
	return is(c, p->s.true_) || (is(c, p->s.integer) && !nx_str_eqz(text(p, c), "0"));
}

static bool is_in_endless_loop(const struct nx_names *w, TSNode n)
{
	const struct nx_py *p = nx_container_of(w, struct nx_py, w);
	TSNode a = ts_node_parent(n);
	while (!ts_node_is_null(a) && !is_endless(p, a))
		a = ts_node_parent(a);
	return !ts_node_is_null(a);
}

/* ---- first walk: which names stand for what ---- */

/* Spaces inside a dotted name ("os . path") are not part of it. */
static nx_str squeezed(struct nx_py *p, TSNode n)
{
	nx_str s = text(p, n);
	char *out = s.n < NX_SCAN_DOTTED_MAX ? nx_arena_alloc(p->w.s->arena, s.n + 1) : NULL;
	size_t len = 0;
	for (size_t i = 0; out && i < s.n; i++)
		if (!memchr(" \t\\\n\r\f", s.p[i], 6))
			out[len++] = s.p[i];
	nx_str name = nx_str_n(out, len), normal = name;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)out[i] >= 0x80)
			return nx_utf8_valid(name) && nx_utf8_nfkc(p->w.s->arena, name, &normal, NULL) == 0 ? normal
													    : name;
	return name;
}

static void keep(struct nx_py *p, nx_str name, const struct nx_value *v)
{
	if (name.n && (v->kind != NX_VALUE_NAME || v->path.n || nx_match_leads(&p->w, v->text) ||
		       nx_py_imports(v->text) || nx_py_is_module(p, v->text)))
		nx_names_add(&p->w, name, v);
}

static void note_module(struct nx_py *p, nx_str module)
{
	struct nx_value one = nx_value_number(1);
	for (size_t i = 1; i <= module.n; i++)
		if (i == module.n || module.p[i] == '.')
			nx_names_add(&p->modules, nx_str_n(module.p, i), &one);
}

static void note_import(struct nx_py *p, TSNode n)
{
	TSNode parts[PARTS_MAX];
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++) {
		bool is_aliased = is(parts[i], p->s.aliased_import);
		nx_str module = squeezed(p, is_aliased ? nx_py_child(parts[i], p->f.name) : parts[i]);
		struct nx_value v = {.kind = NX_VALUE_NAME, .text = module};
		if (module.n == 0)
			continue;
		note_module(p, module);
		if (is_aliased)
			nx_names_add(&p->w, nx_py_identifier(p, nx_py_child(parts[i], p->f.alias)), &v);
	}
}

static void note_import_from(struct nx_py *p, TSNode n)
{
	TSNode parts[PARTS_MAX], m = nx_py_child(n, p->f.module_name);
	nx_str module = ts_node_is_null(m) ? NX_STR("") : squeezed(p, m);
	uint32_t count = module.n ? nx_scan_children(n, parts, nx_countof(parts)) : 0;
	for (uint32_t i = 0; i < count; i++) {
		TSNode name = is(parts[i], p->s.aliased_import) ? nx_py_child(parts[i], p->f.name) : parts[i];
		TSNode as = is(parts[i], p->s.aliased_import) ? nx_py_child(parts[i], p->f.alias) : name;
		if (ts_node_eq(parts[i], m))
			continue;
		if (is(parts[i], p->s.wildcard_import) && p->nstars < NX_PY_STARS_MAX)
			p->stars[p->nstars++] = module;
		nx_arena_reset(p->w.scratch);
		struct nx_value v = nx_value_name(&p->w, module, squeezed(p, name));
		if (is(name, p->s.dotted_name) && v.kind == NX_VALUE_NAME)
			nx_names_add(&p->w, squeezed(p, as), &v);
	}
}

/* `a, (b, c) = …`: item by item; `x.y = …` is kept under its text. */
static void note_target(struct nx_py *p, TSNode target, const struct nx_value *v, unsigned depth)
{
	TSNode parts[PARTS_MAX];
	if (is(target, p->s.identifier)) {
		keep(p, nx_py_identifier(p, target), v);
	} else if (is(target, p->s.attribute)) {
		keep(p, text(p, target), v);
	} else if ((is(target, p->s.pattern_list) || is(target, p->s.tuple_pattern)) && v->kind == NX_VALUE_LIST &&
		   depth < 4) {
		uint32_t count = nx_scan_children(target, parts, nx_countof(parts));
		for (uint32_t i = 0; i < count && i < v->n; i++)
			note_target(p, parts[i], &v->items[i], depth + 1);
	}
}

static void note_value(struct nx_py *p, TSNode target, TSNode value)
{
	unsigned choice = 0;
	if (ts_node_is_null(target) || ts_node_is_null(value))
		return;
	do {
		struct nx_value v = nx_names_evaluate(&p->w, value, choice++);
		note_target(p, target, &v, 0);
	} while (p->w.more);
}

static void note_items(struct nx_py *p, TSNode target, TSNode over)
{
	struct nx_value list = nx_names_evaluate(&p->w, over, 0);
	for (size_t i = 0; list.kind == NX_VALUE_LIST && i < list.n && i < NX_NAME_VALUES_MAX; i++)
		note_target(p, target, &list.items[i], 0);
}

/* `f()` stands for what f returns. */
static void note_returned(struct nx_py *p, nx_str function, TSNode value)
{
	struct nx_value v = nx_names_evaluate(&p->w, value, 0);
	char *key = function.n < NX_SCAN_DOTTED_MAX ? nx_arena_printf(p->w.scratch, "%.*s()", NX_FMT(function)) : NULL;
	if (key && v.kind == NX_VALUE_NAME)
		keep(p, nx_str_z(key), &v);
}

static void note_return(struct nx_py *p, TSNode n)
{
	struct nx_value v = nx_names_evaluate(&p->w, ts_node_named_child(n, 0), 0);
	if (v.kind != NX_VALUE_NAME || !(nx_match_leads(&p->w, v.text) || nx_py_is_module(p, v.text)))
		return;
	TSNode f = ts_node_parent(n);
	while (!ts_node_is_null(f) && !is(f, p->s.function_definition))
		f = ts_node_parent(f);
	if (!ts_node_is_null(f))
		note_returned(p, text(p, nx_py_child(f, p->f.name)), ts_node_named_child(n, 0));
}

static void note_augmented(struct nx_py *p, TSNode n)
{
	TSNode left = nx_py_child(n, p->f.left);
	if (!nx_str_eqz(text(p, nx_py_child(n, p->f.operator)), "+="))
		return;
	struct nx_value was = nx_names_evaluate(&p->w, left, 0);
	if (was.kind == NX_VALUE_NAME)
		return;
	struct nx_value more = nx_py_evaluate(&p->w, nx_py_child(n, p->f.right), 0);
	struct nx_value v = nx_value_concat(&p->w, &was, &more);
	note_target(p, left, &v, 0);
}

static void note_lambda(struct nx_py *p, TSNode name, TSNode value)
{
	if (is(name, p->s.identifier) && is(value, p->s.lambda))
		note_returned(p, text(p, name), nx_py_child(value, p->f.body));
}

static void note(struct nx_py *p, TSNode n)
{
	TSSymbol s = ts_node_symbol(n);
	if (s == p->s.import_statement) {
		note_import(p, n);
	} else if (s == p->s.import_from_statement) {
		note_import_from(p, n);
	} else if (s == p->s.assignment) {
		note_value(p, nx_py_child(n, p->f.left), nx_py_child(n, p->f.right));
		note_lambda(p, nx_py_child(n, p->f.left), nx_py_child(n, p->f.right));
	} else if (s == p->s.named_expression || s == p->s.default_parameter || s == p->s.typed_default_parameter) {
		note_value(p, nx_py_child(n, p->f.name), nx_py_child(n, p->f.value));
	} else if (s == p->s.for_statement || s == p->s.for_in_clause) {
		note_items(p, nx_py_child(n, p->f.left), nx_py_child(n, p->f.right));
	} else if (s == p->s.return_statement && ts_node_named_child_count(n)) {
		note_return(p, n);
	} else if (s == p->s.augmented_assignment) {
		note_augmented(p, n);
	} else if (s == p->s.as_pattern && is(nx_py_child(n, p->f.alias), p->s.as_pattern_target)) {
		note_value(p, ts_node_named_child(nx_py_child(n, p->f.alias), 0), ts_node_named_child(n, 0));
	}
}

/* ---- second walk: imports ---- */

static void check_import(struct nx_py *p, TSNode n)
{
	TSNode parts[PARTS_MAX];
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++) {
		TSNode name = is(parts[i], p->s.aliased_import) ? nx_py_child(parts[i], p->f.name) : parts[i];
		nx_str module = squeezed(p, name);
		if (module.n)
			nx_match_module(&p->w, module, '.', name);
	}
}

static bool has_import_rule(const struct nx_py *p, nx_str name)
{
	size_t n;
	(void)nx_rules_find(p->w.s->rules, NX_RULE_IMPORT, name, &n);
	return n > 0;
}

/* `from urllib import request` imports urllib.request; `from shutil import os` imports os by a side door. */
static void check_import_from(struct nx_py *p, TSNode n)
{
	TSNode parts[PARTS_MAX], m = nx_py_child(n, p->f.module_name);
	if (ts_node_is_null(m) || is(m, p->s.relative_import))
		return; /* a file of the run itself, which was given with the request */
	nx_str module = squeezed(p, m);
	uint32_t count = module.n ? nx_scan_children(n, parts, nx_countof(parts)) : 0;
	if (count)
		nx_match_module(&p->w, module, '.', m);
	for (uint32_t i = 0; i < count; i++) {
		TSNode name = is(parts[i], p->s.aliased_import) ? nx_py_child(parts[i], p->f.name) : parts[i];
		if (ts_node_eq(parts[i], m) || !is(name, p->s.dotted_name))
			continue;
		nx_str last = squeezed(p, name);
		nx_arena_reset(p->w.scratch);
		struct nx_value whole = nx_value_name(&p->w, module, last);
		nx_str open = nx_str_starts(last, NX_STR("_")) ? nx_str_slice(last, 1, last.n) : last;
		if (whole.kind == NX_VALUE_NAME && has_import_rule(p, whole.text))
			nx_match_module(&p->w, whole.text, '.', name);
		if (whole.kind == NX_VALUE_NAME)
			nx_match_reference(&p->w, whole.text, name);
		if (has_import_rule(p, open) && !nx_match_is_allowed(&p->w, module, '.')) {
			nx_match_module(&p->w, open, '.', name);
			nx_scan_check(p->w.s, "reexport", name);
		}
	}
}

/* A module that is imported by a text counts as an import statement. */
static void check_import_call(struct nx_py *p, TSNode n)
{
	TSNode a[NX_CALL_ARGUMENTS_MAX];
	unsigned choice = 0;
	bool more;
	if (p->w.arguments(&p->w, n, a) == 0)
		return;
	do {
		struct nx_value v = nx_names_evaluate(&p->w, a[0], choice++);
		more = p->w.more;
		if (!nx_value_is_text(&v))
			nx_scan_check(p->w.s, "unresolved-import", n);
		else if (v.text.n)
			nx_match_module(&p->w, v.text, '.', n);
	} while (more);
}

/* ---- calls ---- */

static void check_stars(struct nx_py *p, nx_str name, TSNode at)
{
	for (size_t i = 0; i < p->nstars; i++) {
		nx_arena_reset(p->w.scratch);
		struct nx_value v = nx_value_name(&p->w, p->stars[i], name);
		if (v.kind == NX_VALUE_NAME)
			nx_match_call(&p->w, v.text, at);
	}
}

static void check_call(struct nx_py *p, TSNode n)
{
	TSNode function = callee(&p->w, n);
	unsigned choice = 0;
	bool more;
	do {
		(void)nx_names_evaluate(&p->w, (TSNode){0}, choice++);
		struct nx_value v = nx_py_called(p, n, 0);
		more = p->w.more;
		if (v.kind != NX_VALUE_NAME)
			continue;
		nx_str name = nx_str_dup(p->w.s->arena, v.text);
		if (!name.p) {
			p->w.s->out_of_memory = true;
			return;
		}
		if (nx_py_imports(name))
			check_import_call(p, n);
		if (is(function, p->s.identifier) && !nx_names_has(&p->w, nx_py_identifier(p, function)))
			check_stars(p, name, n);
		nx_match_call(&p->w, name, n);
	} while (more);
}

/* getattr(os, name): of a module, what is taken should be written. */
static void check_getattr(struct nx_py *p, TSNode n)
{
	TSNode a[NX_CALL_ARGUMENTS_MAX], function = callee(&p->w, n);
	if (!is(function, p->s.identifier))
		return;
	struct nx_value f = nx_names_evaluate(&p->w, function, 0);
	if (f.kind != NX_VALUE_NAME || !nx_str_eqz(f.text, "getattr") || p->w.arguments(&p->w, n, a) < 2)
		return;
	struct nx_value o = nx_names_evaluate(&p->w, a[0], 0), key = nx_py_evaluate(&p->w, a[1], 0);
	if (o.kind == NX_VALUE_NAME && !nx_value_is_text(&key) &&
	    (nx_py_is_module(p, o.text) || has_import_rule(p, o.text)))
		nx_scan_check(p->w.s, "computed-member", n);
	else if (nx_value_is_text(&key))
		nx_match_attribute(&p->w, key.text, n);
}

/* ---- names ---- */

static bool is_made(const struct nx_py *p, const struct nx_py_node *n)
{
	return (n->field == p->f.left || n->field == p->f.name || n->field == p->f.alias) && is(n->n, p->s.identifier);
}

static void check_name(struct nx_py *p, const struct nx_py_node *n)
{
	unsigned choice = 0;
	bool more, is_called = (n->field == p->f.function) || n->parent == p->s.decorator;
	if (is(n->n, p->s.attribute))
		nx_match_attribute(&p->w, nx_py_identifier(p, nx_py_child(n->n, p->f.attribute)), n->n);
	if (n->parent == p->s.dotted_name || n->field == p->f.attribute || is_made(p, n))
		return;
	do {
		struct nx_value v = nx_names_evaluate(&p->w, n->n, choice++);
		more = p->w.more;
		if (v.kind != NX_VALUE_NAME)
			continue;
		nx_match_name(&p->w, v.text, n->n);
		if (is_called || n->field == p->f.object)
			continue;
		nx_match_reference(&p->w, v.text, n->n);
	} while (more);
}

/* shutil.os: a module that is reached through another. */
static void check_reexport(struct nx_py *p, TSNode n)
{
	struct nx_value o = nx_names_evaluate(&p->w, nx_py_child(n, p->f.object), 0);
	nx_str first = o.text;
	if (o.kind != NX_VALUE_NAME || !nx_py_is_module(p, nx_str_cut(&first, '.')))
		return;
	struct nx_value v = nx_names_evaluate(&p->w, n, 0);
	if (v.kind == NX_VALUE_NAME && v.text.n && !memchr(v.text.p, '.', v.text.n) && has_import_rule(p, v.text))
		nx_scan_check(p->w.s, "reexport", n);
}

/* An identifier that reads otherwise than it is written (NFKC). */
static void check_lookalike(struct nx_py *p, TSNode n)
{
	if (!nx_str_eq(nx_py_identifier(p, n), text(p, n)))
		nx_scan_check(p->w.s, "lookalike", n);
}

static void check_subscript(struct nx_py *p, const struct nx_py_node *n)
{
	struct nx_value key = nx_names_evaluate(&p->w, nx_py_child(n->n, p->f.subscript), 0);
	if (!nx_value_is_text(&key))
		return;
	nx_match_attribute(&p->w, key.text, n->n);
	check_name(p, n);
}

/* ---- texts, amounts, loops ---- */

static void check_text(struct nx_py *p, const struct nx_py_node *n)
{
	if (n->parent == p->s.binary_operator || n->parent == p->s.concatenated_string)
		return; /* the whole is looked at */
	struct nx_value v = nx_names_evaluate(&p->w, n->n, 0);
	if (v.path.n)
		v = nx_value_text(v.path);
	nx_match_text(&p->w, &v, n->n);
}

static bool is_sequence(const struct nx_py *p, TSNode n)
{
	while (is(n, p->s.parenthesized_expression))
		n = ts_node_named_child(n, 0);
	return is(n, p->s.string) || is(n, p->s.concatenated_string) || is(n, p->s.list) || is(n, p->s.tuple) ||
	       is(n, p->s.list_comprehension);
}

/* "a" * 10 ** 10, [0] * n, 9 ** 9 ** 9. */
static void check_amount(struct nx_py *p, TSNode n)
{
	nx_str operator= text(p, nx_py_child(n, p->f.operator));
	TSNode left = nx_py_child(n, p->f.left), right = nx_py_child(n, p->f.right);
	bool is_power = nx_str_eqz(operator, "**");
	if (!is_power && !(nx_str_eqz(operator, "*") && (is_sequence(p, left) || is_sequence(p, right))))
		return;
	struct nx_value a = nx_names_evaluate(&p->w, left, 0), b = nx_py_evaluate(&p->w, right, 0);
	int64_t x = a.kind == NX_VALUE_NUMBER ? a.number : 0, y = b.kind == NX_VALUE_NUMBER ? b.number : 0;
	if (is_power ? y >= LARGE_EXPONENT && (x > 1 || x < -1) : nx_max(x, y) >= LARGE)
		nx_scan_check(p->w.s, "large", n);
}

struct exit_search {
	const struct nx_py *p;
	bool found;
};

static void look_for_exit(void *ctx, TSNode n)
{
	struct exit_search *e = ctx;
	const struct nx_py *p = e->p;
	if (e->found)
		return;
	e->found = is(n, p->s.break_statement) || is(n, p->s.return_statement) || is(n, p->s.raise_statement) ||
		   is(n, p->s.yield) || is(n, p->s.await);
	if (is(n, p->s.call)) {
		nx_str f = text(p, nx_py_child(n, p->f.function));
		e->found |= nx_str_eqz(f, "exit") || nx_str_eqz(f, "quit") || nx_str_eqz(f, "sys.exit") ||
			    nx_str_eqz(f, "next") || nx_str_eqz(f, "input");
	}
}

static void check_loop(struct nx_py *p, TSNode n)
{
	struct exit_search e = {.p = p};
	if (!is_endless(p, n) || ts_node_descendant_count(n) > EXIT_SEARCH_MAX)
		return;
	nx_scan_each(n, look_for_exit, &e);
	if (!e.found)
		nx_scan_check(p->w.s, "endless-loop", n);
}

/* In a method the bare name is that of something outside of the class. */
static bool is_self(const struct nx_py *p, TSNode call, nx_str name, bool is_method)
{
	nx_str f = text(p, nx_py_child(call, p->f.function));
	return (nx_str_eq(f, name) && !is_method) ||
	       (nx_str_starts(f, NX_STR("self.")) && nx_str_eq(nx_str_slice(f, 5, f.n), name));
}

/* The expression cannot be had without a call of `name`. */
static bool needs_call(const struct nx_py *p, TSNode n, nx_str name, bool is_method, unsigned depth)
{
	TSNode parts[8];
	if (is(n, p->s.call) && is_self(p, n, name, is_method))
		return true;
	if (depth == 0 || !(is(n, p->s.call) || is(n, p->s.argument_list) || is(n, p->s.binary_operator) ||
			    is(n, p->s.parenthesized_expression) || is(n, p->s.tuple) || is(n, p->s.list) ||
			    is(n, p->s.expression_list) || is(n, p->s.unary_operator) || is(n, p->s.return_statement) ||
			    is(n, p->s.expression_statement)))
		return false;
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++)
		if (needs_call(p, parts[i], name, is_method, depth - 1))
			return true;
	return false;
}

static bool is_method(const struct nx_py *p, TSNode function)
{
	TSNode block = ts_node_parent(function);
	return !ts_node_is_null(block) && is(ts_node_parent(block), p->s.class_definition);
}

/* def f(): f(), or return f() + f(): nothing but a docstring stands before the call. */
static void check_recursion(struct nx_py *p, TSNode n)
{
	TSNode parts[3], body = nx_py_child(n, p->f.body);
	uint32_t count = ts_node_is_null(body) ? 0 : nx_scan_children(body, parts, nx_countof(parts)), at = 0;
	if (count > 1 && is(parts[0], p->s.expression_statement) && is(ts_node_named_child(parts[0], 0), p->s.string))
		at = 1;
	if (at < count && (is(parts[at], p->s.expression_statement) || is(parts[at], p->s.return_statement)) &&
	    needs_call(p, parts[at], text(p, nx_py_child(n, p->f.name)), is_method(p, n), RECURSION_DEPTH))
		nx_scan_check(p->w.s, "endless-recursion", n);
}

/* A cookie of another encoding than these makes the bytes mean another program (PEP 263). */
static void check_cookie(struct nx_py *p, TSNode root)
{
	static const char *const harmless[] = {"utf-8",  "utf8",       "utf_8",       "ascii",  "us-ascii", "latin-1",
					       "latin1", "iso-8859-1", "iso-8859-15", "cp1252", "utf-8-sig"};
	nx_str rest = p->w.s->code;
	for (int line = 0; line < 2 && rest.n; line++) {
		nx_str l = nx_str_trim(nx_str_cut(&rest, '\n'));
		ptrdiff_t at = nx_str_starts(l, NX_STR("#")) ? nx_str_find(l, NX_STR("coding")) : -1;
		nx_str name = at < 0 ? NX_STR("") : nx_str_slice(l, (size_t)at + 6, l.n);
		if (name.n < 2 || (name.p[0] != ':' && name.p[0] != '='))
			continue;
		name = nx_str_trim(nx_str_slice(name, 1, name.n));
		size_t n = 0;
		while (n < name.n && !memchr(" \t*;", name.p[n], 4))
			n++;
		bool known = false;
		for (size_t i = 0; i < nx_countof(harmless); i++)
			known |= nx_str_ieq_ascii(nx_str_n(name.p, n), nx_str_z(harmless[i]));
		if (!known && p->w.s->depth == 0)
			nx_scan_check(p->w.s, "encoding-cookie", ts_node_descendant_for_byte_range(root, 0, 1));
	}
}

static void check_binary(struct nx_py *p, const struct nx_py_node *n)
{
	check_amount(p, n->n);
	check_text(p, n);
}

static void check(struct nx_py *p, const struct nx_py_node *n)
{
	TSSymbol s = ts_node_symbol(n->n);
	if (s == p->s.import_statement) {
		check_import(p, n->n);
	} else if (s == p->s.import_from_statement) {
		check_import_from(p, n->n);
	} else if (s == p->s.call || s == p->s.decorator) {
		check_call(p, n->n);
		check_getattr(p, n->n);
	} else if (s == p->s.attribute) {
		check_name(p, n);
		check_reexport(p, n->n);
	} else if (s == p->s.identifier) {
		check_lookalike(p, n->n);
		check_name(p, n);
	} else if (s == p->s.subscript) {
		check_subscript(p, n);
	} else if (s == p->s.string || s == p->s.concatenated_string) {
		check_text(p, n);
	} else if (s == p->s.binary_operator) {
		check_binary(p, n);
	} else if (s == p->s.while_statement) {
		check_loop(p, n->n);
	} else {
		check_recursion(p, n->n);
	}
}

static bool is_checked(const struct nx_py *p, TSSymbol s)
{
	return s == p->s.identifier || s == p->s.attribute || s == p->s.call || s == p->s.string ||
	       s == p->s.subscript || s == p->s.binary_operator || s == p->s.import_statement ||
	       s == p->s.import_from_statement || s == p->s.decorator || s == p->s.concatenated_string ||
	       s == p->s.while_statement || s == p->s.function_definition;
}

static void keep_node(struct nx_py *p, const struct nx_py_node *n)
{
	if (p->nnodes == p->nodes_cap) {
		size_t cap = p->nodes_cap ? p->nodes_cap * 2 : 1024;
		struct nx_py_node *more =
			nx_arena_realloc(p->w.s->arena, p->nodes, p->nodes_cap * sizeof(*more), cap * sizeof(*more));
		if (!more) {
			p->w.s->out_of_memory = true;
			return;
		}
		p->nodes = more;
		p->nodes_cap = cap;
	}
	p->nodes[p->nnodes++] = *n;
}

static void visit(void *ctx, TSNode n, TSSymbol parent, TSFieldId field)
{
	struct nx_py *p = ctx;
	note(p, n);
	if (is_checked(p, ts_node_symbol(n)))
		keep_node(p, &(struct nx_py_node){n, parent, field});
}

void nx_scan_python(struct nx_scan *s, TSNode root)
{
	struct nx_py *p = nx_arena_new_of(s->arena, struct nx_py);
	if (!p || !nx_names_init(&p->w, s)) {
		s->out_of_memory = true;
		return;
	}
	p->w.evaluate = nx_py_evaluate;
	p->w.callee = callee;
	p->w.arguments = arguments;
	p->w.is_in_endless_loop = is_in_endless_loop;
	p->modules.s = s;
	learn_grammar(p, ts_node_language(root));
	check_cookie(p, root);
	nx_scan_each_placed(root, visit, p);
	for (size_t i = 0; i < p->nnodes && s->result->nfindings < NX_SCAN_FINDINGS_MAX; i++)
		check(p, &p->nodes[i]);
	nx_names_done(&p->w);
}
