#include "api/documents_internal.h"

#include "api/api_internal.h"
#include "api/multipart_internal.h"
#include "base/io.h"

/* ---- shapes ---- */

static const char *const index_names[] = {"text", "graph", "vector", NULL}; /* bits of NX_INDEX_… */
static const char *const wait_names[] = {"indexed", "stored", NULL};

struct document_body {
	nx_str id, title, text, content, mime, uri;
	yyjson_val *metadata;
	bool has_text, has_content;
};
/* The library knows the limit (knowledge.max_document_bytes); the schema only keeps to what a size can hold. */
#define TEXT_MAX ((size_t)1 << 30)
static const struct nx_field document_fields[] = {
	{.name = "id",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct document_body, id),
	 .max_len = 512,
	 .help = "the client's own; made from the text when absent"},
	{.name = "title",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct document_body, title),
	 .max_len = 1024,
	 .help = "the first heading or line when absent"},
	{.name = "text",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct document_body, text),
	 .has = offsetof(struct document_body, has_text),
	 .max_len = TEXT_MAX,
	 .help = "the document, in UTF-8"},
	{.name = "content_base64",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct document_body, content),
	 .has = offsetof(struct document_body, has_content),
	 .max_len = TEXT_MAX,
	 .help = "the document in base64, instead of text"},
	{.name = "mime",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct document_body, mime),
	 .max_len = 128,
	 .def_str = "text/plain",
	 .help = "text/plain or text/markdown"},
	{.name = "uri",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct document_body, uri),
	 .max_len = 4096,
	 .help = "where it came from"},
	{.name = "metadata",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct document_body, metadata),
	 .max_len = 256,
	 .help = "what searches may filter by"},
};
const struct nx_schema nx_document_schema = {.name = "Document",
					     .help = "A document to be stored.",
					     .fields = document_fields,
					     .nfields = nx_countof(document_fields),
					     .size = sizeof(struct document_body)};

struct documents_body {
	struct nx_list documents, index;
	int wait;
};
#define OPTION_FIELDS                                                             \
	{.name = "index",                                                         \
	 .type = NX_T_ARRAY,                                                      \
	 .item = NX_T_ENUM,                                                       \
	 .names = index_names,                                                    \
	 .offset = offsetof(struct documents_body, index),                        \
	 .max_len = 3,                                                            \
	 .help = "which indexes find it; all when absent"},                       \
	{                                                                         \
		.name = "wait", .type = NX_T_ENUM, .names = wait_names,           \
		.offset = offsetof(struct documents_body, wait),                  \
		.help = "answer when every index finds it, or when it is durable" \
	}
static const struct nx_field documents_fields[] = {
	{.name = "documents",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &nx_document_schema,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct documents_body, documents),
	 .max_len = 100000,
	 .help = "at most knowledge.max_documents"},
	OPTION_FIELDS,
};
const struct nx_schema nx_documents_schema = {.name = "DocumentsRequest",
					      .help = "Documents to be stored.",
					      .fields = documents_fields,
					      .nfields = nx_countof(documents_fields),
					      .size = sizeof(struct documents_body)};
static const struct nx_field option_fields[] = {OPTION_FIELDS};
static const struct nx_schema options_schema = {.name = "UploadOptions",
						.fields = option_fields,
						.nfields = nx_countof(option_fields),
						.size = sizeof(struct documents_body)};

static const struct nx_field result_fields[] = {
	{.name = "inserted", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "documents that are new"},
	{.name = "updated", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "documents that replaced one"},
	{.name = "unchanged", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "documents that were there already"},
	{.name = "ids",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ID,
	 .flags = NX_F_REQUIRED,
	 .max_len = 100000,
	 .help = "of every document, in order"},
	{.name = "chunks", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "passages they were cut into"},
};
const struct nx_schema nx_ingest_result_schema = {.name = "IngestResult",
						  .help = "What became of the documents.",
						  .fields = result_fields,
						  .nfields = nx_countof(result_fields)};

/* ---- one document ---- */

static int check_mime(nx_str mime, struct nx_error **err)
{
	if (nx_str_eqz(mime, "text/plain") || nx_str_eqz(mime, "text/markdown"))
		return 0;
	nx_error_set(err, NX_ETYPE, "documents of type `%.*s` are not read", NX_FMT(mime));
	nx_error_hint(err, "send text/plain or text/markdown");
	return nx_error_at(err, "/mime");
}

