#include "execution/process_internal.h"
#include "tests/unit/execution/sandbox_fixture.h"

static nx_str kept(const struct nx_ring *r, int64_t at, char *ret, size_t max)
{
	return nx_str_n(ret, nx_ring_read(r, &at, ret, max));
}

/* ---- the ring ---- */

TEST(a_ring_keeps_the_last_bytes_and_numbers_them)
{
	struct nx_ring r;
	char got[16];
	int64_t at = 0;
	nx_ring_init(&r, 8);
	ASSERT_EQ(nx_ring_read(&r, &at, got, sizeof(got)), 0);
	nx_ring_add(&r, "abcde", 5);
	ASSERT_TRUE(nx_str_eqz(kept(&r, 0, got, sizeof(got)), "abcde"));
	ASSERT_TRUE(nx_str_eqz(kept(&r, 3, got, sizeof(got)), "de"));
	nx_ring_add(&r, "fghij", 5);
	ASSERT_EQ(r.start, 2);
	ASSERT_EQ(r.end, 10);
	ASSERT_EQ(nx_ring_read(&r, &at, got, 3), 3);
	ASSERT_EQ(at, 2);
	ASSERT_TRUE(nx_str_eqz(nx_str_n(got, 3), "cde"));
	ASSERT_TRUE(nx_str_eqz(kept(&r, 7, got, sizeof(got)), "hij"));
	at = 99;
	ASSERT_EQ(nx_ring_read(&r, &at, got, sizeof(got)), 0);
	ASSERT_EQ(at, 10);
	nx_ring_done(&r);
}

TEST(what_is_longer_than_a_ring_leaves_its_end)
{
	struct nx_ring r;
	char got[8];
	nx_ring_init(&r, 4);
	nx_ring_add(&r, "x", 1);
	nx_ring_add(&r, "0123456789", 10);
	ASSERT_EQ(r.start, 7);
	ASSERT_EQ(r.end, 11);
	ASSERT_TRUE(nx_str_eqz(kept(&r, 0, got, sizeof(got)), "6789"));
	nx_ring_done(&r);
}

/* Against a line of all bytes, with pieces of every size around those at which it grows and turns. */
TEST(a_ring_is_the_end_of_the_sequence_however_it_came)
{
	enum { MAX = 10000, ALL = 60000 };
	struct nx_ring r;
	static char all[ALL], got[MAX];
	for (size_t i = 0; i < ALL; i++)
		all[i] = (char)(i * 7 + i / 251);
	for (size_t step = 1; step < 9000; step = step * 3 + 1) {
		nx_ring_init(&r, MAX);
		for (size_t at = 0; at < ALL; at += step) {
			nx_ring_add(&r, all + at, nx_min(step, ALL - at));
			ASSERT_TRUE(r.end - r.start <= MAX && r.cap <= MAX);
		}
		int64_t at = 0;
		size_t n = nx_ring_read(&r, &at, got, MAX);
		ASSERT_EQ(r.end, ALL);
		ASSERT_EQ(n, MAX);
		ASSERT_EQ(memcmp(got, all + at, n), 0);
		nx_ring_done(&r);
	}
}

TEST(a_page_ends_before_a_character_that_is_cut_off)
{
	ASSERT_EQ(nx_process_whole_text(NX_STR("")), 0);
	ASSERT_EQ(nx_process_whole_text(NX_STR("ab")), 2);
	ASSERT_EQ(nx_process_whole_text(NX_STR("a\xd8")), 1);
	ASSERT_EQ(nx_process_whole_text(NX_STR("a\xd8\xb3")), 3);
	ASSERT_EQ(nx_process_whole_text(NX_STR("\xe2\x82")), 0);
	ASSERT_EQ(nx_process_whole_text(NX_STR("\xf0\x9f\x98")), 0);
	ASSERT_EQ(nx_process_whole_text(NX_STR("\xf0\x9f\x98\x80")), 4);
	ASSERT_EQ(nx_process_whole_text(NX_STR("\x80\x80\x80\x80")), 4); /* no character begins there */
}

/* ---- words ---- */

static struct nx_process_word word(uint32_t type)
{
	return (struct nx_process_word){.magic = NX_PROCESS_MAGIC, .type = type, .number = 7};
}

static bool is_read(const struct nx_process_word *w)
{
	struct nx_process_word got;
	return nx_process_word_read(w, sizeof(*w), &got) == NULL;
}

TEST(a_word_is_read_within_its_ranges)
{
	struct nx_process_word w = word(NX_PROCESS_STARTED);
	ASSERT_FALSE(is_read(&w));
	w.pid = 1;
	ASSERT_FALSE(is_read(&w));
	w.pid = 2;
	ASSERT_TRUE(is_read(&w));
	w = word(NX_PROCESS_FAILED);
	ASSERT_FALSE(is_read(&w));
	w.errnum = 2;
	ASSERT_TRUE(is_read(&w));
	w.errnum = 4096;
	ASSERT_FALSE(is_read(&w));
	w = word(NX_PROCESS_ENDED);
	ASSERT_TRUE(is_read(&w));
	w.wait_status = 0x137f; /* stopped, which is no end */
	ASSERT_FALSE(is_read(&w));
	w.wait_status = 9;
	w.cpu_us = -1;
	ASSERT_FALSE(is_read(&w));
}

TEST(what_is_no_word_is_refused)
{
	struct nx_process_word w = word(NX_PROCESS_ENDED), got;
	ASSERT_NOT_NULL(nx_process_word_read(&w, sizeof(w) - 1, &got));
	ASSERT_NOT_NULL(nx_process_word_read(&w, 0, &got));
	w.magic++;
	ASSERT_FALSE(is_read(&w));
	w = word(NX_PROCESS_ENDED);
	w.number = 0;
	ASSERT_FALSE(is_read(&w));
	w = word(4);
	ASSERT_FALSE(is_read(&w));
}

TEST(texts_come_back_as_they_were_added)
{
	char texts[8], *split[NX_PROCESS_TEXTS_MAX + 1];
	size_t used = 0;
	memset(texts, 'x', sizeof(texts));
	ASSERT_TRUE(nx_process_text_add(texts, sizeof(texts), &used, "ab", 2));
	ASSERT_TRUE(nx_process_text_add(texts, sizeof(texts), &used, "", 0));
	ASSERT_FALSE(nx_process_text_add(texts, sizeof(texts), &used, "cdef", 4));
	ASSERT_FALSE(nx_process_text_add(texts, sizeof(texts), &used, "c\0", 2));
	ASSERT_TRUE(nx_process_text_add(texts, sizeof(texts), &used, "cde", 3));
	ASSERT_FALSE(nx_process_text_add(texts, sizeof(texts), &used, "", 0));
	ASSERT_TRUE(nx_process_texts_split(texts, sizeof(texts), 3, split));
	ASSERT_STREQ(split[0], "ab");
	ASSERT_STREQ(split[1], "");
	ASSERT_STREQ(split[2], "cde");
	ASSERT_NULL(split[3]);
	ASSERT_FALSE(nx_process_texts_split(texts, sizeof(texts), 4, split));
	texts[7] = 'x';
	ASSERT_FALSE(nx_process_texts_split(texts, sizeof(texts), 3, split));
	ASSERT_FALSE(nx_process_texts_split(texts, sizeof(texts), NX_PROCESS_TEXTS_MAX + 1, split));
}
