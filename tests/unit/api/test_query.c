#include "api/query_internal.h"
#include "tests/unit/nx_test.h"

struct sample {
	nx_str name;
	int64_t n;
	double x;
	bool flag, has_n;
	struct nx_list words;
};
static const struct nx_field fields[] = {
	{.name = "name", .type = NX_T_STRING, .offset = offsetof(struct sample, name), .max_len = 20},
	{.name = "n",
	 .type = NX_T_INT,
	 .offset = offsetof(struct sample, n),
	 .has = offsetof(struct sample, has_n),
	 .min = 0,
	 .max = 100},
	{.name = "x", .type = NX_T_NUMBER, .offset = offsetof(struct sample, x)},
	{.name = "flag", .type = NX_T_BOOL, .offset = offsetof(struct sample, flag)},
	{.name = "words", .type = NX_T_ARRAY, .item = NX_T_STRING, .offset = offsetof(struct sample, words)},
};
static const struct nx_schema schema = {
	.name = "Sample", .fields = fields, .nfields = nx_countof(fields), .size = sizeof(struct sample)};

static int decode(struct nx_arena *a, const char *text, struct sample **ret, struct nx_error **err)
{
	void *p = NULL;
	int rc = nx_query_decode(&schema, nx_str_z(text), a, &p, err);
	*ret = p;
	return rc;
}

TEST(values_take_the_types_of_their_fields)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct sample *s;
	ASSERT_OK(decode(a, "name=a%20b+c&n=7&x=1.5&flag=true", &s, NULL));
	ASSERT_TRUE(nx_str_eqz(s->name, "a b c"));
	ASSERT_EQ(s->n, 7);
	ASSERT_TRUE(s->has_n);
	ASSERT_DOUBLE_EQ(s->x, 1.5);
	ASSERT_TRUE(s->flag);
}

TEST(nothing_is_the_defaults)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct sample *s;
	ASSERT_OK(decode(a, "", &s, NULL));
	ASSERT_FALSE(s->has_n);
	ASSERT_OK(decode(a, "&&&", &s, NULL));
	ASSERT_OK(decode(a, "name=", &s, NULL));
	ASSERT_EQ(s->name.n, 0);
}

TEST(a_list_comes_repeated_or_with_commas)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct sample *s;
	ASSERT_OK(decode(a, "words=a,b&words=c%2Cd", &s, NULL));
	ASSERT_EQ(s->words.n, 4);
	ASSERT_TRUE(nx_str_eqz(*nx_list_at(s->words, nx_str, 2), "c"));
}

TEST(what_is_wrong_is_named)
{
	static const struct {
		const char *text, *pointer;
	} cases[] = {{"n=x", "/n"},     {"n=101", "/n"},
		     {"n=-1", "/n"},    {"nmae=a", "/nmae"},
		     {"n=1&n=2", "/n"}, {"flag=maybe", "/flag"},
		     {"x=", "/x"},      {"name=aaaaaaaaaaaaaaaaaaaaaaaaa", "/name"}};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; i < nx_countof(cases); i++) {
		nx_auto_error struct nx_error *err = NULL;
		struct sample *s;
		ASSERT_TRUE(decode(a, cases[i].text, &s, &err) < 0);
		ASSERT_STREQ(nx_error_pointer(err), cases[i].pointer);
	}
}

TEST(escapes_that_are_none_are_refused)
{
	static const char *const texts[] = {"name=%", "name=%4", "name=%zz", "name=%ff", "name=%00", "%c0%af=1"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; i < nx_countof(texts); i++) {
		struct sample *s;
		int rc = decode(a, texts[i], &s, NULL);
		ASSERT_TRUE(rc == NX_EPARSE || rc == NX_EENCODING);
	}
}

TEST(pairs_are_counted)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct sample *s;
	for (int i = 0; i <= NX_QUERY_MAX_PAIRS; i++)
		nx_buf_addz(&b, "words=x&");
	ASSERT_ERR(decode(a, b.p, &s, NULL), NX_ELIMIT);
}

TEST(a_plus_in_a_path_is_a_plus)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str s;
	ASSERT_OK(nx_percent_decode(NX_STR("a+b%2Fc%D8%A7"), false, "the path", a, &s, NULL));
	ASSERT_TRUE(nx_str_eqz(s, "a+b/c\u0627"));
}
