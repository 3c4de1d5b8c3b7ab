#include "base/macros.h"
#include "knowledge/chunker.h"
#include "tests/unit/nx_test.h"

#define BLOCKS_MAX 32

static struct nx_arena *arena;
static struct nx_buf text;
static struct nx_block blocks[BLOCKS_MAX];
static size_t nblocks, nchunks;
static struct nx_chunk_span *chunks;

static void begin(void)
{
	nx_buf_done(&text);
	nblocks = 0;
	arena = arena ? arena : nx_arena_new(0);
}

/* A block of words, `n` bytes long; its place is its number, from 1. */
static void add(enum nx_block_kind kind, const char *head, size_t n)
{
	if (nblocks)
		nx_buf_addz(&text, "\n\n");
	struct nx_block b = {.start = (uint32_t)text.n, .kind = (uint8_t)kind, .level = kind == NX_BLOCK_HEADING};
	nx_buf_addz(&text, head);
	while (text.n - b.start < n)
		nx_buf_addz(&text, " word");
	b.length = (uint32_t)(text.n - b.start);
	b.from = b.to = (uint32_t)nblocks + 1;
	blocks[nblocks++] = b;
}

static void cut(size_t target, const char *title)
{
	ASSERT_OK(nx_chunk_blocks(nx_buf_str(&text), blocks, nblocks, nx_str_z(title), target, arena, &chunks, &nchunks,
				  NULL));
}

TEST(blocks_stay_whole_where_they_fit)
{
	begin();
	for (int i = 0; i < 6; i++)
		add(NX_BLOCK_PARAGRAPH, "Start", 40);
	cut(100, "");
	ASSERT_EQ(nchunks, 3);
	for (size_t i = 0; i < nchunks; i++) {
		ASSERT_EQ(chunks[i].from, 2 * i + 1);
		ASSERT_EQ(chunks[i].to, 2 * i + 2);
		ASSERT_EQ(chunks[i].start, blocks[2 * i].start);
	}
}

TEST(a_heading_begins_a_chunk_and_names_it)
{
	begin();
	add(NX_BLOCK_PARAGRAPH, "Before", 60);
	add(NX_BLOCK_HEADING, "Harbours", 8);
	add(NX_BLOCK_PARAGRAPH, "After", 30);
	add(NX_BLOCK_HEADING, "The title", 9);
	add(NX_BLOCK_PARAGRAPH, "Last", 80);
	cut(100, "The title");
	ASSERT_EQ(nchunks, 3);
	ASSERT_EQ(chunks[0].heading.n, 0);
	ASSERT_TRUE(nx_str_eqz(chunks[1].heading, "Harbours"));
	ASSERT_EQ(chunks[1].from, 2);
	ASSERT_EQ(chunks[1].to, 3);
	ASSERT_EQ(chunks[2].heading.n, 0); /* it is the document's own */
}

TEST(a_short_section_goes_on_in_the_same_chunk)
{
	begin();
	add(NX_BLOCK_HEADING, "One", 3);
	add(NX_BLOCK_PARAGRAPH, "a", 10);
	add(NX_BLOCK_HEADING, "Two", 3);
	add(NX_BLOCK_PARAGRAPH, "b", 10);
	cut(100, "");
	ASSERT_EQ(nchunks, 1);
	ASSERT_TRUE(nx_str_eqz(chunks[0].heading, "One"));
	ASSERT_EQ(chunks[0].to, 4);
}

TEST(a_block_that_is_too_long_is_cut_as_text_is)
{
	begin();
	add(NX_BLOCK_PARAGRAPH, "Short", 20);
	add(NX_BLOCK_ROW, "Long", 1000);
	add(NX_BLOCK_PARAGRAPH, "End", 60);
	cut(100, "");
	ASSERT_GT(nchunks, 10);
	size_t at = 0;
	for (size_t i = 0; i < nchunks; i++) {
		ASSERT_GE(chunks[i].start, at);
		ASSERT_LE(chunks[i].length, 200);
		ASSERT_GT(chunks[i].from, 0);
		at = (size_t)chunks[i].start + chunks[i].length;
	}
	ASSERT_EQ(at, text.n);
}

TEST(code_is_named_by_what_it_defines)
{
	static const char code[] = "# about f\n@cached\ndef f(x):\n    return x\n\n\nclass Big:\n    pass\n";
	struct nx_block *v;
	begin();
	nx_str s = nx_str_z(code);
	ASSERT_OK(nx_code_outline(s, NX_STR("text/x-python"), &nx_extract_limits_default, arena, &v, &nblocks, NULL));
	ASSERT_OK(nx_chunk_blocks(s, v, nblocks, NX_STR("a.py"), 40, arena, &chunks, &nchunks, NULL));
	ASSERT_EQ(nchunks, 2);
	ASSERT_TRUE(nx_str_eqz(chunks[0].heading, "def f(x)"));
	ASSERT_TRUE(nx_str_eqz(chunks[1].heading, "class Big"));
	ASSERT_EQ(chunks[1].from, 7);
	nx_buf_done(&text);
	nx_arena_free(arena);
}
