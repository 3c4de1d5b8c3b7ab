#include "knowledge/ingest_internal.h"

void nx_ingest_embed(struct nx_ingest_run *in)
{
	nx_ingest_embedded(in, NULL);
}
