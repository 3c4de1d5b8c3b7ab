/* Reading the evidence: which words of the question a sentence and its title cover, and what it is worth alone. */
#include "knowledge/answer_internal.h"

#include "knowledge/names.h"

#include <math.h>
#include <stdlib.h>

#define READ_MAX 400 /* sentences read */

/* ---- what a sentence covers ---- */

/* Arabic forms of one word often differ in no more than their last two letters where the rules leave different stems. */
static bool is_near(nx_str a, nx_str b)
{
	size_t i = 0, letters = 0;
	while (i < a.n && i < b.n) {
		size_t x = i, y = i;
		if (nx_utf8_next(a, &x) != nx_utf8_next(b, &y))
			break;
		i = x;
		letters++;
	}
	size_t left_a = nx_utf8_length(nx_str_slice(a, i, a.n)), left_b = nx_utf8_length(nx_str_slice(b, i, b.n));
	return letters >= 3 && left_a <= 2 && left_b <= 2 && left_a + left_b < letters;
}

/* The same word behind a particle of one letter. */
bool nx_answer_is_behind_particle(nx_str longer, nx_str word)
{
	return longer.n == word.n + 2 && word.n >= 6 && nx_str_ends(longer, word);
}

static bool is_same_word(nx_str a, nx_str b, bool arabic)
{
	if (nx_str_eq(a, b))
		return true;
	if (!arabic)
		return false;
	return nx_answer_is_behind_particle(a, b) || nx_answer_is_behind_particle(b, a) || is_near(a, b);
}

static uint64_t mask_of(const struct answer_composer *c, const struct nx_term *t, size_t n)
{
	uint64_t mask = 0;
	for (size_t w = 0; w < c->nwords; w++)
		for (size_t i = 0; i < n && !(mask >> w & 1); i++)
			if (!(t[i].flags & NX_W_STOP) && is_same_word(t[i].stem, c->words[w].stem, c->words[w].arabic))
				mask |= UINT64_C(1) << w;
	return mask;
}

double nx_answer_weigh(const struct answer_composer *c, uint64_t mask)
{
	double sum = 0;
	for (size_t i = 0; i < c->nwords; i++)
		if (mask >> i & 1)
			sum += c->words[i].weight;
	return sum;
}

/* ---- reading ---- */

double nx_answer_rank(const struct answer_composer *c, const struct answer_sentence *s)
{
	return c->best_rank > 0 ? fmax(0, c->p[s->passage].score) / c->best_rank : 0;
}

bool nx_answer_has_kind(const struct answer_composer *c, const struct answer_sentence *s)
{
	return c->kind == ANSWER_KIND_ANY || (c->kind == ANSWER_KIND_NAME ? s->has_name : s->has_number);
}

static nx_str without_section(nx_str title)
{
	ptrdiff_t at = nx_str_find(title, NX_STR(" › "));
	return nx_title_base(at > 0 ? nx_str_n(title.p, (size_t)at) : title);
}

int nx_answer_read_titles(struct answer_composer *c, struct nx_error **err)
{
	c->titles = nx_arena_array(c->a, const struct nx_term *, c->np + 1);
	c->ntitles = nx_arena_array(c->a, size_t, c->np + 1);
	c->title_masks = nx_arena_array(c->a, uint64_t, c->np + 1);
	c->context_masks = nx_arena_array(c->a, uint64_t, c->np + 1);
	if (!c->titles || !c->ntitles || !c->title_masks || !c->context_masks)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	for (size_t i = 0; i < c->np; i++) {
		struct nx_term *t;
		size_t n;
		int r = nx_text_analyse(c->stemmer, c->p[i].title, c->a, &t, &n, err);
		if (r < 0)
			return r;
		c->title_masks[i] = mask_of(c, t, n);
		r = nx_text_analyse(c->stemmer, without_section(c->p[i].title), c->a, &t, &n, err);
		if (r < 0)
			return r;
		c->titles[i] = t;
		c->ntitles[i] = n;
		c->best_rank = fmax(c->best_rank, c->p[i].score);
	}
	return 0;
}

