/* The shell: commands by the name that they really start, their options and words, pipes, redirections, and the classic
 * fork bomb. Words are folded as the shell would join them; what depends on a variable keeps its text ("$HOME"). */
#include "execution/scan_internal.h"

#define WORD_MAX 512
#define ARGS_MAX 64

struct word {
	nx_str text;
	TSNode node;
};
struct command {
	struct word words[ARGS_MAX]; /* after wrappers were taken off; words[0] is the name */
	size_t n;
	TSNode node;
};

static bool is_type(TSNode n, const char *type)
{
	return !ts_node_is_null(n) && strcmp(ts_node_type(n), type) == 0;
}

/* ---- words ---- */

static void add_clean(char *out, size_t *n, nx_str s, bool unescape)
{
	for (size_t i = 0; i < s.n && *n < WORD_MAX; i++) {
		if (unescape && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		out[(*n)++] = s.p[i];
	}
}

static void add_piece(const struct nx_scan *s, TSNode n, char *out, size_t *len, unsigned depth)
{
	nx_str t = nx_scan_text(s, n);
	uint32_t children = ts_node_named_child_count(n);
	if (is_type(n, "raw_string") || is_type(n, "ansi_c_string")) {
		size_t skip = is_type(n, "raw_string") ? 1 : 2;
		add_clean(out, len, t.n > skip ? nx_str_slice(t, skip, t.n - 1) : NX_STR(""), false);
	} else if ((is_type(n, "string") || is_type(n, "concatenation")) && depth < 8) {
		uint32_t at = is_type(n, "string") ? ts_node_start_byte(n) + 1 : ts_node_start_byte(n);
		if (children == 0 && is_type(n, "string"))
			add_clean(out, len, t.n > 2 ? nx_str_slice(t, 1, t.n - 1) : NX_STR(""), false);
		for (uint32_t i = 0; i < children; i++) {
			TSNode c = ts_node_named_child(n, i);
			if (ts_node_start_byte(c) > at) /* what the grammar leaves between its nodes, such as "{a,b}" */
				add_clean(out, len, nx_str_slice(s->code, at, ts_node_start_byte(c)), false);
			add_piece(s, c, out, len, depth + 1);
			at = ts_node_end_byte(c);
		}
	} else {
		add_clean(out, len, t, is_type(n, "word") || is_type(n, "command_name"));
	}
}

static nx_str word_text(struct nx_scan *s, TSNode n)
{
	char out[WORD_MAX];
	size_t len = 0;
	add_piece(s, is_type(n, "command_name") && ts_node_named_child_count(n) == 1 ? ts_node_named_child(n, 0) : n,
		  out, &len, 0);
	nx_str copy = nx_str_dup(s->arena, nx_str_n(out, len));
	if (!copy.p)
		s->out_of_memory = true;
	return copy;
}

static nx_str base_name(nx_str path)
{
	for (size_t i = path.n; i-- > 0;)
		if (path.p[i] == '/')
			return i + 1 < path.n ? nx_str_slice(path, i + 1, path.n) : path;
	return path;
}

/* ---- commands ---- */

static const struct nx_str_list *wrappers(void)
{
	static nx_str names[] = {NX_STR("sudo"),    NX_STR("doas"),   NX_STR("env"),    NX_STR("nohup"),
				 NX_STR("time"),    NX_STR("nice"),   NX_STR("exec"),   NX_STR("command"),
				 NX_STR("builtin"), NX_STR("xargs"),  NX_STR("setsid"), NX_STR("stdbuf"),
				 NX_STR("timeout"), NX_STR("busybox")};
	static const struct nx_str_list list = {names, nx_countof(names)};
	return &list;
}

static bool looks_like_argument(nx_str w)
{
	return w.n == 0 || w.p[0] == '-' || memchr(w.p, '=', w.n) || (w.p[0] >= '0' && w.p[0] <= '9');
}

static void read_command(struct nx_scan *s, TSNode n, struct command *c)
{
	*c = (struct command){.node = n};
	for (uint32_t i = 0; i < ts_node_named_child_count(n) && c->n < ARGS_MAX; i++) {
		TSNode child = ts_node_named_child(n, i);
		if (is_type(child, "variable_assignment") || is_type(child, "file_redirect") ||
		    is_type(child, "heredoc_redirect") || is_type(child, "herestring_redirect"))
			continue;
		nx_str t = word_text(s, child);
		if (t.p)
			c->words[c->n++] = (struct word){t, child};
	}
}

static bool drop_wrapper(struct command *c)
{
	if (c->n < 2 || !nx_list_has(wrappers(), base_name(c->words[0].text)))
		return false;
	size_t i = 1;
	while (i < c->n && looks_like_argument(c->words[i].text))
		i++;
	if (i == c->n)
		return false;
	memmove(c->words, c->words + i, (c->n - i) * sizeof(c->words[0]));
	c->n -= i;
	return true;
}

/* "-rf", "-r -f", "--recursive": the letter as a short option, or a long option that starts with it. */
static bool has_option(const struct command *c, nx_str letter)
{
	for (size_t i = 1; i < c->n; i++) {
		nx_str w = c->words[i].text;
		if (w.n < 2 || w.p[0] != '-')
			continue;
		bool is_long = w.p[1] == '-';
		if (is_long ? w.n > 2 && w.p[2] == letter.p[0] : memchr(w.p, letter.p[0], w.n) != NULL)
			return true;
		if (!is_long && letter.p[0] == 'r' && memchr(w.p, 'R', w.n))
			return true;
	}
	return false;
}

static bool command_applies(const struct nx_scan *s, const struct nx_rule *r, const struct command *c)
{
	for (size_t i = 0; i < r->options.n; i++)
		if (!has_option(c, r->options.items[i]))
			return false;
	if (r->bare && c->n > 1)
		return false;
	if (!r->paths.n)
		return true;
	for (size_t i = 1; i < c->n; i++)
		if (nx_scan_globs(s, &r->paths, c->words[i].text))
			return true;
	return false;
}

static void check_words(struct nx_scan *s, const struct command *c)
{
	for (size_t k = 0; k < s->rules->nrules; k++) {
		const struct nx_rule *r = &s->rules->rules[k];
		for (size_t i = 0; i < c->n && r->kind == NX_RULE_WORD; i++)
			if (nx_scan_globs(s, &r->paths, c->words[i].text))
				nx_scan_find(s, r, c->words[i].node);
	}
}

static bool is_shell(nx_str name)
{
	static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ksh", "ash"};
	for (size_t i = 0; i < nx_countof(shells); i++)
		if (nx_str_eqz(base_name(name), shells[i]))
			return true;
	return false;
}

/* sh -c "code" and eval "code": the code is scanned like any other, its findings placed at the text. */
static void scan_nested(struct nx_scan *s, const struct command *c)
{
	size_t at = 0;
	if (nx_str_eqz(c->words[0].text, "eval") && c->n > 1)
		at = 1;
	for (size_t i = 1; i + 1 < c->n && !at && is_shell(c->words[0].text); i++)
		if (c->words[i].text.n >= 2 && c->words[i].text.p[0] == '-' && c->words[i].text.p[1] != '-' &&
		    memchr(c->words[i].text.p, 'c', c->words[i].text.n))
			at = i + 1;
	if (at)
		nx_scan_nested(s, NX_RULES_SHELL, c->words[at].text, c->words[at].node);
}

static void check_command_name(struct nx_scan *s, const struct command *c)
{
	size_t n;
	nx_str name = base_name(c->words[0].text);
	const struct nx_rule_name *e = nx_rules_find(s->rules, NX_RULE_COMMAND, name, &n);
	for (size_t i = 0; i < n; i++)
		if (command_applies(s, e[i].rule, c))
			nx_scan_find(s, e[i].rule, c->node);
	if (nx_scan_is_blocked(s, name, NULL))
		nx_scan_check(s, "blocked-operation", c->node);
}

static void check_command(struct nx_scan *s, TSNode n)
{
	struct command *c = nx_arena_new_of(s->arena, struct command);
	if (!c) {
		s->out_of_memory = true;
		return;
	}
	read_command(s, n, c);
	if (c->n == 0)
		return;
	check_words(s, c);
	do
		check_command_name(s, c);
	while (drop_wrapper(c));
	scan_nested(s, c);
}

/* ---- pipes, redirections, functions ---- */

static nx_str command_of(struct nx_scan *s, TSNode n)
{
	struct command *c = nx_arena_new_of(s->arena, struct command);
	if (is_type(n, "redirected_statement"))
		n = ts_node_named_child(n, 0);
	if (!c || !is_type(n, "command"))
		return NX_STR("");
	read_command(s, n, c);
	while (drop_wrapper(c))
		continue;
	return c->n ? base_name(c->words[0].text) : NX_STR("");
}

static void check_pipeline(struct nx_scan *s, TSNode n)
{
	nx_str names[32];
	size_t count = 0;
	for (uint32_t i = 0; i < ts_node_named_child_count(n) && count < nx_countof(names); i++)
		names[count++] = command_of(s, ts_node_named_child(n, i));
	for (size_t k = 0; k < s->rules->nrules; k++) {
		const struct nx_rule *r = &s->rules->rules[k];
		bool seen = false;
		for (size_t i = 0; i < count && r->kind == NX_RULE_PIPE; i++) {
			if (seen && nx_list_has(&r->to, names[i]))
				nx_scan_find(s, r, n);
			seen |= nx_list_has(&r->from, names[i]);
		}
	}
}

static void check_target(struct nx_scan *s, TSNode at, TSNode word)
{
	nx_str target = word_text(s, word);
	for (size_t k = 0; k < s->rules->nrules; k++) {
		const struct nx_rule *r = &s->rules->rules[k];
		if (r->kind == NX_RULE_REDIRECT && target.p && nx_scan_globs(s, &r->paths, target))
			nx_scan_find(s, r, at);
	}
}

/* The grammar takes the words after a redirection for further destinations; all of them are looked at. */
static void check_redirect(struct nx_scan *s, TSNode n)
{
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++)
		check_target(s, n, ts_node_named_child(n, i));
}

