/* draw_out.c - gm_draw and gm_draw_to_memory of the public header. */
#include "draw.h"
#include "struct_size.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static gm_status draw_marked(gm_canvas *canvas, const gm_image *image,
                             const gm_draw_params *params, gm_error *err) {
  size_t n_marks = params->marks ? params->n_marks : 0;
  size_t n_spans = params->spans ? params->n_spans : 0;
  gm_mark *marks = calloc(n_marks + 1, sizeof *marks);
  gm_span_colour *spans = calloc(n_spans + 1, sizeof *spans);
  gm_status status = GM_OK;
  if (!marks || !spans) status = gm_fail_memory(err, "a drawing", n_marks * sizeof *marks);
  if (status == GM_OK) status = GM_STRUCTS_READ(gm_mark, marks, params->marks, n_marks, err);
  if (status == GM_OK)
    status = GM_STRUCTS_READ(gm_span_colour, spans, params->spans, n_spans, err);
  if (status == GM_OK)
    status =
        gm_draw_marked(canvas, image, marks, n_marks, params->caption, spans, n_spans, err);
  free(marks);
  free(spans);
  return status;
}

static gm_status draw(gm_canvas *canvas, const gm_image *image, const gm_draw_params *given,
                      gm_error *err) {
  gm_draw_params params;
  GM_TRY(GM_STRUCT_READ(gm_draw_params, &params, given, err));
  if (!params.explanation != !params.label)
    return gm_fail(err, GM_ERR_ARGUMENT, "found %s, wanted both or neither",
                   params.label ? "a label without its explanation"
                                : "an explanation without its label");
  if (!params.explanation) return draw_marked(canvas, image, &params, err);
  gm_label label;
  GM_TRY(GM_STRUCT_READ(gm_label, &label, params.label, err));
  return gm_draw_explained(canvas, image, params.explanation, &label, err);
}

static bool is_jpeg_name(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

static gm_status write_file(const gm_canvas *canvas, const char *path, gm_error *err) {
  gm_image_format format = is_jpeg_name(path) ? GM_FORMAT_JPEG : GM_FORMAT_PNG;
  gm_new_file file;
  gm_status status = gm_new_file_begin(&file, path, err);
  gm_draw_sink sink = {.file = &file};
  if (status == GM_OK) status = gm_canvas_write(canvas, format, &sink, err);
  if (status == GM_OK) status = gm_new_file_commit(&file, err);
  gm_new_file_end(&file);
  return status;
}

gm_status gm_draw(const gm_image *image, const gm_draw_params *params, const char *path,
                  gm_error *err) {
  gm_canvas canvas = {0};
  gm_status status = draw(&canvas, image, params, err);
  if (status == GM_OK) status = write_file(&canvas, path, err);
  gm_canvas_free(&canvas);
  return status;
}

gm_status gm_draw_to_memory(const gm_image *image, const gm_draw_params *params,
                            gm_image_format format, void **bytes, size_t *size, gm_error *err) {
  *bytes = NULL;
  *size = 0;
  if (format != GM_FORMAT_PNG && format != GM_FORMAT_JPEG)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found format number %d, wanted one of gm_image_format", (int)format);
  gm_canvas canvas = {0};
  gm_text written = {0};
  gm_draw_sink sink = {.memory = &written};
  gm_status status = draw(&canvas, image, params, err);
  if (status == GM_OK) status = gm_canvas_write(&canvas, format, &sink, err);
  gm_canvas_free(&canvas);
  if (status != GM_OK) {
    gm_text_free(&written);
    return status;
  }
  *bytes = written.bytes;
  *size = written.length;
  return GM_OK;
}

void gm_bytes_free(void *bytes) {
  free(bytes);
}
