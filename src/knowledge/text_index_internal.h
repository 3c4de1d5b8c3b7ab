/* What the files of the text index share: a list of a term in one part, whichever part that is. */
#ifndef NX_KNOWLEDGE_TEXT_INDEX_INTERNAL_H
#define NX_KNOWLEDGE_TEXT_INDEX_INTERNAL_H

#include "knowledge/text_index.h"

struct nx_text_cursor {
	bool is_tail;
	union {
		struct nx_posting_cursor tail;
		struct nx_segment_cursor segment;
	};
};

static inline void nx_text_cursor_init(struct nx_text_cursor *c, const struct nx_text_part *p, uint32_t term)
{
	c->is_tail = p->tail != NULL;
	if (c->is_tail)
		nx_posting_cursor_init(&c->tail, &p->tail->postings, term);
	else
		nx_segment_cursor_init(&c->segment, p->segment, term);
}
static inline uint32_t nx_text_cursor_doc(const struct nx_text_cursor *c)
{
	return c->is_tail ? c->tail.slot : c->segment.doc;
}
static inline uint32_t nx_text_cursor_tf(struct nx_text_cursor *c)
{
	return c->is_tail ? nx_posting_cursor_tf(&c->tail) : nx_segment_cursor_tf(&c->segment);
}
static inline void nx_text_cursor_seek(struct nx_text_cursor *c, uint32_t doc)
{
	if (c->is_tail)
		nx_posting_cursor_seek(&c->tail, doc);
	else
		nx_segment_cursor_seek(&c->segment, doc);
}

/* Postings of a surface or a gram. */
static inline uint32_t nx_text_part_postings(const struct nx_text_part *p, uint32_t term)
{
	return p->segment ? nx_segment_df(p->segment, term) : nx_postings_df(&p->tail->postings, term);
}
static inline bool nx_text_part_is_stop(const struct nx_text_part *p, uint32_t surface)
{
	return (p->segment ? p->segment->terms[surface].flags : p->tail->terms[surface].flags) & NX_TEXT_STOP;
}
/* Calls `each` for the forms of a root; stops at the first false. */
static inline bool nx_text_part_forms(const struct nx_text_part *p, uint32_t root,
				      bool (*each)(void *ctx, uint32_t form), void *ctx)
{
	if (p->segment) {
		uint32_t n;
		uint32_t first = nx_segment_forms(p->segment, root, &n);
		for (uint32_t i = 0; i < n; i++)
			if (!each(ctx, first + i))
				return false;
		return true;
	}
	for (uint32_t f = p->tail->terms[root].form; f; f = p->tail->terms[f].form)
		if (!each(ctx, f))
			return false;
	return true;
}

#endif
