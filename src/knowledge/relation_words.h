/*
 * Words that say how one thing is related to another, in groups that mean about the same: "mother" and "daughter",
 * "director" and "directed". A question that asks for a relation and a passage that states it share a group where they share
 * no word, and seldom a stem. English and Arabic.
 *
 * Pure; any thread.
 */
#ifndef NX_KNOWLEDGE_RELATION_WORDS_H
#define NX_KNOWLEDGE_RELATION_WORDS_H

#include "base/str.h"

#define NX_RELATION_NONE UINT8_MAX /* groups are less than 32 */

/* Of a stem, as nx_text_analyse gives it. */
uint8_t nx_relation_group(nx_str stem);

#endif
