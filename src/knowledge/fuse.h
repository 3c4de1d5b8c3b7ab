/*
 * Hybrid ranking: words, vectors and graph together. No language model, at index or at query time.
 *
 *   fused     the best passages by BM25 and by cosine, each scaled to 0…1, half and half. A question in Arabic goes by words
 *             alone where the encoder knows no Arabic
 *   restart   the ten best fused, to the third power (their lead counts, not their number), and the passages of the
 *             documents that the question names (asked.h), with weight 2 shared among those of one title
 *   rank      personalised PageRank over the subgraph around them, plus 0.3 · fused; the best passage of each document that
 *             is named gets 0.4 · how rare its title is in the text besides
 *   hops      two rounds. What the eight best passages lead to (hops_read.c) is judged by what they leave of the question:
 *             strength of the passage / best · weight of the lead · (idf share of the question's words that the other one
 *             holds and the way to it does not, + 0.8 · its cosine, + 0.4 · how near to the lead a word stands that says the
 *             relation which the question asks for: relation_words.h). The most over all leads is added to its score; in
 *             the second round it is worth 0.7
 * The idea of PageRank from passages and names is HippoRAG's (Gutiérrez et al. 2024), without its extracted triples; hops stand
 * for the queries that a language model would write, and relation words for the facts that it would extract. The constants
 * are round numbers in the middle of where nothing changes much, chosen on half of 2WikiMultihopQA's questions;
 * bench/retrieval measures them.
 */
#ifndef NX_KNOWLEDGE_FUSE_H
#define NX_KNOWLEDGE_FUSE_H

#include "knowledge/knowledge_internal.h"

struct nx_candidate {
	uint32_t slot;
	double text, vector; /* BM25; cosine, NaN: the passage or the query has none */
	double fused, rank, cover, score;
	uint64_t words, way; /* of the question: that it holds; that it and the way to it hold */
	uint32_t from;       /* slot of the passage that led here; NX_MAP_NONE: none */
	uint32_t before;     /* of the one that led there */
};

/* Ranked candidates, best first, before filters; under the partition's lock. `with_vectors` false: graph mode. */
int nx_fuse(struct nx_search_run *r, const struct nx_term *t, size_t n, bool with_vectors, struct nx_candidate **ret,
	    size_t *ret_n, struct nx_error **err);

#endif
