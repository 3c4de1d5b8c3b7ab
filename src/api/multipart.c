#include "api/multipart_internal.h"

#include "base/assert.h"

/* ---- header parameters (RFC 9110 5.6.6) ---- */

static nx_str skip_space(nx_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = nx_str_slice(s, 1, s.n);
	return s;
}

/* Takes a token or a quoted string off the front of *s. The quoted one keeps its escapes in *ret. */
static bool take_value(nx_str *s, nx_str *ret, bool *ret_escaped)
{
	*ret_escaped = false;
	if (s->n > 0 && s->p[0] == '"') {
		size_t i = 1;
		for (; i < s->n && s->p[i] != '"'; i++) {
			if (s->p[i] == '\\') {
				*ret_escaped = true;
				i++;
			}
		}
		if (i >= s->n)
			return false;
		*ret = nx_str_slice(*s, 1, i);
		*s = nx_str_slice(*s, i + 1, s->n);
		return true;
	}
	size_t i = 0;
	while (i < s->n && s->p[i] != ';' && s->p[i] != ' ' && s->p[i] != '\t')
		i++;
	*ret = nx_str_slice(*s, 0, i);
	*s = nx_str_slice(*s, i, s->n);
	return true;
}

static nx_str unescape(nx_str s, struct nx_arena *a)
{
	char *out = nx_arena_alloc(a, s.n + 1);
	size_t n = 0;
	if (!out)
		return NX_STR_NULL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		out[n++] = s.p[i];
	}
	out[n] = '\0';
	return nx_str_n(out, n);
}

bool nx_header_param(nx_str value, const char *name, struct nx_arena *a, nx_str *ret)
{
	nx_str rest = value, head, text;
	bool escaped;
	if (!take_value(&rest, &head, &escaped))
		return false;
	for (;;) {
		rest = skip_space(rest);
		if (rest.n == 0 || rest.p[0] != ';')
			return false;
		rest = skip_space(nx_str_slice(rest, 1, rest.n));
		size_t i = 0;
		while (i < rest.n && rest.p[i] != '=' && rest.p[i] != ';')
			i++;
		nx_str key = nx_str_trim(nx_str_slice(rest, 0, i));
		if (i >= rest.n)
			return false;
		if (rest.p[i] == ';') {
			rest = nx_str_slice(rest, i, rest.n);
			continue;
		}
		rest = skip_space(nx_str_slice(rest, i + 1, rest.n));
		if (!take_value(&rest, &text, &escaped))
			return false;
		if (nx_str_ieq_ascii(key, nx_str_z(name))) {
			if (escaped && !a)
				return false;
			*ret = escaped ? unescape(text, a) : text;
			return ret->p != NULL;
		}
	}
}

int nx_multipart_boundary(nx_str content_type, nx_str *ret, struct nx_error **err)
{
	/* A boundary has no character that a quoted string would have to escape (RFC 2046 5.1.1): no arena is needed. */
	static const char allowed[] = "'()+_,-./:=? ";
	nx_str b;
	if (!nx_header_param(content_type, "boundary", NULL, &b) || b.n == 0)
		return nx_error_set(err, NX_EPARSE, "multipart/form-data needs a boundary in its Content-Type");
	if (b.n > NX_MULTIPART_MAX_BOUNDARY)
		return nx_error_set(err, NX_EPARSE, "the boundary has %zu characters; at most %d are allowed", b.n,
				    NX_MULTIPART_MAX_BOUNDARY);
	for (size_t i = 0; i < b.n; i++) {
		char c = b.p[i];
		bool ok = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
			  (c != '\0' && strchr(allowed, c));
		if (!ok)
			return nx_error_set(err, NX_EPARSE, "the boundary has a character that none may have");
	}
	*ret = b;
	return 0;
}

/* ---- parts ---- */

