#include "base/str.h"
#include "tests/unit/nx_test.h"

TEST(appends_of_every_kind_make_one_text)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	ASSERT_TRUE(nx_buf_addz(&b, "a"));
	ASSERT_TRUE(nx_buf_adds(&b, NX_STR("bc")));
	ASSERT_TRUE(nx_buf_addc(&b, 'd'));
	ASSERT_TRUE(nx_buf_add(&b, "e\0f", 3));
	ASSERT_TRUE(nx_buf_addf(&b, "%05d", 42));
	ASSERT_EQ(b.n, 12);
	ASSERT_MEMEQ(b.p, "abcde\0f00042", 13);
}

TEST(an_empty_buffer_is_an_empty_string)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	ASSERT_EQ(nx_buf_str(&b).n, 0);
	ASSERT_NOT_NULL(nx_buf_str(&b).p);
	ASSERT_TRUE(nx_buf_add(&b, NULL, 0));
	nx_auto_free char *p = nx_buf_steal(&b);
	ASSERT_STREQ(p, "");
}

TEST(a_long_format_grows_the_buffer)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	char text[5000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 5; i++)
		ASSERT_TRUE(nx_buf_addf(&b, "%s|", text));
	ASSERT_EQ(b.n, 25000);
	ASSERT_EQ(strlen(b.p), 25000);
}

TEST(consuming_drops_the_front)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addz(&b, "hello");
	nx_buf_consume(&b, 2);
	ASSERT_STREQ(b.p, "llo");
	nx_buf_consume(&b, 100);
	ASSERT_EQ(b.n, 0);
	ASSERT_STREQ(b.p, "");
}

TEST(a_failure_sticks_and_keeps_what_was_there)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addz(&b, "kept");
	ASSERT_FALSE(nx_buf_reserve(&b, SIZE_MAX - 2));
	ASSERT_TRUE(nx_buf_failed(&b));
	ASSERT_FALSE(nx_buf_addz(&b, "x"));
	ASSERT_FALSE(nx_buf_addf(&b, "x"));
	ASSERT_STREQ(b.p, "kept");
	ASSERT_NULL(nx_buf_steal(&b));
	ASSERT_FALSE(nx_buf_failed(&b));
	ASSERT_TRUE(nx_buf_addz(&b, "anew"));
}

TEST(clearing_keeps_the_memory)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_buf_addz(&b, "hello");
	char *p = b.p;
	nx_buf_clear(&b);
	ASSERT_EQ(b.n, 0);
	nx_buf_addz(&b, "x");
	ASSERT_TRUE(b.p == p);
}
