#include "knowledge/answer.h"

#include "knowledge/names.h"

#include <math.h>

#define WORDS_MAX 48
#define READ_MAX 400        /* sentences read */
#define KEPT_MAX 48         /* of them that sets are made of */
#define FOUND_COVER 0.6     /* of all words of the question, context counted in part */
#define FOUND_RELATION 0.55 /* of its words that are no names */
#define FOUND_NAMES 0.6     /* of its names */
#define CONTEXT_SHARE 0.6   /* what a word is worth that only the rest of the passage holds */
#define BRIDGE_VALUE 0.06   /* a sentence of another document that is linked by a thing the question does not name */
#define HOW_SHARE 0.3       /* weight of "high" in "how high": the answer seldom repeats it */
#define KIND_VALUE 0.18
#define KEY_VALUE 0.15
#define RANK_VALUE 0.12
#define FURTHER_COST 0.1
#define NEW_COVER 0.12 /* a further sentence covers at least so much */

enum kind { KIND_ANY, KIND_NAME, KIND_NUMBER };

struct word {
	nx_str stem;
	bool arabic, is_name;
	double weight;
};
struct sentence {
	size_t passage;
	nx_str text;
	const struct nx_term *t;
	size_t n;
	uint64_t own, title, all; /* words of the question: in it, in its title, in either */
	bool has_name, has_number;
	double value;
};
struct composer {
	const struct nx_passage *p;
	size_t np;
	struct nx_arena *a;
	struct nx_stemmer *stemmer;
	const struct nx_term *q;
	size_t nq;
	struct word words[WORDS_MAX];
	size_t nwords;
	uint64_t names; /* words of the question that are names */
	uint64_t soft;  /* "high" in "how high" */
	uint64_t key;   /* the word that says what is asked of somebody or something: "designed", "born" */
	enum kind kind;
	const struct nx_term **titles; /* by passage, without the section */
	size_t *ntitles;
	uint64_t *title_masks, *context_masks;
	struct sentence *s;
	size_t ns;
	double best_rank;
};
struct set {
	size_t v[NX_ANSWER_SENTENCES], n;
	uint64_t mask, context;
	double covered, value;
	unsigned bridges;
	bool has_kind;
};

/* ---- the question ---- */

struct asking {
	const char *word;
	enum kind kind;
};
/* Words that say what is asked for, not what it is about. */
static const struct asking askings[] = {
	{"who", KIND_NAME},    {"whom", KIND_NAME},   {"whose", KIND_NAME},  {"where", KIND_NAME},
	{"when", KIND_NUMBER}, {"what", KIND_ANY},    {"which", KIND_ANY},   {"how", KIND_ANY},
	{"why", KIND_ANY},     {"many", KIND_NUMBER}, {"much", KIND_NUMBER}, {"year", KIND_NUMBER},
	{"name", KIND_ANY},    {"called", KIND_ANY},  {"long", KIND_ANY},    {"من", KIND_NAME},
	{"متى", KIND_NUMBER},  {"اين", KIND_NAME},    {"كم", KIND_NUMBER},   {"ما", KIND_ANY},
	{"ماذا", KIND_ANY},    {"كيف", KIND_ANY},     {"لماذا", KIND_ANY},   {"عام", KIND_NUMBER},
	{"سنة", KIND_NUMBER},  {"هل", KIND_ANY},      {"اسم", KIND_ANY},     {"tell", KIND_ANY},
	{"give", KIND_ANY},    {"please", KIND_ANY},  {"date", KIND_NUMBER}, {"person", KIND_NAME},
	{"اي", KIND_ANY},      {"first", KIND_ANY},   {"last", KIND_ANY},    {"earlier", KIND_ANY},
	{"later", KIND_ANY},   {"older", KIND_ANY},   {"younger", KIND_ANY}, {"used", KIND_ANY},
	{"located", KIND_ANY}, {"kind", KIND_ANY},
};

static const struct asking *asking_of(nx_str surface)
{
	for (size_t i = 0; i < nx_countof(askings); i++)
		if (nx_str_eqz(surface, askings[i].word))
			return &askings[i];
	return NULL;
}

static bool is_asked_already(const struct composer *c, nx_str stem)
{
	for (size_t i = 0; i < c->nwords; i++)
		if (nx_str_eq(c->words[i].stem, stem))
			return true;
	return false;
}

static bool is_light(nx_str stem)
{
	static const char *const list[] = {"gave", "give", "given", "made", "make", "took",
					   "take", "get",  "got",   "go",   "went"};
	for (size_t i = 0; i < nx_countof(list); i++)
		if (nx_str_eqz(stem, list[i]))
			return true;
	return false;
}

