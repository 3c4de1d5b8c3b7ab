/* What people save as text, as UTF-8. */
#include "base/macros.h"
#include "extract/encoding_tables.h"
#include "extract/extract.h"

enum encoding { UNKNOWN, UTF_8, UTF_16LE, UTF_16BE, UTF_32, WINDOWS_1252, WINDOWS_1256 };
static const char *const names[] = {"", "UTF-8", "UTF-16", "UTF-16", "UTF-32", "windows-1252", "windows-1256"};

/* One of the two must be seen so many times as often as the other. */
#define TELLS_APART 3

static enum encoding of_mark(nx_str b, size_t *ret_mark)
{
	static const struct {
		const char *mark;
		size_t n;
		enum encoding e;
	} marks[] = {{"\xff\xfe\0\0", 4, UTF_32},
		     {"\0\0\xfe\xff", 4, UTF_32},
		     {"\xef\xbb\xbf", 3, UTF_8},
		     {"\xff\xfe", 2, UTF_16LE},
		     {"\xfe\xff", 2, UTF_16BE}};
	for (size_t i = 0; i < nx_countof(marks); i++) {
		if (b.n >= marks[i].n && memcmp(b.p, marks[i].mark, marks[i].n) == 0) {
			*ret_mark = marks[i].n;
			return marks[i].e;
		}
	}
	*ret_mark = 0;
	return UNKNOWN;
}

/* Labels as the Encoding Standard reads them: what says ISO 8859-1 or ASCII means Windows-1252. */
static enum encoding of_label(nx_str label)
{
	static const struct {
		const char *label;
		enum encoding e;
	} labels[] = {{"utf-8", UTF_8},
		      {"utf8", UTF_8},
		      {"windows-1252", WINDOWS_1252},
		      {"cp1252", WINDOWS_1252},
		      {"iso-8859-1", WINDOWS_1252},
		      {"latin1", WINDOWS_1252},
		      {"us-ascii", WINDOWS_1252},
		      {"ascii", WINDOWS_1252},
		      {"windows-1256", WINDOWS_1256},
		      {"cp1256", WINDOWS_1256},
		      {"x-cp1256", WINDOWS_1256}};
	for (size_t i = 0; i < nx_countof(labels); i++)
		if (nx_str_ieq_ascii(label, nx_str_z(labels[i].label)))
			return labels[i].e;
	return UNKNOWN;
}

