/*
 * Python: one walk over the tree notes which names stand for which modules and functions (imports, also with `as`, star
 * imports, plain assignments, default arguments); then what is imported, called and named is resolved, and the rules are
 * asked. Scopes are not followed: a name that stands for os anywhere does so everywhere, which errs on the side of
 * finding. Constant texts are folded where a rule or a name depends on them.
 */
#include "execution/scan_internal.h"

#include <stdlib.h>

#define ALIASES_MAX 4096
#define STARS_MAX 32
#define RESOLVE_MAX 24 /* nesting of an expression that is resolved */

struct alias {
	nx_str name, target;
	struct alias *next;
};

struct py {
	struct nx_scan *s;
	struct alias *table[256];
	size_t naliases;
	TSNode *nodes; /* those that the rules are asked about, in the order of the text */
	size_t nnodes, nodes_cap;
	nx_str stars[STARS_MAX];
	size_t nstars;
	TSFieldId f_name, f_alias, f_module, f_function, f_arguments, f_object, f_attribute, f_left, f_right, f_value,
		f_condition, f_subscript, f_operator;
	TSSymbol import_statement, import_from, aliased_import, dotted_name, wildcard, call, attribute, identifier,
		assignment, named_expression, default_parameter, typed_default, decorator, subscript, string,
		concatenated, parenthesized, binary, while_statement, true_literal, integer, relative_import,
		argument_list;
};

struct dotted {
	char p[NX_SCAN_DOTTED_MAX];
	size_t n;
};

static nx_str dotted_str(const struct dotted *d)
{
	return nx_str_n(d->p, d->n);
}

static bool dotted_add(struct dotted *d, nx_str s)
{
	if (s.n > sizeof(d->p) - d->n)
		return false;
	if (s.n)
		memcpy(d->p + d->n, s.p, s.n);
	d->n += s.n;
	return true;
}

static bool dotted_part(struct dotted *d, nx_str part)
{
	return (d->n == 0 || dotted_add(d, NX_STR("."))) && dotted_add(d, part);
}

static bool is(TSNode n, TSSymbol s)
{
	return !ts_node_is_null(n) && ts_node_symbol(n) == s;
}

static TSSymbol symbol(const TSLanguage *l, const char *name)
{
	return ts_language_symbol_for_name(l, name, (uint32_t)strlen(name), true);
}

static TSFieldId field(const TSLanguage *l, const char *name)
{
	return ts_language_field_id_for_name(l, name, (uint32_t)strlen(name));
}

static void learn_grammar(struct py *p, const TSLanguage *l)
{
	p->f_name = field(l, "name");
	p->f_alias = field(l, "alias");
	p->f_module = field(l, "module_name");
	p->f_function = field(l, "function");
	p->f_arguments = field(l, "arguments");
	p->f_object = field(l, "object");
	p->f_attribute = field(l, "attribute");
	p->f_left = field(l, "left");
	p->f_right = field(l, "right");
	p->f_value = field(l, "value");
	p->f_condition = field(l, "condition");
	p->f_subscript = field(l, "subscript");
	p->f_operator = field(l, "operator");
	p->import_statement = symbol(l, "import_statement");
	p->import_from = symbol(l, "import_from_statement");
	p->aliased_import = symbol(l, "aliased_import");
	p->dotted_name = symbol(l, "dotted_name");
	p->wildcard = symbol(l, "wildcard_import");
	p->relative_import = symbol(l, "relative_import");
	p->call = symbol(l, "call");
	p->argument_list = symbol(l, "argument_list");
	p->attribute = symbol(l, "attribute");
	p->identifier = symbol(l, "identifier");
	p->assignment = symbol(l, "assignment");
	p->named_expression = symbol(l, "named_expression");
	p->default_parameter = symbol(l, "default_parameter");
	p->typed_default = symbol(l, "typed_default_parameter");
	p->decorator = symbol(l, "decorator");
	p->subscript = symbol(l, "subscript");
	p->string = symbol(l, "string");
	p->concatenated = symbol(l, "concatenated_string");
	p->parenthesized = symbol(l, "parenthesized_expression");
	p->binary = symbol(l, "binary_operator");
	p->while_statement = symbol(l, "while_statement");
	p->true_literal = symbol(l, "true");
	p->integer = symbol(l, "integer");
}

static nx_str text(const struct py *p, TSNode n)
{
	return nx_scan_text(p->s, n);
}

