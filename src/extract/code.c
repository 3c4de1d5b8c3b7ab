/* Where program text may be cut: before definitions, and where paragraphs of it begin. */
#include "base/macros.h"
#include "extract/extract.h"

struct line {
	nx_str text; /* without its indentation and line end */
	size_t start, end;
	size_t indent; /* columns; a tab goes to the next multiple of 8 */
};

struct outline {
	nx_str text, mime;
	const struct nx_extract_limits *limits;
	struct nx_arena *arena;
	struct nx_block *v;
	size_t n, cap;
};

static struct line read_line(nx_str text, size_t at)
{
	const char *nl = memchr(text.p + at, '\n', text.n - at);
	struct line l = {.start = at, .end = nl ? (size_t)(nl - text.p) : text.n};
	size_t i = at;
	for (; i < l.end && (text.p[i] == ' ' || text.p[i] == '\t'); i++)
		l.indent = text.p[i] == '\t' ? (l.indent / 8 + 1) * 8 : l.indent + 1;
	l.text = nx_str_trim(nx_str_slice(text, i, l.end));
	return l;
}

static bool starts_with_any(nx_str s, const char *const *words)
{
	for (; *words; words++)
		if (nx_str_starts(s, nx_str_z(*words)))
			return true;
	return false;
}

/* What ends or goes on with what came before. */
static bool goes_on(nx_str s)
{
	static const char *const words[] = {"}",     ")",     "]",  "{",    "else", "elif", "except", "finally",
					    "catch", "case ", "fi", "done", "esac", "end",  NULL};
	if (starts_with_any(s, words))
		return true;
	return s.n && s.p[s.n - 1] == ':' && !memchr(s.p, ' ', s.n) && !memchr(s.p, '(', s.n); /* a label of C */
}

static bool is_comment(nx_str s, nx_str mime)
{
	static const char *const hash[] = {"#", NULL}, *const dashes[] = {"--", "/*", "*", NULL},
				 *const slashes[] = {"//", "/*", "*", "@", "#[", NULL};
	if (nx_str_eqz(mime, "text/x-python") || nx_str_eqz(mime, "text/x-shellscript"))
		return starts_with_any(s, hash) || (s.n && s.p[0] == '@');
	return starts_with_any(s, nx_str_eqz(mime, "application/sql") ? dashes : slashes);
}

static int push(struct outline *o, size_t start, size_t end, unsigned level, size_t from, size_t to,
		struct nx_error **err)
{
	if (o->n == o->limits->max_blocks)
		return nx_error_set(err, NX_ELIMIT, "it has more than %zu parts (knowledge.max_blocks)",
				    o->limits->max_blocks);
	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 64;
		struct nx_block *v = nx_arena_realloc(o->arena, o->v, o->cap * sizeof(*v), cap * sizeof(*v));
		if (!v)
			return nx_error_set(err, NX_ENOMEM, "no memory for the parts of a program");
		o->v = v;
		o->cap = cap;
	}
	o->v[o->n++] = (struct nx_block){.start = (uint32_t)start,
					 .length = (uint32_t)(end - start),
					 .from = (uint32_t)from,
					 .to = (uint32_t)to,
					 .kind = NX_BLOCK_CODE,
					 .level = (uint8_t)level};
	return 0;
}

/* 1 at the margin, one more for each four columns, at most 6. */
static unsigned level_of(size_t indent)
{
	return (unsigned)nx_min(indent / 4 + (indent % 4 != 0), (size_t)5) + 1;
}

struct part { /* the one that is being read */
	size_t start, end, from, to;
	unsigned level;
	bool is_open, is_comment_only;
};

static bool begins_part(const struct outline *o, const struct part *p, const struct line *l, const struct line *before,
			bool after_blank)
{
	if (!p->is_open)
		return true;
	if (goes_on(l->text))
		return false;
	if (after_blank)
		return !p->is_comment_only || l->indent > before->indent;
	/* A definition right behind the one before: back at the margin. */
	return l->indent == 0 && !p->is_comment_only && (before->indent > 0 || nx_str_eqz(before->text, "}")) &&
	       !nx_str_starts(l->text, NX_STR("\"\"\"")) && o->text.n > 0;
}

static int close_part(struct outline *o, struct part *p, struct nx_error **err)
{
	if (!p->is_open)
		return 0;
	p->is_open = false;
	return push(o, p->start, p->end, p->level, p->from, p->to, err);
}

int nx_code_outline(nx_str text, nx_str mime, const struct nx_extract_limits *l, struct nx_arena *a,
		    struct nx_block **ret, size_t *ret_n, struct nx_error **err)
{
	struct outline o = {.text = text, .mime = mime, .limits = l, .arena = a};
	struct part p = {0};
	struct line before = {0};
	bool after_blank = false;
	size_t number = 0;
	int r = 0;
	for (size_t at = 0; at < text.n && r == 0;) {
		struct line line = read_line(text, at);
		at = line.end + 1;
		number++;
		if (line.text.n == 0) {
			after_blank = true;
			continue;
		}
		bool comment = is_comment(line.text, mime);
		if (begins_part(&o, &p, &line, &before, after_blank)) {
			r = close_part(&o, &p, err);
			p = (struct part){.start = line.start,
					  .from = number,
					  .level = level_of(line.indent),
					  .is_open = true,
					  .is_comment_only = true};
		}
		p.end = line.end;
		p.to = number;
		p.is_comment_only = p.is_comment_only && comment;
		before = line;
		after_blank = false;
	}
	if (r == 0)
		r = close_part(&o, &p, err);
	*ret = o.v;
	*ret_n = o.n;
	return r;
}
