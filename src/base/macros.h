/* The few macros every file may use. */
#ifndef NX_BASE_MACROS_H
#define NX_BASE_MACROS_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define NX_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NX_COLD __attribute__((cold))
#define NX_MUST_CHECK __attribute__((warn_unused_result))
#define NX_UNUSED __attribute__((unused))
#define NX_NORETURN __attribute__((noreturn))

#define nx_countof(a) (sizeof(a) / sizeof((a)[0]))
#define nx_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define nx_min(a, b)                           \
	({                                     \
		__typeof__(a) nx_a_ = (a);     \
		__typeof__(b) nx_b_ = (b);     \
		nx_a_ < nx_b_ ? nx_a_ : nx_b_; \
	})
#define nx_max(a, b)                           \
	({                                     \
		__typeof__(a) nx_a_ = (a);     \
		__typeof__(b) nx_b_ = (b);     \
		nx_a_ > nx_b_ ? nx_a_ : nx_b_; \
	})

/* Hands over ownership: yields the value and leaves NULL behind. */
#define nx_steal(p)                        \
	({                                 \
		__typeof__(p) nx_p_ = (p); \
		(p) = NULL;                \
		nx_p_;                     \
	})

static inline int nx_steal_fd(int *fd)
{
	int f = *fd;
	*fd = -1;
	return f;
}

/* True on overflow; *ret is then unspecified. */
#define nx_mul_overflows(a, b, ret) __builtin_mul_overflow((a), (b), (ret))
#define nx_add_overflows(a, b, ret) __builtin_add_overflow((a), (b), (ret))

static inline void nx_freep(void *p)
{
	free(*(void **)p);
}
#define nx_auto_free __attribute__((cleanup(nx_freep)))

static inline void nx_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define nx_auto_fd __attribute__((cleanup(nx_closep)))

#endif
