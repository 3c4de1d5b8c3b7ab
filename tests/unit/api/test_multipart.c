#include "api/multipart_internal.h"
#include "tests/unit/nx_test.h"

#define PART(headers, body) "--b\r\n" headers "\r\n\r\n" body "\r\n"
#define FILE_HEADERS \
	"Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain; charset=utf-8"

static int parse(struct nx_arena *a, nx_str body, size_t max, struct nx_part **ret, size_t *n, struct nx_error **err)
{
	return nx_multipart_parse(body, NX_STR("b"), max, a, ret, n, err);
}

TEST(parts_come_with_their_names_types_and_bytes)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_part *p;
	size_t n;
	nx_str body = NX_STR("preamble\r\n" PART(FILE_HEADERS, "one\r\ntwo\r\n-- bogus")
				     PART("content-disposition:form-data;name=options", "{}") "--b--\r\nepilogue");
	ASSERT_OK(parse(a, body, 10, &p, &n, NULL));
	ASSERT_EQ(n, 2);
	ASSERT_TRUE(nx_str_eqz(p[0].name, "f"));
	ASSERT_TRUE(nx_str_eqz(p[0].filename, "a.txt"));
	ASSERT_TRUE(nx_str_eqz(p[0].mime, "text/plain"));
	ASSERT_TRUE(nx_str_eqz(p[0].bytes, "one\r\ntwo\r\n-- bogus"));
	ASSERT_TRUE(nx_str_eqz(p[1].name, "options"));
	ASSERT_NULL(p[1].filename.p);
	ASSERT_TRUE(nx_str_eqz(p[1].bytes, "{}"));
}

TEST(empty_parts_and_no_parts_are_fine)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_part *p;
	size_t n;
	ASSERT_OK(parse(a, NX_STR("--b--"), 10, &p, &n, NULL));
	ASSERT_EQ(n, 0);
	ASSERT_OK(parse(a, NX_STR(PART(FILE_HEADERS, "") "--b--"), 10, &p, &n, NULL));
	ASSERT_EQ(n, 1);
	ASSERT_EQ(p[0].bytes.n, 0);
	ASSERT_OK(parse(a, NX_STR("--b\r\n" FILE_HEADERS "\r\n\r\n--b--"), 10, &p, &n, NULL));
	ASSERT_EQ(p[0].bytes.n, 0);
}

TEST(a_file_name_is_a_label_and_no_path)
{
	static const struct {
		const char *given, *want;
	} names[] = {{"../../etc/passwd", "passwd"},
		     {"C:\\\\dir\\\\a.txt", "a.txt"},
		     {"a\\\"b.txt", "a\"b.txt"},
		     {"..", ".."},
		     {"", ""}};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; i < nx_countof(names); i++) {
		struct nx_part *p;
		size_t n;
		char *body = nx_arena_printf(
			a, "--b\r\nContent-Disposition: form-data; name=f; filename=\"%s\"\r\n\r\nx\r\n--b--",
			names[i].given);
		ASSERT_OK(parse(a, nx_str_z(body), 10, &p, &n, NULL));
		ASSERT_TRUE(nx_str_eqz(p[0].filename, names[i].want));
	}
}

TEST(what_is_broken_is_refused_with_the_part)
{
	static const char *const bodies[] = {"",
					     "x",
					     "--b",
					     "--b\r\n",
					     "--c\r\n",
					     "--bx",
					     PART("X: y", "z") "--b--",
					     PART("no colon", "z") "--b--",
					     PART("Content-Disposition: attachment; name=f", "z") "--b--",
					     PART("Content-Disposition: form-data", "z") "--b--",
					     PART("Content-Disposition: form-data; name=\"f", "z") "--b--",
					     PART(FILE_HEADERS "\r\nContent-Transfer-Encoding: base64", "eA==") "--b--",
					     "--b\r\n" FILE_HEADERS "\r\n\r\ncut",
					     PART("Content-Disposition: form-data; name=\"\xff\"", "z") "--b--"};
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; i < nx_countof(bodies); i++) {
		nx_auto_error struct nx_error *err = NULL;
		struct nx_part *p;
		size_t n;
		ASSERT_TRUE(parse(a, nx_str_z(bodies[i]), 10, &p, &n, &err) < 0);
		ASSERT_TRUE(nx_error_message(err)[0] != '\0');
	}
}

TEST(parts_and_headers_are_bounded)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_part *p;
	size_t n;
	for (int i = 0; i < 4; i++)
		nx_buf_addz(&b, PART(FILE_HEADERS, "x"));
	nx_buf_addz(&b, "--b--");
	ASSERT_OK(parse(a, nx_buf_str(&b), 4, &p, &n, NULL));
	ASSERT_ERR(parse(a, nx_buf_str(&b), 3, &p, &n, NULL), NX_ELIMIT);

	nx_buf_clear(&b);
	nx_buf_addz(&b, "--b\r\n");
	for (int i = 0; i < 1000; i++)
		nx_buf_addz(&b, "X-Header: value\r\n");
	nx_buf_addz(&b, "\r\n\r\n--b--");
	ASSERT_ERR(parse(a, nx_buf_str(&b), 3, &p, &n, NULL), NX_EPARSE);
}

TEST(a_boundary_is_checked)
{
	nx_str b;
	ASSERT_OK(nx_multipart_boundary(NX_STR("multipart/form-data; boundary=abc"), &b, NULL));
	ASSERT_TRUE(nx_str_eqz(b, "abc"));
	ASSERT_OK(nx_multipart_boundary(NX_STR("multipart/form-data; charset=utf-8; Boundary=\"a b:c\""), &b, NULL));
	ASSERT_TRUE(nx_str_eqz(b, "a b:c"));
	ASSERT_ERR(nx_multipart_boundary(NX_STR("multipart/form-data"), &b, NULL), NX_EPARSE);
	ASSERT_ERR(nx_multipart_boundary(NX_STR("multipart/form-data; boundary="), &b, NULL), NX_EPARSE);
	ASSERT_ERR(nx_multipart_boundary(NX_STR("multipart/form-data; boundary=a{b"), &b, NULL), NX_EPARSE);
	ASSERT_ERR(nx_multipart_boundary(NX_STR("multipart/form-data; boundary=\"a\\\"b\""), &b, NULL), NX_EPARSE);
	ASSERT_ERR(
		nx_multipart_boundary(
			NX_STR("multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901"),
			&b, NULL),
		NX_EPARSE);
}