static int read_content(const struct document_body *b, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	if (b->has_text == b->has_content) {
		nx_error_set(err, NX_EINVAL, "a document has either text or content_base64");
		return nx_error_at(err, b->has_text ? "/content_base64" : "/text");
	}
	if (b->has_text) {
		*ret = b->text;
		return 0;
	}
	int rc = nx_base64_decode(a, b->content, ret, err);
	if (!rc)
		rc = nx_utf8_check(*ret, "the document", err);
	return rc ? nx_error_at(err, "/content_base64") : 0;
}

static int make_document(const struct document_body *b, struct nx_arena *a, struct nx_document *ret,
			 struct nx_error **err)
{
	*ret = (struct nx_document){.name = b->id, .title = b->title, .mime = b->mime, .uri = b->uri};
	int rc = check_mime(b->mime, err);
	if (!rc)
		rc = read_content(b, a, &ret->text, err);
	if (!rc && b->metadata)
		rc = nx_json_write_val(a, b->metadata, false, &ret->metadata, err);
	return rc;
}

/* ---- ingest ---- */

static void ingested(struct nx_ingest *g, struct nx_error *err)
{
	struct nx_request *r = g->ctx;
	yyjson_mut_doc *d;
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		return;
	}
	d = nx_json_new(r->arena);
	nx_request_reply_value(r, 200, d ? nx_ingest_json(g, d) : NULL);
}

static unsigned index_bits(const struct nx_list *names)
{
	unsigned bits = 0;
	for (size_t i = 0; i < names->n; i++)
		bits |= 1u << *nx_list_at(*names, int, i);
	return bits ? bits : NX_INDEX_ALL;
}

static void ingest(struct nx_request *r, struct nx_document *docs, size_t n, const struct documents_body *options)
{
	struct nx_ingest *g = nx_arena_new_of(r->arena, struct nx_ingest);
	if (!g) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	*g = (struct nx_ingest){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.space = NX_STR(""),
		.docs = docs,
		.ndocs = n,
		.indexes = index_bits(&options->index),
		.wait_stored = options->wait == 1,
		.hook = r->hook,
		.trace = r->trace,
		.done = ingested,
		.ctx = r,
	};
	nx_knowledge_ingest(r->api->parts.knowledge, g);
}

static int check_count(struct nx_request *r, size_t n, struct nx_error **err)
{
	int64_t max = r->api->parts.config->knowledge_max_documents;
	if (n > (size_t)max) {
		nx_error_set(err, NX_ELIMIT, "%zu documents came at once; knowledge.max_documents is %lld", n,
			     (long long)max);
		return nx_error_at(err, "/documents");
	}
	if (n == 0) {
		nx_error_set(err, NX_EINVAL, "no document came");
		return nx_error_at(err, "/documents");
	}
	return 0;
}

/* ---- uploads ---- */

struct upload {
	struct nx_document *docs;
	size_t n, cap;
	struct documents_body *options;
};

static int add_documents(struct upload *u, const struct nx_document *docs, size_t n, size_t max, struct nx_arena *a,
			 struct nx_error **err)
{
	if (n > max - u->n)
		return nx_error_set(err, NX_ELIMIT, "the files hold more than %zu documents (knowledge.max_documents)",
				    max);
	if (u->n + n > u->cap) {
		size_t cap = nx_max(u->cap * 2, u->n + n);
		u->docs = nx_arena_realloc(a, u->docs, u->cap * sizeof(*docs), cap * sizeof(*docs));
		if (!u->docs)
			return nx_error_set(err, NX_ENOMEM, "out of memory for the documents");
		u->cap = cap;
	}
	memcpy(u->docs + u->n, docs, n * sizeof(*docs));
	u->n += n;
	return 0;
}

