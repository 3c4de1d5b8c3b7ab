#include "extract/foreign_internal.h"
#include "tests/unit/nx_test.h"

#include <archive.h>
#include <archive_entry.h>

#define W "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\""
#define BODY(x) "<w:document " W "><w:body>" x "</w:body></w:document>"

static struct nx_arena *arena;
static struct nx_extracted x;
static struct nx_error *err;
static char zip[1 << 20];

static void add_member(struct archive *z, const char *name, nx_str bytes)
{
	struct archive_entry *e = archive_entry_new();
	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, (la_int64_t)bytes.n);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	ASSERT_EQ(archive_write_header(z, e), ARCHIVE_OK);
	ASSERT_EQ(archive_write_data(z, bytes.p, bytes.n), bytes.n);
	archive_entry_free(e);
}

static nx_str make(nx_str body, const char *styles)
{
	size_t used = 0;
	struct archive *z = archive_write_new();
	ASSERT_EQ(archive_write_set_format_zip(z), ARCHIVE_OK);
	ASSERT_EQ(archive_write_open_memory(z, zip, sizeof(zip), &used), ARCHIVE_OK);
	if (body.p)
		add_member(z, "word/document.xml", body);
	if (styles)
		add_member(z, "word/styles.xml", nx_str_z(styles));
	add_member(z, "docProps/core.xml", NX_STR("<c xmlns:dc=\"d\"><dc:title>The title</dc:title></c>"));
	ASSERT_EQ(archive_write_close(z), ARCHIVE_OK);
	archive_write_free(z);
	return nx_str_n(zip, used);
}

static int extract(nx_str docx)
{
	nx_arena_free(arena);
	arena = nx_arena_new(0);
	nx_error_free(err);
	err = NULL;
	return nx_docx_extract(docx, &nx_extract_limits_default, arena, &x, &err);
}

TEST(paragraphs_headings_items_and_rows_are_read)
{
	nx_str z = make(
		NX_STR(BODY(
			"<w:p><w:pPr><w:pStyle w:val=\"1\"/></w:pPr><w:r><w:t>Chapter</w:t></w:r></w:p>"
			"<w:p><w:r><w:t xml:space=\"preserve\">Some </w:t></w:r><w:r><w:t>words</w:t><w:delText>gone</w:delText></w:r></w:p>"
			"<w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>"
			"<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>")),
		"<w:styles " W "><w:style w:styleId=\"1\"><w:name w:val=\"heading 1\"/></w:style></w:styles>");
	ASSERT_OK(extract(z));
	ASSERT_STREQ(nx_str_zdup(arena, x.text), "Chapter\n\nSome words\n\nitem\n\na | b");
	ASSERT_TRUE(nx_str_eqz(x.title, "The title"));
	ASSERT_EQ(x.blocks[0].kind, NX_BLOCK_HEADING);
	ASSERT_EQ(x.blocks[0].level, 1);
	ASSERT_EQ(x.blocks[2].kind, NX_BLOCK_ITEM);
	ASSERT_EQ(x.blocks[3].kind, NX_BLOCK_ROW);
	ASSERT_EQ(x.blocks[3].from, 4);
	ASSERT_EQ(x.blocks[3].to, 5);
}

TEST(what_old_programs_show_instead_is_not_read_twice)
{
	ASSERT_OK(extract(make(
		NX_STR("<w:document " W " xmlns:mc=\"m\"><w:p><w:r><mc:AlternateContent><mc:Choice><w:t>new</w:t>"
		       "</mc:Choice><mc:Fallback><w:t>old</w:t></mc:Fallback></mc:AlternateContent><w:t>!</w:t></w:r>"
		       "</w:p></w:document>"),
		NULL)));
	ASSERT_STREQ(nx_str_zdup(arena, x.text), "new!");
}

TEST(entities_and_document_types_are_refused)
{
	ASSERT_ERR(extract(make(NX_STR("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>"), NULL)),
		   NX_ETYPE);
	ASSERT_ERR(extract(make(NX_STR("<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><w:p " W
				       "><w:t>&b;</w:t></w:p>"),
				NULL)),
		   NX_ETYPE);
}

TEST(bombs_are_told_by_ratio)
{
	size_t n = 64u << 20;
	char *zeros = calloc(1, n);
	ASSERT_NOT_NULL(zeros);
	memset(zeros, ' ', n);
	memcpy(zeros, "<a>", 3);
	ASSERT_ERR(extract(make(nx_str_n(zeros, n), NULL)), NX_ETOOBIG);
	free(zeros);
	ASSERT_CONTAINS(nx_error_message(err), "knowledge.max_expansion");
}

TEST(what_is_no_word_document_is_named)
{
	ASSERT_ERR(extract(NX_STR("PK\3\4 not really")), NX_ETYPE);
	ASSERT_ERR(extract(make(NX_STR_NULL, NULL)), NX_ETYPE);
	ASSERT_CONTAINS(nx_error_message(err), "not a Word document");
	ASSERT_ERR(extract(make(NX_STR("<w:p " W "><w:t>cut"), NULL)), NX_ETYPE);
	ASSERT_ERR(extract(make(NX_STR(BODY("")), NULL)), NX_ETYPE);
	nx_error_free(err);
	nx_arena_free(arena);
}
