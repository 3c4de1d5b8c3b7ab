/*
 * Damage in the log, told from its torn end.
 *
 * SQLite reads a log up to the first frame whose checksum does not fit, and takes that for the end: right after a crash,
 * which tears what was not synced, and a silent loss of commits when the frame rotted in the middle. The two differ in
 * what follows. One transaction at a time is written and not synced, so at most one commit lies behind a torn frame. Behind
 * a rotten one the chain of checksums goes on from the frame's own stored (or, when that is what rotted, computed)
 * checksum, over all later commits. Two of them in one unbroken chain are damage. The very last transaction cannot be told
 * from a torn one.
 *
 * Remains of transactions that failed never add up to two: each began at the same frame, so none continues another.
 * The format: https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log".
 */
#include "store/sqlite_internal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define LOG_HEADER 32
#define FRAME_HEADER 24
#define FRAME (FRAME_HEADER + NX_SQLITE_PAGE)
#define MAGIC_LITTLE 0x377f0682u /* checksums over little-endian words; one more: over big-endian ones */
#define COMMITS_OF_DAMAGE 2

struct sum {
	uint32_t a, b;
};

struct log {
	int fd;
	int64_t frames;
	bool is_big;
	unsigned char salts[8];
	unsigned char frame[FRAME];
};

static uint32_t be_at(const unsigned char *p)
{
	uint32_t x;
	memcpy(&x, p, sizeof(x));
	return be32toh(x);
}

static uint32_t word_at(const struct log *l, const unsigned char *p)
{
	uint32_t x;
	memcpy(&x, p, sizeof(x));
	return l->is_big ? be32toh(x) : le32toh(x);
}

static struct sum sum_over(const struct log *l, struct sum s, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		s.a += word_at(l, p + i) + s.b;
		s.b += word_at(l, p + i + 4) + s.a;
	}
	return s;
}

static struct sum stored_at(const unsigned char *p)
{
	return (struct sum){be_at(p), be_at(p + 4)};
}

static bool is_same(struct sum x, struct sum y)
{
	return x.a == y.a && x.b == y.b;
}

/* Frame `i`, counted from 0, into l->frame. */
static bool read_frame(struct log *l, int64_t i)
{
	return i < l->frames && pread(l->fd, l->frame, FRAME, LOG_HEADER + i * FRAME) == FRAME;
}

static struct sum sum_of_frame(const struct log *l, struct sum before)
{
	return sum_over(l, sum_over(l, before, l->frame, 8), l->frame + FRAME_HEADER, NX_SQLITE_PAGE);
}

static bool has_salts(const struct log *l)
{
	return memcmp(l->frame + 8, l->salts, sizeof(l->salts)) == 0;
}

/* Follows the chain from frame `i` to its end: *ret_commits in it, and in l->frame the frame that broke it. */
static int64_t follow(struct log *l, int64_t i, struct sum s, int *ret_commits)
{
	*ret_commits = 0;
	for (; read_frame(l, i); i++) {
		struct sum now = sum_of_frame(l, s);
		if (!has_salts(l) || !is_same(now, stored_at(l->frame + 16)))
			break;
		s = now;
		*ret_commits += be_at(l->frame + 4) != 0;
	}
	return i;
}

/* Commits in the longer of the two chains that may go on at frame `i`. */
static int commits_behind(struct log *l, int64_t i, struct sum stored, struct sum computed)
{
	int by_stored, by_computed;
	(void)follow(l, i, stored, &by_stored);
	(void)follow(l, i, computed, &by_computed);
	return nx_max(by_stored, by_computed);
}

static int damaged(const char *path, const char *where, int commits, struct nx_error **err)
{
	(void)nx_error_set(err, NX_ECORRUPT, "%s is damaged %s: %d commits behind it cannot be read", path, where,
			   commits);
	(void)nx_error_hint(
		err, "keep a copy of the data directory and restore a backup; without the log the database is sound, "
		     "but lacks those commits");
	return NX_ECORRUPT;
}

static int check_frames(struct log *l, const char *path, struct sum s, struct nx_error **err)
{
	int commits;
	int64_t broken = follow(l, 0, s, &commits);
	if (broken >= l->frames)
		return 0;
	/* Where the chain broke, the last good sum is stored in the frame before. */
	struct sum stored = stored_at(l->frame + 16);
	if (broken > 0) {
		if (!read_frame(l, broken - 1))
			return 0;
		s = stored_at(l->frame + 16);
		if (!read_frame(l, broken))
			return 0;
	}
	char where[32];
	(void)snprintf(where, sizeof(where), "at frame %lld", (long long)broken + 1);
	commits = commits_behind(l, broken + 1, stored, sum_of_frame(l, s));
	return commits >= COMMITS_OF_DAMAGE ? damaged(path, where, commits, err) : 0;
}

static int check_open(struct log *l, const char *path, struct nx_error **err)
{
	unsigned char h[LOG_HEADER];
	if (pread(l->fd, h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return 0;
	l->is_big = be_at(h) == MAGIC_LITTLE + 1;
	struct sum computed = sum_over(l, (struct sum){0, 0}, h, 24), stored = stored_at(h + 24);
	bool is_sound =
		(be_at(h) | 1) == (MAGIC_LITTLE | 1) && be_at(h + 8) == NX_SQLITE_PAGE && is_same(computed, stored);
	memcpy(l->salts, h + 16, sizeof(l->salts));
	if (is_sound)
		return check_frames(l, path, computed, err);
	if (!read_frame(l, 0))
		return 0;
	memcpy(l->salts, l->frame + 8, sizeof(l->salts));
	int commits = commits_behind(l, 0, stored, computed);
	return commits >= COMMITS_OF_DAMAGE ? damaged(path, "in its header", commits, err) : 0;
}

int nx_sqlite_log_check(const char *path, struct nx_error **err)
{
	nx_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : nx_error_set_errno(err, errno, "open %s", path);
	struct stat st;
	if (fstat(fd, &st))
		return nx_error_set_errno(err, errno, "look at %s", path);
	if (st.st_size < LOG_HEADER + FRAME)
		return 0;
	struct log l = {.fd = fd, .frames = (st.st_size - LOG_HEADER) / FRAME};
	return check_open(&l, path, err);
}
