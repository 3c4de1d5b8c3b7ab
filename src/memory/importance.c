/* How much a turn matters, by rules: cheap, explainable, the same in English and Arabic. */
#include "memory/memory_internal.h"

static const struct {
	const char *words;
	double adds;
} signs[] = {
	{"remember", 0.4},  {"don't forget", 0.4}, {"important", 0.3},   {"my name is", 0.4}, {"i am ", 0.15},
	{"i'm ", 0.15},     {"i live", 0.3},       {"i work", 0.3},      {"i prefer", 0.35},  {"i like", 0.25},
	{"i hate", 0.25},   {"i love", 0.25},      {"always", 0.15},     {"never", 0.15},     {"decided", 0.3},
	{"deadline", 0.3},  {"birthday", 0.35},    {"appointment", 0.3}, {"allergic", 0.4},   {"password", -0.3},
	{"actually", 0.15}, {"no longer", 0.3},    {"تذكر", 0.4},        {"لا تنس", 0.4},     {"اسمي", 0.4},
	{"أعيش", 0.3},      {"أسكن", 0.3},         {"أعمل", 0.3},        {"أفضل", 0.35},      {"أحب", 0.25},
	{"أكره", 0.25},     {"قررت", 0.3},         {"مهم", 0.3},         {"موعد", 0.3},       {"عيد ميلاد", 0.35},
};
static const char *const greetings[] = {"hi",    "hello", "hey", "thanks", "thank you", "ok",   "okay",
					"great", "bye",   "yes", "no",     "مرحبا",     "شكرا", "السلام عليكم"};

static bool contains_folded(nx_str text, const char *words)
{
	nx_str w = nx_str_z(words);

	for (size_t i = 0; i + w.n <= text.n; i++)
		if (nx_str_ieq_ascii(nx_str_slice(text, i, i + w.n), w))
			return true;
	return false;
}

static bool is_greeting(nx_str text)
{
	text = nx_str_trim(text);
	while (text.n > 0 && strchr("!.,", text.p[text.n - 1]))
		text = nx_str_slice(text, 0, text.n - 1);
	for (size_t i = 0; i < nx_countof(greetings); i++)
		if (nx_str_ieq_ascii(text, nx_str_z(greetings[i])))
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
	double v = nx_str_eqz(role, "user") ? 0.4 : 0.3;

	if (is_greeting(text))
		return 0.1;
	for (size_t i = 0; i < nx_countof(signs); i++)
		if (contains_folded(text, signs[i].words))
			v += signs[i].adds;
	if (has_digit(text))
		v += 0.05;
	if (text.n > 200)
		v += 0.05;
	return v < 0 ? 0 : v > 1 ? 1 : v;
}
