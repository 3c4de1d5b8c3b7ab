/* What the readers of files share. */
#ifndef NX_KNOWLEDGE_READ_INTERNAL_H
#define NX_KNOWLEDGE_READ_INTERNAL_H

#include "knowledge/knowledge.h"

/* {"id"|"_id","title","text","uri","metadata"}; NX_ETYPE with what is wrong ("has no \"text\""), NX_ENOMEM. */
int nx_read_record(yyjson_val *o, struct nx_arena *a, struct nx_document *d, const char **ret_fault);
/* A document for each row. */
int nx_read_table(const struct nx_extract_limits *l, const struct nx_knowledge_file *file, nx_str text,
		  struct nx_arena *a, struct nx_document **ret, size_t *ret_n, struct nx_error **err);

#endif
