/* The common part of the scanner: parsing, findings, the verdict of a policy, JSON. */
#include "execution/scan_internal.h"

#include <stdlib.h>

#define PARSE_MAX_US (2 * 1000000) /* hostile text can make a parser slow; what it has not read by then is a finding */
#define CODE_MAX 80
#define PARENTS_MAX 1024

const TSLanguage *tree_sitter_python(void);
const TSLanguage *tree_sitter_javascript(void);
const TSLanguage *tree_sitter_bash(void);
const TSLanguage *tree_sitter_c(void);

static const struct {
	const char *name;
	const TSLanguage *(*grammar)(void);
	void (*walk)(struct nx_scan *s, TSNode root);
} languages[NX_RULES_MAX] = {
	[NX_RULES_PYTHON] = {"python", tree_sitter_python, nx_scan_python},
	[NX_RULES_JAVASCRIPT] = {"javascript", tree_sitter_javascript, nx_scan_javascript},
	[NX_RULES_SHELL] = {"shell", tree_sitter_bash, nx_scan_shell},
	[NX_RULES_C] = {"c", tree_sitter_c, nx_scan_c},
};
/* It can be run, and nobody reads it. */
static const char *const without_rules[] = {"sql"};

const char *const nx_scan_policy_names[] = {"strict", "standard", "off", NULL};

const char *nx_severity_name(enum nx_severity s)
{
	static const char *const names[] = {"none", "low", "medium", "high", "critical"};
	return (unsigned)s < nx_countof(names) ? names[s] : "none";
}

nx_str nx_scan_text(const struct nx_scan *s, TSNode n)
{
	return nx_str_slice(s->code, ts_node_start_byte(n), ts_node_end_byte(n));
}

bool nx_scan_is_blocked(const struct nx_scan *s, nx_str name, const char *rule_id)
{
	for (size_t i = 0; i < s->options->nblocked_operations; i++) {
		nx_str b = s->options->blocked_operations[i];
		if ((rule_id && nx_str_eqz(b, rule_id)) || (name.n && nx_str_eq(b, name)))
			return true;
		/* "rmtree" also means shutil.rmtree */
		if (name.n > b.n && b.n && name.p[name.n - b.n - 1] == '.' && nx_str_ends(name, b))
			return true;
	}
	return false;
}

static uint32_t column_of(const struct nx_scan *s, uint32_t byte, uint32_t column_bytes)
{
	uint32_t n = 1;
	for (uint32_t i = byte - column_bytes; i < byte && i < s->code.n; i++)
		n += ((unsigned char)s->code.p[i] & 0xc0) != 0x80;
	return n;
}

static bool is_known(const struct nx_scan_result *r, const struct nx_finding *f)
{
	for (size_t i = r->nfindings; i-- > 0;)
		if (r->findings[i].line == f->line && r->findings[i].column == f->column &&
		    strcmp(r->findings[i].rule, f->rule) == 0)
			return true;
	return false;
}

static void add(struct nx_scan *s, struct nx_finding f, TSNode at)
{
	const struct nx_scan *o = s;
	while (o->reported) { /* code inside a text: the place of the text */
		at = *o->reported;
		o = o->outer;
	}
	TSPoint p = ts_node_start_point(at);
	struct nx_scan_result *r = s->result;
	f.line = p.row + 1;
	f.column = column_of(o, ts_node_start_byte(at), p.column);
	f.code = nx_utf8_repair(s->arena, nx_str_slice(nx_scan_text(o, at), 0, CODE_MAX));
	if (r->nfindings == NX_SCAN_FINDINGS_MAX || is_known(r, &f))
		return;
	if (!r->findings)
		r->findings = nx_arena_array(s->arena, struct nx_finding, NX_SCAN_FINDINGS_MAX);
	if (!r->findings || !f.code.p) {
		s->out_of_memory = true;
		return;
	}
	r->findings[r->nfindings++] = f;
	r->risk = nx_max(r->risk, f.severity);
	r->is_safe = r->is_safe && !f.blocks;
}

/* "/srv/out/x" in "/srv/out", not "/srv/out2", nor what climbs out again. */
static bool is_in(nx_str text, nx_str dir)
{
	if (!nx_str_starts(text, dir) || (text.n > dir.n && text.p[dir.n] != '/'))
		return false;
	for (nx_str rest = text; rest.n;)
		if (nx_str_eqz(nx_str_cut(&rest, '/'), ".."))
			return false;
	return true;
}

bool nx_scan_globs(const struct nx_scan *s, const struct nx_str_list *paths, nx_str text)
{
	const struct nx_scan_options *o = s->options;
	for (size_t i = 0; i < o->ngranted && o->policy != NX_SCAN_STRICT; i++)
		if (is_in(text, o->granted[i]))
			return false;
	return nx_list_globs(paths, text);
}

