/* What the files of hybrid ranking share. */
#ifndef NX_KNOWLEDGE_FUSE_INTERNAL_H
#define NX_KNOWLEDGE_FUSE_INTERNAL_H

#include "knowledge/asked.h"
#include "knowledge/fuse.h"

#define NX_FUSED_WEIGHT 0.3
#define NX_QUESTION_WORDS_MAX 64

struct nx_fusion {
	struct nx_search_run *r;
	const struct nx_partition *p;
	struct nx_arena *a;
	struct nx_asked asked;
	bool has_vectors;
	double vector_share;
	struct nx_hnsw_query q;

	struct nx_candidate *v;
	size_t n, cap;
	struct nx_map by_slot; /* slot + 1 → candidate */

	double text_max, vector_min, vector_max; /* of the first candidates; what comes later is scaled alike */

	/* The question's words. */
	nx_str roots[NX_QUESTION_WORDS_MAX];
	double idf[NX_QUESTION_WORDS_MAX], idf_sum;
	uint32_t nwords;
};

/* The candidate of a slot, new when it is not there; NULL when out of memory. Others may move. */
struct nx_candidate *nx_fusion_add(struct nx_fusion *f, uint32_t slot);
/* Scores of the candidates from `from` on, and which of the question's words they hold. */
int nx_fusion_score(struct nx_fusion *f, size_t from, struct nx_error **err);
/* By score. */
void nx_fusion_sort(struct nx_fusion *f);
double nx_fusion_idf_share(const struct nx_fusion *f, uint64_t words);
int nx_fusion_no_memory(struct nx_error **err);

/* hops.c: what the best passages lead to is added to the scores. */
int nx_fusion_hop(struct nx_fusion *f, struct nx_error **err);

/* hops_read.c: what a passage leads to. */
struct nx_lead {
	uint32_t slot;
	float weight;
	float relation; /* 0…1: how near to what leads there a word stands that says what the question asks for */
};
struct nx_leads {
	struct nx_lead *v;
	size_t n, cap;
};
int nx_leads_read(struct nx_fusion *f, struct nx_stemmer *s, uint32_t slot, struct nx_leads *ret,
		  struct nx_error **err);

#endif
