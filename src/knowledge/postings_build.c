#include "knowledge/postings.h"

#include "base/assert.h"
#include "base/fault.h"

/* Two varints of 32 bits. */
#define POSTING_MAX 10

void nx_postings_init(struct nx_postings *p)
{
	*p = (struct nx_postings){0};
}

void nx_postings_done(struct nx_postings *p)
{
	for (uint32_t i = 0; i < p->nlists; i++) {
		free(p->lists[i].data);
		free(p->lists[i].blocks);
	}
	free(p->lists);
	free(p->lengths);
	*p = (struct nx_postings){0};
}

/* The pointer after growth, or NULL. */
static void *grown(void *v, uint32_t *cap, uint32_t need, size_t size)
{
	if (need <= *cap)
		return v;
	uint64_t n = nx_max((uint64_t)*cap + *cap / 2, (uint64_t)need + 8);
	size_t bytes;
	if (n > UINT32_MAX || nx_mul_overflows((size_t)n, size, &bytes))
		return NULL;
	void *q = realloc(v, bytes);
	if (q)
		*cap = (uint32_t)n;
	return q;
}

static bool reserve_lists(struct nx_postings *p, uint32_t need)
{
	void *v = grown(p->lists, &p->lists_cap, need, sizeof(*p->lists));
	if (!v)
		return false;
	p->lists = v;
	if (need > p->nlists) {
		memset(p->lists + p->nlists, 0, (need - p->nlists) * sizeof(*p->lists));
		p->nlists = need;
	}
	return true;
}

static bool reserve_slots(struct nx_postings *p, uint32_t need)
{
	void *v = grown(p->lengths, &p->slots_cap, need, sizeof(*p->lengths));
	if (!v)
		return false;
	p->lengths = v;
	if (need > p->nslots) {
		memset(p->lengths + p->nslots, 0, (need - p->nslots) * sizeof(*p->lengths));
		p->nslots = need;
	}
	return true;
}

static uint32_t put_varint(uint8_t *p, uint32_t v)
{
	uint32_t n = 0;
	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

/* Gap and frequency: the lowest bit of the first number says that the frequency is 1, as it mostly is. */
static void append(struct nx_posting_list *l, uint32_t slot, uint32_t tf, uint32_t length)
{
	uint32_t in_block = l->n % NX_POSTING_BLOCK;
	if (in_block == 0) {
		uint32_t first = l->nblocks ? l->blocks[l->nblocks - 1].last : 0;
		l->blocks[l->nblocks++] =
			(struct nx_posting_block){.last = first, .offset = l->bytes, .min_length = UINT32_MAX};
	}
	struct nx_posting_block *b = &l->blocks[l->nblocks - 1];
	uint32_t gap = slot - b->last;
	nx_debug_assert(gap < UINT32_C(1) << 31);
	l->bytes += put_varint(l->data + l->bytes, gap << 1 | (tf == 1));
	if (tf != 1)
		l->bytes += put_varint(l->data + l->bytes, tf);
	b->last = slot;
	b->max_tf = nx_max(b->max_tf, tf);
	b->min_length = nx_min(b->min_length, length);
	l->n++;
}

/* Turns the single posting into a block. */
static bool unfold_one(struct nx_posting_list *l, const uint32_t *lengths)
{
	uint8_t *data = malloc(2 * POSTING_MAX);
	struct nx_posting_block *blocks = malloc(sizeof(*blocks));
	if (!data || !blocks) {
		free(data);
		free(blocks);
		return false;
	}
	uint32_t slot = l->one.slot, tf = l->one.tf;
	*l = (struct nx_posting_list){.bytes_cap = 2 * POSTING_MAX, .data = data, .blocks = blocks};
	append(l, slot, tf, lengths[slot]);
	return true;
}

static bool reserve_block(struct nx_posting_list *l)
{
	bool full = (l->nblocks & (l->nblocks - 1)) == 0; /* a power of two of them: there is room for no more */
	if (l->n % NX_POSTING_BLOCK != 0 || !full)
		return true;
	struct nx_posting_block *b = realloc(l->blocks, 2 * (size_t)l->nblocks * sizeof(*b));
	if (b)
		l->blocks = b;
	return b != NULL;
}

/* Room for one more posting, so that adding it cannot fail. */
static bool reserve_posting(struct nx_posting_list *l, const uint32_t *lengths)
{
	if (l->n == 0)
		return true;
	if (!l->data && !unfold_one(l, lengths))
		return false;
	if (!reserve_block(l))
		return false;
	void *v = grown(l->data, &l->bytes_cap, l->bytes + POSTING_MAX, 1);
	if (v)
		l->data = v;
	return v != NULL;
}

static void add_posting(struct nx_posting_list *l, uint32_t slot, uint32_t tf, uint32_t length)
{
	if (l->n == 0) {
		l->one.slot = slot;
		l->one.tf = tf;
		l->n = 1;
	} else {
		append(l, slot, tf, length);
	}
}

int nx_postings_add(struct nx_postings *p, uint32_t slot, const struct nx_term_freq *t, size_t n, uint32_t length,
		    struct nx_error **err)
{
	nx_assert(slot >= p->nslots && slot < UINT32_C(1) << 31);
	uint32_t top = 0;
	for (size_t i = 0; i < n; i++)
		top = nx_max(top, t[i].term);
	if (NX_FAULT(index_add) || !reserve_lists(p, top + 1) || !reserve_slots(p, slot + 1))
		return nx_error_set(err, NX_ENOMEM, "no memory for the text index");
	for (size_t i = 0; i < n; i++)
		if (!reserve_posting(&p->lists[t[i].term], p->lengths))
			return nx_error_set(err, NX_ENOMEM, "no memory for the text index");

	p->lengths[slot] = length;
	p->total_length += length;
	p->npassages++;
	for (size_t i = 0; i < n; i++)
		add_posting(&p->lists[t[i].term], slot, t[i].tf, length);
	return 0;
}

size_t nx_postings_bytes(const struct nx_postings *p)
{
	size_t n = p->lists_cap * sizeof(*p->lists) + p->slots_cap * sizeof(*p->lengths);
	for (uint32_t i = 0; i < p->nlists; i++)
		if (p->lists[i].data)
			n += p->lists[i].bytes_cap + p->lists[i].nblocks * sizeof(struct nx_posting_block);
	return n;
}
