/* Segments: the block and its file, look-up of terms, cursors. */
#include "knowledge/packed.h"
#include "knowledge/rice.h"
#include "knowledge/text_segment_internal.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define VERSION UINT32_C(1)
#define END UINT32_MAX
/* Behind the last section: a reader of codes may take two words beyond the last one. */
#define SLACK (2 * NX_RICE_SLACK)

enum section { KEYS, TERMS, LISTS, POSTINGS, LENGTHS, NAMES, NSECTIONS };

struct header {
	char magic[8];
	uint32_t version, n, nterms, unused;
	uint64_t total_length, bytes[NSECTIONS];
	uint64_t sections_sum, sum; /* of what lies behind the header; of what stands before it */
};

static const char magic[8] = "NXTEXT\r\n";

static size_t aligned(size_t bytes)
{
	return (bytes + 7) / 8 * 8;
}

static uint64_t header_sum(const struct header *f)
{
	return nx_str_hash(nx_str_n((const char *)f, offsetof(struct header, sum)));
}

static size_t total_bytes(const struct header *f)
{
	size_t n = sizeof(*f);
	for (unsigned s = 0; s < NSECTIONS; s++)
		n += aligned(f->bytes[s]);
	return n + SLACK;
}

/* Points the segment at the sections of its block. */
static void take(struct nx_segment *s)
{
	const struct header *f = s->base;
	const char *at[NSECTIONS], *p = (const char *)s->base + sizeof(*f);
	for (unsigned i = 0; i < NSECTIONS; p += aligned(f->bytes[i]), i++)
		at[i] = p;
	s->n = f->n;
	s->nterms = f->nterms;
	s->total_length = f->total_length;
	s->keys = (const void *)at[KEYS];
	s->terms = (const void *)at[TERMS];
	s->lists = (const void *)at[LISTS];
	s->postings = (const void *)at[POSTINGS];
	s->postings_bytes = f->bytes[POSTINGS];
	s->lengths = (const void *)at[LENGTHS];
	s->names = at[NAMES];
	s->names_bytes = f->bytes[NAMES];
}

/* ---- look-up ---- */

static uint32_t hash_of(enum nx_text_term kind, nx_str s)
{
	return (uint32_t)(nx_str_hash(s) >> 16) * 3 + (uint32_t)kind;
}

uint32_t nx_segment_find(const struct nx_segment *s, enum nx_text_term kind, nx_str string)
{
	for (uint32_t i = hash_of(kind, string) & s->table_mask;; i = (i + 1) & s->table_mask) {
		uint32_t t = s->table[i];
		if (t == 0 || (s->terms[t].kind == kind && nx_str_eq(nx_segment_string(s, t), string)))
			return t;
	}
}

static bool make_table(struct nx_segment *s)
{
	uint32_t size = 4;
	while (size / 4 * 3 < s->nterms + 1)
		size *= 2;
	s->table = calloc(size, sizeof(*s->table));
	s->table_mask = size - 1;
	for (uint32_t t = 1; s->table && t <= s->nterms; t++) {
		uint32_t i = hash_of(s->terms[t].kind, nx_segment_string(s, t)) & s->table_mask;
		while (s->table[i])
			i = (i + 1) & s->table_mask;
		s->table[i] = t;
	}
	return s->table != NULL;
}

/* ---- assembly ---- */

static char *copy_sections(const struct nx_segment_parts *p, struct header *f)
{
	const void *from[NSECTIONS] = {[KEYS] = p->keys,         [TERMS] = p->terms,     [LISTS] = p->lists,
				       [POSTINGS] = p->postings, [LENGTHS] = p->lengths, [NAMES] = p->names};
	memcpy(f->magic, magic, sizeof(magic));
	f->bytes[KEYS] = p->n * sizeof(*p->keys);
	f->bytes[TERMS] = ((size_t)p->nterms + 1) * sizeof(*p->terms);
	f->bytes[LISTS] = ((size_t)p->nterms + 1) * sizeof(*p->lists);
	f->bytes[POSTINGS] = p->postings_bytes;
	f->bytes[LENGTHS] = p->n * sizeof(*p->lengths);
	f->bytes[NAMES] = p->names_bytes;
	char *base = calloc(1, total_bytes(f)), *at = base ? base + sizeof(*f) : NULL;
	if (!base)
		return NULL;
	memcpy(base, f, sizeof(*f));
	for (unsigned i = 0; i < NSECTIONS; at += aligned(f->bytes[i]), i++)
		if (f->bytes[i])
			memcpy(at, from[i], f->bytes[i]);
	return base;
}

