/*
 * JavaScript, scripts and modules alike: one walk notes which names stand for which modules and functions (require, import,
 * destructuring, assignment, defaults, returns); then what is imported, called, named and handed on is asked of the rules.
 */
#include "execution/scan_javascript_internal.h"

#define EXIT_SEARCH_MAX 2000

struct nx_js_node {
	TSNode n;
	TSSymbol parent;
	TSFieldId field;
};

static bool is(TSNode n, TSSymbol s)
{
	return nx_js_is(n, s);
}

static nx_str text(const struct nx_js *j, TSNode n)
{
	return ts_node_is_null(n) ? NX_STR("") : nx_scan_text(j->w.s, n);
}

static void learn_grammar(struct nx_js *j, const TSLanguage *l)
{
#define X(name) j->s.name = ts_language_symbol_for_name(l, #name, sizeof(#name) - 1, true);
	NX_JS_SYMBOLS(X)
#undef X
#define X(name) j->f.name = ts_language_field_id_for_name(l, #name, sizeof(#name) - 1);
	NX_JS_FIELDS(X)
#undef X
}

/* ---- what the common part asks ---- */

static TSNode callee(const struct nx_names *w, TSNode n)
{
	const struct nx_js *j = nx_container_of(w, struct nx_js, w);
	if (is(n, j->s.call_expression))
		return nx_js_child(n, j->f.function);
	if (is(n, j->s.new_expression))
		return nx_js_child(n, j->f.constructor);
	return is(n, j->s.decorator) ? ts_node_named_child(n, 0) : (TSNode){0};
}

static uint32_t arguments(const struct nx_names *w, TSNode call, TSNode ret[static NX_CALL_ARGUMENTS_MAX])
{
	const struct nx_js *j = nx_container_of(w, struct nx_js, w);
	TSNode list = nx_js_child(call, j->f.arguments);
	if (is(list, j->s.arguments))
		return nx_scan_children(list, ret, NX_CALL_ARGUMENTS_MAX);
	if (ts_node_is_null(list))
		return 0;
	ret[0] = list; /* f`text` */
	return 1;
}

static bool is_always(const struct nx_js *j, TSNode condition)
{
	nx_str c = text(j, condition);
	return ts_node_is_null(condition) || nx_str_eqz(c, ";") || nx_str_eqz(c, "(true)") || nx_str_eqz(c, "(1)") ||
	       nx_str_eqz(c, "true;") || nx_str_eqz(c, "1;") || nx_str_eqz(c, "(!0)") || nx_str_eqz(c, "true") ||
	       nx_str_eqz(c, "1") || nx_str_eqz(c, "(!false)");
}

static bool is_endless(const struct nx_js *j, TSNode n)
{
	return (is(n, j->s.while_statement) || is(n, j->s.do_statement) || is(n, j->s.for_statement)) &&
	       is_always(j, nx_js_child(n, j->f.condition));
}

static bool is_in_endless_loop(const struct nx_names *w, TSNode n)
{
	const struct nx_js *j = nx_container_of(w, struct nx_js, w);
	TSNode a = ts_node_parent(n);
	while (!ts_node_is_null(a) && !is_endless(j, a))
		a = ts_node_parent(a);
	return !ts_node_is_null(a);
}

/* ---- first walk: which names stand for what ---- */

static bool leads_somewhere(const struct nx_js *j, const struct nx_value *v)
{
	return v->kind != NX_VALUE_NAME || nx_js_is_require(v->text) || nx_match_leads(&j->w, nx_js_plain(v->text));
}

static void keep(struct nx_js *j, nx_str name, const struct nx_value *v)
{
	if (name.n && leads_somewhere(j, v))
		nx_names_add(&j->w, name, v);
}

static void note_pattern(struct nx_js *j, TSNode pattern, const struct nx_value *v, unsigned depth);

static void note_part(struct nx_js *j, TSNode pattern, nx_str key, const struct nx_value *v, unsigned depth)
{
	if (v->kind != NX_VALUE_NAME || key.n == 0)
		return;
	struct nx_value part = nx_str_eqz(key, "default") ? *v : nx_value_name(&j->w, v->text, key);
	note_pattern(j, pattern, &part, depth + 1);
}

