#include "api/watch_internal.h"

#include "api/request_internal.h"
#include "api/stream_internal.h"
#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { EVENTS = 128, TICK_MS = 1000 };

struct entry {
	struct nx_request *r; /* NULL: free */
	int fd;
	uint32_t generation, next_free; /* next_free: index + 1 */
};

struct nx_watch {
	pthread_mutex_t lock;
	pthread_t thread;
	int epoll, wake;
	struct entry *entries;
	uint32_t n, cap, free; /* free: index + 1 of the first free entry */
	size_t used;
	_Atomic bool stop;
};

static uint64_t handle_of(const struct nx_watch *w, uint32_t index)
{
	return (uint64_t)w->entries[index].generation << 32 | (index + 1u);
}

/* Under the lock. */
static struct entry *entry_find(struct nx_watch *w, uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	if (index == 0 || index > w->n)
		return NULL;
	struct entry *e = &w->entries[index - 1];
	return e->r && e->generation == (uint32_t)(handle >> 32) ? e : NULL;
}

static bool take_free(struct nx_watch *w, uint32_t *ret)
{
	if (w->free) {
		*ret = w->free - 1;
		w->free = w->entries[*ret].next_free;
		return true;
	}
	if (w->n == w->cap) {
		uint32_t cap = w->cap ? w->cap * 2 : 64;
		struct entry *more = reallocarray(w->entries, cap, sizeof(*more));
		if (!more)
			return false;
		w->entries = more;
		w->cap = cap;
	}
	w->entries[w->n] = (struct entry){.generation = 1};
	*ret = w->n++;
	return true;
}

static void give_free(struct nx_watch *w, struct entry *e)
{
	e->r = NULL;
	e->generation++;
	e->next_free = w->free;
	w->free = (uint32_t)(e - w->entries) + 1;
	w->used--;
}

uint64_t nx_watch_add(struct nx_watch *w, int fd, struct nx_request *r)
{
	uint32_t index;
	uint64_t handle = 0;
	(void)pthread_mutex_lock(&w->lock);
	if (take_free(w, &index)) {
		struct entry *e = &w->entries[index];
		e->r = r;
		e->fd = fd;
		w->used++;
		handle = handle_of(w, index);
		struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = handle};
		if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
			give_free(w, e);
			handle = 0;
		}
	}
	if (handle)
		nx_request_ref(r);
	(void)pthread_mutex_unlock(&w->lock);
	return handle;
}

void nx_watch_remove(struct nx_watch *w, uint64_t handle)
{
	struct nx_request *r = NULL;
	(void)pthread_mutex_lock(&w->lock);
	struct entry *e = entry_find(w, handle);
	if (e) {
		r = e->r;
		(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, e->fd, NULL);
		give_free(w, e);
	}
	(void)pthread_mutex_unlock(&w->lock);
	if (r)
		nx_request_unref(r);
}

size_t nx_watch_count(struct nx_watch *w)
{
	(void)pthread_mutex_lock(&w->lock);
	size_t n = w->used;
	(void)pthread_mutex_unlock(&w->lock);
	return n;
}

/* The request of an index, referenced; NULL when the entry is free. *ret_more: there are further entries. */
static struct nx_request *request_at(struct nx_watch *w, uint32_t index, bool *ret_more)
{
	(void)pthread_mutex_lock(&w->lock);
	struct nx_request *r = index < w->n ? w->entries[index].r : NULL;
	*ret_more = index < w->n;
	if (r)
		nx_request_ref(r);
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

void nx_watch_visit(struct nx_watch *w, void (*visit)(struct nx_request *r, void *ctx), void *ctx)
{
	bool more = true;
	for (uint32_t i = 0; more; i++) {
		struct nx_request *r = request_at(w, i, &more);
		if (!r)
			continue;
		visit(r, ctx);
		nx_request_unref(r);
	}
}

/* ---- the thread ---- */

static void on_event(struct nx_watch *w, uint64_t handle)
{
	(void)pthread_mutex_lock(&w->lock);
	struct entry *e = entry_find(w, handle);
	struct nx_request *r = e ? e->r : NULL;
	if (r)
		nx_request_ref(r);
	(void)pthread_mutex_unlock(&w->lock);
	if (!r)
		return;
	nx_request_gone(r);
	nx_request_unref(r);
}

static void keep_alive(struct nx_request *r, void *ctx)
{
	const int64_t *now = ctx;
	/* The stream is set before the state says REPLIED, and never changes after. */
	if (atomic_load_explicit(&r->state, memory_order_acquire) == NX_REQUEST_REPLIED && r->reply.stream)
		nx_stream_tick(r->reply.stream, *now);
}

static void *watch_main(void *arg)
{
	struct nx_watch *w = arg;
	struct epoll_event events[EVENTS];
	int64_t tick = nx_time_mono_us();
	while (!atomic_load(&w->stop)) {
		int n = epoll_wait(w->epoll, events, EVENTS, TICK_MS);
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 != 0)
				on_event(w, events[i].data.u64);
		int64_t now = nx_time_mono_us();
		if (now - tick >= TICK_MS * NX_USEC_PER_MSEC) {
			tick = now;
			nx_watch_visit(w, keep_alive, &now);
		}
	}
	return NULL;
}

static int start_thread(struct nx_watch *w, struct nx_error **err)
{
	sigset_t all, old;
	pthread_attr_t attr;
	(void)sigfillset(&all);
	int rc = pthread_attr_init(&attr);
	if (rc)
		return nx_error_set_errno(err, rc, "start the watch thread");
	(void)pthread_attr_setstacksize(&attr, (size_t)256 << 10);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, &attr, watch_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	if (rc)
		return nx_error_set_errno(err, rc, "start the watch thread");
	(void)pthread_setname_np(w->thread, "nx-watch");
	return 0;
}

static int open_fds(struct nx_watch *w, struct nx_error **err)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0};
	if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &ev) != 0)
		return nx_error_set_errno(err, errno, "open the watch over connections");
	return 0;
}

int nx_watch_new(struct nx_watch **ret, struct nx_error **err)
{
	struct nx_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return nx_error_set(err, NX_ENOMEM, "out of memory for the watch over connections");
	w->epoll = w->wake = -1;
	(void)pthread_mutex_init(&w->lock, NULL);
	int rc = open_fds(w, err);
	if (!rc)
		rc = start_thread(w, err);
	if (rc) {
		nx_closep(&w->epoll);
		nx_closep(&w->wake);
		(void)pthread_mutex_destroy(&w->lock);
		free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

void nx_watch_free(struct nx_watch *w)
{
	if (!w)
		return;
	atomic_store(&w->stop, true);
	uint64_t one = 1;
	(void)!write(w->wake, &one, sizeof(one));
	(void)pthread_join(w->thread, NULL);
	nx_assert(w->used == 0);
	nx_closep(&w->epoll);
	nx_closep(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
	free(w->entries);
	free(w);
}
