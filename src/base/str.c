#include "base/str.h"

#include "base/assert.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <xxhash.h>

/* Longest words that are compared for "did you mean"; longer ones are taken to be far apart. */
#define DISTANCE_MAX_WORD 64

int nx_str_cmp(nx_str a, nx_str b)
{
	size_t n = nx_min(a.n, b.n);
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

bool nx_str_starts(nx_str s, nx_str prefix)
{
	return s.n >= prefix.n && nx_str_eq(nx_str_n(s.p, prefix.n), prefix);
}

bool nx_str_ends(nx_str s, nx_str suffix)
{
	return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

nx_str nx_str_trim(nx_str s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

nx_str nx_str_cut(nx_str *s, char sep)
{
	const char *at = s->n == 0 ? NULL : memchr(s->p, sep, s->n);
	nx_str part = *s;
	if (at == NULL) {
		if (s->p != NULL)
			s->p += s->n;
		s->n = 0;
		return part;
	}
	part.n = (size_t)(at - s->p);
	s->p = at + 1;
	s->n -= part.n + 1;
	return part;
}

nx_str nx_str_slice(nx_str s, size_t from, size_t to)
{
	to = nx_min(to, s.n);
	from = nx_min(from, to);
	return nx_str_n(s.p == NULL ? NULL : s.p + from, to - from);
}

ptrdiff_t nx_str_find(nx_str s, nx_str needle)
{
	if (needle.n == 0)
		return 0;
	if (needle.n > s.n)
		return -1;
	const char *at = memmem(s.p, s.n, needle.p, needle.n);
	return at == NULL ? -1 : at - s.p;
}

static char lower_ascii(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool nx_str_ieq_ascii(nx_str a, nx_str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (lower_ascii(a.p[i]) != lower_ascii(b.p[i]))
			return false;
	}
	return true;
}

char *nx_str_zdup(struct nx_arena *a, nx_str s)
{
	return nx_arena_strndup(a, s.p, s.n);
}

nx_str nx_str_dup(struct nx_arena *a, nx_str s)
{
	char *p = nx_str_zdup(a, s);
	return p == NULL ? NX_STR_NULL : nx_str_n(p, s.n);
}

uint64_t nx_str_hash(nx_str s)
{
	return XXH3_64bits(s.n == 0 ? "" : s.p, s.n);
}

bool nx_str_to_i64(nx_str s, int64_t *ret)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	int64_t v = 0;
	size_t i = negative ? 1 : 0;
	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		int digit = s.p[i] - '0';
		if (digit < 0 || digit > 9 || nx_mul_overflows(v, (int64_t)10, &v) ||
		    nx_add_overflows(v, (int64_t)(negative ? -digit : digit), &v))
			return false;
	}
	*ret = v;
	return true;
}

static locale_t c_locale;

static void c_locale_make(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	nx_assert(c_locale != (locale_t)0);
}

bool nx_str_to_f64(nx_str s, double *ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char z[512];
	if (s.n == 0 || s.n >= sizeof(z))
		return false;
	/* strtod also takes white space, hexadecimal, "inf" and "nan", which are no numbers here. */
	for (size_t i = 0; i < s.n; i++) {
		if (strchr("0123456789+-.eE", s.p[i]) == NULL || s.p[i] == '\0')
			return false;
	}
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';

	nx_assert(pthread_once(&once, c_locale_make) == 0);
	char *end;
	double v = strtod_l(z, &end, c_locale);
	if (end != z + s.n || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

/*
 * Optimal string alignment (Damerau 1964, in the restricted form: no substring is edited twice), three rows. Letters are
 * compared without ASCII case when `fold` is set.
 */
static size_t distance(nx_str a, nx_str b, size_t max, bool fold)
{
	size_t rows[3][DISTANCE_MAX_WORD + 1];
	size_t gap = a.n > b.n ? a.n - b.n : b.n - a.n;
	if (gap > max || a.n > DISTANCE_MAX_WORD || b.n > DISTANCE_MAX_WORD)
		return nx_str_eq(a, b) ? 0 : max + 1;

	for (size_t j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			char ca = a.p[i - 1], cb = b.p[j - 1];
			bool same = fold ? lower_ascii(ca) == lower_ascii(cb) : ca == cb;
			size_t d = nx_min(above[j] + 1, row[j - 1] + 1);
			d = nx_min(d, above[j - 1] + (same ? 0 : 1));
			if (i > 1 && j > 1 && ca == b.p[j - 2] && a.p[i - 2] == cb)
				d = nx_min(d, above2[j - 2] + 1);
			row[j] = d;
		}
	}
	return nx_min(rows[a.n % 3][b.n], max + 1);
}

size_t nx_str_distance(nx_str a, nx_str b, size_t max)
{
	return distance(a, b, max, false);
}

const char *nx_str_nearest(nx_str word, const char *const *names, size_t n)
{
	size_t best = nx_max(word.n / 3, (size_t)1) + 1;
	const char *found = NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, nx_str_z(names[i]), best - 1, true);
		if (d < best) {
			best = d;
			found = names[i];
		}
		if (best == 0)
			break;
	}
	return found;
}