/* Without this word an answer to who, when or where is none. English has it right after "who" and at the end after "when"
 * and "where"; Arabic has its verb first. */
static uint64_t key_of(const struct composer *c)
{
	bool who = false, place_or_time = false;
	uint64_t key = 0;
	for (size_t i = 0; i < c->nq; i++) {
		who = who || nx_str_eqz(c->q[i].surface, "who") || nx_str_eqz(c->q[i].surface, "من");
		place_or_time =
			place_or_time || nx_str_eqz(c->q[i].surface, "when") || nx_str_eqz(c->q[i].surface, "where");
		who = who || nx_str_eqz(c->q[i].surface, "متى") || nx_str_eqz(c->q[i].surface, "اين");
	}
	for (size_t i = 0; i < c->nwords && (who || place_or_time); i++) {
		bool usable = !c->words[i].is_name && !is_light(c->words[i].stem);
		if (usable && (!key || !who))
			key = UINT64_C(1) << i;
	}
	return key;
}

static void read_question(struct composer *c, double (*idf)(void *ctx, const struct nx_term *t), void *ctx)
{
	double sum = 0;
	for (size_t i = 0; i < c->nq; i++) {
		const struct nx_term *t = &c->q[i];
		const struct asking *k = asking_of(t->surface);
		if (k && k->kind != KIND_ANY && (c->kind == KIND_ANY || k->kind == KIND_NUMBER))
			c->kind = k->kind;
		if (k || (t->flags & NX_W_STOP) || c->nwords == WORDS_MAX || is_asked_already(c, t->stem))
			continue;
		bool name = (t->flags & NX_W_CAPITAL) && i > 0;
		bool measure = i > 0 && nx_str_eqz(c->q[i - 1].surface, "how");
		if (measure) {
			c->kind = KIND_NUMBER;
			c->soft |= UINT64_C(1) << c->nwords;
		}
		if (name)
			c->names |= UINT64_C(1) << c->nwords;
		c->words[c->nwords++] = (struct word){t->stem, t->flags & NX_W_ARABIC, name,
						      fmax(0.05, idf(ctx, t)) * (measure ? HOW_SHARE : 1)};
		sum += c->words[c->nwords - 1].weight;
	}
	for (size_t i = 0; i < c->nwords; i++)
		c->words[i].weight /= sum;
	c->key = key_of(c);
}

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
static bool is_behind_particle(nx_str longer, nx_str word)
{
	return longer.n == word.n + 2 && word.n >= 6 && nx_str_ends(longer, word);
}

static bool is_same_word(nx_str a, nx_str b, bool arabic)
{
	if (nx_str_eq(a, b))
		return true;
	if (!arabic)
		return false;
	return is_behind_particle(a, b) || is_behind_particle(b, a) || is_near(a, b);
}

static uint64_t mask_of(const struct composer *c, const struct nx_term *t, size_t n)
{
	uint64_t mask = 0;
	for (size_t w = 0; w < c->nwords; w++)
		for (size_t i = 0; i < n && !(mask >> w & 1); i++)
			if (!(t[i].flags & NX_W_STOP) && is_same_word(t[i].stem, c->words[w].stem, c->words[w].arabic))
				mask |= UINT64_C(1) << w;
	return mask;
}

static double weigh(const struct composer *c, uint64_t mask)
{
	double sum = 0;
	for (size_t i = 0; i < c->nwords; i++)
		if (mask >> i & 1)
			sum += c->words[i].weight;
	return sum;
}

/* ---- reading ---- */

static nx_str without_section(nx_str title)
{
	ptrdiff_t at = nx_str_find(title, NX_STR(" › "));
	return nx_title_base(at > 0 ? nx_str_n(title.p, (size_t)at) : title);
}

