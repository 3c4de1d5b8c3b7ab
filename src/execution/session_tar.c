/*
 * Reading a snapshot, which tar.h wrote: ustar heads, and a pax record before a path that does not fit into one. Strictly,
 * and nothing else: what others made is tar_read.c's.
 */
#include "execution/session_internal.h"

#define BLOCK 512
#define NAME_MAX_BYTES 100
#define SIZE_AT 124
#define SUM_AT 148
#define TYPE_AT 156

static unsigned sum_of(const unsigned char head[BLOCK])
{
	unsigned sum = 0;
	for (int i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : head[i];
	return sum;
}

static bool get_octal(const unsigned char *at, int digits, uint64_t *ret)
{
	*ret = 0;
	for (int i = 0; i < digits; i++) {
		if (at[i] < '0' || at[i] > '7')
			return false;
		*ret = *ret << 3 | (uint64_t)(at[i] - '0');
	}
	return true;
}

static int damaged(size_t at, struct nx_error **err)
{
	return nx_error_set(err, NX_ECORRUPT, "the snapshot is damaged at byte %zu", at);
}

/* One entry: 1, 0 at the end, NX_ECORRUPT. */
static int next_entry(nx_str tar, size_t *at, nx_str *ret_name, char *ret_type, nx_str *ret_bytes,
		      struct nx_error **err)
{
	static const unsigned char zeros[BLOCK];
	uint64_t size, sum;
	if (*at > tar.n || tar.n - *at < BLOCK)
		return damaged(*at, err);
	const unsigned char *h = (const unsigned char *)tar.p + *at;
	if (memcmp(h, zeros, BLOCK) == 0)
		return 0;
	if (!get_octal(h + SUM_AT, 6, &sum) || sum != sum_of(h) || !get_octal(h + SIZE_AT, 11, &size) ||
	    size > tar.n - *at - BLOCK || (size + BLOCK - 1) / BLOCK * BLOCK > tar.n - *at - BLOCK)
		return damaged(*at, err);
	*ret_type = (char)h[TYPE_AT];
	*ret_name = nx_str_n((const char *)h, strnlen((const char *)h, NAME_MAX_BYTES));
	*ret_bytes = nx_str_n((const char *)h + BLOCK, (size_t)size);
	*at += BLOCK + ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
	return 1;
}

static bool read_long_path(nx_str record, nx_str *ret)
{
	nx_str rest = record, length = nx_str_cut(&rest, ' ');
	int64_t n;
	if (!nx_str_to_i64(length, &n) || n < 0 || (size_t)n != record.n || !nx_str_starts(rest, NX_STR("path=")) ||
	    !nx_str_ends(rest, NX_STR("\n")))
		return false;
	*ret = nx_str_slice(rest, 5, rest.n - 1);
	return true;
}

int nx_tar_next(nx_str tar, size_t *at, nx_str *ret_path, nx_str *ret_bytes, struct nx_error **err)
{
	nx_str name, bytes, path = NX_STR_NULL;
	char type;
	int r = next_entry(tar, at, &name, &type, &bytes, err);
	if (r <= 0)
		return r;
	if (type == 'x') {
		if (!read_long_path(bytes, &path))
			return damaged(*at, err);
		r = next_entry(tar, at, &name, &type, &bytes, err);
		if (r <= 0)
			return r < 0 ? r : damaged(*at, err);
	}
	*ret_path = path.p ? path : name;
	*ret_bytes = bytes;
	return type == '0' ? 1 : damaged(*at, err);
}
