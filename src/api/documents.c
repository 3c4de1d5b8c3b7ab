#include "api/documents_internal.h"

#include "api/api_internal.h"
#include "api/multipart_internal.h"
#include "base/io.h"
#include "intake/intake.h"

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
	 .flags = NX_F_NULL,
	 .max_len = 128,
	 .help = "what it is; when absent, text is text/plain, and content is what the ending of its id says"},
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

static int check_format(nx_str id, nx_str mime, bool has_text, enum nx_format *ret, struct nx_error **err)
{
	*ret = nx_format_of(mime.n ? NX_STR("") : id, mime, NULL);
	if (*ret != NX_FORMAT_NONE && !(has_text && (*ret == NX_FORMAT_PDF || *ret == NX_FORMAT_DOCX)))
		return 0;
	if (*ret != NX_FORMAT_NONE)
		nx_error_set(err, NX_ETYPE, "a %s document is not text: send it as content_base64",
			     nx_format_name(*ret));
	else if (mime.n)
		nx_error_set(err, NX_ETYPE, "documents of type `%.*s` are not read", NX_FMT(mime));
	else
		nx_error_set(err, NX_ETYPE, "it is not said what the document is");
	nx_error_hint(err, "send text/plain, text/markdown, text/html, text/csv, application/json, application/jsonl, "
			   "application/pdf, that of .docx, or that of code (text/x-python)");
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
	return nx_base64_decode(a, b->content, ret, err) ? nx_error_at(err, "/content_base64") : 0;
}

static bool is_text_itself(const struct document_body *b, enum nx_format f)
{
	return b->has_text && (f == NX_FORMAT_TEXT || f == NX_FORMAT_MARKDOWN || f == NX_FORMAT_CODE);
}

