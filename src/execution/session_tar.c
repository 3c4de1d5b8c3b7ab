/*
 * Snapshots are tars (POSIX.1-2001, "pax interchange"): ustar heads, and a pax record before a path that does not fit into
 * one. Written whole in memory, within sandbox.max_snapshot_bytes; read strictly, and only what was written here is read.
 */
#include "execution/session_internal.h"

#include <stdio.h>

#define BLOCK 512
#define NAME_MAX_BYTES 100
#define SIZE_AT 124
#define SUM_AT 148
#define TYPE_AT 156

static void put_octal(char *at, int digits, uint64_t v)
{
	for (int i = digits - 1; i >= 0; i--, v >>= 3)
		at[i] = (char)('0' + (v & 7));
}

static unsigned sum_of(const unsigned char head[BLOCK])
{
	unsigned sum = 0;
	for (int i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : head[i];
	return sum;
}

static bool add_entry(struct nx_buf *out, nx_str name, char type, nx_str bytes, int64_t mtime_s)
{
	static const char zeros[BLOCK];
	unsigned char head[BLOCK] = {0};
	char *h = (char *)head;
	memcpy(h, name.p, nx_min(name.n, (size_t)NAME_MAX_BYTES));
	put_octal(h + 100, 7, 0644);
	put_octal(h + 108, 7, 0);
	put_octal(h + 116, 7, 0);
	put_octal(h + SIZE_AT, 11, bytes.n);
	put_octal(h + 136, 11, (uint64_t)nx_max(mtime_s, (int64_t)0));
	h[TYPE_AT] = type;
	memcpy(h + 257, "ustar\00000", 8);
	put_octal(h + SUM_AT, 6, sum_of(head));
	h[SUM_AT + 6] = '\0';
	h[SUM_AT + 7] = ' ';
	return nx_buf_add(out, head, BLOCK) && nx_buf_adds(out, bytes) &&
	       nx_buf_add(out, zeros, (BLOCK - bytes.n % BLOCK) % BLOCK);
}

/* "LENGTH path=PATH\n", where LENGTH counts itself. */
static bool add_long_path(struct nx_buf *out, nx_str path)
{
	char record[NX_EXEC_PATH_MAX + 32];
	size_t n = path.n + sizeof(" path=\n") - 1;
	size_t digits = n + 2 < 100 ? 2 : 3;
	int len = snprintf(record, sizeof(record), "%zu path=%.*s\n", n + digits, NX_FMT(path));
	return len > 0 && add_entry(out, NX_STR("pax"), 'x', nx_str_n(record, (size_t)len), 0);
}

bool nx_tar_add_file(struct nx_buf *out, nx_str path, nx_str bytes, int64_t mtime_s)
{
	if (path.n == 0 || path.n > NX_EXEC_PATH_MAX || bytes.n >= (UINT64_C(1) << 33))
		return false;
	return (path.n <= NAME_MAX_BYTES || add_long_path(out, path)) && add_entry(out, path, '0', bytes, mtime_s);
}

bool nx_tar_end(struct nx_buf *out)
{
	static const char zeros[2 * BLOCK];
	return nx_buf_add(out, zeros, sizeof(zeros));
}

/* ---- reading ---- */

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
	    size > tar.n - *at - BLOCK)
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
