#include "knowledge/chunker.h"
#include "knowledge/knowledge_internal.h"

#include "base/fault.h"
#include "base/io.h"

#define HASH_NAME_BYTES 12

struct outline {
	const struct nx_block *blocks;
	size_t n;
	enum nx_place_unit unit;
};

static int check_string(nx_str s, const char *what, size_t max, struct nx_error **err)
{
	int r = nx_utf8_check(s, what, err);
	if (r == 0 && s.n > max)
		r = nx_error_set(err, NX_ETOOBIG, "%s is %zu bytes long; the limit is %zu", what, s.n, max);
	if (r < 0)
		(void)nx_error_at(err, "/%s", what);
	return r;
}

static int check_metadata(nx_str m, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	yyjson_val *v = NULL;
	if (m.n == 0)
		return 0;
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "no memory for metadata");
	int r = nx_json_read(a, m, &(struct nx_json_limits){.max_bytes = NX_METADATA_BYTES_MAX}, &v, err);
	if (r == 0 && !yyjson_is_obj(v) && !yyjson_is_null(v))
		r = nx_error_set(err, NX_EINVAL, "metadata must be an object");
	return r < 0 ? nx_error_at(err, "/metadata") : 0;
}

static int check(const struct nx_config *c, const struct nx_document *d, struct nx_error **err)
{
	int r = check_string(d->name, "id", NX_NAME_BYTES_MAX, err);
	if (r == 0)
		r = check_string(d->title, "title", NX_TITLE_BYTES_MAX, err);
	if (r == 0)
		r = check_string(d->uri, "uri", 4096, err);
	if (r == 0)
		r = check_string(d->mime, "mime", 255, err);
	if (r == 0)
		r = check_metadata(d->metadata, err);
	if (r < 0)
		return r;
	if ((int64_t)d->text.n > c->knowledge_max_document_bytes) {
		(void)nx_error_set(err, NX_ETOOBIG, "the text is %zu bytes long; knowledge.max_document_bytes is %lld",
				   d->text.n, (long long)c->knowledge_max_document_bytes);
		return nx_error_at(err, "/text");
	}
	if ((r = nx_utf8_check(d->text, "text", err)) < 0)
		return nx_error_at(err, "/text");
	if (nx_str_trim(d->text).n == 0) {
		(void)nx_error_set(err, NX_EINVAL, "the text is empty");
		return nx_error_at(err, "/text");
	}
	if (d->mime.n && !d->blocks && !nx_str_starts(d->mime, NX_STR("text/")) && !nx_mime_is_code(d->mime)) {
		(void)nx_error_set(err, NX_EUNSUPPORTED, "a text is not of type %.*s", NX_FMT(d->mime));
		(void)nx_error_hint(err, "send the document itself as content_base64");
		return nx_error_at(err, "/mime");
	}
	return 0;
}

