/* What the rules say of a name, a text or a module that a walk has found. */
#include "execution/scan_value.h"

static const struct nx_rule_name *find(const struct nx_names *w, enum nx_rule_kind kind, nx_str name, size_t *ret_n)
{
	return nx_rules_find(w->s->rules, kind, name, ret_n);
}

static bool path_matches(struct nx_names *w, TSNode call, const struct nx_str_list *paths)
{
	TSNode arguments[NX_CALL_ARGUMENTS_MAX];
	uint32_t n = w->arguments(w, call, arguments);
	for (uint32_t i = 0; i < n; i++) {
		unsigned choice = 0;
		do {
			struct nx_value v = nx_names_evaluate(w, arguments[i], choice++);
			if (v.kind == NX_VALUE_LIST && v.n > 0)
				v = v.items[0];
			if (v.kind == NX_VALUE_TEXT && nx_scan_globs(w->s, paths, v.text))
				return true;
		} while (w->more);
	}
	return false;
}

static bool is_large(struct nx_names *w, TSNode call, int64_t limit)
{
	TSNode arguments[NX_CALL_ARGUMENTS_MAX];
	uint32_t n = w->arguments(w, call, arguments);
	for (uint32_t i = 0; i < n; i++) {
		unsigned choice = 0;
		do {
			struct nx_value v = nx_names_evaluate(w, arguments[i], choice++);
			if (v.kind == NX_VALUE_NUMBER && v.number >= limit)
				return true;
		} while (w->more);
	}
	return false;
}

struct search {
	struct nx_names *w;
	const struct nx_str_list *names;
	bool found;
};

static void look(void *ctx, TSNode n)
{
	struct search *s = ctx;
	TSNode callee = s->found ? (TSNode){0} : s->w->callee(s->w, n);
	if (ts_node_is_null(callee))
		return;
	struct nx_value v = nx_names_evaluate(s->w, callee, 0);
	s->found = v.kind == NX_VALUE_NAME && nx_list_has(s->names, v.text);
}

/* One of `names` is called in an argument, or in what a name in an argument stands for. */
static bool arguments_call(struct nx_names *w, TSNode call, const struct nx_str_list *names)
{
	struct search s = {.w = w, .names = names};
	TSNode arguments[NX_CALL_ARGUMENTS_MAX];
	uint32_t n = w->arguments(w, call, arguments);
	for (uint32_t i = 0; i < n && !s.found; i++) {
		nx_scan_each(arguments[i], look, &s);
		struct nx_value v = nx_names_evaluate(w, arguments[i], 0);
		nx_str made = v.kind == NX_VALUE_NAME ? v.text : NX_STR("");
		s.found |= v.decoded;
		for (size_t k = 0; k < names->n && !s.found; k++)
			s.found = made.n > names->items[k].n && nx_str_starts(made, names->items[k]) &&
				  made.p[names->items[k].n] == '(';
	}
	return s.found;
}

/* f(…, name=…) */
static bool has_argument(struct nx_names *w, TSNode call, nx_str name)
{
	TSNode arguments[NX_CALL_ARGUMENTS_MAX];
	uint32_t n = w->arguments(w, call, arguments);
	for (uint32_t i = 0; i < n; i++) {
		nx_str rest = nx_scan_text(w->s, arguments[i]), first = nx_str_cut(&rest, '=');
		if (nx_str_eq(nx_str_trim(first), name) && rest.n && rest.p[0] != '=')
			return true;
	}
	return false;
}

static bool applies(struct nx_names *w, const struct nx_rule *r, TSNode at)
{
	bool is_call = !ts_node_is_null(w->callee(w, at));
	if (r->paths.n && !(is_call && path_matches(w, at, &r->paths)))
		return false;
	if (r->argument_calls.n && !(is_call && arguments_call(w, at, &r->argument_calls)))
		return false;
	if (r->unless_argument.n && (!is_call || has_argument(w, at, r->unless_argument)))
		return false;
	if (r->min_argument && !(is_call && is_large(w, at, r->min_argument)))
		return false;
	return !r->within_loop || w->is_in_endless_loop(w, at);
}

