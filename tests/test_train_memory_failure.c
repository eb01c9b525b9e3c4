/* test_train_memory_failure.c - when an allocation fails while weights are prepared, moved,
 * written or read, the call returns GM_ERR_MEMORY and leaks nothing. */
#include "failing_alloc.h"
#include "vision_support.h"

#include "train_state.h"
#include "trained_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char hash[65] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static char path[64];

static const gm_learn_rule rules[] = {
    {.which = {.part = "embeddings"}, .how = GM_LEARN_WHOLE},
    {.which = {.name = "llm.*.0.self_attn.q_proj.weight"},
     .how = GM_LEARN_LORA,
     .rank = 2,
     .alpha = 2},
};

static gm_status make(void *arg, gm_error *err) {
  const gm_model_file *base = arg;
  gm_params *params;
  size_t shape = 3;
  gm_status status = gm_params_create(&params, base, rules, 2, true, 1, err);
  if (status == GM_OK) status = gm_params_add(params, "x", "extra", 1, &shape, NULL, NULL, err);
  gm_params_free(params);
  return status;
}

typedef struct job {
  gm_params *params;
  gm_optimiser optimiser;
} job;

static gm_status step(void *arg, gm_error *err) {
  job *j = arg;
  gm_update update;
  return gm_optimiser_step(&j->optimiser, j->params, 1, NULL, &update, err);
}

static gm_status write_state(void *arg, gm_error *err) {
  job *j = arg;
  const gm_train_state s = {hash, j->params, &j->optimiser, NULL, 0};
  return gm_train_state_write(&s, path, err);
}

static gm_status read_state(void *arg, gm_error *err) {
  job *j = arg;
  gm_train_state s = {hash, j->params, &j->optimiser, NULL, 0};
  gm_status status = gm_train_state_read(&s, path, err);
  free(s.place);
  return status;
}

static gm_status write_model(void *arg, gm_error *err) {
  const job *j = arg;
  const gm_trained_options options = {.type = GM_TYPE_COUNT};
  return gm_trained_write(j->params, path, &options, err);
}

static void test_all(void **state) {
  (void)state;
  gm_error err;
  gm_model_file *base = converted_model(GM_TEST_DATA "/models/groma-mini", "f16");
  job j = {.optimiser.options = gm_optimiser_defaults()};
  snprintf(path, sizeof path, "/tmp/gromatic-state-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  failing_alloc_torture("making", make, base, 1, 1);
  assert_ok(gm_params_create(&j.params, base, rules, 2, false, 1, &err), &err);
  failing_alloc_torture("an update", step, &j, 1, 1);
  failing_alloc_torture("writing a state", write_state, &j, 1, 1);
  assert_ok(write_state(&j, &err), &err);
  failing_alloc_torture("reading a state", read_state, &j, 1, 1);
  failing_alloc_torture("writing a model", write_model, &j, 1, 41);
  gm_params_free(j.params);
  gm_model_file_close(base);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