static void note_object(struct nx_js *j, TSNode pattern, const struct nx_value *v, unsigned depth)
{
	TSNode parts[64];
	uint32_t n = nx_scan_children(pattern, parts, nx_countof(parts));
	for (uint32_t i = 0; i < n; i++) {
		TSNode p = is(parts[i], j->s.object_assignment_pattern) ? nx_js_child(parts[i], j->f.left) : parts[i];
		TSNode key = is(p, j->s.pair_pattern) ? nx_js_child(p, j->f.key) : p;
		nx_str name = text(j, key);
		if (is(key, j->s.string) && name.n > 2)
			name = nx_str_slice(name, 1, name.n - 1);
		note_part(j, is(p, j->s.pair_pattern) ? nx_js_child(p, j->f.value) : p, name, v, depth);
	}
}

static void note_pattern(struct nx_js *j, TSNode pattern, const struct nx_value *v, unsigned depth)
{
	TSNode parts[64];
	if (is(pattern, j->s.assignment_pattern))
		pattern = nx_js_child(pattern, j->f.left);
	if (is(pattern, j->s.identifier) || is(pattern, j->s.shorthand_property_identifier_pattern) ||
	    is(pattern, j->s.member_expression))
		keep(j, text(j, pattern), v);
	else if (is(pattern, j->s.object_pattern) && depth < 8)
		note_object(j, pattern, v, depth);
	else if (is(pattern, j->s.array_pattern) && v->kind == NX_VALUE_LIST && depth < 8)
		for (uint32_t i = 0, n = nx_scan_children(pattern, parts, nx_countof(parts)); i < n && i < v->n; i++)
			note_pattern(j, parts[i], &v->items[i], depth + 1);
}

static void note_value(struct nx_js *j, TSNode pattern, TSNode value)
{
	unsigned choice = 0;
	if (ts_node_is_null(pattern) || ts_node_is_null(value))
		return;
	do {
		struct nx_value v = nx_names_evaluate(&j->w, value, choice++);
		note_pattern(j, pattern, &v, 0);
	} while (j->w.more);
}

/* `f()` stands for what f returns. */
static void note_returned(struct nx_js *j, nx_str function, TSNode value)
{
	struct nx_value v = nx_names_evaluate(&j->w, value, 0);
	char *key = function.n < NX_SCAN_DOTTED_MAX ? nx_arena_printf(j->w.scratch, "%.*s()", NX_FMT(function)) : NULL;
	if (key && function.n && v.kind == NX_VALUE_NAME)
		keep(j, nx_str_z(key), &v);
}

static void note_return(struct nx_js *j, TSNode n)
{
	TSNode value = ts_node_named_child(n, 0);
	struct nx_value v = nx_names_evaluate(&j->w, value, 0);
	if (v.kind != NX_VALUE_NAME || !leads_somewhere(j, &v))
		return;
	TSNode f = ts_node_parent(n);
	while (!ts_node_is_null(f) && ts_node_is_null(nx_js_child(f, j->f.name)))
		f = ts_node_parent(f);
	if (!ts_node_is_null(f))
		note_returned(j, text(j, nx_js_child(f, j->f.name)), value);
}

static void note_import(struct nx_js *j, TSNode n, const struct nx_value *module)
{
	TSNode parts[64];
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++) {
		TSNode p = parts[i];
		if (is(p, j->s.import_clause) || is(p, j->s.named_imports) || is(p, j->s.namespace_import)) {
			note_import(j, p, module);
		} else if (is(p, j->s.identifier)) {
			keep(j, text(j, p), module);
		} else if (is(p, j->s.import_specifier)) {
			TSNode alias = nx_js_child(p, j->f.alias), name = nx_js_child(p, j->f.name);
			note_part(j, ts_node_is_null(alias) ? name : alias, text(j, name), module, 0);
		}
	}
}

