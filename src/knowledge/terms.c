#include "knowledge/knowledge.h"
#include "knowledge/text.h"

int nx_text_terms(nx_str text, struct nx_arena *a, nx_str **ret, size_t *ret_n, struct nx_error **err)
{
	nx_auto_stemmer struct nx_stemmer *s = nx_stemmer_new();
	struct nx_term *t;
	size_t n, k = 0;
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory for a stemmer");
	int r = nx_text_analyse(s, text, a, &t, &n, err);
	if (r < 0)
		return r;
	nx_str *v = nx_arena_array(a, nx_str, n + 1);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu words", n);
	for (size_t i = 0; i < n; i++)
		if (!(t[i].flags & NX_W_STOP))
			v[k++] = t[i].stem;
	*ret = v;
	*ret_n = k;
	return 0;
}
