/*
 * A segment of the text index with bytes changed: each three of the input are where and what. Sums are not compared in this
 * build. What opens is read whole: every term, every posting, every position.
 */
#include "base/assert.h"
#include "base/io.h"
#include "knowledge/text_segment.h"

#include <stdio.h>
#include <stdlib.h>

#define DOCS 300 /* lists of more than two blocks */
#define POSITIONS 4

static char path[] = "/tmp/nexus-fuzz-segment-XXXXXX";
static struct nx_arena *arena;
static nx_str good;

static void write_list(struct nx_segment_writer *w, enum nx_text_term kind, const char *name, uint32_t step)
{
	static uint32_t docs[DOCS], tfs[DOCS], positions[DOCS * POSITIONS];
	struct nx_postings_run r = {.docs = docs, .tfs = tfs, .positions = kind == NX_TEXT_GRAM ? NULL : positions};
	uint32_t np = 0;
	for (uint32_t d = 0; d < DOCS; d += step, r.n++) {
		docs[r.n] = d;
		tfs[r.n] = 1 + d % POSITIONS;
		for (uint32_t i = 0; i < tfs[r.n]; i++)
			positions[np++] = (i * 7 + d % 5) << 1 | (i == 0 && d % 3 == 0);
	}
	nx_assert(nx_segment_write_term(w, kind, nx_str_z(name), 0, &r));
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static int64_t keys[DOCS];
	static uint32_t lengths[DOCS];
	struct nx_segment *s;
	int fd = mkstemp(path);
	for (uint32_t i = 0; i < DOCS; i++) {
		keys[i] = i + 1;
		lengths[i] = 10 + i % 50;
	}
	struct nx_segment_writer *w = nx_segment_writer_new(DOCS, keys, lengths);
	nx_assert(fd >= 0 && w && (arena = nx_arena_new(0)));
	(void)close(fd);
	nx_assert(nx_segment_write_root(w, NX_STR("stat")));
	write_list(w, NX_TEXT_SURFACE, "station", 1);
	write_list(w, NX_TEXT_SURFACE, "stations", 3);
	nx_assert(nx_segment_write_root(w, NX_STR("gaug")));
	write_list(w, NX_TEXT_SURFACE, "gauge", DOCS);
	write_list(w, NX_TEXT_GRAM, "كتاب", 5);
	nx_assert(nx_segment_writer_finish(w, &s, NULL) == 0 && nx_segment_save(s, path, NULL) == 0 &&
		  nx_file_read(arena, path, SIZE_MAX, &good, NULL) == 0);
	nx_segment_free(s);
	nx_segment_writer_free(w);
	return 0;
}

static void read_list(const struct nx_segment *s, uint32_t term)
{
	struct nx_segment_cursor c;
	uint32_t positions[64];
	nx_segment_cursor_init(&c, s, term);
	nx_segment_cursor_seek(&c, 0);
	for (uint32_t last = 0; c.doc != UINT32_MAX; last = c.doc, nx_segment_cursor_seek(&c, c.doc + 1)) {
		nx_assert(c.doc < s->n && c.doc >= last);
		nx_assert(nx_segment_cursor_positions(&c, positions, nx_countof(positions)) <= nx_countof(positions));
		(void)nx_segment_cursor_tf(&c);
	}
}

static void seek_in_list(const struct nx_segment *s, uint32_t term, uint32_t step)
{
	struct nx_segment_cursor c;
	nx_segment_cursor_init(&c, s, term);
	for (uint32_t doc = 0; doc < s->n && c.doc != UINT32_MAX; doc += step) {
		nx_segment_cursor_seek(&c, doc);
		nx_assert(c.doc == UINT32_MAX || (c.doc >= doc && c.doc < s->n));
		if (c.doc != UINT32_MAX && nx_segment_cursor_skip(&c, nx_min(doc + step, s->n)) && c.nblocks)
			nx_assert(nx_segment_cursor_block(&c, c.block)->last < s->n);
	}
}

static void read_all(const struct nx_segment *s)
{
	uint32_t n;
	for (uint32_t t = 1; t <= s->nterms; t++) {
		nx_str name = nx_segment_string(s, t);
		(void)nx_segment_find(s, s->terms[t].kind, name);
		(void)nx_segment_df(s, t);
		if (s->terms[t].kind == NX_TEXT_ROOT)
			(void)nx_segment_forms(s, t, &n);
		else
			read_list(s, t);
		for (uint32_t step = 1; s->terms[t].kind != NX_TEXT_ROOT && step < s->n; step = step * 5 + 3)
			seek_in_list(s, t, step);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nx_segment *s;
	char *bytes = malloc(good.n);
	FILE *f = fopen(path, "wb");
	nx_assert(bytes && f);
	memcpy(bytes, good.p, good.n);
	for (size_t i = 0; i + 3 <= size; i += 3)
		bytes[((size_t)data[i] << 8 | data[i + 1]) % good.n] = (char)data[i + 2];
	nx_assert(fwrite(bytes, 1, good.n, f) == good.n && fclose(f) == 0);
	free(bytes);
	if (nx_segment_open(path, &s, NULL) == 0) {
		read_all(s);
		nx_segment_free(s);
	}
	return 0;
}
