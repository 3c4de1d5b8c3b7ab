/* Any bytes as a program in any language that has rules, under every policy: findings are bounded, placed and in order. */
#include "execution/scan_internal.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct nx_scan_result *r, nx_str code)
{
	uint32_t lines = 1;
	for (size_t i = 0; i < code.n; i++)
		lines += code.p[i] == '\n';
	nx_assert(r->nfindings <= NX_SCAN_FINDINGS_MAX);
	for (size_t i = 0; i < r->nfindings; i++) {
		const struct nx_finding *f = &r->findings[i];
		nx_assert(f->line >= 1 && f->line <= lines + 1 && f->column >= 1);
		nx_assert(nx_utf8_valid(f->code) && f->severity <= r->risk);
		nx_assert(i == 0 || f->line >= r->findings[i - 1].line);
		nx_assert(!f->blocks || !r->is_safe);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const nx_str languages[] = {NX_STR("python"), NX_STR("shell"), NX_STR("c"), NX_STR("javascript")};
	nx_str names[] = {NX_STR("os"), NX_STR("open"), NX_STR("exec")};
	if (size < 1 || size > 65536)
		return 0;
	struct nx_scan_options o = {.policy = data[0] & 2 ? NX_SCAN_STRICT : NX_SCAN_STANDARD};
	if (data[0] & 4) {
		o.allowed_imports = o.blocked_operations = names;
		o.nallowed_imports = o.nblocked_operations = nx_countof(names);
	}
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str code = nx_str_n((const char *)data + 1, size - 1);
	struct nx_scan_result r;
	if (a && nx_scan(languages[(data[0] & 1) | (data[0] & 8) >> 2], code, &o, a, &r, NULL) == 0)
		check(&r, code);
	return 0;
}
