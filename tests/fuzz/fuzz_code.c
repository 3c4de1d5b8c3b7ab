/* Any text as code: parts in order, and chunks of them that keep the invariants of chunker.h. */
#include "base/assert.h"
#include "knowledge/chunker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const mimes[] = {"text/x-python", "text/x-c", "application/sql"};
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	struct nx_block *blocks;
	struct nx_chunk_span *v;
	size_t nblocks, n, at = 0;
	if (!a || size < 2)
		return 0;
	nx_str text = nx_utf8_repair(a, nx_str_n((const char *)data + 2, size - 2));
	size_t target = 20 + data[0];
	if (!text.p || nx_code_outline(text, nx_str_z(mimes[data[1] % 3]), &nx_extract_limits_default, a, &blocks,
				       &nblocks, NULL) < 0)
		return 0;
	if (nx_chunk_blocks(text, blocks, nblocks, NX_STR(""), target, a, &v, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		nx_assert(v[i].start >= at && v[i].length > 0 && v[i].length <= 2 * target);
		nx_assert(nx_str_trim(nx_str_slice(text, at, v[i].start)).n == 0);
		nx_assert(v[i].from > 0 && v[i].from <= v[i].to);
		at = (size_t)v[i].start + v[i].length;
		nx_assert(at <= text.n);
	}
	nx_assert(nx_str_trim(nx_str_slice(text, at, text.n)).n == 0);
	return 0;
}
