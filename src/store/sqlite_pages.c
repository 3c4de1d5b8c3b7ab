/*
 * A layer between SQLite and the file system's VFS: pages with checksums, and a log that grows in large steps.
 *
 * SQLite checks the frames of its log, and nothing in the database file: a flipped bit in a row is read as that row. Here
 * each page of the database file carries, in the 8 bytes that SQLite leaves at its end (header byte 20), the XXH3 of the
 * rest, seeded with the page's number, so that a page in another's place is found too. The idea is that of SQLite's own
 * cksumvfs; this differs in hash and seed, in sealing a copy, so that what SQLite holds is never changed under it, and in
 * being the only format: a database without checksums is refused. Pages in the log are covered by the log's own checksums.
 *
 * A page of zeros is sound: the file grows past pages that were never written when they were freed in the transaction
 * that made them.
 *
 * A commit that lengthens the log makes the file system write its own journal too, which takes ten times as long as one
 * that writes over what is there (2 ms and 0.15 ms on ext4). So the log grows by LOG_STEP of zeros at once; SQLite ends
 * its reading of a log at the first frame whose checksum does not fit, and zeros are none.
 */
#include "store/sqlite_internal.h"

#include <pthread.h>
#include <stdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define PAGE NX_SQLITE_PAGE
#define SUM NX_SQLITE_PAGE_SUM
#define LOG_STEP (1 << 20)
#define ZEROS (64 << 10)
#define HEADER_BYTES 100
#define HEADER_PAGE_SIZE 16 /* two bytes, big-endian */
#define HEADER_RESERVED 20

struct page_file {
	sqlite3_file base;
	sqlite3_file *real;       /* in the memory behind this struct */
	sqlite3_int64 size;       /* a log: of the file */
	sqlite3_int64 no_room_at; /* a log: the size at which growing failed; 0: it did not */
};
_Static_assert(sizeof(struct page_file) % 8 == 0, "the file behind is aligned");

struct page_vfs {
	sqlite3_vfs base;
	sqlite3_vfs *real;
	char name[64];
	struct page_vfs *next;
};

static _Thread_local int64_t bad_page;

int64_t nx_sqlite_bad_page(void)
{
	int64_t page = bad_page;
	bad_page = 0;
	return page;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct page_file *)f)->real;
}

static uint64_t sum_of(const unsigned char *page, sqlite3_int64 offset)
{
	return XXH3_64bits_withSeed(page, PAGE - SUM, (XXH64_hash_t)(offset / PAGE) + 1);
}

static bool is_zero(const unsigned char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

static int bad(sqlite3_int64 offset)
{
	bad_page = offset / PAGE + 1;
	return SQLITE_IOERR_DATA;
}

static bool is_header(const unsigned char *p)
{
	return p[HEADER_PAGE_SIZE] << 8 == PAGE && p[HEADER_PAGE_SIZE + 1] == 0 && p[HEADER_RESERVED] == SUM;
}

static int page_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 offset)
{
	int rc = real_of(f)->pMethods->xRead(real_of(f), buf, n, offset);
	if (rc != SQLITE_OK)
		return rc;
	if (offset == 0 && n >= HEADER_BYTES && !is_header(buf))
		return bad(offset);
	if (n != PAGE || offset % PAGE)
		return n > HEADER_BYTES ? bad(offset)
					: SQLITE_OK; /* pages are read whole, or the first bytes of the file */
	uint64_t stored;
	memcpy(&stored, (unsigned char *)buf + PAGE - SUM, sizeof(stored));
	if (le64toh(stored) == sum_of(buf, offset) || is_zero(buf))
		return SQLITE_OK;
	return bad(offset);
}

static int page_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 offset)
{
	if (n != PAGE || offset % PAGE || (offset == 0 && !is_header(buf)))
		return bad(offset);
	unsigned char sealed[PAGE];
	memcpy(sealed, buf, PAGE);
	uint64_t sum = htole64(sum_of(sealed, offset));
	memcpy(sealed + PAGE - SUM, &sum, sizeof(sum));
	return real_of(f)->pMethods->xWrite(real_of(f), sealed, PAGE, offset);
}

static int log_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 offset)
{
	return real_of(f)->pMethods->xRead(real_of(f), buf, n, offset);
}

/* A disk without room for zeros may have room for the frame: failure is left to the write that needs it. */
static void grow_log(struct page_file *p, sqlite3_int64 end)
{
	static const unsigned char zeros[ZEROS];
	sqlite3_int64 target = (end / LOG_STEP + 1) * LOG_STEP;
	if (p->no_room_at == p->size)
		return;
	for (sqlite3_int64 at = end; at < target; at += ZEROS - at % ZEROS) {
		if (p->real->pMethods->xWrite(p->real, zeros, (int)(ZEROS - at % ZEROS), at) != SQLITE_OK) {
			(void)p->real->pMethods->xTruncate(p->real, p->size);
			p->no_room_at = p->size;
			return;
		}
	}
	p->size = target;
}