/* Text is a document as it is; everything else is a file. */
static int make_item(const struct document_body *b, struct nx_arena *a, struct nx_intake_item *ret,
		     struct nx_error **err)
{
	enum nx_format format;
	nx_str mime = b->mime, metadata = NX_STR_NULL, bytes;
	if (!mime.n && (b->has_text || nx_format_of(b->id, mime, NULL) == NX_FORMAT_NONE))
		mime = NX_STR("text/plain");
	int rc = check_format(b->id, mime, b->has_text, &format, err);
	if (!rc)
		rc = read_content(b, a, &bytes, err);
	if (!rc && b->metadata)
		rc = nx_json_write_val(a, b->metadata, false, &metadata, err);
	if (rc)
		return rc;
	*ret = (struct nx_intake_item){.file = {.name = b->id.n ? b->id : NX_STR("document"),
						.title = b->title,
						.mime = mime,
						.uri = b->uri,
						.metadata = metadata,
						.bytes = bytes},
				       .is_unnamed = b->id.n == 0};
	if (!is_text_itself(b, format))
		return 0;
	ret->docs = nx_arena_new_of(a, struct nx_document);
	if (!ret->docs)
		return nx_error_set(err, NX_ENOMEM, "out of memory for a document");
	*ret->docs = (struct nx_document){
		.name = b->id, .title = b->title, .text = bytes, .mime = mime, .uri = b->uri, .metadata = metadata};
	ret->ndocs = 1;
	return 0;
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

/* ---- reading ---- */

struct reading {
	struct nx_request *r;
	const struct documents_body *options;
	const struct document_body *bodies; /* by item; NULL: files of an upload, whose names are in the messages */
	bool is_one;                        /* PUT: the document of that id */
	struct nx_intake intake;
};

static int check_count(struct nx_request *r, size_t n, struct nx_error **err);

static int check_read(struct reading *rd, struct nx_error **err)
{
	if (rd->is_one && rd->intake.ndocs != 1) {
		nx_error_set(err, NX_EINVAL, "the file holds %zu documents, and this is one", rd->intake.ndocs);
		return nx_error_hint(err, "POST it to /v1/knowledge/documents");
	}
	return check_count(rd->r, rd->intake.ndocs, err);
}

static void was_read(struct nx_intake *in, struct nx_error *err)
{
	struct reading *rd = nx_container_of(in, struct reading, intake);
	struct nx_error *copy = err ? nx_error_copy(err) : NULL;
	if (copy && rd->bodies) {
		nx_error_under(&copy, rd->bodies[in->failed].has_text ? "/text" : "/content_base64");
		if (!rd->is_one)
			nx_error_under(&copy, "/documents/%zu", in->failed);
	}
	if (!copy)
		(void)check_read(rd, &copy);
	if (copy)
		nx_request_reply_error(rd->r, copy);
	else
		ingest(rd->r, in->docs, in->ndocs, rd->options);
}

static void read_and_ingest(struct nx_request *r, struct nx_intake_item *items, size_t n,
			    const struct documents_body *options, const struct document_body *bodies, bool is_one)
{
	struct reading *rd = nx_arena_new_of(r->arena, struct reading);
	if (!rd) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	*rd = (struct reading){.r = r, .options = options, .bodies = bodies, .is_one = is_one};
	rd->intake = (struct nx_intake){.config = r->api->parts.config,
					.execution = r->api->parts.execution,
					.workers = r->api->parts.workers,
					.arena = r->arena,
					.tenant = r->who.tenant,
					.trace = r->trace,
					.items = items,
					.nitems = n,
					.done = was_read};
	nx_intake_start(&rd->intake);
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
	struct nx_intake_item *items;
	size_t n, cap;
	struct documents_body *options;
};

static int add_file(struct nx_request *r, const struct nx_part *p, struct upload *u, struct nx_error **err)
{
	if (u->n == u->cap) {
		size_t cap = u->cap ? 2 * u->cap : 8;
		u->items = nx_arena_realloc(r->arena, u->items, u->cap * sizeof(*u->items), cap * sizeof(*u->items));
		if (!u->items)
			return nx_error_set(err, NX_ENOMEM, "out of memory for the documents");
		u->cap = cap;
	}
	/* The name decides; the type that a browser adds to it is a guess of its own. */
	bool is_known = nx_format_of(p->filename, NX_STR(""), NULL) != NX_FORMAT_NONE;
	if (!is_known && nx_format_of(NX_STR(""), p->mime, NULL) == NX_FORMAT_NONE) {
		nx_error_set(err, NX_ETYPE, "%.*s: files of this kind are not read", NX_FMT(p->filename));
		return nx_error_hint(err, "send %s", nx_format_endings());
	}
	u->items[u->n++] = (struct nx_intake_item){
		.file = {.name = p->filename, .mime = is_known ? NX_STR("") : p->mime, .bytes = p->bytes}};
	return 0;
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
			rc = add_file(r, &parts[i], u, err);
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
		read_and_ingest(r, u.items, u.n, u.options ? u.options : &defaults, NULL, false);
}

/* ---- the operations ---- */

static int make_all(struct nx_request *r, const struct documents_body *b, struct nx_intake_item **ret,
		    struct nx_error **err)
{
	int rc = check_count(r, b->documents.n, err);
	if (rc)
		return rc;
	struct nx_intake_item *items = nx_arena_array(r->arena, struct nx_intake_item, b->documents.n);
	if (!items)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the documents");
	for (size_t i = 0; i < b->documents.n; i++) {
		rc = make_item(nx_list_at(b->documents, struct document_body, i), r->arena, &items[i], err);
		if (rc)
			return nx_error_under(err, "/documents/%zu", i);
	}
	*ret = items;
	return 0;
}

void nx_documents_add(struct nx_request *r)
{
	const struct documents_body *b = r->args;
	struct nx_intake_item *items;
	struct nx_error *err = NULL;
	if (!b)
		add_upload(r);
	else if (make_all(r, b, &items, &err))
		nx_request_reply_error(r, err);
	else
		read_and_ingest(r, items, b->documents.n, b, b->documents.items, false);
}

void nx_document_put(struct nx_request *r)
{
	static const struct documents_body defaults;
	struct document_body *b = r->args;
	struct nx_error *err = NULL;
	struct nx_intake_item *item = nx_arena_new_of(r->arena, struct nx_intake_item);
	if (!item) {
		nx_error_set(&err, NX_ENOMEM, "out of memory for a document");
	} else if (b->id.n && !nx_str_eq(b->id, r->params[0])) {
		nx_error_set(&err, NX_EINVAL, "the body's id is not the one in the path");
		nx_error_at(&err, "/id");
	} else {
		b->id = r->params[0];
		if (make_item(b, r->arena, item, &err) == 0) {
			read_and_ingest(r, item, 1, &defaults, b, true);
			return;
		}
	}
	nx_request_reply_error(r, err);
}
