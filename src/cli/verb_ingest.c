/* nexus ingest: files and directories into the knowledge store, a batch at a time, with a progress bar. */
#include "cli/feed.h"
#include "cli/follow.h"
#include "cli/verbs.h"

static bool no_wait, follows;
static const struct nx_cli_option options[] = {
	{"no-wait", NULL, "answer when stored, before it is indexed", NULL, &no_wait},
	{"watch", NULL, "go on: follow what changes in the directory, until Ctrl-C", NULL, &follows},
	{NULL, NULL, NULL, NULL, NULL},
};

static bool known_type(const char *name)
{
	return nx_format_of(nx_str_z(name), NX_STR(""), NULL) != NX_FORMAT_NONE;
}

/* What the files of one word of the command line are known by: their path below the directory that it names. */
static const char *name_below(const char *word, const char *path)
{
	size_t n = strlen(word);
	while (n > 1 && word[n - 1] == '/')
		n--;
	if (strncmp(path, word, n) == 0 && path[n] == '/')
		return path + n + strspn(path + n, "/");
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int list_files(struct nx_cli *c, int argc, char **argv, struct nx_feed *f, struct nx_error **err)
{
	struct nx_cli_files found = {0};
	for (int i = 0; i < argc; i++) {
		size_t from = found.n;
		int rc = nx_cli_find_files(c, argv[i], known_type, &found, err);
		for (size_t k = from; k < found.n && rc == 0; k++)
			rc = nx_feed_add(f, found.paths[k], name_below(argv[i], found.paths[k]), err);
		if (rc < 0)
			return rc;
	}
	if (f->nfiles)
		return 0;
	nx_error_set(err, NX_ENOTFOUND, "no file of a kind that is read is there");
	return nx_error_hint(err, "give %s", nx_format_endings());
}

static void print_totals(struct nx_cli *c, const struct nx_feed *f)
{
	if (c->json) {
		printf("{\"files\":%zu,\"failed\":%zu,\"inserted\":%lld,\"updated\":%lld,\"unchanged\":%lld,\"chunks\":%lld}\n",
		       f->nfiles, f->failed, (long long)f->inserted, (long long)f->updated, (long long)f->unchanged,
		       (long long)f->chunks);
		return;
	}
	printf("%zu files: %lld documents new, %lld updated, %lld unchanged; %lld passages\n", f->nfiles,
	       (long long)f->inserted, (long long)f->updated, (long long)f->unchanged, (long long)f->chunks);
	if (f->failed)
		printf("%zu files could not be read\n", f->failed);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_feed f = {.cli = c, .no_wait = no_wait};
	struct nx_error *err = NULL;

	if (argc == 0)
		return nx_cli_usage(&nx_verb_ingest, "name files or directories");
	if (follows && argc != 1)
		return nx_cli_usage(&nx_verb_ingest, "one directory is followed at a time");
	if (follows)
		return nx_follow(c, argv[0], known_type, &err) < 0 ? nx_cli_fail(c, err) : NX_EXIT_OK;
	if (list_files(c, argc, argv, &f, &err) < 0 || nx_feed_run(&f, &err) < 0)
		return nx_cli_fail(c, err);
	print_totals(c, &f);
	return f.failed ? NX_EXIT_FAILED : NX_EXIT_OK;
}

const struct nx_verb nx_verb_ingest = {
	.name = "ingest",
	.usage = "ingest [options] FILE|DIRECTORY…",
	.summary = "store documents: text, Markdown, HTML, PDF, Word, tables, JSON, code",
	.examples = "  nexus ingest notes.md report.pdf\n"
		    "  nexus ingest examples/corpus\n"
		    "  nexus ingest --json corpus.jsonl\n"
		    "  nexus ingest --watch ~/notes\n",
	.more = "Read are .txt .md .html .pdf .docx .csv .tsv .json .jsonl and code; in a directory, what is of other kinds, or\n"
		"begins with a dot, is left out. A line of .jsonl is {\"id\" or \"_id\", \"title\", \"text\", \"metadata\"}, a row of a\n"
		"table is a document, everything else is one document with its path as id. A document with the id of a\n"
		"stored one replaces it; one that has not changed is left alone. Of many files, those that cannot be read\n"
		"are named and passed over; the exit status is then 1.\n"
		"With --watch documents follow their files: new ones are stored, changed ones replaced, and those of files\n"
		"that were deleted, or moved away, deleted.\n",
	.options = options,
	.alone = true,
	.run = run,
};