/* Spaces inside a dotted name ("os . path") are not part of it. */
static bool add_squeezed(struct dotted *d, nx_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\\' && s.p[i] != '\n' && s.p[i] != '\r' &&
		    !dotted_add(d, nx_str_n(s.p + i, 1)))
			return false;
	return true;
}

/* ---- names ---- */

static const struct alias *find_alias(const struct py *p, nx_str name)
{
	const struct alias *a = p->table[nx_str_hash(name) % nx_countof(p->table)];
	while (a && !nx_str_eq(a->name, name))
		a = a->next;
	return a;
}

static void add_alias(struct py *p, nx_str name, nx_str target)
{
	if (p->naliases == ALIASES_MAX || nx_str_eq(name, target) || find_alias(p, name))
		return;
	struct alias *a = nx_arena_new_of(p->s->arena, struct alias);
	nx_str copy = nx_str_dup(p->s->arena, target);
	if (!a || !copy.p) {
		p->s->out_of_memory = true;
		return;
	}
	struct alias **slot = &p->table[nx_str_hash(name) % nx_countof(p->table)];
	*a = (struct alias){name, copy, *slot};
	*slot = a;
	p->naliases++;
}

/* ---- constant texts ---- */

static bool fold(const struct py *p, TSNode n, struct dotted *ret, unsigned depth);

static bool fold_string(const struct py *p, TSNode n, struct dotted *ret)
{
	uint32_t count = ts_node_named_child_count(n);
	for (uint32_t i = 0; i < count; i++) {
		TSNode c = ts_node_named_child(n, i);
		const char *type = ts_node_type(c);
		if (strcmp(type, "interpolation") == 0)
			return false;
		if (strcmp(type, "string_content") == 0 && !dotted_add(ret, text(p, c)))
			return false;
	}
	return true;
}

static bool fold_chr(const struct py *p, TSNode n, struct dotted *ret)
{
	TSNode args = ts_node_child_by_field_id(n, p->f_arguments);
	int64_t cp;
	char c;
	if (!nx_str_eqz(text(p, ts_node_child_by_field_id(n, p->f_function)), "chr") || !is(args, p->argument_list) ||
	    ts_node_named_child_count(args) != 1 || !nx_str_to_i64(text(p, ts_node_named_child(args, 0)), &cp) ||
	    cp < 32 || cp > 126)
		return false;
	c = (char)cp;
	return dotted_add(ret, nx_str_n(&c, 1));
}

static bool fold(const struct py *p, TSNode n, struct dotted *ret, unsigned depth)
{
	if (ts_node_is_null(n) || depth > RESOLVE_MAX)
		return false;
	if (is(n, p->string))
		return fold_string(p, n, ret);
	if (is(n, p->parenthesized))
		return fold(p, ts_node_named_child(n, 0), ret, depth + 1);
	if (is(n, p->call))
		return fold_chr(p, n, ret);
	if (is(n, p->concatenated)) {
		for (uint32_t i = 0; i < ts_node_named_child_count(n); i++)
			if (!fold(p, ts_node_named_child(n, i), ret, depth + 1))
				return false;
		return true;
	}
	if (is(n, p->binary) && nx_str_eqz(text(p, ts_node_child_by_field_id(n, p->f_operator)), "+"))
		return fold(p, ts_node_child_by_field_id(n, p->f_left), ret, depth + 1) &&
		       fold(p, ts_node_child_by_field_id(n, p->f_right), ret, depth + 1);
	return false;
}

static TSNode argument(const struct py *p, TSNode call, uint32_t i)
{
	TSNode args = ts_node_child_by_field_id(call, p->f_arguments);
	return is(args, p->argument_list) ? ts_node_named_child(args, i) : (TSNode){0};
}

/* ---- resolving ---- */

static bool resolve(const struct py *p, TSNode n, struct dotted *ret, unsigned depth);

static bool resolve_identifier(const struct py *p, TSNode n, struct dotted *ret)
{
	nx_str name = text(p, n);
	const struct alias *a = find_alias(p, name);
	if (a)
		return dotted_add(ret, a->target);
	return nx_str_eqz(name, "__builtins__") ? dotted_add(ret, NX_STR("builtins")) : dotted_add(ret, name);
}

