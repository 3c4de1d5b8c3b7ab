/*
 * Stems. English is Snowball's. Arabic follows Lucene's ArabicStemmer (one prefix, then the suffixes in turn) with these
 * changes, each for a mistake of those rules:
 *   - words of the exemption list stay whole, also behind a one-letter particle (لبنان → لبن, والد → الد, الله → له)
 *   - a conjunction before an article goes with it, so that وللمدرسة meets المدرسة
 *   - a lone و goes from words of 6 letters on only: وليد, وزير and وكالة keep it
 *   - an ending goes when 3 letters stay; before a pronoun ت is ة and goes too (محطتها meets محطة)
 * Broken plurals never meet by rules; the 4-grams of the stem give them something in common.
 */
#include "knowledge/text_internal.h"
#include "knowledge/wordlists.h"

#include <libstemmer.h>
#include <pthread.h>

/* Letters of a word that the Arabic rules look at; a longer one is not a word of prose. */
#define LETTERS_MAX (NX_WORD_MAX / 2)
#define WAW 0x648
#define FA 0x641
#define STEM_MIN 3
#define LONE_WAW_MIN 6
#define GRAM 4

/* Made once, used again: what one has learnt of words serves the next text. */
#define SPARE_MAX 16
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nx_stemmer *spare;
static unsigned nspare;

static struct nx_stemmer *take_spare(void)
{
	pthread_mutex_lock(&spare_lock);
	struct nx_stemmer *s = spare;
	if (s) {
		spare = s->next;
		nspare--;
	}
	pthread_mutex_unlock(&spare_lock);
	return s;
}

static bool put_spare(struct nx_stemmer *s)
{
	pthread_mutex_lock(&spare_lock);
	bool fits = nspare < SPARE_MAX;
	if (fits) {
		s->next = spare;
		spare = s;
		nspare++;
	}
	pthread_mutex_unlock(&spare_lock);
	return fits;
}

struct nx_stemmer *nx_stemmer_new(void)
{
	struct nx_stemmer *s = take_spare();
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->english = sb_stemmer_new("english", "UTF_8");
	if (s->english)
		return s;
	free(s);
	return NULL;
}

void nx_stemmer_free(struct nx_stemmer *s)
{
	if (!s || put_spare(s))
		return;
	sb_stemmer_delete(s->english);
	free(s->words);
	free(s);
}

static bool is_listed(const char *const *list, size_t n, nx_str w)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = nx_str_cmp(w, nx_str_z(list[mid]));
		if (c == 0)
			return true;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return false;
}

bool nx_stop_word(nx_str surface, uint32_t flags)
{
	if (flags & NX_W_ARABIC)
		return is_listed(stop_arabic, nx_countof(stop_arabic), surface);
	return is_listed(stop_english, nx_countof(stop_english), surface);
}

bool nx_arabic_exempt(nx_str surface)
{
	return is_listed(exempt_arabic, nx_countof(exempt_arabic), surface);
}

struct letters {
	uint32_t c[LETTERS_MAX];
	size_t n;
};

static bool has_prefix(const struct letters *w, size_t at, const uint32_t *p, size_t n)
{
	return w->n >= at + n && memcmp(w->c + at, p, n * sizeof(*p)) == 0;
}

/* Letters of an article at `at` (with the particle written before it), 0 when there is none or too little would stay. */
static size_t article_length(const struct letters *w, size_t at)
{
	static const uint32_t al[] = {0x627, 0x644}, bal[] = {0x628, 0x627, 0x644}, kal[] = {0x643, 0x627, 0x644},
			      lil[] = {0x644, 0x644};
	size_t n = 0;
	if (has_prefix(w, at, bal, 3) || has_prefix(w, at, kal, 3))
		n = 3;
	else if (has_prefix(w, at, al, 2) || has_prefix(w, at, lil, 2))
		n = 2;
	return n && w->n - at - n >= 2 ? n : 0;
}

static size_t prefix_length(const struct letters *w)
{
	bool conjunction = w->n && (w->c[0] == WAW || w->c[0] == FA);
	if (conjunction && article_length(w, 1))
		return 1 + article_length(w, 1);
	if (article_length(w, 0))
		return article_length(w, 0);
	return w->n >= LONE_WAW_MIN && w->c[0] == WAW ? 1 : 0;
}

#define HA 0x647
#define TA 0x62a

