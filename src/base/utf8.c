#include "base/str.h"

#include "base/assert.h"

#include <uninorm.h>

#define REPLACEMENT "\xEF\xBF\xBD"

static bool is_tail(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

/*
 * Length of the well-formed sequence at p (at least 1 byte there), or 0. *ret_part is then the length of its maximal
 * subpart (Unicode 15, section 3.9, table 3-7): what a decoder replaces by one U+FFFD.
 */
static size_t sequence_length(const unsigned char *p, size_t n, size_t *ret_part)
{
	unsigned char c = p[0], low = 0x80, high = 0xBF;
	size_t want;
	*ret_part = 1;
	if (c < 0x80)
		return 1;
	if (c < 0xC2 || c > 0xF4)
		return 0;
	if (c < 0xE0) {
		want = 2;
	} else if (c < 0xF0) {
		want = 3;
		low = c == 0xE0 ? 0xA0 : 0x80;  /* overlong */
		high = c == 0xED ? 0x9F : 0xBF; /* surrogates */
	} else {
		want = 4;
		low = c == 0xF0 ? 0x90 : 0x80;
		high = c == 0xF4 ? 0x8F : 0xBF; /* above U+10FFFF */
	}
	if (n < 2 || p[1] < low || p[1] > high)
		return 0;
	for (*ret_part = 2; *ret_part < want; (*ret_part)++) {
		if (*ret_part >= n || !is_tail(p[*ret_part]))
			return 0;
	}
	return want;
}

/* Bytes from `i` on that are ASCII, eight at a time. */
static size_t skip_ascii(const unsigned char *p, size_t i, size_t n)
{
	uint64_t word;
	while (n - i >= sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if ((word & UINT64_C(0x8080808080808080)) != 0)
			break;
		i += sizeof(word);
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

ptrdiff_t nx_utf8_invalid_at(nx_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t part, i = 0;
	if (s.n == 0)
		return -1;
	while ((i = skip_ascii(p, i, s.n)) < s.n) {
		size_t len = sequence_length(p + i, s.n - i, &part);
		if (len == 0)
			return (ptrdiff_t)i;
		i += len;
	}
	return -1;
}

bool nx_utf8_valid(nx_str s)
{
	return nx_utf8_invalid_at(s) < 0;
}

uint32_t nx_utf8_next(nx_str s, size_t *i)
{
	const unsigned char *p = (const unsigned char *)s.p + *i;
	nx_debug_assert(*i < s.n);
	if (p[0] < 0x80) {
		*i += 1;
		return p[0];
	}
	if (p[0] < 0xE0) {
		*i += 2;
		return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
	}
	if (p[0] < 0xF0) {
		*i += 3;
		return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
	}
	*i += 4;
	return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

size_t nx_utf8_encode(uint32_t cp, char ret[4])
{
	unsigned char *p = (unsigned char *)ret;
	nx_assert(cp <= 0x10FFFF && (cp < 0xD800 || cp > 0xDFFF));
	if (cp < 0x80) {
		p[0] = (unsigned char)cp;
		return 1;
	}
	if (cp < 0x800) {
		p[0] = (unsigned char)(0xC0 | cp >> 6);
		p[1] = (unsigned char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		p[0] = (unsigned char)(0xE0 | cp >> 12);
		p[1] = (unsigned char)(0x80 | (cp >> 6 & 0x3F));
		p[2] = (unsigned char)(0x80 | (cp & 0x3F));
		return 3;
	}
	p[0] = (unsigned char)(0xF0 | cp >> 18);
	p[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3F));
	p[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3F));
	p[3] = (unsigned char)(0x80 | (cp & 0x3F));
	return 4;
}

size_t nx_utf8_length(nx_str s)
{
	size_t length = 0;
	for (size_t i = 0; i < s.n; i++)
		length += !is_tail((unsigned char)s.p[i]);
	return length;
}

nx_str nx_utf8_truncate(nx_str s, size_t max_bytes)
{
	if (s.n <= max_bytes)
		return s;
	size_t n = max_bytes;
	while (n > 0 && is_tail((unsigned char)s.p[n]))
		n--;
	return nx_str_n(s.p, n);
}

nx_str nx_utf8_repair(struct nx_arena *a, nx_str s)
{
	size_t size, n = 0, i = 0;
	/* The worst case is a three-byte replacement for every byte. */
	if (nx_mul_overflows(s.n, (size_t)3, &size) || nx_add_overflows(size, (size_t)1, &size))
		return NX_STR_NULL;
	if (nx_utf8_valid(s))
		return nx_str_dup(a, s);
	char *p = nx_arena_alloc(a, size);
	if (p == NULL)
		return NX_STR_NULL;
	while (i < s.n) {
		size_t part, len = sequence_length((const unsigned char *)s.p + i, s.n - i, &part);
		if (len > 0)
			memcpy(p + n, s.p + i, len);
		else
			memcpy(p + n, REPLACEMENT, 3);
		n += len > 0 ? len : 3;
		i += len > 0 ? len : part;
	}
	p[n] = '\0';
	p = nx_arena_realloc(a, p, size, n + 1);
	return p == NULL ? NX_STR_NULL : nx_str_n(p, n);
}

int nx_utf8_check(nx_str s, const char *what, struct nx_error **err)
{
	ptrdiff_t at = nx_utf8_invalid_at(s);
	if (at >= 0)
		return nx_error_set(err, NX_EENCODING, "%s is not UTF-8: byte 0x%02x at offset %td", what,
				    (unsigned char)s.p[at], at);
	const char *nul = s.n == 0 ? NULL : memchr(s.p, '\0', s.n);
	if (nul != NULL)
		return nx_error_set(err, NX_EENCODING, "%s holds a NUL at offset %td", what, nul - s.p);
	return 0;
}

/*
 * Code points that are alone in NFC and combine with nothing before them (NFC_Quick_Check=Yes, combining class 0): the
 * ranges that most text is made of. Others go to the library.
 */
static bool nfc_inert(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x0388, 0x03FF},                                       /* Greek */
		{0x0400, 0x0482},                                       /* Cyrillic */
		{0x048A, 0x0587},                                       /* Cyrillic, Armenian */
		{0x05D0, 0x05EA},                                       /* Hebrew letters */
		{0x0600, 0x060F},                                       /* Arabic signs */
		{0x061B, 0x064A},                                       /* Arabic letters; the marks follow */
		{0x0660, 0x066F},                                       /* Arabic digits */
		{0x0671, 0x06D5},                                       /* Arabic letters of other languages */
		{0x06EE, 0x070F},   {0x0750, 0x077F}, {0x2002, 0x20CF}, /* punctuation, currency */
		{0x3041, 0x3096},                                       /* Hiragana */
		{0x30A1, 0x30FA},                                       /* Katakana */
		{0x4E00, 0x9FFF},                                       /* Han */
		{0xAC00, 0xD7A3},                                       /* Hangul syllables */
		{0x1F300, 0x1F6FF},                                     /* symbols and pictographs */
	};
	if (cp < 0x300)
		return true;
	for (size_t i = 0; i < nx_countof(ranges) && cp >= ranges[i].first; i++) {
		if (cp <= ranges[i].last)
			return true;
	}
	return false;
}

static bool nfc_quick(nx_str s)
{
	size_t i = 0;
	while (i < s.n && (i = skip_ascii((const unsigned char *)s.p, i, s.n)) < s.n) {
		if (!nfc_inert(nx_utf8_next(s, &i)))
			return false;
	}
	return true;
}

static int normalize(struct nx_arena *a, uninorm_t form, nx_str s, nx_str *ret, struct nx_error **err)
{
	size_t n = 0;
	nx_auto_free uint8_t *made = u8_normalize(form, (const uint8_t *)s.p, s.n, NULL, &n);
	if (made == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to normalise %zu bytes of text", s.n);
	nx_str normal = nx_str_n((const char *)made, n);
	*ret = nx_str_eq(s, normal) ? s : nx_str_dup(a, normal);
	if (ret->p == NULL)
		return nx_error_set(err, NX_ENOMEM, "no memory to normalise %zu bytes of text", s.n);
	return 0;
}

int nx_utf8_nfc(struct nx_arena *a, nx_str s, nx_str *ret, struct nx_error **err)
{
	if (nfc_quick(s)) {
		*ret = s;
		return 0;
	}
	return normalize(a, UNINORM_NFC, s, ret, err);
}

int nx_utf8_nfkc(struct nx_arena *a, nx_str s, nx_str *ret, struct nx_error **err)
{
	return normalize(a, UNINORM_NFKC, s, ret, err);
}
