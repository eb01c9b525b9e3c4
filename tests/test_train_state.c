/* test_train_state.c - a run that is written and read goes on with the same bits; a state that
 * is damaged, cut short or of another run is refused and changes nothing. */
#include "vision_support.h"

#include "bytes.h"
#include "ops_support.h"
#include "sum64.h"
#include "train_state.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TENSORS = 3 };

static const char *const names[TENSORS] = {"head.weight", "rare", "head.bias"};
static const size_t sizes[TENSORS] = {40, 7, 1};
static const char run_hash[65] =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char other_hash[65] =
    "f0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static gm_model_file *groma;
static char path[64];

static int open_all(void **state) {
  (void)state;
  groma = converted_model(GM_TEST_DATA "/models/groma-mini", "f16");
  snprintf(path, sizeof path, "/tmp/gromatic-state-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  gm_model_file_close(groma);
  unlink(path);
  return 0;
}

/* ---- a small run ---- */

typedef struct run {
  gm_params *params;
  gm_optimiser optimiser;
  gm_train_state state;
} run;

/* pairs: two pairs of the language model learn too. */
static void run_open(run *r, bool pairs, bool average, size_t tensors) {
  static const gm_learn_rule rule = {.which = {.name = "llm.*.1.self_attn.[qk]_proj.weight"},
                                     .how = GM_LEARN_LORA,
                                     .rank = 2,
                                     .alpha = 2};
  gm_error err;
  gm_rng rng = {3};
  *r = (run){.optimiser.options = gm_optimiser_defaults()};
  r->optimiser.options.average = average ? 0.9 : 0;
  assert_ok(gm_params_create(&r->params, groma, &rule, pairs, average, 5, &err), &err);
  for (size_t i = 0; i < tensors; i++) {
    float *start = random_floats(&rng, sizes[i], -1, 1);
    assert_ok(gm_params_add(r->params, names[i], "extra", 1, &sizes[i], start, NULL, &err),
              &err);
    free(start);
  }
  gm_params_set_lr(r->params, &(gm_tensor_choice){.part = NULL}, 1e-2);
  r->state = (gm_train_state){run_hash, r->params, &r->optimiser, NULL, 0};
}

static void run_close(run *r) {
  gm_params_free(r->params);
}

static void run_step(run *r, size_t step) {
  gm_update update;
  gm_error err;
  gm_params_clear(r->params, NULL);
  for (size_t i = 0; i < r->params->n; i++) {
    gm_param *p = &r->params->all[i];
    gm_rng rng = {step * 100 + i};
    if (strcmp(p->name, "rare") == 0 && step % 2) continue;
    p->learned->reached = true;
    for (size_t k = 0; k < p->n; k++) p->gradient[k] = (float)(gm_rng_unit(&rng) - 0.5);
  }
  if (step == 1) r->params->all[0].gradient[0] = (float)NAN; /* a skipped one */
  assert_ok(gm_optimiser_step(&r->optimiser, r->params, 1, NULL, &update, &err), &err);
}

static void assert_same_runs(const run *a, const run *b) {
  assert_int_equal(a->params->n, b->params->n);
  assert_int_equal(a->params->averaged, b->params->averaged);
  assert_int_equal(a->optimiser.updates, b->optimiser.updates);
  assert_int_equal(a->optimiser.skipped, b->optimiser.skipped);
  assert_int_equal(a->optimiser.skipped_in_row, b->optimiser.skipped_in_row);
  for (size_t i = 0; i < a->params->n; i++) {
    const gm_param *p = &a->params->all[i], *q = &b->params->all[i];
    assert_int_equal(p->steps, q->steps);
    assert_same_bits(p->value, q->value, p->n, p->name);
    assert_same_bits(p->moment1, q->moment1, p->n, p->name);
    assert_same_bits(p->moment2, q->moment2, p->n, p->name);
    if (p->average) assert_same_bits(p->average, q->average, p->n, p->name);
  }
}

/* The bytes that a run with a place of 5 bytes writes after two steps; free() them. */
static unsigned char *state_bytes(bool pairs, bool average, size_t *size) {
  run r;
  gm_error err;
  char place[] = "here";
  run_open(&r, pairs, average, TENSORS);
  run_step(&r, 0);
  run_step(&r, 1);
  r.state.place = place;
  r.state.place_bytes = sizeof place;
  assert_ok(gm_train_state_write(&r.state, path, &err), &err);
  run_close(&r);
  return test_read_file(path, size);
}

/* ---- tests ---- */

static void test_goes_on(void **state) {
  (void)state;
  run whole, stopped, resumed;
  gm_error err;
  char place[] = "epoch 3, batch 9";
  run_open(&whole, true, true, TENSORS);
  run_open(&stopped, true, true, TENSORS);
  run_open(&resumed, true, true, TENSORS);
  for (size_t i = 0; i < 6; i++) run_step(&whole, i);
  for (size_t i = 0; i < 3; i++) run_step(&stopped, i);
  stopped.state.place = place;
  stopped.state.place_bytes = sizeof place;
  assert_ok(gm_train_state_write(&stopped.state, path, &err), &err);
  for (size_t i = 0; i < 2; i++) run_step(&resumed, i + 7); /* what is read replaces it all */
  assert_ok(gm_train_state_read(&resumed.state, path, &err), &err);
  assert_same_runs(&resumed, &stopped);
  assert_int_equal(resumed.state.place_bytes, sizeof place);
  assert_string_equal(resumed.state.place, place);
  free(resumed.state.place);
  for (size_t i = 3; i < 6; i++) run_step(&resumed, i);
  assert_same_runs(&resumed, &whole);
  assert_int_equal(whole.optimiser.skipped, 1);
  run_close(&whole);
  run_close(&stopped);
  run_close(&resumed);
}

/* Parses into a fresh run, which must be refused with these words and stay as it was. */
static void refused(const unsigned char *bytes, size_t size, bool pairs, bool average,
                    size_t tensors, const char *hash, const char *words) {
  run r, before;
  gm_error err = {.message = ""};
  run_open(&r, pairs, average, tensors);
  run_open(&before, pairs, average, tensors);
  r.state.run = hash;
  assert_int_equal(gm_train_state_parse(&r.state, bytes, size, "last.state", &err),
                   GM_ERR_MODEL);
  assert_non_null(strstr(err.message, words));
  assert_null(r.state.place);
  assert_same_runs(&r, &before);
  run_close(&r);
  run_close(&before);
}

static void test_damage(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes = state_bytes(false, false, &size);
  run r, before;
  gm_error err;
  run_open(&r, false, false, TENSORS);
  run_open(&before, false, false, TENSORS);
  for (size_t n = 0; n < size; n++) { /* in memory of its own size, so that overreads show */
    unsigned char *cut = malloc(n + 1);
    memcpy(cut, bytes, n);
    assert_int_equal(gm_train_state_parse(&r.state, cut, n, "last.state", &err), GM_ERR_MODEL);
    assert_non_null(strstr(err.message, "cut short"));
    free(cut);
  }
  for (size_t i = 0; i < size; i++) {
    bytes[i] ^= 0x40;
    assert_int_equal(gm_train_state_parse(&r.state, bytes, size, "last.state", &err),
                     GM_ERR_MODEL);
    bytes[i] ^= 0x40;
  }
  assert_same_runs(&r, &before);
  assert_ok(gm_train_state_parse(&r.state, bytes, size, "last.state", &err), &err);
  free(r.state.place);
  free(bytes);
  run_close(&r);
  run_close(&before);
}

static void seal(unsigned char *bytes, size_t size) {
  gm_put_le(bytes + size - 8, gm_sum64(bytes, size - 8), 8);
}

static void test_others(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes = state_bytes(false, false, &size);
  refused(bytes, size, false, false, TENSORS, other_hash, "another run");
  refused(bytes, size, true, false, TENSORS, run_hash, "wanted 5");
  refused(bytes, size, false, true, TENSORS, run_hash, "without averages");
  refused((const unsigned char *)"GGUF, or so", 11, false, false, TENSORS, run_hash,
          "no training state");
  size_t name_at = 136 + 5 + 4;
  bytes[name_at] = 'b';
  seal(bytes, size);
  refused(bytes, size, false, false, TENSORS, run_hash, "bead.weight where the model has head");
  bytes[name_at] = 'h';
  bytes[name_at + 11 + 4] = 39; /* elements */
  seal(bytes, size);
  refused(bytes, size, false, false, TENSORS, run_hash, "39 weights in training, and 40 now");
  bytes[name_at + 11 + 4] = 40;
  bytes[7] = 2;
  refused(bytes, size, false, false, TENSORS, run_hash, "version 2");
  bytes[7] = 1;
  /* Sums that are right and sizes that are not. */
  for (size_t at = 80; at < 136 + 5 + 4; at++) {
    unsigned char byte = bytes[at];
    bool free_number = at >= 88 && at < 120; /* counts of updates; and the place's own bytes */
    if (free_number || (at >= 136 && at < 141)) continue;
    bytes[at] = 0xFF;
    seal(bytes, size);
    refused(bytes, size, false, false, TENSORS, run_hash, "");
    bytes[at] = byte;
  }
  free(bytes);
}

static void test_full_disk(void **state) {
  (void)state;
  run r;
  gm_error err;
  size_t size, after;
  unsigned char *good = state_bytes(false, false, &size);
  struct rlimit before, small;
  run_open(&r, false, false, TENSORS);
  assert_int_equal(gm_train_state_write(&r.state, "/dev/full", &err), GM_ERR_IO);
  assert_non_null(strstr(err.message, "No space left"));
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = size / 2;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  gm_status status = gm_train_state_write(&r.state, path, &err);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(status, GM_ERR_IO);
  unsigned char *kept = test_read_file(path, &after);
  assert_int_equal(after, size);
  assert_memory_equal(kept, good, size);
  free(kept);
  free(good);
  run_close(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_goes_on),
      cmocka_unit_test(test_damage),
      cmocka_unit_test(test_others),
      cmocka_unit_test(test_full_disk),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
