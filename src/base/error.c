#include "base/error.h"

#include "base/assert.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Here they are defined, without what error.h says about their results. */
#undef nx_error_set
#undef nx_error_setv
#undef nx_error_set_errno
#undef nx_error_wrap
#undef nx_error_at
#undef nx_error_under
#undef nx_error_hint

/* Longest text kept of a message, a pointer or a hint: what a client sent may be quoted in it, and may be long. */
#define TEXT_MAX 2048

struct nx_error {
	int code;
	char *message, *pointer, *hint; /* NULL: empty */
};

static char no_memory_text[] = "out of memory";
static struct nx_error no_memory = {.code = NX_ENOMEM, .message = no_memory_text};

/* The code of the last error of this thread, for callers that gave no place for the error itself. */
static _Thread_local int last_code = NX_EINTERNAL;

static void nx_va_endp(va_list *ap)
{
	va_end(*ap);
}

/*
 * Messages quote what strangers sent and end on terminals and in JSON: what is not UTF-8 becomes '?', control characters
 * become spaces (a hint may have lines).
 */
static void make_printable(char *p, size_t n, bool lines)
{
	ptrdiff_t bad;
	for (size_t i = 0; (bad = nx_utf8_invalid_at(nx_str_n(p + i, n - i))) >= 0; i += (size_t)bad + 1)
		p[i + (size_t)bad] = '?';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		if ((c < 0x20 && !(lines && (c == '\n' || c == '\t'))) || c == 0x7F)
			p[i] = ' ';
		else if (c == 0xC2 && (unsigned char)p[i + 1] < 0xA0) /* U+0080 to U+009F: a terminal obeys them too */
			p[i] = p[i + 1] = ' ';
	}
}

/* NULL when out of memory. */
static char *text_make(const char *fmt, va_list ap, bool lines)
{
	char *p = malloc(TEXT_MAX + sizeof("…"));
	if (p == NULL)
		return NULL;
	int n = vsnprintf(p, TEXT_MAX, fmt, ap);
	if (n < 0) {
		free(p);
		return NULL;
	}
	size_t len = nx_min((size_t)n, (size_t)TEXT_MAX - 1);
	make_printable(p, len, lines);
	if ((size_t)n >= TEXT_MAX) {
		/* The last character may have been cut, and was then replaced: it goes. */
		len = nx_utf8_truncate(nx_str_n(p, len), len - 3).n;
		memcpy(p + len, "…", sizeof("…"));
		len += strlen("…");
	}
	char *fit = realloc(p, len + 1);
	return fit != NULL ? fit : p;
}

static bool is_static(const struct nx_error *e)
{
	return e == &no_memory;
}

void nx_error_free(struct nx_error *e)
{
	if (e == NULL || is_static(e))
		return;
	free(e->message);
	free(e->pointer);
	free(e->hint);
	free(e);
}

int nx_error_setv(struct nx_error **err, int code, const char *fmt, va_list ap)
{
	nx_assert(code < 0);
	last_code = code;
	if (err == NULL)
		return code;
	nx_debug_assert(*err == NULL);
	nx_error_free(*err);

	struct nx_error *e = calloc(1, sizeof(*e));
	char *message = e == NULL ? NULL : text_make(fmt, ap, false);
	if (message == NULL) {
		free(e);
		*err = &no_memory;
		return last_code = NX_ENOMEM;
	}
	e->code = code;
	e->message = message;
	*err = e;
	return code;
}

int nx_error_set(struct nx_error **err, int code, const char *fmt, ...)
{
	__attribute__((cleanup(nx_va_endp))) va_list ap;
	va_start(ap, fmt);
	return nx_error_setv(err, code, fmt, ap);
}

static int code_of_errno(int errnum)
{
	switch (errnum) {
	case EINVAL:
	case ENAMETOOLONG:
	case ELOOP:
	case EISDIR:
	case ENOTDIR:
	case EXDEV:
	case EDOM:
	case ERANGE: return NX_EINVAL;
	case ENOMEM: return NX_ENOMEM;
	case ENOENT:
	case ESRCH: return NX_ENOTFOUND;
	case EEXIST: return NX_EEXISTS;
	case ENOTEMPTY: return NX_ECONFLICT;
	case EFBIG:
	case E2BIG:
	case EOVERFLOW: return NX_ETOOBIG;
	case EMFILE:
	case ENFILE:
	case EMLINK: return NX_ELIMIT;
	case EACCES:
	case EPERM:
	case EROFS: return NX_EFORBIDDEN;
	case ETIMEDOUT: return NX_ETIMEOUT;
	case ECANCELED: return NX_ECANCELLED;
	case EAGAIN:
	case EBUSY:
	case ETXTBSY: return NX_EBUSY;
	case ENOSYS:
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT: return NX_EUNSUPPORTED;
	case ENOSPC:
	case EDQUOT: return NX_ENOSPACE;
	case EADDRINUSE: return NX_EINUSE;
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ENOTCONN:
	case EPIPE:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL: return NX_ENETWORK;
	default: return NX_EIO;
	}
}

