/* test_scene_questions.c - many questions to one scene: each answer is the same as alone on a
 * fresh scene; batches, turns, the caller's regions. */
#include "scene_support.h"

#include "sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static gm_model *mini;

static int open_model(void **state) {
  (void)state;
  mini = test_model(GM_REFERENCE_MINI, NULL, NULL);
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_free(mini);
  return 0;
}

/* 224 x 224: two trees, a rabbit, two guitars and a snowman, with boxes from annotations.json
 */
static const char PICTURE[] = "world/scenes/images/000.png";
static const gm_box upper_tree = {108, 46, 193, 124}, lower_tree = {104, 134, 155, 192},
                    rabbit = {26, 16, 79, 93};

static gm_answer *caption_of(gm_scene *scene) {
  gm_error err;
  gm_answer *answer;
  assert_ok(gm_caption(scene, NULL, NULL, &answer, &err), &err);
  return answer;
}

static gm_answer *ask(gm_chat *chat, const char *question, const gm_ask_params *params) {
  gm_error err;
  gm_answer *answer;
  assert_ok(gm_chat_ask(chat, question, params, NULL, &answer, &err), &err);
  return answer;
}

static float iou(gm_box a, gm_box b) {
  float w = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1), h = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1);
  float shared = fmaxf(w, 0) * fmaxf(h, 0);
  return shared / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - shared);
}

/* ---- one after another, and at once ---- */

static void later_questions_equal_a_fresh_scene(void **state) {
  (void)state;
  gm_error err;
  gm_scene *fresh = test_scene(mini, PICTURE, NULL), *used = test_scene(mini, PICTURE, NULL);
  gm_answer *described[1];
  gm_ground_result *found[1];
  const char *const phrases[] = {"a snowman"};
  /* a box first: the image part is computed without the rest of the prefix */
  assert_ok(gm_describe(used, &rabbit, 1, true, NULL, NULL, described, &err), &err);
  assert_ok(gm_ground(used, phrases, 1, NULL, NULL, found, &err), &err);
  gm_answer *first = caption_of(fresh), *later = caption_of(used), *again = caption_of(used);
  assert_same_answer(first, later);
  assert_same_answer(first, again);
  assert_true(first->complete);
  gm_answer_free(first);
  gm_answer_free(later);
  gm_answer_free(again);
  gm_answer_free(described[0]);
  gm_ground_result_free(found[0]);
  gm_scene_free(fresh);
  gm_scene_free(used);
}

/* Eleven boxes: more than one batch, each with a list of regions of its own length. */
static void describing_many_equals_describing_each(void **state) {
  (void)state;
  enum { N = 11 };
  gm_box boxes[N];
  gm_answer *together[N], *alone;
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  for (int i = 0; i < N; i++) {
    float x = (float)(i % 4) * 50, y = (float)(i / 4) * 60;
    boxes[i] = (gm_box){x, y, x + 60 + (float)i, y + 70};
  }
  assert_ok(gm_describe(scene, boxes, N, false, NULL, NULL, together, &err), &err);
  for (int i = 0; i < N; i++) {
    gm_scene *fresh = test_scene(mini, PICTURE, NULL);
    assert_ok(gm_describe(fresh, &boxes[i], 1, false, NULL, NULL, &alone, &err), &err);
    assert_same_answer(together[i], alone);
    gm_answer_free(alone);
    gm_answer_free(together[i]);
    gm_scene_free(fresh);
  }
  gm_scene_free(scene);
}

static void describe_names_what_is_in_the_box(void **state) {
  (void)state;
  gm_error err;
  gm_answer *brief[2], *longer, *chatted;
  const gm_box boxes[] = {rabbit, upper_tree};
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  assert_ok(gm_describe(scene, boxes, 2, false, NULL, NULL, brief, &err), &err);
  assert_string_equal(brief[1]->text, "A tree");
  assert_ok(gm_describe(scene, &upper_tree, 1, true, NULL, NULL, &longer, &err), &err);
  assert_non_null(strstr(longer->text, "tree"));
  assert_true(longer->n_ids > brief[1]->n_ids);
  /* the same as the reference's verbatim question */
  gm_chat *chat;
  gm_ask_params params = {
      .struct_size = sizeof params, .boxes = &upper_tree, .n_boxes = 1, .verbatim = true};
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  chatted = ask(chat, "What is <roi><refer_box></roi><refer_feat>?", &params);
  assert_same_answer(brief[1], chatted);
  gm_answer_free(chatted);
  gm_chat_free(chat);
  gm_answer_free(brief[0]);
  gm_answer_free(brief[1]);
  gm_answer_free(longer);
  gm_scene_free(scene);
}

