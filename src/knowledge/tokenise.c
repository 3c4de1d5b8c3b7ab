#include "knowledge/text.h"

#include <unictype.h>

enum { CP_OTHER, CP_WORD, CP_DIGIT, CP_MARK, CP_IDEOGRAPH, CP_IGNORED };

static bool is_arabic(uint32_t cp)
{
	return (cp >= 0x600 && cp <= 0x6ff) || (cp >= 0x750 && cp <= 0x77f) || (cp >= 0x8a0 && cp <= 0x8ff) ||
	       (cp >= 0xfb50 && cp <= 0xfdff) || (cp >= 0xfe70 && cp <= 0xfefe);
}

static bool is_ideograph(uint32_t cp)
{
	return (cp >= 0x3040 && cp <= 0x30ff) || (cp >= 0x3400 && cp <= 0x4dbf) || (cp >= 0x4e00 && cp <= 0x9fff) ||
	       (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x20000 && cp <= 0x3ffff);
}

/* Zero-width joiners, bidirectional controls, soft hyphen: never a border between words, never part of a form. */
static bool is_ignored(uint32_t cp)
{
	return cp == 0xad || cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x202a && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x2069) || cp == 0xfeff;
}

static bool is_ascii_letter(unsigned char c)
{
	return (unsigned char)((c | 32) - 'a') < 26;
}

static int classify(uint32_t cp)
{
	if (cp < 0x80) {
		if ((cp | 32) >= 'a' && (cp | 32) <= 'z')
			return CP_WORD;
		return cp >= '0' && cp <= '9' ? CP_DIGIT : CP_OTHER;
	}
	if (is_ignored(cp))
		return CP_IGNORED;
	if (is_ideograph(cp))
		return CP_IDEOGRAPH;
	if (uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_L))
		return CP_WORD;
	if (uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_M))
		return CP_MARK;
	return uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_N) ? CP_DIGIT : CP_OTHER;
}

void nx_words_init(struct nx_words *w, nx_str text)
{
	*w = (struct nx_words){.text = text, .fresh = true};
}

/* True when the sign at `at` joins two letters or two digits of one word. */
static bool is_joiner(nx_str t, size_t at, uint32_t cp, int before)
{
	if (at >= t.n)
		return false;
	size_t next = at;
	int after = classify(nx_utf8_next(t, &next));
	if (cp == '\'' || cp == 0x2019)
		return before == CP_WORD && after == CP_WORD;
	return (cp == '.' || cp == ',' || cp == 0x66b || cp == 0x66c) && before == CP_DIGIT && after == CP_DIGIT;
}

static bool ends_sentence(uint32_t cp)
{
	return cp == '.' || cp == '!' || cp == '?' || cp == '\n' || cp == 0x61f || cp == 0x6d4 || cp == 0x3002;
}

/* Moves to the first byte of the next word; its class, or CP_OTHER at the end. */
static int skip_to_word(struct nx_words *w)
{
	while (w->at < w->text.n) {
		size_t i = w->at;
		uint32_t cp = nx_utf8_next(w->text, &i);
		int class = classify(cp);
		if (class == CP_WORD || class == CP_DIGIT || class == CP_IDEOGRAPH)
			return class;
		if (ends_sentence(cp))
			w->fresh = true;
		w->at = i;
	}
	return CP_OTHER;
}

struct letters {
	size_t letters, lower;
};

static void count_letter(struct letters *l, uint32_t cp, int class)
{
	if (class != CP_WORD)
		return;
	l->letters++;
	if (cp < 0x80 ? cp >= 'a' : !uc_is_upper(cp))
		l->lower++;
}

static uint32_t first_flags(uint32_t cp, int class)
{
	if (class == CP_DIGIT)
		return NX_W_DIGIT;
	if (is_arabic(cp))
		return NX_W_ARABIC;
	return (cp < 0x80 ? cp < 'a' : uc_is_upper(cp)) ? NX_W_CAPITAL : 0;
}

bool nx_words_next(struct nx_words *w, struct nx_word *ret)
{
	int class = skip_to_word(w);
	if (class == CP_OTHER)
		return false;

	size_t start = w->at;
	size_t i = start;
	uint32_t cp = nx_utf8_next(w->text, &i);
	uint32_t flags = first_flags(cp, class);
	struct letters l = {0};
	count_letter(&l, cp, class);
	size_t end = i;
	int before = class;
	while (class != CP_IDEOGRAPH && i < w->text.n) {
		if (is_ascii_letter((unsigned char)w->text.p[i])) { /* the most of most texts */
			l.letters++;
			l.lower += (w->text.p[i] & 32) != 0;
			before = CP_WORD;
			end = ++i;
			continue;
		}
		cp = nx_utf8_next(w->text, &i);
		int c = classify(cp);
		if (c == CP_WORD || c == CP_DIGIT) {
			count_letter(&l, cp, c);
			before = c;
			end = i;
		} else if (c == CP_MARK) {
			end = i;
		} else if (c != CP_IGNORED && !is_joiner(w->text, i, cp, before)) {
			break;
		}
	}
	w->at = end;
	if (w->fresh)
		flags |= NX_W_FIRST;
	if (l.letters >= 2 && l.lower == 0 && !(flags & NX_W_ARABIC))
		flags |= NX_W_UPPER;
	w->fresh = false;
	*ret = (struct nx_word){.start = (uint32_t)start, .length = (uint32_t)(end - start), .flags = flags};
	return true;
}
