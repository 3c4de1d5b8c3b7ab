/* The inside of the scanner: rules in memory, and what a language's walk needs from the common part. */
#ifndef NX_EXECUTION_SCAN_INTERNAL_H
#define NX_EXECUTION_SCAN_INTERNAL_H

#include "execution/scanner.h"

#include <tree_sitter/api.h>

#define NX_SCAN_FINDINGS_MAX 200
#define NX_SCAN_DOTTED_MAX 256 /* longest resolved name; longer ones are not resolved */
#define NX_SCAN_NESTED_MAX 3   /* sh -c inside sh -c … */

enum nx_rule_kind {
	NX_RULE_IMPORT,    /* the module, or one below it unless `exact` */
	NX_RULE_CALL,      /* the resolved name of what is called; "x.*" and "os.exec*" are patterns */
	NX_RULE_NAME,      /* the resolved name, called or not */
	NX_RULE_ATTRIBUTE, /* the last part of any attribute access, or a subscript by that text */
	NX_RULE_COMMAND,   /* the name of a command */
	NX_RULE_PIPE,      /* one of `from` before one of `to` */
	NX_RULE_REDIRECT,  /* the target of a redirection */
	NX_RULE_WORD,      /* any word of a command; any constant text of another language */
	NX_RULE_FORK_BOMB,
	NX_RULE_CHECK, /* found by the walk itself: `what` is the check's name */
	NX_RULE_MAX
};

enum nx_rules_language { NX_RULES_PYTHON, NX_RULES_JAVASCRIPT, NX_RULES_SHELL, NX_RULES_C, NX_RULES_MAX };

/* What a sandbox may or may not grant, or a request block by these names. */
enum nx_effect { NX_EFFECT_OTHER, NX_EFFECT_NETWORK, NX_EFFECT_PROCESS, NX_EFFECT_FILE_WRITE, NX_EFFECT_MAX };
extern const char *const nx_effect_names[NX_EFFECT_MAX];

struct nx_str_list {
	nx_str *items;
	size_t n;
};

struct nx_rule {
	const char *id;
	enum nx_severity severity;
	enum nx_rule_kind kind;
	nx_str message, advice;
	const char *cwe;
	struct nx_str_list what;
	struct nx_str_list paths;          /* the first text argument (or a word) must match one, when there are any */
	struct nx_str_list options;        /* letters of options that must be given */
	struct nx_str_list argument_calls; /* an argument must call one of these */
	struct nx_str_list from, to;
	nx_str unless_argument;      /* no finding when an argument has this name */
	int64_t min_argument;        /* > 0: an argument must be a number of at least this */
	enum nx_rules_language runs; /* the first argument is a program in this language; NX_RULES_MAX: none */
	enum nx_effect effect;
	bool exact, bare, within_loop;
};

struct nx_policy {
	enum nx_severity blocks;                          /* from this severity on */
	enum nx_severity blocks_when_held[NX_EFFECT_MAX]; /* of an effect that the sandbox does not grant */
};

struct nx_rule_name { /* the index: one entry a name, sorted */
	nx_str name;
	const struct nx_rule *rule;
};

struct nx_rules {
	struct nx_rule *rules;
	size_t nrules;
	struct nx_rule_name *index[NX_RULE_MAX];
	size_t nindex[NX_RULE_MAX];
	struct nx_rule_name *patterns; /* calls with a star */
	size_t npatterns;
	const struct nx_rule **words; /* those of NX_RULE_WORD */
	size_t nwords;
};

/* Loaded once, kept for good. NX_EINTERNAL when the embedded file is wrong (a test reads both). */
int nx_rules_get(enum nx_rules_language l, const struct nx_rules **ret, struct nx_error **err);
/* Of a loaded set of rules. */
const struct nx_policy *nx_policy_get(enum nx_scan_policy p);
/* The entries of exactly this name: *ret_n of them from the one returned. */
const struct nx_rule_name *nx_rules_find(const struct nx_rules *r, enum nx_rule_kind kind, nx_str name, size_t *ret_n);
bool nx_glob_match(nx_str pattern, nx_str text); /* "*" stands for any text; nothing else is special */
bool nx_list_has(const struct nx_str_list *l, nx_str s);
bool nx_list_globs(const struct nx_str_list *l, nx_str s);

struct nx_scan {
	const struct nx_scan_options *options;
	const struct nx_rules *rules;
	struct nx_arena *arena;
	nx_str code;
	struct nx_scan_result *result;
	bool out_of_memory;
	unsigned depth;         /* of nested code */
	const TSNode *reported; /* nested code: findings are placed at this node of the outer code */
	const struct nx_scan *outer;
};

nx_str nx_scan_text(const struct nx_scan *s, TSNode n);
/* One of the list matches, and the path is not in what the run was granted. */
bool nx_scan_globs(const struct nx_scan *s, const struct nx_str_list *paths, nx_str text);
void nx_scan_find(struct nx_scan *s, const struct nx_rule *rule, TSNode at);
void nx_scan_check(struct nx_scan *s, const char *check, TSNode at); /* the language's rules for this check */
bool nx_scan_is_blocked(const struct nx_scan *s, nx_str name, const char *rule_id);
/* Parses `code` and walks it. NULL parser result counts as a parse error. */
void nx_scan_walk(struct nx_scan *s, enum nx_rules_language l);
/* Code inside a text of the code: its findings are placed at the text. Past NX_SCAN_NESTED_MAX it is not read. */
void nx_scan_nested(struct nx_scan *s, enum nx_rules_language l, nx_str code, TSNode at);

/* Around the use of the parser by this thread: all its memory is gone at the end, trees included. Not nested. */
void nx_scan_memory_begin(void);
void nx_scan_memory_end(void);
bool nx_scan_memory_is_pooled(void); /* false under the address sanitizer: what is made must be freed */

/* Every named node below root, itself included, in the order of the text. */
void nx_scan_each(TSNode root, void (*visit)(void *ctx, TSNode n), void *ctx);
/* The same, with the parent's symbol (0 below a depth of 1,024) and the field that the node is in (0: none). */
void nx_scan_each_placed(TSNode root, void (*visit)(void *ctx, TSNode n, TSSymbol parent, TSFieldId field), void *ctx);

void nx_scan_javascript(struct nx_scan *s, TSNode root);
void nx_scan_python(struct nx_scan *s, TSNode root);
void nx_scan_shell(struct nx_scan *s, TSNode root);
void nx_scan_c(struct nx_scan *s, TSNode root);

#endif
