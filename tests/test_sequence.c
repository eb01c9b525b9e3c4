/* test_sequence.c - training sequences: equal to the reference's ids and labels of stages 2 and
 * 3, and the rules of boxes, cuts and refusals. */
#include "llama_fixture.h"
#include "stage_golden.h"

#include "sequence.h"

#include <stdlib.h>
#include <string.h>

static llama_fixture fixture;
static gm_prompt *prompt;
static golden *coffee; /* the proposer's boxes on that picture */
static gm_proposals proposals;

static int open_fixture(void **state) {
  (void)state;
  gm_error err;
  llama_fixture_open(&fixture, test_data("models/groma-tiny"));
  assert_ok(gm_prompt_create(&prompt, fixture.tokenizer, fixture.vocabulary.n, &err), &err);
  coffee = golden_open("golden/groma-tiny/coffee.safetensors");
  golden_array boxes = golden_get(coffee, "pred_boxes"), scores = golden_get(coffee, "score");
  proposals = (gm_proposals){boxes.data, scores.data, scores.n};
  assert_int_equal(boxes.n, 4 * scores.n);
  return 0;
}

static int close_fixture(void **state) {
  (void)state;
  golden_close(coffee);
  gm_prompt_free(prompt);
  llama_fixture_close(&fixture);
  return 0;
}

static gm_sequence_rule rule_of(bool eos) {
  return (gm_sequence_rule){{0.15f, 0.6f, 100}, eos, false, GM_SEQUENCE_IDS, false};
}

/* ---- the goldens ---- */

static void check_stage(const char *name, bool eos) {
  stage_golden run;
  stage_golden_open(&run, name);
  const gm_sequence_rule rule = rule_of(eos);
  gm_sequence s;
  gm_error err;
  assert_ok(gm_sequence_build(&s, &rule, prompt, &run.sample, &proposals, 0, &err), &err);

  golden_array ids = golden_get(run.values, "input_ids"),
               labels = golden_get(run.values, "labels");
  assert_int_equal(s.n_turns, 3);
  assert_int_equal(s.ids.n, ids.n);
  assert_int_equal(s.labels.n, ids.n);
  for (size_t i = 0; i < ids.n; i++) {
    int32_t label = ((const int32_t *)labels.data)[i];
    assert_int_equal(s.ids.ids[i], ((const int32_t *)ids.data)[i]);
    assert_int_equal(s.labels.ids[i], label == -100 ? -1 : label);
  }

  /* As rows: each label one row before its id, <refer_feat> the vector of the region that was
   * named before it. */
  enum { IMAGE = 256, FIRST = 1000, REGIONS = 5000 };
  gm_ids rows = {0}, targets = {0};
  assert_ok(gm_sequence_rows(&s, prompt, IMAGE, FIRST, REGIONS, &rows, &targets, &err), &err);
  assert_int_equal(rows.n, ids.n - 2 + IMAGE + 2 * s.n_regions);
  assert_int_equal(targets.n, rows.n);
  size_t wanted = 0, vectors = 0;
  for (size_t i = 0; i < rows.n; i++) {
    vectors += rows.ids[i] < 0;
    if (targets.ids[i] < 0) continue;
    wanted++;
    assert_int_equal(rows.ids[i + 1], targets.ids[i]);
  }
  assert_int_equal(wanted, (size_t)stage_golden_number(&run, "targets", 0));
  assert_int_equal(vectors, IMAGE + s.n_regions + 1);
  const int32_t named = 32014 - prompt->region_0; /* the golden's <r..> of the question */
  assert_int_equal(s.features.n, 1);
  assert_int_equal(s.features.ids[0], named);
  bool found = false;
  for (size_t i = 3; i < rows.n; i++)
    if (rows.ids[i - 3] == prompt->roi && rows.ids[i - 1] == prompt->roi_end &&
        rows.ids[i] == -1 - (REGIONS + named))
      found = true;
  assert_true(found);
  gm_ids_free(&rows);
  gm_ids_free(&targets);
  gm_sequence_free(&s);
  stage_golden_close(&run);
}

static void stage2_equals_the_reference(void **state) {
  (void)state;
  check_stage("stage2", false);
}

static void stage3_equals_the_reference(void **state) {
  (void)state;
  check_stage("stage3", true);
}

/* ---- rules ---- */

static const gm_rel_box left = {0.2f, 0.5f, 0.2f, 0.4f}, right = {0.8f, 0.5f, 0.2f, 0.4f},
                        top = {0.5f, 0.1f, 0.2f, 0.1f};

