#include "knowledge/text_internal.h"

#include <unictype.h>

/* Share of English function words above which Latin text counts as English; prose has 0.35 to 0.5, other languages that
 * share a few of them ("an", "in", "was") stay below 0.15. */
#define ENGLISH_STOP_SHARE 0.18
#define LANGUAGE_SAMPLE 400

/* A name in the middle of a sentence keeps its form: "Williams" is not "William". */
static bool is_exempt_name(const struct nx_word *w)
{
	return (w->flags & NX_W_UPPER) || ((w->flags & NX_W_CAPITAL) && !(w->flags & NX_W_FIRST));
}

/* What is known of a word depends on its bytes alone. */
static struct nx_known_word *known_word(struct nx_stemmer *s, nx_str raw)
{
	return &s->known[nx_str_hash(raw) % NX_KNOWN_WORDS];
}

static bool is_known(const struct nx_known_word *k, nx_str raw)
{
	return k->raw_n == raw.n && memcmp(k->raw, raw.p, raw.n) == 0;
}

static void learn(struct nx_stemmer *s, nx_str raw, const struct nx_term *t)
{
	struct nx_known_word *k = known_word(s, raw);
	if (raw.n > NX_KNOWN_MAX || t->surface.n > NX_KNOWN_MAX || t->stem.n > NX_KNOWN_MAX)
		return;
	k->raw_n = (uint8_t)raw.n;
	k->surface_n = (uint8_t)t->surface.n;
	k->stem_n = (uint8_t)t->stem.n;
	k->is_stop = t->flags & NX_W_STOP;
	memcpy(k->raw, raw.p, raw.n);
	memcpy(k->surface, t->surface.p, t->surface.n);
	memcpy(k->stem, t->stem.p, t->stem.n);
}

/* Both forms in the arena; a stem is mostly the beginning of its surface. */
static bool keep_forms(struct nx_arena *a, nx_str surface, nx_str stem, struct nx_term *ret)
{
	ret->surface = nx_str_dup(a, surface);
	bool is_beginning = stem.n <= surface.n && memcmp(stem.p, surface.p, stem.n) == 0;
	ret->stem = is_beginning ? nx_str_slice(ret->surface, 0, stem.n) : nx_str_dup(a, stem);
	return ret->surface.p && ret->stem.p;
}

/* 1; 0: nothing is left of the word; NX_ENOMEM. */
static int analyse_word(struct nx_stemmer *s, nx_str raw, const struct nx_word *w, struct nx_arena *a,
			struct nx_term *ret)
{
	char surface[NX_WORD_MAX], stem[NX_WORD_MAX];
	*ret = (struct nx_term){.start = w->start, .length = w->length, .flags = w->flags};
	if (is_exempt_name(w))
		ret->flags |= NX_W_NAME;
	const struct nx_known_word *k = known_word(s, raw);
	if (is_known(k, raw)) {
		ret->flags |= k->is_stop ? NX_W_STOP : 0;
		return keep_forms(a, nx_str_n(k->surface, k->surface_n), nx_str_n(k->stem, k->stem_n), ret) ? 1
													    : NX_ENOMEM;
	}
	size_t n = nx_word_fold(raw, surface);
	if (n == 0)
		return 0;
	if (nx_stop_word(nx_str_n(surface, n), w->flags))
		ret->flags |= NX_W_STOP;
	size_t m = nx_word_stem(s, nx_str_n(surface, n), w->flags, stem);
	if (!keep_forms(a, nx_str_n(surface, n), nx_str_n(stem, m), ret))
		return NX_ENOMEM;
	learn(s, raw, ret);
	return 1;
}

/* The words of a text, in the stemmer. */
static bool find_words(struct nx_stemmer *s, nx_str text, size_t *ret_n)
{
	struct nx_words it;
	struct nx_word w;
	*ret_n = 0;
	nx_words_init(&it, text);
	while (nx_words_next(&it, &w)) {
		if (*ret_n == s->words_cap) {
			size_t cap = s->words_cap ? 2 * s->words_cap : 256;
			struct nx_word *v = realloc(s->words, cap * sizeof(*v));
			if (!v)
				return false;
			s->words = v;
			s->words_cap = cap;
		}
		s->words[(*ret_n)++] = w;
	}
	return true;
}

int nx_text_analyse(struct nx_stemmer *s, nx_str text, struct nx_arena *a, struct nx_term **ret, size_t *ret_n,
		    struct nx_error **err)
{
	size_t n, k = 0;
	struct nx_term *t = find_words(s, text, &n) ? nx_arena_array(a, struct nx_term, n + 1) : NULL;
	if (!t)
		return nx_error_set(err, NX_ENOMEM, "no memory for the words of a text");
	for (size_t i = 0; i < n; i++) {
		const struct nx_word *w = &s->words[i];
		int r = analyse_word(s, nx_str_n(text.p + w->start, w->length), w, a, &t[k]);
		if (r < 0)
			return nx_error_set(err, NX_ENOMEM, "no memory for a word");
		k += (size_t)r;
	}
	*ret = t;
	*ret_n = k;
	return 0;
}

const char *nx_text_language(nx_str text)
{
	struct nx_words it;
	struct nx_word w;
	size_t words = 0, arabic = 0, latin = 0, stops = 0;
	nx_words_init(&it, text);
	while (words < LANGUAGE_SAMPLE && nx_words_next(&it, &w)) {
		char form[NX_WORD_MAX];
		size_t n = nx_word_fold(nx_str_n(text.p + w.start, w.length), form);
		words++;
		if (w.flags & NX_W_ARABIC)
			arabic++;
		else if (n && (form[0] | 32) >= 'a' && (form[0] | 32) <= 'z')
			latin++;
		if (nx_stop_word(nx_str_n(form, n), w.flags & ~(uint32_t)NX_W_ARABIC))
			stops++;
	}
	if (arabic > latin)
		return "ar";
	return latin && (double)stops >= ENGLISH_STOP_SHARE * (double)latin ? "en" : "und";
}
