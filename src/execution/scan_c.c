/*
 * C: calls by the name of what is called, also through a macro or a variable that stands for it; headers; inline assembly;
 * and names that are used without being called, because a pointer may call them later. Texts that are constant are joined
 * as the compiler joins them, and what goes to a shell is read as shell.
 */
#include "execution/scan_internal.h"

#include <stdio.h>

#define ALIASES_MAX 1024
#define FOLLOW_MAX 16 /* macros of macros */
#define ARGUMENTS_MAX 8
#define TEXT_MAX 1024

struct alias {
	nx_str name, target;
};

/* X(symbol of a named node), X(field). Version 14 of clang-format never comes to rest on lists of this length. */
/* clang-format off */
#define C_SYMBOLS(X) \
	X(assignment_expression) X(call_expression) X(concatenated_string) X(do_statement) X(escape_sequence) \
	X(for_statement) X(gnu_asm_expression) X(identifier) X(init_declarator) X(parenthesized_expression) \
	X(pointer_expression) X(preproc_def) X(preproc_include) X(string_literal) X(while_statement)

#define C_FIELDS(X) \
	X(argument) X(arguments) X(condition) X(declarator) X(function) X(left) X(name) X(path) X(right) X(value)
/* clang-format on */

struct c_walk {
	struct nx_scan *s;
	struct {
#define X(name) TSSymbol name;
		C_SYMBOLS(X)
#undef X
	} y;
	struct {
#define X(name) TSFieldId name;
		C_FIELDS(X)
#undef X
	} f;
	struct alias *aliases;
	size_t n;
};

static void learn_grammar(struct c_walk *w, const TSLanguage *l)
{
#define X(name) w->y.name = ts_language_symbol_for_name(l, #name, sizeof(#name) - 1, true);
	C_SYMBOLS(X)
#undef X
#define X(name) w->f.name = ts_language_field_id_for_name(l, #name, sizeof(#name) - 1);
	C_FIELDS(X)
#undef X
}

static bool is_type(TSNode n, TSSymbol s)
{
	return !ts_node_is_null(n) && ts_node_symbol(n) == s;
}

static TSNode child(TSNode n, TSFieldId field)
{
	return ts_node_child_by_field_id(n, field);
}

static nx_str text(const struct c_walk *w, TSNode n)
{
	return ts_node_is_null(n) ? NX_STR("") : nx_str_trim(nx_scan_text(w->s, n));
}

/* ---- which names stand for which ---- */

static const struct alias *find_alias(const struct c_walk *w, nx_str name)
{
	for (size_t i = 0; i < w->n; i++)
		if (nx_str_eq(w->aliases[i].name, name))
			return &w->aliases[i];
	return NULL;
}

static nx_str follow(const struct c_walk *w, nx_str name)
{
	const struct alias *a;

	for (int i = 0; i < FOLLOW_MAX && (a = find_alias(w, name)); i++)
		name = a->target;
	return name;
}

static void add_alias(struct c_walk *w, nx_str name, nx_str target)
{
	if (w->n < ALIASES_MAX && name.n && target.n && !nx_str_eq(name, target))
		w->aliases[w->n++] = (struct alias){name, target};
}

static bool is_identifier(nx_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] == '_' || (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		      (i > 0 && s.p[i] >= '0' && s.p[i] <= '9')))
			return false;
	return s.n > 0;
}

/* The name that a declarator declares: "f" of "int (*f)(const char *)". */
static TSNode declared(const struct c_walk *w, TSNode n)
{
	while (!ts_node_is_null(n) && !is_type(n, w->y.identifier)) {
		TSNode inner = child(n, w->f.declarator);
		n = ts_node_is_null(inner) ? ts_node_named_child(n, 0) : inner;
	}
	return n;
}

/* `#define S system`, `int (*s)(const char *) = system;`, `s = &system;` */
static void note(void *ctx, TSNode n)
{
	struct c_walk *w = ctx;
	TSNode name, value;

	if (is_type(n, w->y.preproc_def)) {
		name = child(n, w->f.name);
		value = child(n, w->f.value);
	} else if (is_type(n, w->y.init_declarator)) {
		name = declared(w, child(n, w->f.declarator));
		value = child(n, w->f.value);
	} else if (is_type(n, w->y.assignment_expression)) {
		name = child(n, w->f.left);
		value = child(n, w->f.right);
	} else {
		return;
	}
	if (is_type(value, w->y.pointer_expression))
		value = child(value, w->f.argument);
	if (is_identifier(text(w, value)))
		add_alias(w, text(w, name), text(w, value));
}

/* ---- constant texts ---- */

struct folded {
	char p[TEXT_MAX];
	size_t n;
};

static nx_str folded_str(const struct folded *f)
{
	return nx_str_n(f->p, f->n);
}

static void fold_piece(const struct c_walk *w, TSNode n, struct folded *ret)
{
	nx_str t = nx_scan_text(w->s, n);

	if (is_type(n, w->y.escape_sequence))
		t = t.n == 2 && (t.p[1] == '\\' || t.p[1] == '"' || t.p[1] == '\'' || t.p[1] == '?')
			    ? nx_str_slice(t, 1, 2)
			    : NX_STR(" ");
	t.n = nx_min(t.n, sizeof(ret->p) - ret->n);
	memcpy(ret->p + ret->n, t.p, t.n);
	ret->n += t.n;
}

