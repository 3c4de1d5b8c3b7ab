/* Any text as a table: rows as wide as their header, or an error. */
#include "base/assert.h"
#include "extract/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_csv t;
	if (!a)
		return 0;
	if (nx_csv_read(NX_STR("x.csv"), nx_str_n((const char *)data, size), &nx_extract_limits_default, a, &t, &err) <
	    0) {
		nx_assert(err != NULL);
		return 0;
	}
	nx_assert(t.nheader > 0 && t.nrows > 0);
	size_t sum = 0;
	for (size_t i = 0; i < t.nrows; i++)
		for (size_t j = 0; j < t.nheader; j++)
			sum += t.rows[i].fields[j].n;
	nx_assert(sum <= size);
	return 0;
}
