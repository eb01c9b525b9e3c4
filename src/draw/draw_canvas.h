/* draw_canvas.h - what drawings share: a cairo surface, painting the picture on it, and writing
 * a PNG or a JPEG. */
#ifndef GM_DRAW_CANVAS_H
#define GM_DRAW_CANVAS_H

#include "draw_sink.h"
#include "gromatic_tools.h"
#include "image.h"

#include <cairo.h>

typedef struct gm_canvas {
  cairo_surface_t *surface;
  cairo_t *cr;
} gm_canvas;

/* An RGB canvas in the paper colour; free it in any case. Sides are at most 32767. Errors:
 * GM_ERR_MEMORY, GM_ERR_IO. */
gm_status gm_canvas_create(gm_canvas *out, double width, double height, gm_error *err);
void gm_canvas_free(gm_canvas *canvas);

/* The picture resized to width x height with its upper left corner at (x, y), inside the
 * canvas.
 */
gm_status gm_canvas_paint(const gm_canvas *canvas, const gm_image *image, size_t x, size_t y,
                          size_t width, size_t height, gm_error *err);

/* Errors: GM_ERR_IO, GM_ERR_MEMORY; those of the drawing before are reported here too. */
gm_status gm_canvas_write(const gm_canvas *canvas, gm_image_format format,
                          const gm_draw_sink *sink, gm_error *err);

#endif
