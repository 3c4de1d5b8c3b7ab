/* Any UTF-8 text has words inside it, in order, with folded forms and stems that are UTF-8 within their bounds. */
#include "base/assert.h"
#include "knowledge/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(nx_str text, const struct nx_term *t, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		nx_assert(t[i].start >= at && t[i].length > 0);
		at = (size_t)t[i].start + t[i].length;
		nx_assert(at <= text.n);
		nx_assert(t[i].surface.n > 0 && t[i].surface.n <= NX_WORD_MAX && nx_utf8_valid(t[i].surface));
		nx_assert(t[i].stem.n <= NX_WORD_MAX && nx_utf8_valid(t[i].stem));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	struct nx_term *t;
	struct nx_name *names;
	struct nx_span_bytes *spans;
	size_t n, nnames, nspans;
	if (!a || !s)
		return 0;
	nx_str text = nx_utf8_repair(a, nx_str_n((const char *)data, size));
	if (!text.p || nx_text_analyse(s, text, a, &t, &n, NULL) < 0)
		return 0;
	check(text, t, n);
	if (nx_names_find(text, t, n, a, &names, &nnames, NULL) == 0)
		for (size_t i = 0; i < nnames; i++)
			nx_assert(names[i].folded.n > 0 && names[i].surface.n > 0);
	if (nx_text_sentences(text, a, &spans, &nspans, NULL) == 0)
		for (size_t i = 0; i < nspans; i++)
			nx_assert((size_t)spans[i].start + spans[i].length <= text.n && spans[i].length > 0);
	(void)nx_text_language(text);
	return 0;
}
