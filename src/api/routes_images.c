/* Images: roots that programs can run in. They are the host's, not a tenant's: an admin of the first tenant keeps them. */
#include "api/api_internal.h"
#include "api/idempotency_internal.h"
#include "execution/images.h"

static const struct nx_field image_fields[] = {
	{.name = "name", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "what `image` of a run names"},
	{.name = "digest", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "of its manifest, or of the archive"},
	{.name = "size", .type = NX_T_INT, .flags = NX_F_REQUIRED, .help = "bytes of its files"},
	{.name = "created_at", .type = NX_T_STRING, .flags = NX_F_REQUIRED, .help = "when it was imported"},
};
static const struct nx_schema image_schema = {.name = "Image",
					      .help = "A root that programs can run in.",
					      .fields = image_fields,
					      .nfields = nx_countof(image_fields)};
static const struct nx_field list_fields[] = {
	{.name = "items", .type = NX_T_ARRAY, .item = NX_T_OBJECT, .schema = &image_schema, .flags = NX_F_REQUIRED},
};
static const struct nx_schema list_schema = {
	.name = "ImageList", .help = "The images.", .fields = list_fields, .nfields = nx_countof(list_fields)};

struct import_body {
	nx_str name, path;
};
static const struct nx_field import_fields[] = {
	{.name = "name",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct import_body, name),
	 .max_len = 63,
	 .help = "a-z, 0-9, \".\", \"_\" and \"-\"",
	 .example = "\"science\""},
	{.name = "path",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct import_body, path),
	 .max_len = 4095,
	 .help = "of an OCI layout or an archive on the server's host",
	 .example = "\"/var/tmp/science.tar\""},
};
static const struct nx_schema import_schema = {.name = "ImageImport",
					       .help = "What is to be imported.",
					       .fields = import_fields,
					       .nfields = nx_countof(import_fields),
					       .size = sizeof(struct import_body)};

static bool may_change(struct nx_request *r)
{
	struct nx_error *err = NULL;
	if (r->who.tenant == NX_STORE_TENANT)
		return true;
	nx_error_set(&err, NX_EFORBIDDEN, "images are the host's: a key of the first tenant changes them");
	nx_request_reply_error(r, err);
	return false;
}

static void import_image(struct nx_request *r)
{
	const struct import_body *b = r->args;
	struct nx_error *err = NULL;
	nx_str json;
	if (!may_change(r))
		return;
	if (b->path.n == 0 || b->path.p[0] != '/') {
		nx_error_set(&err, NX_EINVAL, "the path must be absolute");
		nx_error_at(&err, "/path");
	}
	if (err || nx_image_import(r->api->parts.execution, b->name, b->path, r->arena, &json, &err) < 0)
		nx_request_reply_error(r, err);
	else
		nx_idempotency_reply(r, 201, json);
}

static void list_images(struct nx_request *r)
{
	struct nx_error *err = NULL;
	nx_str json;
	if (nx_image_list(r->api->parts.execution, r->arena, &json, &err) < 0)
		nx_request_reply_error(r, err);
	else
		nx_request_reply_json(r, 200, json);
}

static void delete_image(struct nx_request *r)
{
	struct nx_error *err = NULL;
	if (!may_change(r))
		return;
	if (nx_image_remove(r->api->parts.execution, r->params[0], &err) < 0)
		nx_request_reply_error(r, err);
	else
		nx_idempotency_reply(r, 204, NX_STR_NULL);
}

static const struct nx_answer import_answers[] = {{201, &image_schema, NULL, "the image, ready to be used"}, {0}};
static const struct nx_answer list_answers[] = {{200, &list_schema, NULL, "the images, by name"}, {0}};
static const struct nx_answer delete_answers[] = {{204, NULL, NULL, "removed"}, {0}};

static const struct nx_route routes[] = {
	{.method = "GET",
	 .path = "/v1/sandbox/images",
	 .id = "list_images",
	 .tag = "sandbox",
	 .summary = "The images that programs can run in",
	 .scope = NX_SCOPE_SANDBOX_RUN,
	 .where = NX_SHORT,
	 .handle = list_images,
	 .answers = list_answers,
	 .since = "0.2"},
	{.method = "POST",
	 .path = "/v1/sandbox/images",
	 .id = "import_image",
	 .tag = "sandbox",
	 .summary = "Import an image from a file or directory of the server's host",
	 .help = "An OCI image layout (a directory or a tar), an archive of `docker save`, or a tar of a root.",
	 .scope = NX_SCOPE_ADMIN,
	 .where = NX_LONG,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = import_image,
	 .body = &import_schema,
	 .answers = import_answers,
	 .since = "0.2"},
	{.method = "DELETE",
	 .path = "/v1/sandbox/images/{name}",
	 .id = "delete_image",
	 .tag = "sandbox",
	 .summary = "Remove an image",
	 .help = "Programs that run in it lose what they have not opened; its sessions keep it until they end.",
	 .scope = NX_SCOPE_ADMIN,
	 .where = NX_LONG,
	 .flags = NX_R_IDEMPOTENT,
	 .handle = delete_image,
	 .answers = delete_answers,
	 .since = "0.2"},
};
const struct nx_route_table nx_routes_images = {routes, nx_countof(routes)};