int nx_segment_assemble(const struct nx_segment_parts *p, struct nx_segment **ret, struct nx_error **err)
{
	struct header f = {.version = VERSION, .n = p->n, .nterms = p->nterms, .total_length = p->total_length};
	struct nx_segment *s = calloc(1, sizeof(*s));
	char *base = s ? copy_sections(p, &f) : NULL;
	if (base) {
		s->base = base;
		s->bytes = total_bytes(&f);
		take(s);
	}
	if (!base || !make_table(s)) {
		nx_segment_free(s);
		return nx_error_set(err, NX_ENOMEM, "no memory for a segment of %u passages", p->n);
	}
	*ret = s;
	return 0;
}

void nx_segment_free(struct nx_segment *s)
{
	if (!s)
		return;
	if (s->is_mapped)
		(void)munmap(s->base, s->bytes);
	else
		free(s->base);
	free(s->table);
	free(s);
}

/* ---- file ---- */

int nx_segment_save(const struct nx_segment *s, const char *path, struct nx_error **err)
{
	struct header f;
	memcpy(&f, s->base, sizeof(f));
	nx_str rest = nx_str_n((const char *)s->base + sizeof(f), s->bytes - sizeof(f));
	f.sections_sum = nx_str_hash(rest);
	f.sum = header_sum(&f);
	nx_str parts[] = {nx_str_n((const char *)&f, sizeof(f)), rest};
	return nx_file_write_durable_parts(path, parts, nx_countof(parts), 0600, err);
}

static bool sums_agree(uint64_t a, uint64_t b)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	(void)a;
	(void)b;
	return true; /* else a fuzzer sees nothing of what is behind the sums */
#else
	return a == b;
#endif
}

static int map_file(struct nx_segment *s, const char *path, struct nx_error **err)
{
	struct stat st;
	nx_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return nx_error_set_errno(err, errno, "open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct header))
		return nx_error_set(err, NX_ECORRUPT, "%s: not a text segment", path);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return nx_error_set_errno(err, errno, "map %s", path);
	s->base = p;
	s->bytes = (size_t)st.st_size;
	s->is_mapped = true;
	return 0;
}

/* ---- the check of what was read; each part gives what is wrong, or NULL ---- */

static const char *check_header(const struct nx_segment *s)
{
	const struct header *f = s->base;
	for (unsigned i = 0; i < NSECTIONS; i++)
		if (f->bytes[i] > s->bytes)
			return "shorter than its header says";
	if (total_bytes(f) != s->bytes)
		return "not as long as its header says";
	if (f->n > NX_SEGMENT_DOCS_MAX || f->bytes[KEYS] != f->n * sizeof(*s->keys) ||
	    f->bytes[LENGTHS] != f->n * sizeof(*s->lengths) || f->nterms > UINT32_MAX / 4 ||
	    f->bytes[TERMS] != ((size_t)f->nterms + 1) * sizeof(*s->terms) ||
	    f->bytes[LISTS] != ((size_t)f->nterms + 1) * sizeof(*s->lists))
		return "the header contradicts itself";
	return NULL;
}

static const char *check_term(const struct nx_segment *s, uint32_t t)
{
	const struct nx_segment_term *e = &s->terms[t];
	if (e->kind >= NX_TEXT_TERMS || (size_t)e->name + e->name_bytes > s->names_bytes)
		return "a term is broken";
	if (e->kind == NX_TEXT_ROOT && s->lists[t].n > s->n)
		return "a root in more passages than there are";
	if (e->kind != NX_TEXT_SURFACE)
		return NULL;
	if (e->root == 0 || e->root >= t || s->terms[e->root].kind != NX_TEXT_ROOT)
		return "a surface without a root";
	return t == e->root + 1 || s->terms[t - 1].root == e->root ? NULL : "a form that is not beside the others";
}

/* Gaps, frequencies and positions of a block lie within `room`. */
static bool block_fits(const uint8_t *data, const struct nx_segment_block *b, uint32_t count, size_t room,
		       bool has_positions)
{
	uint32_t tfs[NX_SEGMENT_BLOCK];
	if (b->gap_bits > 32 || b->tf_bits > 16 || b->position_k > NX_RICE_K_MAX || b->capitals > NX_CAPITALS_EACH ||
	    b->offset > room)
		return false;
	size_t gaps = nx_packed_bytes(count, b->gap_bits), bytes = gaps + nx_packed_bytes(count, b->tf_bits);
	if (bytes > room - b->offset)
		return false;
	if (!has_positions)
		return true;
	uint64_t at = 0, end = (room - b->offset - bytes) * 8;
	nx_unpack(data + b->offset + gaps, count, b->tf_bits, tfs);
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j <= tfs[i]; j++) {
			if (at >= end)
				return false;
			at += b->capitals == NX_CAPITALS_EACH;
			(void)nx_rice_get(data + b->offset + bytes, &at, b->position_k);
		}
	return at <= end;
}

