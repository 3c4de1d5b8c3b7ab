#include "base/id.h"
#include "knowledge/chunker.h"
#include "tests/unit/nx_test.h"

static bool is_blank(const char *p, size_t n)
{
	return nx_str_trim(nx_str_n(p, n)).n == 0;
}

/* The invariants of chunker.h. */
static size_t check(nx_str text, bool markdown, size_t target)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_chunk_span *v;
	size_t n, at = 0;
	ASSERT_OK(nx_chunk(text, markdown, NX_STR("T"), target, a, &v, &n, NULL));
	for (size_t i = 0; i < n; i++) {
		ASSERT_GE(v[i].start, at);
		ASSERT_TRUE(is_blank(text.p + at, v[i].start - at));
		ASSERT_GT(v[i].length, 0);
		ASSERT_LE(v[i].length, 2 * target);
		ASSERT_TRUE(nx_utf8_valid(nx_str_n(text.p + v[i].start, v[i].length)));
		at = v[i].start + v[i].length;
	}
	ASSERT_TRUE(is_blank(text.p + at, text.n - at));
	return n;
}

TEST(a_short_text_is_one_chunk)
{
	ASSERT_EQ(check(NX_STR("  One. Two.\n"), false, 200), 1);
	ASSERT_EQ(check(NX_STR(" \n "), false, 200), 0);
}

TEST(chunks_end_with_sentences_and_cover_the_text)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	for (int i = 0; i < 100; i++)
		nx_buf_addf(&b, "Sentence number %d is about the level of the lake. ", i);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_chunk_span *v;
	size_t n;
	ASSERT_OK(nx_chunk(nx_buf_str(&b), false, NX_STR(""), 400, a, &v, &n, NULL));
	ASSERT_GT(n, 10);
	for (size_t i = 0; i < n; i++)
		ASSERT_EQ(b.p[v[i].start + v[i].length - 1], '.');
	ASSERT_EQ(check(nx_buf_str(&b), false, 400), n);
}

TEST(a_sentence_without_an_end_is_cut_between_characters)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	for (int i = 0; i < 1000; i++)
		nx_buf_addz(&b, "ش");
	ASSERT_GT(check(nx_buf_str(&b), false, 101), 10);
}

TEST(markdown_is_cut_at_headings_that_the_chunks_carry)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addz(&b, "# The Lake\n\n");
	for (int i = 0; i < 8; i++)
		nx_buf_addz(&b, "It is deep and cold. ");
	nx_buf_addz(&b, "\n\n```\n# no heading\n```\n\n## Fish\n\n");
	for (int i = 0; i < 8; i++)
		nx_buf_addz(&b, "There are many fish. ");
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_chunk_span *v;
	size_t n;
	nx_str text = nx_buf_str(&b);
	nx_str title = nx_document_title(NX_STR(""), text, true);
	ASSERT_TRUE(nx_str_eqz(title, "The Lake"));
	ASSERT_OK(nx_chunk(text, true, title, 300, a, &v, &n, NULL));
	ASSERT_EQ(n, 2);
	ASSERT_EQ(v[0].heading.n, 0);
	ASSERT_TRUE(nx_str_eqz(v[1].heading, "Fish"));
	ASSERT_EQ(check(text, true, 300), 2);
}

TEST(the_title_is_given_or_the_first_line)
{
	ASSERT_TRUE(nx_str_eqz(nx_document_title(NX_STR(" Given "), NX_STR("x"), false), "Given"));
	ASSERT_TRUE(nx_str_eqz(nx_document_title(NX_STR(""), NX_STR("\n\n First line \nsecond"), false), "First line"));
}

TEST(random_bytes_keep_the_invariants)
{
	static const char *const pieces[] = {" ", "\n",    "\n\n",  ".",  "! ", "a", "word ",
					     "ش", "# h\n", "```\n", "- ", "؟ ", "é"};
	nx_id_seed(7);
	for (int round = 0; round < 500; round++) {
		nx_auto_buf struct nx_buf b = NX_BUF_INIT;
		size_t n = nx_random_u64() % 400;
		for (size_t i = 0; i < n; i++)
			nx_buf_addz(&b, pieces[nx_random_u64() % nx_countof(pieces)]);
		check(nx_buf_str(&b), round & 1, 20 + (size_t)(nx_random_u64() % 100));
	}
	nx_id_seed(0);
}