void nx_scan_find(struct nx_scan *s, const struct nx_rule *rule, TSNode at)
{
	const struct nx_scan_options *o = s->options;
	const struct nx_policy *p = nx_policy_get(o->policy);
	bool blocked =
		nx_scan_is_blocked(s, NX_STR_NULL, rule->id) ||
		(rule->effect != NX_EFFECT_OTHER && nx_scan_is_blocked(s, NX_STR_NULL, nx_effect_names[rule->effect]));
	bool held = rule->effect == NX_EFFECT_NETWORK && !o->has_network;
	enum nx_severity severity = blocked ? NX_SEV_CRITICAL : rule->severity;
	add(s,
	    (struct nx_finding){.rule = rule->id,
				.severity = severity,
				.message = rule->message,
				.advice = rule->advice,
				.cwe = rule->cwe,
				.blocks =
					blocked || severity >= (held ? p->blocks_when_held[rule->effect] : p->blocks)},
	    at);
}

void nx_scan_check(struct nx_scan *s, const char *check, TSNode at)
{
	size_t n;
	const struct nx_rule_name *e = nx_rules_find(s->rules, NX_RULE_CHECK, nx_str_z(check), &n);
	for (size_t i = 0; i < n; i++)
		nx_scan_find(s, e[i].rule, at);
}

static TSTree *parse(struct nx_scan *s, enum nx_rules_language l)
{
	TSParser *parser = ts_parser_new();
	TSTree *tree = NULL;
	if (!parser)
		return NULL;
	if (ts_parser_set_language(parser, languages[l].grammar())) {
		ts_parser_set_timeout_micros(parser, PARSE_MAX_US);
		tree = ts_parser_parse_string(parser, NULL, s->code.p ? s->code.p : "", (uint32_t)s->code.n);
	}
	ts_parser_delete(parser);
	return tree;
}

/* Characters that turn the order of the text that is shown, not of what runs (CVE-2021-42574): U+202A…E and U+2066…9. The
 * marks of ordinary Arabic text, U+200E and U+200F, are none of them. */
static void find_bidi(struct nx_scan *s, TSNode root)
{
	const char *p = s->code.p, *end = p ? p + s->code.n : p;
	while (p && end - p >= 3 && (p = memchr(p, 0xe2, (size_t)(end - p) - 2))) {
		unsigned char b = (unsigned char)p[1], c = (unsigned char)p[2];
		uint32_t at = (uint32_t)(p - s->code.p);
		if ((b == 0x80 && c >= 0xaa && c <= 0xae) || (b == 0x81 && c >= 0xa6 && c <= 0xa9)) {
			nx_scan_check(s, "bidi", ts_node_descendant_for_byte_range(root, at, at + 3));
			return;
		}
		p++;
	}
}

void nx_scan_walk(struct nx_scan *s, enum nx_rules_language l)
{
	TSTree *tree = parse(s, l);
	if (!tree) {
		s->result->parse_errors = true;
		s->result->risk = nx_max(s->result->risk, (enum nx_severity)NX_SEV_HIGH);
		s->result->is_safe = s->result->is_safe && s->options->policy != NX_SCAN_STRICT;
		return;
	}
	TSNode root = ts_tree_root_node(tree);
	s->result->parse_errors |= ts_node_has_error(root);
	find_bidi(s, root);
	languages[l].walk(s, root);
	if (s->depth > 0 ||
	    !nx_scan_memory_is_pooled()) /* the last tree dies with its memory; those of nested code could be many */
		ts_tree_delete(tree);
}

void nx_scan_nested(struct nx_scan *s, enum nx_rules_language l, nx_str code, TSNode at)
{
	struct nx_scan inner = *s;
	if (s->depth >= NX_SCAN_NESTED_MAX || code.n == 0)
		return;
	inner.code = nx_str_dup(s->arena, code);
	inner.outer = s;
	inner.reported = &at;
	inner.depth++;
	if (!inner.code.p || nx_rules_get(l, &inner.rules, NULL) < 0) {
		s->out_of_memory = true;
		return;
	}
	bool had_errors = s->result->parse_errors;
	nx_scan_walk(&inner, l);
	s->result->parse_errors = had_errors; /* what is only a text need not be a program */
	s->out_of_memory |= inner.out_of_memory;
}

void nx_scan_each(TSNode root, void (*visit)(void *ctx, TSNode n), void *ctx)
{
	TSTreeCursor c = ts_tree_cursor_new(root);
	bool down = true;
	for (;;) {
		if (down) {
			TSNode n = ts_tree_cursor_current_node(&c);
			if (ts_node_is_named(n))
				visit(ctx, n);
			if (ts_node_child_count(n) && ts_tree_cursor_goto_first_child(&c))
				continue;
		}
		down = ts_tree_cursor_goto_next_sibling(&c);
		if (!down && !ts_tree_cursor_goto_parent(&c))
			break;
	}
	ts_tree_cursor_delete(&c);
}