static unsigned count_calls(struct nx_scan *s, TSNode n, nx_str name, unsigned depth)
{
	unsigned calls = 0;
	if (depth > 16)
		return 0;
	if (is_type(n, "command_name"))
		return nx_str_eq(nx_scan_text(s, n), name);
	for (uint32_t i = 0; i < ts_node_named_child_count(n); i++)
		calls += count_calls(s, ts_node_named_child(n, i), name, depth + 1);
	return calls;
}

/* :(){ :|:& };: — a function whose body starts the function twice. */
static void check_function(struct nx_scan *s, TSNode n)
{
	TSNode name = ts_node_child_by_field_name(n, "name", 4), body = ts_node_child_by_field_name(n, "body", 4);
	if (ts_node_is_null(name) || ts_node_is_null(body) || count_calls(s, body, nx_scan_text(s, name), 0) < 2)
		return;
	for (size_t k = 0; k < s->rules->nrules; k++)
		if (s->rules->rules[k].kind == NX_RULE_FORK_BOMB)
			nx_scan_find(s, &s->rules->rules[k], n);
}

static void visit(struct nx_scan *s, TSNode n)
{
	const char *type = ts_node_type(n);
	if (strcmp(type, "command") == 0)
		check_command(s, n);
	else if (strcmp(type, "pipeline") == 0)
		check_pipeline(s, n);
	else if (strcmp(type, "file_redirect") == 0)
		check_redirect(s, n);
	else if (strcmp(type, "function_definition") == 0)
		check_function(s, n);
}

void nx_scan_shell(struct nx_scan *s, TSNode root)
{
	TSTreeCursor c = ts_tree_cursor_new(root);
	bool down = true;
	for (;;) {
		if (down) {
			TSNode n = ts_tree_cursor_current_node(&c);
			if (ts_node_is_named(n))
				visit(s, n);
			if (ts_tree_cursor_goto_first_child(&c))
				continue;
		}
		down = ts_tree_cursor_goto_next_sibling(&c);
		if (!down && !ts_tree_cursor_goto_parent(&c))
			break;
	}
	ts_tree_cursor_delete(&c);
}
