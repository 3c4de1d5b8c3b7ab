#include "base/fault.h"

#include "base/macros.h"

#ifdef NX_FAULTS_ENABLED

#include "base/assert.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#define NX_X_(name) #name,
static const char *const names[] = {NX_FAULTS(NX_X_)};
#undef NX_X_

#define ANY NX_FAULT_MAX_

/*
 * The plan is set while no other thread passes points; the counters are passed by many. relaxed throughout: a counter
 * orders nothing, and one fetch_add gives each number to one thread.
 */
static struct {
	int64_t nth;    /* 0: no plan */
	unsigned fault; /* which one, or ANY */
	int record_fd;  /* -1: none */
} plan = {.record_fd = -1};
static atomic_uint_fast64_t passed_all;
static atomic_uint_fast64_t passed[NX_FAULT_MAX_];

static void record(const char *name)
{
	char line[64];
	size_t n = strlen(name);
	nx_assert(n + 1 < sizeof(line));
	memcpy(line, name, n);
	line[n] = '\n';
	int saved = errno;
	/* O_APPEND: lines of threads do not mix. A record that cannot be written shows as a short file to its reader. */
	while (write(plan.record_fd, line, n + 1) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool nx_fault_hit(enum nx_fault f)
{
	uint64_t all = atomic_fetch_add_explicit(&passed_all, 1, memory_order_relaxed) + 1; /* relaxed: see plan */
	uint64_t own = atomic_fetch_add_explicit(&passed[f], 1, memory_order_relaxed) + 1;  /* relaxed: see plan */
	if (plan.record_fd >= 0)
		record(names[f]);
	if (plan.nth == 0)
		return false;
	return plan.fault == ANY ? all == (uint64_t)plan.nth : plan.fault == f && own == (uint64_t)plan.nth;
}

static void plan_clear(void)
{
	if (plan.record_fd >= 0)
		(void)close(plan.record_fd);
	plan.record_fd = -1;
	plan.nth = 0;
	atomic_store_explicit(&passed_all, 0, memory_order_relaxed); /* relaxed: see plan */
	for (size_t i = 0; i < NX_FAULT_MAX_; i++)
		atomic_store_explicit(&passed[i], 0, memory_order_relaxed); /* relaxed: see plan */
}

static int plan_record(const char *path, struct nx_error **err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return nx_error_set_errno(err, errno, "open the fault record %s", path);
	plan.record_fd = fd;
	return 0;
}

static int find_fault(nx_str name, unsigned *ret, struct nx_error **err)
{
	for (unsigned i = 0; i < NX_FAULT_MAX_; i++) {
		if (nx_str_eqz(name, names[i])) {
			*ret = i;
			return 0;
		}
	}
	nx_error_set(err, NX_EINVAL, "no fault point is called `%.*s`", NX_FMT(name));
	const char *near = nx_str_nearest(name, names, NX_FAULT_MAX_);
	return near ? nx_error_hint(err, "did you mean `%s`?", near) : NX_EINVAL;
}

int nx_fault_plan(const char *text, struct nx_error **err)
{
	plan_clear();
	if (!text || !*text)
		return 0;
	nx_str count = nx_str_z(text), name = NX_STR_NULL;
	if (strchr(text, '='))
		name = nx_str_cut(&count, '=');
	if (nx_str_eqz(name, "record"))
		return plan_record(count.p, err);

	unsigned fault = ANY;
	int64_t nth;
	if (name.p) {
		int r = find_fault(name, &fault, err);
		if (r < 0)
			return r;
	}
	if (!nx_str_to_i64(count, &nth) || nth < 1)
		return nx_error_set(err, NX_EINVAL,
				    "the fault plan must be n, name=n or record=FILE with n from 1, not `%s`", text);
	plan.fault = fault;
	plan.nth = nth;
	return 0;
}

uint64_t nx_fault_passed(void)
{
	return atomic_load_explicit(&passed_all, memory_order_relaxed); /* relaxed: see plan */
}

#else

int nx_fault_plan(const char *text, struct nx_error **err)
{
	if (!text || !*text)
		return 0;
	return nx_error_set(err, NX_EUNSUPPORTED, "this build has no fault points: configure it with -Dfaults=true");
}

uint64_t nx_fault_passed(void)
{
	return 0;
}

#endif
