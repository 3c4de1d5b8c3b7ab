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

TEST(a_variable_that_is_too_long_is_refused_by_its_place)
{
	static struct nx_image_reader r;
	static char json[2200] = "{\"config\":{\"Env\":[\"A=1\",\"B=";
	size_t n = strlen(json);
	memset(json + n, 'x', 1022);
	memcpy(json + n + 1022, "\"]}}", sizeof("\"]}}"));
	ASSERT_EQ(take(json, &r), NX_ELIMIT);
	memcpy(json + n + 1021, "\"]}}", sizeof("\"]}}"));
	ASSERT_OK(take(json, &r));
	ASSERT_EQ(r.env_bytes, sizeof("A=1") + 1024);
}

/* The message, which lives in the arena of the test. */
static const char *refusal(struct nx_arena *a, const char *json, int *ret_code)
{
	nx_auto_error struct nx_error *err = NULL;
	yyjson_val *image;
	ASSERT_OK(nx_json_read(a, nx_str_z(json), NULL, &image, NULL));
	*ret_code = nx_image_config_check(image, &err);
	return err ? nx_arena_printf(a, "%s", nx_error_message(err)) : "";
}

TEST(a_configuration_that_is_no_such_thing_is_refused_by_its_name)
{
	static const struct {
		const char *json, *says;
	} wrong[] = {
		{"[]", "configuration is"},
		{"{\"config\":[]}", "`config`"},
		{"{\"config\":\"x\"}", "`config`"},
		{"{\"config\":{\"Env\":\"A=1\"}}", "`Env`"},
		{"{\"config\":{\"Env\":{\"A\":1}}}", "`Env`"},
		{"{\"config\":{\"Env\":[\"A=1\",7]}}", "variable 2"},
		{"{\"config\":{\"WorkingDir\":7}}", "`WorkingDir`"},
		{"{\"config\":{\"WorkingDir\":[\"/\"]}}", "`WorkingDir`"},
		{"{\"config\":{\"WorkingDir\":\"opt/app\"}}", "is relative: opt/app"},
		{"{\"config\":{\"WorkingDir\":\"../..\"}}", "is relative"},
		{"{\"config\":{\"User\":0}}", "`User`"},
	};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	int code;
	for (size_t i = 0; i < nx_countof(wrong); i++) {
		ASSERT_NOT_NULL(strstr(refusal(a, wrong[i].json, &code), wrong[i].says));
		ASSERT_EQ(code, NX_EPARSE);
	}
}

TEST(what_is_too_long_in_a_configuration_is_refused)
{
	static char json[8192];
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	int code;
	(void)snprintf(json, sizeof(json), "{\"config\":{\"WorkingDir\":\"/%04095d\"}}", 0);
	ASSERT_NOT_NULL(strstr(refusal(a, json, &code), "4095"));
	ASSERT_EQ(code, NX_ELIMIT);
	(void)snprintf(json, sizeof(json), "{\"config\":{\"User\":\"%0256d\"}}", 0);
	ASSERT_NOT_NULL(strstr(refusal(a, json, &code), "255"));
	ASSERT_EQ(code, NX_ELIMIT);
}

TEST(a_configuration_may_leave_out_anything)
{
	static const char *const right[] = {
		"{}",
		"{\"config\":null}",
		"{\"config\":{}}",
		"{\"config\":{\"Env\":null,\"User\":null,\"WorkingDir\":null}}",
		"{\"config\":{\"Env\":[],\"User\":\"\",\"WorkingDir\":\"\"}}",
		"{\"config\":{\"Env\":[\"A=1\"],\"User\":\"app:app\",\"WorkingDir\":\"/opt/app\"}}"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	int code;
	for (size_t i = 0; i < nx_countof(right); i++) {
		ASSERT_STREQ(refusal(a, right[i], &code), "");
		ASSERT_EQ(code, 0);
	}
}
