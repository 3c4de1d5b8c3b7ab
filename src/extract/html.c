#include "base/macros.h"
#include "extract/builder_internal.h"
#include "extract/foreign_internal.h"

#include <gumbo.h>
#include <strings.h>

#define PRESCAN 1024 /* bytes in which browsers look for the encoding */

struct walk {
	struct nx_builder b;
	nx_str title;
	unsigned depth, list_depth, pre_depth, row_depth;
	size_t cells; /* of the row that is open */
};

/* ---- the encoding that the document names ---- */

static nx_str find_after(nx_str s, const char *word)
{
	nx_str w = nx_str_z(word);
	for (size_t i = 0; i + w.n <= s.n; i++)
		if (strncasecmp(s.p + i, w.p, w.n) == 0)
			return nx_str_slice(s, i + w.n, s.n);
	return NX_STR_NULL;
}

static nx_str label_at(nx_str s)
{
	size_t i = 0, n;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '=' || s.p[i] == '"' || s.p[i] == '\''))
		i++;
	for (n = i; n < s.n && !strchr("\"'>; /\t\r\n", s.p[n]); n++)
		continue;
	return nx_str_slice(s, i, n);
}

static nx_str named_encoding(nx_str html)
{
	nx_str rest = nx_str_slice(html, 0, PRESCAN);
	while ((rest = find_after(rest, "<meta")).p) {
		const char *end = memchr(rest.p, '>', rest.n);
		nx_str tag = nx_str_n(rest.p, end ? (size_t)(end - rest.p) : rest.n);
		nx_str at = find_after(tag, "charset");
		if (at.p && memchr(at.p, '=', at.n))
			return label_at(at);
	}
	return NX_STR_NULL;
}

/* ---- elements ---- */

static bool is_left_out(const GumboElement *e)
{
	switch (e->tag) {
	case GUMBO_TAG_SCRIPT:
	case GUMBO_TAG_STYLE:
	case GUMBO_TAG_NOSCRIPT:
	case GUMBO_TAG_TEMPLATE:
	case GUMBO_TAG_NAV:
	case GUMBO_TAG_SVG:
	case GUMBO_TAG_MATH:
	case GUMBO_TAG_IFRAME:
	case GUMBO_TAG_OBJECT:
	case GUMBO_TAG_CANVAS:
	case GUMBO_TAG_AUDIO:
	case GUMBO_TAG_VIDEO:
	case GUMBO_TAG_SELECT:
	case GUMBO_TAG_BUTTON:
	case GUMBO_TAG_TEXTAREA: return true;
	default: break;
	}
	const GumboAttribute *aria = gumbo_get_attribute(&e->attributes, "aria-hidden");
	return gumbo_get_attribute(&e->attributes, "hidden") || (aria && strcasecmp(aria->value, "true") == 0);
}

static unsigned heading_level(GumboTag tag)
{
	return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? (unsigned)(tag - GUMBO_TAG_H1) + 1 : 0;
}

static bool is_flowing(GumboTag tag)
{
	static const GumboTag tags[] = {
		GUMBO_TAG_A,    GUMBO_TAG_ABBR, GUMBO_TAG_ACRONYM, GUMBO_TAG_B,    GUMBO_TAG_BDI,    GUMBO_TAG_BDO,
		GUMBO_TAG_BIG,  GUMBO_TAG_CITE, GUMBO_TAG_CODE,    GUMBO_TAG_DATA, GUMBO_TAG_DEL,    GUMBO_TAG_DFN,
		GUMBO_TAG_EM,   GUMBO_TAG_FONT, GUMBO_TAG_I,       GUMBO_TAG_IMG,  GUMBO_TAG_INS,    GUMBO_TAG_KBD,
		GUMBO_TAG_MARK, GUMBO_TAG_Q,    GUMBO_TAG_RUBY,    GUMBO_TAG_S,    GUMBO_TAG_SAMP,   GUMBO_TAG_SMALL,
		GUMBO_TAG_SPAN, GUMBO_TAG_SUB,  GUMBO_TAG_SUP,     GUMBO_TAG_TIME, GUMBO_TAG_STRIKE, GUMBO_TAG_STRONG,
		GUMBO_TAG_TT,   GUMBO_TAG_U,    GUMBO_TAG_VAR,     GUMBO_TAG_WBR,  GUMBO_TAG_LABEL,  GUMBO_TAG_BR};
	for (size_t i = 0; i < nx_countof(tags); i++)
		if (tags[i] == tag)
			return true;
	return false;
}

static void add_cell(struct walk *w)
{
	if (w->cells++)
		nx_builder_add(&w->b, NX_STR(" | "));
}

static void add_alternative(struct walk *w, const GumboElement *e)
{
	const GumboAttribute *alt = gumbo_get_attribute(&e->attributes, "alt");
	if (!alt || !alt->value[0])
		return;
	nx_builder_add(&w->b, NX_STR(" "));
	nx_builder_add(&w->b, nx_str_z(alt->value));
	nx_builder_add(&w->b, NX_STR(" "));
}

/* Inside a row of a table everything flows. */
static void enter_block(struct walk *w, GumboTag tag)
{
	unsigned level = heading_level(tag);
	if (w->row_depth)
		nx_builder_add(&w->b, NX_STR(" "));
	else if (level)
		nx_builder_open(&w->b, NX_BLOCK_HEADING, level, 0);
	else if (tag == GUMBO_TAG_LI || tag == GUMBO_TAG_DT || tag == GUMBO_TAG_DD)
		nx_builder_open(&w->b, NX_BLOCK_ITEM, w->list_depth, 0);
	else if (w->pre_depth)
		nx_builder_open(&w->b, NX_BLOCK_CODE, 0, 0);
	else if (!(w->b.is_open && w->b.open.n == 0 && w->b.block.kind == NX_BLOCK_ITEM)) /* <li><p> is one item */
		nx_builder_open(&w->b, NX_BLOCK_PARAGRAPH, 0, 0);
}

