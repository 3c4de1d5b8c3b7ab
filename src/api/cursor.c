#include "api/cursor_internal.h"

#include <sodium.h>
#include <stdio.h>

enum { VERSION = 1, RAW = 13, CHECKED = 9 };

static uint32_t cursor_check(const unsigned char raw[RAW], int64_t tenant, const char *list)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%lld/%s/", (long long)tenant, list);
	size_t used = n < 0 ? 0 : nx_min((size_t)n, sizeof(text) - CHECKED);
	memcpy(text + used, raw, CHECKED);
	return (uint32_t)nx_str_hash(nx_str_n(text, used + CHECKED));
}

void nx_cursor_format(int64_t key, int64_t tenant, const char *list, char ret[NX_CURSOR_TEXT])
{
	unsigned char raw[RAW] = {VERSION};
	for (int i = 0; i < 8; i++)
		raw[1 + i] = (unsigned char)((uint64_t)key >> (56 - 8 * i));
	uint32_t check = cursor_check(raw, tenant, list);
	for (int i = 0; i < 4; i++)
		raw[CHECKED + i] = (unsigned char)(check >> (24 - 8 * i));
	sodium_bin2base64(ret, NX_CURSOR_TEXT, raw, sizeof(raw), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static bool cursor_decode(nx_str text, int64_t tenant, const char *list, int64_t *ret_key)
{
	unsigned char raw[RAW];
	size_t n = 0;
	if (sodium_base642bin(raw, sizeof(raw), text.p, text.n, NULL, &n, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return false;
	if (n != RAW || raw[0] != VERSION)
		return false;
	uint64_t key = 0;
	for (int i = 0; i < 8; i++)
		key = key << 8 | raw[1 + i];
	uint32_t check = 0;
	for (int i = 0; i < 4; i++)
		check = check << 8 | raw[CHECKED + i];
	if (check != cursor_check(raw, tenant, list))
		return false;
	*ret_key = (int64_t)key;
	return true;
}

int nx_cursor_parse(nx_str text, int64_t tenant, const char *list, int64_t *ret_key, struct nx_error **err)
{
	if (text.n == 0) {
		*ret_key = 0;
		return 0;
	}
	if (text.n == NX_CURSOR_TEXT - 1 && cursor_decode(text, tenant, list, ret_key))
		return 0;
	nx_error_set(err, NX_EINVAL, "cursor is not one that this list gave");
	nx_error_hint(err, "take next_cursor of the page before, as it is, or leave it out to start again");
	return nx_error_at(err, "/cursor");
}
