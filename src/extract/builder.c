#include "extract/builder_internal.h"

#include "base/macros.h"

#define TITLE_MAX 500

void nx_builder_init(struct nx_builder *b, struct nx_arena *a, const struct nx_extract_limits *l)
{
	*b = (struct nx_builder){.arena = a, .limits = l};
}

void nx_builder_done(struct nx_builder *b)
{
	nx_buf_done(&b->text);
	nx_buf_done(&b->open);
}

static void fail(struct nx_builder *b, enum nx_builder_failure f)
{
	if (b->failure == NX_BUILT)
		b->failure = f;
}

void nx_builder_open(struct nx_builder *b, enum nx_block_kind kind, unsigned level, size_t place)
{
	nx_builder_close(b, place);
	b->block = (struct nx_block){
		.from = (uint32_t)nx_min(place, (size_t)UINT32_MAX), .kind = (uint8_t)kind, .level = (uint8_t)level};
	b->is_open = true;
	b->has_space = false;
}

static bool is_white(uint32_t cp)
{
	return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0xa0 || cp == 0x85 || (cp >= 0x2000 && cp <= 0x200a) ||
	       cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb);
}

static void add_flowing(struct nx_builder *b, uint32_t cp, const char *p, size_t n)
{
	if (is_white(cp)) {
		b->has_space = b->open.n > 0 && b->open.p[b->open.n - 1] != '\n';
		return;
	}
	if (is_control(cp))
		return;
	if (b->has_space)
		nx_buf_addc(&b->open, ' ');
	b->has_space = false;
	nx_buf_add(&b->open, p, n);
}

static void add_as_it_is(struct nx_builder *b, uint32_t cp, const char *p, size_t n)
{
	if (!is_control(cp) || cp == '\n' || cp == '\t')
		nx_buf_add(&b->open, p, n);
}

/* `s` may be anything: what is not UTF-8 is replaced. */
void nx_builder_add(struct nx_builder *b, nx_str s)
{
	if (nx_builder_failed(b) || s.n == 0)
		return;
	if (!b->is_open)
		nx_builder_open(b, NX_BLOCK_PARAGRAPH, 0, 0);
	if (b->text.n + b->open.n + s.n > b->limits->max_text) {
		fail(b, NX_BUILT_TOO_LONG);
		return;
	}
	if (!nx_utf8_valid(s))
		s = nx_utf8_repair(b->arena, s);
	if (!s.p) {
		fail(b, NX_BUILT_NO_MEMORY);
		return;
	}
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		uint32_t cp = nx_utf8_next(s, &i);
		if (b->block.kind == NX_BLOCK_CODE)
			add_as_it_is(b, cp, s.p + from, i - from);
		else
			add_flowing(b, cp, s.p + from, i - from);
	}
	if (nx_buf_failed(&b->open))
		fail(b, NX_BUILT_NO_MEMORY);
}

void nx_builder_line(struct nx_builder *b)
{
	b->has_space = false;
	if (b->is_open && b->open.n)
		nx_buf_addc(&b->open, '\n');
}

static bool push(struct nx_builder *b, nx_str text, uint32_t start)
{
	if (b->n == b->limits->max_blocks) {
		fail(b, NX_BUILT_TOO_MANY);
		return false;
	}
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 64;
		struct nx_block *v = nx_arena_realloc(b->arena, b->blocks, b->cap * sizeof(*v), cap * sizeof(*v));
		if (!v) {
			fail(b, NX_BUILT_NO_MEMORY);
			return false;
		}
		b->blocks = v;
		b->cap = cap;
	}
	b->block.start = start;
	b->block.length = (uint32_t)text.n;
	b->blocks[b->n++] = b->block;
	return true;
}

static const char *gap(const struct nx_builder *b)
{
	const struct nx_block *last = &b->blocks[b->n - 1];
	bool is_list = (b->block.kind == NX_BLOCK_ITEM || b->block.kind == NX_BLOCK_ROW) && last->kind == b->block.kind;
	return is_list ? "\n" : "\n\n";
}

static nx_str trimmed(const struct nx_builder *b)
{
	nx_str s = nx_buf_str(&b->open);
	if (b->block.kind != NX_BLOCK_CODE)
		return nx_str_trim(s);
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	while (s.n && s.p[0] == '\n')
		s = nx_str_slice(s, 1, s.n);
	return s;
}

void nx_builder_close(struct nx_builder *b, size_t place)
{
	nx_str s = trimmed(b), normal;
	bool was_open = b->is_open;
	b->is_open = false;
	if (!was_open || s.n == 0 || nx_builder_failed(b)) {
		nx_buf_clear(&b->open);
		return;
	}
	uint32_t to = (uint32_t)nx_min(place, (size_t)UINT32_MAX);
	b->block.to = b->block.from ? nx_max(to, b->block.from) : 0;
	if (nx_utf8_nfc(b->arena, s, &normal, NULL) < 0) {
		fail(b, NX_BUILT_NO_MEMORY);
	} else if (b->text.n + normal.n + 2 > b->limits->max_text) {
		fail(b, NX_BUILT_TOO_LONG);
	} else {
		if (b->n)
			nx_buf_addz(&b->text, gap(b));
		size_t start = b->text.n;
		nx_buf_adds(&b->text, normal);
		if (nx_buf_failed(&b->text))
			fail(b, NX_BUILT_NO_MEMORY);
		else
			(void)push(b, normal, (uint32_t)start);
	}
	nx_buf_clear(&b->open);
}

int nx_builder_finish(struct nx_builder *b, nx_str title, enum nx_place_unit unit, struct nx_extracted *ret,
		      struct nx_error **err)
{
	nx_builder_close(b, b->block.from);
	switch (b->failure) {
	case NX_BUILT_TOO_LONG:
		return nx_error_set(err, NX_ETOOBIG, "its text is longer than %zu bytes (knowledge.max_document_bytes)",
				    b->limits->max_text);
	case NX_BUILT_TOO_MANY:
		return nx_error_set(err, NX_ELIMIT, "it has more than %zu parts (knowledge.max_blocks)",
				    b->limits->max_blocks);
	case NX_BUILT_NO_MEMORY: return nx_error_set(err, NX_ENOMEM, "no memory for its text");
	case NX_BUILT: break;
	}
	if (b->n == 0)
		return nx_error_set(err, NX_ETYPE, "it holds no text");
	nx_str text = nx_str_dup(b->arena, nx_buf_str(&b->text));
	nx_str name = nx_str_dup(b->arena, nx_utf8_truncate(nx_str_trim(title), TITLE_MAX));
	if (!text.p || !name.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for its text");
	*ret = (struct nx_extracted){.title = name, .text = text, .blocks = b->blocks, .nblocks = b->n, .unit = unit};
	return 0;
}
