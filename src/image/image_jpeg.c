/* image_jpeg.c - JPEG files (libjpeg-turbo), see gm_jpeg_decode in image.h.
 *
 * Four components become RGB as in Pillow: they are always read as inverted CMYK, Adobe's way.
 * libjpeg reports errors by longjmp, so all state that outlives it is in a jpeg_reader, never
 * in locals of the function that called setjmp. */
#include "exif.h"
#include "image.h"

#include <assert.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { MAX_SCANS = 256 }; /* a progressive picture has about ten */

typedef struct jpeg_reader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  const gm_image_source *input;
  jmp_buf escape;
  gm_status status;
  gm_error *err;
  gm_image *image;
  uint8_t *cmyk; /* one row */
} jpeg_reader;

static _Noreturn void leave(jpeg_reader *r, gm_status status) {
  r->status = status;
  longjmp(r->escape, 1);
}

/* Our status for one of libjpeg's errors. */
static gm_status status_of(int code) {
  switch (code) {
  case JERR_OUT_OF_MEMORY:
    return GM_ERR_MEMORY;
  case JERR_IMAGE_TOO_BIG:
  case JERR_WIDTH_OVERFLOW:
    return GM_ERR_IMAGE_TOO_LARGE;
  case JERR_SOF_UNSUPPORTED:
  case JERR_BAD_PRECISION:
  case JERR_ARITH_NOTIMPL:
  case JERR_CONVERSION_NOTIMPL:
  case JERR_CCIR601_NOTIMPL:
  case JERR_FRACT_SAMPLE_NOTIMPL:
  case JERR_NOT_COMPILED:
    return GM_ERR_IMAGE_UNSUPPORTED;
  default:
    return GM_ERR_IMAGE_TRUNCATED;
  }
}

static _Noreturn void fail_jpeg(j_common_ptr jpeg) {
  jpeg_reader *r = jpeg->client_data;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  gm_status status = status_of(jpeg->err->msg_code);
  const char *advice = status == GM_ERR_IMAGE_TRUNCATED
                           ? "the JPEG data is damaged or cut off; wanted the whole picture"
                       : status == GM_ERR_IMAGE_UNSUPPORTED
                           ? "this kind of JPEG is not read; save it as baseline JPEG or PNG"
                           : "the JPEG picture could not be decoded";
  leave(r, gm_fail(r->err, status, "%s: %s", advice, text));
}

/* Warnings (level < 0) are fatal, except those after which no picture data is missing. */
static void fail_on_warning(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
  case JWRN_ADOBE_XFORM:
  case JWRN_JFIF_MAJOR:
  case JWRN_EXTRANEOUS_DATA:
  case JWRN_BOGUS_ICC:
    return;
  default:
    fail_jpeg(jpeg);
  }
}

static void be_silent(j_common_ptr jpeg) {
  (void)jpeg;
}

/* Called between rows of blocks in every scan. */
static void check_scans(j_common_ptr jpeg) {
  jpeg_reader *r = jpeg->client_data;
  if (r->jpeg.input_scan_number > MAX_SCANS)
    leave(r, gm_fail(r->err, GM_ERR_IMAGE_TOO_LARGE,
                     "found a JPEG with more than %d scans, which is made to waste time; save "
                     "it again as baseline JPEG",
                     MAX_SCANS));
}

static void start_source(j_decompress_ptr jpeg) {
  (void)jpeg;
}

static boolean end_of_source(j_decompress_ptr jpeg) {
  jpeg_reader *r = jpeg->client_data;
  leave(r,
        gm_fail(r->err, GM_ERR_IMAGE_TRUNCATED,
                "the JPEG picture ends after %zu bytes, before its end marker; get the whole "
                "file",
                r->input->size));
}

static void skip_source(j_decompress_ptr jpeg, long bytes) {
  if (bytes <= 0) return;
  if ((size_t)bytes > jpeg->src->bytes_in_buffer) end_of_source(jpeg);
  jpeg->src->next_input_byte += bytes;
  jpeg->src->bytes_in_buffer -= (size_t)bytes;
}

static void end_source(j_decompress_ptr jpeg) {
  (void)jpeg;
}