/* Numbers that are written out; stems of English, normalised surfaces of Arabic. */
static const char *const numerals[] = {
	"one",     "two",     "three", "four",   "five",   "six",   "seven", "eight", "nine",    "ten",
	"eleven",  "twelve",  "dozen", "twenti", "thirti", "forti", "fifti", "hundr", "hundred", "thousand",
	"million", "billion", "واحد",  "اثن",    "ثلاث",   "اربع",  "خمس",   "ست",    "سبع",     "ثمان",
	"تسع",     "عشر",     "مئ",    "مائ",    "الف",    "الاف",  "ملي",   "مليون",
};

static bool is_numeral(nx_str stem)
{
	for (size_t i = 0; i < nx_countof(numerals); i++)
		if (nx_str_eqz(stem, numerals[i]))
			return true;
	return false;
}

/* A name or number that the question does not hold. */
static void find_kinds(const struct answer_composer *c, struct answer_sentence *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct nx_term *t = &s->t[i];
		if (nx_answer_is_asked(c, t->stem))
			continue;
		if ((t->flags & NX_W_DIGIT) || is_numeral(t->stem))
			s->has_number = true;
		else if ((t->flags & NX_W_CAPITAL) && !(t->flags & (NX_W_FIRST | NX_W_STOP)))
			s->has_name = true;
		else if ((t->flags & NX_W_CAPITAL) && i + 1 < s->n && (s->t[i + 1].flags & NX_W_CAPITAL))
			s->has_name = true;
		else if ((t->flags & NX_W_ARABIC) && !(t->flags & NX_W_STOP))
			s->has_name = true; /* no capitals tell */
	}
}

static bool is_heading(nx_str s)
{
	return s.n == 0 || s.p[0] == '#' || s.p[0] == '|' || (s.n >= 3 && memcmp(s.p, "```", 3) == 0);
}

/* A list's mark is not part of what it says. */
static nx_str without_bullet(nx_str s)
{
	return s.n > 2 && (s.p[0] == '-' || s.p[0] == '*' || s.p[0] == '+') && s.p[1] == ' ' ? nx_str_slice(s, 2, s.n)
											     : s;
}

static int read_passage(struct answer_composer *c, size_t passage, struct nx_error **err)
{
	struct nx_span_bytes *spans;
	size_t n;
	nx_str text = c->p[passage].text;
	int r = nx_text_sentences(text, c->a, &spans, &n, err);
	for (size_t i = 0; r == 0 && i < n && c->ns < READ_MAX; i++) {
		struct nx_term *t;
		struct answer_sentence s = {.passage = passage,
					    .text = without_bullet(nx_str_n(text.p + spans[i].start, spans[i].length))};
		if (is_heading(s.text) || nx_str_eq(s.text, c->p[passage].title))
			continue;
		r = nx_text_analyse(c->stemmer, s.text, c->a, &t, &s.n, err);
		if (r < 0 || s.n < 2)
			continue;
		s.t = t;
		s.own = mask_of(c, t, s.n);
		s.title = c->title_masks[passage];
		s.all = s.own | s.title;
		c->context_masks[passage] |= s.all;
		find_kinds(c, &s);
		c->s[c->ns++] = s;
	}
	return r;
}

static int by_value(const void *a, const void *b)
{
	const struct answer_sentence *x = a, *y = b;
	if (x->value > y->value)
		return -1;
	if (x->value < y->value)
		return 1;
	return x->passage != y->passage ? (x->passage < y->passage ? -1 : 1)
	       : x->text.p < y->text.p  ? -1
					: x->text.p > y->text.p;
}

int nx_answer_read_sentences(struct answer_composer *c, struct nx_error **err)
{
	c->s = nx_arena_array(c->a, struct answer_sentence, READ_MAX);
	if (!c->s)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	for (size_t i = 0; i < c->np; i++) {
		int r = read_passage(c, i, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < c->ns; i++) {
		struct answer_sentence *s = &c->s[i];
		/* A title that the question names speaks for all of its sentences, their own words tell them apart. */
		s->value = 0.6 * nx_answer_weigh(c, s->own | (s->title & c->names)) + 0.4 * nx_answer_weigh(c, s->all) +
			   0.5 * ANSWER_KIND_VALUE * nx_answer_has_kind(c, s) +
			   ANSWER_RANK_VALUE * nx_answer_rank(c, s);
	}
	if (c->ns)
		qsort(c->s, c->ns, sizeof(*c->s), by_value);
	return 0;
}
