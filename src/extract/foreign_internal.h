/* Decoders that stand on other people's parsers. They are linked into the program and its tests, never into the server. */
#ifndef NX_EXTRACT_FOREIGN_INTERNAL_H
#define NX_EXTRACT_FOREIGN_INTERNAL_H

#include "extract/extract.h"

/* HTML as browsers read it (gumbo). What is not read by people is left out: scripts, styles, navigation, controls, what is
 * hidden. */
int nx_html_extract(nx_str html, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		    struct nx_error **err);

/* A member of a zip archive (libarchive): *ret.p is NULL when there is none of that name. `expanded` counts what was
 * unpacked of the archive in all. NX_ETYPE, NX_ETOOBIG, NX_ELIMIT. */
int nx_zip_member(nx_str zip, const char *name, const struct nx_extract_limits *l, size_t *expanded, struct nx_arena *a,
		  nx_str *ret, struct nx_error **err);
/* Word's format since 2007 (ECMA-376), with libxml2: no network, no entities, no document type. */
int nx_docx_extract(nx_str zip, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		    struct nx_error **err);

/* What pdftotext wrote: pages end in a form feed, paragraphs in an empty line. */
int nx_pdf_text_extract(nx_str text, nx_str title, const struct nx_extract_limits *l, struct nx_arena *a,
			struct nx_extracted *ret, struct nx_error **err);
/* Starts pdftotext and pdfinfo of poppler on descriptor `fd`, a file. NX_EMISSING when they are not there. */
int nx_pdf_extract(int fd, const struct nx_extract_limits *l, struct nx_arena *a, struct nx_extracted *ret,
		   struct nx_error **err);

#endif