/* __import__("os"), importlib.import_module("os"), getattr(os, "system"), vars(os), globals(). */
static bool resolve_call(const struct py *p, TSNode n, struct dotted *ret, unsigned depth)
{
	struct dotted callee = {.n = 0};
	if (!resolve(p, ts_node_child_by_field_id(n, p->f_function), &callee, depth + 1))
		return false;
	nx_str f = dotted_str(&callee);
	if (nx_str_eqz(f, "__import__") || nx_str_eqz(f, "importlib.import_module") ||
	    nx_str_eqz(f, "importlib.__import__"))
		return fold(p, argument(p, n, 0), ret, 0);
	if (nx_str_eqz(f, "getattr")) {
		struct dotted name = {.n = 0};
		return resolve(p, argument(p, n, 0), ret, depth + 1) && fold(p, argument(p, n, 1), &name, 0) &&
		       dotted_part(ret, dotted_str(&name));
	}
	if (nx_str_eqz(f, "vars"))
		return resolve(p, argument(p, n, 0), ret, depth + 1);
	if (nx_str_eqz(f, "globals") || nx_str_eqz(f, "locals"))
		return true; /* a name below it is the plain name */
	return dotted_add(ret, f) && dotted_add(ret, NX_STR("()"));
}

/* os.__dict__["system"], sys.modules["os"], globals()["eval"], __builtins__["exec"]. */
static bool resolve_subscript(const struct py *p, TSNode n, struct dotted *ret, unsigned depth)
{
	struct dotted base = {.n = 0}, key = {.n = 0};
	if (!resolve(p, ts_node_child_by_field_id(n, p->f_value), &base, depth + 1) ||
	    !fold(p, ts_node_child_by_field_id(n, p->f_subscript), &key, 0))
		return false;
	nx_str b = dotted_str(&base);
	if (nx_str_eqz(b, "sys.modules"))
		b = NX_STR("");
	if (nx_str_ends(b, NX_STR(".__dict__")))
		b.n -= sizeof(".__dict__") - 1;
	return dotted_add(ret, b) && dotted_part(ret, dotted_str(&key));
}

static bool resolve(const struct py *p, TSNode n, struct dotted *ret, unsigned depth)
{
	if (ts_node_is_null(n) || depth > RESOLVE_MAX)
		return false;
	if (is(n, p->identifier))
		return resolve_identifier(p, n, ret);
	if (is(n, p->attribute)) {
		TSNode object = ts_node_child_by_field_id(n, p->f_object);
		if (!resolve(p, object, ret, depth + 1) && !dotted_add(ret, NX_STR("?")))
			return false;
		return dotted_part(ret, text(p, ts_node_child_by_field_id(n, p->f_attribute)));
	}
	if (is(n, p->parenthesized))
		return resolve(p, ts_node_named_child(n, 0), ret, depth + 1);
	if (is(n, p->named_expression))
		return resolve(p, ts_node_child_by_field_id(n, p->f_value), ret, depth + 1);
	if (is(n, p->call))
		return resolve_call(p, n, ret, depth);
	if (is(n, p->subscript))
		return resolve_subscript(p, n, ret, depth);
	return false;
}

/* The name without what only says where it lives: builtins.eval is eval. */
static nx_str plain(nx_str name)
{
	static const nx_str prefixes[] = {NX_STR("builtins."), NX_STR("__builtin__."), NX_STR("builtins.__dict__.")};
	for (size_t i = nx_countof(prefixes); i-- > 0;)
		if (nx_str_starts(name, prefixes[i]))
			return nx_str_slice(name, prefixes[i].n, name.n);
	return name;
}

/* ---- first walk: which names stand for what ---- */

static void note_import(struct py *p, TSNode n)
{
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++) {
		TSNode c = ts_node_named_child(n, i);
		struct dotted d = {.n = 0};
		if (is(c, p->aliased_import) && add_squeezed(&d, text(p, ts_node_child_by_field_id(c, p->f_name))))
			add_alias(p, text(p, ts_node_child_by_field_id(c, p->f_alias)), dotted_str(&d));
	}
}

