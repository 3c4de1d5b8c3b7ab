/*
 * Cuts a document into chunks: slices of its text of about `target` bytes that begin and end with a sentence.
 *
 * Markdown is cut at its headings first (not inside code fences); a section shorter than a third of the target goes on
 * in the same chunk. A remainder shorter than a quarter of the target joins the chunk before it. A sentence longer than
 * one and a half targets is cut at a space, or inside a word when it has none, never inside a code point.
 *
 * Invariants, checked by the tests and the fuzzer: chunks are in order and do not overlap; no chunk is empty or blank;
 * none is longer than two targets; everything outside the chunks is white space.
 */
#ifndef NX_KNOWLEDGE_CHUNKER_H
#define NX_KNOWLEDGE_CHUNKER_H

#include "base/str.h"
#include "extract/extract.h"

struct nx_chunk_span {
	uint32_t start, length; /* bytes of the document's text */
	nx_str heading;         /* the section it begins in; empty when there is none, or it is the document's title */
	uint32_t from, to;      /* place in the source, as of nx_block; 0: none */
};

/* The document's title: `given` when it is not blank, else the first Markdown heading, else the first line, cut to 200
 * bytes at a word. Borrows. */
nx_str nx_document_title(nx_str given, nx_str text, bool markdown);

int nx_chunk(nx_str text, bool markdown, nx_str title, size_t target, struct nx_arena *a, struct nx_chunk_span **ret,
	     size_t *ret_n, struct nx_error **err);

/* The same for a text whose outline is known. Blocks are kept whole where they fit; a chunk ends before a heading, or a
 * definition in code, as it does before a heading of Markdown. */
int nx_chunk_blocks(nx_str text, const struct nx_block *blocks, size_t nblocks, nx_str title, size_t target,
		    struct nx_arena *a, struct nx_chunk_span **ret, size_t *ret_n, struct nx_error **err);

#endif