struct parser {
	nx_str rest;                                   /* after the delimiter that was last seen */
	char delimiter[NX_MULTIPART_MAX_BOUNDARY + 5]; /* CRLF "--" boundary */
	size_t ndelimiter;
	struct nx_arena *arena;
	size_t index;
};

/* The next delimiter at or after `s`: offset of its CRLF, or -1. memmem is linear in glibc (two-way). */
static ptrdiff_t find_delimiter(const struct parser *p, nx_str s)
{
	return nx_str_find(s, nx_str_n(p->delimiter, p->ndelimiter));
}

/* After a delimiter: "--" ends the body, white space and CRLF begin a part. 1: a part begins, 0: the end. */
static int after_delimiter(struct parser *p, struct nx_error **err)
{
	nx_str s = p->rest;
	if (s.n >= 2 && s.p[0] == '-' && s.p[1] == '-')
		return 0;
	s = skip_space(s);
	if (s.n < 2 || s.p[0] != '\r' || s.p[1] != '\n')
		return nx_error_set(err, NX_EPARSE,
				    "part %zu: the boundary is followed by neither a line break nor `--`", p->index);
	p->rest = nx_str_slice(s, 2, s.n);
	return 1;
}

static int check_label(const struct parser *p, nx_str s, const char *what, struct nx_error **err)
{
	if (nx_utf8_check(s, what, err) == 0)
		return 0;
	return nx_error_wrap(err, "part %zu", p->index);
}

static nx_str base_name(nx_str s)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == '/' || s.p[i - 1] == '\\')
			return nx_str_slice(s, i, s.n);
	return s;
}

static int read_disposition(struct parser *p, nx_str value, struct nx_part *part, struct nx_error **err)
{
	nx_str kind = value;
	kind = nx_str_trim(nx_str_cut(&kind, ';'));
	if (!nx_str_ieq_ascii(kind, NX_STR("form-data")))
		return nx_error_set(err, NX_EPARSE, "part %zu: Content-Disposition is not form-data", p->index);
	if (!nx_header_param(value, "name", p->arena, &part->name))
		return nx_error_set(err, NX_EPARSE, "part %zu: Content-Disposition has no name", p->index);
	if (nx_header_param(value, "filename", p->arena, &part->filename))
		part->filename = base_name(part->filename);
	int rc = check_label(p, part->name, "the name", err);
	if (!rc && part->filename.p)
		rc = check_label(p, part->filename, "the file name", err);
	return rc;
}

static int read_header(struct parser *p, nx_str line, struct nx_part *part, struct nx_error **err)
{
	if (line.n == 0 || !memchr(line.p, ':', line.n))
		return nx_error_set(err, NX_EPARSE, "part %zu: a header line has no colon", p->index);
	nx_str value = line;
	nx_str name = nx_str_cut(&value, ':');
	value = nx_str_trim(value);
	if (nx_str_ieq_ascii(name, NX_STR("content-disposition")))
		return read_disposition(p, value, part, err);
	if (nx_str_ieq_ascii(name, NX_STR("content-type"))) {
		part->mime = nx_str_trim(nx_str_cut(&value, ';'));
		return check_label(p, part->mime, "the Content-Type", err);
	}
	if (nx_str_ieq_ascii(name, NX_STR("content-transfer-encoding")) && !nx_str_ieq_ascii(value, NX_STR("binary")) &&
	    !nx_str_ieq_ascii(value, NX_STR("8bit")) && !nx_str_ieq_ascii(value, NX_STR("7bit")))
		return nx_error_set(err, NX_EPARSE,
				    "part %zu: Content-Transfer-Encoding is not used over HTTP (RFC 7578 4.7)",
				    p->index);
	return 0;
}