static void open_reader(jpeg_reader *r) {
  r->jpeg.err = jpeg_std_error(&r->errors);
  r->errors.error_exit = fail_jpeg;
  r->errors.emit_message = fail_on_warning;
  r->errors.output_message = be_silent;
  r->jpeg.client_data = r;
  jpeg_create_decompress(&r->jpeg);
  r->source = (struct jpeg_source_mgr){.next_input_byte = r->input->bytes,
                                       .bytes_in_buffer = r->input->size,
                                       .init_source = start_source,
                                       .fill_input_buffer = end_of_source,
                                       .skip_input_data = skip_source,
                                       .resync_to_restart = jpeg_resync_to_restart,
                                       .term_source = end_source};
  r->jpeg.src = &r->source;
  r->progress.progress_monitor = check_scans;
  r->jpeg.progress = &r->progress;
  jpeg_save_markers(&r->jpeg, JPEG_APP0 + 1, 0xFFFF);
}

static int orientation_of(const jpeg_reader *r) {
  for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length >= 6 &&
        memcmp(m->data, "Exif\0\0", 6) == 0)
      return gm_exif_orientation(m->data, m->data_length);
  return 0;
}

/* a * b / 255, rounded as Pillow rounds. */
static unsigned scale_255(unsigned a, unsigned b) {
  unsigned v = a * b + 128;
  return ((v >> 8) + v) >> 8;
}

/* Inverted CMYK, i.e. each byte 255 - ink, to RGB. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, uint32_t width) {
  for (uint32_t x = 0; x < width; x++, rgb += 3, cmyk += 4)
    for (int i = 0; i < 3; i++)
      rgb[i] = (uint8_t)(cmyk[3] - scale_255(255u - cmyk[i], cmyk[3]));
}

static void read_header(jpeg_reader *r) {
  jpeg_read_header(&r->jpeg, TRUE);
  int components = r->jpeg.num_components;
  if (components != 1 && components != 3 && components != 4)
    leave(r, gm_fail(r->err, GM_ERR_IMAGE_UNSUPPORTED,
                     "found a JPEG of %d components; wanted 1 (grey), 3 (colour) or 4 (CMYK)",
                     components));
  r->jpeg.out_color_space = components == 4 ? JCS_CMYK : JCS_RGB;
  gm_status status = gm_image_create(&r->image, r->jpeg.image_width, r->jpeg.image_height,
                                     r->input->max_pixels, r->err);
  if (status != GM_OK) leave(r, status);
  if (components != 4) return;
  r->cmyk = malloc((size_t)r->jpeg.image_width * 4);
  if (!r->cmyk) leave(r, gm_fail_memory(r->err, "a CMYK row", (size_t)r->jpeg.image_width * 4));
}

static void read_rows(jpeg_reader *r) {
  jpeg_start_decompress(&r->jpeg);
  if (r->jpeg.output_width != r->image->width || r->jpeg.output_height != r->image->height ||
      r->jpeg.output_components != (r->cmyk ? 4 : 3))
    leave(r, gm_fail(r->err, GM_ERR_IMAGE_UNSUPPORTED,
                     "found a JPEG of %u x %u pixels that decodes to %u x %u of %d channels; "
                     "save it again as baseline JPEG or PNG",
                     r->image->width, r->image->height, r->jpeg.output_width,
                     r->jpeg.output_height, r->jpeg.output_components));
  while (r->jpeg.output_scanline < r->jpeg.output_height) {
    assert(r->jpeg.output_scanline < r->image->height);
    uint8_t *rgb = r->image->rgb + (size_t)r->jpeg.output_scanline * r->image->width * 3;
    JSAMPROW row = r->cmyk ? r->cmyk : rgb;
    jpeg_read_scanlines(&r->jpeg, &row, 1);
    if (r->cmyk) cmyk_to_rgb(rgb, r->cmyk, r->image->width);
  }
  jpeg_finish_decompress(&r->jpeg); /* fails if the end marker is missing */
}

gm_status gm_jpeg_decode(gm_image **out, const gm_image_source *source, int *orientation,
                         gm_error *err) {
  jpeg_reader *r = calloc(1, sizeof *r);
  if (!r) return gm_fail_memory(err, "a JPEG decoder", sizeof *r);
  r->input = source;
  r->err = err;
  if (setjmp(r->escape) == 0) {
    open_reader(r);
    read_header(r);
    *orientation = orientation_of(r);
    read_rows(r);
  }
  gm_status status = r->status;
  if (status == GM_OK)
    *out = r->image;
  else
    gm_image_free(r->image);
  jpeg_destroy_decompress(&r->jpeg);
  free(r->cmyk);
  free(r);
  return status;
}
