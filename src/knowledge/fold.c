/*
 * Folding. ASCII goes byte by byte and Arabic by table; everything else through libunistring's case folding with
 * compatibility decomposition (UAX 15 NFKD), after which combining marks of the Latin, Greek and Cyrillic scripts go.
 * Arabic presentation forms (what PDF files hold) come out of NFKD as plain letters and take the table then.
 */
#include "knowledge/text.h"

#include <unicase.h>
#include <uninorm.h>

#define DROP UINT32_MAX

/* A lam-alef or a word-sized ligature decomposes to at most 18 letters (UAX 15). */
#define DECOMPOSED_MAX (18 * 4 * NX_WORD_MAX)

static uint32_t fold_arabic(uint32_t cp)
{
	switch (cp) {
	case 0x622:
	case 0x623:
	case 0x625:
	case 0x671:
	case 0x672:
	case 0x673: /* آ أ إ ٱ */ return 0x627;
	case 0x6cc:
	case 0x6cd:
	case 0x6d0: /* Persian and Urdu ی */ return 0x64a;
	case 0x6a9:
	case 0x6aa: /* ک */ return 0x643;
	case 0x6be:
	case 0x6c1:
	case 0x6d5: return 0x647;
	case 0x6c0:
	case 0x6c2:
	case 0x6c3: return 0x629;
	case 0x640: /* tatweel */ return DROP;
	default: break;
	}
	if ((cp >= 0x660 && cp <= 0x669) || (cp >= 0x6f0 && cp <= 0x6f9))
		return '0' + (cp & 15);
	if ((cp >= 0x610 && cp <= 0x61a) || (cp >= 0x64b && cp <= 0x65f) || cp == 0x670 || (cp >= 0x6d6 && cp <= 0x6ed))
		return DROP;
	return cp == 0x61c || cp == 0x66c ? DROP : cp == 0x66b ? '.' : cp;
}

/* Letters that Unicode does not decompose but writers do. */
static const char *spelled_out(uint32_t cp)
{
	switch (cp) {
	case 0xe6: return "ae";
	case 0xf0:
	case 0x111: return "d";
	case 0xf8: return "o";
	case 0xfe: return "th";
	case 0x127: return "h";
	case 0x131: return "i";
	case 0x142: return "l";
	case 0x153: return "oe";
	default: return NULL;
	}
}

struct out {
	char *p;
	size_t n;
	bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
	if (o->full || o->n + n > NX_WORD_MAX) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void put_cp(struct out *o, uint32_t cp)
{
	char b[4];
	if (cp != DROP)
		put(o, b, nx_utf8_encode(cp, b));
}

static bool is_dropped(uint32_t cp)
{
	return cp == '\'' || cp == ',' || cp == 0xad || cp == 0x2019 || (cp >= 0x300 && cp <= 0x36f) ||
	       (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x2069) ||
	       cp == 0xfeff;
}

static void put_folded(struct out *o, uint32_t cp)
{
	const char *z = spelled_out(cp);
	if (is_dropped(cp))
		return;
	if (z)
		put(o, z, strlen(z));
	else
		put_cp(o, cp >= 0x600 && cp <= 0x6ff ? fold_arabic(cp) : cp);
}

/* ASCII and plain Arabic; false at the first code point that needs more. */
static bool fold_fast(nx_str w, struct out *o)
{
	for (size_t i = 0; i < w.n;) {
		uint32_t cp = nx_utf8_next(w, &i);
		if (cp >= 'A' && cp <= 'Z')
			cp |= 32;
		bool plain = cp < 0x80 ||
			     (cp >= 0x600 && cp <= 0x6ff && cp != 0x675 && cp != 0x676 && cp != 0x677 && cp != 0x678) ||
			     is_dropped(cp);
		if (!plain)
			return false;
		put_folded(o, cp);
	}
	return true;
}

static void fold_slow(nx_str w, struct out *o)
{
	uint8_t buf[DECOMPOSED_MAX];
	size_t n = sizeof(buf);
	nx_str head = nx_utf8_truncate(w, (size_t)2 * NX_WORD_MAX);
	uint8_t *r = u8_casefold((const uint8_t *)head.p, head.n, NULL, UNINORM_NFKD, buf, &n);
	if (!r)
		return;
	nx_str s = {(const char *)r, n};
	for (size_t i = 0; i < s.n && !o->full;)
		put_folded(o, nx_utf8_next(s, &i));
	if (r != buf)
		free(r);
}

/* "Marta's", "Marta’s" → "Marta". */
static nx_str without_possessive(nx_str w)
{
	if (w.n > 2 && (w.p[w.n - 1] | 32) == 's') {
		if (w.p[w.n - 2] == '\'')
			return nx_str_n(w.p, w.n - 2);
		if (w.n > 4 && memcmp(w.p + w.n - 4, "\xe2\x80\x99", 3) == 0)
			return nx_str_n(w.p, w.n - 4);
	}
	return w;
}

size_t nx_word_fold(nx_str word, char ret[NX_WORD_MAX])
{
	struct out o = {.p = ret};
	word = without_possessive(word);
	if (!fold_fast(word, &o)) {
		o = (struct out){.p = ret};
		fold_slow(word, &o);
	}
	return o.n;
}

size_t nx_arabic_normalise(nx_str surface, char ret[NX_WORD_MAX])
{
	struct out o = {.p = ret};
	for (size_t i = 0; i < surface.n;) {
		uint32_t cp = nx_utf8_next(surface, &i);
		switch (cp) {
		case 0x649:
		case 0x626: cp = 0x64a; break; /* ى ئ */
		case 0x629: cp = 0x647; break; /* ة */
		case 0x624: cp = 0x648; break; /* ؤ */
		default: break;
		}
		put_cp(&o, cp);
	}
	return o.n;
}
