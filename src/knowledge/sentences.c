#include "knowledge/text.h"

#include <unictype.h>

/* Abbreviations, folded, after which a point ends nothing. Sorted. */
static const char *const abbreviations[] = {
	"al",   "approx", "apr", "aug",    "ca",  "capt", "cf",  "co",  "col", "corp", "dec", "dept", "dr",  "ed",
	"eds",  "eg",     "etc", "feb",    "fig", "gen",  "gov", "hon", "ie",  "inc",  "jan", "jr",   "jul", "jun",
	"lt",   "ltd",    "mar", "messrs", "mr",  "mrs",  "ms",  "mt",  "no",  "nov",  "oct", "op",   "pp",  "pres",
	"prof", "rep",    "rev", "sen",    "sep", "sept", "sgt", "sr",  "st",  "univ", "vol", "vs"};

static int compare(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

static bool is_letter(uint32_t cp)
{
	return cp < 0x80 ? (cp | 32) >= 'a' && (cp | 32) <= 'z'
			 : uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_L);
}

/* The word that ends at `end` is an abbreviation, or an initial ("J. R. Mora"). */
static bool is_abbreviation(nx_str t, size_t end)
{
	char z[8];
	size_t from = end, n = 0;
	while (from > 0 && end - from < sizeof(z) && (unsigned char)(t.p[from - 1] | 32) >= 'a' &&
	       (unsigned char)(t.p[from - 1] | 32) <= 'z')
		from--;
	if (end - from == 0 || end - from >= sizeof(z))
		return false;
	if (end - from == 1)
		return t.p[from] >= 'A' && t.p[from] <= 'Z';
	for (size_t i = from; i < end; i++)
		z[n++] = (char)(t.p[i] | 32);
	z[n] = '\0';
	return bsearch(z, abbreviations, nx_countof(abbreviations), sizeof(*abbreviations), compare) != NULL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_end_mark(uint32_t cp)
{
	return cp == '.' || cp == '!' || cp == '?' || cp == 0x61f || cp == 0x6d4 || cp == 0x3002 || cp == 0xff01 ||
	       cp == 0xff1f || cp == 0x2026;
}

/* Closing quotes and brackets belong to the sentence before them. */
static bool is_closing(uint32_t cp)
{
	return cp == '"' || cp == '\'' || cp == ')' || cp == ']' || cp == 0x201d || cp == 0x2019 || cp == 0xbb;
}

static size_t skip_closing(nx_str t, size_t i)
{
	while (i < t.n) {
		size_t next = i;
		uint32_t cp = nx_utf8_next(t, &next);
		if (!is_closing(cp) && !is_end_mark(cp))
			break;
		i = next;
	}
	return i;
}

/* Whether what follows white space at `i` may begin a sentence: anything but a lower-case letter. */
static bool may_begin(nx_str t, size_t i)
{
	while (i < t.n && is_space(t.p[i]))
		i++;
	if (i >= t.n)
		return true;
	uint32_t cp = nx_utf8_next(t, &i);
	return !(is_letter(cp) && (cp < 0x80 ? cp >= 'a' : uc_is_lower(cp)));
}

/* A line break ends a sentence before a blank line, a list item, a heading or a table row, and after a heading. */
static bool line_ends(nx_str t, size_t line, size_t nl)
{
	if (line < nl && t.p[line] == '#')
		return true;
	size_t i = nl + 1;
	while (i < t.n && (t.p[i] == ' ' || t.p[i] == '\t'))
		i++;
	if (i >= t.n || t.p[i] == '\n' || t.p[i] == '\r')
		return true;
	if (t.p[i] == '#' || t.p[i] == '|' || t.p[i] == '>')
		return true;
	if ((t.p[i] == '-' || t.p[i] == '*' || t.p[i] == '+') && i + 1 < t.n && t.p[i + 1] == ' ')
		return true;
	size_t digits = i;
	while (digits < t.n && t.p[digits] >= '0' && t.p[digits] <= '9')
		digits++;
	return digits > i && digits + 1 < t.n && (t.p[digits] == '.' || t.p[digits] == ')') && t.p[digits + 1] == ' ';
}

/* End of the sentence that begins at `from`. */
static size_t sentence_end(nx_str t, size_t from)
{
	size_t line = from;
	for (size_t i = from; i < t.n;) {
		size_t at = i;
		uint32_t cp = nx_utf8_next(t, &i);
		if (cp == '\n') {
			if (line_ends(t, line, at))
				return at;
			line = i;
		} else if (is_end_mark(cp)) {
			size_t end = skip_closing(t, i);
			bool closes = end >= t.n || is_space(t.p[end]) || cp >= 0x3000;
			if (closes && may_begin(t, end) && !(cp == '.' && is_abbreviation(t, at)))
				return end;
			i = end;
		}
	}
	return t.n;
}

static bool next_span(nx_str t, size_t *i, struct nx_span_bytes *ret)
{
	while (*i < t.n && is_space(t.p[*i]))
		(*i)++;
	if (*i >= t.n)
		return false;
	size_t from = *i;
	size_t end = sentence_end(t, from);
	*i = end > from ? end : from + 1;
	while (end > from && is_space(t.p[end - 1]))
		end--;
	*ret = (struct nx_span_bytes){.start = (uint32_t)from, .length = (uint32_t)(end - from)};
	return true;
}

int nx_text_sentences(nx_str text, struct nx_arena *a, struct nx_span_bytes **ret, size_t *ret_n, struct nx_error **err)
{
	struct nx_span_bytes s;
	size_t n = 0;
	for (size_t i = 0; next_span(text, &i, &s);)
		n++;
	struct nx_span_bytes *v = nx_arena_array(a, struct nx_span_bytes, n + 1);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu sentences", n);
	n = 0;
	for (size_t i = 0; next_span(text, &i, &s);)
		v[n++] = s;
	*ret = v;
	*ret_n = n;
	return 0;
}