static int read_headers(struct parser *p, struct nx_part *part, struct nx_error **err)
{
	size_t start = p->rest.n;
	for (;;) {
		ptrdiff_t end = nx_str_find(nx_str_slice(p->rest, 0, NX_MULTIPART_MAX_HEADER), NX_STR("\r\n"));
		if (end < 0 || start - p->rest.n + (size_t)end > NX_MULTIPART_MAX_HEADER)
			return nx_error_set(err, NX_EPARSE, "part %zu: its headers do not end within %d bytes",
					    p->index, NX_MULTIPART_MAX_HEADER);
		nx_str line = nx_str_slice(p->rest, 0, (size_t)end);
		p->rest = nx_str_slice(p->rest, (size_t)end + 2, p->rest.n);
		if (line.n == 0)
			break;
		int rc = read_header(p, line, part, err);
		if (rc)
			return rc;
	}
	if (!part->name.p)
		return nx_error_set(err, NX_EPARSE, "part %zu: it has no Content-Disposition", p->index);
	return 0;
}

static int read_part(struct parser *p, struct nx_part *part, struct nx_error **err)
{
	int rc = read_headers(p, part, err);
	if (rc)
		return rc;
	/* An empty part: the CRLF that ended its headers is also the one of the delimiter. */
	nx_str dashes = nx_str_n(p->delimiter + 2, p->ndelimiter - 2);
	if (nx_str_starts(p->rest, dashes)) {
		part->bytes = nx_str_slice(p->rest, 0, 0);
		p->rest = nx_str_slice(p->rest, dashes.n, p->rest.n);
		return 0;
	}
	ptrdiff_t end = find_delimiter(p, p->rest);
	if (end < 0)
		return nx_error_set(err, NX_EPARSE, "part %zu: the boundary after it is missing; was the body cut?",
				    p->index);
	part->bytes = nx_str_slice(p->rest, 0, (size_t)end);
	p->rest = nx_str_slice(p->rest, (size_t)end + p->ndelimiter, p->rest.n);
	return 0;
}

static int parser_init(struct parser *p, nx_str body, nx_str boundary, struct nx_arena *a, struct nx_error **err)
{
	nx_assert(boundary.n > 0 && boundary.n <= NX_MULTIPART_MAX_BOUNDARY);
	*p = (struct parser){.arena = a, .ndelimiter = boundary.n + 4};
	memcpy(p->delimiter, "\r\n--", 4);
	memcpy(p->delimiter + 4, boundary.p, boundary.n);

	nx_str dashes = nx_str_n(p->delimiter + 2, p->ndelimiter - 2);
	if (nx_str_starts(body, dashes)) {
		p->rest = nx_str_slice(body, dashes.n, body.n);
		return 0;
	}
	/* A preamble may come before the first delimiter (RFC 2046 5.1.1). */
	ptrdiff_t at = find_delimiter(p, body);
	if (at < 0)
		return nx_error_set(err, NX_EPARSE, "the body does not have the boundary that its Content-Type names");
	p->rest = nx_str_slice(body, (size_t)at + p->ndelimiter, body.n);
	return 0;
}

int nx_multipart_parse(nx_str body, nx_str boundary, size_t max, struct nx_arena *a, struct nx_part **ret,
		       size_t *ret_n, struct nx_error **err)
{
	struct parser p;
	struct nx_part *parts = NULL;
	size_t n = 0, cap = 0;
	int rc = parser_init(&p, body, boundary, a, err);

	while (!rc && (rc = after_delimiter(&p, err)) == 1) {
		if (n == max)
			return nx_error_set(err, NX_ELIMIT, "the body has more than %zu parts", max);
		if (n == cap) {
			size_t more = nx_min(cap ? cap * 2 : 4, max);
			parts = nx_arena_realloc(a, parts, cap * sizeof(*parts), more * sizeof(*parts));
			if (!parts)
				return nx_error_set(err, NX_ENOMEM, "out of memory reading the parts");
			cap = more;
		}
		p.index = n;
		parts[n] = (struct nx_part){0};
		rc = read_part(&p, &parts[n++], err);
	}
	if (rc)
		return rc;
	*ret = parts;
	*ret_n = n;
	return 0;
}