/* What stands before the blocks' bytes. */
static size_t list_head(uint32_t n)
{
	size_t nblocks = (n + NX_SEGMENT_BLOCK - 1) / NX_SEGMENT_BLOCK;
	if (n & NX_SEGMENT_ONE)
		return sizeof(struct nx_segment_one);
	return nblocks == 1 ? sizeof(struct nx_segment_single) : nblocks * sizeof(struct nx_segment_block);
}

static void take_single(const struct nx_segment_single *s, struct nx_segment_block *ret)
{
	*ret = (struct nx_segment_block){.max_tf = s->max_tf,
					 .min_length = s->min_length,
					 .gap_bits = s->gap_bits,
					 .tf_bits = s->tf_bits,
					 .position_k = s->position_k,
					 .capitals = s->capitals};
}

/* Passages rise up to the block's last, and no frequency or length is better than the block says: searches pass over blocks
 * on its word. *doc is the last of the block before. */
static bool block_is_true(const struct nx_segment *s, const uint8_t *data, const struct nx_segment_block *b,
			  uint32_t count, bool is_only, int64_t *doc)
{
	uint32_t gaps[NX_SEGMENT_BLOCK], tfs[NX_SEGMENT_BLOCK];
	nx_unpack(data + b->offset, count, b->gap_bits, gaps);
	nx_unpack(data + b->offset + nx_packed_bytes(count, b->gap_bits), count, b->tf_bits, tfs);
	for (uint32_t i = 0; i < count; i++) {
		*doc += (int64_t)gaps[i] + 1;
		if (*doc >= s->n || nx_min(tfs[i] + 1, (uint32_t)UINT16_MAX) > b->max_tf ||
		    s->lengths[*doc] < b->min_length)
			return false;
	}
	return is_only || *doc == b->last;
}

static bool blocks_are_true(const struct nx_segment *s, uint32_t t, const uint8_t *from, size_t room)
{
	uint32_t n = s->lists[t].n, nblocks = (n + NX_SEGMENT_BLOCK - 1) / NX_SEGMENT_BLOCK;
	bool has_positions = s->terms[t].kind == NX_TEXT_SURFACE;
	const struct nx_segment_block *b = (const void *)from;
	struct nx_segment_block only;
	size_t head = list_head(s->lists[t].n);
	int64_t doc = -1;
	if (head > room)
		return false;
	if (nblocks == 1) {
		take_single((const void *)from, &only);
		b = &only;
	}
	for (uint32_t i = 0; i < nblocks; i++) {
		uint32_t count = nx_min(n - i * NX_SEGMENT_BLOCK, (uint32_t)NX_SEGMENT_BLOCK);
		if (!block_fits(from + head, &b[i], count, room - head, has_positions) ||
		    !block_is_true(s, from + head, &b[i], count, nblocks == 1, &doc))
			return false;
	}
	return true;
}

