/* Cursors: what is accepted is what we would have written. */
#include "api/cursor_internal.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[NX_CURSOR_TEXT];
	int64_t key = 0;
	if (size >= 8) {
		memcpy(&key, data, 8);
		int64_t back = ~key;
		nx_cursor_format(key, 3, "list", text);
		nx_assert(nx_cursor_parse(nx_str_z(text), 3, "list", &back, NULL) == 0 && back == key);
	}
	nx_str s = nx_str_n((const char *)data, size);
	if (size > 0 && nx_cursor_parse(s, 3, "list", &key, NULL) == 0) {
		nx_cursor_format(key, 3, "list", text);
		nx_assert(nx_str_eqz(s, text));
	}
	return 0;
}
