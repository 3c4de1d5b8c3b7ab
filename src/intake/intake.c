#include "intake/intake.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/macros.h"

/* Room for what JSON adds to the text, and for its blocks. */
#define OUTPUT_PER_TEXT 2
#define OUTPUT_PER_BLOCK 64

struct nx_intake_run { /* of a foreign document */
	struct nx_intake *in;
	size_t item;
	struct nx_exec exec;
	struct nx_exec_program program;
	struct nx_arena *arena; /* the result's: runs are at work at the same time */
	struct nx_error *err;
};

/* ---- what becomes of a run ---- */

static int explain(const struct nx_intake *in, const struct nx_exec_result *res, struct nx_error **err)
{
	const struct nx_config *c = in->config;
	switch (res->status) {
	case NX_EXEC_TIMEOUT:
	case NX_EXEC_CPU_LIMIT:
		return nx_error_set(err, NX_ELIMIT, "reading it took longer than %lld s (knowledge.extract_time)",
				    (long long)(c->knowledge_extract_time / 1000));
	case NX_EXEC_MEMORY_LIMIT:
		return nx_error_set(err, NX_ELIMIT, "reading it needs more than %lld MiB (knowledge.extract_memory_mb)",
				    (long long)c->knowledge_extract_memory_mb);
	case NX_EXEC_OUTPUT_LIMIT:
		return nx_error_set(err, NX_ETOOBIG,
				    "its text is longer than %lld bytes (knowledge.max_document_bytes)",
				    (long long)c->knowledge_max_document_bytes);
	case NX_EXEC_CANCELLED: return nx_error_set(err, NX_ECANCELLED, "the server is stopping");
	default: break;
	}
	if (nx_str_find(res->err_out, NX_STR("shared libraries")) >= 0) {
		nx_error_set(err, NX_EMISSING, "the sandbox lacks a library that reads it: %.*s",
			     NX_FMT(nx_utf8_truncate(nx_str_trim(res->err_out), 200)));
		return nx_error_hint(err, "apt-get install libgumbo1 libxml2 libarchive13 poppler-utils");
	}
	return nx_error_set(err, NX_ETYPE, "the program that reads it broke down (%s %d): the document may be damaged",
			    res->signal ? "signal" : "status", res->signal ? res->signal : res->exit_code);
}

static int take_answer(struct nx_intake *in, struct nx_intake_run *run, struct nx_document *d, struct nx_error **err)
{
	const struct nx_exec_result *res = &run->exec.result;
	const struct nx_knowledge_file *f = &in->items[run->item].file;
	struct nx_extracted x;
	if (run->err)
		return nx_error_move(err, nx_steal(run->err));
	if (res->status != NX_EXEC_OK)
		return explain(in, res, err);
	int r = nx_extract_read_answer(res->out, &in->limits, in->arena, &x, err);
	if (r < 0)
		return r;
	*d = (struct nx_document){.name = f->name,
				  .title = f->title.n ? f->title : x.title,
				  .text = x.text,
				  .uri = f->uri,
				  .metadata = f->metadata,
				  .blocks = x.blocks,
				  .nblocks = x.nblocks,
				  .unit = x.unit};
	return 0;
}

static int finish_run(struct nx_intake *in, struct nx_intake_run *run, struct nx_error **err)
{
	struct nx_intake_item *item = &in->items[run->item];
	const char *mime;
	struct nx_document *d = nx_arena_new_of(in->arena, struct nx_document);
	int r = d ? take_answer(in, run, d, err) : nx_error_set(err, NX_ENOMEM, "no memory for a document");
	if (r < 0) {
		in->failed = run->item;
		return nx_error_wrap(err, "%.*s", NX_FMT(item->file.name));
	}
	(void)nx_format_of(item->file.mime.n ? NX_STR("") : item->file.name, item->file.mime, &mime);
	d->mime = nx_str_z(mime);
	item->docs = d;
	item->ndocs = 1;
	return 0;
}

/* ---- the end ---- */

static int gather(struct nx_intake *in, struct nx_error **err)
{
	size_t n = 0;
	for (size_t i = 0; i < in->nitems; i++)
		n += in->items[i].ndocs;
	in->docs = nx_arena_array(in->arena, struct nx_document, n + 1);
	if (!in->docs)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu documents", n);
	for (size_t i = 0; i < in->nitems; i++) {
		struct nx_intake_item *item = &in->items[i];
		memcpy(in->docs + in->ndocs, item->docs, item->ndocs * sizeof(*item->docs));
		if (item->is_unnamed && item->ndocs == 1 && nx_str_eq(item->docs->name, item->file.name))
			in->docs[in->ndocs].name = NX_STR("");
		in->ndocs += item->ndocs;
	}
	return 0;
}

static void end(struct nx_intake *in, struct nx_error *err)
{
	for (size_t i = 0; i < in->nruns; i++) {
		nx_arena_free(in->runs[i].arena);
		nx_error_free(in->runs[i].err);
	}
	in->done(in, err);
	nx_error_free(err);
}

static void end_run(struct nx_job *j)
{
	struct nx_intake *in = nx_container_of(j, struct nx_intake, job);
	struct nx_error *err = NULL;
	int r = 0;
	for (size_t i = 0; i < in->nruns && r == 0; i++)
		r = finish_run(in, &in->runs[i], &err);
	if (r == 0)
		(void)gather(in, &err);
	end(in, err);
}

