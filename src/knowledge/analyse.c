#include "knowledge/text.h"

#include <unictype.h>

/* Share of English function words above which Latin text counts as English; prose has 0.35 to 0.5, other languages that
 * share a few of them ("an", "in", "was") stay below 0.15. */
#define ENGLISH_STOP_SHARE 0.18
#define LANGUAGE_SAMPLE 400

static nx_str dup_form(struct nx_arena *a, const char *p, size_t n)
{
	return nx_str_dup(a, nx_str_n(p, n));
}

/* A name in the middle of a sentence keeps its form: "Williams" is not "William". */
static bool is_exempt_name(const struct nx_word *w)
{
	return (w->flags & NX_W_UPPER) || ((w->flags & NX_W_CAPITAL) && !(w->flags & NX_W_FIRST));
}

static int analyse_word(struct nx_stemmer *s, nx_str text, const struct nx_word *w, struct nx_arena *a,
			struct nx_term *ret)
{
	char surface[NX_WORD_MAX], stem[NX_WORD_MAX];
	size_t n = nx_word_fold(nx_str_n(text.p + w->start, w->length), surface);
	*ret = (struct nx_term){.start = w->start, .length = w->length, .flags = w->flags};
	if (n == 0)
		return 0;
	ret->surface = dup_form(a, surface, n);
	if (nx_stop_word(ret->surface, w->flags))
		ret->flags |= NX_W_STOP;
	if (is_exempt_name(w))
		ret->flags |= NX_W_NAME;
	size_t k = nx_word_stem(s, nx_str_n(surface, n), w->flags, stem);
	ret->stem = k == n && memcmp(stem, surface, n) == 0 ? ret->surface : dup_form(a, stem, k);
	return ret->surface.p && ret->stem.p ? 1 : NX_ENOMEM;
}

int nx_text_analyse(struct nx_stemmer *s, nx_str text, struct nx_arena *a, struct nx_term **ret, size_t *ret_n,
		    struct nx_error **err)
{
	struct nx_words it;
	struct nx_word w;
	size_t n = 0;
	nx_words_init(&it, text);
	while (nx_words_next(&it, &w))
		n++;
	struct nx_term *t = nx_arena_array(a, struct nx_term, n + 1);
	if (!t)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu words", n);

	size_t k = 0;
	nx_words_init(&it, text);
	while (nx_words_next(&it, &w)) {
		int r = analyse_word(s, text, &w, a, &t[k]);
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
