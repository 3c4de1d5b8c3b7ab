/*
 * The vector index as a file: a header of one page, then the sections, each beginning on a page. Numbers are as the
 * processor writes them: a file from one of the other order is of another version.
 */
#include "knowledge/hnsw_internal.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE ((size_t)4096)
#define VERSION UINT32_C(1)

enum section { KEYS, DEAD, LEVELS, UPPER_AT, UPPER, LINKS, CODES, EXACT, NSECTIONS };

struct header {
	char magic[8];
	uint32_t version, dims, kept, m, ef_build;
	float step;
	uint32_t n, linked, nupper, entry;
	int32_t top;
	uint32_t ndead;
	uint64_t random, model;
	uint64_t sums[NSECTIONS];
	uint64_t sum; /* of what stands before it */
};
_Static_assert(sizeof(struct header) <= PAGE, "the header is one page");

static const char magic[8] = "NXHNSW\r\n"; /* the line end shows copies that were made as text */

static size_t section_bytes(const struct nx_hnsw *h, enum section s)
{
	switch (s) {
	case KEYS: return h->n * sizeof(int64_t);
	case DEAD: return ((size_t)h->n + 63) / 64 * sizeof(*h->dead);
	case LEVELS: return h->linked;
	case UPPER_AT: return h->linked * sizeof(*h->upper_at);
	case UPPER: return h->nupper * sizeof(*h->upper);
	case LINKS: return h->linked * nx_hnsw_links_bytes(h);
	case CODES: return (size_t)h->n * h->stride;
	case EXACT: return h->n * nx_hnsw_exact_bytes(h);
	case NSECTIONS: break;
	}
	return 0;
}

