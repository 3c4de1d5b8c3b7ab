/* Query strings, decoded by a schema that has every type a query may have. */
#include "api/query_internal.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sample {
	nx_str text;
	int64_t n, at;
	double x;
	bool flag;
	int kind;
	nx_id id;
	struct nx_list words, numbers;
};
static const char *const kinds[] = {"chunk", "entity", NULL};
static const struct nx_field fields[] = {
	{.name = "text", .type = NX_T_STRING, .offset = offsetof(struct sample, text), .max_len = 64},
	{.name = "n", .type = NX_T_INT, .offset = offsetof(struct sample, n), .min = -5, .max = 100},
	{.name = "at", .type = NX_T_TIME, .offset = offsetof(struct sample, at)},
	{.name = "x", .type = NX_T_NUMBER, .offset = offsetof(struct sample, x)},
	{.name = "flag", .type = NX_T_BOOL, .offset = offsetof(struct sample, flag)},
	{.name = "kind", .type = NX_T_ENUM, .names = kinds, .offset = offsetof(struct sample, kind)},
	{.name = "id", .type = NX_T_ID, .offset = offsetof(struct sample, id)},
	{.name = "words",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct sample, words),
	 .max_len = 8},
	{.name = "numbers",
	 .type = NX_T_ARRAY,
	 .item = NX_T_INT,
	 .offset = offsetof(struct sample, numbers),
	 .max_len = 8},
};
static const struct nx_schema schema = {
	.name = "Sample", .fields = fields, .nfields = nx_countof(fields), .size = sizeof(struct sample)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	void *p = NULL;
	if (!a)
		return 0;
	if (nx_query_decode(&schema, nx_str_n((const char *)data, size), a, &p, &err)) {
		nx_assert(err && nx_error_message(err)[0]);
		return 0;
	}
	const struct sample *s = p;
	nx_assert(s->n >= -5 && s->n <= 100 && s->kind >= 0 && s->kind < 2);
	nx_assert(s->words.n <= 8 && s->numbers.n <= 8 && s->text.n <= 64 && nx_utf8_valid(s->text));
	return 0;
}
