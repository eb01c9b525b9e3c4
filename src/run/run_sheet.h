/* run_sheet.h - pictures of a run as one PNG: cells in rows, each a picture with boxes and
 * lines of text below. */
#ifndef GM_RUN_SHEET_H
#define GM_RUN_SHEET_H

#include "pixels.h"
#include "regions.h"

enum { GM_SHEET_CELLS = 8 };

typedef struct gm_sheet_box {
  gm_rel_box box;
  bool given; /* in the data, else answered */
} gm_sheet_box;

/* Zero-initialised it is empty. */
typedef struct gm_sheet_cell {
  uint8_t *rgb; /* [side, side, 3], owned */
  size_t side;
  gm_sheet_box *boxes; /* [n_boxes], owned */
  size_t n_boxes;
  char *text; /* owned; NULL: none */
} gm_sheet_cell;

/* pixels[3, side, side] as the model has them. GM_ERR_MEMORY. */
gm_status gm_sheet_picture(gm_sheet_cell *cell, const float *pixels, size_t side,
                           const gm_pixel_norm *norm, gm_error *err);
gm_status gm_sheet_boxes(gm_sheet_cell *cell, const gm_rel_box *boxes, size_t n, bool given,
                         gm_error *err);
void gm_sheet_cell_free(gm_sheet_cell *cell);

/* The file is replaced as a whole. GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_sheet_write(const gm_sheet_cell *cells, size_t n, const char *title,
                         const char *path, gm_error *err);

#endif