/* ---- runs, on the loop of the execution ---- */

static void start_run(struct nx_intake_run *run);

/* On the loop, which alone counts. */
static void executed(struct nx_exec *x, struct nx_error *err)
{
	struct nx_intake_run *run = x->ctx;
	struct nx_intake *in = run->in;
	run->err = err ? nx_error_copy(err) : NULL;
	in->finished++;
	if (in->started < in->nruns) {
		start_run(&in->runs[in->started++]);
	} else if (in->finished == in->nruns) {
		in->job = (struct nx_job){.run = end_run, .is_long = true};
		nx_workers_post(in->workers, &in->job);
	}
}

static void start_run(struct nx_intake_run *run)
{
	struct nx_intake *in = run->in;
	const struct nx_config *c = in->config;
	run->exec = (struct nx_exec){
		.arena = run->arena,
		.tenant = in->tenant,
		.trace = in->trace,
		.language = NX_STR("extract"),
		.code = NX_STR(""),
		.stdin_text = in->items[run->item].file.bytes,
		.policy = NX_SCAN_OFF,
		.done = executed,
		.ctx = run,
	};
	run->exec.program = &run->program;
	run->exec.constraints = nx_exec_constraints_default;
	run->exec.constraints.max_cpu_percent = nx_min(INT64_C(100), c->sandbox_max_cpu_percent);
	run->exec.constraints.max_memory_mb = nx_min(c->knowledge_extract_memory_mb, c->sandbox_max_memory_mb);
	run->exec.constraints.max_time_us = nx_min(c->knowledge_extract_time, c->sandbox_max_time) * NX_USEC_PER_MSEC;
	nx_execution_start(in->execution, &run->exec);
}

/* ---- the beginning ---- */

static int check_file(const struct nx_intake *in, const struct nx_knowledge_file *f, struct nx_error **err)
{
	if ((int64_t)f->bytes.n > in->config->knowledge_max_document_bytes)
		return nx_error_set(err, NX_ETOOBIG, "%.*s is %zu bytes long; knowledge.max_document_bytes is %lld",
				    NX_FMT(f->name), f->bytes.n, (long long)in->config->knowledge_max_document_bytes);
	if (f->bytes.n == 0)
		return nx_error_set(err, NX_ETYPE, "%.*s is empty", NX_FMT(f->name));
	return 0;
}

static int add_run(struct nx_intake *in, size_t item, enum nx_format format, struct nx_error **err)
{
	struct nx_intake_run *run = &in->runs[in->nruns];
	int64_t text = in->config->knowledge_max_document_bytes, blocks = in->config->knowledge_max_blocks;
	*run = (struct nx_intake_run){.in = in, .item = item};
	run->program = (struct nx_exec_program){
		.bytes = nx_extract_program(),
		.args = nx_extract_arguments(format, &in->limits, in->arena),
		.max_output = OUTPUT_PER_TEXT * text + OUTPUT_PER_BLOCK * blocks,
	};
	if (run->program.bytes.n == 0) {
		nx_error_set(err, NX_EUNSUPPORTED, "%.*s: this build reads no HTML, Word or PDF documents",
			     NX_FMT(in->items[item].file.name));
		return nx_error_hint(err, "nexus version --features");
	}
	run->arena = nx_arena_new(0);
	in->nruns++;
	return run->program.args && run->arena && !NX_FAULT(intake_run)
		       ? 0
		       : nx_error_set(err, NX_ENOMEM, "no memory to read a document");
}

static int read_item(struct nx_intake *in, size_t i, struct nx_error **err)
{
	struct nx_intake_item *item = &in->items[i];
	const struct nx_knowledge_file *f = &item->file;
	if (item->ndocs)
		return 0;
	int r = check_file(in, f, err);
	if (r < 0)
		return r;
	enum nx_format format = nx_format_of(f->mime.n ? NX_STR("") : f->name, f->mime, NULL);
	return nx_format_is_foreign(format)
		       ? add_run(in, i, format, err)
		       : nx_knowledge_read_native(&in->limits, f, in->arena, &item->docs, &item->ndocs, err);
}

static int read_items(struct nx_intake *in, struct nx_error **err)
{
	in->runs = nx_arena_array(in->arena, struct nx_intake_run, in->nitems + 1);
	if (!in->runs)
		return nx_error_set(err, NX_ENOMEM, "no memory for %zu documents", in->nitems);
	for (size_t i = 0; i < in->nitems; i++) {
		in->failed = i;
		int r = read_item(in, i, err);
		if (r < 0)
			return r;
		nx_job_yield();
	}
	return 0;
}

void nx_intake_start(struct nx_intake *in)
{
	struct nx_error *err = NULL;
	in->limits = nx_knowledge_extract_limits(in->config);
	int r = read_items(in, &err);
	if (r == 0 && in->nruns == 0)
		r = gather(in, &err);
	if (r < 0 || in->nruns == 0) {
		end(in, err);
		return;
	}
	/* From the first start on the counts are the loop's, and from the last on it may be over. */
	size_t first = nx_min(in->nruns, (size_t)NX_INTAKE_AT_ONCE);
	struct nx_intake_run *runs = in->runs;
	in->started = first;
	for (size_t i = 0; i < first; i++)
		start_run(&runs[i]);
}