static size_t to_page(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

static uint64_t header_sum(const struct header *f)
{
	return nx_str_hash(nx_str_n((const char *)f, offsetof(struct header, sum)));
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

/* ---- save ---- */

static void describe(const struct nx_hnsw *h, struct header *f)
{
	memset(f, 0, sizeof(*f)); /* no byte of the file is left to chance */
	memcpy(f->magic, magic, sizeof(magic));
	f->version = VERSION;
	f->dims = h->dims;
	f->kept = h->kept;
	f->m = h->m;
	f->ef_build = h->ef_build;
	f->step = h->step;
	f->n = h->n;
	f->linked = h->linked;
	f->nupper = h->nupper;
	f->entry = h->entry;
	f->top = h->top;
	f->ndead = h->ndead;
	f->random = h->random;
	f->model = h->model;
}

static int write_file(const struct nx_hnsw *h, const char *path, const int64_t *keys, struct nx_error **err)
{
	static const char zeros[PAGE];
	union {
		struct header f;
		char page[PAGE];
	} head = {.page = {0}};
	const void *at[NSECTIONS] = {keys,     h->dead,    h->levels,  h->upper_at,
				     h->upper, h->links.p, h->codes.p, h->exact.p};
	nx_str parts[1 + 2 * NSECTIONS] = {nx_str_n(head.page, PAGE)};
	describe(h, &head.f);
	for (unsigned s = 0; s < NSECTIONS; s++) {
		size_t bytes = section_bytes(h, s);
		parts[1 + 2 * s] = nx_str_n(at[s], bytes);
		parts[2 + 2 * s] = nx_str_n(zeros, to_page(bytes) - bytes);
		head.f.sums[s] = nx_str_hash(parts[1 + 2 * s]);
	}
	head.f.sum = header_sum(&head.f);
	return nx_file_write_durable_parts(path, parts, nx_countof(parts), 0600, err);
}

int nx_hnsw_save(const struct nx_hnsw *h, const char *path, int64_t (*key)(void *ctx, uint32_t slot), void *ctx,
		 struct nx_error **err)
{
	nx_auto_free int64_t *keys = malloc((h->n + 1) * sizeof(*keys));
	if (!keys)
		return nx_error_set(err, NX_ENOMEM, "no memory to save the vector index");
	for (uint32_t i = 0; i < h->n; i++)
		keys[i] = key(ctx, h->slots[i]);
	return write_file(h, path, keys, err);
}

/* ---- open ---- */

static int corrupt(const char *path, const char *what, struct nx_error **err)
{
	return nx_error_set(err, NX_ECORRUPT, "%s: %s", path, what);
}

static int check_header(const struct nx_hnsw *h, const struct header *f, const char *path, struct nx_error **err)
{
	if (memcmp(f->magic, magic, sizeof(magic)) != 0)
		return corrupt(path, "not a vector index", err);
	if (f->version != VERSION)
		return nx_error_set(err, NX_ECONFLICT, "%s is of another version", path);
	if (!sums_agree(f->sum, header_sum(f)))
		return corrupt(path, "the header's sum is wrong", err);
	if (f->dims != h->dims || f->kept != h->kept || f->m != h->m || f->ef_build != h->ef_build ||
	    f->model != h->model || memcmp(&f->step, &h->step, sizeof(f->step)) != 0)
		return nx_error_set(err, NX_ECONFLICT, "%s was made with other options", path);
	if (f->n >= NX_HNSW_NONE / 2 || f->linked > f->n || f->top >= NX_HNSW_LEVELS_MAX || f->top < -1 ||
	    (f->top < 0) != (f->linked == 0))
		return corrupt(path, "the header contradicts itself", err);
	return 0;
}

static int map_file(struct nx_hnsw *h, const char *path, struct nx_error **err)
{
	struct stat st;
	nx_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return nx_error_set_errno(err, errno, "open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)PAGE)
		return corrupt(path, "not a vector index", err);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return nx_error_set_errno(err, errno, "map %s", path);
	h->map = p;
	h->map_bytes = (size_t)st.st_size;
	return 0;
}

static int find_sections(const struct nx_hnsw *h, const struct header *f, char *ret[NSECTIONS], const char *path,
			 struct nx_error **err)
{
	size_t at = PAGE;
	for (unsigned s = 0; s < NSECTIONS; s++) {
		size_t bytes = section_bytes(h, s);
		if (to_page(bytes) > h->map_bytes - at)
			return corrupt(path, "shorter than its header says", err);
		ret[s] = (char *)h->map + at;
		if (!sums_agree(f->sums[s], nx_str_hash(nx_str_n(ret[s], bytes))))
			return corrupt(path, "the sum of a section is wrong", err);
		at += to_page(bytes);
	}
	return at == h->map_bytes ? 0 : corrupt(path, "longer than its header says", err);
}

/* Arrays of words are small beside the pages: they are copied. */
static bool copy(void *array, const char *section, size_t bytes)
{
	void **at = array;
	*at = malloc(bytes + 1);
	if (*at)
		memcpy(*at, section, bytes);
	return *at;
}

static bool take_sections(struct nx_hnsw *h, char *const at[NSECTIONS])
{
	h->links = (struct nx_pages){at[LINKS], section_bytes(h, LINKS), true};
	h->codes = (struct nx_pages){at[CODES], section_bytes(h, CODES), true};
	h->exact = (struct nx_pages){at[EXACT], section_bytes(h, EXACT), true};
	h->cap = h->n;
	h->linked_cap = h->linked;
	h->upper_cap = h->nupper;
	h->slots = malloc((h->n + 1) * sizeof(*h->slots));
	return h->slots && copy(&h->dead, at[DEAD], section_bytes(h, DEAD)) &&
	       copy(&h->levels, at[LEVELS], section_bytes(h, LEVELS)) &&
	       copy(&h->upper_at, at[UPPER_AT], section_bytes(h, UPPER_AT)) &&
	       copy(&h->upper, at[UPPER], section_bytes(h, UPPER));
}

/* Upper layers lie one behind the other, in the order of the nodes. */
static bool upper_layers_fit(const struct nx_hnsw *h)
{
	uint64_t at = 0;
	for (uint32_t i = 0; i < h->linked; i++) {
		if (h->upper_at[i] != at || h->levels[i] >= NX_HNSW_LEVELS_MAX)
			return false;
		at += (uint64_t)h->levels[i] * (h->m + 1);
	}
	return at == h->nupper;
}

static uint32_t count_dead(const struct nx_hnsw *h)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < h->n; i++)
		n += nx_hnsw_is_dead(h, i);
	return n;
}

static void name_slots(struct nx_hnsw *h, const char *keys, uint32_t (*slot)(void *ctx, int64_t key, uint32_t index),
		       void *ctx)
{
	for (uint32_t i = 0; i < h->n; i++) {
		int64_t key;
		memcpy(&key, keys + i * sizeof(key), sizeof(key));
		h->slots[i] = nx_hnsw_is_dead(h, i) ? NX_HNSW_NONE : slot(ctx, key, i);
		if (h->slots[i] == NX_HNSW_NONE)
			nx_hnsw_delete(h, i);
	}
}

static int read_file(struct nx_hnsw *h, const char *path, char *ret[NSECTIONS], struct nx_error **err)
{
	struct header f;
	int r = map_file(h, path, err);
	if (r < 0)
		return r;
	memcpy(&f, h->map, sizeof(f));
	r = check_header(h, &f, path, err);
	if (r < 0)
		return r;
	h->n = f.n;
	h->linked = f.linked;
	h->nupper = f.nupper;
	h->entry = f.entry;
	h->top = f.top;
	h->random = f.random;
	r = find_sections(h, &f, ret, path, err);
	if (r < 0)
		return r;
	if (!take_sections(h, ret))
		return nx_error_set(err, NX_ENOMEM, "no memory to open %s", path);
	h->ndead = count_dead(h);
	if (h->ndead != f.ndead || !upper_layers_fit(h) || f.random == 0)
		return corrupt(path, "the header contradicts its sections", err);
	return nx_hnsw_check(h, err);
}

int nx_hnsw_open(struct nx_hnsw *h, const struct nx_hnsw_options *o, const char *path,
		 uint32_t (*slot)(void *ctx, int64_t key, uint32_t index), void *ctx, struct nx_error **err)
{
	char *at[NSECTIONS];
	int r = nx_hnsw_init(h, o, err);
	if (r < 0)
		return r;
	r = read_file(h, path, at, err);
	if (r == 0)
		name_slots(h, at[KEYS], slot, ctx);
	else
		nx_hnsw_done(h);
	return r;
}
