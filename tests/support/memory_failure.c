/* memory_failure.c - see memory_failure.h. */
#include "memory_failure.h"

#include "checkpoint.h"
#include "draw_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- pictures */

typedef struct file_bytes {
  void *bytes;
  size_t size;
} file_bytes;

static gm_status decode(void *arg, gm_error *err) {
  const file_bytes *file = arg;
  gm_image *image = NULL;
  gm_status status = gm_image_from_memory(&image, file->bytes, file->size, NULL, err);
  assert_true((status == GM_OK) == (image != NULL));
  gm_image_free(image);
  return status;
}

typedef struct drawing {
  const gm_image *image;
  const char *path;
} drawing;

/* Writes a picture with a box, a label and a caption. */
static gm_status draw(void *arg, gm_error *err) {
  const drawing *d = arg;
  gm_mark mark = mark_of((gm_box){2, 3, 30, 40}, "a ball", 1);
  gm_span_colour span = span_of(2, 6, 1);
  gm_draw_params params = {.struct_size = sizeof params,
                           .marks = &mark,
                           .n_marks = 1,
                           .caption = "A ball lies here.",
                           .spans = &span,
                           .n_spans = 1};
  gm_status status = gm_draw(d->image, &params, d->path, err);
  assert_int_equal(access(d->path, F_OK), status == GM_OK ? 0 : -1);
  unlink(d->path);
  return status;
}

void memory_failure_pictures(void) {
  const char *const paths[] = {"world/scenes/images/064.jpg", "world/scenes/images/093.png",
                               "world/scenes/images/002.webp"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    file_bytes file;
    file.bytes = test_read_file(test_data(paths[i]), &file.size);
    failing_alloc_torture(paths[i], decode, &file, 1, 1);
    free(file.bytes);
  }
  gm_error err = {0};
  gm_image *image;
  assert_ok(gm_image_open(&image, test_data(paths[1]), NULL, &err), &err);
  drawing png = {image, "/tmp/gromatic-memory-failure.png"};
  drawing jpeg = {image, "/tmp/gromatic-memory-failure.jpg"};
  failing_alloc_torture("draw", draw, &png, 1, 1);
  failing_alloc_torture("draw", draw, &jpeg, 1, 1);
  gm_image_free(image);
}

/* ---- checkpoints */

static gm_status open_checkpoint(void *arg, gm_error *err) {
  gm_checkpoint *c = NULL;
  gm_status status = gm_checkpoint_open(&c, arg, err);
  assert_true((status == GM_OK) == (c != NULL));
  gm_checkpoint_close(c);
  return status;
}

void memory_failure_checkpoints(void) {
  char path[1024];
  snprintf(path, sizeof path, "%s", test_data("models/groma-tiny"));
  failing_alloc_torture("open a sharded .bin", open_checkpoint, path, 1, 7);
  snprintf(path, sizeof path, "%s", test_data("models/clip-tiny/openai-torchscript.pt"));
  failing_alloc_torture("open a TorchScript .pt", open_checkpoint, path, 1, 1);
  snprintf(path, sizeof path, "%s",
           test_data("models/clip-tiny-openclip/open_clip_model.safetensors"));
  failing_alloc_torture("open a .safetensors", open_checkpoint, path, 1, 1);
}

/* ---- models */

static gm_status open_model(void *arg, gm_error *err) {
  gm_model_params params = gm_model_params_default();
  params.threads = 1; /* so that the order of allocations is always the same */
  gm_model *model = NULL;
  gm_status status = gm_model_open(&model, arg, &params, err);
  assert_true((status == GM_OK) == (model != NULL));
  gm_model_free(model);
  return status;
}

static gm_status inspect(void *arg, gm_error *err) {
  gm_inspection *inspection = NULL;
  gm_status status = gm_inspect(&inspection, arg, false, NULL, err);
  assert_true((status == GM_OK) == (inspection != NULL));
  gm_inspection_free(inspection);
  return status;
}

/* A path per process, since two test programs run at once. */
static const char *converted(void) {
  static char path[64];
  snprintf(path, sizeof path, "/tmp/gromatic-memory-failure-%ld.gguf", (long)getpid());
  return path;
}

static gm_status convert(void *arg, gm_error *err) {
  gm_convert_params params = {.struct_size = sizeof params, .type = "q8_0", .threads = 1};
  gm_status status = gm_convert(arg, converted(), &params, NULL, err);
  assert_int_equal(access(converted(), F_OK), status == GM_OK ? 0 : -1);
  unlink(converted());
  return status;
}

void memory_failure_open(void) {
  gm_error err = {0};
  gm_convert_params params = {.struct_size = sizeof params, .type = "f16"};
  assert_ok(gm_convert(GM_TEST_DATA "/models/groma-mini", converted(), &params, NULL, &err),
            &err);
  char path[] = "groma-mini", file[64];
  snprintf(file, sizeof file, "%s", converted());
  failing_alloc_torture("open the embedded model", open_model, path, 1, 1);
  failing_alloc_torture("open a model file", open_model, file, 1, 1);
  failing_alloc_torture("inspect a model file", inspect, file, 1, 1);
  unlink(converted());
}

void memory_failure_convert(size_t stride) {
  char path[] = GM_TEST_DATA "/models/groma-mini";
  failing_alloc_torture("convert safetensors", convert, path, 1, stride);
  char tiny[1024];
  snprintf(tiny, sizeof tiny, "%s", test_data("models/groma-tiny"));
  failing_alloc_torture("convert a sharded .bin", convert, tiny, 1, 8 * stride);
}
