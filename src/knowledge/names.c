#include "knowledge/names.h"

/* Words of a span, and of a quoted term. */
#define SPAN_MAX 8
#define QUOTED_MAX 6
#define ACRONYM_MAX 8

const char *const nx_name_kind_types[] = {"NAME", "ACRONYM", "TERM", "TITLE", NULL};

struct found {
	struct nx_arena *a;
	nx_str text;
	const struct nx_term *t;
	size_t nterms;
	struct nx_name *v;
	size_t n, cap;
	int failed;
};

static nx_str join_surfaces(struct nx_arena *a, const struct nx_term *t, size_t n)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += t[i].surface.n + 1;
	char *p = nx_arena_alloc(a, len + 1);
	if (!p)
		return NX_STR_NULL;
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		if (i)
			p[at++] = ' ';
		memcpy(p + at, t[i].surface.p, t[i].surface.n);
		at += t[i].surface.n;
	}
	return nx_str_n(p, at);
}

static void add(struct found *f, size_t from, size_t to, enum nx_name_kind kind)
{
	nx_str key = join_surfaces(f->a, f->t + from, to - from);
	if (!key.p) {
		f->failed = NX_ENOMEM;
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		if (nx_str_eq(f->v[i].folded, key)) {
			f->v[i].count++;
			return;
		}
	}
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		struct nx_name *v = nx_arena_realloc(f->a, f->v, f->cap * sizeof(*v), cap * sizeof(*v));
		if (!v) {
			f->failed = NX_ENOMEM;
			return;
		}
		f->v = v;
		f->cap = cap;
	}
	const struct nx_term *first = &f->t[from], *last = &f->t[to - 1];
	nx_str surface = nx_str_slice(f->text, first->start, last->start + last->length);
	f->v[f->n++] = (struct nx_name){.folded = key, .surface = surface, .kind = kind, .count = 1};
}

/* What stands between two words of one name: a space, a hyphen, or the point of an initial. */
static bool is_joined(const struct found *f, size_t i)
{
	const struct nx_term *l = &f->t[i], *r = &f->t[i + 1];
	nx_str gap = nx_str_slice(f->text, l->start + l->length, r->start);
	if (nx_str_eqz(gap, " ") || nx_str_eqz(gap, "-") || nx_str_eqz(gap, "\n"))
		return true;
	return nx_str_eqz(gap, ". ") && l->length <= 2 && (l->flags & NX_W_CAPITAL);
}

static bool is_connector(const struct nx_term *t)
{
	static const char *const list[] = {"of",  "the", "de", "da", "del", "la", "le", "von", "van", "der", "den",
					   "bin", "ibn", "al", "el", "du",  "di", "do", "dos", "y",   "and"};
	for (size_t i = 0; i < nx_countof(list); i++)
		if (nx_str_eqz(t->surface, list[i]))
			return true;
	return false;
}

static bool is_capital(const struct nx_term *t)
{
	return (t->flags & NX_W_CAPITAL) && !(t->flags & NX_W_ARABIC);
}

/* End of the capitalised span that begins at `from`: it never ends with a connector, and "and" joins no two names. */
static size_t span_end(const struct found *f, size_t from)
{
	size_t end = from + 1;
	for (size_t i = from; i + 1 < f->nterms && i + 1 - from < SPAN_MAX && is_joined(f, i); i++) {
		const struct nx_term *next = &f->t[i + 1];
		if (is_capital(next) || ((next->flags & NX_W_DIGIT) && is_capital(&f->t[i])))
			end = i + 2;
		else if (!is_connector(next) || nx_str_eqz(next->surface, "and"))
			break;
	}
	return end;
}

static bool is_roman(nx_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("ivxlcdm", s.p[i]))
			return false;
	return s.n > 0;
}

static bool is_acronym(const struct nx_term *t)
{
	return (t->flags & NX_W_UPPER) && t->length <= ACRONYM_MAX && !(t->flags & NX_W_STOP) && !is_roman(t->surface);
}

static void find_spans(struct found *f)
{
	for (size_t i = 0; i < f->nterms && !f->failed;) {
		if (!is_capital(&f->t[i])) {
			i++;
			continue;
		}
		size_t from = i, end = span_end(f, i);
		while (from < end && (f->t[from].flags & NX_W_STOP))
			from++;
		if (end - from >= 2)
			add(f, from, end, NX_NAME_SPAN);
		else if (end - from == 1 && is_acronym(&f->t[from]))
			add(f, from, end, NX_NAME_ACRONYM);
		i = end;
	}
}

/* The closing sign of an opening one, or 0. */
static uint32_t closing_of(uint32_t cp)
{
	return cp == '"' ? '"' : cp == 0x201c ? 0x201d : cp == 0xab ? 0xbb : 0;
}

static void add_quoted(struct found *f, size_t from, size_t to)
{
	size_t i = 0;
	while (i < f->nterms && f->t[i].start < from)
		i++;
	size_t end = i;
	while (end < f->nterms && f->t[end].start + f->t[end].length <= to)
		end++;
	if (end > i && end - i <= QUOTED_MAX && !(end - i == 1 && (f->t[i].flags & NX_W_STOP)))
		add(f, i, end, NX_NAME_QUOTED);
}

static void find_quoted(struct found *f)
{
	uint32_t wanted = 0;
	size_t from = 0;
	for (size_t i = 0; i < f->text.n && !f->failed;) {
		size_t at = i;
		uint32_t cp = nx_utf8_next(f->text, &i);
		if (wanted && (cp == wanted || cp == '\n')) {
			if (cp == wanted)
				add_quoted(f, from, at);
			wanted = 0;
		} else if (!wanted && closing_of(cp)) {
			wanted = closing_of(cp);
			from = i;
		}
	}
}

int nx_names_find(nx_str text, const struct nx_term *t, size_t n, struct nx_arena *a, struct nx_name **ret,
		  size_t *ret_n, struct nx_error **err)
{
	struct found f = {.a = a, .text = text, .t = t, .nterms = n};
	find_spans(&f);
	find_quoted(&f);
	if (f.failed)
		return nx_error_set(err, NX_ENOMEM, "no memory for the names of a text");
	*ret = f.v;
	*ret_n = f.n;
	return 0;
}

int nx_name_fold(nx_str name, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	struct nx_words it;
	struct nx_word w;
	char *p = nx_arena_alloc(a, name.n * 3 + NX_WORD_MAX + 1);
	size_t at = 0;
	if (!p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a name of %zu bytes", name.n);
	nx_words_init(&it, name);
	while (nx_words_next(&it, &w)) {
		char form[NX_WORD_MAX];
		size_t n = nx_word_fold(nx_str_n(name.p + w.start, w.length), form);
		if (at + n + 1 > name.n * 3 + NX_WORD_MAX)
			break;
		if (at && n)
			p[at++] = ' ';
		memcpy(p + at, form, n);
		at += n;
	}
	*ret = nx_str_n(p, at);
	return 0;
}

nx_str nx_title_base(nx_str title)
{
	nx_str t = nx_str_trim(title);
	if (t.n < 4 || t.p[t.n - 1] != ')')
		return t;
	size_t i = t.n - 1;
	while (i > 0 && t.p[i] != '(')
		i--;
	return i > 0 ? nx_str_trim(nx_str_n(t.p, i)) : t;
}
