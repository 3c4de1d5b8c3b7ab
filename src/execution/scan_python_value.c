/* What an expression of Python comes to. */
#include "execution/scan_python_internal.h"

#define FORMAT_PIECES_MAX 64
#define PARENTS_MAX 16

static const struct nx_value unknown = {.kind = NX_VALUE_UNKNOWN};

static struct nx_value eval(struct nx_py *p, TSNode n, unsigned depth)
{
	return nx_py_evaluate(&p->w, n, depth);
}

static nx_str text(const struct nx_py *p, TSNode n)
{
	return ts_node_is_null(n) ? NX_STR("") : nx_scan_text(p->w.s, n);
}

nx_str nx_py_identifier(struct nx_py *p, TSNode n)
{
	nx_str name = text(p, n), normal;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] >= 0x80) {
			bool ok = nx_utf8_valid(name) && nx_utf8_nfkc(p->w.s->arena, name, &normal, NULL) == 0;
			return ok ? normal : name;
		}
	return name;
}

bool nx_py_is_module(const struct nx_py *p, nx_str name)
{
	return nx_names_has(&p->modules, name);
}

static bool is_one_of(nx_str name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (nx_str_eqz(name, names[i]))
			return true;
	return false;
}
#define IS_ONE_OF(name, ...) \
	is_one_of(name, (const char *const[]){__VA_ARGS__}, nx_countof(((const char *const[]){__VA_ARGS__})))

bool nx_py_imports(nx_str f)
{
	return IS_ONE_OF(f, "__import__", "importlib.import_module", "importlib.__import__", "importlib.reload",
			 "pkgutil.resolve_name", "pydoc.locate", "importlib.util.find_spec", "builtins.__import__");
}

/* ---- texts ---- */

static struct nx_value content(struct nx_py *p, TSNode n, bool is_raw)
{
	nx_str s = text(p, n);
	char *out = !is_raw && s.n <= NX_VALUE_TEXT_MAX && memchr(s.p, '\\', s.n)
			    ? nx_arena_alloc(p->w.scratch, s.n + 4)
			    : NULL;
	size_t len = 0;
	if (!out)
		return nx_value_text(s);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c != '\\' || i + 1 == s.n) {
			out[len++] = c;
			continue;
		}
		c = s.p[++i];
		size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
		if (digits) {
			char number[12] = "0x";
			nx_str hex = nx_str_slice(s, i + 1, i + 1 + digits);
			memcpy(number + 2, hex.p, hex.n);
			uint32_t cp = (uint32_t)nx_value_parse_number(nx_str_n(number, hex.n + 2));
			bool is_character =
				cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff); /* half a pair has no UTF-8 */
			len += is_character && hex.n == digits ? nx_utf8_encode(cp, out + len) : 0;
			i += hex.n;
		} else if (c >= '0' && c <= '7') {
			unsigned value = 0;
			for (size_t k = 0; k < 3 && i < s.n && s.p[i] >= '0' && s.p[i] <= '7'; k++)
				value = value * 8 + (unsigned)(s.p[i++] - '0');
			i--;
			out[len++] = (char)value;
		} else if (c != '\n') {
			out[len++] = c == 'n' ? '\n' : c == 't' ? '\t' : c;
		}
	}
	return nx_value_text(nx_str_n(out, len));
}

/* Most strings are: a quote, and nothing inside that means something else. */
static bool is_plain(nx_str s)
{
	char quote = s.n >= 2 && s.n <= NX_VALUE_TEXT_MAX ? s.p[0] : '\0';
	bool is_long = s.n >= 6 && s.p[1] == quote && s.p[2] == quote;
	return (quote == '"' || quote == '\'') && s.p[s.n - 1] == quote && !is_long && !memchr(s.p, '\\', s.n);
}

