/* What an image asks for, and what of it a program gets. */
#include "execution/images_internal.h"
#include "tests/unit/nx_test.h"

static int take(const char *json, struct nx_image_reader *r)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *config;
	ASSERT_NOT_NULL(a);
	ASSERT_OK(nx_json_read(a, nx_str_z(json), NULL, &config, NULL));
	return nx_image_env_take(r, config, NULL);
}

static void put(struct nx_spawn_start *s, const char *text)
{
	size_t used = 0;
	for (uint32_t i = 0; i < s->envc; i++)
		used += strlen(s->env + used) + 1;
	ASSERT_TRUE(nx_spawn_append(s->env, &used, text));
	s->envc++;
}

TEST(only_plain_names_are_taken)
{
	static struct nx_image_reader r;
	ASSERT_OK(take("{\"config\":{\"Env\":[\"A=1\",\"=2\",\"B C=3\",\"4D=4\",\"E\",\"_f9=\",5,null]}}", &r));
	ASSERT_EQ(r.env_bytes, sizeof("A=1") + sizeof("_f9="));
	ASSERT_STREQ(r.env, "A=1");
	ASSERT_STREQ(r.env + 4, "_f9=");
}

TEST(an_image_may_ask_for_nothing)
{
	static struct nx_image_reader r;
	ASSERT_OK(take("{}", &r));
	ASSERT_OK(take("{\"config\":null}", &r));
	ASSERT_OK(take("{\"config\":{\"Env\":\"A=1\"}}", &r));
	ASSERT_EQ(r.env_bytes, 0);
}

TEST(the_sandbox_keeps_what_it_stands_on)
{
	static union nx_spawn_msg m;
	static const char theirs[] = "PATH=/p\0HOME=/h\0PYTHONPATH=/y\0https_proxy=x\0APP=1";
	char *got[NX_SPAWN_ARGS_MAX + 1];
	nx_spawn_init(&m, NX_SPAWN_START, 1);
	put(&m.start, "PATH=/bin");
	put(&m.start, "HOME=/work");
	put(&m.start, "PYTHONPATH=/work");
	ASSERT_OK(nx_image_env_add(nx_str_n(theirs, sizeof(theirs)), &m.start, NULL));
	ASSERT_EQ(m.start.envc, 4);
	ASSERT_TRUE(nx_spawn_split(m.start.env, m.start.envc, got));
	ASSERT_STREQ(got[0], "PATH=/p");
	ASSERT_STREQ(got[1], "HOME=/work");
	ASSERT_STREQ(got[2], "PYTHONPATH=/work:/y");
	ASSERT_STREQ(got[3], "APP=1");
}

TEST(what_does_not_fit_is_refused)
{
	static union nx_spawn_msg m;
	static char long_text[NX_SPAWN_TEXT_MAX - 8], theirs[NX_IMAGE_ENV_BYTES];
	nx_spawn_init(&m, NX_SPAWN_START, 1);
	memset(long_text, 'x', sizeof(long_text) - 1);
	memcpy(long_text, "OWN=", 4);
	put(&m.start, long_text);
	memset(theirs, 'y', sizeof(theirs) - 1);
	memcpy(theirs, "THEIR=", 6);
	ASSERT_EQ(nx_image_env_add(nx_str_n(theirs, sizeof(theirs)), &m.start, NULL), NX_ELIMIT);
}
