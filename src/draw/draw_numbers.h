/* draw_numbers.h - PICTURE + NUMBERED DISCS -> PNG of the same size, for a model that is to
 * speak about numbered things; and PICTURES -> one page. */
#ifndef GM_DRAW_NUMBERS_H
#define GM_DRAW_NUMBERS_H

#include "draw_canvas.h"

/* A filled disc with a white number; the next number has the next of 12 dark colours. */
typedef struct gm_number_disc {
  unsigned number; /* from 1 */
  double x, y;     /* the centre, pixels */
  bool line;       /* from the disc to (to_x, to_y), which lie outside it */
  double to_x, to_y;
} gm_number_disc;

/* Appends the PNG to *out. Outside the discs and lines the picture's pixels are unchanged.
 * Errors: GM_ERR_ARGUMENT (a picture too large to draw), GM_ERR_MEMORY, GM_ERR_IO. */
gm_status gm_draw_numbers(gm_text *out, const gm_image *image, const gm_number_disc *discs,
                          size_t n, double diameter, gm_error *err);

/* Appends a PNG of the canvases in `columns` columns, each as wide as given. */
gm_status gm_draw_sheet(gm_text *out, const gm_canvas *canvases, size_t n, size_t columns,
                        double width, gm_error *err);

#endif
