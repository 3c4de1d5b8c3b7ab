/* Any bytes as the answer of the program that reads documents: a document that can be used as it is, or an error. */
#include "tests/fuzz/fuzz_extracted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_extracted x;
	if (!a)
		return 0;
	if (nx_extract_read_answer(nx_str_n((const char *)data, size), &nx_extract_limits_default, a, &x, &err) < 0) {
		nx_assert(err != NULL);
		return 0;
	}
	for (size_t i = 0, at = 0; i < x.nblocks; i++) {
		nx_assert(x.blocks[i].start >= at && x.blocks[i].length > 0);
		at = (size_t)x.blocks[i].start + x.blocks[i].length;
		nx_assert(at <= x.text.n);
		nx_assert(nx_utf8_valid(nx_str_n(x.text.p + x.blocks[i].start, x.blocks[i].length)));
	}
	return 0;
}
