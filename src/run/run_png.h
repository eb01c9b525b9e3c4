/* run_png.h - a canvas as a PNG that appears whole or not at all. */
#ifndef GM_RUN_PNG_H
#define GM_RUN_PNG_H

#include "draw_canvas.h"

static inline gm_status gm_png_write(const gm_canvas *canvas, const char *path, gm_error *err) {
  gm_new_file file;
  gm_status status = gm_new_file_begin(&file, path, err);
  const gm_draw_sink sink = {.file = &file};
  if (status == GM_OK) status = gm_canvas_write(canvas, GM_FORMAT_PNG, &sink, err);
  if (status == GM_OK) status = gm_new_file_commit(&file, err);
  gm_new_file_end(&file);
  return status;
}

#endif