/* As the reference's question about a box, of groma-mini/describe, has no [grounding]. */
static void a_question_about_a_box_has_no_grounding(void **state) {
  (void)state;
  enum { USUAL, GROUNDED, BARE, VERBATIM, N };
  const gm_box boxes[] = {upper_tree};
  const char *const questions[N] = {"What is {1}?", "What is {1}?", "What is {1}?",
                                    "What is <roi><refer_box></roi><refer_feat>?"};
  gm_ask_params params[N] = {0};
  gm_answer *answers[N];
  gm_error err;
  for (int i = 0; i < N; i++) params[i] = SIZED(gm_ask_params, .boxes = boxes, .n_boxes = 1);
  params[GROUNDED].grounding = true;
  params[BARE].no_grounding = true;
  params[VERBATIM].verbatim = true;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  assert_ok(gm_ask(scene, questions, params, N, NULL, answers, &err), &err);
  assert_same_answer(answers[USUAL], answers[VERBATIM]);
  assert_same_answer(answers[USUAL], answers[BARE]);
  assert_string_equal(answers[USUAL]->text, "A tree");
  assert_string_not_equal(answers[GROUNDED]->raw, answers[USUAL]->raw);
  for (int i = 0; i < N; i++) gm_answer_free(answers[i]);
  gm_scene_free(scene);
}

/* Questions of different lengths, with and without boxes, with their own settings. */
static void asking_many_equals_asking_each(void **state) {
  (void)state;
  enum { N = 10 };
  static const char *const words[] = {
      "How many guitars are there?", "Give me a concise description of the image.",
      "What is {1}?", "Compare {2} with {1}.", "Locate <p>a tree</p> in the image."};
  const gm_box boxes[] = {upper_tree, lower_tree};
  const char *questions[N];
  gm_ask_params params[N];
  gm_answer *together[N], *alone;
  gm_error err;
  for (int i = 0; i < N; i++) {
    questions[i] = words[i % 5];
    params[i] = SIZED(gm_ask_params, .boxes = boxes,
                      .n_boxes = i % 5 == 2   ? 1
                                 : i % 5 == 3 ? 2
                                              : 0,
                      .verbatim = i % 5 == 4, .no_grounding = i % 5 == 2,
                      .max_tokens = 20 + (uint32_t)i);
    if (i >= 5) {
      params[i].temperature = 1.5f;
      params[i].seed = 77;
    }
  }
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  assert_ok(gm_ask(scene, questions, params, N, NULL, together, &err), &err);
  for (int i = 0; i < N; i++) {
    assert_ok(gm_ask(scene, &questions[i], &params[i], 1, NULL, &alone, &err), &err);
    assert_same_answer(together[i], alone);
    gm_answer_free(alone);
    gm_answer_free(together[i]);
  }
  gm_scene_free(scene);
}

/* ---- ground ---- */

static void ground(gm_scene *scene, const char *const *phrases, size_t n,
                   const gm_ground_params *params, gm_ground_result **results) {
  gm_error err;
  assert_ok(gm_ground(scene, phrases, n, params, NULL, results, &err), &err);
}

/* 280 x 320, of groma-mini/locate; the reference's answer is region 2. */
static const char TRUMPETS[] = "world/scenes/images/001.jpg";

