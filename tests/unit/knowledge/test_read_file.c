#include "base/io.h"
#include "knowledge/knowledge.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

static struct nx_arena *arena;
static struct nx_document *docs;
static size_t ndocs;
static struct nx_error *err;

static int read_as(const char *name, nx_str bytes)
{
	char path[512];
	arena = arena ? arena : nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	(void)snprintf(path, sizeof(path), "%s/%s", nx_test_dir(), name);
	ASSERT_OK(nx_file_write_durable(path, bytes, 0600, NULL));
	return nx_knowledge_read_file(path, arena, &docs, &ndocs, &err);
}

TEST(a_text_file_is_one_document)
{
	ASSERT_OK(read_as("a.md", NX_STR("\xef\xbb\xbf# Title\n\ntext")));
	ASSERT_EQ(ndocs, 1);
	ASSERT_TRUE(nx_str_eqz(docs[0].name, "a.md"));
	ASSERT_TRUE(nx_str_eqz(docs[0].mime, "text/markdown"));
	ASSERT_TRUE(nx_str_eqz(docs[0].text, "# Title\n\ntext"));
}

TEST(jsonl_is_a_document_a_line)
{
	ASSERT_OK(read_as(
		"a.jsonl",
		NX_STR("{\"_id\":\"x\",\"title\":\"T\",\"text\":\"one\"}\n\n{\"id\":7,\"text\":\"two\",\"metadata\":{\"a\":1}}\n")));
	ASSERT_EQ(ndocs, 2);
	ASSERT_TRUE(nx_str_eqz(docs[0].name, "x"));
	ASSERT_TRUE(nx_str_eqz(docs[1].name, "7"));
	ASSERT_TRUE(nx_str_eqz(docs[1].metadata, "{\"a\":1}"));
}

TEST(a_file_that_is_not_what_it_says_is_named_with_line_and_reason)
{
	ASSERT_ERR(read_as("b.jsonl", NX_STR("{\"text\":\"a\"}\n{\"text\":")), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "line 2 is not JSON");
	ASSERT_ERR(read_as("c.jsonl", NX_STR("{\"text\":\"a\"}\n{\"title\":\"a\"}")), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "line 2 has no \"text\"");
	ASSERT_ERR(read_as("d.jsonl", NX_STR("[]")), NX_ETYPE);
	ASSERT_ERR(read_as("e.txt", NX_STR("%PDF-1.7 xx")), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "PDF");
	ASSERT_ERR(read_as("f.txt", NX_STR("one\ntwo \xff\n")), NX_EENCODING);
	ASSERT_CONTAINS(nx_error_message(err), "line 2");
	ASSERT_ERR(read_as("g.txt", NX_STR("one\0two")), NX_ETYPE);
	ASSERT_ERR(read_as("h.exe", NX_STR("x")), NX_ETYPE);
	ASSERT_ERR(read_as("i.txt", NX_STR(" \n")), NX_ETYPE);
	ASSERT_ERR(read_as("j.jsonl", NX_STR("\n")), NX_ETYPE);
	ASSERT_ERR(read_as("k.html", NX_STR("<p>x")), NX_EUNSUPPORTED);
}

TEST(a_table_is_a_document_a_row)
{
	ASSERT_OK(read_as("t.csv", NX_STR("code,name,height\n1,Ada,1.5\n1,Ada,1.5\n007,Bob,\n")));
	ASSERT_EQ(ndocs, 3);
	ASSERT_TRUE(nx_str_eqz(docs[0].text, "code: 1\nname: Ada\nheight: 1.5"));
	ASSERT_TRUE(nx_str_eqz(docs[0].title, "Ada"));
	ASSERT_TRUE(nx_str_eqz(docs[0].metadata, "{\"code\":1,\"name\":\"Ada\",\"height\":1.5}"));
	ASSERT_TRUE(nx_str_starts(docs[1].name, docs[0].name));
	ASSERT_TRUE(nx_str_ends(docs[1].name, NX_STR("-2")));
	ASSERT_TRUE(nx_str_eqz(docs[2].metadata, "{\"code\":\"007\",\"name\":\"Bob\"}"));
	ASSERT_OK(read_as("i.csv", NX_STR("id,x\n7,words\n")));
	ASSERT_TRUE(nx_str_eqz(docs[0].name, "i.csv#7"));
	ASSERT_TRUE(nx_str_eqz(docs[0].title, "words"));
}

TEST(json_is_records_when_all_have_a_text_and_else_one_document)
{
	ASSERT_OK(read_as("a.json", NX_STR("[{\"id\":\"x\",\"text\":\"one\"},{\"text\":\"two\"}]")));
	ASSERT_EQ(ndocs, 2);
	ASSERT_TRUE(nx_str_eqz(docs[0].name, "x"));
	ASSERT_OK(read_as("b.json", NX_STR("[{\"text\":\"one\"},{\"other\":\"two\"}]")));
	ASSERT_EQ(ndocs, 1);
	ASSERT_TRUE(nx_str_eqz(docs[0].text, "text: one\n\nother: two"));
	ASSERT_TRUE(nx_str_eqz(docs[0].name, "b.json"));
	ASSERT_EQ(docs[0].nblocks, 2);
}

TEST(other_encodings_are_read)
{
	ASSERT_OK(read_as("l.txt", NX_STR("caf\xe9")));
	ASSERT_TRUE(nx_str_eqz(docs[0].text, "café"));
	ASSERT_OK(read_as("m.py", NX_STR("def f():\n    pass\n")));
	ASSERT_TRUE(nx_str_eqz(docs[0].title, "m.py"));
	ASSERT_TRUE(nx_str_eqz(docs[0].mime, "text/x-python"));
	nx_error_free(err);
	nx_arena_free(arena);
}