static int log_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 offset)
{
	struct page_file *p = (struct page_file *)f;
	if (offset + n > p->size)
		grow_log(p, offset + n);
	int rc = p->real->pMethods->xWrite(p->real, buf, n, offset);
	if (rc == SQLITE_OK && offset + n > p->size)
		p->size = offset + n;
	return rc;
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct page_file *p = (struct page_file *)f;
	int rc = p->real->pMethods->xTruncate(p->real, size);
	if (rc == SQLITE_OK)
		p->size = size;
	return rc;
}

static int page_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int page_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int page_sync(sqlite3_file *f, int flags)
{
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int page_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int page_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int page_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int page_is_reserved(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int page_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int page_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

/* Without leave to read a part of a page, which could not be checked. */
static int page_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)) & ~SQLITE_IOCAP_SUBPAGE_READ;
}

static int page_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), region, size, extend, ret);
}

static int page_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void page_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int page_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

/* Version 2: without xFetch, which would hand out pages of the file unseen. */
#define METHODS(read, write, truncate)                                                                            \
	{                                                                                                         \
		.iVersion = 2, .xClose = page_close, .xRead = (read), .xWrite = (write), .xTruncate = (truncate), \
		.xSync = page_sync, .xFileSize = page_size, .xLock = page_lock, .xUnlock = page_unlock,           \
		.xCheckReservedLock = page_is_reserved, .xFileControl = page_control, .xSectorSize = page_sector, \
		.xDeviceCharacteristics = page_device, .xShmMap = page_shm_map, .xShmLock = page_shm_lock,        \
		.xShmBarrier = page_shm_barrier, .xShmUnmap = page_shm_unmap,                                     \
	}
static const sqlite3_io_methods db_methods = METHODS(page_read, page_write, page_truncate);
static const sqlite3_io_methods log_methods = METHODS(log_read, log_write, log_truncate);

static int page_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *ret_flags)
{
	sqlite3_vfs *real = ((struct page_vfs *)vfs)->real;
	if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
		return real->xOpen(real, name, f, flags, ret_flags); /* journals and temporary files: as they are */
	struct page_file *p = (struct page_file *)f;
	*p = (struct page_file){.real = (sqlite3_file *)(p + 1)};
	int rc = real->xOpen(real, name, p->real, flags, ret_flags);
	if (!p->real->pMethods)
		return rc;
	p->base.pMethods = flags & SQLITE_OPEN_MAIN_DB ? &db_methods : &log_methods;
	if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL))
		rc = p->real->pMethods->xFileSize(p->real, &p->size);
	return rc;
}

static sqlite3_vfs *vfs_below(sqlite3_vfs *vfs)
{
	return ((struct page_vfs *)vfs)->real;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	return vfs_below(vfs)->xDelete(vfs_below(vfs), name, sync_dir);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	return vfs_below(vfs)->xAccess(vfs_below(vfs), name, flags, ret);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int n, char *ret)
{
	return vfs_below(vfs)->xFullPathname(vfs_below(vfs), name, n, ret);
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *ret)
{
	return vfs_below(vfs)->xRandomness(vfs_below(vfs), n, ret);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	return vfs_below(vfs)->xSleep(vfs_below(vfs), us);
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	return vfs_below(vfs)->xCurrentTimeInt64(vfs_below(vfs), ret);
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *ret)
{
	return vfs_below(vfs)->xGetLastError(vfs_below(vfs), n, ret);
}

/* Version 2: xSetSystemCall, and loading libraries, stay with the VFS below. */
static struct page_vfs *make_vfs(sqlite3_vfs *real)
{
	struct page_vfs *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->real = real;
	(void)snprintf(v->name, sizeof(v->name), "nexus-%s", real->zName);
	v->base = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = (int)sizeof(struct page_file) + real->szOsFile,
		.mxPathname = real->mxPathname,
		.zName = v->name,
		.xOpen = page_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xGetLastError = vfs_last_error,
		.xCurrentTimeInt64 = vfs_time,
	};
	if (sqlite3_vfs_register(&v->base, 0) != SQLITE_OK)
		free(nx_steal(v));
	return v;
}

int nx_sqlite_page_vfs(const char *below, const char **ret, struct nx_error **err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct page_vfs *made; /* never freed: SQLite keeps what is registered */
	sqlite3_vfs *real = sqlite3_vfs_find(below);
	if (!real)
		return nx_error_set(err, NX_EINVAL, "there is no SQLite VFS named %s", below ? below : "(default)");
	(void)pthread_mutex_lock(&lock);
	struct page_vfs *v = made;
	while (v && v->real != real)
		v = v->next;
	if (!v && (v = make_vfs(real))) {
		v->next = made;
		made = v;
	}
	(void)pthread_mutex_unlock(&lock);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory for the VFS of checked pages");
	*ret = v->name;
	return 0;
}