static void scores_are_a_distribution(void **state) {
  (void)state;
  gm_scene *scene = test_scene(mini, TRUMPETS, NULL);
  size_t n_regions = gm_scene_region_count(scene);
  const char *const phrases[] = {"a trumpet"};
  gm_ground_result *found, *best;
  ground(scene, phrases, 1, &SIZED(gm_ground_params, .max_det = 100), &found);
  ground(scene, phrases, 1, &SIZED(gm_ground_params, .max_det = 1), &best);
  float sum = 0;
  assert_int_equal(found->n_regions, n_regions);
  for (size_t k = 0; k < n_regions; k++) {
    sum += ground_region(found, k).share;
    if (k > 0) assert_true(ground_region(found, k).score <= ground_region(found, k - 1).score);
  }
  assert_true(fabsf(sum - 1) < 1e-5f); /* some f32 roundings of shares below 1 */
  /* the largest logit of all is the largest among regions too */
  assert_int_equal(ground_region(found, 0).index, 2);
  assert_int_equal(best->n_regions, 1);
  assert_int_equal(ground_region(best, 0).index, 2);
  assert_null(found->raw);
  assert_true(found->present > 0.5f && found->present <= 1);
  assert_int_equal(found->n_left_out, 0);
  assert_int_equal(best->n_left_out, n_regions - 1);
  float second = ground_region(found, 1).score;
  gm_ground_result_free(found);
  gm_ground_result_free(best);
  ground(scene, phrases, 1, &SIZED(gm_ground_params, .min_score = second * 1.01f), &found);
  assert_int_equal(found->n_regions, 1);
  gm_ground_result_free(found);
  gm_scene_free(scene);
}

static void grounding_many_equals_grounding_each(void **state) {
  (void)state;
  enum { N = 19 }; /* more than one batch */
  const char *const words[] = {"a tree", "the snowman", "a guitar of wood", "a"};
  const char *phrases[N];
  for (int i = 0; i < N; i++) phrases[i] = words[i % 4];
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  for (int mode = 0; mode < 3; mode++) {
    const gm_ground_params params = {
        .struct_size = sizeof params, .all = mode == 1, .free = mode == 2};
    gm_ground_result *together[N], *alone;
    ground(scene, phrases, N, &params, together);
    for (int i = 0; i < N; i++) {
      ground(scene, &phrases[i], 1, &params, &alone);
      assert_int_equal(together[i]->n_regions, alone->n_regions);
      for (size_t k = 0; k < alone->n_regions; k++) {
        gm_region a = ground_region(together[i], k), b = ground_region(alone, k);
        assert_int_equal(a.index, b.index);
        /* the same sums in another order, through a softmax */
        assert_true(fabsf(a.score - b.score) < 1e-4f);
      }
      gm_ground_result_free(alone);
      gm_ground_result_free(together[i]);
    }
  }
  gm_scene_free(scene);
}

static void all_instances_once_each(void **state) {
  (void)state;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  const char *const phrases[] = {"a tree"};
  gm_ground_result *found;
  ground(scene, phrases, 1, &SIZED(gm_ground_params, .all = true), &found);
  bool upper = false, lower = false;
  assert_in_range(found->n_regions, 1, 5);
  for (size_t i = 0; i < found->n_regions; i++) {
    gm_region r = ground_region(found, i);
    upper |= iou(r.box, upper_tree) > 0.5f;
    lower |= iou(r.box, lower_tree) > 0.5f;
    assert_true(r.score > 0 && r.score <= 1);
    for (size_t k = 0; k < i; k++) {
      assert_int_not_equal(ground_region(found, k).index, r.index);
      assert_true(ground_region(found, k).score >= r.score);
    }
  }
  assert_true(upper || lower);
  gm_ground_result_free(found);
  /* nothing scores more than 1 */
  ground(scene, phrases, 1, &SIZED(gm_ground_params, .all = true, .min_score = 1.01f), &found);
  assert_int_equal(found->n_regions, 0);
  assert_true(found->n_left_out >= 1);
  gm_ground_result_free(found);
  gm_scene_free(scene);
}

static void free_answers_are_the_references(void **state) {
  (void)state;
  golden_question q;
  golden_question_open(&q, "groma-mini/locate", "world/scenes/images");
  gm_scene *scene = test_scene(mini, q.picture, NULL);
  const char *const phrases[] = {"a trumpet"};
  gm_ground_result *found;
  ground(scene, phrases, 1, &SIZED(gm_ground_params, .free = true), &found);
  assert_string_equal(found->raw, q.text); /* <roi> <r2> </roi> </s> */
  assert_int_equal(found->n_regions, 1);
  assert_int_equal(ground_region(found, 0).index, 2);
  assert_true(found->margin > 0);
  gm_ground_result_free(found);
  gm_scene_free(scene);
  golden_question_close(&q);
}

