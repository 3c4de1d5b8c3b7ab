/* Shared by the decoder and the documenter of schemas. */
#ifndef NX_BASE_SCHEMA_INTERNAL_H
#define NX_BASE_SCHEMA_INTERNAL_H

#include "base/schema.h"

static inline size_t nx_field_max_len(const struct nx_field *f)
{
	return f->max_len != 0 ? f->max_len : NX_SCHEMA_MAX_LEN;
}

static inline bool nx_field_has_range(const struct nx_field *f)
{
	return f->min != 0 || f->max != 0;
}

#endif
