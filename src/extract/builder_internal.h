/* Text and blocks as they are put together by a decoder. The first failure stays, and finish tells it. */
#ifndef NX_EXTRACT_BUILDER_INTERNAL_H
#define NX_EXTRACT_BUILDER_INTERNAL_H

#include "extract/extract.h"

enum nx_builder_failure { NX_BUILT, NX_BUILT_NO_MEMORY, NX_BUILT_TOO_LONG, NX_BUILT_TOO_MANY };

struct nx_builder {
	struct nx_arena *arena;
	const struct nx_extract_limits *limits;
	struct nx_buf text, open; /* open: the block that is being filled */
	struct nx_block *blocks;
	size_t n, cap;
	struct nx_block block; /* kind, level and place of the open one */
	bool is_open, has_space;
	enum nx_builder_failure failure;
};
void nx_builder_init(struct nx_builder *b, struct nx_arena *a, const struct nx_extract_limits *l);
void nx_builder_done(struct nx_builder *b);
#define nx_auto_builder __attribute__((cleanup(nx_builder_done)))

/* Begins a block, after it has closed the open one. `place` 0: none. */
void nx_builder_open(struct nx_builder *b, enum nx_block_kind kind, unsigned level, size_t place);
/* Into the open block, or a new paragraph. White space becomes one space, in code it stays; control characters go. */
void nx_builder_add(struct nx_builder *b, nx_str s);
void nx_builder_line(struct nx_builder *b);                /* a line end within the block */
void nx_builder_close(struct nx_builder *b, size_t place); /* its last place; blocks without text vanish */
static inline bool nx_builder_failed(const struct nx_builder *b)
{
	return b->failure != NX_BUILT;
}
/* NX_ENOMEM, NX_ETOOBIG, NX_ELIMIT; NX_ETYPE when nothing was added. Text and blocks are the arena's. */
int nx_builder_finish(struct nx_builder *b, nx_str title, enum nx_place_unit unit, struct nx_extracted *ret,
		      struct nx_error **err);

#endif