/* ---- chat ---- */

/* Greedy ids until </s>. */
typedef struct greedy {
  const gm_groma *groma;
  int32_t ids[64];
  size_t n;
} greedy;

static gm_status next_greedy(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                             gm_error *err) {
  (void)err;
  greedy *g = user;
  (void)i;
  *id = g->ids[g->n++] = (int32_t)gm_argmax(logits, g->groma->llama->vocab);
  *more = *id != g->groma->prompt->eos && g->n < 64;
  return GM_OK;
}

static void add_turn(gm_talk *talk, const char *text, size_t n_boxes, const size_t *index,
                     const gm_answer *answer) {
  gm_error err;
  gm_question question = {0};
  bool grounding = n_boxes == 0;
  assert_ok(gm_question_typed(&question, mini->groma->prompt, text, grounding, n_boxes, &err),
            &err);
  assert_ok(gm_talk_ask(talk, &question, index, &err), &err);
  for (size_t i = 0; answer && i < answer->n_ids; i++)
    assert_ok(gm_talk_say(talk, answer->ids[i], &err), &err);
  gm_question_free(&question);
}

/* What the model says after the whole talk, computed at once. */
static void assert_says(gm_scene *scene, gm_talk *talk, const gm_answer *want) {
  gm_error err;
  greedy g = {.groma = mini->groma};
  bool full;
  gm_compute *c = test_enter_scene(scene, &err);
  assert_ok(run_talks(c, &talk, 1, next_greedy, &g, &full), &err);
  test_leave_scene(scene);
  assert_int_equal(g.n, want->n_ids);
  assert_memory_equal(g.ids, want->ids, g.n * sizeof *g.ids);
}

static void prepare(gm_scene *scene, gm_talk *talk) {
  gm_error err;
  gm_compute *c = test_enter_scene(scene, &err);
  assert_ok(gm_pipeline_prepare(c, &talk, 1), &err);
  test_leave_scene(scene);
}

static void a_second_turn_equals_the_whole_at_once(void **state) {
  (void)state;
  gm_error err;
  gm_chat *chat;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  gm_ask_params cut = {.struct_size = sizeof cut,
                       .max_tokens = 2}; /* an answer that does not end with </s> */
  gm_answer *first = ask(chat, "How many guitars are there?", &cut);
  assert_false(first->complete);
  assert_int_equal(first->n_ids, 2);
  gm_answer *second = ask(chat, "Where is the snowman?", NULL);
  gm_answer *third = ask(chat, "How many trees are there?", NULL);

  gm_talk talk;
  assert_ok(gm_talk_begin(&talk, scene->encoding, NULL, 0, NULL, &err), &err);
  prepare(scene, &talk);
  add_turn(&talk, "How many guitars are there?", 0, NULL, first);
  add_turn(&talk, "Where is the snowman?", 0, NULL, second);
  add_turn(&talk, "How many trees are there?", 0, NULL, NULL);
  /* </s> stands once after each: it ends the second answer and was added to the first */
  size_t ends = 0;
  for (size_t i = 0; i < talk.said.n; i++)
    ends += !talk.said.rows[i].vector && talk.said.rows[i].id == mini->groma->prompt->eos;
  assert_int_equal(ends, 2);
  assert_says(scene, &talk, third);
  gm_talk_free(&talk);
  gm_answer_free(first);
  gm_answer_free(second);
  gm_answer_free(third);
  gm_chat_free(chat);
  gm_scene_free(scene);
}

