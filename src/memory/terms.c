/* The words of a turn, counted, as the text index of knowledge has them. */
#include "memory/memory_internal.h"

#include <stdlib.h>

static int by_text(const void *a, const void *b)
{
	return nx_str_cmp(*(const nx_str *)a, *(const nx_str *)b);
}

int nx_memory_terms(nx_str text, struct nx_arena *a, struct nx_memory_term **ret, size_t *ret_n, size_t *ret_length,
		    struct nx_error **err)
{
	nx_str *words;
	size_t n, out = 0;
	int rc = nx_text_terms(text, a, &words, &n, err);

	if (rc < 0)
		return rc;
	struct nx_memory_term *terms = nx_arena_array(a, struct nx_memory_term, n + 1);
	if (!terms)
		return nx_error_set(err, NX_ENOMEM, "read a memory's words");
	if (n > 0)
		qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++) {
		if (out > 0 && nx_str_eq(terms[out - 1].text, words[i]))
			terms[out - 1].count++;
		else
			terms[out++] = (struct nx_memory_term){words[i], 1};
	}
	*ret = terms;
	*ret_n = out;
	*ret_length = n;
	return 0;
}

int nx_memory_fact_words(nx_str text, nx_str key, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_memory_term *terms;
	size_t n, length;
	char *all = nx_arena_printf(a, "%.*s %.*s", NX_FMT(text), NX_FMT(key));

	for (char *p = all ? all + text.n : NULL; p && *p; p++)
		if (*p == '_' || *p == ':' || *p == '|')
			*p = ' ';
	int rc = all ? nx_memory_terms(nx_str_z(all), a, &terms, &n, &length, err)
		     : nx_error_set(err, NX_ENOMEM, "read the words of a fact");
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		nx_buf_addf(&b, "%s%.*s", i ? "\n" : "", NX_FMT(terms[i].text));
	*ret = nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(a, b.n ? nx_buf_str(&b) : NX_STR(""));
	return ret->p ? 0 : nx_error_set(err, NX_ENOMEM, "read the words of a fact");
}
