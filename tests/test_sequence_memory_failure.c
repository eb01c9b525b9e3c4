/* test_sequence_memory_failure.c - building a training sequence when memory is short. */
#include "failing_alloc.h"
#include "llama_fixture.h"
#include "stage_golden.h"

#include "sequence.h"

static gm_prompt *prompt;
static stage_golden stage;

static gm_status build(void *arg, gm_error *err) {
  (void)arg;
  const gm_rel_box box = {0.3f, 0.3f, 0.2f, 0.2f};
  const float score = 0.5f;
  const gm_proposals found = {&box, &score, 1};
  const gm_sequence_rule rule = {{0.15f, 0.6f, 100}, true, true, GM_SEQUENCE_IDS, false};
  gm_sequence s;
  gm_ids rows = {0}, targets = {0};
  gm_status status = gm_sequence_build(&s, &rule, prompt, &stage.sample, &found, 0, err);
  if (status == GM_OK) status = gm_sequence_rows(&s, prompt, 4, 0, 4, &rows, &targets, err);
  gm_ids_free(&rows);
  gm_ids_free(&targets);
  gm_sequence_free(&s);
  return status;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  llama_fixture fixture;
  gm_error err;
  llama_fixture_open(&fixture, test_data("models/groma-tiny"));
  assert_ok(gm_prompt_create(&prompt, fixture.tokenizer, fixture.vocabulary.n, &err), &err);
  stage_golden_open(&stage, "stage3");
  failing_alloc_torture("a sequence", build, NULL, 1, 1);
  stage_golden_close(&stage);
  gm_prompt_free(prompt);
  llama_fixture_close(&fixture);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
  return cmocka_run_group_tests_name("sequence_memory_failure", tests, NULL, NULL);
}
