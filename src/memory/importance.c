/*
 * How much a turn matters, by rules: cheap, explainable, the same in English and Arabic. Words are compared folded (lower
 * case, no apostrophe, no Arabic marks, one alef) in a text whose words have one space between them, one before and one
 * after; a sign without a space may be a part of a word.
 */
#include "knowledge/text.h"
#include "memory/memory_internal.h"

static const struct {
	const char *words; /* folded */
	double adds;
} signs[] = {
	{"remember", 0.4},   {"dont forget", 0.4},  {"important", 0.3},   {"my name is", 0.4},  {" i am ", 0.15},
	{" im ", 0.15},      {" i live", 0.3},      {" i work", 0.3},     {" i prefer", 0.35},  {" i like", 0.25},
	{" i hate", 0.25},   {" i love", 0.25},     {"always", 0.15},     {"never", 0.15},      {"decided", 0.3},
	{"deadline", 0.3},   {"birthday", 0.35},    {"appointment", 0.3}, {"allergic", 0.4},    {"password", -0.3},
	{"actually", 0.15},  {"no longer", 0.3},    {"تذكر", 0.4},        {"لا تنس", 0.4},      {"اسمي", 0.4},
	{"اعيش", 0.3},       {"اسكن", 0.3},         {"اعمل", 0.3},        {"افضل", 0.35},       {"احب", 0.25},
	{"اكره", 0.25},      {"قررت", 0.3},         {"مهم", 0.3},         {"موعد", 0.3},        {"عيد ميلاد", 0.35},
	{" دايما", 0.15},    {" ابدا", 0.15},       {"حساسيه", 0.4},      {" في الواقع", 0.15}, {"لم اعد", 0.3},
	{"كلمه السر", -0.3}, {"كلمه المرور", -0.3},
};
static const char *const greetings[] = {"hi",   "hello", "hey", "thanks", "thank you", "ok",
					"okay", "great", "bye", "yes",    "no",        "مرحبا",
					"شكرا", "نعم",   "لا",  "اهلا",   "حسنا",      "السلام عليكم"};

/* False when out of memory. */
static bool fold_text(nx_str text, struct nx_buf *ret)
{
	char folded[NX_WORD_MAX], word[NX_WORD_MAX];
	struct nx_words words;
	struct nx_word w;

	nx_buf_addc(ret, ' ');
	nx_words_init(&words, text);
	while (nx_words_next(&words, &w)) {
		size_t n = nx_word_fold(nx_str_slice(text, w.start, (size_t)w.start + w.length), folded);
		n = nx_arabic_normalise(nx_str_n(folded, n), word);
		nx_buf_adds(ret, nx_str_n(word, n));
		nx_buf_addc(ret, ' ');
	}
	return !nx_buf_failed(ret);
}

static bool is_greeting(nx_str folded)
{
	for (size_t i = 0; i < nx_countof(greetings); i++)
		if (nx_str_eqz(nx_str_trim(folded), greetings[i]))
			return true;
	return false;
}

static bool has_digit(nx_str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= '0' && text.p[i] <= '9')
			return true;
	return false;
}

double nx_memory_importance(nx_str role, nx_str text)
{
	nx_auto_buf struct nx_buf folded = NX_BUF_INIT;
	double v = nx_str_eqz(role, "user") ? 0.4 : 0.3;

	if (!fold_text(text, &folded))
		return v; /* an estimate is not worth failing for */
	if (is_greeting(nx_buf_str(&folded)))
		return 0.1;
	for (size_t i = 0; i < nx_countof(signs); i++)
		if (nx_str_find(nx_buf_str(&folded), nx_str_z(signs[i].words)) >= 0)
			v += signs[i].adds;
	if (has_digit(nx_buf_str(&folded)))
		v += 0.05;
	if (text.n > 200)
		v += 0.05;
	return v < 0 ? 0 : v > 1 ? 1 : v;
}
