/* Members of a zip archive that nobody trusts. */
#include "base/macros.h"
#include "extract/foreign_internal.h"

#include <archive.h>
#include <archive_entry.h>

#define MEMBERS_MAX 20000
#define BLOCK 65536
#define RATIO_FROM (1u << 20) /* what is smaller may be packed as tightly as it likes */

static int is_damaged(struct archive *z, struct nx_error **err)
{
	const char *why = archive_error_string(z);
	return nx_error_set(err, NX_ETYPE, "it is not a zip archive that can be read: %s", why ? why : "it is damaged");
}

static int check_size(size_t expanded, size_t packed, const struct nx_extract_limits *l, struct nx_error **err)
{
	if (expanded > l->max_expanded)
		return nx_error_set(err, NX_ETOOBIG, "it unpacks to more than %zu bytes (knowledge.max_expanded_bytes)",
				    l->max_expanded);
	if (expanded > RATIO_FROM && expanded / l->max_ratio > packed)
		return nx_error_set(err, NX_ETOOBIG,
				    "it unpacks to more than %u times its size (knowledge.max_expansion)",
				    l->max_ratio);
	return 0;
}

static int read_data(struct archive *z, size_t packed, const struct nx_extract_limits *l, size_t *expanded,
		     struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	char block[BLOCK];
	la_ssize_t n;
	while ((n = archive_read_data(z, block, sizeof(block))) > 0) {
		*expanded += (size_t)n;
		int r = check_size(*expanded, packed, l, err);
		if (r < 0)
			return r;
		nx_buf_add(&b, block, (size_t)n);
	}
	if (n < 0)
		return is_damaged(z, err);
	*ret = b.n ? nx_str_dup(a, nx_buf_str(&b)) : NX_STR("");
	return nx_buf_failed(&b) || !ret->p ? nx_error_set(err, NX_ENOMEM, "no memory to unpack it") : 0;
}

static int find(struct archive *z, const char *name, struct archive_entry **ret, struct nx_error **err)
{
	*ret = NULL;
	for (unsigned n = 0;; n++) {
		int r = archive_read_next_header(z, ret);
		if (r == ARCHIVE_EOF) {
			*ret = NULL;
			return 0;
		}
		if (r < ARCHIVE_WARN)
			return is_damaged(z, err);
		if (n == MEMBERS_MAX)
			return nx_error_set(err, NX_ELIMIT, "it holds more than %d files", MEMBERS_MAX);
		const char *path = archive_entry_pathname(*ret);
		if (path && strcmp(path, name) == 0)
			return 0;
	}
}

int nx_zip_member(nx_str zip, const char *name, const struct nx_extract_limits *l, size_t *expanded, struct nx_arena *a,
		  nx_str *ret, struct nx_error **err)
{
	struct archive *z = archive_read_new();
	struct archive_entry *entry;
	*ret = NX_STR_NULL;
	if (!z)
		return nx_error_set(err, NX_ENOMEM, "no memory to unpack it");
	int r = 0;
	if (archive_read_support_format_zip(z) != ARCHIVE_OK || archive_read_open_memory(z, zip.p, zip.n) != ARCHIVE_OK)
		r = is_damaged(z, err);
	if (r == 0)
		r = find(z, name, &entry, err);
	if (r == 0 && entry)
		r = archive_entry_is_encrypted(entry) ? nx_error_set(err, NX_EFORBIDDEN, "it is locked with a password")
						      : read_data(z, zip.n, l, expanded, a, ret, err);
	(void)archive_read_free(z);
	return r;
}