int nx_error_set_errno(struct nx_error **err, int errnum, const char *fmt, ...)
{
	char what[TEXT_MAX], buf[128];
	__attribute__((cleanup(nx_va_endp))) va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(what, sizeof(what), fmt, ap) < 0)
		what[0] = '\0';
	return nx_error_set(err, code_of_errno(errnum), "%s: %s", what, strerror_r(errnum, buf, sizeof(buf)));
}

/* The error to add to; NULL when there is none, or when it is the static one. */
static struct nx_error *settable(struct nx_error **err)
{
	if (err == NULL || *err == NULL || is_static(*err))
		return NULL;
	return *err;
}

static int code_in(struct nx_error **err)
{
	return err != NULL && *err != NULL ? (*err)->code : last_code;
}

static char *join(const char *a, const char *sep, const char *b)
{
	size_t na = strlen(a), ns = strlen(sep), nb = strlen(b);
	char *p = malloc(na + ns + nb + 1);
	if (p == NULL)
		return NULL;
	memcpy(p, a, na);
	memcpy(p + na, sep, ns);
	memcpy(p + na + ns, b, nb + 1);
	return p;
}

/* Puts `text` before *field; what memory is missing for is left out. Takes `text`. */
static void prepend(char **field, char *text, const char *sep)
{
	if (text == NULL)
		return;
	if (*field == NULL) {
		*field = text;
		return;
	}
	/* Wrapped without end, a message would grow without end. */
	char *joined = strlen(*field) > 2 * TEXT_MAX ? NULL : join(text, sep, *field);
	free(text);
	if (joined != NULL) {
		free(*field);
		*field = joined;
	}
}

int nx_error_wrap(struct nx_error **err, const char *fmt, ...)
{
	struct nx_error *e = settable(err);
	__attribute__((cleanup(nx_va_endp))) va_list ap;
	va_start(ap, fmt);
	if (e != NULL)
		prepend(&e->message, text_make(fmt, ap, false), ": ");
	return code_in(err);
}

int nx_error_at(struct nx_error **err, const char *fmt, ...)
{
	struct nx_error *e = settable(err);
	__attribute__((cleanup(nx_va_endp))) va_list ap;
	va_start(ap, fmt);
	char *text = e == NULL ? NULL : text_make(fmt, ap, false);
	if (text != NULL) {
		free(e->pointer);
		e->pointer = text;
	}
	return code_in(err);
}

int nx_error_under(struct nx_error **err, const char *fmt, ...)
{
	struct nx_error *e = settable(err);
	__attribute__((cleanup(nx_va_endp))) va_list ap;
	va_start(ap, fmt);
	if (e != NULL)
		prepend(&e->pointer, text_make(fmt, ap, false), "");
	return code_in(err);
}

int nx_error_hint(struct nx_error **err, const char *fmt, ...)
{
	struct nx_error *e = settable(err);
	__attribute__((cleanup(nx_va_endp))) va_list ap;
	va_start(ap, fmt);
	char *text = e == NULL ? NULL : text_make(fmt, ap, true);
	if (text != NULL) {
		free(e->hint);
		e->hint = text;
	}
	return code_in(err);
}

int nx_error_code(const struct nx_error *e)
{
	return e == NULL ? 0 : e->code;
}

const char *nx_error_message(const struct nx_error *e)
{
	return e == NULL ? "no error" : e->message;
}

const char *nx_error_pointer(const struct nx_error *e)
{
	return e == NULL || e->pointer == NULL ? "" : e->pointer;
}

const char *nx_error_get_hint(const struct nx_error *e)
{
	return e == NULL || e->hint == NULL ? "" : e->hint;
}

static bool copy_text(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = strdup(from);
	return *to != NULL;
}

struct nx_error *nx_error_copy(const struct nx_error *e)
{
	if (e == NULL)
		return NULL;
	if (is_static(e))
		return &no_memory;
	struct nx_error *copy = calloc(1, sizeof(*copy));
	if (copy == NULL)
		return &no_memory;
	copy->code = e->code;
	if (!copy_text(&copy->message, e->message) || !copy_text(&copy->pointer, e->pointer) ||
	    !copy_text(&copy->hint, e->hint)) {
		nx_error_free(copy);
		return &no_memory;
	}
	return copy;
}

int nx_error_move(struct nx_error **err, struct nx_error *from)
{
	int code = nx_error_code(from);
	if (code != 0)
		last_code = code;
	if (err == NULL) {
		nx_error_free(from);
		return code;
	}
	nx_debug_assert(*err == NULL);
	nx_error_free(*err);
	*err = from;
	return code;
}
