/* Documents, entities and relationships: listed, read, stored, deleted. */
#include "api/api_internal.h"
#include "api/documents_internal.h"

/* ---- shapes ---- */

static const struct nx_field page_fields[] = {
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_page_query, limit),
	 .has = offsetof(struct nx_page_query, has_limit),
	 .help = "most items of the page; 50 when absent"},
	{.name = "cursor",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct nx_page_query, cursor),
	 .max_len = 64,
	 .help = "next_cursor of the page before"},
	{.name = "uri",
	 .type = NX_T_STRING,
	 .offset = offsetof(struct nx_page_query, uri),
	 .max_len = 4096,
	 .help = "only documents whose uri begins with this"},
};
static const struct nx_schema page_schema = {.name = "DocumentListQuery",
					     .fields = page_fields,
					     .nfields = nx_countof(page_fields),
					     .size = sizeof(struct nx_page_query)};

static const struct nx_field document_fields[] = {
	{.name = "id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "UUID"},
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "the client's id"},
	{.name = "title", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "mime", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "text", .type = NX_T_STRING, .help = "absent in lists", .max_len = (size_t)1 << 30},
};
static const struct nx_schema document_schema = {.name = "StoredDocument",
						 .help = "A document.",
						 .fields = document_fields,
						 .nfields = nx_countof(document_fields),
						 .open = true};
static const struct nx_field document_list_fields[] = {
	{.name = "items",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &document_schema,
	 .flags = NX_F_REQUIRED,
	 .help = "oldest first, without their texts"},
	{.name = "next_cursor",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_NULL,
	 .help = "null: this was the last page"},
};
static const struct nx_schema document_list_schema = {.name = "DocumentList",
						      .help = "A page of documents.",
						      .fields = document_list_fields,
						      .nfields = nx_countof(document_list_fields)};

static const struct nx_field deleted_fields[] = {
	{.name = "deleted", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "true"},
};
static const struct nx_schema deleted_schema = {.name = "Deleted",
						.help = "It was deleted.",
						.fields = deleted_fields,
						.nfields = nx_countof(deleted_fields),
						.open = true};

