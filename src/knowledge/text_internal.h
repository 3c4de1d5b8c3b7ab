/* What the files of text analysis share. */
#ifndef NX_KNOWLEDGE_TEXT_INTERNAL_H
#define NX_KNOWLEDGE_TEXT_INTERNAL_H

#include "knowledge/text.h"

/* A word as it was written, and what became of it. Most words of a text have been seen a moment ago. */
#define NX_KNOWN_WORDS 4096
#define NX_KNOWN_MAX 20 /* bytes of each */
struct nx_known_word {
	uint8_t raw_n, surface_n, stem_n; /* raw_n 0: nothing is known */
	bool is_stop;
	char raw[NX_KNOWN_MAX], surface[NX_KNOWN_MAX], stem[NX_KNOWN_MAX];
};

struct nx_stemmer {
	struct sb_stemmer *english;
	struct nx_known_word known[NX_KNOWN_WORDS];
	struct nx_word *words; /* of the text in hand */
	size_t words_cap;
	struct nx_stemmer *next;
};

#endif
