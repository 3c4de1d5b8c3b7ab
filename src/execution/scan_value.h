/*
 * What an expression comes to, as far as its text tells: a constant text or number, a list of such, or a dotted name
 * ("os.system", "child_process.exec"). A language's walk brings the grammar; names, decoding and the questions to the
 * rules are common.
 *
 * Scopes and order are not followed. A name keeps every value that it is given anywhere (up to NX_NAME_VALUES_MAX), and an
 * expression is asked once per choice: choice k takes the k-th value of every name. That errs on the side of finding.
 *
 * Bounded: depth and steps of an expression, steps of a whole scan, length of texts and lists. What is past a limit is
 * unknown; a scan that ran out of its steps says so with the check "too-complex".
 */
#ifndef NX_EXECUTION_SCAN_VALUE_H
#define NX_EXECUTION_SCAN_VALUE_H

#include "execution/scan_internal.h"

#define NX_NAME_VALUES_MAX 6
#define NX_VALUE_ITEMS_MAX 1024
#define NX_VALUE_TEXT_MAX 16384
#define NX_CALL_ARGUMENTS_MAX 16

enum nx_value_kind { NX_VALUE_UNKNOWN, NX_VALUE_TEXT, NX_VALUE_NUMBER, NX_VALUE_NAME, NX_VALUE_LIST };

struct nx_value {
	enum nx_value_kind kind;
	bool partial; /* a text with parts that are not known, which stand as "?" */
	bool decoded; /* a text that is not written as it reads: from base64, numbers, reversed */
	size_t n;     /* of items */
	union {
		int64_t number; /* saturated */
		const struct nx_value *items;
	};
	nx_str text; /* of a text, or the name */
	nx_str path; /* of a name that stands for a path object: what it was made of */
};

#define NX_DULL_NAMES_MAX 512 /* a power of two */

struct nx_name;
struct nx_names {
	struct nx_scan *s;
	struct nx_arena *scratch; /* for the values of one expression */
	struct nx_name *table[256];
	size_t n;
	nx_str dull[NX_DULL_NAMES_MAX]; /* names that no rule speaks of, by their hash: most names of a program */
	unsigned choice;
	bool more; /* the last expression has further choices */
	unsigned steps;
	uint64_t total_steps;
	/* the language: */
	struct nx_value (*evaluate)(struct nx_names *w, TSNode n, unsigned depth);
	TSNode (*callee)(const struct nx_names *w, TSNode n); /* null for what is no call */
	bool (*is_in_endless_loop)(const struct nx_names *w, TSNode n);
	uint32_t (*arguments)(const struct nx_names *w, TSNode call, TSNode ret[static NX_CALL_ARGUMENTS_MAX]);
};

bool nx_names_init(struct nx_names *w, struct nx_scan *s); /* false when out of memory, which the scan then knows */
void nx_names_done(struct nx_names *w);
/* Gives name a further value. Unknown values are not kept. */
void nx_names_add(struct nx_names *w, nx_str name, const struct nx_value *v);
bool nx_names_has(const struct nx_names *w, nx_str name);
struct nx_value nx_names_get(struct nx_names *w, nx_str name); /* of this choice; unknown when there is none */

/* Evaluates from the start, for `choice`. Values live until the next call. */
struct nx_value nx_names_evaluate(struct nx_names *w, TSNode n, unsigned choice);
bool nx_names_may_step(struct nx_names *w, unsigned depth); /* at the top of each evaluate */

struct nx_value nx_value_text(nx_str s);
struct nx_value nx_value_name(struct nx_names *w, nx_str base, nx_str part); /* "base.part"; base "" is no base */
struct nx_value nx_value_number(int64_t n);
struct nx_value nx_value_list(const struct nx_value *items, size_t n);
bool nx_value_is_text(const struct nx_value *v); /* known to its last byte */
struct nx_value nx_value_concat(struct nx_names *w, const struct nx_value *a, const struct nx_value *b);
struct nx_value nx_value_join(struct nx_names *w, nx_str separator, const struct nx_value *list);
struct nx_value nx_value_reverse(struct nx_names *w, const struct nx_value *v);
struct nx_value nx_value_index(struct nx_names *w, const struct nx_value *v, int64_t i); /* from the end below 0 */
struct nx_value nx_value_items(struct nx_names *w, const struct nx_value *v); /* the list of a text's bytes */
struct nx_value nx_value_char(struct nx_names *w, int64_t code_point);
struct nx_value nx_value_bytes(struct nx_names *w, const struct nx_value *list); /* of numbers, into a text */
struct nx_value nx_value_arithmetic(char operator, const struct nx_value * a, const struct nx_value *b);
struct nx_value nx_value_replace(struct nx_names *w, nx_str text, nx_str from, nx_str to);
/* "base64", "hex", "rot13"; other names give the text back */
struct nx_value nx_value_decode(struct nx_names *w, const struct nx_value *v, nx_str encoding);
int64_t nx_value_parse_number(nx_str s); /* decimal, 0x, 0o, 0b, underscores, exponents; saturated */

/* Named children without comments: the number of those written. */
uint32_t nx_scan_children(TSNode n, TSNode *ret, uint32_t max);

/* ---- the rules (scan_match.c) ---- */

/* What is called, imported or named at a node, asked of the rules; "a.b.c" also counts as "b.c". */
void nx_match_call(struct nx_names *w, nx_str name, TSNode at);
void nx_match_name(struct nx_names *w, nx_str name, TSNode at);
void nx_match_attribute(struct nx_names *w, nx_str name, TSNode at);
void nx_match_text(struct nx_names *w, const struct nx_value *v, TSNode at);
/* A name that is handed on and not called, where calling it would be a finding of medium or above. */
void nx_match_reference(struct nx_names *w, nx_str name, TSNode at);
/* A module and those it lies in. `separator` of the language's names ('.', '/'). */
void nx_match_module(struct nx_names *w, nx_str module, char separator, TSNode at);
bool nx_match_is_allowed(const struct nx_names *w, nx_str module,
			 char separator);                      /* by the request's allowed_imports */
bool nx_match_is_known(const struct nx_names *w, nx_str name); /* a module or a call that has a rule */
bool nx_match_leads(const struct nx_names *w, nx_str name);    /* known, or something below it has a rule */

#endif