static struct nx_value string(struct nx_py *p, TSNode n, unsigned depth)
{
	struct nx_value r = nx_value_text(NX_STR(""));
	nx_str whole = text(p, n);
	if (is_plain(whole))
		return nx_value_text(nx_str_slice(whole, 1, whole.n - 1));
	bool is_raw =
		memchr(whole.p, 'r', nx_min(whole.n, (size_t)2)) || memchr(whole.p, 'R', nx_min(whole.n, (size_t)2));
	TSTreeCursor c = ts_tree_cursor_new(n);
	bool more = ts_tree_cursor_goto_first_child(&c);
	for (; more && nx_names_may_step(&p->w, depth); more = ts_tree_cursor_goto_next_sibling(&c)) {
		TSNode part = ts_tree_cursor_current_node(&c);
		struct nx_value v;
		if (nx_py_is(part, p->s.string_content))
			v = content(p, part, is_raw);
		else if (nx_py_is(part, p->s.interpolation))
			v = eval(p, nx_py_child(part, p->f.expression), depth + 1);
		else
			continue;
		r = nx_value_concat(&p->w, &r, &v);
	}
	ts_tree_cursor_delete(&c);
	return r;
}

static struct nx_value concatenated(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode parts[FORMAT_PIECES_MAX];
	struct nx_value r = nx_value_text(NX_STR(""));
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++) {
		struct nx_value v = eval(p, parts[i], depth + 1);
		r = nx_value_concat(&p->w, &r, &v);
	}
	return r;
}

/* "%s%s" % (a, b) and "{}{1}".format(a, b): what is not followed stands as a hole. */
static struct nx_value fill(struct nx_py *p, nx_str format, bool is_percent, const struct nx_value *a, size_t n)
{
	struct nx_value r = nx_value_text(NX_STR(""));
	size_t start = 0, next = 0;
	for (size_t i = 0; i + 1 < format.n && next < FORMAT_PIECES_MAX; i++) {
		if (format.p[i] != (is_percent ? '%' : '{'))
			continue;
		size_t end = i + 1, index = next;
		while (!is_percent && end < format.n && format.p[end] != '}')
			end++;
		if (!is_percent && end > i + 1 && format.p[i + 1] >= '0' && format.p[i + 1] <= '9')
			index = (size_t)(format.p[i + 1] - '0');
		struct nx_value before = nx_value_text(nx_str_slice(format, start, i));
		struct nx_value v = index < n ? a[index] : unknown;
		if (is_percent && format.p[i + 1] == 'c' && v.kind == NX_VALUE_NUMBER)
			v = nx_value_char(&p->w, v.number);
		r = nx_value_concat(&p->w, &r, &before);
		r = nx_value_concat(&p->w, &r, &v);
		start = end + 1;
		i = end;
		next++;
	}
	struct nx_value rest = nx_value_text(nx_str_slice(format, start, format.n));
	return nx_value_concat(&p->w, &r, &rest);
}

static struct nx_value with_path(struct nx_py *p, struct nx_value v, const struct nx_value *base,
				 const struct nx_value *part)
{
	if (part->kind != NX_VALUE_TEXT || (part->text.n && part->text.p[0] == '/') || base->path.n == 0) {
		v.path = part->kind == NX_VALUE_TEXT ? part->text : base->path;
		return v;
	}
	struct nx_value both[] = {nx_value_text(base->path), *part};
	struct nx_value list = nx_value_list(both, 2);
	bool has_slash = base->path.p[base->path.n - 1] == '/';
	v.path = nx_value_join(&p->w, has_slash ? NX_STR("") : NX_STR("/"), &list).text;
	return v;
}

/* "../" * 8 */
static struct nx_value repeat(struct nx_py *p, const struct nx_value *v, int64_t times)
{
	struct nx_value r = *v;
	if (times == 1 || v->text.n == 0)
		return r;
	if (times < 1 || times > NX_VALUE_TEXT_MAX || v->text.n * (size_t)times > NX_VALUE_TEXT_MAX)
		return times < 1 ? nx_value_text(NX_STR("")) : unknown;
	char *out = nx_arena_alloc(p->w.scratch, v->text.n * (size_t)times);
	if (!out)
		return unknown;
	for (size_t i = 0; i < (size_t)times; i++)
		memcpy(out + i * v->text.n, v->text.p, v->text.n);
	r.text = nx_str_n(out, v->text.n * (size_t)times);
	return r;
}

