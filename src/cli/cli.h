/*
 * The command line: one small file per verb, one table of verbs.
 *
 * A verb declares its options and examples, from which `--help` is written; main parses, the verb runs. Most verbs talk to
 * the running server over HTTP and print what it answers, for people or with --json as it came; where none runs they start
 * one for themselves on the data directory (alone.c). Exit status: 0 done,
 * 1 failed, 2 wrong usage, 4 not allowed (a key is missing or lacks a scope); `exec` and `scan` say theirs in their help.
 *
 * Output for people goes to stdout, progress and errors to stderr; colour only on a terminal and without NO_COLOR.
 */
#ifndef NX_CLI_CLI_H
#define NX_CLI_CLI_H

#include "base/config.h"
#include "base/json.h"

#include <stdio.h>

enum { NX_EXIT_OK = 0, NX_EXIT_FAILED = 1, NX_EXIT_USAGE = 2, NX_EXIT_AUTH = 4 };

struct nx_client;
struct nx_server;
struct nx_cli {
	struct nx_arena *arena;
	struct nx_config *config;
	struct nx_client *client;    /* made on first use by nx_cli_call */
	struct nx_server *server;    /* of this verb alone, when it works on the data directory itself */
	const char *url;             /* --url, NEXUS_URL, or the configured listen address */
	bool alone;                  /* the verb may do without a server, and none was named */
	bool json, colour, progress; /* progress: stderr is a terminal */
	bool noted;                  /* the person at the terminal was told why it takes long */
};

/* An option: `--name ARG` or `--name=ARG`; without arg a switch. Ended by name NULL. */
struct nx_cli_option {
	const char *name, *arg, *help;
	const char **ret; /* with arg */
	bool *flag;       /* without */
};

struct nx_verb {
	const char *name, *usage, *summary;
	const char *examples; /* lines, shown first */
	const char *more;     /* paragraphs after the options; may be NULL */
	bool hidden;
	bool alone;                          /* works on the data directory itself when no server runs */
	bool takes_config;                   /* configuration options are its flags too */
	const char *const *words;            /* the first words it knows, ended by NULL; NULL: any */
	const struct nx_verb *const *under;  /* verbs of its own, chosen by its first word, ended by NULL; NULL: none */
	const struct nx_cli_option *options; /* NULL: none */
	/* argv: what is left after the options, argv[0] being the first word after the verb. */
	int (*run)(struct nx_cli *c, int argc, char **argv);
	/* Programs within the program (spawner, model-worker): called before anything else, with the whole argv. */
	int (*raw)(int argc, char **argv);
};
extern const struct nx_verb *const nx_verbs[]; /* ended by NULL */

int nx_cli_main(int argc, char **argv);

/* ---- args.c ---- */
/* Splits options from words. NX_EINVAL with the nearest option. `*ret_help` when --help is among them. */
int nx_cli_parse(struct nx_cli *c, const struct nx_verb *v, int *argc, char **argv, bool *ret_help,
		 struct nx_error **err);
void nx_cli_help(const struct nx_verb *v, FILE *f);
void nx_cli_overview(FILE *f);

/* ---- out.c ---- */
/* Prints an error for people or as JSON, and returns the exit status that goes with it. Takes err. */
int nx_cli_fail(struct nx_cli *c, struct nx_error *err);
/* As nx_cli_fail, for what was said to the verb: NX_EINVAL is wrong usage, and says where to read more. Takes err. */
int nx_cli_misuse(struct nx_cli *c, const struct nx_verb *v, struct nx_error *err);
int nx_cli_usage(const struct nx_verb *v, const char *fmt, ...) NX_PRINTF(2, 3);
/* A first word that the verb does not know: names the nearest. The exit status of wrong usage. */
int nx_cli_unknown_word(const struct nx_verb *v, const char *word);
/* The text of a whole-number option; `text` NULL keeps *ret. NX_EINVAL names the option. */
int nx_cli_number(const char *option, const char *text, int64_t *ret, struct nx_error **err);
/* "" where colour is off. */
const char *nx_cli_bold(const struct nx_cli *c);
const char *nx_cli_dim(const struct nx_cli *c);
const char *nx_cli_green(const struct nx_cli *c);
const char *nx_cli_red(const struct nx_cli *c);
const char *nx_cli_yellow(const struct nx_cli *c);
const char *nx_cli_reset(const struct nx_cli *c);
void nx_cli_print_json(struct nx_cli *c, yyjson_val *v); /* pretty on a terminal, one line elsewhere */
/* Text with bidi and other control characters shown as \u{…}: it may come from anywhere. */
void nx_cli_put_text(FILE *f, nx_str s);
/* 0.4 ms, 12 ms, 3.1 s */
const char *nx_cli_duration(double ms, char ret[24]);

/* ---- client.c ---- */
/*
 * One request, answered as JSON. 2xx: 0 and *ret the root. Otherwise the problem document becomes the error, with its
 * code, pointer and hint; no server at the address is NX_EUNREACHABLE. `body` NULL: none.
 */
int nx_cli_call(struct nx_cli *c, const char *method, const char *path, yyjson_mut_val *body, yyjson_val **ret,
		struct nx_error **err);
/* A stream of server-sent events, until it ends or on_event returns false. on_event runs on another thread, one at a time. */
int nx_cli_stream(struct nx_cli *c, const char *path, bool (*on_event)(nx_str event, yyjson_val *data, void *ctx),
		  void *ctx, struct nx_error **err);
/* A query value, percent-encoded (RFC 3986). */
char *nx_cli_escape(struct nx_cli *c, const char *s);
void nx_client_free(struct nx_client *client);

/* ---- alone.c ---- */
/* Whether something listens at "http://host:port". */
bool nx_cli_anyone_at(const char *url);
/*
 * Starts a server on the data directory for this verb, and makes c->url its address. No other thread may run yet. Waits
 * for another verb that holds the directory; NX_EINUSE when a server does, naming its address, or when it takes a minute.
 */
int nx_cli_go_alone(struct nx_cli *c, struct nx_error **err);
/* Stops that server, if there is one. False: something still runs, and the process must end at once (it is journaled). */
bool nx_cli_leave(struct nx_cli *c);
/* One line on a terminal, once in a process: why it takes longer than a second. */
void nx_cli_note_slow(struct nx_cli *c, const char *what);

/* ---- files ---- */
/* A file, or standard input for "-". */
int nx_cli_read(struct nx_cli *c, const char *path, size_t max, nx_str *ret, struct nx_error **err);
/* The words that are left, joined by spaces, or standard input for "-", without the white space around; NX_EINVAL when
 * there are none. */
int nx_cli_words(struct nx_cli *c, int argc, char **argv, const char *what, nx_str *ret, struct nx_error **err);

#endif
