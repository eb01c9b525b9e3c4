/* draw_fonts.h - which font draws what: DejaVu Sans, else the nearest that fontconfig knows of
 * with all that is wanted, and for emoji one with colours.
 *
 * Fonts are looked up when a text first needs them, and kept for the life of the process, as
 * fontconfig's own tables are: a run over many pictures asks once. Thread-safe. */
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

/* The font that draws the cluster of n >= 1 code points: all of it, else as much as the first
 * font has of it. On a machine without any font it is cairo's own strokes. */
const gm_font *gm_font_for(const uint32_t *cluster, size_t n, bool bold);

/* Held while cairo draws with these fonts. Cairo 1.16 opens and closes their files under locks
 * of each font, but FreeType wants one for all; and it may close one that another thread has
 * just begun to use. Not to be held around gm_font_for, which takes it itself. */
void gm_fonts_lock(void);
void gm_fonts_unlock(void);

#endif
