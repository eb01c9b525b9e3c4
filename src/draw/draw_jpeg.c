/* draw_jpeg.c - see draw_jpeg.h. libjpeg reports errors by longjmp, so all state that outlives
 * it is in a jpeg_writer, never in locals of the function that called setjmp. */
#include "draw_jpeg.h"

#include "draw_mark.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { QUALITY = 92, BLOCK = 1 << 14 };

typedef struct jpeg_writer {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr destination;
  cairo_surface_t *surface;
  const gm_draw_sink *sink;
  jmp_buf escape;
  gm_status status;
  gm_error *err;
  uint8_t *row; /* RGB */
  JOCTET block[BLOCK];
} jpeg_writer;

static _Noreturn void leave(jpeg_writer *w, gm_status status) {
  w->status = status;
  longjmp(w->escape, 1);
}

static _Noreturn void fail_jpeg(j_common_ptr jpeg) {
  jpeg_writer *w = jpeg->client_data;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  gm_status status = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? GM_ERR_MEMORY : GM_ERR_IO;
  leave(w, gm_fail(w->err, status, "cannot draw: %s", text));
}

static void be_silent(j_common_ptr jpeg) {
  (void)jpeg;
}

static void start_block(j_compress_ptr jpeg) {
  jpeg_writer *w = jpeg->client_data;
  w->destination.next_output_byte = w->block;
  w->destination.free_in_buffer = BLOCK;
}

static void write_block(jpeg_writer *w, size_t n) {
  gm_status status = gm_draw_put(w->sink, w->block, n, w->err);
  if (status != GM_OK) leave(w, status);
}

static boolean end_block(j_compress_ptr jpeg) {
  write_block(jpeg->client_data, BLOCK);
  start_block(jpeg);
  return TRUE;
}

static void end_destination(j_compress_ptr jpeg) {
  jpeg_writer *w = jpeg->client_data;
  write_block(w, BLOCK - w->destination.free_in_buffer);
}

static void open_writer(jpeg_writer *w) {
  w->jpeg.err = jpeg_std_error(&w->errors);
  w->errors.error_exit = fail_jpeg;
  w->errors.output_message = be_silent;
  w->jpeg.client_data = w;
  jpeg_create_compress(&w->jpeg);
  w->destination = (struct jpeg_destination_mgr){.init_destination = start_block,
                                                 .empty_output_buffer = end_block,
                                                 .term_destination = end_destination};
  w->jpeg.dest = &w->destination;
  w->jpeg.image_width = (JDIMENSION)cairo_image_surface_get_width(w->surface);
  w->jpeg.image_height = (JDIMENSION)cairo_image_surface_get_height(w->surface);
  w->jpeg.input_components = 3;
  w->jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&w->jpeg);
  jpeg_set_quality(&w->jpeg, QUALITY, TRUE);
  w->jpeg.comp_info[0].h_samp_factor = w->jpeg.comp_info[0].v_samp_factor = 1;
  w->row = malloc((size_t)w->jpeg.image_width * 3);
  if (!w->row)
    leave(w, gm_fail_memory(w->err, "a row of a drawing", (size_t)w->jpeg.image_width * 3));
}

static void write_mark(jpeg_writer *w) {
  char text[GM_MARK_SIZE / 2];
  gm_mark_text(text);
  jpeg_write_marker(&w->jpeg, JPEG_COM, (const JOCTET *)text, (unsigned)strlen(text));
}

static void write_rows(jpeg_writer *w) {
  const unsigned char *data = cairo_image_surface_get_data(w->surface);
  size_t stride = (size_t)cairo_image_surface_get_stride(w->surface);
  jpeg_start_compress(&w->jpeg, TRUE);
  write_mark(w);
  while (w->jpeg.next_scanline < w->jpeg.image_height) {
    const unsigned char *from = data + w->jpeg.next_scanline * stride;
    for (size_t x = 0; x < w->jpeg.image_width; x++) {
      uint32_t pixel;
      memcpy(&pixel, from + 4 * x, 4);
      for (size_t i = 0; i < 3; i++) w->row[3 * x + i] = (uint8_t)(pixel >> (16 - 8 * i));
    }
    jpeg_write_scanlines(&w->jpeg, &w->row, 1);
  }
  jpeg_finish_compress(&w->jpeg);
}

gm_status gm_draw_jpeg_write(cairo_surface_t *surface, const gm_draw_sink *sink,
                             gm_error *err) {
  jpeg_writer *w = calloc(1, sizeof *w);
  if (!w) return gm_fail_memory(err, "a JPEG encoder", sizeof *w);
  w->surface = surface;
  w->sink = sink;
  w->err = err;
  if (setjmp(w->escape) == 0) {
    open_writer(w);
    write_rows(w);
  }
  gm_status status = w->status;
  jpeg_destroy_compress(&w->jpeg);
  free(w->row);
  free(w);
  return status;
}
