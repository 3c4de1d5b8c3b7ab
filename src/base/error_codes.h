/*
 * The error codes, in one table: X(symbol, value, name, title, why, how) with the Arabic of the last three in
 * error_codes.c. Values and names are stable: they are stored, and clients match on them. `api/` maps each to an HTTP
 * status; `nexus explain NAME` prints the rest.
 */
#ifndef NX_BASE_ERROR_CODES_H
#define NX_BASE_ERROR_CODES_H

#define NX_ERROR_CODES(X)                                                                                     \
	X(NX_EINVAL, -1, "NX-INVALID") /* the request is wrong, and stays wrong when repeated */              \
	X(NX_ENOMEM, -2, "NX-NO-MEMORY")                                                                      \
	X(NX_ENOTFOUND, -3, "NX-NOT-FOUND")                                                                   \
	X(NX_EEXISTS, -4, "NX-EXISTS")                                                                        \
	X(NX_ECONFLICT, -5, "NX-CONFLICT") /* the object is not in a state that allows it */                  \
	X(NX_ETOOBIG, -6, "NX-TOO-BIG")    /* over a size limit, which the message names */                   \
	X(NX_ELIMIT, -7, "NX-LIMIT")       /* over a count, depth or rate limit, named likewise */            \
	X(NX_EUNAUTHORIZED, -8, "NX-UNAUTHORIZED")                                                            \
	X(NX_EFORBIDDEN, -9, "NX-FORBIDDEN")                                                                  \
	X(NX_ETIMEOUT, -10, "NX-TIMEOUT")                                                                     \
	X(NX_ECANCELLED, -11, "NX-CANCELLED")                                                                 \
	X(NX_EBUSY, -12, "NX-BUSY")               /* try again later: a queue is full, or a lock is held */   \
	X(NX_EUNSUPPORTED, -13, "NX-UNSUPPORTED") /* this build, host or version cannot */                    \
	X(NX_EIO, -14, "NX-IO")                                                                               \
	X(NX_ENOSPACE, -15, "NX-NO-SPACE")                                                                    \
	X(NX_ECORRUPT, -16, "NX-CORRUPT") /* stored bytes are not what was written */                         \
	X(NX_ENETWORK, -17, "NX-NETWORK")                                                                     \
	X(NX_EPROVIDER, -18, "NX-PROVIDER") /* a model or service answered with an error */                   \
	X(NX_ESANDBOX, -19, "NX-SANDBOX")   /* the sandbox could not be set up */                             \
	X(NX_EBLOCKED, -20, "NX-BLOCKED")   /* refused by the scanner or a policy */                          \
	X(NX_EBUDGET, -21, "NX-BUDGET")                                                                       \
	X(NX_EVERSION, -22, "NX-VERSION")         /* data written by a newer program */                       \
	X(NX_EINUSE, -23, "NX-IN-USE")            /* a port or a data directory belongs to another process */ \
	X(NX_EPARSE, -24, "NX-PARSE")             /* JSON, YAML, an expression: the text does not parse */    \
	X(NX_EENCODING, -25, "NX-ENCODING")       /* not UTF-8, or holds a NUL */                             \
	X(NX_ETYPE, -26, "NX-TYPE")               /* a file or body is not what it says it is */              \
	X(NX_EIDEMPOTENCY, -27, "NX-IDEMPOTENCY") /* the key was used with another body */                    \
	X(NX_EUNREACHABLE, -28, "NX-NO-SERVER")                                                               \
	X(NX_EMISSING, -29, "NX-MISSING")   /* a program or model the host lacks */                           \
	X(NX_EINTERNAL, -30, "NX-INTERNAL") /* a fault of NEXUS itself */                                     \
	X(NX_ELATER, -31, "NX-NOT-YET")     /* an operation that this version does not have */

#define NX_X_(sym, val, name) sym = val,
enum nx_error_code { NX_OK = 0, NX_ERROR_CODES(NX_X_) };
#undef NX_X_

#endif
