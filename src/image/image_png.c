/* image_png.c - PNG files (libpng), see gm_png_decode in image.h.
 *
 * libpng reports errors by longjmp, so all state that outlives it is in a png_reader, never in
 * locals of the function that called setjmp. */
#include "image.h"
#include "png_orientation.h"

#include <assert.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

enum {
  CHUNK_BYTES_MAX = 8 << 20,
  CHUNKS_MAX = 1000,
  WIDEST_ROW = 16 << 20 /* bytes: GM_IMAGE_MAX_SIDE pixels of 8, twice */
};

typedef struct png_reader {
  png_structp png;
  png_infop info;
  const gm_image_source *input;
  size_t at; /* bytes read */
  jmp_buf escape;
  gm_status status;
  gm_error *err;
  gm_image *image;
  png_bytep *rows;
  gm_png_orientation orientation;
  bool no_memory; /* the failure that libpng is about to report */
} png_reader;

static _Noreturn void leave(png_reader *r, gm_status status) {
  r->status = status;
  longjmp(r->escape, 1);
}

static _Noreturn void fail_png(png_structp png, png_const_charp text) {
  png_reader *r = png_get_error_ptr(png);
  if (r->no_memory)
    leave(r, gm_fail(r->err, GM_ERR_MEMORY, "out of memory while decoding a PNG picture"));
  leave(r, gm_fail(r->err, GM_ERR_IMAGE_TRUNCATED,
                   "the PNG data is damaged or cut off; wanted the whole picture: %s", text));
}

/* libpng's warnings are about chunks that we do not use; lost pixels are errors. */
static void ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t n) {
  png_reader *r = png_get_io_ptr(png);
  assert(r->at <= r->input->size);
  if (n > r->input->size - r->at)
    leave(r,
          gm_fail(r->err, GM_ERR_IMAGE_TRUNCATED,
                  "the PNG picture ends after %zu bytes, before its end chunk; get the whole "
                  "file",
                  r->input->size));
  memcpy(out, r->input->bytes + r->at, n);
  r->at += n;
}

/* Refuses blocks larger than both the file and the widest row: no picture needs them. */
static png_voidp allocate(png_structp png, png_alloc_size_t bytes) {
  png_reader *r = png_get_mem_ptr(png);
  if (bytes > r->input->size && bytes > WIDEST_ROW) return NULL;
  void *p = malloc(bytes);
  if (!p) r->no_memory = true;
  return p;
}

static void release(png_structp png, png_voidp p) {
  (void)png;
  free(p);
}

/* Called for the chunks that may hold an orientation, before and after the pixels. */
static int read_chunk(png_structp png, png_unknown_chunkp chunk) {
  png_reader *r = png_get_user_chunk_ptr(png);
  gm_status status = gm_png_orientation_chunk(&r->orientation, (const char *)chunk->name,
                                              chunk->data, chunk->size, r->err);
  if (status != GM_OK) leave(r, status);
  return 1; /* handled */
}

/* Tells libpng to ignore the chunks that could unpack to much or would change pixels, and to
 * keep nothing of the chunks that we read ourselves. */
static void set_limits(png_reader *r) {
  static const unsigned char unused[] =
      "cHRM\0gAMA\0iCCP\0sRGB\0sBIT\0bKGD\0hIST\0pHYs\0sPLT\0tIME\0oFFs\0pCAL\0sCAL";
  static const unsigned char ours[] = "eXIf\0tEXt\0zTXt\0iTXt";
  png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, unused, sizeof unused / 5);
  png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_ALWAYS, ours, sizeof ours / 5);
  png_set_read_user_chunk_fn(r->png, r, read_chunk);
  png_set_user_limits(r->png, PNG_UINT_31_MAX,
                      PNG_UINT_31_MAX); /* gm_image_create's are less */
  png_set_chunk_malloc_max(r->png, CHUNK_BYTES_MAX);
  png_set_chunk_cache_max(r->png, CHUNKS_MAX);
}

/* Reads up to the first pixels. The size is the one that libpng found. */
static void read_header(png_reader *r) {
  r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, fail_png, ignore_warning, r,
                                    allocate, release);
  if (r->png) r->info = png_create_info_struct(r->png);
  if (!r->png || !r->info) leave(r, gm_fail_memory(r->err, "a PNG decoder", 4096));
  png_set_read_fn(r->png, r, read_bytes);
  set_limits(r);
  png_read_info(r->png, r->info);
  gm_status status =
      gm_image_create(&r->image, png_get_image_width(r->png, r->info),
                      png_get_image_height(r->png, r->info), r->input->max_pixels, r->err);
  if (status != GM_OK) leave(r, status);
}

static void set_form(png_reader *r) {
  png_set_strip_16(r->png); /* keeps the high byte */
  png_set_expand_gray_1_2_4_to_8(r->png);
  png_set_palette_to_rgb(r->png);
  png_set_gray_to_rgb(r->png);
  png_set_strip_alpha(r->png);
  png_set_interlace_handling(r->png);
  png_read_update_info(r->png, r->info);
  if (png_get_rowbytes(r->png, r->info) != (size_t)r->image->width * 3 ||
      png_get_image_height(r->png, r->info) != r->image->height)
    leave(r, gm_fail(r->err, GM_ERR_IMAGE_UNSUPPORTED,
                     "found a PNG that does not become 8-bit RGB; save it again as RGB"));
}

static void read_rows(png_reader *r) {
  size_t height = r->image->height;
  r->rows = malloc(height * sizeof *r->rows);
  if (!r->rows) leave(r, gm_fail_memory(r->err, "the rows of a PNG", height * sizeof *r->rows));
  for (size_t y = 0; y < height; y++) r->rows[y] = r->image->rgb + y * r->image->width * 3;
  png_read_image(r->png, r->rows);
  png_read_end(r->png, r->info); /* the orientation may come after the pixels */
}

gm_status gm_png_decode(gm_image **out, const gm_image_source *source, int *orientation,
                        gm_error *err) {
  png_reader *r = calloc(1, sizeof *r);
  if (!r) return gm_fail_memory(err, "a PNG decoder", sizeof *r);
  r->input = source;
  r->err = err;
  if (setjmp(r->escape) == 0) {
    read_header(r);
    set_form(r);
    read_rows(r);
    *orientation = gm_png_orientation_of(&r->orientation);
  }
  gm_status status = r->status;
  if (status == GM_OK)
    *out = r->image;
  else
    gm_image_free(r->image);
  png_destroy_read_struct(&r->png, &r->info, NULL);
  free(r->rows);
  free(r);
  return status;
}