/* The directory of a path, as pathlib's parent gives it for one that is made absolute first. */
static nx_str parent_of(struct nx_py *p, nx_str path)
{
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	if (nx_str_eqz(path, "."))
		return NX_STR("..");
	if (nx_str_eqz(path, "~") || nx_str_eqz(path, "..") || nx_str_ends(path, NX_STR("/.."))) {
		char *up = path.n < NX_SCAN_DOTTED_MAX ? nx_arena_printf(p->w.scratch, "%.*s/..", NX_FMT(path)) : NULL;
		return up ? nx_str_z(up) : path;
	}
	size_t n = path.n;
	while (n > 0 && path.p[n - 1] != '/')
		n--;
	return n == 0 ? NX_STR(".") : nx_str_n(path.p, n == 1 ? 1 : n - 1);
}

static struct nx_value binary(struct nx_py *p, TSNode n, unsigned depth)
{
	nx_str operator= text(p, nx_py_child(n, p->f.operator));
	struct nx_value a = eval(p, nx_py_child(n, p->f.left), depth + 1);
	struct nx_value b = eval(p, nx_py_child(n, p->f.right), depth + 1);
	if (nx_str_eqz(operator, "+"))
		return nx_value_concat(&p->w, &a, &b);
	if (nx_str_eqz(operator, "%") && a.kind == NX_VALUE_TEXT)
		return b.kind == NX_VALUE_LIST ? fill(p, a.text, true, b.items, b.n) : fill(p, a.text, true, &b, 1);
	if (nx_str_eqz(operator, "/") && a.kind == NX_VALUE_NAME)
		return with_path(p, a, &a, &b);
	if (nx_str_eqz(operator, "*") && a.kind == NX_VALUE_TEXT && b.kind == NX_VALUE_NUMBER)
		return repeat(p, &a, b.number);
	if (nx_str_eqz(operator, "*") && b.kind == NX_VALUE_TEXT && a.kind == NX_VALUE_NUMBER)
		return repeat(p, &b, a.number);
	if (nx_str_eqz(operator, "**"))
		return nx_value_arithmetic('p', &a, &b);
	return operator.n ? nx_value_arithmetic(operator.p[0], &a, &b) : unknown;
}

static struct nx_value sequence(struct nx_py *p, TSNode n, unsigned depth)
{
	uint32_t count = nx_min(ts_node_named_child_count(n), (uint32_t)NX_VALUE_ITEMS_MAX);
	TSNode *nodes = nx_arena_array(p->w.scratch, TSNode, count + 1);
	count = nodes ? nx_scan_children(n, nodes, count) : 0;
	struct nx_value *items = nodes ? nx_arena_array(p->w.scratch, struct nx_value, count + 1) : NULL;
	if (!items)
		return unknown;
	for (uint32_t i = 0; i < count; i++) {
		bool is_splat = nx_py_is(nodes[i], p->s.list_splat);
		items[i] = eval(p, is_splat ? ts_node_named_child(nodes[i], 0) : nodes[i], depth + 1);
		if (is_splat && count == 1)
			return nx_value_items(&p->w, &items[i]);
	}
	return nx_value_list(items, count);
}

/* body for each item of the list, with the variable bound to it. */
static struct nx_value each(struct nx_py *p, nx_str variable, TSNode body, const struct nx_value *over, unsigned depth)
{
	struct nx_value list = nx_value_items(&p->w, over), was_value = p->bound_value;
	struct nx_value *items =
		list.kind == NX_VALUE_LIST ? nx_arena_array(p->w.scratch, struct nx_value, list.n + 1) : NULL;
	nx_str was = p->bound;
	if (!items)
		return unknown;
	for (size_t i = 0; i < list.n; i++) {
		p->bound = variable;
		p->bound_value = list.items[i];
		items[i] = eval(p, body, depth + 1);
	}
	p->bound = was;
	p->bound_value = was_value;
	return nx_value_list(items, list.n);
}

