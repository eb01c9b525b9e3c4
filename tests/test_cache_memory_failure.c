/* test_cache_memory_failure.c - when an allocation fails while the cache is written or read, a
 * call answers as without a cache or returns GM_ERR_MEMORY, and the entries stay valid. */
#include "failing_alloc.h"
#include "interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STRIDE = 3, MOST_TEXT = 512 };

typedef struct fixture {
  char root[32], model[64], cache[64];
  const gm_image *image;
  char want[MOST_TEXT];
  bool cold; /* the cache is empty before a run */
} fixture;

static gm_status describe(gm_scene *scene, char text[MOST_TEXT], gm_error *err) {
  const gm_box box = {108, 46, 193, 124};
  const gm_ask_params params = {.struct_size = sizeof params, .max_tokens = 6};
  gm_answer *caption = NULL, *box_answer = NULL;
  gm_status status = gm_caption(scene, &params, NULL, &caption, err);
  if (status == GM_OK)
    status = gm_describe(scene, &box, 1, false, &params, NULL, &box_answer, err);
  if (status == GM_OK) snprintf(text, MOST_TEXT, "%s | %s", caption->raw, box_answer->raw);
  gm_answer_free(caption);
  gm_answer_free(box_answer);
  return status;
}

/* From opening the model to two answers. */
static gm_status run(const fixture *f, const char *cache, char text[MOST_TEXT], gm_error *err) {
  gm_model_params params = gm_model_params_default();
  params.threads = 1; /* the order of allocations is then always the same */
  params.cache = cache;
  gm_model *model = NULL;
  gm_scene *scene = NULL;
  gm_status status = gm_model_open(&model, f->model, &params, err);
  if (status == GM_OK) status = gm_scene_create(&scene, model, f->image, NULL, NULL, err);
  if (status == GM_OK) status = describe(scene, text, err);
  gm_scene_free(scene);
  gm_model_free(model);
  return status;
}

static void empty(const char *cache) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", cache);
  assert_int_equal(system(command), 0);
}

static gm_status run_cached(void *arg, gm_error *err) {
  const fixture *f = arg;
  char text[MOST_TEXT];
  if (f->cold) empty(f->cache);
  gm_status status = run(f, f->cache, text, err);
  if (status == GM_OK) assert_string_equal(text, f->want);
  return status;
}

static int set_up(void **state) {
  static fixture f;
  gm_error err;
  gm_image *image;
  const gm_convert_params params = {.struct_size = sizeof params, .type = "q8_0"};
  f = (fixture){.root = "/tmp/gromatic-cache-XXXXXX"};
  assert_non_null(mkdtemp(f.root));
  snprintf(f.model, sizeof f.model, "%s/m.gguf", f.root);
  snprintf(f.cache, sizeof f.cache, "%s/cache", f.root);
  assert_ok(gm_convert(GM_TEST_DATA "/models/groma-mini", f.model, &params, NULL, &err), &err);
  assert_ok(gm_image_open(&image, test_data("world/scenes/images/000.png"), NULL, &err), &err);
  f.image = image;
  assert_ok(run(&f, NULL, f.want, &err), &err);
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  gm_image_free((gm_image *)(uintptr_t)f->image);
  empty(f->root);
  return 0;
}

static void filling_a_cache(void **state) {
  fixture *f = *state;
  f->cold = true;
  failing_alloc_torture("answers that fill a cache", run_cached, f, 1, STRIDE);
}

/* Missing entries are made, with failures or without. */
static void reading_a_cache(void **state) {
  fixture *f = *state;
  f->cold = false;
  failing_alloc_torture("answers from a cache", run_cached, f, 1, STRIDE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(filling_a_cache, set_up, tear_down),
      cmocka_unit_test_setup_teardown(reading_a_cache, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