/* Lists lie one behind the other, so that no file takes longer to check than its size allows. *end: of the heads before. */
static const char *check_list(const struct nx_segment *s, uint32_t t, size_t *end)
{
	struct nx_segment_list l = s->lists[t];
	size_t from = (size_t)l.at * 4;
	if (s->terms[t].kind == NX_TEXT_ROOT || l.n == 0)
		return NULL;
	if (from < *end || from > s->postings_bytes)
		return "a list outside";
	size_t room = s->postings_bytes - from;
	*end = from + list_head(l.n);
	if (l.n & NX_SEGMENT_ONE) {
		const struct nx_segment_one *one = (const void *)(s->postings + from);
		return l.n == NX_SEGMENT_ONE && room >= sizeof(*one) && one->doc < s->n ? NULL
											: "a posting of no passage";
	}
	return l.n <= s->n && blocks_are_true(s, t, s->postings + from, room) ? NULL : "a list is broken";
}

static const char *check_sections(const struct nx_segment *s)
{
	const char *what = NULL;
	size_t end = 0;
	for (uint32_t t = 1; !what && t <= s->nterms; t++)
		what = check_term(s, t);
	for (uint32_t t = 1; !what && t <= s->nterms; t++)
		what = check_list(s, t, &end);
	return what;
}

static int check(struct nx_segment *s, const char *path, struct nx_error **err)
{
	const struct header *f = s->base;
	if (memcmp(f->magic, magic, sizeof(magic)) != 0)
		return nx_error_set(err, NX_ECORRUPT, "%s: not a text segment", path);
	if (f->version != VERSION)
		return nx_error_set(err, NX_ECONFLICT, "%s is of another version", path);
	const char *what = sums_agree(f->sum, header_sum(f)) ? check_header(s) : "the header's sum is wrong";
	if (!what &&
	    !sums_agree(f->sections_sum, nx_str_hash(nx_str_n((const char *)f + sizeof(*f), s->bytes - sizeof(*f)))))
		what = "the sum is wrong";
	if (!what) {
		take(s);
		what = check_sections(s);
	}
	if (what)
		return nx_error_set(err, NX_ECORRUPT, "%s: %s", path, what);
	return make_table(s) ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to open %s", path);
}

int nx_segment_open(const char *path, struct nx_segment **ret, struct nx_error **err)
{
	struct nx_segment *s = calloc(1, sizeof(*s));
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory to open %s", path);
	int r = map_file(s, path, err);
	if (r == 0)
		r = check(s, path, err);
	if (r < 0)
		nx_segment_free(s);
	else
		*ret = s;
	return r;
}

/* ---- cursors ---- */

static void decode(struct nx_segment_cursor *c)
{
	const struct nx_segment_block *b = nx_segment_cursor_block(c, c->block);
	uint32_t doc = c->block ? c->blocks[c->block - 1].last : UINT32_MAX;
	c->count = nx_min(c->n - c->block * NX_SEGMENT_BLOCK, (uint32_t)NX_SEGMENT_BLOCK);
	nx_unpack(c->data + b->offset, c->count, b->gap_bits, c->docs);
	for (uint32_t i = 0; i < c->count; i++) {
		doc += c->docs[i] + 1;
		c->docs[i] = doc;
	}
	c->at = 0;
	c->is_decoded = true;
	c->has_tfs = false;
}

static void decode_tfs(struct nx_segment_cursor *c)
{
	const struct nx_segment_block *b = nx_segment_cursor_block(c, c->block);
	if (c->has_tfs)
		return;
	nx_unpack(c->data + b->offset + nx_packed_bytes(c->count, b->gap_bits), c->count, b->tf_bits, c->tfs);
	c->has_tfs = true;
}

