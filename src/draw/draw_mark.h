/* draw_mark.h - the mark that identifies our drawings: a comment at a fixed place in the file,
 * right after the header.
 *
 *   PNG    at byte 33, after IHDR: the chunk tEXt, "Software" NUL "gromatic VERSION"
 *   JPEG   at byte 20, after JFIF: the segment COM, "gromatic VERSION" */
#ifndef GM_DRAW_MARK_H
#define GM_DRAW_MARK_H

#include "gromatic_tools.h"
#include "status.h"

enum { GM_MARK_PNG_AT = 33, GM_MARK_SIZE = 64 };

/* "gromatic VERSION" */
void gm_mark_text(char out[GM_MARK_SIZE / 2]);
/* The whole chunk; returns its size. */
size_t gm_mark_png_chunk(uint8_t out[GM_MARK_SIZE]);

#endif
