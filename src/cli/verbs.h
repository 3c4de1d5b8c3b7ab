/* What verbs share. */
#ifndef NX_CLI_VERBS_H
#define NX_CLI_VERBS_H

#include "cli/cli.h"

/*
 * A finished task for people, or as JSON; the exit status that goes with its state. `shown` is what the terminal has of
 * its answer already, perhaps after other text: an answer that it ends with is not printed again.
 */
int nx_cli_print_task(struct nx_cli *c, yyjson_val *task, bool answer_only, nx_str shown);

/* "python" for "x.py"; NULL when the ending tells nothing. */
const char *nx_cli_language_of(const char *path);

struct nx_cli_files {
	char **paths;
	size_t n, cap;
};
/* Adds the file, "-", or of a directory every file below it that is wanted, in order of names; what begins with a dot is
 * left out. A file that is named itself is taken as it is. NX_ELIMIT, NX_ENOTFOUND, … */
int nx_cli_find_files(struct nx_cli *c, const char *path, bool (*is_wanted)(const char *path), struct nx_cli_files *ret,
		      struct nx_error **err);

extern const struct nx_verb nx_verb_agent, nx_verb_ask, nx_verb_bench, nx_verb_completion, nx_verb_config,
	nx_verb_doctor, nx_verb_exec, nx_verb_explain, nx_verb_extract, nx_verb_ingest, nx_verb_key,
	nx_verb_model_worker, nx_verb_recall, nx_verb_remember, nx_verb_routes, nx_verb_sandbox, nx_verb_scan,
	nx_verb_search, nx_verb_serve, nx_verb_spawner, nx_verb_task, nx_verb_version;

/* Texts of options; NULL: not given. */
struct nx_cli_grants {
	const char *allow, *deny; /* hosts, separated by commas; "all" */
	const char *read, *write; /* directories, separated by colons */
};
/* Their rows in a table of options; g: a static struct nx_cli_grants. */
#define NX_CLI_GRANT_OPTIONS(g)                                                                                      \
	{"allow", "HOST[:PORT],...", "hosts it may reach, through a proxy; `all`: every public address", &(g).allow, \
	 NULL},                                                                                                      \
		{"deny", "HOST[:PORT],...", "hosts it may not reach, whatever --allow says; alone: all but these",   \
		 &(g).deny, NULL},                                                                                   \
		{"read", "DIR", "directories of the server's host that it may read, separated by colons", &(g).read, \
		 NULL},                                                                                              \
	{                                                                                                            \
		"write", "DIR", "directories of the server's host that it may change, separated by colons",          \
			&(g).write, NULL                                                                             \
	}

/* Into `constraints` of a run or of a session. NX_ENOMEM. */
int nx_cli_add_grants(const struct nx_cli_grants *g, yyjson_mut_doc *d, yyjson_mut_val *constraints,
		      struct nx_error **err);

/* The number that an option gives, into `o`; text NULL: nothing is. NX_EINVAL. */
int nx_cli_add_number(const char *option, const char *text, bool is_whole, yyjson_mut_doc *d, yyjson_mut_val *o,
		      const char *key, struct nx_error **err);

/* The parts of `nexus sandbox`, without its first word; the options are those of `session new` and of `shell`. */
extern const struct nx_cli_option nx_sandbox_session_options[];
extern const struct nx_verb nx_verb_sandbox_shell;
int nx_sandbox_image(struct nx_cli *c, int argc, char **argv);
int nx_sandbox_session(struct nx_cli *c, int argc, char **argv);
/* A session as the options say; `idle_s`: where they say none, 0: the server's own. The exit status; what failed is told. */
int nx_sandbox_session_begin(struct nx_cli *c, const struct nx_verb *v, double idle_s, yyjson_val **ret);
/* "/v1/sandbox/sessions/ID"; NULL: no memory. */
const char *nx_sandbox_session_path(struct nx_cli *c, const char *id);
/* A shell in a session that is there; its exit status. */
int nx_sandbox_shell(struct nx_cli *c, const char *session);

#endif