static struct nx_value comprehension(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode parts[8];
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++)
		if (nx_py_is(parts[i], p->s.for_in_clause)) {
			struct nx_value over = eval(p, nx_py_child(parts[i], p->f.right), depth + 1);
			return each(p, text(p, nx_py_child(parts[i], p->f.left)), nx_py_child(n, p->f.body), &over,
				    depth);
		}
	return unknown;
}

/* ---- members ---- */

static bool is_root(nx_str name)
{
	return IS_ONE_OF(name, "builtins", "__builtins__", "__builtin__", "globals()", "locals()", "vars()",
			 "sys.modules");
}

/* random._os is os. */
static bool is_reexport(const struct nx_py *p, nx_str base, nx_str name)
{
	nx_str first = base;
	return nx_py_is_module(p, nx_str_cut(&first, '.')) && !nx_str_eq(base, name) &&
	       IS_ONE_OF(name, "os", "sys", "builtins", "subprocess", "socket", "importlib", "ctypes", "shutil",
			 "signal", "io", "posix");
}

static struct nx_value member(struct nx_py *p, const struct nx_value *o, nx_str name)
{
	nx_str open = nx_str_starts(name, NX_STR("_")) ? nx_str_slice(name, 1, name.n) : name;
	struct nx_value v;
	if (o->kind != NX_VALUE_NAME) {
		v = nx_value_name(&p->w, NX_STR("?"), name);
		return v;
	}
	if (nx_str_eqz(name, "__dict__") || (nx_str_eqz(name, "__call__") && o->text.n))
		return *o;
	if (is_root(o->text) || is_reexport(p, o->text, open))
		v = nx_value_name(&p->w, NX_STR(""), is_root(o->text) ? name : open);
	else
		v = nx_value_name(&p->w, o->text, name);
	if (v.kind != NX_VALUE_NAME)
		return v;
	struct nx_value kept = nx_names_get(&p->w, v.text);
	return kept.kind != NX_VALUE_UNKNOWN ? kept : v;
}

static struct nx_value attribute(struct nx_py *p, TSNode n, unsigned depth)
{
	struct nx_value o = eval(p, nx_py_child(n, p->f.object), depth + 1);
	nx_str name = nx_py_identifier(p, nx_py_child(n, p->f.attribute));
	if (o.path.n && nx_str_eqz(name, "parent"))
		o.path = parent_of(p, o.path);
	else if (!(o.path.n && nx_str_eqz(name, "parents")))
		return member(p, &o, name);
	return o;
}

static struct nx_value slice(struct nx_py *p, const struct nx_value *o, nx_str bounds)
{
	struct nx_value items = nx_value_items(&p->w, o);
	nx_str step = bounds, from = nx_str_trim(nx_str_cut(&step, ':'));
	nx_str to = nx_str_trim(nx_str_cut(&step, ':'));
	int64_t size = (int64_t)items.n, a = 0, b = size, by = 1;
	if (items.kind != NX_VALUE_LIST || (from.n && !nx_str_to_i64(from, &a)) || (to.n && !nx_str_to_i64(to, &b)) ||
	    (nx_str_trim(step).n && !nx_str_to_i64(nx_str_trim(step), &by)) || by == 0 || by < -1024 || by > 1024)
		return unknown;
	struct nx_value *out = nx_arena_array(p->w.scratch, struct nx_value, items.n + 1);
	size_t n = 0;
	if (!out)
		return unknown;
	a = a < 0 ? a + size : a;
	b = b < 0 ? b + size : b;
	if (by < 0) {
		a = from.n ? a : size - 1;
		b = to.n ? b : -1;
	}
	for (int64_t i = a; by > 0 ? i < b && i < size : i > b && i >= 0; i += by)
		if (i >= 0 && i < size && n < items.n)
			out[n++] = items.items[i];
	struct nx_value r = nx_value_list(out, n);
	r.decoded = by < 0;
	return o->kind == NX_VALUE_TEXT ? nx_value_join(&p->w, NX_STR(""), &r) : r;
}

