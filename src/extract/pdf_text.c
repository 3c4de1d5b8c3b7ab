/* Pages of text as pdftotext writes them, as paragraphs. */
#include "base/macros.h"
#include "extract/builder_internal.h"
#include "extract/foreign_internal.h"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* A word that was cut at the end of a line is one again; lines flow. */
static void add_line(struct nx_builder *b, nx_str line, nx_str next)
{
	bool is_cut = line.n > 1 && line.p[line.n - 1] == '-' && is_lower(line.p[line.n - 2]) && next.n &&
		      is_lower(next.p[0]);
	nx_builder_add(b, is_cut ? nx_str_slice(line, 0, line.n - 1) : line);
	if (!is_cut)
		nx_builder_add(b, NX_STR(" "));
}

static void add_page(struct nx_builder *b, nx_str page, size_t number)
{
	bool is_open = false;
	while (page.n && !nx_builder_failed(b)) {
		nx_str line = nx_str_trim(nx_str_cut(&page, '\n'));
		if (line.n == 0) {
			nx_builder_close(b, number);
			is_open = false;
			continue;
		}
		if (!is_open)
			nx_builder_open(b, NX_BLOCK_PARAGRAPH, 0, number);
		is_open = true;
		nx_str rest = page;
		add_line(b, line, nx_str_trim(nx_str_cut(&rest, '\n')));
	}
	nx_builder_close(b, number);
}

int nx_pdf_text_extract(nx_str text, nx_str title, const struct nx_extract_limits *l, struct nx_arena *a,
			struct nx_extracted *ret, struct nx_error **err)
{
	nx_auto_builder struct nx_builder b;
	nx_auto_error struct nx_error *why = NULL;
	nx_builder_init(&b, a, l);
	for (size_t number = 1; text.n && !nx_builder_failed(&b); number++)
		add_page(&b, nx_str_cut(&text, '\f'), number);
	int r = nx_builder_finish(&b, title, NX_PLACE_PAGE, ret, &why);
	if (r != NX_ETYPE)
		return r < 0 ? nx_error_move(err, nx_steal(why)) : 0;
	nx_error_set(err, NX_ETYPE, "its pages hold no text: they may be pictures");
	return nx_error_hint(err, "make it searchable first: ocrmypdf in.pdf out.pdf");
}