static void note_import_from(struct py *p, TSNode n)
{
	struct dotted module = {.n = 0};
	TSNode m = ts_node_child_by_field_id(n, p->f_module);
	if (ts_node_is_null(m) || !add_squeezed(&module, text(p, m)))
		return;
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++) {
		TSNode c = ts_node_named_child(n, i);
		struct dotted d = module;
		if (ts_node_eq(c, m))
			continue;
		if (is(c, p->wildcard) && p->nstars < STARS_MAX) {
			nx_str copy = nx_str_dup(p->s->arena, dotted_str(&module));
			if (copy.p)
				p->stars[p->nstars++] = copy;
		} else if (is(c, p->dotted_name) && dotted_part(&d, text(p, c))) {
			add_alias(p, text(p, c), dotted_str(&d));
		} else if (is(c, p->aliased_import) &&
			   dotted_part(&d, text(p, ts_node_child_by_field_id(c, p->f_name)))) {
			add_alias(p, text(p, ts_node_child_by_field_id(c, p->f_alias)), dotted_str(&d));
		}
	}
}

static bool has_call_rule(const struct py *p, nx_str name);

/* `s = os.system`, `def f(e=eval)`: worth a name only when it leads to something that has a rule. */
static void note_binding(struct py *p, TSNode name, TSNode value)
{
	struct dotted d = {.n = 0};
	if (!is(name, p->identifier) || !resolve(p, value, &d, 0))
		return;
	nx_str target = plain(dotted_str(&d));
	size_t n;
	(void)nx_rules_find(p->s->rules, NX_RULE_IMPORT, target, &n);
	if (n || has_call_rule(p, target) || find_alias(p, target))
		add_alias(p, text(p, name), target);
}

static void note(struct py *p, TSNode n)
{
	TSSymbol s = ts_node_symbol(n);
	if (s == p->import_statement)
		note_import(p, n);
	else if (s == p->import_from)
		note_import_from(p, n);
	else if (s == p->assignment)
		note_binding(p, ts_node_child_by_field_id(n, p->f_left), ts_node_child_by_field_id(n, p->f_right));
	else if (s == p->named_expression || s == p->default_parameter || s == p->typed_default)
		note_binding(p, ts_node_child_by_field_id(n, p->f_name), ts_node_child_by_field_id(n, p->f_value));
}

/* ---- second walk: what the rules say ---- */

static bool is_allowed_import(const struct nx_scan_options *o, nx_str module)
{
	for (size_t i = 0; i < o->nallowed_imports; i++) {
		nx_str a = o->allowed_imports[i];
		if (nx_str_eq(module, a) || (module.n > a.n && nx_str_starts(module, a) && module.p[a.n] == '.'))
			return true;
	}
	return false;
}

static void check_module(struct py *p, TSNode at, nx_str module)
{
	const struct nx_scan_options *o = p->s->options;
	if (o->nallowed_imports && is_allowed_import(o, module))
		return;
	if (o->nallowed_imports)
		nx_scan_check(p->s, "import-not-allowed", at);
	if (nx_scan_is_blocked(p->s, module, NULL))
		nx_scan_check(p->s, "blocked-operation", at);
	for (size_t len = module.n; len > 0; len--) {
		if (len != module.n && module.p[len] != '.')
			continue;
		size_t n;
		const struct nx_rule_name *e = nx_rules_find(p->s->rules, NX_RULE_IMPORT, nx_str_n(module.p, len), &n);
		for (size_t i = 0; i < n; i++)
			if (!e[i].rule->exact || len == module.n)
				nx_scan_find(p->s, e[i].rule, at);
		if (n)
			return;
	}
}

static void check_import(struct py *p, TSNode n)
{
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++) {
		TSNode c = ts_node_named_child(n, i);
		TSNode name = is(c, p->aliased_import) ? ts_node_child_by_field_id(c, p->f_name) : c;
		struct dotted d = {.n = 0};
		if (is(name, p->dotted_name) && add_squeezed(&d, text(p, name)))
			check_module(p, name, dotted_str(&d));
	}
}

/* `from urllib import request` imports urllib.request; `from shutil import os` imports os by a side door. */
static void check_import_from(struct py *p, TSNode n)
{
	TSNode m = ts_node_child_by_field_id(n, p->f_module);
	struct dotted module = {.n = 0};
	if (ts_node_is_null(m) || !add_squeezed(&module, text(p, m)))
		return;
	if (is(m, p->relative_import))
		return; /* a file of the run itself, which was given with the request */
	check_module(p, m, dotted_str(&module));
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++) {
		TSNode c = ts_node_named_child(n, i);
		TSNode name = is(c, p->aliased_import) ? ts_node_child_by_field_id(c, p->f_name) : c;
		struct dotted whole = module;
		size_t found;
		if (ts_node_eq(c, m) || !is(name, p->dotted_name) || !dotted_part(&whole, text(p, name)))
			continue;
		(void)nx_rules_find(p->s->rules, NX_RULE_IMPORT, dotted_str(&whole), &found);
		if (found && !is_allowed_import(p->s->options, dotted_str(&whole)))
			check_module(p, name, dotted_str(&whole));
		(void)nx_rules_find(p->s->rules, NX_RULE_IMPORT, text(p, name), &found);
		if (found && !is_allowed_import(p->s->options, dotted_str(&module)))
			check_module(p, name, text(p, name));
	}
}