void nx_scan_each_placed(TSNode root, void (*visit)(void *ctx, TSNode n, TSSymbol parent, TSFieldId field), void *ctx)
{
	TSSymbol parents[PARENTS_MAX + 1] = {0};
	size_t depth = 0;
	TSTreeCursor c = ts_tree_cursor_new(root);
	bool down = true;
	for (;;) {
		if (down) {
			TSNode n = ts_tree_cursor_current_node(&c);
			if (ts_node_is_named(n))
				visit(ctx, n, depth < PARENTS_MAX ? parents[depth] : 0,
				      ts_tree_cursor_current_field_id(&c));
			if (ts_node_child_count(n) && ts_tree_cursor_goto_first_child(&c)) {
				depth++;
				if (depth < PARENTS_MAX)
					parents[depth] = ts_node_symbol(n);
				continue;
			}
		}
		down = ts_tree_cursor_goto_next_sibling(&c);
		if (down)
			continue;
		if (!ts_tree_cursor_goto_parent(&c))
			break;
		depth--;
	}
	ts_tree_cursor_delete(&c);
}

static int by_place(const void *a, const void *b)
{
	const struct nx_finding *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->rule, y->rule);
}

static bool is_without_rules(nx_str language)
{
	for (size_t i = 0; i < nx_countof(without_rules); i++)
		if (nx_str_eqz(language, without_rules[i]))
			return true;
	return false;
}

int nx_scan(nx_str language, nx_str code, const struct nx_scan_options *o, struct nx_arena *a,
	    struct nx_scan_result *ret, struct nx_error **err)
{
	size_t l = 0;
	while (l < NX_RULES_MAX && !nx_str_eqz(language, languages[l].name))
		l++;
	*ret = (struct nx_scan_result){.is_safe = true};
	if (l == NX_RULES_MAX && !is_without_rules(language))
		return nx_error_set(err, NX_EINVAL, "language \"%.*s\" is not known",
				    (int)nx_min(language.n, (size_t)64), language.p ? language.p : "");
	if (o->policy == NX_SCAN_OFF)
		return 0;
	if (l == NX_RULES_MAX) {
		ret->is_safe = o->policy != NX_SCAN_STRICT;
		return 0;
	}
	struct nx_scan s = {.options = o, .arena = a, .code = code, .result = ret};
	int r = nx_rules_get((enum nx_rules_language)l, &s.rules, err);
	if (r < 0)
		return r;
	if (code.n > UINT32_MAX / 2)
		return nx_error_set(err, NX_ETOOBIG, "code of %zu bytes is too long to scan", code.n);
	ret->scanned = true;
	nx_scan_memory_begin();
	nx_scan_walk(&s, (enum nx_rules_language)l);
	nx_scan_memory_end();
	if (s.out_of_memory)
		return nx_error_set(err, NX_ENOMEM, "no memory to scan");
	if (ret->nfindings)
		qsort(ret->findings, ret->nfindings, sizeof(*ret->findings), by_place);
	return 0;
}

yyjson_mut_val *nx_scan_json(const struct nx_scan_result *r, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = yyjson_mut_obj(d);
	yyjson_mut_obj_add_bool(d, o, "scanned", r->scanned);
	yyjson_mut_obj_add_bool(d, o, "is_safe", r->is_safe);
	nx_json_add_strz(d, o, "risk_level", nx_severity_name(r->risk));
	yyjson_mut_obj_add_bool(d, o, "parse_errors", r->parse_errors);
	yyjson_mut_val *violations = yyjson_mut_obj_add_arr(d, o, "violations");
	yyjson_mut_val *findings = yyjson_mut_obj_add_arr(d, o, "findings");
	for (size_t i = 0; i < r->nfindings; i++) {
		const struct nx_finding *f = &r->findings[i];
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(d, findings);
		nx_json_add_strz(d, v, "rule", f->rule);
		nx_json_add_strz(d, v, "severity", nx_severity_name(f->severity));
		yyjson_mut_obj_add_uint(d, v, "line", f->line);
		yyjson_mut_obj_add_uint(d, v, "column", f->column);
		nx_json_add_str(d, v, "code", f->code);
		nx_json_add_str(d, v, "message", f->message);
		nx_json_add_str(d, v, "advice", f->advice);
		if (f->cwe)
			nx_json_add_strz(d, v, "cwe", f->cwe);
		if (f->blocks)
			yyjson_mut_arr_add_strncpy(d, violations, f->message.p, f->message.n);
	}
	return o;
}