static bool is_ascii_letter(unsigned char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Letters of both code pages; below 0xc0 lie signs, most of them the same in both. */
static bool is_high_letter(unsigned char c)
{
	return c >= 0xc0 && c != 0xd7 && c != 0xf7;
}

static enum encoding guess(nx_str b)
{
	size_t western = 0, arabic = 0, signs = 0;
	for (size_t i = 0; i < b.n; i++) {
		unsigned char c = (unsigned char)b.p[i];
		unsigned char before = i ? (unsigned char)b.p[i - 1] : ' ';
		unsigned char after = i + 1 < b.n ? (unsigned char)b.p[i + 1] : ' ';
		signs += c >= 0x80 && c < 0xc0;
		if (!is_high_letter(c))
			continue;
		bool among_ascii = is_ascii_letter(before) || is_ascii_letter(after);
		bool among_high = is_high_letter(before) || is_high_letter(after);
		western += among_ascii && !among_high;
		arabic += among_high && !among_ascii;
	}
	if (western == 0 && arabic == 0)
		return signs ? WINDOWS_1252 : UNKNOWN;
	if (western >= TELLS_APART * arabic)
		return WINDOWS_1252;
	return arabic >= TELLS_APART * western ? WINDOWS_1256 : UNKNOWN;
}

static size_t line_at(nx_str b, size_t at)
{
	size_t n = 1;
	for (size_t i = 0; i < at && i < b.n; i++)
		n += b.p[i] == '\n';
	return n;
}

static int is_not_text(nx_str name, nx_str b, struct nx_error **err)
{
	const char *nul = memchr(b.p, '\0', b.n);
	return nx_error_set(err, NX_ETYPE, "%.*s is not text: line %zu holds a NUL byte", NX_FMT(name),
			    line_at(b, (size_t)(nul - b.p)));
}

static int of_code_page(nx_str name, nx_str b, const uint16_t *page, const char *encoding, struct nx_arena *a,
			nx_str *ret, struct nx_error **err)
{
	char *out = b.n <= (SIZE_MAX - 1) / 3 ? nx_arena_alloc(a, b.n * 3 + 1) : NULL;
	size_t n = 0;
	if (!out)
		return nx_error_set(err, NX_ENOMEM, "no memory to decode %.*s", NX_FMT(name));
	for (size_t i = 0; i < b.n; i++) {
		unsigned char c = (unsigned char)b.p[i];
		uint32_t cp = c < 0x80 ? c : page[c - 0x80];
		if (cp == 0)
			return nx_error_set(err, NX_EENCODING, "%.*s is not %s: line %zu holds the byte 0x%02x",
					    NX_FMT(name), encoding, line_at(b, i), c);
		n += nx_utf8_encode(cp, out + n);
	}
	out[n] = '\0';
	*ret = nx_str_n(out, n);
	return 0;
}

static uint32_t unit_at(nx_str b, size_t i, bool big)
{
	unsigned char x = (unsigned char)b.p[i], y = (unsigned char)b.p[i + 1];
	return big ? (uint32_t)x << 8 | y : (uint32_t)y << 8 | x;
}

static int of_utf16(nx_str name, nx_str b, bool big, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	char *out = b.n <= (SIZE_MAX - 1) / 2 ? nx_arena_alloc(a, b.n * 2 + 1) : NULL;
	size_t n = 0;
	if (!out)
		return nx_error_set(err, NX_ENOMEM, "no memory to decode %.*s", NX_FMT(name));
	for (size_t i = 0; i + 1 < b.n; i += 2) {
		uint32_t u = unit_at(b, i, big);
		uint32_t low = u >= 0xd800 && u < 0xdc00 && i + 3 < b.n ? unit_at(b, i + 2, big) : 0;
		if (low >= 0xdc00 && low < 0xe000) {
			u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		if (u == 0 || (u >= 0xd800 && u < 0xe000))
			return nx_error_set(err, NX_EENCODING, "%.*s is not UTF-16 text: byte %zu holds U+%04X",
					    NX_FMT(name), i, u);
		n += nx_utf8_encode(u, out + n);
	}
	if (b.n % 2)
		return nx_error_set(err, NX_EENCODING, "%.*s is not UTF-16 text: its last character is cut off",
				    NX_FMT(name));
	out[n] = '\0';
	*ret = nx_str_n(out, n);
	return 0;
}

static int neither(nx_str name, nx_str b, struct nx_error **err)
{
	size_t at = (size_t)nx_max(nx_utf8_invalid_at(b), (ptrdiff_t)0);
	nx_error_set(err, NX_EENCODING,
		     "%.*s is not UTF-8 (line %zu, byte 0x%02x), and it cannot be told whether it is windows-1252 or "
		     "windows-1256",
		     NX_FMT(name), line_at(b, at), (unsigned char)b.p[at]);
	return nx_error_hint(err, "save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8");
}

static enum encoding find_encoding(nx_str b, nx_str hint, size_t *ret_mark)
{
	enum encoding e = of_mark(b, ret_mark);
	if (e != UNKNOWN)
		return e;
	if (nx_utf8_valid(b))
		return UTF_8;
	e = of_label(hint);
	return e == UNKNOWN || e == UTF_8 ? guess(b) : e;
}

int nx_text_decode(nx_str name, nx_str bytes, nx_str hint, struct nx_arena *a, nx_str *ret, const char **ret_encoding,
		   struct nx_error **err)
{
	size_t mark;
	enum encoding e = find_encoding(bytes, hint, &mark);
	nx_str b = nx_str_slice(bytes, mark, bytes.n);
	*ret_encoding = names[e];
	if (e == UTF_16LE || e == UTF_16BE)
		return of_utf16(name, b, e == UTF_16BE, a, ret, err);
	if (e == UTF_32) {
		nx_error_set(err, NX_EENCODING, "%.*s is UTF-32 text, which is not read", NX_FMT(name));
		return nx_error_hint(err, "save it as UTF-8");
	}
	if (b.n && memchr(b.p, '\0', b.n))
		return is_not_text(name, b, err);
	switch (e) {
	case UTF_8:
		if (!nx_utf8_valid(b))
			break; /* a mark that lies */
		*ret = b;
		return 0;
	case WINDOWS_1252: return of_code_page(name, b, windows_1252, names[e], a, ret, err);
	case WINDOWS_1256: return of_code_page(name, b, windows_1256, names[e], a, ret, err);
	default: break;
	}
	return neither(name, b, err);
}
