/* Any bytes as a CSV file of a run: it becomes a script of bounded size, or an error with its place. */
#include "execution/execution_internal.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nx_arena *a = nx_arena_new(0);
	struct nx_exec_file f = {.path = NX_STR("a/t.csv"), .bytes = nx_str_n((const char *)data, size)};
	struct nx_exec x = {.files = &f, .nfiles = 1, .stdin_text = f.bytes};
	struct nx_error *err = NULL;
	nx_str script = NX_STR_NULL;
	if (!a)
		return 0;
	int r = nx_sql_tables(&x, a, &script, &err);
	nx_assert((r < 0) == (err != NULL));
	nx_assert(r < 0 || nx_str_ends(script, NX_STR(".headers on\n")));
	nx_error_free(err);
	nx_arena_free(a);
	return 0;
}
