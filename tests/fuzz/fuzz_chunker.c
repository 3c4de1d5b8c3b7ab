/* Any UTF-8 text is cut into chunks that keep the invariants of chunker.h. */
#include "base/assert.h"
#include "knowledge/chunker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_blank(nx_str s)
{
	return nx_str_trim(s).n == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	struct nx_chunk_span *v;
	size_t n, at = 0;
	if (!a || size < 2)
		return 0;
	nx_str text = nx_utf8_repair(a, nx_str_n((const char *)data + 2, size - 2));
	size_t target = 20 + data[0];
	bool markdown = data[1] & 1;
	if (!text.p ||
	    nx_chunk(text, markdown, nx_document_title(NX_STR(""), text, markdown), target, a, &v, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		nx_assert(v[i].start >= at && v[i].length > 0 && v[i].length <= 2 * target);
		nx_assert(is_blank(nx_str_slice(text, at, v[i].start)));
		nx_assert(nx_utf8_valid(nx_str_n(text.p + v[i].start, v[i].length)));
		at = v[i].start + v[i].length;
		nx_assert(at <= text.n);
	}
	nx_assert(is_blank(nx_str_slice(text, at, text.n)));
	return 0;
}