static int normal_copy(struct nx_arena *a, nx_str s, nx_str *ret, struct nx_error **err)
{
	nx_str n = NX_STR_NULL;
	int r = s.n ? nx_utf8_nfc(a, s, &n, err) : 0;
	if (r < 0)
		return r;
	*ret = n.p == s.p ? nx_str_dup(a, s) : n;
	if (s.n && !ret->p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	return 0;
}

/* The same bytes in the same fields, and nothing else, give the same hash. */
static int hash_document(struct nx_prepared_doc *d, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	const nx_str parts[] = {d->title, d->mime, d->uri, d->metadata, d->text};
	for (size_t i = 0; i < nx_countof(parts); i++) {
		nx_buf_addf(&b, "%zu:", parts[i].n);
		nx_buf_adds(&b, parts[i]);
	}
	if (nx_buf_failed(&b))
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	nx_sha256(nx_buf_str(&b), d->hash);
	return 0;
}

nx_str nx_chunk_title(struct nx_arena *a, nx_str title, nx_str heading)
{
	if (heading.n == 0)
		return title;
	char *z = nx_arena_printf(a, "%.*s › %.*s", NX_FMT(title), NX_FMT(heading));
	return nx_str_z(z);
}

static int find_names(struct nx_stemmer *s, struct nx_prepared_chunk *c, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *scratch = nx_arena_new(0);
	struct nx_term *t;
	struct nx_name *names;
	size_t n, nnames;
	if (!scratch)
		return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	int r = nx_text_analyse(s, c->text, scratch, &t, &n, err);
	if (r == 0)
		r = nx_names_find(c->text, t, n, scratch, &names, &nnames, err);
	if (r < 0)
		return r;
	c->names = nx_arena_array(a, struct nx_name, nnames + 2);
	if (!c->names)
		return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	for (size_t i = 0; i < nnames; i++) {
		c->names[i] = names[i];
		c->names[i].folded = nx_str_dup(a, names[i].folded);
		if (!c->names[i].folded.p)
			return nx_error_set(err, NX_ENOMEM, "no memory for a passage");
	}
	c->nnames = nnames;
	return 0;
}

/* A document's title names what it is about: an entity, mentioned by each of its chunks. */
static int add_title_name(struct nx_prepared_doc *d, struct nx_prepared_chunk *c, struct nx_arena *a,
			  struct nx_error **err)
{
	nx_str base = nx_title_base(d->title), folded;
	int r = nx_name_fold(base, a, &folded, err);
	if (r < 0 || folded.n == 0 || folded.n > NX_TITLE_NAME_MAX)
		return r;
	for (size_t i = 0; i < c->nnames; i++) {
		if (nx_str_eq(c->names[i].folded, folded)) {
			c->names[i].kind = NX_NAME_TITLE;
			return 0;
		}
	}
	c->names[c->nnames++] = (struct nx_name){.folded = folded, .surface = base, .kind = NX_NAME_TITLE, .count = 1};
	return 0;
}

/* The outline that came with the document, when it is of the very text; else that of code. */
static int find_outline(const struct nx_config *c, const struct nx_document *d, struct nx_prepared_doc *p,
			struct nx_arena *a, struct outline *ret, struct nx_error **err)
{
	struct nx_extract_limits limits = nx_knowledge_extract_limits(c);
	*ret = (struct outline){.blocks = d->blocks, .n = d->nblocks, .unit = d->unit};
	if (d->blocks && nx_str_eq(d->text, p->text))
		return 0;
	struct nx_block *blocks = NULL;
	*ret = (struct outline){.unit = NX_PLACE_LINE};
	if (!nx_mime_is_code(p->mime))
		return 0;
	int r = nx_code_outline(p->text, p->mime, &limits, a, &blocks, &ret->n, err);
	ret->blocks = blocks;
	return r < 0 ? nx_error_at(err, "/text") : 0;
}

static uint32_t lines_in(nx_str s)
{
	uint32_t n = 0;
	for (const char *p = s.p, *end = s.p + s.n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n;
}

/* Text that came without an outline is its own source: its chunks, which are in order, stand in lines. */
static void find_lines(nx_str text, struct nx_chunk_span *v, size_t n)
{
	uint32_t line = 1;
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		line += lines_in(nx_str_slice(text, at, v[i].start));
		v[i].from = line;
		line += lines_in(nx_str_n(text.p + v[i].start, v[i].length));
		v[i].to = line;
		at = (size_t)v[i].start + v[i].length;
	}
}

static int find_spans(const struct nx_config *c, const struct nx_document *doc, struct nx_arena *a,
		      struct nx_prepared_doc *d, struct outline *o, struct nx_chunk_span **ret, struct nx_error **err)
{
	size_t target = (size_t)c->knowledge_chunk_bytes;
	int r = find_outline(c, doc, d, a, o, err);
	if (r < 0)
		return r;
	if (o->n)
		return nx_chunk_blocks(d->text, o->blocks, o->n, d->title, target, a, ret, &d->nchunks, err);
	bool markdown = nx_str_eqz(d->mime, "text/markdown");
	r = nx_chunk(d->text, markdown, d->title, target, a, ret, &d->nchunks, err);
	if (r == 0)
		find_lines(d->text, *ret, d->nchunks);
	return r;
}

static nx_str place_json(struct nx_arena *a, enum nx_place_unit unit, const struct nx_chunk_span *s)
{
	if (s->from == 0 || unit == NX_PLACE_NONE)
		return NX_STR("");
	return nx_str_z(nx_arena_printf(a, "{\"%s\":[%u,%u]}", nx_place_names[unit], s->from, s->to));
}

static int cut(const struct nx_config *c, struct nx_stemmer *s, const struct nx_document *doc, struct nx_arena *a,
	       struct nx_prepared_doc *d, struct nx_error **err)
{
	struct nx_chunk_span *spans;
	struct outline o;
	int r = find_spans(c, doc, a, d, &o, &spans, err);
	if (r < 0)
		return r;
	d->chunks = nx_arena_array(a, struct nx_prepared_chunk, d->nchunks + 1);
	if (!d->chunks)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu chunks", d->nchunks);
	for (size_t i = 0; i < d->nchunks && r == 0; i++) {
		struct nx_prepared_chunk *k = &d->chunks[i];
		*k = (struct nx_prepared_chunk){.uid = nx_id_new(), .start = spans[i].start, .length = spans[i].length};
		k->text = nx_str_n(d->text.p + k->start, k->length);
		k->title = nx_chunk_title(a, d->title, spans[i].heading);
		k->language = nx_text_language(k->text);
		k->place = place_json(a, o.unit, &spans[i]);
		if (NX_FAULT(ingest_chunk) || !k->title.p || !k->place.p)
			return nx_error_set(err, NX_ENOMEM, "no memory for a chunk");
		r = find_names(s, k, a, err);
		if (r == 0)
			r = add_title_name(d, k, a, err);
	}
	return r;
}

int nx_document_prepare(const struct nx_config *c, struct nx_stemmer *s, const struct nx_document *d, unsigned indexes,
			struct nx_arena *a, struct nx_prepared_doc *ret, struct nx_error **err)
{
	bool markdown = nx_str_eqz(d->mime, "text/markdown");
	nx_str mime = d->mime.n ? d->mime : NX_STR("text/plain");
	nx_str title;
	*ret = (struct nx_prepared_doc){.uid = nx_id_new(), .indexes = indexes};
	ret->staged_uid = ret->uid;
	int r = check(c, d, err);
	if (r == 0)
		r = normal_copy(a, d->text, &ret->text, err);
	if (r == 0)
		r = normal_copy(a, d->title, &title, err);
	if (r < 0)
		return r;
	ret->title = nx_document_title(title, ret->text, markdown);
	if ((r = normal_copy(a, d->name, &ret->name, err)) < 0 || (r = normal_copy(a, d->uri, &ret->uri, err)) < 0 ||
	    (r = normal_copy(a, mime, &ret->mime, err)) < 0)
		return r;
	ret->metadata = d->metadata.n && !nx_str_eqz(d->metadata, "null") ? nx_str_dup(a, d->metadata) : NX_STR_NULL;
	if ((r = hash_document(ret, err)) < 0)
		return r;
	if (ret->name.n == 0)
		ret->name = nx_str_z(nx_hex(a, ret->hash, HASH_NAME_BYTES));
	if (!ret->name.p)
		return nx_error_set(err, NX_ENOMEM, "no memory for a document");
	return cut(c, s, d, a, ret, err);
}
