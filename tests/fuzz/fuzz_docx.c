/* Any bytes as docx: text with blocks that keep to their invariants, or an error. */
#include "extract/foreign_internal.h"
#include "tests/fuzz/fuzz_extracted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nx_extract_limits limits = nx_extract_limits_default;
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_extracted x;
	limits.max_expanded = 8 << 20;
	if (!a)
		return 0;
	if (nx_docx_extract(nx_str_n((const char *)data, size), &limits, a, &x, &err) == 0)
		check_extracted(&x);
	else
		nx_assert(err != NULL);
	return 0;
}
