/* Findings as SARIF 2.1.0 (OASIS), which code hosts and editors read: one run, its rules named once, a result for each. */
#ifndef NX_CLI_SCAN_SARIF_H
#define NX_CLI_SCAN_SARIF_H

#include "execution/scanner.h"

struct nx_sarif;

struct nx_sarif *nx_sarif_new(struct nx_arena *a); /* lives in the arena; NULL when out of memory */
/* What r points to must live until the document is written. NX_ENOMEM. */
int nx_sarif_add(struct nx_sarif *s, const char *path, const struct nx_scan_result *r, struct nx_error **err);
int nx_sarif_write(struct nx_sarif *s, nx_str *ret, struct nx_error **err);

#endif