static gm_status build(gm_sequence *s, const gm_sequence_rule *rule, const gm_turn *turns,
                       size_t n_turns, const gm_rel_box *refer, size_t n_refer,
                       const gm_rel_box *ground, size_t n_ground, const gm_proposals *found,
                       uint64_t seed, gm_error *err) {
  const gm_sample sample = {.turns = turns,
                            .n_turns = n_turns,
                            .refer = refer,
                            .n_refer = n_refer,
                            .ground = ground,
                            .n_ground = n_ground};
  return gm_sequence_build(s, rule, prompt, &sample, found, seed, err);
}

/* The region that the k-th index token of the turns names. */
static const gm_rel_box *named(const gm_sequence *s, size_t k) {
  for (size_t i = 0; i < s->ids.n; i++) {
    int32_t index = s->ids.ids[i] - prompt->region_0;
    if (index < 0 || k-- > 0) continue;
    assert_in_range(index, 0, s->n_regions - 1);
    return &s->regions[index];
  }
  fail_msg("there is no such index token");
  return NULL;
}

static void boxes_of_the_sample_are_candidates(void **state) {
  (void)state;
  const gm_turn turns[] = {
      {"What is <roi><refer_box></roi><refer_feat>?", "It."},
      {"Locate <p>it</p> in the image.", "<roi><ground_box><ground_box></roi>"}};
  /* One prediction overlaps the referred box by more than the threshold, one a true box; a weak
   * prediction (under 0.2, over 0.15) lies where another true box is. */
  const gm_rel_box near_left = {0.2f, 0.5f, 0.2f, 0.38f},
                   near_right = {0.8f, 0.5f, 0.2f, 0.38f},
                   near_top = {0.5f, 0.1f, 0.2f, 0.098f};
  const gm_rel_box boxes[] = {near_left, near_right, near_top};
  const float scores[] = {0.9f, 0.8f, 0.18f};
  const gm_proposals found = {boxes, scores, 3};
  const gm_rel_box ground[] = {right, top};
  const gm_sequence_rule rule = rule_of(true);
  gm_sequence s;
  gm_error err;
  assert_ok(build(&s, &rule, turns, 2, &left, 1, ground, 2, &found, 0, &err), &err);
  assert_int_equal(s.n_regions, 3);
  assert_true(gm_rel_box_same(s.regions[0], left));       /* score 1: pushes near_left out */
  assert_true(gm_rel_box_same(s.regions[1], near_right)); /* 0.8: pushes `right` out */
  assert_true(gm_rel_box_same(s.regions[2], top));        /* 0.2: pushes near_top out */
  for (size_t k = 0; k < 3; k++) assert_ptr_equal(named(&s, k), &s.regions[k]);
  gm_sequence_free(&s);
}

static void a_shuffle_keeps_what_is_named(void **state) {
  (void)state;
  const gm_turn turns[] = {{"Locate.", "<roi><ground_box><ground_box><ground_box></roi>"}};
  const gm_rel_box ground[] = {left, right, top};
  gm_sequence_rule rule = rule_of(false);
  rule.shuffle = true;
  bool moved = false;
  for (uint64_t seed = 0; seed < 20; seed++) {
    gm_sequence s;
    gm_error err;
    assert_ok(build(&s, &rule, turns, 1, NULL, 0, ground, 3, &(gm_proposals){0}, seed, &err),
              &err);
    assert_int_equal(s.n_regions, 3);
    for (size_t k = 0; k < 3; k++) assert_true(gm_rel_box_same(*named(&s, k), ground[k]));
    moved = moved || !gm_rel_box_same(s.regions[0], left);
    gm_sequence_free(&s);
  }
  assert_true(moved);
}

static void measuring_hides_boxes_of_answers(void **state) {
  (void)state;
  const gm_turn turns[] = {{"Locate.", "<roi><ground_box><ground_box></roi>"}};
  const gm_rel_box ground[] = {left, right};
  const float score = 0.9f;
  gm_sequence_rule rule = rule_of(false);
  gm_sequence s;
  gm_error err;
  rule.measure = true;
  assert_ok(
      build(&s, &rule, turns, 1, NULL, 0, ground, 2, &(gm_proposals){&top, &score, 1}, 0, &err),
      &err);
  assert_int_equal(s.n_regions, 1);
  assert_true(gm_rel_box_same(s.regions[0], top));
  gm_sequence_free(&s);
}