static void a_talk_computes_only_what_is_new(void **state) {
  (void)state;
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  const gm_prompt *prompt = mini->groma->prompt;
  gm_talk talk;
  size_t index[1];
  assert_ok(gm_talk_begin(&talk, scene->encoding, NULL, 0, NULL, &err), &err);
  prepare(scene, &talk);
  size_t prefix = scene->encoding->n_image + 2 * talk.list.n + prompt->tail.n;
  assert_int_equal(talk.seq.n, prefix); /* all from the picture */
  assert_int_equal(scene->encoding->prefix.n, prefix);
  add_turn(&talk, "Where is the snowman?", 0, NULL, NULL);
  greedy g = {.groma = mini->groma};
  gm_talk *talks[] = {&talk};
  bool full;
  gm_compute *c = test_enter_scene(scene, &err);
  assert_ok(run_talks(c, talks, 1, next_greedy, &g, &full), &err);
  test_leave_scene(scene);
  assert_int_equal(talk.seq.n, gm_talk_positions(&talk) - 1); /* all but the last id */

  /* a new box is appended to the list: everything before it stays */
  gm_rel_box *boxes;
  size_t n_before = talk.list.n;
  assert_ok(gm_scene_boxes_to_rel(scene, &rabbit, 1, &boxes, &err), &err);
  assert_ok(gm_talk_refer(&talk, boxes, 1, index, &err), &err);
  assert_int_equal(index[0], n_before);
  assert_int_equal(talk.list.n, n_before + 1);
  assert_int_equal(talk.seq.n, scene->encoding->n_image + 2 * n_before);
  prepare(scene, &talk);
  add_turn(&talk, "What is {1}?", 1, index, NULL);
  /* the same box again keeps its index */
  assert_ok(gm_talk_refer(&talk, boxes, 1, index, &err), &err);
  assert_int_equal(index[0], n_before);
  assert_int_equal(talk.list.n, n_before + 1);
  free(boxes);
  gm_talk_free(&talk);
  gm_scene_free(scene);
}

static void a_box_in_a_later_turn_equals_the_whole_at_once(void **state) {
  (void)state;
  gm_error err;
  gm_chat *chat;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  gm_answer *first = ask(chat, "Where is the snowman?", NULL);
  gm_ask_params params = {.struct_size = sizeof params, .boxes = &upper_tree, .n_boxes = 1};
  gm_answer *second = ask(chat, "What is {1}?", &params);

  gm_talk talk;
  gm_rel_box *boxes;
  size_t index[1];
  assert_ok(gm_scene_boxes_to_rel(scene, &upper_tree, 1, &boxes, &err), &err);
  assert_ok(gm_talk_begin(&talk, scene->encoding, NULL, 0, NULL, &err), &err);
  assert_ok(gm_talk_refer(&talk, boxes, 1, index, &err), &err);
  prepare(scene, &talk);
  add_turn(&talk, "Where is the snowman?", 0, NULL, first);
  add_turn(&talk, "What is {1}?", 1, index, NULL);
  assert_says(scene, &talk, second);
  gm_talk_free(&talk);
  free(boxes);
  gm_answer_free(first);
  gm_answer_free(second);
  gm_chat_free(chat);
  gm_scene_free(scene);
}

/* ---- settings ---- */

static void append_stream(void *user, const char *text, size_t length) {
  gm_text *all = user;
  assert_int_equal(gm_text_append(all, text, length, NULL), GM_OK);
}

static void streamed_text_is_the_answers(void **state) {
  (void)state;
  gm_error err;
  gm_text all = {0};
  gm_callbacks callbacks = {
      .struct_size = sizeof callbacks, .user = &all, .text = append_stream};
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  gm_answer *answer;
  assert_ok(gm_caption(scene, NULL, &callbacks, &answer, &err), &err);
  assert_string_equal(all.bytes, answer->text);
  assert_string_equal(
      answer->text, "A tree, a tree, a snowman, a guitar and a guitar on a white background.");
  gm_grounding last = answer_grounding(answer, answer->n_groundings - 1);
  assert_int_equal(answer->n_groundings, 5);
  assert_string_equal(last.phrase, "a guitar");
  assert_memory_equal(answer->text + last.span_begin, "a guitar", 8);
  assert_int_equal(last.span_end, last.span_begin + 8);
  gm_answer_free(answer);
  gm_text_free(&all);
  gm_scene_free(scene);
}

