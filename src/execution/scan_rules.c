/* The rules, from the embedded YAML and the operator's own into sorted tables. */
#include "execution/scan_internal.h"

#include "base/asset.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

NX_ASSETS(scan_rules);

#define OWN_FILE_MAX ((size_t)1 << 20)

static const char *const kind_names[] = {"import", "call",     "name", "attribute", "command",
					 "pipe",   "redirect", "word", "fork_bomb", "check"};
static const char *const language_names[NX_RULES_MAX + 1] = {"python", "javascript", "shell", "c", ""};
const char *const nx_effect_names[NX_EFFECT_MAX] = {"", "network", "process", "file_write"};

struct rule_set { /* never changes once it is loaded */
	struct nx_arena *arena;
	struct nx_rules rules[NX_RULES_MAX];
	struct nx_policy policies[NX_SCAN_OFF];
	struct rule_set *older; /* scans may still use it */
};
static struct {
	pthread_mutex_t lock;           /* of who loads */
	_Atomic(struct rule_set *) now; /* NULL until one is loaded; released with what it points to */
} R = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool nx_glob_match(nx_str pattern, nx_str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			mark = t;
		} else if (p < pattern.n && pattern.p[p] == text.p[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool nx_list_has(const struct nx_str_list *l, nx_str s)
{
	for (size_t i = 0; i < l->n; i++)
		if (nx_str_eq(l->items[i], s))
			return true;
	return false;
}

bool nx_list_globs(const struct nx_str_list *l, nx_str s)
{
	for (size_t i = 0; i < l->n; i++)
		if (nx_glob_match(l->items[i], s))
			return true;
	return false;
}

static int read_list(yyjson_val *rule, const char *key, struct nx_arena *a, struct nx_str_list *ret,
		     struct nx_error **err)
{
	yyjson_val *list = nx_json_get(rule, key), *item;
	size_t i, n;
	ret->items = nx_arena_array(a, nx_str, yyjson_arr_size(list) + 1);
	if (!ret->items)
		return nx_error_set(err, NX_ENOMEM, "no memory for rules");
	yyjson_arr_foreach (list, i, n, item) {
		if (!yyjson_is_str(item))
			return nx_error_set(err, NX_EINVAL, "%s holds something other than text", key);
		ret->items[ret->n++] = nx_json_val_str(item);
	}
	return 0;
}

static int pick(const char *const *names, size_t n, nx_str name, const char *what, int *ret, struct nx_error **err)
{
	for (size_t i = 0; i < n; i++)
		if (nx_str_eqz(name, names[i])) {
			*ret = (int)i;
			return 0;
		}
	return nx_error_set(err, NX_EINVAL, "%s \"%.*s\" is not known", what, NX_FMT(name));
}

static int pick_severity(nx_str name, enum nx_severity *ret, struct nx_error **err)
{
	static const char *const severities[] = {"none", "low", "medium", "high", "critical", "never"};
	int picked = 0, r = pick(severities, nx_countof(severities), name, "severity", &picked, err);
	*ret = (enum nx_severity)picked;
	return r;
}

static int read_rule(yyjson_val *v, struct nx_arena *a, struct nx_rule *r, struct nx_error **err)
{
	int kind = 0, runs = 0, effect = 0;
	r->id = nx_json_str(v, "id").p;
	r->message = nx_json_str(v, "message");
	r->advice = nx_json_str(v, "advice");
	r->cwe = nx_json_str(v, "cwe").p;
	r->unless_argument = nx_json_str(v, "unless_argument");
	r->exact = nx_json_bool(v, "exact", false);
	r->bare = nx_json_bool(v, "bare", false);
	r->within_loop = nx_json_bool(v, "within_loop", false);
	r->min_argument = nx_json_int(v, "min_argument", 0);
	if (!r->id || !r->message.n || !r->advice.n || !r->cwe)
		return nx_error_set(err, NX_EINVAL, "a rule needs id, message, advice and cwe");
	if (pick_severity(nx_json_str(v, "severity"), &r->severity, err) < 0 ||
	    pick(language_names, nx_countof(language_names), nx_json_str(v, "runs"), "runs", &runs, err) < 0 ||
	    pick(nx_effect_names, nx_countof(nx_effect_names), nx_json_str(v, "effect"), "effect", &effect, err) < 0 ||
	    pick(kind_names, nx_countof(kind_names), nx_json_str(v, "kind"), "kind", &kind, err) < 0 ||
	    read_list(v, "what", a, &r->what, err) < 0 || read_list(v, "paths", a, &r->paths, err) < 0 ||
	    read_list(v, "options", a, &r->options, err) < 0 || read_list(v, "from", a, &r->from, err) < 0 ||
	    read_list(v, "to", a, &r->to, err) < 0 || read_list(v, "argument_calls", a, &r->argument_calls, err) < 0)
		return nx_error_wrap(err, "rule %s", r->id);
	r->kind = (enum nx_rule_kind)kind;
	r->runs = (enum nx_rules_language)runs;
	r->effect = (enum nx_effect)effect;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct nx_rule_name *x = a, *y = b;
	return nx_str_cmp(x->name, y->name);
}

static int build_index(struct nx_rules *set, struct nx_arena *a, struct nx_error **err)
{
	size_t total = 0;
	for (size_t i = 0; i < set->nrules; i++)
		total += set->rules[i].what.n;
	if (!(set->patterns = nx_arena_array(a, struct nx_rule_name, total + 1)) ||
	    !(set->words = nx_arena_array(a, const struct nx_rule *, set->nrules + 1)))
		return nx_error_set(err, NX_ENOMEM, "no memory for rules");
	for (int k = 0; k < NX_RULE_MAX; k++)
		if (!(set->index[k] = nx_arena_array(a, struct nx_rule_name, total + 1)))
			return nx_error_set(err, NX_ENOMEM, "no memory for rules");
	for (size_t i = 0; i < set->nrules; i++) {
		const struct nx_rule *r = &set->rules[i];
		if (r->kind == NX_RULE_WORD)
			set->words[set->nwords++] = r;
		for (size_t j = 0; j < r->what.n; j++) {
			struct nx_rule_name entry = {r->what.items[j], r};
			if (r->kind == NX_RULE_CALL && memchr(entry.name.p, '*', entry.name.n))
				set->patterns[set->npatterns++] = entry;
			else
				set->index[r->kind][set->nindex[r->kind]++] = entry;
		}
	}
	for (int k = 0; k < NX_RULE_MAX; k++)
		qsort(set->index[k], set->nindex[k], sizeof(*set->index[k]), by_name);
	return 0;
}

static int read_file(const char *name, struct nx_arena *a, yyjson_val **ret, struct nx_error **err)
{
	const char *path = nx_arena_printf(a, "%s.yaml", name);
	const struct nx_asset *file = path ? nx_asset_find(&nx_assets_scan_rules, path) : NULL;
	if (!file)
		return nx_error_set(err, NX_EINTERNAL, "%s.yaml is not embedded", name);
	if (nx_yaml_read(a, nx_str_n((const char *)file->data, file->size), NULL, ret, err) < 0)
		return nx_error_wrap(err, "%s.yaml", name);
	return 0;
}

/* The line of the n-th item of a block sequence; 0: it is written in another way. */
static size_t line_of_item(nx_str text, size_t n)
{
	size_t line = 0, indent = SIZE_MAX;
	while (text.n) {
		nx_str l = nx_str_cut(&text, '\n'), t = nx_str_trim(l);
		size_t at = t.n ? (size_t)(t.p - l.p) : 0;
		line++;
		if (!(nx_str_starts(t, NX_STR("- ")) || nx_str_eqz(t, "-")) || (indent != SIZE_MAX && at != indent))
			continue;
		indent = at;
		if (n-- == 0)
			return line;
	}
	return 0;
}

/* A rule of an id that is there takes its place. */
static struct nx_rule *place_of(struct nx_rules *set, const char *id)
{
	for (size_t i = 0; i < set->nrules; i++)
		if (strcmp(set->rules[i].id, id) == 0)
			return &set->rules[i];
	return &set->rules[set->nrules++];
}

/* `text` is that of a file of the operator; that of ours is not wrong. */
static int add_rules(yyjson_val *list, nx_str text, const char *path, struct nx_arena *a, struct nx_rules *set,
		     struct nx_error **err)
{
	yyjson_val *v;
	size_t i, n;
	yyjson_arr_foreach (list, i, n, v) {
		struct nx_rule r = {0};
		if (read_rule(v, a, &r, err) < 0)
			return nx_error_wrap(err, "%s:%zu", path, line_of_item(text, i));
		*place_of(set, r.id) = r;
	}
	return 0;
}

/* NULL where the operator has no such file. */
static int read_own(const char *dir, const char *name, struct nx_arena *a, nx_str *ret_text, const char **ret_path,
		    yyjson_val **ret, struct nx_error **err)
{
	*ret = NULL;
	*ret_text = NX_STR("");
	*ret_path = *dir ? nx_arena_printf(a, "%s/%s.yaml", dir, name) : "";
	if (!*dir)
		return 0;
	if (!*ret_path)
		return nx_error_set(err, NX_ENOMEM, "no memory for rules");
	if (access(*ret_path, F_OK) < 0 && errno == ENOENT)
		return 0;
	int r = nx_file_read(a, *ret_path, OWN_FILE_MAX, ret_text, err);
	if (r < 0)
		return r;
	return nx_yaml_read(a, *ret_text, NULL, ret, err) < 0 ? nx_error_wrap(err, "%s", *ret_path) : 0;
}

static int load_rules(const char *name, const char *dir, struct nx_arena *a, struct nx_rules *set,
		      struct nx_error **err)
{
	yyjson_val *root, *own;
	const char *path;
	nx_str text;
	int r = read_file(name, a, &root, err);
	if (r == 0)
		r = read_own(dir, name, a, &text, &path, &own, err);
	if (r < 0)
		return r;
	yyjson_val *list = nx_json_get(root, "rules"), *more = nx_json_get(own, "rules");
	if (own && !yyjson_is_arr(more))
		return nx_error_set(err, NX_EINVAL, "%s:1: there is no list `rules`", path);
	set->rules = nx_arena_array(a, struct nx_rule, yyjson_arr_size(list) + yyjson_arr_size(more) + 1);
	if (!set->rules)
		return nx_error_set(err, NX_ENOMEM, "no memory for rules");
	r = add_rules(list, NX_STR(""), name, a, set, err);
	if (r == 0)
		r = add_rules(more, text, path, a, set, err);
	return r < 0 ? r : build_index(set, a, err);
}

static int read_policy(yyjson_val *v, struct nx_policy *p, struct nx_error **err)
{
	yyjson_val *held = nx_json_get(v, "blocks_when_held");
	int r = pick_severity(nx_json_str(v, "blocks"), &p->blocks, err);
	for (size_t e = 0; r == 0 && e < NX_EFFECT_MAX; e++) {
		nx_str name = nx_json_str(held, nx_effect_names[e]);
		p->blocks_when_held[e] = p->blocks;
		if (name.n)
			r = pick_severity(name, &p->blocks_when_held[e], err);
	}
	return r;
}

static size_t line_of_text(nx_str text, const char *word)
{
	ptrdiff_t at = nx_str_find(text, nx_str_z(word));
	size_t line = 1;
	for (ptrdiff_t i = 0; i < at; i++)
		line += text.p[i] == '\n';
	return line;
}

static int load_policies(const char *dir, struct nx_arena *a, struct nx_policy *ret, struct nx_error **err)
{
	yyjson_val *root, *own;
	const char *path;
	nx_str text;
	int r = read_file("policies", a, &root, err);
	if (r == 0)
		r = read_own(dir, "policies", a, &text, &path, &own, err);
	for (size_t i = 0; r == 0 && i < NX_SCAN_OFF; i++) {
		const char *name = nx_scan_policy_names[i];
		yyjson_val *mine = nx_json_get(nx_json_get(own, "policies"), name);
		r = read_policy(nx_json_get(nx_json_get(root, "policies"), name), &ret[i], err);
		if (r == 0 && mine && (r = read_policy(mine, &ret[i], err)) < 0)
			return nx_error_wrap(err, "%s:%zu: %s", path, line_of_text(text, name), name);
	}
	return r;
}

static bool is_file_of_rules(const char *name)
{
	size_t n = strlen(name) - strlen(".yaml");
	for (size_t i = 0; i < NX_RULES_MAX; i++)
		if (strlen(language_names[i]) == n && strncmp(name, language_names[i], n) == 0)
			return true;
	return strcmp(name, "policies.yaml") == 0;
}

/* A file that would be read by nobody is a mistake. */
static int check_dir(const char *dir, struct nx_error **err)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int r = d ? 0 : nx_error_set_errno(err, errno, "%s", dir);
	while (r == 0 && (e = readdir(d)))
		if (nx_str_ends(nx_str_z(e->d_name), NX_STR(".yaml")) && !is_file_of_rules(e->d_name))
			r = nx_error_set(err, NX_EINVAL,
					 "%s/%s: rules are in python.yaml, javascript.yaml, shell.yaml and c.yaml, "
					 "policies in policies.yaml",
					 dir, e->d_name);
	if (d)
		(void)closedir(d);
	return r;
}

const struct nx_policy *nx_policy_get(enum nx_scan_policy p)
{
	return &atomic_load_explicit(&R.now, memory_order_acquire)->policies[p];
}

/* Under the lock. What fails leaves nothing behind, so that the next scan tries again. */
static int load(const char *dir, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct rule_set *set = a ? nx_arena_new_of(a, struct rule_set) : NULL;
	if (!set)
		return nx_error_set(err, NX_ENOMEM, "no memory for rules");
	int r = *dir ? check_dir(dir, err) : 0;
	for (int l = 0; r == 0 && l < NX_RULES_MAX; l++)
		r = load_rules(language_names[l], dir, a, &set->rules[l], err);
	if (r == 0)
		r = load_policies(dir, a, set->policies, err);
	if (r < 0)
		return r;
	set->arena = nx_steal(a);
	set->older = atomic_load_explicit(&R.now, memory_order_relaxed); /* only written under the lock */
	atomic_store_explicit(&R.now, set, memory_order_release);
	return 0;
}

int nx_scan_rules_use(const char *dir, struct nx_error **err)
{
	(void)pthread_mutex_lock(&R.lock);
	int r = load(dir, err);
	(void)pthread_mutex_unlock(&R.lock);
	return r;
}

int nx_rules_get(enum nx_rules_language l, const struct nx_rules **ret, struct nx_error **err)
{
	int r = 0;
	if (!atomic_load_explicit(&R.now, memory_order_acquire)) {
		(void)pthread_mutex_lock(&R.lock);
		r = atomic_load_explicit(&R.now, memory_order_acquire) ? 0 : load("", err);
		(void)pthread_mutex_unlock(&R.lock);
	}
	if (r == 0)
		*ret = &atomic_load_explicit(&R.now, memory_order_acquire)->rules[l];
	return r;
}

const struct nx_rule_name *nx_rules_find(const struct nx_rules *r, enum nx_rule_kind kind, nx_str name, size_t *ret_n)
{
	const struct nx_rule_name *list = r->index[kind];
	size_t lo = 0, hi = r->nindex[kind];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (nx_str_cmp(list[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	size_t n = 0;
	while (lo + n < r->nindex[kind] && nx_str_eq(list[lo + n].name, name))
		n++;
	*ret_n = n;
	return &list[lo];
}
