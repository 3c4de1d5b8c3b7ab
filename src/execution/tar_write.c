/* Writing tar: one header a file, and a pax record where a name is too long for it. */
#include "execution/tar.h"

#include <stdio.h>

enum { BLOCK = 512, NAME_MAX_BYTES = 100 };

struct ustar { /* POSIX.1-1988, each field text */
	char name[NAME_MAX_BYTES], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[8],
		user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a header is one block");

static void put_octal(char *field, size_t size, uint64_t v)
{
	for (size_t i = size - 1; i-- > 0; v >>= 3)
		field[i] = (char)('0' + (v & 7));
}

static void add_header(struct nx_buf *b, nx_str name, char type, uint64_t size, unsigned mode, unsigned uid)
{
	struct ustar h = {.type = type, .magic = "ustar\0000", .mtime = "00000000000"};
	memcpy(h.name, name.p, nx_min(name.n, sizeof(h.name)));
	put_octal(h.mode, sizeof(h.mode), mode);
	put_octal(h.uid, sizeof(h.uid), uid);
	put_octal(h.gid, sizeof(h.gid), uid);
	put_octal(h.size, sizeof(h.size), size);
	memset(h.sum, ' ', sizeof(h.sum));
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	put_octal(h.sum, sizeof(h.sum) - 1, sum);
	(void)nx_buf_add(b, &h, sizeof(h));
}

static void add_bytes(struct nx_buf *b, nx_str bytes)
{
	static const char zeros[BLOCK];
	(void)nx_buf_adds(b, bytes);
	if (bytes.n % BLOCK)
		(void)nx_buf_add(b, zeros, BLOCK - bytes.n % BLOCK);
}

/* "LENGTH path=NAME\n", where LENGTH counts itself. */
static void add_long_name(struct nx_buf *b, nx_str path)
{
	char count[16];
	size_t n = path.n + sizeof(" path=\n") - 1, digits = 1;
	while (snprintf(count, sizeof(count), "%zu", n + digits) > (int)digits)
		digits++;
	nx_auto_buf struct nx_buf record = NX_BUF_INIT;
	nx_buf_addf(&record, "%zu path=%.*s\n", n + digits, NX_FMT(path));
	b->failed |= nx_buf_failed(&record);
	add_header(b, NX_STR("pax"), 'x', record.n, 0644, 0);
	add_bytes(b, nx_buf_str(&record));
}

void nx_tar_add_dir(struct nx_buf *b, nx_str path, unsigned mode, unsigned uid)
{
	if (path.n > NAME_MAX_BYTES)
		add_long_name(b, path);
	add_header(b, path, '5', 0, mode, uid);
}

void nx_tar_add_file(struct nx_buf *b, nx_str path, nx_str bytes, unsigned mode, unsigned uid)
{
	if (path.n > NAME_MAX_BYTES)
		add_long_name(b, path);
	add_header(b, path, '0', bytes.n, mode, uid);
	add_bytes(b, bytes);
}

void nx_tar_end(struct nx_buf *b)
{
	static const char zeros[2 * BLOCK];
	(void)nx_buf_add(b, zeros, sizeof(zeros));
}
