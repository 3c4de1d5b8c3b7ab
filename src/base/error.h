/*
 * Errors: one way to fail.
 *
 * A function that can fail returns `int` (0, or a negative NX_E… code) or a pointer (NULL on failure) and takes
 * `struct nx_error **err` last. On success *err is untouched; on failure it is set, once, and gains context on the way
 * up: `return nx_error_wrap(err, "open %s", path)`. `err` may be NULL where the caller needs only the code (what adds
 * context then returns the code of this thread's last error). Libraries never log an error they return; the edge logs it
 * once.
 *
 * Every code has a stable name (`NX-…`, shown by `nexus explain`), listed with its causes and remedies in
 * error_codes.h. When memory for the error itself is missing, a static NX_ENOMEM error is used: it may be freed like any
 * other. Texts are made printable (UTF-8, no control characters) and are cut at 2 KiB.
 */
#ifndef NX_BASE_ERROR_H
#define NX_BASE_ERROR_H

#include "base/error_codes.h"
#include "base/macros.h"

#include <stdarg.h>
#include <stdbool.h>

struct nx_error;

/* Sets *err (unless err is NULL) and returns `code`, so that `return nx_error_set(err, NX_EINVAL, …)` reads as one. */
int nx_error_set(struct nx_error **err, int code, const char *fmt, ...) NX_PRINTF(3, 4) NX_COLD;
int nx_error_setv(struct nx_error **err, int code, const char *fmt, va_list ap) NX_COLD;

/* As nx_error_set, with ": " and the text of errnum appended; the code follows errnum (ENOENT → NX_ENOTFOUND …). */
int nx_error_set_errno(struct nx_error **err, int errnum, const char *fmt, ...) NX_PRINTF(3, 4) NX_COLD;

/* Puts "context: " before the message of an error that is set, and returns its code. */
int nx_error_wrap(struct nx_error **err, const char *fmt, ...) NX_PRINTF(2, 3) NX_COLD;

/* Names the place of the fault as a JSON Pointer into the caller's document ("/steps/2/tool"). Returns the code. */
int nx_error_at(struct nx_error **err, const char *fmt, ...) NX_PRINTF(2, 3) NX_COLD;

/* Puts `part` before the pointer that is set, as decoders do on their way up. Returns the code. */
int nx_error_under(struct nx_error **err, const char *fmt, ...) NX_PRINTF(2, 3) NX_COLD;

/* A fix that can be pasted, or a sentence that says what to do. Returns the code. */
int nx_error_hint(struct nx_error **err, const char *fmt, ...) NX_PRINTF(2, 3) NX_COLD;

/*
 * A failure is never 0. Said to the compiler where they are called, so that it and its analyzer follow `code != 0` and
 * take what the failed call did not set for unset.
 */
#define nx_error_negative_(call)                             \
	({                                                   \
		int nx_code_ = (call);                       \
		nx_code_ < 0 ? nx_code_ : (int)NX_EINTERNAL; \
	})
#define nx_error_set(...) nx_error_negative_(nx_error_set(__VA_ARGS__))
#define nx_error_setv(...) nx_error_negative_(nx_error_setv(__VA_ARGS__))
#define nx_error_set_errno(...) nx_error_negative_(nx_error_set_errno(__VA_ARGS__))
#define nx_error_wrap(...) nx_error_negative_(nx_error_wrap(__VA_ARGS__))
#define nx_error_at(...) nx_error_negative_(nx_error_at(__VA_ARGS__))
#define nx_error_under(...) nx_error_negative_(nx_error_under(__VA_ARGS__))
#define nx_error_hint(...) nx_error_negative_(nx_error_hint(__VA_ARGS__))

/* All four accept NULL: 0, "no error", "" and "". Strings live as long as the error. */
int nx_error_code(const struct nx_error *e);
const char *nx_error_message(const struct nx_error *e);
const char *nx_error_pointer(const struct nx_error *e);
const char *nx_error_get_hint(const struct nx_error *e);

struct nx_error *nx_error_copy(const struct nx_error *e);
void nx_error_free(struct nx_error *e);

/* Moves `from` to *err (freeing it when err is NULL). Returns the code. */
int nx_error_move(struct nx_error **err, struct nx_error *from);

static inline void nx_error_freep(struct nx_error **e)
{
	nx_error_free(*e);
}
#define nx_auto_error __attribute__((cleanup(nx_error_freep)))

/* What is known about a code, for `nexus explain`, problem documents and the docs. */
struct nx_error_info {
	int code;
	const char *name;  /* stable: "NX-INVALID" */
	const char *title; /* "the request is not valid" */
	const char *why, *how;
	const char *title_ar, *why_ar, *how_ar;
};
const struct nx_error_info *nx_error_info(int code);
const struct nx_error_info *nx_error_info_by_name(const char *name); /* "NX-INVALID", "invalid"; NULL when unknown */
const struct nx_error_info *nx_error_info_at(size_t i);              /* NULL past the end */

#endif