/* Several pictures are captioned together, with the same text as each alone. */
static void captions_of_several_pictures(void **state) {
  (void)state;
  enum { N = 9 }; /* a batch of eight and one */
  gm_error err;
  gm_scene *scenes[N];
  gm_answer *answers[N];
  for (int i = 0; i < N; i++) {
    static const char *const paths[] = {PICTURE, "world/scenes/images/001.jpg",
                                        "world/scenes/images/003.png"};
    scenes[i] = test_scene(mini, paths[i % 3], NULL);
  }
  for (int run = 0; run < 2; run++) {
    gm_ask_params params = {
        .struct_size = sizeof params, .temperature = run ? 3 : 0, .seed = 7};
    if (run) params.max_tokens = 25;
    gm_text streamed = {0};
    gm_callbacks callbacks = {
        .struct_size = sizeof callbacks, .user = &streamed, .text = append_stream};
    assert_ok(gm_captions(scenes, N, &params, &callbacks, answers, &err), &err);
    assert_int_equal(streamed.length, 0); /* nor for the last, which is a batch by itself */
    for (int i = 0; i < N; i++) {
      gm_answer *alone;
      assert_ok(gm_caption(scenes[i], &params, NULL, &alone, &err), &err);
      assert_same_answer(answers[i], alone);
      gm_answer_free(alone);
      gm_answer_free(answers[i]);
    }
  }
  gm_model *other = test_model(GM_REFERENCE_MINI, NULL, NULL);
  gm_scene *foreign = test_scene(other, PICTURE, NULL), *both[] = {scenes[0], foreign};
  assert_int_equal(gm_captions(both, 2, NULL, NULL, answers, &err), GM_ERR_ARGUMENT);
  assert_null(answers[0]);
  assert_int_equal(gm_captions(both, 0, NULL, NULL, answers, &err), GM_ERR_ARGUMENT);
  gm_scene_free(foreign);
  gm_model_free(other);
  for (int i = 0; i < N; i++) gm_scene_free(scenes[i]);
}

/* Phrases are grounded in groups; the numbers in messages are those of the call. */
static void a_phrase_that_fails_is_named_by_its_number(void **state) {
  (void)state;
  enum { N = 40, LONG = 20000 };
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  const char *phrases[N];
  gm_ground_result *results[N];
  char *words = malloc(LONG + 1); /* more than any context */
  for (size_t i = 0; i < LONG; i++) words[i] = "ab "[i % 3];
  words[LONG] = 0;
  const struct {
    size_t at;
    const char *phrase, *number;
    gm_status status;
  } bad[] = {{34, "", "phrase 35: ", GM_ERR_ARGUMENT},
             {34, words, "phrase 35: ", GM_ERR_CONTEXT_FULL},
             {0, "", "phrase 1: ", GM_ERR_ARGUMENT}};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    for (size_t i = 0; i < N; i++) phrases[i] = i == bad[k].at ? bad[k].phrase : "a tree";
    assert_int_equal(gm_ground(scene, phrases, N, NULL, NULL, results, &err), bad[k].status);
    if (strncmp(err.message, bad[k].number, strlen(bad[k].number)) != 0)
      fail_msg("wanted %s: %s", bad[k].number, err.message);
    for (size_t i = 0; i < N; i++) assert_null(results[i]);
  }
  free(words);
  gm_scene_free(scene);
}

static void sampling_repeats_with_its_seed(void **state) {
  (void)state;
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  gm_answer *answers[3];
  const uint64_t seeds[] = {5, 5, 6};
  for (int i = 0; i < 3; i++) {
    gm_ask_params params = {
        .struct_size = sizeof params, .max_tokens = 40, .temperature = 3, .seed = seeds[i]};
    assert_ok(gm_caption(scene, &params, NULL, &answers[i], &err), &err);
  }
  assert_same_answer(answers[0], answers[1]);
  assert_string_not_equal(answers[0]->raw, answers[2]->raw);
  for (int i = 0; i < 3; i++) gm_answer_free(answers[i]);
  gm_scene_free(scene);
}