static int read_titles(struct composer *c, struct nx_error **err)
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
static void find_kinds(const struct composer *c, struct sentence *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct nx_term *t = &s->t[i];
		if (is_asked_already(c, t->stem))
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

static int read_passage(struct composer *c, size_t passage, struct nx_error **err)
{
	struct nx_span_bytes *spans;
	size_t n;
	nx_str text = c->p[passage].text;
	int r = nx_text_sentences(text, c->a, &spans, &n, err);
	for (size_t i = 0; r == 0 && i < n && c->ns < READ_MAX; i++) {
		struct nx_term *t;
		struct sentence s = {.passage = passage,
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

static double rank_of(const struct composer *c, const struct sentence *s)
{
	return c->best_rank > 0 ? fmax(0, c->p[s->passage].score) / c->best_rank : 0;
}

static bool has_kind(const struct composer *c, const struct sentence *s)
{
	return c->kind == KIND_ANY || (c->kind == KIND_NAME ? s->has_name : s->has_number);
}

static int by_value(const void *a, const void *b)
{
	const struct sentence *x = a, *y = b;
	if (x->value > y->value)
		return -1;
	if (x->value < y->value)
		return 1;
	return x->passage != y->passage ? (x->passage < y->passage ? -1 : 1)
	       : x->text.p < y->text.p  ? -1
					: x->text.p > y->text.p;
}

static int read_all(struct composer *c, struct nx_error **err)
{
	c->s = nx_arena_array(c->a, struct sentence, READ_MAX);
	if (!c->s)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	for (size_t i = 0; i < c->np; i++) {
		int r = read_passage(c, i, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < c->ns; i++) {
		struct sentence *s = &c->s[i];
		/* A title that the question names speaks for all of its sentences, their own words tell them apart. */
		s->value = 0.6 * weigh(c, s->own | (s->title & c->names)) + 0.4 * weigh(c, s->all) +
			   0.5 * KIND_VALUE * has_kind(c, s) + RANK_VALUE * rank_of(c, s);
	}
	if (c->ns)
		qsort(c->s, c->ns, sizeof(*c->s), by_value);
	return 0;
}

/* ---- links ---- */

static bool says(const struct sentence *s, const struct nx_term *title, size_t n)
{
	if (n == 0 || n > s->n)
		return false;
	for (size_t at = 0; at + n <= s->n; at++) {
		size_t i = 0;
		while (i < n) {
			nx_str a = s->t[at + i].stem, b = title[i].stem;
			bool arabic = title[i].flags & NX_W_ARABIC;
			if (!nx_str_eq(a, b) && !(i == 0 && arabic && is_behind_particle(a, b)))
				break;
			i++;
		}
		if (i == n)
			return true;
	}
	return false;
}

static bool is_new_name(const struct composer *c, const struct nx_term *t)
{
	return (t->flags & NX_W_CAPITAL) && !(t->flags & NX_W_STOP) && !is_asked_already(c, t->stem);
}

/* A name of two words in both that the question does not hold. */
static bool share_name(const struct composer *c, const struct sentence *a, const struct sentence *b)
{
	for (size_t i = 0; i + 1 < a->n; i++) {
		if (!is_new_name(c, &a->t[i]) || !is_new_name(c, &a->t[i + 1]))
			continue;
		for (size_t j = 0; j + 1 < b->n; j++)
			if ((b->t[j].flags & b->t[j + 1].flags & NX_W_CAPITAL) &&
			    nx_str_eq(a->t[i].surface, b->t[j].surface) &&
			    nx_str_eq(a->t[i + 1].surface, b->t[j + 1].surface))
				return true;
	}
	return false;
}

/* The title of the passage is a thing that the question does not name, and `by` says it. */
static bool is_bridge(const struct composer *c, const struct sentence *by, size_t passage)
{
	bool is_new = false;
	for (size_t i = 0; i < c->ntitles[passage]; i++) {
		const struct nx_term *t = &c->titles[passage][i];
		is_new = is_new || (!(t->flags & NX_W_STOP) && !is_asked_already(c, t->stem));
	}
	return is_new && says(by, c->titles[passage], c->ntitles[passage]);
}

enum link { LINK_NONE, LINK_SAME, LINK_COMPARE, LINK_BRIDGE };

static enum link link_of(const struct composer *c, const struct sentence *a, const struct sentence *b)
{
	if (nx_str_eq(c->p[a->passage].document, c->p[b->passage].document))
		return LINK_SAME;
	if (is_bridge(c, a, b->passage) || is_bridge(c, b, a->passage) || share_name(c, a, b))
		return LINK_BRIDGE;
	/* "… first, A or B?": each is about another name of the question. */
	if ((a->title & c->names & ~b->all) && (b->title & c->names & ~a->all))
		return LINK_COMPARE;
	return LINK_NONE;
}

/* ---- sets ---- */

static void evaluate(const struct composer *c, struct set *x)
{
	double rank = 0, own = 0;
	x->mask = x->context = 0;
	x->has_kind = false;
	for (size_t i = 0; i < x->n; i++) {
		const struct sentence *s = &c->s[x->v[i]];
		x->mask |= s->all;
		x->context |= c->context_masks[s->passage];
		x->has_kind = x->has_kind || has_kind(c, s);
		rank += rank_of(c, s) / (double)x->n;
		own = fmax(own, weigh(c, s->own | (s->title & c->names)));
	}
	x->covered = weigh(c, x->mask) + CONTEXT_SHARE * weigh(c, x->context & ~x->mask);
	x->value = x->covered + 0.25 * own + KIND_VALUE * x->has_kind + RANK_VALUE * rank +
		   BRIDGE_VALUE * (x->bridges > 0) + KEY_VALUE * ((c->key & x->mask) != 0) -
		   FURTHER_COST * (double)(x->n - 1);
}

/* The strongest link of a sentence with the set, LINK_NONE when it may not join: each of several must say something of what
 * is asked beside names, and the newcomer something new. */
static enum link link_with(const struct composer *c, const struct set *x, size_t i)
{
	const struct sentence *s = &c->s[i];
	enum link best = LINK_NONE;
	if (!(s->own & ~c->names))
		return LINK_NONE;
	for (size_t j = 0; j < x->n; j++) {
		const struct sentence *o = &c->s[x->v[j]];
		if (x->v[j] == i || !(o->own & ~c->names))
			return LINK_NONE;
		enum link l = link_of(c, o, s);
		best = nx_max(best, l);
	}
	uint64_t fresh = (best == LINK_COMPARE ? s->all : s->own) & ~x->mask;
	double gain = weigh(c, fresh & ~x->context) + (1 - CONTEXT_SHARE) * weigh(c, fresh & x->context);
	bool brings = gain >= NEW_COVER || (fresh & c->key) || (!x->has_kind && has_kind(c, s));
	return brings ? best : LINK_NONE;
}

static void grow(const struct composer *c, const struct set *from, struct set *best)
{
	size_t n = nx_min(c->ns, (size_t)KEPT_MAX);
	if (from->value > best->value)
		*best = *from;
	if (from->n == NX_ANSWER_SENTENCES)
		return;
	for (size_t i = 0; i < n; i++) {
		struct set next = *from;
		enum link l = link_with(c, from, i);
		if (l == LINK_NONE)
			continue;
		next.v[next.n++] = i;
		next.bridges += l == LINK_BRIDGE;
		evaluate(c, &next);
		if (next.value > from->value)
			grow(c, &next, best);
	}
}

/* The order of telling: from what the question names to what it asks for. */
static void put_in_order(const struct composer *c, struct set *x)
{
	for (size_t i = 1; i < x->n; i++) {
		for (size_t j = i; j > 0; j--) {
			const struct sentence *a = &c->s[x->v[j - 1]], *b = &c->s[x->v[j]];
			bool same = a->passage == b->passage;
			bool swap = same ? b->text.p < a->text.p
					 : weigh(c, b->all & c->names) > weigh(c, a->all & c->names);
			if (!swap)
				break;
			size_t t = x->v[j];
			x->v[j] = x->v[j - 1];
			x->v[j - 1] = t;
		}
	}
}

static void write_answer(const struct composer *c, struct set *x, struct nx_answer *ret)
{
	put_in_order(c, x);
	for (size_t i = 0; i < x->n; i++)
		ret->v[ret->n++] = (struct nx_answer_sentence){c->s[x->v[i]].passage, c->s[x->v[i]].text};
	uint64_t seen = x->mask | x->context, all = c->nwords ? UINT64_MAX >> (64 - c->nwords) : 0;
	double names = weigh(c, c->names), relation = weigh(c, all & ~c->names & ~c->soft);
	bool names_seen = weigh(c, c->names & seen) >= FOUND_NAMES * names;
	bool relation_seen = weigh(c, x->mask & ~c->names & ~c->soft) >= FOUND_RELATION * relation;
	ret->covered = x->covered;
	ret->sentences = c->ns;
	ret->found =
		x->n && x->covered >= FOUND_COVER && x->has_kind && names_seen && relation_seen && !(c->key & ~x->mask);
	ret->confidence = fmin(1, fmax(0, x->covered * (x->has_kind ? 1 : 0.5) * (ret->found ? 1 : 0.5)));
}

int nx_answer_compose(nx_str question, const struct nx_passage *p, size_t n,
		      double (*idf)(void *ctx, const struct nx_term *t), void *ctx, struct nx_arena *a,
		      struct nx_answer *ret, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *stemmer = nx_stemmer_new();
	struct composer c = {.p = p, .np = n, .a = a, .stemmer = stemmer};
	struct set best = {.value = -1};
	struct nx_term *q;
	*ret = (struct nx_answer){0};
	if (!stemmer)
		return nx_error_set(err, NX_ENOMEM, "no memory for an answer");
	int r = nx_text_analyse(stemmer, question, a, &q, &c.nq, err);
	if (r < 0)
		return r;
	c.q = q;
	read_question(&c, idf, ctx);
	if (c.nwords == 0 || n == 0)
		return 0;
	r = read_titles(&c, err);
	if (r == 0)
		r = read_all(&c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nx_min(c.ns, (size_t)KEPT_MAX); i++) {
		struct set one = {.v = {i}, .n = 1};
		evaluate(&c, &one);
		grow(&c, &one, &best);
	}
	if (best.n)
		write_answer(&c, &best, ret);
	return 0;
}