/* A text, or several side by side. False for what is not constant. */
static bool fold(const struct c_walk *w, TSNode n, struct folded *ret)
{
	if (is_type(n, w->y.string_literal)) {
		for (uint32_t i = 0; i < ts_node_named_child_count(n); i++)
			fold_piece(w, ts_node_named_child(n, i), ret);
		return true;
	}
	if (!is_type(n, w->y.concatenated_string))
		return false;
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++)
		if (is_type(ts_node_named_child(n, i), w->y.string_literal) && !fold(w, ts_node_named_child(n, i), ret))
			return false;
	return true;
}

static TSNode argument(const struct c_walk *w, TSNode call, uint32_t i)
{
	TSNode list = child(call, w->f.arguments);

	return ts_node_is_null(list) ? list : ts_node_named_child(list, i);
}

/* ---- what the rules say ---- */

static bool path_matches(const struct c_walk *w, TSNode call, const struct nx_str_list *paths)
{
	for (uint32_t i = 0; i < ARGUMENTS_MAX; i++) {
		struct folded f = {.n = 0};
		if (fold(w, argument(w, call, i), &f) && nx_scan_globs(w->s, paths, folded_str(&f)))
			return true;
	}
	return false;
}

static bool in_endless_loop(const struct c_walk *w, TSNode n)
{
	for (TSNode a = ts_node_parent(n); !ts_node_is_null(a); a = ts_node_parent(a)) {
		TSNode condition = child(a, w->f.condition);
		nx_str c = text(w, condition);
		if ((is_type(a, w->y.while_statement) || is_type(a, w->y.do_statement)) &&
		    (nx_str_eqz(c, "(1)") || nx_str_eqz(c, "(true)")))
			return true;
		if (is_type(a, w->y.for_statement) && (ts_node_is_null(condition) || nx_str_eqz(c, "1")))
			return true;
	}
	return false;
}

static bool applies(const struct c_walk *w, const struct nx_rule *r, TSNode at)
{
	bool is_call = is_type(at, w->y.call_expression);

	if (r->paths.n && !(is_call && path_matches(w, at, &r->paths)))
		return false;
	return !r->within_loop || in_endless_loop(w, at);
}

static void try_name(struct c_walk *w, enum nx_rule_kind kind, nx_str name, TSNode at)
{
	size_t n;
	const struct nx_rule_name *e = nx_rules_find(w->s->rules, kind, name, &n);

	for (size_t i = 0; i < n; i++)
		if (applies(w, e[i].rule, at))
			nx_scan_find(w->s, e[i].rule, at);
	for (size_t i = 0; i < w->s->rules->npatterns && kind == NX_RULE_CALL; i++)
		if (nx_glob_match(w->s->rules->patterns[i].name, name) && applies(w, w->s->rules->patterns[i].rule, at))
			nx_scan_find(w->s, w->s->rules->patterns[i].rule, at);
}

static void check_blocked(struct c_walk *w, nx_str name, TSNode at)
{
	if (nx_scan_is_blocked(w->s, name, NULL))
		nx_scan_check(w->s, "blocked-operation", at);
}

/* What system() and popen() are given is a program too. */
static void check_shell(struct c_walk *w, TSNode call)
{
	TSNode at = argument(w, call, 0);
	struct folded f = {.n = 0};

	if (fold(w, at, &f))
		nx_scan_nested(w->s, NX_RULES_SHELL, folded_str(&f), at);
}

static void check_call(struct c_walk *w, TSNode n)
{
	TSNode function = child(n, w->f.function);

	while (is_type(function, w->y.parenthesized_expression) || is_type(function, w->y.pointer_expression))
		function = ts_node_named_child(function, 0);
	if (!is_type(function, w->y.identifier))
		return;
	nx_str name = follow(w, text(w, function));
	try_name(w, NX_RULE_CALL, name, n);
	check_blocked(w, name, n);
	if (nx_str_eqz(name, "system") || nx_str_eqz(name, "popen"))
		check_shell(w, n);
}

/* <sys/socket.h> and "sys/socket.h" are sys/socket.h. */
static void check_include(struct c_walk *w, TSNode n)
{
	TSNode path = child(n, w->f.path);
	nx_str t = text(w, path);

	if (t.n <= 2)
		return;
	nx_str header = nx_str_slice(t, 1, t.n - 1);
	const struct nx_scan_options *o = w->s->options;
	struct nx_str_list allowed = {(nx_str *)o->allowed_imports, o->nallowed_imports};
	if (nx_list_has(&allowed, header))
		return;
	if (o->nallowed_imports)
		nx_scan_check(w->s, "import-not-allowed", path);
	check_blocked(w, header, path);
	try_name(w, NX_RULE_IMPORT, header, path);
}

static void check(void *ctx, TSNode n, TSSymbol parent, TSFieldId field)
{
	struct c_walk *w = ctx;
	TSSymbol s = ts_node_symbol(n);

	if (w->s->result->nfindings == NX_SCAN_FINDINGS_MAX)
		return;
	if (s == w->y.call_expression)
		check_call(w, n);
	else if (s == w->y.preproc_include)
		check_include(w, n);
	else if (s == w->y.gnu_asm_expression)
		try_name(w, NX_RULE_NAME, NX_STR("asm"), n);
	else if (s == w->y.identifier && !(parent == w->y.call_expression && field == w->f.function))
		try_name(w, NX_RULE_NAME, text(w, n), n);
}

void nx_scan_c(struct nx_scan *s, TSNode root)
{
	struct c_walk w = {.s = s, .aliases = nx_arena_array(s->arena, struct alias, ALIASES_MAX)};

	if (!w.aliases) {
		s->out_of_memory = true;
		return;
	}
	learn_grammar(&w, ts_node_language(root));
	nx_scan_each(root, note, &w);
	nx_scan_each_placed(root, check, &w);
}