static int read_file(struct nx_request *r, const struct nx_part *p, struct upload *u, size_t max, struct nx_error **err)
{
	struct nx_document *docs = NULL, one = {.name = p->filename, .mime = NX_STR("text/plain"), .text = p->bytes};
	size_t n = 1;
	int rc = 0;
	if (nx_str_ends(p->filename, NX_STR(".jsonl"))) {
		rc = nx_knowledge_read_jsonl(p->filename, p->bytes, r->arena, &docs, &n, err);
	} else if (nx_str_ends(p->filename, NX_STR(".md")) || nx_str_ends(p->filename, NX_STR(".txt"))) {
		if (nx_str_ends(p->filename, NX_STR(".md")))
			one.mime = NX_STR("text/markdown");
		rc = nx_utf8_check(p->bytes, "the file", err);
	} else {
		nx_error_set(err, NX_ETYPE, "files of this kind are not read");
		rc = nx_error_hint(err, "send .txt, .md or .jsonl");
	}
	if (rc)
		return nx_error_wrap(err, "%.*s", NX_FMT(p->filename));
	return add_documents(u, docs ? docs : &one, n, max, r->arena, err);
}

static int read_options(struct nx_request *r, const struct nx_part *p, struct upload *u, struct nx_error **err)
{
	yyjson_val *v;
	void *options = NULL;
	struct nx_json_limits limits = {.max_bytes = 4096, .max_depth = 4};
	int rc = nx_json_read(r->arena, p->bytes, &limits, &v, err);
	if (!rc)
		rc = nx_schema_decode(&options_schema, v, r->arena, &options, err);
	u->options = options;
	return rc ? nx_error_wrap(err, "options") : 0;
}

static int read_upload(struct nx_request *r, struct upload *u, struct nx_error **err)
{
	size_t n = 0, max = (size_t)r->api->parts.config->knowledge_max_documents;
	struct nx_part *parts = NULL;
	nx_str boundary;
	int rc = nx_multipart_boundary(r->headers.content_type, &boundary, err);
	if (!rc)
		rc = nx_multipart_parse(r->raw, boundary, max + 1, r->arena, &parts, &n, err);
	for (size_t i = 0; !rc && i < n; i++) {
		if (parts[i].filename.p)
			rc = read_file(r, &parts[i], u, max, err);
		else if (nx_str_eqz(parts[i].name, "options"))
			rc = read_options(r, &parts[i], u, err);
		else
			rc = nx_error_set(err, NX_EINVAL, "the form has a field `%.*s`; files and `options` are taken",
					  NX_FMT(nx_str_slice(parts[i].name, 0, 80)));
	}
	return rc ? rc : check_count(r, u->n, err);
}

static void add_upload(struct nx_request *r)
{
	static const struct documents_body defaults;
	struct nx_error *err = NULL;
	struct upload u = {0};
	if (read_upload(r, &u, &err))
		nx_request_reply_error(r, err);
	else
		ingest(r, u.docs, u.n, u.options ? u.options : &defaults);
}

/* ---- the operations ---- */

static int make_all(struct nx_request *r, const struct documents_body *b, struct nx_document **ret,
		    struct nx_error **err)
{
	int rc = check_count(r, b->documents.n, err);
	if (rc)
		return rc;
	struct nx_document *docs = nx_arena_array(r->arena, struct nx_document, b->documents.n);
	if (!docs)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the documents");
	for (size_t i = 0; i < b->documents.n; i++) {
		rc = make_document(nx_list_at(b->documents, struct document_body, i), r->arena, &docs[i], err);
		if (rc)
			return nx_error_under(err, "/documents/%zu", i);
	}
	*ret = docs;
	return 0;
}

void nx_documents_add(struct nx_request *r)
{
	const struct documents_body *b = r->args;
	struct nx_document *docs;
	struct nx_error *err = NULL;
	if (!b)
		add_upload(r);
	else if (make_all(r, b, &docs, &err))
		nx_request_reply_error(r, err);
	else
		ingest(r, docs, b->documents.n, b);
}

void nx_document_put(struct nx_request *r)
{
	static const struct documents_body defaults;
	const struct document_body *b = r->args;
	struct nx_error *err = NULL;
	struct nx_document *d = nx_arena_new_of(r->arena, struct nx_document);
	if (!d) {
		nx_error_set(&err, NX_ENOMEM, "out of memory for a document");
	} else if (b->id.n && !nx_str_eq(b->id, r->params[0])) {
		nx_error_set(&err, NX_EINVAL, "the body's id is not the one in the path");
		nx_error_at(&err, "/id");
	} else if (make_document(b, r->arena, d, &err) == 0) {
		d->name = r->params[0];
		ingest(r, d, 1, &defaults);
		return;
	}
	nx_request_reply_error(r, err);
}
