#include "knowledge/postings.h"

#include "base/assert.h"

#define END UINT32_MAX

static uint32_t get_varint(const uint8_t **p)
{
	uint32_t v = 0;
	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = *(*p)++;
		v |= (uint32_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
}

static uint32_t block_count(const struct nx_posting_list *l, uint32_t block)
{
	return block + 1 < l->nblocks ? NX_POSTING_BLOCK : l->n - block * NX_POSTING_BLOCK;
}

static void decode(struct nx_posting_cursor *c)
{
	const struct nx_posting_list *l = c->list;
	const uint8_t *p = l->data + l->blocks[c->block].offset;
	uint32_t slot = c->block ? l->blocks[c->block - 1].last : 0;
	c->n = block_count(l, c->block);
	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t v = get_varint(&p);
		slot += v >> 1;
		c->slots[i] = slot;
		c->tfs[i] = v & 1 ? 1 : get_varint(&p);
	}
	c->at = 0;
	c->decoded = true;
}

void nx_posting_cursor_init(struct nx_posting_cursor *c, const struct nx_postings *p, uint32_t term)
{
	c->list = NULL;
	c->block = c->at = c->n = 0;
	c->slot = END;
	c->decoded = false;
	if (term >= p->nlists || p->lists[term].n == 0)
		return;
	c->list = &p->lists[term];
	if (!c->list->data) {
		c->n = 1;
		c->slots[0] = c->list->one.slot;
		c->tfs[0] = c->list->one.tf;
		c->decoded = true;
		c->slot = c->slots[0];
		return;
	}
	decode(c);
	c->slot = c->slots[0];
}

/* Moves to the block that may hold `slot`, without decoding it; false at the end. */
static bool seek_block(struct nx_posting_cursor *c, uint32_t slot)
{
	const struct nx_posting_list *l = c->list;
	uint32_t b = c->block, step = 1;
	if (l->blocks[b].last >= slot)
		return true;
	while (b + step < l->nblocks && l->blocks[b + step].last < slot) {
		b += step;
		step *= 2;
	}
	uint32_t hi = nx_min(b + step, l->nblocks);
	b++;
	while (b < hi) {
		uint32_t mid = b + (hi - b) / 2;
		if (l->blocks[mid].last < slot)
			b = mid + 1;
		else
			hi = mid;
	}
	if (b >= l->nblocks)
		return false;
	c->block = b;
	c->decoded = false;
	return true;
}

bool nx_posting_cursor_skip(struct nx_posting_cursor *c, uint32_t slot)
{
	return c->list->data && seek_block(c, slot);
}

void nx_posting_cursor_seek(struct nx_posting_cursor *c, uint32_t slot)
{
	if (c->slot >= slot)
		return;
	if (!c->list->data || !seek_block(c, slot)) {
		c->slot = END;
		return;
	}
	if (!c->decoded)
		decode(c);
	while (c->at < c->n && c->slots[c->at] < slot)
		c->at++;
	nx_debug_assert(c->at < c->n);
	c->slot = c->slots[c->at];
}
