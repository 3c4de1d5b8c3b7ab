#include "knowledge/chunker.h"

#include "knowledge/text.h"

#define TITLE_MAX 200

struct section {
	size_t start, end;
	nx_str heading;
};

struct chunks {
	struct nx_arena *a;
	struct nx_chunk_span *v;
	size_t n, cap;
	size_t target;
};

static nx_str line_at(nx_str t, size_t i)
{
	const char *nl = memchr(t.p + i, '\n', t.n - i);
	return nx_str_n(t.p + i, nl ? (size_t)(nl - t.p) - i : t.n - i);
}

/* The text of an ATX heading, or a null string. */
static nx_str heading_of(nx_str line)
{
	size_t i = 0;
	while (i < line.n && i < 6 && line.p[i] == '#')
		i++;
	if (i == 0 || i >= line.n || (line.p[i] != ' ' && line.p[i] != '\t'))
		return NX_STR_NULL;
	nx_str h = nx_str_trim(nx_str_slice(line, i, line.n));
	while (h.n && h.p[h.n - 1] == '#')
		h.n--;
	return nx_str_trim(h);
}

static bool is_fence(nx_str line)
{
	nx_str l = nx_str_trim(line);
	return l.n >= 3 && (memcmp(l.p, "```", 3) == 0 || memcmp(l.p, "~~~", 3) == 0);
}

static nx_str first_heading(nx_str text)
{
	bool fenced = false;
	for (size_t i = 0; i < text.n;) {
		nx_str line = line_at(text, i);
		if (is_fence(line))
			fenced = !fenced;
		nx_str h = fenced ? NX_STR_NULL : heading_of(line);
		if (h.n)
			return h;
		i += line.n + 1;
	}
	return NX_STR_NULL;
}

static nx_str cut_at_word(nx_str s, size_t max)
{
	if (s.n <= max)
		return s;
	nx_str head = nx_utf8_truncate(s, max);
	size_t i = head.n;
	while (i > max / 2 && head.p[i - 1] != ' ')
		i--;
	return i > max / 2 ? nx_str_trim(nx_str_n(head.p, i)) : head;
}

nx_str nx_document_title(nx_str given, nx_str text, bool markdown)
{
	nx_str t = nx_str_trim(given);
	if (t.n)
		return t;
	if (markdown)
		t = first_heading(text);
	for (size_t i = 0; t.n == 0 && i < text.n;) {
		nx_str line = line_at(text, i);
		t = nx_str_trim(line);
		i += line.n + 1;
	}
	return cut_at_word(t, TITLE_MAX);
}

static int push(struct chunks *c, nx_str text, size_t from, size_t to, nx_str heading, struct nx_error **err)
{
	nx_str s = nx_str_trim(nx_str_slice(text, from, to));
	if (s.n == 0)
		return 0;
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 8;
		struct nx_chunk_span *v = nx_arena_realloc(c->a, c->v, c->cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return nx_error_set(err, NX_ENOMEM, "no memory for %zu chunks", cap);
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n++] =
		(struct nx_chunk_span){.start = (uint32_t)(s.p - text.p), .length = (uint32_t)s.n, .heading = heading};
	return 0;
}

/* Where a piece of at most `max` bytes that begins at `from` ends: after a space when there is one in its second half. */
static size_t piece_end(nx_str text, size_t from, size_t end, size_t max)
{
	if (end - from <= max)
		return end;
	nx_str head = nx_utf8_truncate(nx_str_n(text.p + from, end - from), max);
	for (size_t i = head.n; i > head.n / 2; i--)
		if (head.p[i - 1] == ' ' || head.p[i - 1] == '\n')
			return from + i;
	return from + (head.n ? head.n : max);
}

/* One sentence that is too long for a chunk. */
static int push_pieces(struct chunks *c, nx_str text, size_t from, size_t end, nx_str heading, struct nx_error **err)
{
	while (from < end) {
		size_t to = piece_end(text, from, end, c->target);
		int r = push(c, text, from, to, heading, err);
		if (r < 0)
			return r;
		from = to;
	}
	return 0;
}

/* A remainder of this section that is short joins the chunk before it, when that is of the same section. */
static int push_rest(struct chunks *c, nx_str text, const struct section *s, size_t from, size_t first,
		     struct nx_error **err)
{
	nx_str rest = nx_str_trim(nx_str_slice(text, from, s->end));
	if (rest.n && rest.n < c->target / 4 && c->n > first) {
		struct nx_chunk_span *last = &c->v[c->n - 1];
		size_t length = (size_t)(rest.p + rest.n - text.p) - last->start;
		if (length <= c->target + c->target / 2) {
			last->length = (uint32_t)length;
			return 0;
		}
	}
	return push(c, text, from, s->end, s->heading, err);
}

static int cut_section(struct chunks *c, nx_str text, const struct section *s, struct nx_error **err)
{
	struct nx_span_bytes *v;
	size_t n, first = c->n;
	int r = nx_text_sentences(nx_str_slice(text, s->start, s->end), c->a, &v, &n, err);
	if (r < 0)
		return r;
	size_t from = s->start;
	for (size_t i = 0; i < n; i++) {
		size_t at = s->start + v[i].start, end = at + v[i].length;
		if (end - from <= c->target)
			continue;
		if (at > from && (r = push(c, text, from, at, s->heading, err)) < 0)
			return r;
		from = at;
		if (end - at > c->target + c->target / 2) {
			if ((r = push_pieces(c, text, at, end, s->heading, err)) < 0)
				return r;
			from = end;
		}
	}
	return push_rest(c, text, s, from, first, err);
}

/* The next section: up to the next heading that is at least a third of a target away. */
static struct section next_section(nx_str text, size_t from, bool markdown, size_t least)
{
	struct section s = {.start = from, .end = text.n};
	bool fenced = false;
	for (size_t i = from; markdown && i < text.n;) {
		nx_str line = line_at(text, i);
		if (is_fence(line))
			fenced = !fenced;
		nx_str h = fenced ? NX_STR_NULL : heading_of(line);
		if (h.n && i > from && i - from >= least) {
			s.end = i;
			break;
		}
		if (h.n && !s.heading.n)
			s.heading = h;
		i += line.n + 1;
	}
	return s;
}

int nx_chunk(nx_str text, bool markdown, nx_str title, size_t target, struct nx_arena *a, struct nx_chunk_span **ret,
	     size_t *ret_n, struct nx_error **err)
{
	struct chunks c = {.a = a, .target = target < 8 ? 8 : target};
	for (size_t i = 0; i < text.n;) {
		struct section s = next_section(text, i, markdown, c.target / 3);
		if (nx_str_eq(s.heading, title))
			s.heading = NX_STR_NULL;
		int r = cut_section(&c, text, &s, err);
		if (r < 0)
			return r;
		i = s.end;
	}
	*ret = c.v;
	*ret_n = c.n;
	return 0;
}
