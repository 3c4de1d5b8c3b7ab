/*
 * UUIDv7 (RFC 9562): 48 bits of milliseconds, then a 12-bit fraction of the millisecond and 62 random bits. Ids made by
 * one process never go back, even when the wall clock does. 16 bytes inside, 36 characters outside.
 */
#ifndef NX_BASE_ID_H
#define NX_BASE_ID_H

#include "base/str.h"

struct nx_id {
	uint8_t b[16];
};
typedef struct nx_id nx_id;

#define NX_ID_TEXT 37 /* with the NUL */
#define NX_ID_NONE ((nx_id){{0}})

nx_id nx_id_new(void); /* any thread */
void nx_id_format(nx_id id, char ret[NX_ID_TEXT]);
bool nx_id_parse(nx_str s, nx_id *ret); /* 8-4-4-4-12 hex digits of either case, any version */
int64_t nx_id_time_ms(nx_id id);
static inline bool nx_id_eq(nx_id a, nx_id b)
{
	return memcmp(a.b, b.b, 16) == 0;
}
static inline bool nx_id_none(nx_id id)
{
	return nx_id_eq(id, NX_ID_NONE);
}
/* Deterministic ids for tests and simulation; 0 returns to the system's random source. */
void nx_id_seed(uint64_t seed);

/* Bytes from the operating system (getrandom), and a fast generator (xoshiro256**) for jitter and sampling. */
void nx_random_bytes(void *p, size_t n);
uint64_t nx_random_u64(void); /* thread-local state */
double nx_random_unit(void);  /* [0, 1) */

#endif