static struct nx_value subscript(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode key = nx_py_child(n, p->f.subscript);
	struct nx_value o = eval(p, nx_py_child(n, p->f.value), depth + 1);
	if (nx_py_is(key, p->s.slice))
		return slice(p, &o, text(p, key));
	struct nx_value k = eval(p, key, depth + 1);
	for (int64_t i = 0; k.kind == NX_VALUE_NUMBER && o.path.n && i <= k.number && i < PARENTS_MAX; i++)
		o.path = parent_of(p, o.path);
	if (k.kind == NX_VALUE_NUMBER && o.path.n) /* path.parents[2] */
		return o;
	if (k.kind == NX_VALUE_NUMBER)
		return nx_value_index(&p->w, &o, k.number);
	return nx_value_is_text(&k) ? member(p, &o, k.text) : unknown;
}

/* ---- calls ---- */

static struct nx_value method(struct nx_py *p, const struct nx_value *o, nx_str name, const struct nx_value *a,
			      size_t n)
{
	struct nx_names *w = &p->w;
	if (nx_str_eqz(name, "join") && n)
		return nx_value_join(w, o->text, &a[0]);
	if (nx_str_eqz(name, "format"))
		return fill(p, o->text, false, a, n);
	if (nx_str_eqz(name, "replace") && n > 1 && nx_value_is_text(&a[0]) && nx_value_is_text(&a[1]))
		return nx_value_replace(w, o->text, a[0].text, a[1].text);
	if (IS_ONE_OF(name, "decode", "encode"))
		return n && nx_value_is_text(&a[0]) ? nx_value_decode(w, o, a[0].text) : *o;
	if (IS_ONE_OF(name, "strip", "lstrip", "rstrip", "copy", "removesuffix", "removeprefix", "tobytes", "casefold"))
		return *o;
	if (nx_str_eqz(name, "hex"))
		return *o;
	return unknown;
}

static struct nx_value paths(struct nx_py *p, nx_str f, const struct nx_value *a, size_t n)
{
	if (nx_str_eqz(f, "os.path.join") && n) {
		struct nx_value v = {.path = a[0].kind == NX_VALUE_TEXT ? a[0].text : NX_STR("")};
		for (size_t i = 1; i < n; i++)
			v = with_path(p, v, &v, &a[i]);
		return v.path.n ? nx_value_text(v.path) : unknown;
	}
	if (IS_ONE_OF(f, "os.path.expanduser", "os.path.abspath", "os.path.realpath", "os.path.normpath", "os.fspath",
		      "os.fsencode", "os.path.expandvars", "os.fsdecode") &&
	    n)
		return a[0];
	if (IS_ONE_OF(f, "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePath", "pathlib.PurePosixPath")) {
		struct nx_value v = nx_value_name(&p->w, NX_STR(""), NX_STR("pathlib.Path"));
		for (size_t i = 0; i < n; i++)
			v = with_path(p, v, &v, &a[i]);
		return v;
	}
	if (IS_ONE_OF(f, "pathlib.Path.home", "pathlib.Path.cwd")) {
		struct nx_value v = nx_value_name(&p->w, NX_STR(""), NX_STR("pathlib.Path"));
		v.path = nx_str_eqz(f, "pathlib.Path.home") ? NX_STR("~") : NX_STR(".");
		return v;
	}
	return unknown;
}

static struct nx_value decoded(struct nx_py *p, nx_str f, const struct nx_value *a, size_t n)
{
	struct nx_names *w = &p->w;
	if (n == 0)
		return unknown;
	if (IS_ONE_OF(f, "base64.b64decode", "base64.urlsafe_b64decode", "base64.standard_b64decode",
		      "base64.decodebytes", "binascii.a2b_base64"))
		return nx_value_decode(w, &a[0], NX_STR("base64"));
	if (IS_ONE_OF(f, "bytes.fromhex", "bytearray.fromhex", "binascii.unhexlify", "binascii.a2b_hex",
		      "base64.b16decode"))
		return nx_value_decode(w, &a[0], NX_STR("hex"));
	if (IS_ONE_OF(f, "codecs.decode", "codecs.encode") && n > 1 && nx_value_is_text(&a[1]))
		return nx_value_decode(w, &a[0], a[1].text);
	return unknown;
}

