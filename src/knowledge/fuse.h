/*
 * Hybrid ranking: words, vectors and graph together. No language model, at index or at query time.
 *
 *   fused     the best passages by BM25 and by cosine, each scaled to 0…1, half and half. A question in Arabic goes by words
 *             alone where the encoder knows no Arabic
 *   restart   the ten best fused, to the third power (their lead counts, not their number), and the passages whose title
 *             the question says, longest title first, with weight 2 shared among those that bear it
 *   rank      personalised PageRank over the subgraph around them, plus 0.3 · fused
 *   cover     what the eight best passages leave of the question is looked for among their neighbours: for anchor a and
 *             neighbour n, score(a)/best · weight of the edge · (idf share of the question's words that n holds and a does
 *             not, plus 0.6 · cosine(question, n)); the most over a is added to n's score
 * The idea of PageRank from passages and names is HippoRAG's (Gutiérrez et al. 2024), without its extracted triples; the cover
 * step stands for a second hop's query. The constants are round numbers that held on three data sets alike; bench/retrieval
 * measures them (2WikiMultihopQA, 500 questions: R@5 93.5).
 */
#ifndef NX_KNOWLEDGE_FUSE_H
#define NX_KNOWLEDGE_FUSE_H

#include "knowledge/knowledge_internal.h"

struct nx_candidate {
	uint32_t slot;
	double text, vector; /* BM25; cosine, NaN: the passage or the query has none */
	double fused, rank, cover, score;
	uint32_t from; /* slot of the anchor that led here; NX_MAP_NONE: none */
};

/* Ranked candidates, best first, before filters; under the partition's lock. `with_vectors` false: graph mode. */
int nx_fuse(struct nx_search_run *r, const struct nx_term *t, size_t n, bool with_vectors, struct nx_candidate **ret,
	    size_t *ret_n, struct nx_error **err);

#endif