static void note(struct nx_js *j, TSNode n)
{
	TSSymbol s = ts_node_symbol(n);
	if (s == j->s.variable_declarator) {
		TSNode value = nx_js_child(n, j->f.value);
		note_value(j, nx_js_child(n, j->f.name), value);
		if (is(value, j->s.arrow_function) && !is(nx_js_child(value, j->f.body), j->s.statement_block))
			note_returned(j, text(j, nx_js_child(n, j->f.name)), nx_js_child(value, j->f.body));
	} else if (s == j->s.assignment_expression || s == j->s.assignment_pattern ||
		   s == j->s.object_assignment_pattern) {
		note_value(j, nx_js_child(n, j->f.left), nx_js_child(n, j->f.right));
	} else if (s == j->s.return_statement && ts_node_named_child_count(n)) {
		note_return(j, n);
	} else if (s == j->s.import_statement) {
		struct nx_value source = nx_names_evaluate(&j->w, nx_js_child(n, j->f.source), 0);
		struct nx_value module = nx_value_is_text(&source) ? nx_js_module(&j->w, source.text) : source;
		note_import(j, n, &module);
	} else if (s == j->s.augmented_assignment_expression) {
		TSNode left = nx_js_child(n, j->f.left);
		struct nx_value was = nx_names_evaluate(&j->w, left, 0);
		struct nx_value more = nx_js_evaluate(&j->w, nx_js_child(n, j->f.right), 0);
		struct nx_value v = nx_value_concat(&j->w, &was, &more);
		note_pattern(j, left, &v, 0);
	}
}

/* for (const f of [eval, Function]) … */
static void note_loop(struct nx_js *j, TSNode n)
{
	struct nx_value list = nx_names_evaluate(&j->w, nx_js_child(n, j->f.right), 0);
	for (size_t i = 0; list.kind == NX_VALUE_LIST && i < list.n && i < NX_NAME_VALUES_MAX; i++)
		note_pattern(j, nx_js_child(n, j->f.left), &list.items[i], 0);
}

/* ---- second walk: what the rules say ---- */

static void check_module(struct nx_js *j, TSNode source, TSNode at)
{
	unsigned choice = 0;
	bool more;
	do {
		struct nx_value v = nx_names_evaluate(&j->w, source, choice++);
		more = j->w.more;
		if (!nx_value_is_text(&v)) {
			nx_scan_check(j->w.s, "unresolved-import", at);
			return;
		}
		if (nx_str_starts(v.text, NX_STR("node:")))
			v.text = nx_str_slice(v.text, 5, v.text.n);
		if (v.text.n && v.text.p[0] != '.') /* a file of the run itself, which was given with the request */
			nx_match_module(&j->w, v.text, '/', at);
		else if (nx_str_starts(v.text, NX_STR("../")))
			nx_match_text(&j->w, &v, at);
	} while (more);
}

static bool is_constructor(nx_str name)
{
	return nx_str_eqz(name, "constructor") || nx_str_ends(name, NX_STR(".constructor"));
}

static void check_named_call(struct nx_js *j, nx_str name, TSNode at)
{
	TSNode a[NX_CALL_ARGUMENTS_MAX];
	if (is_constructor(name))
		nx_scan_check(j->w.s, "constructor-call", at);
	if (nx_js_is_require(name) && !nx_str_eqz(name, "module.createRequire") && j->w.arguments(&j->w, at, a) > 0)
		check_module(j, a[0], at);
	else
		nx_match_call(&j->w, name, at);
}

static void check_call(struct nx_js *j, TSNode n)
{
	TSNode function = callee(&j->w, n);
	unsigned choice = 0;
	bool more;
	if (is(function, j->s.import)) {
		check_named_call(j, NX_STR("import"), n);
		return;
	}
	do {
		struct nx_value v = nx_names_evaluate(&j->w, function, choice++);
		more = j->w.more;
		if (v.kind != NX_VALUE_NAME)
			continue;
		nx_str name = nx_str_dup(j->w.s->arena, nx_js_plain(v.text));
		if (!name.p) {
			j->w.s->out_of_memory = true;
			return;
		}
		check_named_call(j, name, n);
	} while (more);
}