/* Where the stem ends. `has_pronoun`: the word ends with ه or ها, before which a ة is written ت (محطتها is محطة). */
static size_t without_suffixes(const struct letters *w, size_t from, bool has_pronoun)
{
	static const uint32_t two[][2] = {{0x647, 0x627}, {0x627, 0x646}, {0x627, 0x62a},
					  {0x648, 0x646}, {0x64a, 0x646}, {0x64a, 0x647}};
	static const uint32_t one[] = {0x647, 0x64a};
	size_t end = w->n;
	if (has_pronoun && end - from >= STEM_MIN + 2) {
		size_t before = w->c[end - 1] == HA ? end - 1 : end - 2;
		if (w->c[before - 1] == TA && before - from > STEM_MIN)
			return before - 1;
	}
	for (size_t i = 0; i < nx_countof(two); i++)
		if (end - from >= STEM_MIN + 2 && memcmp(w->c + end - 2, two[i], sizeof(two[i])) == 0)
			end -= 2;
	for (size_t i = 0; i < nx_countof(one); i++)
		if (end - from >= STEM_MIN + 1 && w->c[end - 1] == one[i])
			end--;
	return end;
}

static size_t encode(const struct letters *w, size_t from, size_t to, char ret[NX_WORD_MAX])
{
	size_t n = 0;
	for (size_t i = from; i < to; i++) {
		char b[4];
		size_t k = nx_utf8_encode(w->c[i], b);
		if (n + k > NX_WORD_MAX)
			break;
		memcpy(ret + n, b, k);
		n += k;
	}
	return n;
}

static nx_str without_first(nx_str s)
{
	size_t i = 0;
	if (s.n)
		(void)nx_utf8_next(s, &i);
	return nx_str_slice(s, i, s.n);
}

/* و ف ب ك ل: written as one word with what follows. */
static bool is_particle(nx_str s)
{
	size_t i = 0;
	uint32_t cp = s.n ? nx_utf8_next(s, &i) : 0;
	return cp == WAW || cp == FA || cp == 0x628 || cp == 0x643 || cp == 0x644;
}

static size_t stem_arabic(nx_str surface, char ret[NX_WORD_MAX])
{
	if (nx_arabic_exempt(surface))
		return nx_arabic_normalise(surface, ret);
	if (is_particle(surface) && nx_arabic_exempt(without_first(surface)))
		return nx_arabic_normalise(without_first(surface), ret);

	char buf[NX_WORD_MAX];
	nx_str s = {buf, nx_arabic_normalise(surface, buf)};
	struct letters w = {.n = 0};
	for (size_t i = 0; i < s.n && w.n < LETTERS_MAX;)
		w.c[w.n++] = nx_utf8_next(s, &i);
	size_t from = prefix_length(&w);
	bool has_pronoun = nx_str_ends(surface, NX_STR("ها")) || nx_str_ends(surface, NX_STR("ه"));
	return encode(&w, from, without_suffixes(&w, from, has_pronoun), ret);
}

size_t nx_word_stem(struct nx_stemmer *s, nx_str surface, uint32_t flags, char ret[NX_WORD_MAX])
{
	if (surface.n == 0 || surface.n > NX_WORD_MAX)
		return 0;
	if (flags & NX_W_ARABIC)
		return stem_arabic(surface, ret);
	if (!(flags & NX_W_DIGIT)) {
		const sb_symbol *p = sb_stemmer_stem(s->english, (const sb_symbol *)surface.p, (int)surface.n);
		int n = p ? sb_stemmer_length(s->english) : 0;
		if (n > 0 && n <= NX_WORD_MAX) {
			memcpy(ret, p, (size_t)n);
			return (size_t)n;
		}
	}
	memcpy(ret, surface.p, surface.n);
	return surface.n;
}

bool nx_stem_parts(nx_str stem, bool arabic, bool (*each)(void *ctx, nx_str part), void *ctx)
{
	size_t at[NX_WORD_MAX + 1];
	size_t n = 0;
	if (!arabic)
		return each(ctx, stem);
	for (size_t i = 0; i < stem.n && n < NX_WORD_MAX;) {
		at[n++] = i;
		(void)nx_utf8_next(stem, &i);
	}
	at[n] = stem.n;
	if (n <= GRAM)
		return each(ctx, stem);
	for (size_t i = 0; i + GRAM <= n; i++)
		if (!each(ctx, nx_str_slice(stem, at[i], at[i + GRAM])))
			return false;
	return true;
}
