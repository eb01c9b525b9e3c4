/* test_release.c - a stage's weights leave the resident memory after the stage, and come back
 * when they are needed. */
#include "scene_support.h"

#include "model_file_bytes.h"
#include "tensor_names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of [at, at + n) that are mapped by this process: bit 63 of an entry of
 * /proc/self/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst). */
static size_t resident(int pagemap, const void *at, size_t n) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 0;
  for (uintptr_t p = (uintptr_t)at / page; p <= ((uintptr_t)at + n - 1) / page; p++) {
    uint64_t entry;
    assert_int_equal(pread(pagemap, &entry, sizeof entry, (off_t)(p * sizeof entry)),
                     sizeof entry);
    if (entry >> 63) bytes += page;
  }
  return bytes;
}

/* The share of the large tensors below a prefix that is resident. Between small ones, pages
 * are shared with neighbours that other stages read. */
static double share(const gm_model *model, const char *prefix) {
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  assert_true(pagemap >= 0);
  size_t there = 0, all = 0;
  for (size_t i = 0; i < gm_model_file_n_tensors(model->base.file); i++) {
    const char *name;
    char upstream[256];
    const gm_tensor *t = gm_model_file_tensor_at(model->base.file, i, &name);
    size_t bytes = gm_tensor_rows(t) * t->row_bytes;
    gm_tensor_upstream_name(name, upstream, sizeof upstream);
    if (strncmp(upstream, prefix, strlen(prefix)) != 0 || bytes < 256 << 10) continue;
    there += resident(pagemap, t->data, bytes);
    all += bytes;
  }
  close(pagemap);
  assert_true(all > 0);
  return (double)there / (double)all;
}

/* The kernel reads pages around an accessed one: at most 64 KB at either end of a tensor of 256
 * KB or more. */
#define FEW 0.5
#define MOST 0.9

static void test_stages_leave(void **state) {
  (void)state;
  gm_model *model = test_model(GM_TEST_DATA "/models/groma-mini", "f32", NULL);
  gm_scene *scene = test_scene(model, "world/scenes/images/000.png", NULL);
  gm_error err;
  assert_true(model->base.engine->compute.arena.first == NULL); /* and the scratch memory */
  double before = share(model, "perceiver.");
  assert_true(before < FEW);

  gm_answer *first, *second;
  assert_ok(gm_caption(scene, NULL, NULL, &first, &err), &err);
  assert_true(share(model, "region_encoder.") < FEW);
  assert_true(share(model, "llm.") > MOST); /* weights in use stay, so the measure works */

  gm_scene *again = test_scene(model, "world/scenes/images/000.png", NULL);
  assert_ok(gm_caption(again, NULL, NULL, &second, &err), &err);
  assert_same_answer(first, second);
  gm_answer_free(first);
  gm_answer_free(second);
  gm_scene_free(again);
  gm_scene_free(scene);
  gm_model_free(model);
}

/* Releases one prefix only, in any order of tensors. */
static void test_only_the_named_ones(void **state) {
  (void)state;
  gm_model *model = test_model(GM_TEST_DATA "/models/groma-mini", "f32", NULL);
  gm_error err;
  size_t size, sum = 0;
  const unsigned char *bytes = gm_model_file_bytes(model->base.file, &size);
  for (size_t i = 0; i < size; i++) sum += bytes[i];
  assert_true(sum > 0 && share(model, "llm.") > MOST && share(model, "perceiver.") > MOST);
  gm_model_file_release(model->base.file, "no such tensor");
  assert_true(share(model, "llm.") > MOST);
  gm_model_file_release(model->base.file, "llm.");
  assert_true(share(model, "llm.") < FEW && share(model, "perceiver.") > MOST);
  /* Hashing the whole file leaves nothing resident and gives the hash of its bytes. */
  char whole[65], ours[65];
  gm_sha256(bytes, size, whole);
  assert_ok(gm_model_sha256(model, ours, NULL, &err), &err);
  assert_string_equal(ours, whole);
  assert_true(share(model, "llm.") < FEW && share(model, "perceiver.") < FEW);
  gm_model_free(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_stages_leave),
      cmocka_unit_test(test_only_the_named_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
