/*
 * Text analysis: words, their folded forms, their stems, sentences.
 *
 * A word has two indexed forms:
 *   surface  folded lightly: lower case, compatibility forms and accents gone, and in Arabic no marks, no tatweel, one
 *            alef, Persian letters as Arabic ones; the difference of ى/ي and ة/ه stays
 *   stem     English: Snowball's English stemmer (Porter2). Arabic: the rules of Lucene's ArabicStemmer with the changes
 *            that its known mistakes call for (stem.c); the index cuts it into 4-grams
 * Names that the rules would damage are exempt from stemming; since the surface is always indexed too, an exemption that
 * one side applies and the other does not costs weight, never the match. The script of a word, not the language of
 * the text, chooses the rules, so that queries and passages always agree.
 *
 * All functions are pure and need no lock; a stemmer belongs to one thread at a time.
 */
#ifndef NX_KNOWLEDGE_TEXT_H
#define NX_KNOWLEDGE_TEXT_H

#include "base/str.h"

/* Longest folded form in bytes; what is longer is cut at a code point. */
#define NX_WORD_MAX 64

enum {
	NX_W_CAPITAL = 1, /* begins with an upper-case letter */
	NX_W_UPPER = 2,   /* at least two letters, none of them lower case */
	NX_W_DIGIT = 4,   /* begins with a digit */
	NX_W_ARABIC = 8,  /* begins with a letter of the Arabic script */
	NX_W_FIRST = 16,  /* first of a sentence or line */
	NX_W_STOP = 32,   /* a stop word (set by nx_text_analyse) */
	NX_W_NAME = 64    /* exempt from stemming (set by nx_text_analyse) */
};

struct nx_word {
	uint32_t start, length; /* bytes */
	uint32_t flags;
};

/* Words of a valid UTF-8 text shorter than 4 GiB: letters, marks and digits; an apostrophe between letters and a point or
 * comma between digits belong to the word. Han, Hiragana and Katakana signs are a word each. */
struct nx_words {
	nx_str text;
	size_t at;
	bool fresh;
};
void nx_words_init(struct nx_words *w, nx_str text);
bool nx_words_next(struct nx_words *w, struct nx_word *ret);

/* The surface form; returns its length, 0 when nothing is left. */
size_t nx_word_fold(nx_str word, char ret[NX_WORD_MAX]);

struct nx_stemmer;
struct nx_stemmer *nx_stemmer_new(void); /* NULL when out of memory */
void nx_stemmer_free(struct nx_stemmer *s);
static inline void nx_stemmer_freep(struct nx_stemmer **s)
{
	nx_stemmer_free(*s);
}
#define nx_auto_stemmer __attribute__((cleanup(nx_stemmer_freep)))

/* Stem of a surface form. */
size_t nx_word_stem(struct nx_stemmer *s, nx_str surface, uint32_t flags, char ret[NX_WORD_MAX]);
/* The full Arabic normalisation without stemming: ى→ي, ة→ه, ؤ→و, ئ→ي on a surface form. */
size_t nx_arabic_normalise(nx_str surface, char ret[NX_WORD_MAX]);
bool nx_arabic_exempt(nx_str surface);

bool nx_stop_word(nx_str surface, uint32_t flags);

/* A word as the index sees it; strings are in the arena. */
struct nx_term {
	nx_str surface, stem;
	uint32_t start, length, flags;
};
int nx_text_analyse(struct nx_stemmer *s, nx_str text, struct nx_arena *a, struct nx_term **ret, size_t *ret_n,
		    struct nx_error **err);

/* Calls `each` for the parts of a stem that are indexed: itself, or in Arabic its 4-grams. Stops at the first false. */
bool nx_stem_parts(nx_str stem, bool arabic, bool (*each)(void *ctx, nx_str part), void *ctx);

/* "ar" when most letters are Arabic, "en" when Latin text has English stop words as English does, else "und". */
const char *nx_text_language(nx_str text);

/* Sentences: an end mark followed by space and what may begin a sentence, or a blank line, or a line of a list.
 * Abbreviations ("Dr.", "St."), initials and decimals do not end one. Spans are trimmed. */
struct nx_span_bytes {
	uint32_t start, length;
};
int nx_text_sentences(nx_str text, struct nx_arena *a, struct nx_span_bytes **ret, size_t *ret_n,
		      struct nx_error **err);

#endif