/* What a call runs is a program too: os.system("…"), eval("…"). */
static void scan_argument(struct nx_names *w, const struct nx_rule *r, TSNode call)
{
	TSNode arguments[NX_CALL_ARGUMENTS_MAX];
	if (r->runs == NX_RULES_MAX || w->arguments(w, call, arguments) == 0)
		return;
	unsigned choice = 0;
	bool more;
	do {
		struct nx_value v = nx_names_evaluate(w, arguments[0], choice++);
		more = w->more;
		if (v.kind == NX_VALUE_LIST)
			v = nx_value_join(w, NX_STR(" "), &v);
		if (v.kind == NX_VALUE_TEXT)
			nx_scan_nested(w->s, r->runs, v.text, arguments[0]);
	} while (more);
}

static void try_rule(struct nx_names *w, const struct nx_rule *r, TSNode at)
{
	if (!applies(w, r, at))
		return;
	nx_scan_find(w->s, r, at);
	scan_argument(w, r, at);
}

static void try_name(struct nx_names *w, enum nx_rule_kind kind, nx_str name, TSNode at)
{
	const struct nx_rules *rules = w->s->rules;
	size_t n;
	const struct nx_rule_name *e = find(w, kind, name, &n);
	for (size_t i = 0; i < n; i++)
		try_rule(w, e[i].rule, at);
	for (size_t i = 0; i < rules->npatterns && kind == NX_RULE_CALL; i++)
		if (nx_glob_match(rules->patterns[i].name, name))
			try_rule(w, rules->patterns[i].rule, at);
}

/* "shutil.os.system" also counts as "os.system"; a single last part ("obj.eval") does not. */
static nx_str next_suffix(nx_str name)
{
	ptrdiff_t dot = nx_str_find(name, NX_STR("."));
	nx_str rest = dot < 0 ? NX_STR("") : nx_str_slice(name, (size_t)dot + 1, name.n);
	return rest.n && memchr(rest.p, '.', rest.n) ? rest : NX_STR("");
}

static nx_str keep_name(struct nx_names *w, nx_str name)
{
	nx_str copy = nx_str_dup(w->s->arena, name); /* evaluating arguments ends the life of the value it came from */
	if (!copy.p)
		w->s->out_of_memory = true;
	return copy;
}

static bool has_rule(const struct nx_names *w, nx_str name)
{
	for (nx_str part = name; part.n; part = next_suffix(part)) {
		size_t n;
		(void)find(w, NX_RULE_NAME, part, &n);
		if (n)
			return true;
	}
	return nx_match_is_known(w, name);
}

/* No rule speaks of the name, nor does the request. Remembered, because a program says the same few names all the time. */
static bool is_dull(struct nx_names *w, nx_str name)
{
	nx_str *slot = &w->dull[nx_str_hash(name) & (NX_DULL_NAMES_MAX - 1)];
	if (w->s->options->nblocked_operations)
		return false;
	if (slot->p && nx_str_eq(*slot, name))
		return true;
	if (has_rule(w, name))
		return false;
	if (!slot->p)
		*slot = nx_str_dup(w->s->arena, name); /* without memory it is asked again */
	return true;
}

void nx_match_call(struct nx_names *w, nx_str name, TSNode at)
{
	if (is_dull(w, name))
		return;
	if (!nx_match_is_known(w, name) && !w->s->options->nblocked_operations)
		return;
	if (!(name = keep_name(w, name)).p)
		return;
	if (nx_scan_is_blocked(w->s, name, NULL))
		nx_scan_check(w->s, "blocked-operation", at);
	for (; name.n; name = next_suffix(name))
		try_name(w, NX_RULE_CALL, name, at);
}

void nx_match_name(struct nx_names *w, nx_str name, TSNode at)
{
	if (is_dull(w, name))
		return;
	for (; name.n; name = next_suffix(name)) {
		size_t n;
		const struct nx_rule_name *e = find(w, NX_RULE_NAME, name, &n);
		for (size_t i = 0; i < n; i++)
			nx_scan_find(w->s, e[i].rule, at);
	}
}

void nx_match_attribute(struct nx_names *w, nx_str name, TSNode at)
{
	size_t n;
	const struct nx_rule_name *e = find(w, NX_RULE_ATTRIBUTE, name, &n);
	for (size_t i = 0; i < n; i++)
		nx_scan_find(w->s, e[i].rule, at);
}

void nx_match_text(struct nx_names *w, const struct nx_value *v, TSNode at)
{
	const struct nx_rules *rules = w->s->rules;
	for (size_t i = 0; i < rules->nwords && v->kind == NX_VALUE_TEXT; i++)
		if (nx_scan_globs(w->s, &rules->words[i]->paths, v->text))
			nx_scan_find(w->s, rules->words[i], at);
}