static void turns_that_do_not_fit_are_left_out(void **state) {
  (void)state;
  const gm_turn turns[] = {{"Locate <p>a</p> in the image.", "<roi><ground_box></roi>"},
                           {"Locate <p>b</p> in the image.", "<roi><ground_box></roi>"}};
  const gm_rel_box ground[] = {left, right};
  gm_sequence_rule rule = rule_of(true);
  gm_sequence one, s;
  gm_error err;
  assert_ok(build(&s, &rule, turns, 2, NULL, 0, ground, 2, &(gm_proposals){0}, 0, &err), &err);
  assert_ok(build(&one, &rule, turns, 1, NULL, 0, ground, 1, &(gm_proposals){0}, 0, &err),
            &err);
  const size_t whole = s.ids.n, first = one.ids.n;
  gm_sequence_free(&s);
  for (rule.max_ids = whole; rule.max_ids >= first; rule.max_ids--) {
    assert_ok(build(&s, &rule, turns, 2, NULL, 0, ground, 2, &(gm_proposals){0}, 0, &err),
              &err);
    bool fits = rule.max_ids == whole;
    assert_int_equal(s.n_turns, fits ? 2 : 1);
    assert_int_equal(s.n_regions, fits ? 2 : 1); /* a turn left out brings no box */
    assert_int_equal(s.ids.n, fits ? whole : first);
    if (!fits) assert_memory_equal(s.ids.ids, one.ids.ids, first * sizeof(int32_t));
    gm_sequence_free(&s);
  }
  assert_ok(build(&s, &rule, turns, 2, NULL, 0, ground, 2, &(gm_proposals){0}, 0, &err), &err);
  assert_int_equal(s.n_turns, 0);
  assert_int_equal(s.ids.n, 0);
  assert_null(s.regions);
  gm_sequence_free(&s);
  gm_sequence_free(&one);
}

static void white_space_beside_answers_is_dropped(void **state) {
  (void)state;
  const gm_turn plain = {"Why?", "Because so."}, spaced = {"Why?", " \n Because so.\t"};
  for (int eos = 0; eos < 2; eos++) {
    const gm_sequence_rule rule = rule_of(eos);
    gm_sequence a, b;
    gm_error err;
    assert_ok(build(&a, &rule, &plain, 1, NULL, 0, NULL, 0, &proposals, 0, &err), &err);
    assert_ok(build(&b, &rule, &spaced, 1, NULL, 0, NULL, 0, &proposals, 0, &err), &err);
    assert_int_equal(a.ids.n, b.ids.n);
    assert_memory_equal(a.ids.ids, b.ids.ids, a.ids.n * sizeof(int32_t));
    assert_memory_equal(a.labels.ids, b.labels.ids, a.ids.n * sizeof(int32_t));
    gm_sequence_free(&a);
    gm_sequence_free(&b);
  }
}

static void what_has_no_place_is_refused(void **state) {
  (void)state;
  const struct {
    gm_turn turn;
    size_t n_refer, n_ground;
    const char *says;
  } cases[] = {
      {{"What?", "<r3>"}, 0, 0, "<r3> in an answer"},
      {{"What is <image>?", "It."}, 0, 0, "<image> in a question"},
      {{"What?", "It.</s> More."}, 0, 0, "</s> in an answer"},
      {{"What?</s>", "It."}, 0, 0, "</s> in a question"},
      {{"<s>What?", "It."}, 0, 0, "<s> in a question"},
      {{"What is <refer_feat>?", "It."}, 0, 0, "<refer_feat> in a question"},
      {{"Where is <ground_box>?", "It."}, 0, 1, "<ground_box> in a question"},
      {{"Where?", "<roi><refer_box></roi>"}, 1, 0, "<refer_box> in an answer"},
      {{"Where?", "<roi><ground_box></roi>"}, 0, 0, "1 places <ground_box>, but 0"},
      {{"Where?", "<roi><ground_box></roi>"}, 0, 2, "1 places <ground_box>, but 2"},
      {{"What is <roi><refer_box></roi><refer_feat>?", "It."}, 0, 0, "1 places <refer_box>"},
  };
  const gm_rel_box boxes[] = {left, right};
  const gm_sequence_rule rule = rule_of(true);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gm_sequence s;
    gm_error err;
    assert_int_equal(build(&s, &rule, &cases[i].turn, 1, boxes, cases[i].n_refer, boxes,
                           cases[i].n_ground, &proposals, 0, &err),
                     GM_ERR_ARGUMENT);
    if (!strstr(err.message, cases[i].says)) fail_msg("case %zu: %s", i, err.message);
    assert_null(s.ids.ids);
    assert_null(s.regions);
  }
  gm_sequence s;
  gm_error err;
  const gm_turn turn = {"Why?", "So."};
  assert_int_equal(build(&s, &rule, &turn, 1, NULL, 0, NULL, 0, &(gm_proposals){0}, 0, &err),
                   GM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stage2_equals_the_reference),
      cmocka_unit_test(stage3_equals_the_reference),
      cmocka_unit_test(boxes_of_the_sample_are_candidates),
      cmocka_unit_test(a_shuffle_keeps_what_is_named),
      cmocka_unit_test(measuring_hides_boxes_of_answers),
      cmocka_unit_test(turns_that_do_not_fit_are_left_out),
      cmocka_unit_test(white_space_beside_answers_is_dropped),
      cmocka_unit_test(what_has_no_place_is_refused),
  };
  return cmocka_run_group_tests_name("sequence", tests, open_fixture, close_fixture);
}
