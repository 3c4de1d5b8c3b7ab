/* nexus ingest: files and directories into the knowledge store, a batch at a time, with a progress bar. */
#include "base/clock.h"
#include "cli/verbs.h"
#include "knowledge/knowledge.h"

#define BATCH_DOCUMENTS 32
#define BATCH_BYTES (512 << 10)

static bool no_wait;
static const struct nx_cli_option options[] = {
	{"no-wait", NULL, "answer when stored, before it is indexed", NULL, &no_wait},
	{NULL, NULL, NULL, NULL, NULL},
};

static bool known_type(const char *name)
{
	nx_str s = nx_str_z(name);

	return nx_str_ends(s, NX_STR(".txt")) || nx_str_ends(s, NX_STR(".md")) || nx_str_ends(s, NX_STR(".jsonl"));
}

struct totals {
	int64_t inserted, updated, unchanged, chunks;
};

static void add_document(yyjson_mut_doc *d, yyjson_mut_val *list, const struct nx_document *doc)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);

	if (doc->name.n)
		nx_json_add_str(d, o, "id", doc->name);
	if (doc->title.n)
		nx_json_add_str(d, o, "title", doc->title);
	nx_json_add_str(d, o, "text", doc->text);
	if (doc->mime.n)
		nx_json_add_str(d, o, "mime", doc->mime);
	if (doc->uri.n)
		nx_json_add_str(d, o, "uri", doc->uri);
	if (doc->metadata.n)
		nx_json_add_raw(d, o, "metadata", doc->metadata);
}

static int send_batch(struct nx_cli *c, const struct nx_document *docs, size_t n, struct totals *t,
		      struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	yyjson_val *answer;

	if (!o)
		return nx_error_set(err, NX_ENOMEM, "send documents");
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "documents");
	for (size_t i = 0; i < n; i++)
		add_document(d, list, &docs[i]);
	yyjson_mut_obj_add_str(d, o, "wait", no_wait ? "stored" : "indexed");
	int rc = nx_cli_call(c, "POST", "/v1/knowledge/documents", o, &answer, err);
	if (rc < 0)
		return rc;
	t->inserted += nx_json_int(answer, "inserted", 0);
	t->updated += nx_json_int(answer, "updated", 0);
	t->unchanged += nx_json_int(answer, "unchanged", 0);
	t->chunks += nx_json_int(answer, "chunks", 0);
	return 0;
}

static int read_all(struct nx_cli *c, const struct nx_cli_files *f, struct nx_document **ret, size_t *ret_n,
		    struct nx_error **err)
{
	struct nx_document *all = NULL;
	size_t total = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct nx_document *docs;
		size_t n;
		int rc = nx_knowledge_read_file(f->paths[i], c->arena, &docs, &n, err);
		if (rc < 0)
			return rc;
		all = nx_arena_realloc(c->arena, all, total * sizeof(*all), (total + n) * sizeof(*all));
		if (!all)
			return nx_error_set(err, NX_ENOMEM, "read the files");
		memcpy(all + total, docs, n * sizeof(*docs));
		total += n;
	}
	*ret = all;
	*ret_n = total;
	return 0;
}

static int send_all(struct nx_cli *c, const struct nx_document *docs, size_t n, struct totals *t, struct nx_error **err)
{
	int64_t started = nx_time_mono_us();

	for (size_t from = 0, to; from < n; from = to) {
		size_t bytes = 0;
		for (to = from; to < n && to - from < BATCH_DOCUMENTS && (to == from || bytes < BATCH_BYTES); to++)
			bytes += docs[to].text.n;
		nx_cli_progress(c, "ingest", from, n, started);
		int rc = send_batch(c, docs + from, to - from, t, err);
		if (rc < 0) {
			if (c->progress)
				fputc('\n', stderr);
			return rc;
		}
	}
	nx_cli_progress(c, "ingest", n, n, started);
	return 0;
}

static void print_totals(struct nx_cli *c, const struct totals *t, size_t files)
{
	if (c->json)
		printf("{\"files\":%zu,\"inserted\":%lld,\"updated\":%lld,\"unchanged\":%lld,\"chunks\":%lld}\n", files,
		       (long long)t->inserted, (long long)t->updated, (long long)t->unchanged, (long long)t->chunks);
	else
		printf("%zu files: %lld documents new, %lld updated, %lld unchanged; %lld passages\n", files,
		       (long long)t->inserted, (long long)t->updated, (long long)t->unchanged, (long long)t->chunks);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_cli_files f = {0};
	struct totals t = {0};
	struct nx_document *docs = NULL;
	struct nx_error *err = NULL;
	size_t n = 0;

	if (argc == 0)
		return nx_cli_usage(&nx_verb_ingest, "name files or directories");
	for (int i = 0; i < argc; i++)
		if (nx_cli_find_files(c, argv[i], known_type, &f, &err) < 0)
			return nx_cli_fail(c, err);
	if (f.n == 0) {
		nx_error_set(&err, NX_ENOTFOUND, "no .txt, .md or .jsonl file there");
		return nx_cli_fail(c, err);
	}
	if (read_all(c, &f, &docs, &n, &err) < 0 || send_all(c, docs, n, &t, &err) < 0)
		return nx_cli_fail(c, err);
	print_totals(c, &t, f.n);
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_ingest = {
	.name = "ingest",
	.usage = "ingest [options] FILE|DIRECTORY…",
	.summary = "store documents: .txt, .md, and .jsonl with one document a line",
	.examples = "  nexus ingest notes.md report.txt\n"
		    "  nexus ingest examples/corpus\n"
		    "  nexus ingest --json corpus.jsonl\n",
	.more = "A line of .jsonl is {\"id\" or \"_id\", \"title\", \"text\", \"metadata\"}. A document with the id of a stored one\n"
		"replaces it; one that has not changed is left alone.\n",
	.options = options,
	.alone = true,
	.run = run,
};