/* A place where a name is made or only leads on to a member. */
static bool is_passed_by(const struct nx_js *j, const struct nx_js_node *p)
{
	return p->parent == j->s.import_specifier || p->parent == j->s.import_clause ||
	       p->parent == j->s.namespace_import || p->field == j->f.name ||
	       (p->field == j->f.left && p->parent != j->s.binary_expression);
}

static bool is_called(const struct nx_js *j, const struct nx_js_node *p)
{
	return p->field == j->f.function || p->field == j->f.constructor || p->parent == j->s.decorator;
}

static void check_name(struct nx_js *j, const struct nx_js_node *p)
{
	unsigned choice = 0;
	bool more;
	if (is(p->n, j->s.member_expression))
		nx_match_attribute(&j->w, text(j, nx_js_child(p->n, j->f.property)), p->n);
	if (is_passed_by(j, p))
		return;
	do {
		struct nx_value v = nx_names_evaluate(&j->w, p->n, choice++);
		more = j->w.more;
		if (v.kind != NX_VALUE_NAME)
			continue;
		if (nx_str_ends(v.text, NX_STR("constructor.constructor")))
			nx_scan_check(j->w.s, "constructor-call", p->n);
		nx_match_name(&j->w, v.text, p->n);
		if (is_called(j, p) || p->field == j->f.object || p->parent == j->s.unary_expression)
			continue;
		nx_match_reference(&j->w, nx_js_plain(v.text), p->n);
		if (nx_js_is_require(v.text))
			nx_scan_check(j->w.s, "reference", p->n);
	} while (more);
}

/* process["env"], child_process[name]. */
static void check_subscript(struct nx_js *j, const struct nx_js_node *p)
{
	struct nx_value key = nx_names_evaluate(&j->w, nx_js_child(p->n, j->f.index), 0);
	if (nx_value_is_text(&key)) {
		nx_match_attribute(&j->w, key.text, p->n);
		check_name(j, p);
		return;
	}
	struct nx_value o = nx_names_evaluate(&j->w, nx_js_child(p->n, j->f.object), 0);
	size_t n = 0;
	if (o.kind == NX_VALUE_NAME && key.kind != NX_VALUE_NUMBER)
		(void)nx_rules_find(j->w.s->rules, NX_RULE_IMPORT, o.text, &n);
	if (n || (o.kind == NX_VALUE_NAME && key.kind != NX_VALUE_NUMBER &&
		  (nx_str_eqz(o.text, "globalThis") || nx_str_eqz(o.text, "global") || nx_str_eqz(o.text, "process") ||
		   nx_str_eqz(o.text, "window"))))
		nx_scan_check(j->w.s, "computed-member", p->n);
}

static void check_text(struct nx_js *j, const struct nx_js_node *p)
{
	if (p->parent == j->s.binary_expression && !is(p->n, j->s.binary_expression))
		return; /* the whole is looked at */
	struct nx_value v = nx_names_evaluate(&j->w, p->n, 0);
	nx_match_text(&j->w, &v, p->n);
}

struct exit_search {
	const struct nx_js *j;
	unsigned seen;
	bool found;
};

static void look_for_exit(void *ctx, TSNode n)
{
	struct exit_search *e = ctx;
	const struct nx_js *j = e->j;
	e->seen++;
	e->found |= is(n, j->s.break_statement) || is(n, j->s.return_statement) || is(n, j->s.throw_statement) ||
		    is(n, j->s.yield_expression) || is(n, j->s.await_expression) ||
		    (is(n, j->s.member_expression) && nx_str_eqz(text(j, n), "process.exit")) ||
		    e->seen > EXIT_SEARCH_MAX;
}

static void check_loop(struct nx_js *j, TSNode n)
{
	struct exit_search e = {.j = j};
	if (!is_endless(j, n) || ts_node_descendant_count(n) > EXIT_SEARCH_MAX)
		return;
	nx_scan_each(n, look_for_exit, &e);
	if (!e.found)
		nx_scan_check(j->w.s, "endless-loop", n);
}