/* Functions whose result is known when their arguments are. */
static struct nx_value known_function(struct nx_py *p, nx_str f, const struct nx_value *a, size_t n)
{
	struct nx_names *w = &p->w;
	struct nx_value v = decoded(p, f, a, n);
	if (v.kind != NX_VALUE_UNKNOWN || (v = paths(p, f, a, n)).kind != NX_VALUE_UNKNOWN || n == 0)
		return v;
	if (nx_str_eqz(f, "chr") && a[0].kind == NX_VALUE_NUMBER)
		return nx_value_char(w, a[0].number);
	if (nx_str_eqz(f, "ord") && a[0].kind == NX_VALUE_TEXT && a[0].text.n == 1)
		return nx_value_number((unsigned char)a[0].text.p[0]);
	if (nx_str_eqz(f, "reversed"))
		return nx_value_reverse(w, &a[0]);
	if (IS_ONE_OF(f, "list", "tuple", "iter", "sorted"))
		return nx_value_items(w, &a[0]);
	if (IS_ONE_OF(f, "bytes", "bytearray") && a[0].kind == NX_VALUE_LIST)
		return nx_value_bytes(w, &a[0]);
	if (IS_ONE_OF(f, "str", "bytes", "bytearray", "memoryview", "int", "next", "sys.intern"))
		return a[0].kind == NX_VALUE_LIST && a[0].n ? a[0].items[0] : a[0];
	if (nx_str_eqz(f, "format") && n == 1)
		return a[0];
	return unknown;
}

static struct nx_value imported(struct nx_py *p, nx_str f, const struct nx_value *module)
{
	if (!nx_value_is_text(module))
		return module->kind == NX_VALUE_NAME && nx_str_eqz(f, "importlib.reload") ? *module : unknown;
	nx_str name = module->text;
	const char *end = memchr(name.p, nx_str_eqz(f, "__import__") ? '.' : ':', name.n);
	if (!end)
		return nx_value_name(&p->w, NX_STR(""), name);
	if (*end == '.')
		return nx_value_name(&p->w, NX_STR(""), nx_str_n(name.p, (size_t)(end - name.p)));
	return nx_value_name(&p->w, nx_str_n(name.p, (size_t)(end - name.p)),
			     nx_str_slice(name, (size_t)(end - name.p) + 1, name.n));
}

/* getattr(os, "system"), vars(os), os.__dict__.get("system"), functools.partial(f, …). */
static struct nx_value reached(struct nx_py *p, nx_str f, const struct nx_value *a, size_t n)
{
	static const nx_str getters[] = {NX_STR(".get"), NX_STR(".__getitem__"), NX_STR(".__getattribute__"),
					 NX_STR(".pop"), NX_STR(".setdefault")};
	if (nx_py_imports(f))
		return n ? imported(p, f, &a[0]) : unknown;
	if (IS_ONE_OF(f, "getattr", "inspect.getattr_static", "object.__getattribute__", "type.__getattribute__"))
		return n > 1 && nx_value_is_text(&a[1]) ? member(p, &a[0], a[1].text) : unknown;
	if (IS_ONE_OF(f, "vars", "functools.partial", "functools.wraps", "staticmethod", "classmethod",
		      "inspect.unwrap", "weakref.ref", "copy.copy", "asyncio.run", "inspect.getmodule") &&
	    n)
		return a[0];
	for (size_t i = 0; i < nx_countof(getters); i++)
		if (nx_str_ends(f, getters[i]) && n && nx_value_is_text(&a[0])) {
			struct nx_value o = nx_value_name(&p->w, NX_STR(""), nx_str_slice(f, 0, f.n - getters[i].n));
			if (is_root(o.text) || nx_match_is_known(&p->w, o.text))
				return member(p, &o, a[0].text);
		}
	if (IS_ONE_OF(f, "get", "__getitem__", "pop") && n && nx_value_is_text(&a[0])) /* of globals() */
		return nx_value_name(&p->w, NX_STR(""), a[0].text);
	return unknown;
}