static bool in_endless_loop(const struct py *p, TSNode n)
{
	for (TSNode a = ts_node_parent(n); !ts_node_is_null(a); a = ts_node_parent(a)) {
		TSNode c = is(a, p->while_statement) ? ts_node_child_by_field_id(a, p->f_condition) : (TSNode){0};
		if (is(c, p->true_literal) || (is(c, p->integer) && !nx_str_eqz(text(p, c), "0")))
			return true;
	}
	return false;
}

static bool arguments_call(const struct py *p, TSNode call, const struct nx_str_list *names)
{
	TSNode args = ts_node_child_by_field_id(call, p->f_arguments);
	if (ts_node_is_null(args))
		return false;
	TSTreeCursor c = ts_tree_cursor_new(args);
	bool found = false, down = true;
	for (;;) {
		TSNode n = ts_tree_cursor_current_node(&c);
		struct dotted d = {.n = 0};
		if (down && is(n, p->call) && resolve(p, ts_node_child_by_field_id(n, p->f_function), &d, 0) &&
		    nx_list_has(names, plain(dotted_str(&d)))) {
			found = true;
			break;
		}
		if (down && ts_tree_cursor_goto_first_child(&c))
			continue;
		down = true;
		if (ts_tree_cursor_goto_next_sibling(&c))
			continue;
		down = false;
		if (!ts_tree_cursor_goto_parent(&c) || ts_node_eq(ts_tree_cursor_current_node(&c), args))
			break;
	}
	ts_tree_cursor_delete(&c);
	return found;
}

static bool path_matches(const struct py *p, TSNode call, const struct nx_str_list *paths)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct dotted d = {.n = 0};
		if (fold(p, argument(p, call, i), &d, 0) && nx_list_globs(paths, dotted_str(&d)))
			return true;
	}
	return false;
}

static bool applies(const struct py *p, const struct nx_rule *r, TSNode call)
{
	bool is_call = is(call, p->call);
	if (r->paths.n && !(is_call && path_matches(p, call, &r->paths)))
		return false;
	if (r->argument_calls.n && !(is_call && arguments_call(p, call, &r->argument_calls)))
		return false;
	return !r->within_loop || in_endless_loop(p, call);
}

static void try_name(struct py *p, enum nx_rule_kind kind, nx_str name, TSNode at)
{
	size_t n;
	const struct nx_rule_name *e = nx_rules_find(p->s->rules, kind, name, &n);
	for (size_t i = 0; i < n; i++)
		if (applies(p, e[i].rule, at))
			nx_scan_find(p->s, e[i].rule, at);
	for (size_t i = 0; i < p->s->rules->npatterns && kind == NX_RULE_CALL; i++)
		if (nx_glob_match(p->s->rules->patterns[i].name, name))
			nx_scan_find(p->s, p->s->rules->patterns[i].rule, at);
}

/* "shutil.os.system" also counts as "os.system"; a single last part ("obj.eval") does not. */
static void try_suffixes(struct py *p, enum nx_rule_kind kind, nx_str name, TSNode at)
{
	try_name(p, kind, name, at);
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] != '.')
			continue;
		nx_str rest = nx_str_slice(name, i + 1, name.n);
		if (rest.n && memchr(rest.p, '.', rest.n))
			try_name(p, kind, rest, at);
	}
}

static bool has_call_rule(const struct py *p, nx_str name)
{
	size_t n;
	(void)nx_rules_find(p->s->rules, NX_RULE_CALL, name, &n);
	for (size_t i = 0; i < p->s->rules->npatterns && n == 0; i++)
		n = nx_glob_match(p->s->rules->patterns[i].name, name);
	return n > 0;
}

