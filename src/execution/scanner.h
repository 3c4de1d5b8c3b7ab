/*
 * The scanner reads code and says what looks dangerous. It is advice, never the wall: the sandbox holds whatever it says.
 *
 * Code is parsed by tree-sitter; rules match syntax (imports, calls, attributes, with aliases followed), never text. Rules
 * are data: src/execution/rules/LANGUAGE.yaml, embedded at build, and so are policies: rules/policies.yaml. strict — any
 * finding is unsafe; standard — findings are weighed against what the sandbox grants, and only critical ones block; off —
 * nothing is scanned.
 */
#ifndef NX_EXECUTION_SCANNER_H
#define NX_EXECUTION_SCANNER_H

#include "base/json.h"

enum nx_scan_policy { NX_SCAN_STRICT, NX_SCAN_STANDARD, NX_SCAN_OFF };
enum nx_severity { NX_SEV_NONE, NX_SEV_LOW, NX_SEV_MEDIUM, NX_SEV_HIGH, NX_SEV_CRITICAL };
const char *nx_severity_name(enum nx_severity s);
extern const char *const nx_scan_policy_names[]; /* "strict", "standard", "off", NULL */

struct nx_finding {
	const char *rule; /* "py-import-os" */
	enum nx_severity severity;
	uint32_t line, column; /* from 1; column in code points */
	nx_str code;           /* the source text of the node, cut at 80 bytes */
	nx_str message, advice;
	const char *cwe; /* "CWE-78" or NULL */
	bool blocks;     /* under the policy of this scan it makes the code unsafe */
};

struct nx_scan_result {
	bool scanned; /* false when the policy is off or the language has no grammar yet (then strict calls it unsafe) */
	bool is_safe;
	enum nx_severity risk;
	struct nx_finding *findings; /* by position; at most 200 */
	size_t nfindings;
	bool parse_errors;
};

struct nx_scan_options {
	enum nx_scan_policy policy;
	const nx_str *allowed_imports; /* n > 0: any other import is a finding of severity critical */
	size_t nallowed_imports;
	const nx_str *blocked_operations;
	size_t nblocked_operations;
	bool has_network;      /* the run is granted some; else what opens connections reaches nobody */
	const nx_str *granted; /* directories of the host: but for `strict`, a path in them is no finding */
	size_t ngranted;
};

/* Adds the rules and policies of a directory: LANGUAGE.yaml and policies.yaml, in the form of ours; a rule with the id of one
 * of ours takes its place. For all scans that begin after it; "": ours alone. NX_EINVAL with file and line. Any thread. */
int nx_scan_rules_use(const char *dir, struct nx_error **err);

/* Never executes anything, never fails on what it is given: broken or binary text is scanned as far as it parses.
 * NX_EINVAL for an unknown language, NX_ENOMEM. Any thread. */
int nx_scan(nx_str language, nx_str code, const struct nx_scan_options *o, struct nx_arena *a,
	    struct nx_scan_result *ret, struct nx_error **err);

/* {"is_safe","risk_level","scanned","parse_errors","violations":[messages of what blocks],"findings":[…]} */
yyjson_mut_val *nx_scan_json(const struct nx_scan_result *r, yyjson_mut_doc *d);

#endif
