/* Documents that come in: as JSON, as one, or as uploaded files. */
#ifndef NX_API_DOCUMENTS_INTERNAL_H
#define NX_API_DOCUMENTS_INTERNAL_H

#include "base/schema.h"

struct nx_request;

struct nx_page_query {
	nx_str cursor, uri;
	int64_t limit;
	bool has_limit;
};

extern const struct nx_schema nx_documents_schema, nx_document_schema, nx_ingest_result_schema;

void nx_documents_add(struct nx_request *r); /* POST /v1/knowledge/documents */
void nx_document_put(struct nx_request *r);  /* PUT /v1/knowledge/documents/{id} */

#endif
