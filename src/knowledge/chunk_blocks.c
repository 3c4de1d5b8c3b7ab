/* Chunks of a document whose outline is known: of whole blocks where they fit. */
#include "knowledge/chunker.h"

#include "base/macros.h"
#include "knowledge/text.h"

#define HEADING_MAX 120

struct packer {
	nx_str text, title;
	const struct nx_block *blocks;
	size_t nblocks, target;
	struct nx_arena *a;
	struct nx_chunk_span *v;
	size_t n, cap;
	size_t first, end;     /* blocks of the chunk that is being filled: from first up to end */
	nx_str heading, began; /* the section that is read; the one that the chunk began in */
	size_t section;        /* of the chunks, the first of this section */
};

static nx_str text_of(const struct packer *p, const struct nx_block *b)
{
	return nx_str_n(p->text.p + b->start, b->length);
}

static nx_str first_line(nx_str s)
{
	nx_str line = nx_str_trim(nx_str_cut(&s, '\n'));
	return nx_utf8_truncate(line, HEADING_MAX);
}

static bool is_comment_line(nx_str s)
{
	static const char *const marks[] = {"//", "/*", "*", "#", "--", "@", "\"\"\""};
	for (size_t i = 0; i < nx_countof(marks); i++)
		if (nx_str_starts(s, nx_str_z(marks[i])))
			return true;
	return s.n == 0;
}

/* The line that says what is defined: the first that is no comment. */
static nx_str definition_of(nx_str code)
{
	nx_str rest = code;
	while (rest.n) {
		nx_str line = nx_str_trim(nx_str_cut(&rest, '\n'));
		if (is_comment_line(line))
			continue;
		while (line.n && (line.p[line.n - 1] == '{' || line.p[line.n - 1] == ':' || line.p[line.n - 1] == ' '))
			line.n--;
		return nx_utf8_truncate(line, HEADING_MAX);
	}
	return first_line(code);
}

static bool begins_section(const struct nx_block *b)
{
	return b->kind == NX_BLOCK_HEADING || (b->kind == NX_BLOCK_CODE && b->level == 1);
}

static nx_str heading_of(const struct packer *p, const struct nx_block *b)
{
	nx_str h = b->kind == NX_BLOCK_CODE ? definition_of(text_of(p, b)) : first_line(text_of(p, b));
	return nx_str_eq(h, p->title) ? NX_STR_NULL : h;
}

static int push(struct packer *p, size_t start, size_t end, const struct nx_block *from, const struct nx_block *to,
		struct nx_error **err)
{
	nx_str s = nx_str_trim(nx_str_slice(p->text, start, end));
	if (s.n == 0)
		return 0;
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 8;
		struct nx_chunk_span *v = nx_arena_realloc(p->a, p->v, p->cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return nx_error_set(err, NX_ENOMEM, "no memory for %zu chunks", cap);
		p->v = v;
		p->cap = cap;
	}
	p->v[p->n++] = (struct nx_chunk_span){.start = (uint32_t)(s.p - p->text.p),
					      .length = (uint32_t)s.n,
					      .heading = p->began,
					      .from = from->from,
					      .to = to->to};
	return 0;
}

/* What is short joins the chunk before it, when that is of the same section. */
static bool join_last(struct packer *p, size_t start, size_t end, const struct nx_block *to)
{
	if (p->n <= p->section || end - start >= p->target / 4)
		return false;
	struct nx_chunk_span *last = &p->v[p->n - 1];
	if (end - last->start > p->target + p->target / 2)
		return false;
	last->length = (uint32_t)(end - last->start);
	last->to = to->to;
	return true;
}

static int flush(struct packer *p, struct nx_error **err)
{
	if (p->first == p->end)
		return 0;
	const struct nx_block *from = &p->blocks[p->first], *to = &p->blocks[p->end - 1];
	size_t end = to->start + to->length;
	p->first = p->end;
	return join_last(p, from->start, end, to) ? 0 : push(p, from->start, end, from, to, err);
}

static size_t filled(const struct packer *p)
{
	if (p->first == p->end)
		return 0;
	const struct nx_block *last = &p->blocks[p->end - 1];
	return last->start + last->length - p->blocks[p->first].start;
}

/* A block that is too long by itself is cut as text is, and in code at line ends. */
static int cut_block(struct packer *p, const struct nx_block *b, struct nx_error **err)
{
	struct nx_chunk_span *v;
	size_t n;
	int r = nx_chunk(text_of(p, b), false, NX_STR_NULL, p->target, p->a, &v, &n, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = push(p, b->start + v[i].start, b->start + v[i].start + v[i].length, b, b, err);
	return r;
}

static int take(struct packer *p, size_t i, struct nx_error **err)
{
	const struct nx_block *b = &p->blocks[i];
	int r = 0;
	if (begins_section(b)) {
		if (filled(p) >= p->target / 3) {
			r = flush(p, err);
			p->section = p->n;
		}
		p->heading = heading_of(p, b);
	}
	bool too_long = b->length > p->target + p->target / 2;
	if (r == 0 && p->first < p->end && (too_long || b->start + b->length - p->blocks[p->first].start > p->target))
		r = flush(p, err);
	if (r < 0)
		return r;
	if (p->first == p->end) {
		p->first = p->end = i;
		p->began = p->heading;
	} else if (!p->began.n) {
		p->began = p->heading;
	}
	if (!too_long) {
		p->end = i + 1;
		return 0;
	}
	p->first = p->end = i + 1;
	return cut_block(p, b, err);
}

int nx_chunk_blocks(nx_str text, const struct nx_block *blocks, size_t nblocks, nx_str title, size_t target,
		    struct nx_arena *a, struct nx_chunk_span **ret, size_t *ret_n, struct nx_error **err)
{
	struct packer p = {.text = text,
			   .title = title,
			   .blocks = blocks,
			   .nblocks = nblocks,
			   .target = nx_max(target, (size_t)8),
			   .a = a};
	int r = 0;
	for (size_t i = 0; i < nblocks && r == 0; i++)
		r = take(&p, i, err);
	if (r == 0)
		r = flush(&p, err);
	*ret = p.v;
	*ret_n = p.n;
	return r;
}