static bool makes_object(nx_str f)
{
	size_t at = f.n;
	while (at > 0 && f.p[at - 1] != '.')
		at--;
	return at < f.n && f.p[at] >= 'A' && f.p[at] <= 'Z';
}

static uint32_t arguments_of(struct nx_py *p, TSNode n, struct nx_value a[static NX_CALL_ARGUMENTS_MAX], unsigned depth)
{
	TSNode nodes[NX_CALL_ARGUMENTS_MAX];
	uint32_t count = p->w.arguments(&p->w, n, nodes);
	for (uint32_t i = 0; i < count; i++)
		a[i] = eval(p, nodes[i], depth + 1);
	return count;
}

static struct nx_value map(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode a[NX_CALL_ARGUMENTS_MAX];
	uint32_t count = p->w.arguments(&p->w, n, a);
	struct nx_value over = count > 1 ? eval(p, a[1], depth + 1) : unknown;
	if (over.kind == NX_VALUE_UNKNOWN)
		return unknown;
	if (nx_py_is(a[0], p->s.lambda))
		return each(p, nx_str_trim(text(p, nx_py_child(a[0], p->f.parameters))), nx_py_child(a[0], p->f.body),
			    &over, depth);
	struct nx_value f = eval(p, a[0], depth + 1), list = nx_value_items(&p->w, &over);
	struct nx_value *items = list.kind == NX_VALUE_LIST && f.kind == NX_VALUE_NAME
					 ? nx_arena_array(p->w.scratch, struct nx_value, list.n + 1)
					 : NULL;
	for (size_t i = 0; items && i < list.n; i++)
		items[i] = known_function(p, f.text, &list.items[i], 1);
	return items ? nx_value_list(items, list.n) : unknown;
}

static struct nx_value call_name(struct nx_py *p, nx_str f, TSNode n, unsigned depth)
{
	struct nx_value a[NX_CALL_ARGUMENTS_MAX];
	if (nx_str_eqz(f, "map"))
		return map(p, n, depth);
	uint32_t count = arguments_of(p, n, a, depth);
	struct nx_value v = known_function(p, f, a, count);
	if (v.kind == NX_VALUE_UNKNOWN)
		v = reached(p, f, a, count);
	if (v.kind != NX_VALUE_UNKNOWN || nx_py_imports(f) || f.n > NX_SCAN_DOTTED_MAX - 2)
		return v;
	if (makes_object(f))
		return nx_value_name(&p->w, NX_STR(""), f);
	char *made = nx_arena_printf(p->w.scratch, "%.*s()", NX_FMT(f));
	if (!made)
		return unknown;
	v = nx_names_get(&p->w, nx_str_z(made));
	return v.kind != NX_VALUE_UNKNOWN ? v : nx_value_name(&p->w, NX_STR(""), nx_str_z(made));
}

struct nx_value nx_py_called(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode function = p->w.callee(&p->w, n);
	struct nx_value a[NX_CALL_ARGUMENTS_MAX], key[NX_CALL_ARGUMENTS_MAX];
	if (!nx_py_is(function, p->s.call) || !nx_py_is(n, p->s.call))
		return eval(p, function, depth + 1);
	struct nx_value maker = eval(p, p->w.callee(&p->w, function), depth + 1);
	if (maker.kind != NX_VALUE_NAME ||
	    !IS_ONE_OF(maker.text, "operator.attrgetter", "operator.methodcaller", "operator.itemgetter"))
		return eval(p, function, depth + 1);
	if (arguments_of(p, n, a, depth) == 0 || arguments_of(p, function, key, depth) == 0 ||
	    !nx_value_is_text(&key[0]))
		return unknown;
	return member(p, &a[0], key[0].text);
}

