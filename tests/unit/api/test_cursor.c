#include "api/cursor_internal.h"
#include "tests/unit/nx_test.h"

TEST(a_cursor_gives_back_its_key)
{
	const int64_t keys[] = {1, 255, 1 << 20, INT64_MAX, -1};
	for (size_t i = 0; i < nx_countof(keys); i++) {
		char text[NX_CURSOR_TEXT];
		int64_t key = 0;
		nx_cursor_format(keys[i], 7, "list_tasks", text);
		ASSERT_EQ(strlen(text), NX_CURSOR_TEXT - 1);
		ASSERT_OK(nx_cursor_parse(nx_str_z(text), 7, "list_tasks", &key, NULL));
		ASSERT_EQ(key, keys[i]);
	}
}

TEST(no_cursor_is_the_start)
{
	int64_t key = 99;
	ASSERT_OK(nx_cursor_parse(NX_STR(""), 7, "list_tasks", &key, NULL));
	ASSERT_EQ(key, 0);
}

TEST(a_cursor_of_another_tenant_or_list_is_refused)
{
	char text[NX_CURSOR_TEXT];
	int64_t key;
	nx_auto_error struct nx_error *err = NULL;
	nx_cursor_format(42, 7, "list_tasks", text);
	ASSERT_ERR(nx_cursor_parse(nx_str_z(text), 8, "list_tasks", &key, NULL), NX_EINVAL);
	ASSERT_ERR(nx_cursor_parse(nx_str_z(text), 7, "list_keys", &key, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_pointer(err), "/cursor");
	ASSERT_CONTAINS(nx_error_get_hint(err), "next_cursor");
}

TEST(a_cursor_that_was_changed_anywhere_is_refused)
{
	char text[NX_CURSOR_TEXT];
	int64_t key;
	nx_cursor_format(42, 7, "list_tasks", text);
	for (size_t i = 0; i < NX_CURSOR_TEXT - 1; i++) {
		char was = text[i];
		text[i] = was == 'A' ? 'B' : 'A';
		ASSERT_ERR(nx_cursor_parse(nx_str_z(text), 7, "list_tasks", &key, NULL), NX_EINVAL);
		text[i] = was;
	}
	ASSERT_ERR(nx_cursor_parse(nx_str_n(text, NX_CURSOR_TEXT - 2), 7, "list_tasks", &key, NULL), NX_EINVAL);
	ASSERT_ERR(nx_cursor_parse(NX_STR("!!!!!!!!!!!!!!!!!!"), 7, "list_tasks", &key, NULL), NX_EINVAL);
}
