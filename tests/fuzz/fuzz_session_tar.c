/* A snapshot whose bytes were changed: its files lie within it, or it is damaged; and what is written reads back. */
#include "base/assert.h"
#include "execution/session_internal.h"

static void read_all(nx_str tar)
{
	nx_str path, bytes;
	size_t at = 0;
	while (nx_tar_next(tar, &at, &path, &bytes, NULL) > 0) {
		nx_assert(at % 512 == 0);
		nx_assert(path.n == 0 || (path.p >= tar.p && path.p + path.n <= tar.p + tar.n));
		nx_assert(bytes.p >= tar.p && bytes.p + bytes.n <= tar.p + tar.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_buf struct nx_buf tar = NX_BUF_INIT;
	nx_str all = nx_str_n((const char *)data, n), path, bytes;
	size_t cut = n ? data[0] % (n + 1) : 0, at = 0;
	read_all(all);
	nx_str name = nx_str_slice(all, 0, cut);
	if (!nx_utf8_valid(name) || cut == 0 || memchr(name.p, 0, name.n))
		return 0;
	nx_tar_add_file(&tar, name, nx_str_slice(all, cut, n), 0644, 0);
	nx_tar_end(&tar);
	nx_assert(nx_tar_next(nx_buf_str(&tar), &at, &path, &bytes, NULL) == 1);
	nx_assert(nx_str_eq(path, name) && nx_str_eq(bytes, nx_str_slice(all, cut, n)));
	nx_assert(nx_tar_next(nx_buf_str(&tar), &at, &path, &bytes, NULL) == 0);
	return 0;
}
