/*
 * Shapes: one table of fields per request, response or spec, from which it is validated, decoded and documented.
 *
 * A request body is described once (`struct nx_schema`); nx_schema_decode turns a JSON object into the C struct, with
 * an error that carries the JSON Pointer of what is wrong, names the limit, and suggests the nearest name for an unknown
 * field; nx_schema_json writes the same table as JSON Schema 2020-12 for /openapi.json. Specs in YAML and MCP tool
 * schemas go the same way.
 *
 * Decoded struct members, by type:
 *   STRING nx_str · INT int64_t · NUMBER double · BOOL bool · ID nx_id · TIME int64_t (us) · ENUM int (index in `names`)
 *   OBJECT pointer to the nested struct · ARRAY struct nx_list of the element's member type (nested structs inline)
 *   ANY, MAP yyjson_val * (MAP must be an object)
 * An absent optional member takes `def` (numbers, enum) or `def_str`, else zero/NULL. `null` counts as absent when
 * NX_F_NULL is set and is a type error otherwise. `has` (an offset of a bool, or 0) tells presence where zero is not
 * enough. A schema that only documents a response leaves the offsets out.
 */
#ifndef NX_BASE_SCHEMA_H
#define NX_BASE_SCHEMA_H

#include "base/json.h"

enum nx_type {
	NX_T_STRING,
	NX_T_INT,
	NX_T_NUMBER,
	NX_T_BOOL,
	NX_T_ID,
	NX_T_TIME,
	NX_T_ENUM,
	NX_T_OBJECT,
	NX_T_ARRAY,
	NX_T_MAP,
	NX_T_ANY,
	NX_T_MAX
};

enum {
	NX_F_REQUIRED = 1,
	NX_F_NULL = 2,      /* may be null */
	NX_F_TRIM = 4,      /* a string that must not be blank after trimming */
	NX_F_WRITE_ONLY = 8 /* secret: never in a response */
};

struct nx_list {
	void *items;
	size_t n;
};
/* for (nx_str *s; nx_list_each(list, nx_str, s);) is more than C needs: use ((T *)list.items)[i]. */
#define nx_list_at(list, type, i) (&((type *)(list).items)[i])

struct nx_schema;

struct nx_field {
	const char *name;
	enum nx_type type;
	unsigned flags;
	size_t offset;
	size_t has;                     /* offset of a bool that says the member was given; 0: none */
	enum nx_type item;              /* ARRAY: type of an element */
	const struct nx_schema *schema; /* OBJECT, or ARRAY of OBJECT */
	const char *const *names;       /* ENUM: NULL-terminated */
	double min, max;                /* INT, NUMBER; both 0: no range */
	size_t max_len;                 /* STRING bytes, ARRAY items, MAP members; 0: NX_SCHEMA_MAX_LEN */
	double def;
	const char *def_str;
	const char *help;        /* one sentence, for the reference */
	const char *json_schema; /* replaces the produced schema of this field (unions held as ANY) */
	const char *example;     /* JSON text */
};

struct nx_schema {
	const char *name; /* CamelCase, the component name in OpenAPI */
	const char *help;
	const struct nx_field *fields;
	size_t nfields;
	size_t size; /* of the decoded struct */
	bool open;   /* unknown members are allowed and ignored */
};

#define NX_SCHEMA_MAX_LEN 1048576

/* NX_EINVAL with pointer, message and hint. The struct is allocated from the arena; its strings borrow from `v`. */
int nx_schema_decode(const struct nx_schema *s, yyjson_val *v, struct nx_arena *a, void **ret, struct nx_error **err);

/* Checks only; used by tests on our own responses and on specs. */
int nx_schema_check(const struct nx_schema *s, yyjson_val *v, struct nx_error **err);

/* {"type":"object","properties":…}; nested named schemas become {"$ref":"#/components/schemas/NAME"}, each of which is
 * reported once by `visit`. */
yyjson_mut_val *nx_schema_json(const struct nx_schema *s, yyjson_mut_doc *d,
			       void (*visit)(const struct nx_schema *nested, void *ctx), void *ctx);

#endif
