/* scene_support.c - see scene_support.h. */
#include "scene_support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

gm_model *test_model(const char *source, const char *type, const gm_model_params *params) {
  gm_error err;
  gm_model *model = NULL;
  if (!type) {
    assert_ok(gm_model_open(&model, source, params, &err), &err);
    return model;
  }
  char path[] = "/tmp/gromatic-test-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  gm_convert_params convert = {.struct_size = sizeof convert, .type = type};
  assert_ok(gm_convert(source, path, &convert, NULL, &err), &err);
  assert_ok(gm_model_open(&model, path, params, &err), &err);
  unlink(path); /* it stays mapped */
  return model;
}

gm_scene *test_scene(gm_model *model, const char *picture, const gm_scene_params *params) {
  gm_error err;
  gm_image *image;
  gm_scene *scene;
  assert_ok(gm_image_open(&image, test_data(picture), NULL, &err), &err);
  assert_ok(gm_scene_create(&scene, model, image, params, NULL, &err), &err);
  gm_image_free(image);
  return scene;
}

static void copy_string(char *out, size_t size, json_t *meta, const char *key) {
  const char *string = json_string_value(json_object_get(meta, key));
  assert_non_null(string);
  assert_true(strlen(string) < size);
  strcpy(out, string);
}

static gm_box pixels_of(json_t *cxcywh, double width, double height) {
  double v[4];
  for (size_t i = 0; i < 4; i++) v[i] = json_number_value(json_array_get(cxcywh, i));
  return (gm_box){(float)((v[0] - v[2] / 2) * width), (float)((v[1] - v[3] / 2) * height),
                  (float)((v[0] + v[2] / 2) * width), (float)((v[1] + v[3] / 2) * height)};
}

void golden_question_open(golden_question *q, const char *name, const char *pictures) {
  *q = (golden_question){0};
  char path[256], image_name[128];
  snprintf(path, sizeof path, "golden/%s.safetensors", name);
  q->values = golden_open(path);
  snprintf(path, sizeof path, "golden/%s.json", name);
  json_t *meta = json_load_file(test_data(path), 0, NULL);
  assert_non_null(meta);
  copy_string(q->question, sizeof q->question, meta, "query");
  copy_string(q->text, sizeof q->text, meta, "generated_text");
  copy_string(image_name, sizeof image_name, meta, "image");
  snprintf(q->picture, sizeof q->picture, "%s/%s", pictures, image_name);
  q->box_score_thres = (float)json_number_value(json_object_get(meta, "box_score_thres"));
  q->n_new = golden_get(q->values, "generated_ids").n;

  gm_error err;
  gm_image *image;
  assert_ok(gm_image_open(&image, test_data(q->picture), NULL, &err), &err);
  json_t *boxes = json_object_get(meta, "refer_cxcywh");
  q->n_boxes = json_array_size(boxes);
  assert_true(q->n_boxes <= 4);
  for (size_t i = 0; i < q->n_boxes; i++)
    q->boxes[i] =
        pixels_of(json_array_get(boxes, i), gm_image_width(image), gm_image_height(image));
  gm_image_free(image);
  json_decref(meta);
}

void golden_question_close(golden_question *q) {
  golden_close(q->values);
}

gm_ask_params golden_ask_params(const golden_question *q) {
  gm_ask_params params = gm_ask_params_default();
  params.verbatim = true;
  params.boxes = q->boxes;
  params.n_boxes = q->n_boxes;
  params.max_tokens = (uint32_t)q->n_new;
  return params;
}

/* ---- the prompt's ids ---- */

static void append(gm_ids *all, const gm_ids *more) {
  for (size_t i = 0; i < more->n; i++)
    assert_int_equal(gm_ids_append(all, more->ids[i], NULL), 0);
}

