/*
 * Strings: pointer and length, UTF-8 validated at the edge, never assumed to end in NUL unless a name ends in `z`.
 *
 * nx_str borrows; its bytes belong to an arena, a literal or a row. struct nx_buf is the one growing byte buffer: malloc
 * backed, sticky on failure (after a failed append it keeps what it had, and nx_buf_failed tells), so that a chain of
 * appends is checked once at its end.
 */
#ifndef NX_BASE_STR_H
#define NX_BASE_STR_H

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct nx_str {
	const char *p;
	size_t n;
};
typedef struct nx_str nx_str;

#define NX_STR(lit) ((nx_str){("" lit), sizeof(lit) - 1})
#define NX_STR_NULL ((nx_str){NULL, 0})
/* printf("%.*s", NX_FMT(s)) */
#define NX_FMT(s) (int)(s).n, (s).p ? (s).p : ""

static inline nx_str nx_str_z(const char *z)
{
	return (nx_str){z, z ? strlen(z) : 0};
}
static inline nx_str nx_str_n(const char *p, size_t n)
{
	return (nx_str){p, n};
}
static inline bool nx_str_eq(nx_str a, nx_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool nx_str_eqz(nx_str a, const char *z)
{
	return nx_str_eq(a, nx_str_z(z));
}
int nx_str_cmp(nx_str a, nx_str b); /* bytewise */
bool nx_str_starts(nx_str s, nx_str prefix);
bool nx_str_ends(nx_str s, nx_str suffix);
nx_str nx_str_trim(nx_str s); /* ASCII white space */
/* Cuts at the first `sep`: the part before it; *s becomes the rest (n = 0, p past the end when there was none). */
nx_str nx_str_cut(nx_str *s, char sep);
nx_str nx_str_slice(nx_str s, size_t from, size_t to); /* clamped */
ptrdiff_t nx_str_find(nx_str s, nx_str needle);        /* byte offset or -1 */
bool nx_str_ieq_ascii(nx_str a, nx_str b);
nx_str nx_str_dup(struct nx_arena *a, nx_str s); /* p NULL when out of memory; a NUL follows the copy */
char *nx_str_zdup(struct nx_arena *a, nx_str s);
uint64_t nx_str_hash(nx_str s); /* xxh3 */
/* Whole string as a decimal integer; false when it is anything else or does not fit. */
bool nx_str_to_i64(nx_str s, int64_t *ret);
bool nx_str_to_f64(nx_str s, double *ret); /* finite only; '.' whatever the locale */

/* Edit distance (Damerau, capped at `max`), for "did you mean". */
size_t nx_str_distance(nx_str a, nx_str b, size_t max);
/* The nearest of `n` names within a third of its length, or NULL. */
const char *nx_str_nearest(nx_str word, const char *const *names, size_t n);

/* UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool nx_utf8_valid(nx_str s);
/* Offset of the first byte that is not UTF-8, or -1. */
ptrdiff_t nx_utf8_invalid_at(nx_str s);
/* Decodes one code point at s[*i] and advances *i. The string must be valid and *i < n. */
uint32_t nx_utf8_next(nx_str s, size_t *i);
size_t nx_utf8_encode(uint32_t cp, char ret[4]);
size_t nx_utf8_length(nx_str s);                     /* code points */
nx_str nx_utf8_truncate(nx_str s, size_t max_bytes); /* never inside a code point */
/* A copy in which each maximal invalid part is U+FFFD (what a guest printed may be anything). */
nx_str nx_utf8_repair(struct nx_arena *a, nx_str s);
/* NX_EENCODING with the offset and byte when `s` is not UTF-8 or holds a NUL; `what` names it. */
int nx_utf8_check(nx_str s, const char *what, struct nx_error **err);
/* Normalisation Form C (UAX 15), by libunistring; returns `s` itself when it is NFC already (the quick check). */
int nx_utf8_nfc(struct nx_arena *a, nx_str s, nx_str *ret, struct nx_error **err);
/* The same in NFKC, which takes what only looks different for the same: as Python reads identifiers. */
int nx_utf8_nfkc(struct nx_arena *a, nx_str s, nx_str *ret, struct nx_error **err);

struct nx_buf {
	char *p; /* always NUL-terminated once something was added; NULL before */
	size_t n, cap;
	bool failed;
};
#define NX_BUF_INIT ((struct nx_buf){0})
void nx_buf_done(struct nx_buf *b);
void nx_buf_clear(struct nx_buf *b);
bool nx_buf_reserve(struct nx_buf *b, size_t more);
bool nx_buf_add(struct nx_buf *b, const void *p, size_t n);
bool nx_buf_adds(struct nx_buf *b, nx_str s);
bool nx_buf_addz(struct nx_buf *b, const char *z);
bool nx_buf_addc(struct nx_buf *b, char c);
bool nx_buf_addf(struct nx_buf *b, const char *fmt, ...) NX_PRINTF(2, 3);
void nx_buf_consume(struct nx_buf *b, size_t n); /* drops the first n bytes */
nx_str nx_buf_str(const struct nx_buf *b);
char *nx_buf_steal(struct nx_buf *b); /* malloc'ed, NUL-terminated; NULL when failed. The buffer is empty after */
static inline bool nx_buf_failed(const struct nx_buf *b)
{
	return b->failed;
}
#define nx_auto_buf __attribute__((cleanup(nx_buf_done)))

#endif
