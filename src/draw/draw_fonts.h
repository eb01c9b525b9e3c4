/* draw_fonts.h - which font draws what: DejaVu Sans, else the nearest font of fontconfig that
 * has the whole cluster, and for emoji one with colours.
 *
 * Fonts are looked up when a text first needs them and, like fontconfig's own tables, kept for
 * the life of the process. Thread-safe. */
#ifndef GM_DRAW_FONTS_H
#define GM_DRAW_FONTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairo.h>
#include <hb.h>

typedef struct gm_font {
  cairo_font_face_t *face;
  hb_font_t *hb; /* its scale is units per em; NULL: cairo's own strokes, ASCII only */
  double units;  /* per em */
} gm_font;

/* The font for a cluster of n >= 1 code points: one that has all of them, else the first font.
 * Without any font on the machine, cairo's own strokes. */
const gm_font *gm_font_for(const uint32_t *cluster, size_t n, bool bold);

/* Hold the lock while cairo draws with these fonts. Cairo 1.16 opens and closes their files
 * under a lock per font, but FreeType needs one lock for all; and cairo may close a file that
 * another thread has just begun to use. Do not hold it around gm_font_for, which takes it. */
void gm_fonts_lock(void);
void gm_fonts_unlock(void);

#endif