/* function f() { f(); … }: nothing stands before the call. */
static void check_recursion(struct nx_js *j, TSNode n)
{
	TSNode first = ts_node_named_child(nx_js_child(n, j->f.body), 0);
	TSNode call = ts_node_is_null(first) ? first : ts_node_named_child(first, 0);
	if (is(call, j->s.call_expression) &&
	    nx_str_eq(text(j, nx_js_child(call, j->f.function)), text(j, nx_js_child(n, j->f.name))))
		nx_scan_check(j->w.s, "endless-recursion", n);
}

static void check(struct nx_js *j, const struct nx_js_node *p)
{
	TSSymbol s = ts_node_symbol(p->n);
	if (s == j->s.import_statement || s == j->s.export_statement) {
		TSNode source = nx_js_child(p->n, j->f.source);
		if (!ts_node_is_null(source))
			check_module(j, source, p->n);
	} else if (s == j->s.call_expression || s == j->s.new_expression || s == j->s.decorator) {
		check_call(j, p->n);
	} else if (s == j->s.member_expression || s == j->s.identifier || s == j->s.shorthand_property_identifier) {
		check_name(j, p);
	} else if (s == j->s.subscript_expression) {
		check_subscript(j, p);
	} else if (s == j->s.string || s == j->s.template_string || s == j->s.binary_expression) {
		check_text(j, p);
	} else if (s == j->s.function_declaration) {
		check_recursion(j, p->n);
	} else if (s == j->s.with_statement) {
		nx_scan_check(j->w.s, "with", p->n);
	} else {
		check_loop(j, p->n);
	}
}

static bool is_checked(const struct nx_js *j, TSSymbol s)
{
	return s == j->s.identifier || s == j->s.member_expression || s == j->s.call_expression || s == j->s.string ||
	       s == j->s.template_string || s == j->s.subscript_expression || s == j->s.new_expression ||
	       s == j->s.binary_expression || s == j->s.import_statement || s == j->s.export_statement ||
	       s == j->s.decorator || s == j->s.shorthand_property_identifier || s == j->s.while_statement ||
	       s == j->s.for_statement || s == j->s.do_statement || s == j->s.function_declaration ||
	       s == j->s.with_statement;
}

static void keep_node(struct nx_js *j, const struct nx_js_node *p)
{
	if (j->nnodes == j->nodes_cap) {
		size_t cap = j->nodes_cap ? j->nodes_cap * 2 : 1024;
		struct nx_js_node *more =
			nx_arena_realloc(j->w.s->arena, j->nodes, j->nodes_cap * sizeof(*more), cap * sizeof(*more));
		if (!more) {
			j->w.s->out_of_memory = true;
			return;
		}
		j->nodes = more;
		j->nodes_cap = cap;
	}
	j->nodes[j->nnodes++] = *p;
}

static void visit(void *ctx, TSNode n, TSSymbol parent, TSFieldId field)
{
	struct nx_js *j = ctx;
	note(j, n);
	if (is(n, j->s.for_in_statement))
		note_loop(j, n);
	if (is_checked(j, ts_node_symbol(n)))
		keep_node(j, &(struct nx_js_node){n, parent, field});
}

void nx_scan_javascript(struct nx_scan *s, TSNode root)
{
	struct nx_js *j = nx_arena_new_of(s->arena, struct nx_js);
	if (!j || !nx_names_init(&j->w, s)) {
		s->out_of_memory = true;
		return;
	}
	j->w.evaluate = nx_js_evaluate;
	j->w.callee = callee;
	j->w.arguments = arguments;
	j->w.is_in_endless_loop = is_in_endless_loop;
	learn_grammar(j, ts_node_language(root));
	nx_scan_each_placed(root, visit, j);
	for (size_t i = 0; i < j->nnodes && s->result->nfindings < NX_SCAN_FINDINGS_MAX; i++)
		check(j, &j->nodes[i]);
	nx_names_done(&j->w);
}
