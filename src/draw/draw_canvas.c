/* draw_canvas.c - see draw_canvas.h. */
#include "draw_canvas.h"

#include "draw_jpeg.h"
#include "draw_mark.h"
#include "draw_shapes.h"
#include "resize.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static gm_status fail_cairo(cairo_status_t status, gm_error *err) {
  return gm_fail(err, status == CAIRO_STATUS_NO_MEMORY ? GM_ERR_MEMORY : GM_ERR_IO,
                 "cannot draw: %s", cairo_status_to_string(status));
}

gm_status gm_canvas_create(gm_canvas *out, double width, double height, gm_error *err) {
  out->surface =
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width), (int)ceil(height));
  out->cr = cairo_create(out->surface);
  if (cairo_status(out->cr) != CAIRO_STATUS_SUCCESS)
    return fail_cairo(cairo_status(out->cr), err);
  cairo_font_options_t *options = cairo_font_options_create();
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_set_font_options(out->cr, options);
  cairo_font_options_destroy(options);
  gm_draw_source(out->cr, (gm_colour){0.985, 0.985, 0.98}, 1);
  cairo_paint(out->cr);
  return GM_OK;
}

void gm_canvas_free(gm_canvas *canvas) {
  cairo_destroy(canvas->cr);
  cairo_surface_destroy(canvas->surface);
  *canvas = (gm_canvas){0};
}

gm_status gm_canvas_paint(const gm_canvas *canvas, const gm_image *image, size_t left,
                          size_t top, size_t width, size_t height, gm_error *err) {
  const uint8_t *rgb = image->rgb;
  uint8_t *resized = NULL;
  if (width != image->width || height != image->height) {
    resized = malloc(width * height * 3);
    if (!resized) return gm_fail_memory(err, "a drawing", width * height * 3);
    gm_resize r = gm_resize_whole(rgb, image->width, image->height, width, height);
    gm_status status = gm_resize_bicubic(resized, &r, NULL, err);
    if (status != GM_OK) {
      free(resized);
      return status;
    }
    rgb = resized;
  }
  cairo_surface_flush(canvas->surface);
  size_t stride = (size_t)cairo_image_surface_get_stride(canvas->surface);
  unsigned char *data = cairo_image_surface_get_data(canvas->surface);
  assert((left + width) * 4 <= stride &&
         top + height <= (size_t)cairo_image_surface_get_height(canvas->surface));
  for (size_t y = 0; y < height; y++) {
    unsigned char *to = data + (top + y) * stride + left * 4;
    for (size_t x = 0; x < width; x++, rgb += 3, to += 4) {
      uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
      memcpy(to, &pixel, 4);
    }
  }
  cairo_surface_mark_dirty(canvas->surface);
  free(resized);
  return GM_OK;
}

/* ---- write ---- */

typedef struct png_target {
  const gm_draw_sink *sink;
  size_t written; /* without the mark */
  gm_status status;
  gm_error *err;
} png_target;

static gm_status write_part(png_target *target, const unsigned char *bytes, size_t n) {
  target->written += n;
  return gm_draw_put(target->sink, bytes, n, target->err);
}

/* Passes on what cairo writes and inserts the mark: cairo has no call for texts in a PNG. */
static gm_status write_marked(png_target *target, const unsigned char *bytes, size_t n) {
  size_t before =
      target->written < GM_MARK_PNG_AT ? GM_MARK_PNG_AT - target->written : SIZE_MAX;
  if (n < before) return write_part(target, bytes, n);
  uint8_t mark[GM_MARK_SIZE];
  GM_TRY(write_part(target, bytes, before));
  GM_TRY(gm_draw_put(target->sink, mark, gm_mark_png_chunk(mark), target->err));
  return write_part(target, bytes + before, n - before);
}

static cairo_status_t write_bytes(void *closure, const unsigned char *bytes, unsigned n) {
  png_target *target = closure;
  target->status = write_marked(target, bytes, n);
  return target->status == GM_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static gm_status write_png(const gm_canvas *canvas, const gm_draw_sink *sink, gm_error *err) {
  png_target target = {.sink = sink, .err = err};
  cairo_status_t written =
      cairo_surface_write_to_png_stream(canvas->surface, write_bytes, &target);
  if (target.status != GM_OK || written == CAIRO_STATUS_SUCCESS) return target.status;
  return fail_cairo(written, err);
}

gm_status gm_canvas_write(const gm_canvas *canvas, gm_image_format format,
                          const gm_draw_sink *sink, gm_error *err) {
  if (cairo_status(canvas->cr) != CAIRO_STATUS_SUCCESS)
    return fail_cairo(cairo_status(canvas->cr), err);
  cairo_surface_flush(canvas->surface);
  return format == GM_FORMAT_JPEG ? gm_draw_jpeg_write(canvas->surface, sink, err)
                                  : write_png(canvas, sink, err);
}
