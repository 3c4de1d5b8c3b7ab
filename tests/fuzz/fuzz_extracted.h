/* What every decoder promises of what it found. */
#ifndef NX_FUZZ_EXTRACTED_H
#define NX_FUZZ_EXTRACTED_H

#include "base/assert.h"
#include "extract/extract.h"

static inline void check_extracted(const struct nx_extracted *x)
{
	size_t at = 0;
	nx_assert(nx_utf8_valid(x->text) && nx_utf8_valid(x->title) && x->nblocks > 0);
	for (size_t i = 0; i < x->nblocks; i++) {
		const struct nx_block *b = &x->blocks[i];
		nx_assert(b->start >= at && b->length > 0 && b->from <= b->to);
		nx_assert(nx_str_trim(nx_str_slice(x->text, at, b->start)).n == 0);
		at = (size_t)b->start + b->length;
		nx_assert(at <= x->text.n);
	}
	nx_assert(at == x->text.n);
}

#endif