static void regions_of_the_callers(void **state) {
  (void)state;
  const gm_box boxes[] = {lower_tree, rabbit, {-20, 200, 30, 300}};
  const float scores[] = {0.5f, 0.9f, 0.7f};
  gm_scene_params params = {
      .struct_size = sizeof params, .regions = boxes, .region_scores = scores, .n_regions = 3};
  gm_scene *scene = test_scene(mini, PICTURE, &params);
  assert_int_equal(gm_scene_region_count(scene), 3);
  const int order[] = {1, 2, 0};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(scene_region(scene, i).index, i);
    assert_true(scene_region(scene, i).score == scores[order[i]]);
  }
  /* clipped to the picture of 224 x 224; 1e-4: some roundings of numbers up to 224 */
  const float clipped[] = {0, 200, 30, 224};
  gm_box second = scene_region(scene, 1).box;
  assert_close(&second.x1, clipped, 4, 1e-6, "the clipped box");
  gm_answer *answer = caption_of(scene);
  assert_true(answer->complete);
  gm_answer_free(answer);
  gm_scene_free(scene);
  params.region_scores = NULL; /* all 1: the order of the list */
  params.max_regions = 2;
  scene = test_scene(mini, PICTURE, &params);
  assert_int_equal(gm_scene_region_count(scene), 2);
  assert_true(iou(scene_region(scene, 0).box, lower_tree) > 0.999f);
  assert_true(iou(scene_region(scene, 1).box, rabbit) > 0.999f);
  gm_scene_free(scene);
}

static void shuffled_regions_are_the_same_regions(void **state) {
  (void)state;
  gm_scene *plain = test_scene(mini, TRUMPETS, NULL);
  gm_scene *shuffled = test_scene(mini, TRUMPETS, &SIZED(gm_scene_params, .shuffle_seed = 1));
  size_t n = gm_scene_region_count(plain);
  assert_int_equal(gm_scene_region_count(shuffled), n);
  bool moved = false;
  for (size_t i = 0; i < n; i++) {
    gm_region a = scene_region(plain, i), b = scene_region(shuffled, i);
    gm_box own;
    assert_memory_equal(&a.box, &b.box, sizeof a.box);
    moved |= a.index != b.index;
    assert_int_equal(gm_scene_region_unclipped(shuffled, b.index, &own), GM_OK);
    own = (gm_box){fmaxf(own.x1, 0), fmaxf(own.y1, 0), fminf(own.x2, 280), fminf(own.y2, 320)};
    assert_memory_equal(&own, &b.box, sizeof own);
  }
  assert_true(moved);
  gm_scene_free(plain);
  gm_scene_free(shuffled);
}

static void appended_boxes_reuse_the_prefix(void **state) {
  (void)state;
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, &SIZED(gm_scene_params, .append_boxes = true));
  gm_rel_box *boxes;
  gm_talk talk;
  size_t index[1];
  assert_ok(gm_scene_boxes_to_rel(scene, &upper_tree, 1, &boxes, &err), &err);
  assert_ok(gm_talk_begin(&talk, scene->encoding, boxes, 1, index, &err), &err);
  assert_int_equal(index[0], scene->encoding->base.n);
  prepare(scene, &talk);
  assert_int_equal(talk.seq.n, scene->encoding->n_image + 2 * scene->encoding->base.n);
  gm_talk_free(&talk);
  free(boxes);
  gm_answer *answer;
  assert_ok(gm_describe(scene, &upper_tree, 1, false, NULL, NULL, &answer, &err), &err);
  assert_string_equal(answer->text, "A tree");
  gm_answer_free(answer);
  gm_scene_free(scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(later_questions_equal_a_fresh_scene),
      cmocka_unit_test(describing_many_equals_describing_each),
      cmocka_unit_test(describe_names_what_is_in_the_box),
      cmocka_unit_test(a_question_about_a_box_has_no_grounding),
      cmocka_unit_test(asking_many_equals_asking_each),
      cmocka_unit_test(scores_are_a_distribution),
      cmocka_unit_test(grounding_many_equals_grounding_each),
      cmocka_unit_test(all_instances_once_each),
      cmocka_unit_test(free_answers_are_the_references),
      cmocka_unit_test(a_second_turn_equals_the_whole_at_once),
      cmocka_unit_test(a_talk_computes_only_what_is_new),
      cmocka_unit_test(a_box_in_a_later_turn_equals_the_whole_at_once),
      cmocka_unit_test(streamed_text_is_the_answers),
      cmocka_unit_test(captions_of_several_pictures),
      cmocka_unit_test(a_phrase_that_fails_is_named_by_its_number),
      cmocka_unit_test(sampling_repeats_with_its_seed),
      cmocka_unit_test(regions_of_the_callers),
      cmocka_unit_test(shuffled_regions_are_the_same_regions),
      cmocka_unit_test(appended_boxes_reuse_the_prefix),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}