static struct nx_value call(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode function = p->w.callee(&p->w, n);
	struct nx_value f;
	if (nx_py_is(function, p->s.attribute)) {
		struct nx_value o = eval(p, nx_py_child(function, p->f.object), depth + 1);
		if (o.kind == NX_VALUE_TEXT || o.kind == NX_VALUE_LIST) {
			struct nx_value a[NX_CALL_ARGUMENTS_MAX];
			uint32_t count = arguments_of(p, n, a, depth);
			return method(p, &o, text(p, nx_py_child(function, p->f.attribute)), a, count);
		}
		/* not evaluated again: chains would take 2^n steps */
		f = member(p, &o, nx_py_identifier(p, nx_py_child(function, p->f.attribute)));
	} else {
		f = nx_py_called(p, n, depth);
	}
	if (f.kind != NX_VALUE_NAME)
		return unknown;
	if (nx_py_is(function, p->s.call) && nx_str_starts(text(p, function), NX_STR("operator.")))
		return f; /* attrgetter("system")(os) is os.system */
	return call_name(p, f.text, n, depth);
}

static struct nx_value identifier(struct nx_py *p, TSNode n)
{
	nx_str name = nx_py_identifier(p, n);
	if (p->bound.n && nx_str_eq(name, p->bound))
		return p->bound_value;
	struct nx_value v = nx_names_get(&p->w, name);
	return v.kind != NX_VALUE_UNKNOWN ? v : nx_value_name(&p->w, NX_STR(""), name);
}

static struct nx_value unary(struct nx_py *p, TSNode n, unsigned depth)
{
	struct nx_value v = eval(p, nx_py_child(n, p->f.argument), depth + 1), zero = nx_value_number(0);
	return nx_str_eqz(text(p, nx_py_child(n, p->f.operator)), "-") ? nx_value_arithmetic('-', &zero, &v) : unknown;
}

/* The first child that is known: of `a if c else b` a or b, of `a or b` either. */
static struct nx_value either(struct nx_py *p, TSNode n, unsigned depth)
{
	TSNode parts[3];
	uint32_t count = nx_scan_children(n, parts, nx_countof(parts));
	for (uint32_t i = 0; i < count; i++) {
		struct nx_value v = i == 1 && count == 3 ? unknown : eval(p, parts[i], depth + 1);
		if (v.kind != NX_VALUE_UNKNOWN)
			return v;
	}
	return unknown;
}

struct nx_value nx_py_evaluate(struct nx_names *w, TSNode n, unsigned depth)
{
	struct nx_py *p = nx_container_of(w, struct nx_py, w);
	if (ts_node_is_null(n) || !nx_names_may_step(w, depth))
		return unknown;
	TSSymbol s = ts_node_symbol(n);
	if (s == p->s.identifier)
		return identifier(p, n);
	if (s == p->s.attribute)
		return attribute(p, n, depth);
	if (s == p->s.call)
		return call(p, n, depth);
	if (s == p->s.string)
		return string(p, n, depth);
	if (s == p->s.integer || s == p->s.float_)
		return nx_value_number(nx_value_parse_number(text(p, n)));
	if (s == p->s.subscript)
		return subscript(p, n, depth);
	if (s == p->s.binary_operator)
		return binary(p, n, depth);
	if (s == p->s.list || s == p->s.tuple || s == p->s.set || s == p->s.expression_list)
		return sequence(p, n, depth);
	if (s == p->s.list_comprehension || s == p->s.generator_expression)
		return comprehension(p, n, depth);
	if (s == p->s.concatenated_string)
		return concatenated(p, n, depth);
	if (s == p->s.parenthesized_expression || s == p->s.await || s == p->s.list_splat)
		return eval(p, ts_node_named_child(n, 0), depth + 1);
	if (s == p->s.named_expression || s == p->s.keyword_argument)
		return eval(p, nx_py_child(n, p->f.value), depth + 1);
	if (s == p->s.unary_operator)
		return unary(p, n, depth);
	return s == p->s.conditional_expression || s == p->s.boolean_operator ? either(p, n, depth) : unknown;
}
