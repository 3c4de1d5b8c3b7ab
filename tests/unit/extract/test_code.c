#include "extract/extract.h"
#include "tests/unit/nx_test.h"

static struct nx_block *v;
static size_t n;

static void outline(struct nx_arena *a, const char *text, const char *mime)
{
	ASSERT_OK(nx_code_outline(nx_str_z(text), nx_str_z(mime), &nx_extract_limits_default, a, &v, &n, NULL));
}

TEST(python_is_cut_before_definitions_with_their_comments_and_decorators)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	outline(a,
		"import os\n\n# adds\n@cached\ndef add(a, b):\n    c = a\n\n    return c + b\ndef two():\n    pass\n",
		"text/x-python");
	ASSERT_EQ(n, 4);
	ASSERT_EQ(v[1].from, 3);
	ASSERT_EQ(v[1].level, 1);
	ASSERT_EQ(v[2].from, 8);
	ASSERT_EQ(v[2].level, 2);
	ASSERT_EQ(v[3].from, 9);
	ASSERT_EQ(v[3].to, 10);
}

TEST(c_is_cut_after_the_brace_that_ends_a_function)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	outline(a,
		"int f(void)\n{\n\tif (1) {\n\t} else {\n\t}\n\treturn 0;\nout:\n\treturn 1;\n}\nint g(void)\n{\n}\n",
		"text/x-c");
	ASSERT_EQ(n, 2);
	ASSERT_EQ(v[0].to, 9);
	ASSERT_EQ(v[1].from, 10);
}

TEST(no_text_has_no_parts)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	outline(a, "\n \n", "text/x-go");
	ASSERT_EQ(n, 0);
}