static void check_called(struct py *p, TSNode function, TSNode at)
{
	struct dotted d = {.n = 0};
	if (!resolve(p, function, &d, 0))
		return;
	nx_str name = plain(dotted_str(&d));
	try_suffixes(p, NX_RULE_CALL, name, at);
	if (nx_scan_is_blocked(p->s, name, NULL))
		nx_scan_check(p->s, "blocked-operation", at);
	if (!is(function, p->identifier) || find_alias(p, text(p, function)))
		return;
	for (size_t i = 0; i < p->nstars; i++) {
		struct dotted star = {.n = 0};
		if (dotted_add(&star, p->stars[i]) && dotted_part(&star, name))
			try_suffixes(p, NX_RULE_CALL, dotted_str(&star), at);
	}
}

/* A module that is imported by a text counts as an import statement. */
static void check_import_call(struct py *p, TSNode n)
{
	struct dotted callee = {.n = 0}, module = {.n = 0};
	if (!resolve(p, ts_node_child_by_field_id(n, p->f_function), &callee, 0))
		return;
	nx_str f = plain(dotted_str(&callee));
	if ((nx_str_eqz(f, "__import__") || nx_str_eqz(f, "importlib.import_module")) &&
	    fold(p, argument(p, n, 0), &module, 0) && module.n)
		check_module(p, n, dotted_str(&module));
}

static void check_name(struct py *p, TSNode n)
{
	struct dotted d = {.n = 0};
	size_t found;
	if (is(n, p->attribute)) {
		nx_str last = text(p, ts_node_child_by_field_id(n, p->f_attribute));
		const struct nx_rule_name *e = nx_rules_find(p->s->rules, NX_RULE_ATTRIBUTE, last, &found);
		for (size_t i = 0; i < found; i++)
			nx_scan_find(p->s, e[i].rule, n);
	}
	if (resolve(p, n, &d, 0))
		try_suffixes(p, NX_RULE_NAME, dotted_str(&d), n);
}

static void check_subscript(struct py *p, TSNode n)
{
	struct dotted key = {.n = 0};
	size_t found;
	if (!fold(p, ts_node_child_by_field_id(n, p->f_subscript), &key, 0))
		return;
	const struct nx_rule_name *e = nx_rules_find(p->s->rules, NX_RULE_ATTRIBUTE, dotted_str(&key), &found);
	for (size_t i = 0; i < found; i++)
		nx_scan_find(p->s, e[i].rule, n);
}

static void check(struct py *p, TSNode n)
{
	TSSymbol s = ts_node_symbol(n);
	if (s == p->import_statement) {
		check_import(p, n);
	} else if (s == p->import_from) {
		check_import_from(p, n);
	} else if (s == p->call) {
		check_called(p, ts_node_child_by_field_id(n, p->f_function), n);
		check_import_call(p, n);
	} else if (s == p->decorator) {
		check_called(p, ts_node_named_child(n, 0), n);
	} else if (s == p->attribute || (s == p->identifier && find_alias(p, text(p, n)))) {
		check_name(p, n);
	} else if (s == p->subscript) {
		check_subscript(p, n);
	}
}

static bool is_checked(const struct py *p, TSNode n)
{
	TSSymbol s = ts_node_symbol(n);
	return s == p->import_statement || s == p->import_from || s == p->call || s == p->decorator ||
	       s == p->attribute || s == p->identifier || s == p->subscript;
}

static void keep_node(struct py *p, TSNode n)
{
	if (p->nnodes == p->nodes_cap) {
		size_t cap = p->nodes_cap ? p->nodes_cap * 2 : 1024;
		TSNode *more =
			nx_arena_realloc(p->s->arena, p->nodes, p->nodes_cap * sizeof(*more), cap * sizeof(*more));
		if (!more) {
			p->s->out_of_memory = true;
			return;
		}
		p->nodes = more;
		p->nodes_cap = cap;
	}
	p->nodes[p->nnodes++] = n;
}

static void visit(void *ctx, TSNode n)
{
	struct py *p = ctx;
	note(p, n);
	if (is_checked(p, n))
		keep_node(p, n);
}

void nx_scan_python(struct nx_scan *s, TSNode root)
{
	struct py *p = nx_arena_new_of(s->arena, struct py);
	if (!p) {
		s->out_of_memory = true;
		return;
	}
	p->s = s;
	learn_grammar(p, ts_node_language(root));
	nx_scan_each(root, visit, p);
	for (size_t i = 0; i < p->nnodes && s->result->nfindings < NX_SCAN_FINDINGS_MAX; i++)
		check(p, p->nodes[i]);
}