static bool is_reference_of(const struct nx_rule *r)
{
	return r->severity >= NX_SEV_MEDIUM && !r->paths.n && !r->unless_argument.n && !r->argument_calls.n &&
	       !r->min_argument && !r->within_loop;
}

void nx_match_reference(struct nx_names *w, nx_str name, TSNode at)
{
	const struct nx_rules *rules = w->s->rules;
	bool found = false;
	if (is_dull(w, name))
		return;
	for (; name.n && !found; name = next_suffix(name)) {
		size_t n;
		const struct nx_rule_name *e = find(w, NX_RULE_CALL, name, &n);
		for (size_t i = 0; i < n; i++)
			found |= is_reference_of(e[i].rule);
		for (size_t i = 0; i < rules->npatterns; i++)
			found |= is_reference_of(rules->patterns[i].rule) &&
				 nx_glob_match(rules->patterns[i].name, name);
		found |= nx_scan_is_blocked(w->s, name, NULL) && n > 0;
	}
	if (found)
		nx_scan_check(w->s, "reference", at);
}

bool nx_match_is_allowed(const struct nx_names *w, nx_str module, char separator)
{
	const struct nx_scan_options *o = w->s->options;
	for (size_t i = 0; i < o->nallowed_imports; i++) {
		nx_str a = o->allowed_imports[i];
		if (nx_str_eq(module, a) || (module.n > a.n && nx_str_starts(module, a) && module.p[a.n] == separator))
			return true;
	}
	return false;
}

void nx_match_module(struct nx_names *w, nx_str module, char separator, TSNode at)
{
	const struct nx_scan_options *o = w->s->options;
	if (nx_scan_is_blocked(w->s, module, NULL))
		nx_scan_check(w->s, "blocked-operation", at);
	if (nx_match_is_allowed(w, module, separator))
		return;
	if (o->nallowed_imports)
		nx_scan_check(w->s, "import-not-allowed", at);
	for (size_t len = module.n; len > 0; len--) {
		size_t n = 0;
		if (len != module.n && module.p[len] != separator)
			continue;
		const struct nx_rule_name *e = find(w, NX_RULE_IMPORT, nx_str_n(module.p, len), &n);
		for (size_t i = 0; i < n; i++)
			if (!e[i].rule->exact || len == module.n)
				nx_scan_find(w->s, e[i].rule, at);
		if (n)
			return;
	}
}

bool nx_match_is_known(const struct nx_names *w, nx_str name)
{
	const struct nx_rules *rules = w->s->rules;
	for (; name.n; name = next_suffix(name)) {
		size_t n, m;
		(void)find(w, NX_RULE_CALL, name, &n);
		(void)find(w, NX_RULE_IMPORT, name, &m);
		if (n || m)
			return true;
		for (size_t i = 0; i < rules->npatterns; i++)
			if (nx_glob_match(rules->patterns[i].name, name))
				return true;
	}
	return false;
}

static bool is_above_some(const struct nx_rules *rules, enum nx_rule_kind kind, nx_str name)
{
	size_t lo = 0, hi = rules->nindex[kind];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (nx_str_cmp(rules->index[kind][mid].name, name) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* '.' sorts before what a longer name without it goes on with, but for '-' and the like */
	for (; lo < rules->nindex[kind] && nx_str_starts(rules->index[kind][lo].name, name); lo++)
		if (rules->index[kind][lo].name.p[name.n] == '.')
			return true;
	return false;
}

/* atob(…) and what is made of it. */
static bool is_decoded(const struct nx_rules *rules, nx_str name)
{
	const char *end = memchr(name.p, '(', name.n);
	if (!end)
		return false;
	for (size_t i = 0; i < rules->nrules; i++)
		if (nx_list_has(&rules->rules[i].argument_calls, nx_str_n(name.p, (size_t)(end - name.p))))
			return true;
	return false;
}

bool nx_match_leads(const struct nx_names *w, nx_str name)
{
	const struct nx_rules *rules = w->s->rules;
	size_t n;
	if (name.n == 0)
		return false;
	(void)find(w, NX_RULE_NAME, name, &n);
	return n || nx_match_is_known(w, name) || is_above_some(rules, NX_RULE_CALL, name) ||
	       is_above_some(rules, NX_RULE_NAME, name) || nx_scan_is_blocked(w->s, name, NULL) ||
	       is_decoded(rules, name);
}
