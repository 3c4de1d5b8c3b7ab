#include "base/error.h"
#include "base/str.h"
#include "tests/unit/nx_test.h"

#include <errno.h>

TEST(an_error_carries_its_code_and_message)
{
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_error_set(&err, NX_ELIMIT, "limit is %d", 7), NX_ELIMIT);
	ASSERT_EQ(nx_error_code(err), NX_ELIMIT);
	ASSERT_STREQ(nx_error_message(err), "limit is 7");
	ASSERT_STREQ(nx_error_pointer(err), "");
	ASSERT_STREQ(nx_error_get_hint(err), "");
}

TEST(no_error_reads_as_none)
{
	ASSERT_EQ(nx_error_code(NULL), 0);
	ASSERT_STREQ(nx_error_message(NULL), "no error");
	ASSERT_STREQ(nx_error_pointer(NULL), "");
	ASSERT_STREQ(nx_error_get_hint(NULL), "");
	nx_error_free(NULL);
	ASSERT_NULL(nx_error_copy(NULL));
}

TEST(context_goes_before_the_message)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EIO, "disk");
	ASSERT_ERR(nx_error_wrap(&err, "read %s", "a.txt"), NX_EIO);
	ASSERT_ERR(nx_error_wrap(&err, "start"), NX_EIO);
	ASSERT_STREQ(nx_error_message(err), "start: read a.txt: disk");
}

TEST(a_pointer_grows_from_the_inside_out)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "bad");
	nx_error_at(&err, "/tool");
	nx_error_under(&err, "/%d", 2);
	ASSERT_ERR(nx_error_under(&err, "/steps"), NX_EINVAL);
	ASSERT_STREQ(nx_error_pointer(err), "/steps/2/tool");
}

TEST(a_hint_may_have_lines_and_a_message_may_not)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "a\nb\033[31m");
	ASSERT_ERR(nx_error_hint(&err, "one\ntwo"), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(err), "a b [31m");
	ASSERT_STREQ(nx_error_get_hint(err), "one\ntwo");
}

TEST(what_is_not_utf8_becomes_printable)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "%s", "x\xff\xc3_y \xc2\x9b z");
	ASSERT_STREQ(nx_error_message(err), "x??_y    z");
}

TEST(a_long_message_is_cut_at_a_character)
{
	char text[6001];
	for (size_t i = 0; i < 6000; i += 3)
		memcpy(text + i, "€", 3);
	text[6000] = '\0';
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "x%s", text);
	ASSERT_LE(strlen(nx_error_message(err)), 2048 + 3);
	ASSERT_TRUE(nx_utf8_valid(nx_str_z(nx_error_message(err))));
	ASSERT_TRUE(nx_str_ends(nx_str_z(nx_error_message(err)), NX_STR("€…")));
}

TEST(wrapping_without_end_ends)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "x");
	for (int i = 0; i < 100000; i++)
		nx_error_wrap(&err, "context %d", i);
	ASSERT_LE(strlen(nx_error_message(err)), 8192);
}

TEST(errno_gives_the_code_and_its_words)
{
	static const struct {
		int errnum, code;
	} cases[] = {{ENOENT, NX_ENOTFOUND},
		     {EACCES, NX_EFORBIDDEN},
		     {ENOSPC, NX_ENOSPACE},
		     {EADDRINUSE, NX_EINUSE},
		     {EMFILE, NX_ELIMIT},
		     {ECONNREFUSED, NX_ENETWORK},
		     {ETIMEDOUT, NX_ETIMEOUT},
		     {EBUSY, NX_EBUSY},
		     {ENOSYS, NX_EUNSUPPORTED},
		     {ECANCELED, NX_ECANCELLED},
		     {EEXIST, NX_EEXISTS},
		     {EISDIR, NX_EINVAL},
		     {ENOTEMPTY, NX_ECONFLICT},
		     {EFBIG, NX_ETOOBIG},
		     {ENOMEM, NX_ENOMEM},
		     {EIO, NX_EIO},
		     {12345, NX_EIO}};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		nx_auto_error struct nx_error *err = NULL;
		ASSERT_ERR(nx_error_set_errno(&err, cases[i].errnum, "open %s", "x"), cases[i].code);
		ASSERT_CONTAINS(nx_error_message(err), "open x: ");
	}
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set_errno(&err, ENOENT, "open");
	ASSERT_STREQ(nx_error_message(err), "open: No such file or directory");
}

static int deep(struct nx_error **err)
{
	return nx_error_set(err, NX_EBUSY, "busy");
}

TEST(without_a_place_for_the_error_the_code_still_comes_through)
{
	nx_auto_error struct nx_error *other = NULL;
	nx_error_set(&other, NX_EIO, "earlier");
	ASSERT_ERR(deep(NULL), NX_EBUSY);
	ASSERT_ERR(nx_error_wrap(NULL, "context"), NX_EBUSY);
	ASSERT_ERR(nx_error_hint(NULL, "hint"), NX_EBUSY);
	ASSERT_ERR(nx_error_at(NULL, "/x"), NX_EBUSY);
	ASSERT_ERR(nx_error_under(NULL, "/x"), NX_EBUSY);
}

TEST(a_copy_has_all_parts_and_its_own_life)
{
	struct nx_error *err = NULL;
	nx_error_set(&err, NX_EINVAL, "m");
	nx_error_at(&err, "/p");
	nx_error_hint(&err, "h");
	nx_auto_error struct nx_error *copy = nx_error_copy(err);
	nx_error_free(err);
	ASSERT_EQ(nx_error_code(copy), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(copy), "m");
	ASSERT_STREQ(nx_error_pointer(copy), "/p");
	ASSERT_STREQ(nx_error_get_hint(copy), "h");
}

TEST(moving_hands_over_or_frees)
{
	struct nx_error *from = NULL;
	nx_auto_error struct nx_error *to = NULL;
	nx_error_set(&from, NX_EIO, "m");
	ASSERT_ERR(nx_error_move(&to, nx_steal(from)), NX_EIO);
	ASSERT_STREQ(nx_error_message(to), "m");
	nx_error_set(&from, NX_EBUSY, "m");
	ASSERT_ERR(nx_error_move(NULL, nx_steal(from)), NX_EBUSY);
	ASSERT_OK(nx_error_move(NULL, NULL));
}
