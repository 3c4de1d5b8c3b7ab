#include "knowledge/relation_words.h"

#include "knowledge/text.h"

#include "base/macros.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 512

/* A word belongs to the first group that names it. */
static const char *const groups[] = {
	"mother father parent son daughter child children stepson stepdaughter grandfather grandmother grandson granddaughter "
	"sibling brother sister uncle aunt nephew niece ام والدة اب والد ابن ابنة بنت اخ شقيق اخت شقيقة جد جدة حفيد عم خال",
	"husband wife spouse married marry wed widow widower consort زوج زوجة تزوج تزوجت متزوج ارملة",
	"director directed directs direct filmmaker مخرج اخراج اخرج اخرجه",
	"composer composed compose music score soundtrack songwriter lyrics ملحن لحن تلحين موسيقى",
	"performer performed performs singer sung sang recorded rapper band مغني مطرب غناء غنى فرقة",
	"author wrote written writer writes novelist novel book poet مؤلف كاتب كتب رواية كتاب شاعر تاليف",
	"born birth birthplace native ولد ولدت ميلاد مولود مواليد",
	"died death dead buried killed توفي توفيت مات وفاة قتل دفن",
	"founder founded founding established establish مؤسس اسس تاسس تاسست تاسيس",
	"producer produced production studio منتج انتاج انتج",
	"country nationality citizen citizenship nation دولة بلد جنسية مواطن",
	"located location situated city town county state province region district تقع يقع موقع مدينة محافظة ولاية منطقة اقليم "
	"عاصمة",
	"educated attended graduated university school college alumnus studied education درس تخرج جامعة مدرسة كلية تعليم",
	"employer worked works work employed company عمل يعمل شركة موظف",
	"member party politician affiliated عضو حزب سياسي",
	"publisher published label released release ناشر نشر صدر اصدر",
	"award prize won received winner جائزة فاز حصل نال",
	"cast starring stars star actor actress played plays character ممثل ممثلة بطولة تمثيل شخصية",
};

static struct entry {
	char stem[NX_WORD_MAX + 1];
	uint8_t group;
} table[WORDS_MAX];
static size_t n;

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->stem, ((const struct entry *)b)->stem);
}

static bool is_known(const char *stem)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].stem, stem) == 0)
			return true;
	return false;
}

static void add(struct nx_stemmer *s, nx_str word, uint8_t group)
{
	char surface[NX_WORD_MAX], stem[NX_WORD_MAX];
	nx_str folded = nx_str_n(surface, nx_word_fold(word, surface));
	uint32_t flags = (unsigned char)word.p[0] >= 0x80 ? NX_W_ARABIC : 0;
	struct entry *e = &table[n];
	size_t length = nx_word_stem(s, folded, flags, stem);
	memcpy(e->stem, stem, length);
	e->stem[length] = '\0';
	e->group = group;
	if (length && !is_known(e->stem) && n + 1 < WORDS_MAX)
		n++;
}

/* Without memory for a stemmer the table stays empty: searches go without. */
static void fill(void)
{
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	for (size_t g = 0; s && g < nx_countof(groups); g++)
		for (nx_str words = nx_str_z(groups[g]); words.n;)
			add(s, nx_str_cut(&words, ' '), (uint8_t)g);
	qsort(table, n, sizeof(*table), compare);
}

uint8_t nx_relation_group(nx_str stem)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct entry key;
	pthread_once(&once, fill);
	if (stem.n > NX_WORD_MAX)
		return NX_RELATION_NONE;
	memcpy(key.stem, stem.p, stem.n);
	key.stem[stem.n] = '\0';
	const struct entry *e = bsearch(&key, table, n, sizeof(*table), compare);
	return e ? e->group : NX_RELATION_NONE;
}
