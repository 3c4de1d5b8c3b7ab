/* A passage that was found. */
#ifndef NX_KNOWLEDGE_SCORED_H
#define NX_KNOWLEDGE_SCORED_H

#include <stdint.h>

struct nx_scored {
	uint32_t slot;
	double score;
};

#endif
