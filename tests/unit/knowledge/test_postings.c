#include "base/id.h"
#include "knowledge/postings.h"
#include "tests/unit/nx_test.h"

#define TERMS 300
#define PASSAGES 3000

static uint32_t tfs[PASSAGES][TERMS + 1];

/* Terms with a frequency like words have: a few everywhere, most rarely. */
static void fill(struct nx_postings *p)
{
	memset(tfs, 0, sizeof(tfs));
	for (uint32_t passage = 0; passage < PASSAGES; passage++) {
		struct nx_term_freq t[64];
		size_t n = 0;
		uint32_t length = 0;
		for (uint32_t term = 1; term <= TERMS && n < 64; term++) {
			if (nx_random_unit() >= 0.9 / term + 0.004)
				continue;
			tfs[passage][term] = 1 + (uint32_t)(nx_random_u64() % 4 == 0) * 3;
			length += tfs[passage][term];
			t[n++] = (struct nx_term_freq){term, tfs[passage][term]};
		}
		ASSERT_OK(nx_postings_add(p, passage * 3 + 1, t, n, length, NULL));
	}
}

TEST(lists_come_back_as_they_went_in)
{
	struct nx_postings p;
	nx_id_seed(1);
	nx_postings_init(&p);
	fill(&p);
	for (uint32_t term = 1; term <= TERMS; term++) {
		struct nx_posting_cursor c;
		uint32_t n = 0;
		nx_posting_cursor_init(&c, &p, term);
		for (uint32_t passage = 0; passage < PASSAGES; passage++) {
			if (tfs[passage][term] == 0)
				continue;
			ASSERT_EQ(c.slot, passage * 3 + 1);
			ASSERT_EQ(nx_posting_cursor_tf(&c), tfs[passage][term]);
			nx_posting_cursor_seek(&c, c.slot + 1);
			n++;
		}
		ASSERT_EQ(c.slot, UINT32_MAX);
		ASSERT_EQ(nx_postings_df(&p, term), n);
	}
	nx_postings_done(&p);
	nx_id_seed(0);
}

TEST(a_seek_goes_to_the_first_that_is_not_before)
{
	struct nx_postings p;
	nx_id_seed(2);
	nx_postings_init(&p);
	fill(&p);
	for (int round = 0; round < 2000; round++) {
		struct nx_posting_cursor c;
		uint32_t term = 1 + (uint32_t)(nx_random_u64() % TERMS),
			 slot = (uint32_t)(nx_random_u64() % (3 * PASSAGES));
		uint32_t want = UINT32_MAX;
		for (uint32_t passage = PASSAGES; passage-- > 0 && passage * 3 + 1 >= slot;)
			want = tfs[passage][term] ? passage * 3 + 1 : want;
		nx_posting_cursor_init(&c, &p, term);
		nx_posting_cursor_seek(&c, slot);
		ASSERT_EQ(c.slot, want);
	}
	nx_postings_done(&p);
	nx_id_seed(0);
}

TEST(blocks_know_their_greatest_frequency_and_their_shortest_passage)
{
	struct nx_postings p;
	nx_postings_init(&p);
	for (uint32_t s = 0; s < 1000; s++)
		ASSERT_OK(nx_postings_add(&p, s, &(struct nx_term_freq){1, 1 + s % 100}, 1, 500 - s % 100, NULL));
	const struct nx_posting_list *l = &p.lists[1];
	ASSERT_EQ(l->nblocks, (1000 + NX_POSTING_BLOCK - 1) / NX_POSTING_BLOCK);
	for (uint32_t b = 0; b < l->nblocks; b++) {
		uint32_t max_tf = 0, min_length = UINT32_MAX;
		for (uint32_t s = b * NX_POSTING_BLOCK; s <= l->blocks[b].last; s++) {
			max_tf = max_tf > 1 + s % 100 ? max_tf : 1 + s % 100;
			min_length = min_length < 500 - s % 100 ? min_length : 500 - s % 100;
		}
		ASSERT_EQ(l->blocks[b].max_tf, max_tf);
		ASSERT_EQ(l->blocks[b].min_length, min_length);
	}
	nx_postings_done(&p);
}
