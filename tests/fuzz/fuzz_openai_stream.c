/* The answer of a chat endpoint, whole and in pieces of a length that the first byte chooses: both must give the same. */
#include "base/assert.h"
#include "model/openai_embed_internal.h"
#include "model/openai_stream_internal.h"

struct outcome {
	int r;
	uint64_t sum;
	size_t ncalls;
};

static void on_text(nx_str text, void *ctx)
{
	*(size_t *)ctx += text.n;
}

static struct outcome decode(nx_str s, size_t piece)
{
	struct nx_openai_stream stream;
	struct nx_chat c = {0};
	size_t shown = 0;
	struct outcome o = {.r = nx_openai_stream_init(&stream, 1 << 20, on_text, &shown, NULL)};
	if (o.r != 0)
		return o;
	for (size_t at = 0; at < s.n; at += piece)
		nx_openai_stream_feed(&stream, nx_str_slice(s, at, at + piece));
	o.r = nx_openai_stream_end(&stream, stream.arena, &c, NULL);
	if (o.r == 0) {
		nx_assert(shown == c.text.n && nx_utf8_valid(c.text));
		o.ncalls = c.ncalls;
		o.sum = nx_str_hash(c.text) + (uint64_t)c.input_tokens + (uint64_t)c.output_tokens;
		for (size_t i = 0; i < c.ncalls; i++)
			o.sum = o.sum * 31 + nx_str_hash(c.calls[i].arguments);
	}
	nx_openai_stream_done(&stream);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	float vectors[2 * 3];
	if (n < 2)
		return 0;
	nx_str s = nx_str_n((const char *)data + 1, n - 1);
	struct outcome whole = decode(s, s.n), pieces = decode(s, data[0] % 16 + 1U);
	nx_assert(whole.r == pieces.r && whole.sum == pieces.sum && whole.ncalls == pieces.ncalls);
	(void)nx_openai_read_embeddings(s, 2, 3, vectors, NULL);
	return 0;
}
