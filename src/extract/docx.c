#include "base/macros.h"
#include "extract/builder_internal.h"
#include "extract/foreign_internal.h"

#include <libxml/xmlreader.h>

#define STYLES_MAX 4096

struct style {
	nx_str id;
	unsigned level; /* of a heading; 0: none */
	bool is_title;
};

struct reading {
	const struct nx_extract_limits *limits;
	struct nx_arena *arena;
	xmlTextReaderPtr xml;
	struct style *styles;
	size_t nstyles;
	struct nx_builder b;
	nx_str title;
	size_t paragraphs;
	unsigned row_depth;
	size_t cells;
	int fallback; /* depth of what only old programs show; -1: not inside */
};

/* ---- XML ---- */

static void be_silent(void *ctx, const char *fmt, ...)
{
}

static int open_xml(struct reading *r, nx_str xml, const char *what, struct nx_error **err)
{
	xmlSetGenericErrorFunc(NULL, be_silent);
	r->xml = xml.n <= INT32_MAX ? xmlReaderForMemory(xml.p, (int)xml.n, NULL, NULL,
							 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
				    : NULL;
	return r->xml ? 0 : nx_error_set(err, NX_ETYPE, "%s cannot be read", what);
}

static void close_xml(struct reading *r)
{
	if (r->xml)
		xmlFreeTextReader(nx_steal(r->xml));
}

/* 1: a node; 0: the end. */
static int read_node(struct reading *r, const char *what, struct nx_error **err)
{
	int n = xmlTextReaderRead(r->xml);
	if (n < 0)
		return nx_error_set(err, NX_ETYPE, "%s is not well-formed: line %d", what,
				    xmlTextReaderGetParserLineNumber(r->xml));
	if (n == 0)
		return 0;
	int type = xmlTextReaderNodeType(r->xml);
	if (type == XML_READER_TYPE_DOCUMENT_TYPE || type == XML_READER_TYPE_ENTITY_REFERENCE)
		return nx_error_set(err, NX_ETYPE, "%s declares a document type, which no Word document does", what);
	if (xmlTextReaderDepth(r->xml) > (int)r->limits->max_depth)
		return nx_error_set(err, NX_ELIMIT, "%s is nested deeper than %u (knowledge.max_nesting)", what,
				    r->limits->max_depth);
	return 1;
}

static bool is_named(struct reading *r, const char *name)
{
	const xmlChar *local = xmlTextReaderConstLocalName(r->xml);
	return local && strcmp((const char *)local, name) == 0;
}

/* The value of an attribute, whatever its prefix, in the arena; empty when it is not there. */
static nx_str attribute(struct reading *r, const char *name)
{
	nx_str s = NX_STR_NULL;
	for (int more = xmlTextReaderMoveToFirstAttribute(r->xml); more == 1;
	     more = xmlTextReaderMoveToNextAttribute(r->xml)) {
		if (!is_named(r, name))
			continue;
		s = nx_str_dup(r->arena, nx_str_z((const char *)xmlTextReaderConstValue(r->xml)));
		break;
	}
	(void)xmlTextReaderMoveToElement(r->xml);
	return s;
}

static unsigned level_of(nx_str number, unsigned plus)
{
	int64_t v;
	return nx_str_to_i64(number, &v) && v >= 0 && v + plus <= 9 ? (unsigned)v + plus : 0;
}

/* ---- styles: which are headings; their ids depend on the language of the program, their names do not ---- */

static void name_style(struct style *s, nx_str name)
{
	if (nx_str_ieq_ascii(name, NX_STR("title")))
		s->is_title = true;
	else if (name.n > 8 && nx_str_ieq_ascii(nx_str_slice(name, 0, 8), NX_STR("heading ")))
		s->level = level_of(nx_str_slice(name, 8, name.n), 0);
}

static int read_styles(struct reading *r, nx_str xml, struct nx_error **err)
{
	int more;
	if (!xml.n)
		return 0;
	r->styles = nx_arena_array(r->arena, struct style, STYLES_MAX);
	if (!r->styles)
		return nx_error_set(err, NX_ENOMEM, "no memory for its styles");
	int result = open_xml(r, xml, "its list of styles", err);
	if (result < 0)
		return result;
	while ((more = read_node(r, "its list of styles", err)) > 0) {
		if (xmlTextReaderNodeType(r->xml) != XML_READER_TYPE_ELEMENT)
			continue;
		struct style *s = r->nstyles ? &r->styles[r->nstyles - 1] : NULL;
		if (is_named(r, "style") && r->nstyles < STYLES_MAX)
			r->styles[r->nstyles++].id = attribute(r, "styleId");
		else if (s && is_named(r, "name"))
			name_style(s, attribute(r, "val"));
		else if (s && is_named(r, "outlineLvl"))
			s->level = level_of(attribute(r, "val"), 1);
	}
	close_xml(r);
	return more;
}

static const struct style *find_style(const struct reading *r, nx_str id)
{
	for (size_t i = 0; i < r->nstyles; i++)
		if (nx_str_eq(r->styles[i].id, id))
			return &r->styles[i];
	return NULL;
}

/* ---- the text ---- */

static void make_heading(struct reading *r, unsigned level)
{
	if (level == 0 || r->row_depth || !r->b.is_open)
		return;
	r->b.block.kind = NX_BLOCK_HEADING;
	r->b.block.level = (uint8_t)level;
}

static void use_style(struct reading *r, nx_str id)
{
	const struct style *s = find_style(r, id);
	if (s)
		make_heading(r, s->is_title ? 1 : s->level);
}

static void make_item(struct reading *r, nx_str depth)
{
	if (r->row_depth || !r->b.is_open || r->b.block.kind == NX_BLOCK_HEADING)
		return;
	r->b.block.kind = NX_BLOCK_ITEM;
	r->b.block.level = (uint8_t)(level_of(depth, 1));
}

static void begin_paragraph(struct reading *r)
{
	r->paragraphs++;
	if (r->row_depth)
		nx_builder_add(&r->b, NX_STR(" "));
	else
		nx_builder_open(&r->b, NX_BLOCK_PARAGRAPH, 0, r->paragraphs);
}

static void begin_element(struct reading *r)
{
	if (is_named(r, "p")) {
		begin_paragraph(r);
	} else if (is_named(r, "pStyle")) {
		use_style(r, attribute(r, "val"));
	} else if (is_named(r, "outlineLvl")) {
		make_heading(r, level_of(attribute(r, "val"), 1));
	} else if (is_named(r, "ilvl")) {
		make_item(r, attribute(r, "val"));
	} else if (is_named(r, "tr")) {
		if (r->row_depth++ == 0) {
			nx_builder_open(&r->b, NX_BLOCK_ROW, 0, r->paragraphs + 1);
			r->cells = 0;
		}
	} else if (is_named(r, "tc")) {
		if (r->row_depth && r->cells++)
			nx_builder_add(&r->b, NX_STR(" | "));
	} else if (is_named(r, "tab")) {
		nx_builder_add(&r->b, NX_STR(" "));
	} else if (is_named(r, "br") || is_named(r, "cr")) {
		nx_builder_line(&r->b);
	} else if (is_named(r, "Fallback")) {
		r->fallback = xmlTextReaderDepth(r->xml);
	}
}

static void end_element(struct reading *r)
{
	if (is_named(r, "p") && !r->row_depth)
		nx_builder_close(&r->b, r->paragraphs);
	else if (is_named(r, "tr") && r->row_depth && --r->row_depth == 0)
		nx_builder_close(&r->b, r->paragraphs);
}

/* Text lies in w:t alone: what was deleted, and the code of fields, has elements of other names. */
static void add_text(struct reading *r, bool in_text)
{
	if (in_text)
		nx_builder_add(&r->b, nx_str_z((const char *)xmlTextReaderConstValue(r->xml)));
}

static void take_node(struct reading *r, bool *in_text)
{
	int type = xmlTextReaderNodeType(r->xml), depth = xmlTextReaderDepth(r->xml);
	if (r->fallback >= 0) {
		if (type == XML_READER_TYPE_END_ELEMENT && depth == r->fallback)
			r->fallback = -1;
		return;
	}
	if (type == XML_READER_TYPE_ELEMENT) {
		bool is_empty = xmlTextReaderIsEmptyElement(r->xml) == 1;
		*in_text = is_named(r, "t") && !is_empty;
		begin_element(r);
		if (is_empty && r->fallback == depth)
			r->fallback = -1;
		else if (is_empty)
			end_element(r);
	} else if (type == XML_READER_TYPE_END_ELEMENT) {
		*in_text = false;
		end_element(r);
	} else if (type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA ||
		   type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE || type == XML_READER_TYPE_WHITESPACE) {
		add_text(r, *in_text);
	}
}

static int read_body(struct reading *r, nx_str xml, struct nx_error **err)
{
	bool in_text = false;
	int more;
	int result = open_xml(r, xml, "its text", err);
	if (result < 0)
		return result;
	while (!nx_builder_failed(&r->b) && (more = read_node(r, "its text", err)) != 0) {
		if (more < 0)
			return more;
		take_node(r, &in_text);
	}
	close_xml(r);
	return 0;
}

/* Dublin Core's title, of docProps/core.xml. */
static int read_title(struct reading *r, nx_str xml, struct nx_error **err)
{
	bool in_title = false;
	int more;
	if (!xml.n || open_xml(r, xml, "its properties", NULL) < 0)
		return 0;
	while ((more = read_node(r, "its properties", err)) > 0) {
		int type = xmlTextReaderNodeType(r->xml);
		if (type == XML_READER_TYPE_ELEMENT)
			in_title = is_named(r, "title");
		else if (type == XML_READER_TYPE_TEXT && in_title)
			r->title = nx_str_dup(r->arena, nx_str_z((const char *)xmlTextReaderConstValue(r->xml)));
	}
	close_xml(r);
	return more;
}

static int read_parts(struct reading *r, nx_str zip, struct nx_error **err)
{
	nx_str styles, body, properties;
	size_t expanded = 0;
	int result = nx_zip_member(zip, "word/document.xml", r->limits, &expanded, r->arena, &body, err);
	if (result == 0 && !body.p)
		result = nx_error_set(err, NX_ETYPE, "it is a zip archive, and not a Word document");
	if (result == 0)
		result = nx_zip_member(zip, "word/styles.xml", r->limits, &expanded, r->arena, &styles, err);
	if (result == 0)
		result = nx_zip_member(zip, "docProps/core.xml", r->limits, &expanded, r->arena, &properties, err);
	if (result == 0)
		result = read_styles(r, styles, err);
	if (result == 0)
		result = read_title(r, properties, err);
	return result == 0 ? read_body(r, body, err) : result;
}

int nx_docx_extract(nx_str zip, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		    struct nx_error **err)
{
	struct reading r = {.limits = l, .arena = a, .fallback = -1};
	nx_builder_init(&r.b, a, l);
	int result = read_parts(&r, zip, err);
	close_xml(&r);
	if (result == 0)
		result = nx_builder_finish(&r.b, r.title, NX_PLACE_PARAGRAPH, ret, err);
	nx_builder_done(&r.b);
	return result;
}