static void enter(struct walk *w, const GumboElement *e)
{
	GumboTag tag = e->tag;
	w->list_depth += tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL || tag == GUMBO_TAG_DL;
	w->pre_depth += tag == GUMBO_TAG_PRE;
	if (tag == GUMBO_TAG_TR && w->row_depth++ == 0) {
		nx_builder_open(&w->b, NX_BLOCK_ROW, 0, 0);
		w->cells = 0;
	} else if ((tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) && w->row_depth) {
		add_cell(w);
	} else if (tag == GUMBO_TAG_BR) {
		nx_builder_line(&w->b);
	} else if (tag == GUMBO_TAG_IMG) {
		add_alternative(w, e);
	} else if (!is_flowing(tag)) {
		enter_block(w, tag);
	}
}

static void leave(struct walk *w, GumboTag tag)
{
	w->list_depth -= tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL || tag == GUMBO_TAG_DL;
	w->pre_depth -= tag == GUMBO_TAG_PRE;
	w->row_depth -= tag == GUMBO_TAG_TR && w->row_depth;
	if (!w->row_depth && !is_flowing(tag))
		nx_builder_close(&w->b, 0);
}

static void add_text(struct walk *w, const GumboNode *n)
{
	if (n->type == GUMBO_NODE_TEXT || n->type == GUMBO_NODE_CDATA || n->type == GUMBO_NODE_WHITESPACE)
		if (w->b.is_open || n->type != GUMBO_NODE_WHITESPACE)
			nx_builder_add(&w->b, nx_str_z(n->v.text.text));
}

static void take_title(struct walk *w, const GumboNode *n)
{
	const GumboVector *c = &n->v.element.children;
	if (w->title.n == 0 && c->length) {
		const GumboNode *text = c->data[0];
		if (text->type == GUMBO_NODE_TEXT)
			w->title = nx_str_trim(nx_str_z(text->v.text.text));
	}
}

/* Whether its children are looked at; then it has to be left again. */
static bool visit(struct walk *w, const GumboNode *n)
{
	if (n->type != GUMBO_NODE_ELEMENT) {
		add_text(w, n);
		return false;
	}
	if (n->v.element.tag == GUMBO_TAG_TITLE) {
		take_title(w, n);
		return false;
	}
	if (is_left_out(&n->v.element))
		return false;
	enter(w, &n->v.element);
	return n->v.element.children.length > 0;
}

static void leave_childless(struct walk *w, const GumboNode *n)
{
	if (n->type == GUMBO_NODE_ELEMENT && n->v.element.tag != GUMBO_TAG_TITLE && !is_left_out(&n->v.element))
		leave(w, n->v.element.tag);
}

/* The next node that was not seen yet, going up as far as needed; NULL at the end. */
static const GumboNode *next(struct walk *w, const GumboNode *n, const GumboNode *root)
{
	while (n != root) {
		const GumboNode *up = n->parent;
		if (n->index_within_parent + 1 < up->v.element.children.length)
			return up->v.element.children.data[n->index_within_parent + 1];
		leave(w, up->v.element.tag);
		w->depth--;
		n = up;
	}
	return NULL;
}

static int walk_tree(struct walk *w, const GumboNode *root, struct nx_error **err)
{
	for (const GumboNode *n = root; n && !nx_builder_failed(&w->b);) {
		if (!visit(w, n)) {
			leave_childless(w, n);
			n = next(w, n, root);
			continue;
		}
		if (++w->depth > w->b.limits->max_depth)
			return nx_error_set(err, NX_ELIMIT,
					    "its elements are nested deeper than %u (knowledge.max_nesting)",
					    w->b.limits->max_depth);
		n = n->v.element.children.data[0];
	}
	return 0;
}

/* Gumbo makes U+FFFD of them. */
static bool is_control(nx_str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i], next = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7f ||
	       (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

static nx_str without_controls(struct nx_arena *a, nx_str s)
{
	char *out = nx_arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; out && i < s.n; i++) {
		if (!is_control(s, i))
			out[n++] = s.p[i];
		else if ((unsigned char)s.p[i] == 0xc2)
			i++;
	}
	return nx_str_n(out, n);
}

static void *allocate(void *arena, size_t n)
{
	void *p = nx_arena_alloc(arena, n ? n : 1);
	if (!p)
		abort(); /* gumbo does not look; this is a process of its own */
	return p;
}

static void deallocate(void *arena, void *p)
{
}

int nx_html_extract(nx_str html, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		    struct nx_error **err)
{
	struct walk w = {0};
	GumboOptions options = kGumboDefaultOptions;
	const char *encoding;
	nx_str text;
	int r = nx_text_decode(NX_STR("it"), html, named_encoding(html), a, &text, &encoding, err);
	if (r < 0)
		return r;
	text = without_controls(a, text);
	if (!text.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	options.allocator = allocate;
	options.deallocator = deallocate;
	options.userdata = a;
	options.max_errors = 0;
	const GumboOutput *out = gumbo_parse_with_options(&options, text.p, text.n);
	nx_builder_init(&w.b, a, l);
	r = walk_tree(&w, out->root, err);
	if (r == 0)
		r = nx_builder_finish(&w.b, w.title, NX_PLACE_NONE, ret, err);
	nx_builder_done(&w.b);
	return r;
}
