/* Any bytes as text of some encoding: UTF-8 without a NUL, or an error. */
#include "base/assert.h"
#include "extract/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hints[] = {"", "windows-1256", "latin1", "utf-8"};
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	nx_auto_error struct nx_error *err = NULL;
	const char *encoding;
	nx_str text;
	if (!a || size < 1)
		return 0;
	nx_str bytes = nx_str_n((const char *)data + 1, size - 1), hint = nx_str_z(hints[data[0] % 4]);
	if (nx_text_decode(NX_STR("x"), bytes, hint, a, &text, &encoding, &err) == 0)
		nx_assert(nx_utf8_valid(text) && (text.n == 0 || !memchr(text.p, '\0', text.n)));
	else
		nx_assert(err != NULL);
	return 0;
}