static const struct nx_field entity_fields[] = {
	{.name = "id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "the client's"},
	{.name = "type", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "properties", .type = NX_T_MAP, .flags = NX_F_REQUIRED, .max_len = 1000},
	{.name = "confidence", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
};
static const struct nx_schema entity_schema = {.name = "StoredEntity",
					       .help = "A node of the graph.",
					       .fields = entity_fields,
					       .nfields = nx_countof(entity_fields),
					       .open = true};
static const struct nx_field relationship_fields[] = {
	{.name = "id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "the client's"},
	{.name = "source_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "target_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "relationship_type", .type = NX_T_STRING, .flags = NX_F_REQUIRED},
	{.name = "weight", .type = NX_T_NUMBER, .flags = NX_F_REQUIRED},
};
static const struct nx_schema relationship_schema = {.name = "StoredRelationship",
						     .help = "An edge of the graph.",
						     .fields = relationship_fields,
						     .nfields = nx_countof(relationship_fields),
						     .open = true};

static const struct nx_field graph_result_fields[] = {
	{.name = "success", .type = NX_T_BOOL, .flags = NX_F_REQUIRED, .help = "true: all of it, in one transaction"},
	{.name = "inserted_count", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "entities and relationships"},
};
static const struct nx_schema graph_result_schema = {.name = "GraphStored",
						     .help = "What was stored.",
						     .fields = graph_result_fields,
						     .nfields = nx_countof(graph_result_fields),
						     .open = true};

static const struct nx_field connected_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_ANY, .help = "entities with score, depth and path"},
};
static const struct nx_schema connected_schema = {.name = "Connected",
						  .help = "What an entity is connected with.",
						  .fields = connected_fields,
						  .nfields = nx_countof(connected_fields),
						  .open = true};

/* Checked here so far as a shape can be; the library tells every fault of a graph at once. */
#define CLIENT_TIMES                                                                                     \
	{.name = "created_at", .type = NX_T_ANY, .flags = NX_F_NULL, .help = "taken and not kept"},      \
	{                                                                                                \
		.name = "updated_at", .type = NX_T_ANY, .flags = NX_F_NULL, .help = "taken and not kept" \
	}
static const struct nx_field entity_body_fields[] = {
	{.name = "id", .type = NX_T_STRING, .max_len = 512, .help = "the client's; in the path of a PUT"},
	{.name = "type", .type = NX_T_STRING, .flags = NX_F_REQUIRED | NX_F_TRIM, .max_len = 512, .help = "what it is"},
	{.name = "properties",
	 .type = NX_T_MAP,
	 .flags = NX_F_NULL,
	 .max_len = 1000,
	 .help = "any members; `name` is what it is called, `aliases` what else"},
	{.name = "embeddings", .type = NX_T_ANY, .flags = NX_F_NULL, .help = "taken and not kept"},
	{.name = "confidence", .type = NX_T_NUMBER, .flags = NX_F_NULL, .max = 1, .help = "0 to 1; 1 when absent"},
	CLIENT_TIMES,
};
static const struct nx_schema entity_body_schema = {.name = "Entity",
						    .help = "A node of the graph.",
						    .fields = entity_body_fields,
						    .nfields = nx_countof(entity_body_fields)};
static const struct nx_field relationship_body_fields[] = {
	{.name = "id", .type = NX_T_STRING, .max_len = 512, .help = "the client's; in the path of a PUT"},
	{.name = "source_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .max_len = 512, .help = "an entity's id"},
	{.name = "target_id", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .max_len = 512, .help = "an entity's id"},
	{.name = "relationship_type",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .max_len = 512,
	 .help = "RELATES_TO, PART_OF, SIMILAR_TO or another"},
	{.name = "properties", .type = NX_T_MAP, .flags = NX_F_NULL, .max_len = 1000, .help = "any members"},
	{.name = "weight",
	 .type = NX_T_NUMBER,
	 .flags = NX_F_NULL,
	 .max = 1e6,
	 .help = "1 when absent; above 0.5 it counts as strong"},
	{.name = "confidence", .type = NX_T_NUMBER, .flags = NX_F_NULL, .max = 1, .help = "0 to 1; 1 when absent"},
	CLIENT_TIMES,
};
static const struct nx_schema relationship_body_schema = {.name = "Relationship",
							  .help = "An edge of the graph.",
							  .fields = relationship_body_fields,
							  .nfields = nx_countof(relationship_body_fields)};
static const struct nx_field graph_body_fields[] = {
	{.name = "entities",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .max_len = 100000,
	 .json_schema = "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Entity\"}}",
	 .help = "nodes"},
	{.name = "relationships",
	 .type = NX_T_ARRAY,
	 .item = NX_T_ANY,
	 .max_len = 100000,
	 .json_schema = "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Relationship\"}}",
	 .help = "edges between these or stored nodes"},
};
static const struct nx_schema graph_body_schema = {.name = "Graph",
						   .help = "Entities and relationships to be stored.",
						   .fields = graph_body_fields,
						   .nfields = nx_countof(graph_body_fields)};

struct connected_query {
	int64_t depth, limit;
	struct nx_list types;
};
static const struct nx_field connected_query_fields[] = {
	{.name = "depth",
	 .type = NX_T_INT,
	 .offset = offsetof(struct connected_query, depth),
	 .min = 1,
	 .max = 10,
	 .def = 2,
	 .help = "longest path"},
	{.name = "types",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct connected_query, types),
	 .max_len = 32,
	 .help = "relationship types, separated by commas; RELATES_TO when absent"},
	{.name = "limit",
	 .type = NX_T_INT,
	 .offset = offsetof(struct connected_query, limit),
	 .min = 1,
	 .max = 50,
	 .def = 50,
	 .help = "most entities"},
};
static const struct nx_schema connected_query_schema = {.name = "ConnectedQuery",
							.fields = connected_query_fields,
							.nfields = nx_countof(connected_query_fields),
							.size = sizeof(struct connected_query)};

/* ---- reads ---- */

static void list_documents(struct nx_request *r)
{
	struct nx_page_query *q = r->query;
	struct nx_error *err = NULL;
	size_t limit;
	int64_t after, next;
	nx_str items;
	if (!nx_request_page(r, q->has_limit, q->limit, q->cursor, &limit, &after))
		return;
	if (nx_knowledge_document_list(r->api->parts.knowledge, r->who.tenant, q->uri, after, limit, r->arena, &items,
				       &next, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_page(r, items, next);
}

typedef int (*get_fn)(struct nx_knowledge *k, int64_t tenant, nx_str id, struct nx_arena *a, nx_str *ret_json,
		      struct nx_error **err);

static void get_object(struct nx_request *r, get_fn get)
{
	struct nx_error *err = NULL;
	nx_str json;
	if (get(r->api->parts.knowledge, r->who.tenant, r->params[0], r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void get_document(struct nx_request *r)
{
	get_object(r, nx_knowledge_document_get);
}

static void get_entity(struct nx_request *r)
{
	get_object(r, nx_knowledge_entity_get);
}

static void get_relationship(struct nx_request *r)
{
	get_object(r, nx_knowledge_relationship_get);
}

static void connected(struct nx_request *r)
{
	const struct connected_query *q = r->query;
	struct nx_error *err = NULL;
	nx_str json;
	int64_t max = r->api->parts.config->knowledge_max_depth;
	if (q->depth > max) {
		nx_error_set(&err, NX_ELIMIT, "depth is %lld; knowledge.max_depth is %lld", (long long)q->depth,
			     (long long)max);
		nx_error_at(&err, "/depth");
		nx_request_reply_error(r, err);
		return;
	}
	if (nx_knowledge_connected(r->api->parts.knowledge, r->who.tenant, r->params[0], (unsigned)q->depth,
				   q->types.items, q->types.n, (size_t)q->limit, r->arena, &json, &err))
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

/* ---- changes ---- */

/* "/entities/0/type" of the list that a PUT's one object was put into → "/type". */
static const char *without_list(const char *pointer)
{
	static const char *const lists[] = {"/entities/0", "/relationships/0"};
	for (size_t i = 0; i < nx_countof(lists); i++)
		if (strncmp(pointer, lists[i], strlen(lists[i])) == 0)
			return pointer + strlen(lists[i]);
	return pointer;
}

static void changed(struct nx_knowledge_change *c, struct nx_error *err)
{
	struct nx_request *r = c->ctx;
	if (!err) {
		nx_request_reply_json(r, 200, c->answer);
		return;
	}
	struct nx_error *copy = nx_error_copy(err);
	if (nx_str_eqz(r->method, "PUT"))
		nx_error_at(&copy, "%s", without_list(nx_error_pointer(err)));
	else
		r->problem_places = c->answer;
	nx_request_reply_error(r, copy);
}

static void change(struct nx_request *r, void (*start)(struct nx_knowledge *k, struct nx_knowledge_change *c))
{
	struct nx_knowledge_change *c = nx_arena_new_of(r->arena, struct nx_knowledge_change);
	if (!c) {
		nx_request_reply_value(r, 200, NULL);
		return;
	}
	*c = (struct nx_knowledge_change){
		.arena = r->arena,
		.tenant = r->who.tenant,
		.space = NX_STR(""),
		.id = r->params[0],
		.body = r->body,
		.hook = r->hook,
		.done = changed,
		.ctx = r,
	};
	start(r->api->parts.knowledge, c);
}

static void delete_document(struct nx_request *r)
{
	change(r, nx_knowledge_document_delete);
}

static void put_graph(struct nx_request *r)
{
	change(r, nx_knowledge_graph_put);
}

static void put_entity(struct nx_request *r)
{
	change(r, nx_knowledge_entity_put);
}

static void delete_entity(struct nx_request *r)
{
	change(r, nx_knowledge_entity_delete);
}

static void put_relationship(struct nx_request *r)
{
	change(r, nx_knowledge_relationship_put);
}

static void delete_relationship(struct nx_request *r)
{
	change(r, nx_knowledge_relationship_delete);
}

/* ---- the table ---- */

static const struct nx_answer ingest_answers[] = {
	{200, &nx_ingest_result_schema, NULL, "stored, and found when `wait` is indexed"}, {0}};
static const struct nx_answer document_answers[] = {{200, &document_schema, NULL, "the document"}, {0}};
static const struct nx_answer document_list_answers[] = {{200, &document_list_schema, NULL, "a page of documents"},
							 {0}};
static const struct nx_answer deleted_answers[] = {{200, &deleted_schema, NULL, "deleted"}, {0}};
static const struct nx_answer graph_answers[] = {{200, &graph_result_schema, NULL, "stored"}, {0}};
static const struct nx_answer entity_answers[] = {{200, &entity_schema, NULL, "the entity"}, {0}};
static const struct nx_answer relationship_answers[] = {{200, &relationship_schema, NULL, "the relationship"}, {0}};
static const struct nx_answer connected_answers[] = {{200, &connected_schema, NULL, "connected entities, best first"},
						     {0}};

#define READ(path_, id_, summary_, where_, handle_, query_, answers_)                                  \
	{                                                                                              \
		.method = "GET", .path = path_, .id = id_, .tag = "knowledge", .summary = summary_,    \
		.scope = NX_SCOPE_KNOWLEDGE_READ, .where = where_, .handle = handle_, .query = query_, \
		.answers = answers_, .since = "0.1"                                                    \
	}
#define WRITE(method_, path_, id_, summary_, handle_, body_, answers_)                                             \
	{                                                                                                          \
		.method = method_, .path = path_, .id = id_, .tag = "knowledge", .summary = summary_,              \
		.scope = NX_SCOPE_KNOWLEDGE_WRITE, .where = NX_ASYNC, .flags = NX_R_IDEMPOTENT, .handle = handle_, \
		.body = body_, .answers = answers_, .since = "0.1"                                                 \
	}

static const struct nx_route routes[] = {
	{.method = "POST",
	 .path = "/v1/knowledge/documents",
	 .id = "add_documents",
	 .tag = "knowledge",
	 .summary = "Add or change documents",
	 .help = "All or nothing, and durable when answered. A document whose id exists is replaced; the same one again is unchanged.",
	 .scope = NX_SCOPE_KNOWLEDGE_WRITE,
	 .where = NX_LONG,
	 .flags = NX_R_IDEMPOTENT | NX_R_MULTIPART,
	 .handle = nx_documents_add,
	 .body = &nx_documents_schema,
	 .answers = ingest_answers,
	 .since = "0.1"},
	READ("/v1/knowledge/documents", "list_documents", "List documents", NX_SHORT, list_documents, &page_schema,
	     document_list_answers),
	READ("/v1/knowledge/documents/{id}", "get_document", "A document, by its id or the client's", NX_SHORT,
	     get_document, NULL, document_answers),
	{.method = "PUT",
	 .path = "/v1/knowledge/documents/{id}",
	 .id = "put_document",
	 .tag = "knowledge",
	 .summary = "Add or change one document, under this id of the client's",
	 .scope = NX_SCOPE_KNOWLEDGE_WRITE,
	 .where = NX_LONG,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = nx_document_put,
	 .body = &nx_document_schema,
	 .answers = ingest_answers,
	 .since = "0.1"},
	WRITE("DELETE", "/v1/knowledge/documents/{id}", "delete_document", "Delete a document", delete_document, NULL,
	      deleted_answers),
	WRITE("POST", "/v1/knowledge/graph", "put_graph", "Store entities and relationships, all or nothing", put_graph,
	      &graph_body_schema, graph_answers),
	READ("/v1/knowledge/entities/{id}", "get_entity", "An entity", NX_SHORT, get_entity, NULL, entity_answers),
	WRITE("PUT", "/v1/knowledge/entities/{id}", "put_entity", "Store an entity", put_entity, &entity_body_schema,
	      entity_answers),
	WRITE("DELETE", "/v1/knowledge/entities/{id}", "delete_entity", "Delete an entity and its relationships",
	      delete_entity, NULL, deleted_answers),
	READ("/v1/knowledge/entities/{id}/connected", "get_connected", "What an entity is connected with", NX_SHORT,
	     connected, &connected_query_schema, connected_answers),
	READ("/v1/knowledge/relationships/{id}", "get_relationship", "A relationship", NX_SHORT, get_relationship, NULL,
	     relationship_answers),
	WRITE("PUT", "/v1/knowledge/relationships/{id}", "put_relationship", "Store a relationship", put_relationship,
	      &relationship_body_schema, relationship_answers),
	WRITE("DELETE", "/v1/knowledge/relationships/{id}", "delete_relationship", "Delete a relationship",
	      delete_relationship, NULL, deleted_answers),
};
const struct nx_route_table nx_routes_knowledge = {routes, nx_countof(routes)};