uint32_t nx_segment_cursor_tf(struct nx_segment_cursor *c)
{
	if (c->nblocks == 0)
		return 1;
	decode_tfs(c);
	return c->tfs[c->at] + 1;
}

static uint32_t next_position(const uint8_t *p, uint64_t *at, const struct nx_segment_block *b, uint32_t before)
{
	uint32_t capital = b->capitals == NX_CAPITALS_ALL;
	if (b->capitals == NX_CAPITALS_EACH) {
		capital = p[*at / 8] >> *at % 8 & 1;
		++*at;
	}
	return (before + nx_rice_get(p, at, b->position_k)) << 1 | capital;
}

uint32_t nx_segment_cursor_positions(struct nx_segment_cursor *c, uint32_t *ret, uint32_t max)
{
	if (c->nblocks == 0) {
		if (max)
			*ret = c->one.position;
		return max ? 1 : 0;
	}
	decode_tfs(c);
	const struct nx_segment_block *b = nx_segment_cursor_block(c, c->block);
	const uint8_t *p =
		c->data + b->offset + nx_packed_bytes(c->count, b->gap_bits) + nx_packed_bytes(c->count, b->tf_bits);
	uint64_t at = 0;
	for (uint32_t i = 0; i < c->at; i++)
		for (uint32_t j = 0; j <= c->tfs[i]; j++)
			(void)next_position(p, &at, b, 0);
	uint32_t n = nx_min(c->tfs[c->at] + 1, max);
	for (uint32_t i = 0; i < n; i++)
		ret[i] = next_position(p, &at, b, i ? ret[i - 1] >> 1 : 0);
	return n;
}

void nx_segment_cursor_init(struct nx_segment_cursor *c, const struct nx_segment *s, uint32_t term)
{
	struct nx_segment_list l = s->lists[term];
	const uint8_t *from = s->postings + (size_t)l.at * 4;
	c->doc = END;
	c->n = c->nblocks = c->block = c->at = c->count = 0;
	c->is_decoded = c->has_tfs = false;
	if (l.n & NX_SEGMENT_ONE) {
		memcpy(&c->one, from, sizeof(c->one));
		c->n = 1;
		c->doc = c->one.doc;
		return;
	}
	if (l.n == 0)
		return;
	c->n = l.n;
	c->nblocks = (l.n + NX_SEGMENT_BLOCK - 1) / NX_SEGMENT_BLOCK;
	c->blocks = (const void *)from;
	c->data = (const uint8_t *)(c->blocks + c->nblocks);
	if (c->nblocks == 1) {
		take_single((const void *)from, &c->single);
		c->data = from + sizeof(struct nx_segment_single);
	}
	decode(c);
	c->single.last = c->docs[c->count - 1];
	c->doc = c->docs[0];
}

bool nx_segment_cursor_skip(struct nx_segment_cursor *c, uint32_t doc)
{
	uint32_t b = c->block, step = 1;
	if (c->nblocks == 0)
		return false;
	if (nx_segment_cursor_block(c, b)->last >= doc)
		return true;
	while (b + step < c->nblocks && c->blocks[b + step].last < doc) {
		b += step;
		step *= 2;
	}
	uint32_t hi = nx_min(b + step, c->nblocks);
	for (b++; b < hi;) {
		uint32_t mid = b + (hi - b) / 2;
		if (c->blocks[mid].last < doc)
			b = mid + 1;
		else
			hi = mid;
	}
	if (b >= c->nblocks)
		return false;
	c->block = b;
	c->is_decoded = false;
	return true;
}

void nx_segment_cursor_seek(struct nx_segment_cursor *c, uint32_t doc)
{
	if (c->doc >= doc)
		return;
	if (!nx_segment_cursor_skip(c, doc)) {
		c->doc = END;
		return;
	}
	if (!c->is_decoded)
		decode(c);
	while (c->at < c->count && c->docs[c->at] < doc)
		c->at++;
	c->doc = c->at < c->count ? c->docs[c->at] : END;
}
