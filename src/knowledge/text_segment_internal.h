/* What the files of text segments share. */
#ifndef NX_KNOWLEDGE_TEXT_SEGMENT_INTERNAL_H
#define NX_KNOWLEDGE_TEXT_SEGMENT_INTERNAL_H

#include "knowledge/text_segment.h"

/* What a segment is put together from; borrowed. */
struct nx_segment_parts {
	uint32_t n, nterms;
	uint64_t total_length;
	const int64_t *keys;
	const uint16_t *lengths;
	const struct nx_segment_term *terms;
	const struct nx_segment_list *lists;
	const uint8_t *postings;
	const char *names;
	size_t postings_bytes, names_bytes;
};
int nx_segment_assemble(const struct nx_segment_parts *p, struct nx_segment **ret, struct nx_error **err);

#endif