static void check_prompt_ids(const gm_groma *groma, const golden_question *q) {
  const gm_prompt *prompt = groma->prompt;
  gm_error err;
  gm_question question = {0};
  assert_ok(gm_question_verbatim(&question, prompt, q->question, q->n_boxes, &err), &err);
  gm_ids image = {0}, region = {0}, all = {0};
  assert_ok(gm_llama_encode(groma->tokenizer, "<image>", 7, true, &image, &err), &err);
  assert_ok(gm_llama_encode(groma->tokenizer, "<region>", 8, true, &region, &err), &err);
  append(&all, &prompt->head);
  append(&all, &image);
  append(&all, &prompt->before_regions);
  append(&all, &region);
  append(&all, &prompt->tail);
  append(&all, &question.ids);
  golden_array want = golden_get(q->values, "prompt_ids");
  assert_int_equal(all.n, want.n);
  assert_memory_equal(all.ids, want.data, want.n * sizeof *all.ids);
  gm_ids_free(&all);
  gm_ids_free(&image);
  gm_ids_free(&region);
  gm_question_free(&question);
}

/* ---- logits ---- */

/* Checks the project's parity rule, 1e-3 of the largest; prints the error. */
static void check_logits(golden *values, const char *name, const float *logits) {
  golden_array want = golden_get(values, name);
  const float *w = want.data;
  double error = 0, largest = 0;
  for (size_t i = 0; i < want.n; i++) {
    error = fmax(error, fabs((double)logits[i] - (double)w[i]));
    largest = fmax(largest, fabs((double)w[i]));
  }
  print_message("  %-12s %.2e of %.4g\n", name, error / largest, largest);
  assert_close(logits, w, want.n, 1e-3, name);
}

static gm_status keep_logits(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                             gm_error *err) {
  (void)err;
  (void)i;
  check_logits(user, "logits_last", logits);
  *id = -1;
  *more = false;
  return GM_OK;
}

/* The first position attends only to itself, so <s> alone gives the same. */
static void check_first_logits(gm_compute *c, const gm_groma *groma, golden *values) {
  golden_array want = golden_get(values, "logits_first");
  assert_int_equal(want.n, groma->llama->vocab);
  gm_kv_seq seq = {.shape = groma->kv_shape};
  gm_llama_row row = {NULL, groma->prompt->bos};
  float *logits = calloc(want.n, sizeof *logits);
  assert_non_null(logits);
  gm_llama_run run = {&seq, &row, 1, logits, NULL};
  assert_ok(gm_llama_forward(groma->llama, c, &run, 1, NULL, NULL), c->err);
  check_logits(values, "logits_first", logits);
  free(logits);
  gm_kv_clear(&seq);
}

static void check_last_logits(gm_compute *c, gm_scene *scene, const golden_question *q) {
  const gm_groma *groma = scene->model->groma;
  gm_error *err = c->err;
  gm_question question = {0};
  gm_rel_box *boxes;
  gm_talk talk, *talks[1] = {&talk};
  size_t index[4];
  bool full;
  assert_ok(gm_question_verbatim(&question, groma->prompt, q->question, q->n_boxes, err), err);
  assert_ok(gm_scene_boxes_to_rel(scene, q->boxes, q->n_boxes, &boxes, err), err);
  assert_ok(gm_talk_begin(&talk, scene->encoding, boxes, q->n_boxes, index, err), err);
  assert_int_equal(talk.list.n, golden_get(q->values, "regions_cxcywh").shape[0]);
  assert_ok(gm_pipeline_prepare(c, talks, 1), err);
  assert_ok(gm_talk_ask(&talk, &question, index, err), err);
  assert_int_equal(gm_talk_positions(&talk),
                   *(const int32_t *)golden_get(q->values, "seq_len").data);
  assert_ok(run_talks(c, talks, 1, keep_logits, q->values, &full), err);
  assert_false(full);
  gm_talk_free(&talk);
  free(boxes);
  gm_question_free(&question);
}

/* ---- computing ---- */

static gm_entry entry;

gm_compute *test_enter(gm_model *model, const gm_callbacks *callbacks, gm_error *err) {
  assert_ok(gm_model_enter(model, &entry, callbacks, err), err);
  return entry.c;
}

void test_leave(void) {
  (void)gm_engine_leave(&entry, GM_OK);
}

gm_compute *test_enter_scene(gm_scene *scene, gm_error *err) {
  assert_ok(gm_scene_enter(scene, &entry, NULL, err), err);
  return entry.c;
}

void test_leave_scene(gm_scene *scene) {
  (void)gm_scene_leave(scene, &entry, GM_OK);
}

