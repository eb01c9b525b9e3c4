/* draw_jpeg.h - a drawing as JPEG (libjpeg-turbo): quality 92, colours at full resolution,
 * since thin coloured lines and letters would smear otherwise. */
#ifndef GM_DRAW_JPEG_H
#define GM_DRAW_JPEG_H

#include "draw_sink.h"

#include <cairo.h>

/* Appends the surface (CAIRO_FORMAT_RGB24, flushed) to the sink. Errors: GM_ERR_MEMORY,
 * GM_ERR_IO. */
gm_status gm_draw_jpeg_write(cairo_surface_t *surface, const gm_draw_sink *sink, gm_error *err);

#endif
