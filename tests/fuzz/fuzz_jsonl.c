/* Any bytes as a corpus of JSON lines: documents with text, or an error that says which line. */
#include "base/assert.h"
#include "knowledge/knowledge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new((size_t)64 << 20);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_document *d = NULL;
	size_t n = 0;
	if (!a)
		return 0;
	if (nx_knowledge_read_jsonl(NX_STR("x.jsonl"), nx_str_n((const char *)data, size), a, &d, &n, &err) == 0) {
		nx_assert(n > 0);
		for (size_t i = 0; i < n; i++)
			nx_assert(d[i].text.p != NULL && nx_utf8_valid(d[i].text) && nx_utf8_valid(d[i].title));
	} else {
		nx_assert(err != NULL);
	}
	return 0;
}