/* Runs one pass of the talks that are not at rest. */
static gm_status run_pass(gm_compute *c, gm_talk *const *talks, size_t n, bool reading,
                          gm_next_fn next, void *user, bool *resting, bool *full,
                          float *logits) {
  gm_talk *going[64];
  size_t which[64], m = 0, vocab = talks[0]->encoding->groma->llama->vocab;
  assert_true(n <= 64);
  for (size_t i = 0; i < n; i++) {
    if (resting[i] || gm_talk_steps(talks[i]) == reading) continue;
    if (gm_talk_unread(talks[i]) == 0) {
      resting[i] = full[i] = true;
      continue;
    }
    which[m] = i;
    going[m++] = talks[i];
  }
  if (m == 0) return GM_OK;
  GM_TRY(reading ? gm_pipeline_read(c, going, m, logits, NULL, NULL)
                 : gm_pipeline_step(c, going, m, logits));
  for (size_t k = 0; k < m; k++) {
    bool more = false;
    GM_TRY(gm_pipeline_say(talks[which[k]], next, user, which[k], logits + k * vocab, &more,
                           c->err));
    resting[which[k]] = !more;
  }
  return GM_OK;
}

gm_status run_talks(gm_compute *c, gm_talk *const *talks, size_t n, gm_next_fn next, void *user,
                    bool *full) {
  bool resting[64] = {false}, rest = false;
  float *logits = malloc(n * talks[0]->encoding->groma->llama->vocab * sizeof *logits);
  assert_non_null(logits);
  memset(full, 0, n * sizeof *full);
  gm_status status = GM_OK;
  while (!rest && status == GM_OK) {
    bool reading = false;
    for (size_t i = 0; i < n; i++)
      reading = reading || (!resting[i] && !gm_talk_steps(talks[i]));
    status = run_pass(c, talks, n, reading, next, user, resting, full, logits);
    rest = true;
    for (size_t i = 0; i < n; i++) rest = rest && resting[i];
  }
  free(logits);
  return status;
}

/* ---- all of it ---- */

static void check_answer(gm_scene *scene, const golden_question *q) {
  gm_error err;
  gm_chat *chat;
  gm_answer *answer;
  gm_ask_params params = golden_ask_params(q);
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  assert_ok(gm_chat_ask(chat, q->question, &params, NULL, &answer, &err), &err);
  golden_array want = golden_get(q->values, "generated_ids");
  assert_int_equal(answer->n_ids, want.n);
  assert_memory_equal(answer->ids, want.data, want.n * sizeof *answer->ids);
  assert_string_equal(answer->raw, q->text);
  gm_answer_free(answer);
  gm_chat_free(chat);
}

void check_golden_question(gm_model *model, const char *name, const char *pictures) {
  golden_question q;
  golden_question_open(&q, name, pictures);
  check_prompt_ids(model->groma, &q);
  gm_scene_params params = gm_scene_params_default();
  params.box_score_thres = q.box_score_thres;
  gm_scene *scene = test_scene(model, q.picture, &params);
  gm_error err;
  gm_compute *c = test_enter_scene(scene, &err);
  check_first_logits(c, model->groma, q.values);
  check_last_logits(c, scene, &q);
  test_leave_scene(scene);
  check_answer(scene, &q);
  gm_scene_free(scene);
  golden_question_close(&q);
}

void assert_same_answer(const gm_answer *a, const gm_answer *b) {
  assert_string_equal(a->raw, b->raw);
  assert_string_equal(a->text, b->text);
  assert_int_equal(a->n_ids, b->n_ids);
  assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof *a->ids);
  assert_int_equal(a->complete, b->complete);
  assert_int_equal(a->n_groundings, b->n_groundings);
  for (size_t i = 0; i < a->n_groundings; i++) {
    gm_grounding x = answer_grounding(a, i), y = answer_grounding(b, i);
    assert_string_equal(x.phrase, y.phrase);
    assert_int_equal(x.span_begin, y.span_begin);
    assert_int_equal(x.span_end, y.span_end);
    assert_int_equal(x.n_regions, y.n_regions);
    for (size_t r = 0; r < x.n_regions; r++)
      assert_int_equal(answer_region(a, i, r).index, answer_region(b, i, r).index);
  }
}
