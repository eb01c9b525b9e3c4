/* engine_support.c - see engine_support.h. */
#include "engine_support.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* ---- the world ---- */

static const char *const pictures[ENGINE_PICTURES] = {
    GM_TEST_DATA "/world/scenes/images/000.png", GM_TEST_DATA "/world/scenes/images/003.png",
    GM_TEST_DATA "/world/scenes/images/006.png"};
/* On every picture; all are 224 x 224 pixels. */
static const gm_box boxes[2] = {{108, 46, 193, 124}, {26, 16, 79, 93}};

void engine_world_open(engine_world *w, const gm_engine_params *params) {
  gm_error err = {0};
  *w = (engine_world){0};
  assert_ok(gm_engine_create(&w->engine, params, &err), &err);
  for (size_t i = 0; i < ENGINE_MODELS; i++) {
    gm_model_params model = gm_model_params_default();
    model.engine = w->engine;
    if (i > 0) model.cache_type_k = model.cache_type_v = "q8_0";
    assert_ok(gm_model_open(&w->models[i], GM_REFERENCE_MINI, &model, &err), &err);
  }
  gm_clip_params clip = gm_clip_params_default();
  clip.engine = w->engine;
  assert_ok(gm_clip_open(&w->clip, NULL, &clip, &err), &err);
  gm_classes_params classes = gm_classes_params_default();
  classes.descriptions = "{\"tree\": [\"a tree.\", \"a green tree.\", \"leaves on a stem.\"],"
                         " \"rabbit\": [\"a rabbit.\"]}";
  assert_ok(gm_classes_create(&w->classes, w->clip, &classes, NULL, &err), &err);
  for (size_t i = 0; i < ENGINE_PICTURES; i++)
    assert_ok(gm_image_open(&w->images[i], pictures[i], NULL, &err), &err);
}

void engine_world_close(engine_world *w) {
  for (size_t m = 0; m < ENGINE_MODELS; m++)
    for (size_t p = 0; p < ENGINE_PICTURES; p++) gm_scene_free(w->scenes[m][p]);
  for (size_t i = 0; i < ENGINE_PICTURES; i++) gm_image_free(w->images[i]);
  gm_classes_free(w->classes);
  gm_clip_free(w->clip);
  for (size_t i = 0; i < ENGINE_MODELS; i++) gm_model_free(w->models[i]);
  gm_engine_free(w->engine);
  *w = (engine_world){0};
}

gm_scene *engine_scene(engine_world *w, size_t model, size_t picture) {
  gm_error err = {0};
  gm_scene **scene = &w->scenes[model][picture];
  if (!*scene)
    assert_ok(gm_scene_create(scene, w->models[model], w->images[picture], NULL, NULL, &err),
              &err);
  return *scene;
}

gm_engine_info engine_info(const engine_world *w) {
  gm_engine_info info = {.struct_size = sizeof info};
  gm_error err = {0};
  assert_ok(gm_engine_get_info(w->engine, &info, &err), &err);
  return info;
}

size_t threads_now(void) {
  DIR *folder = opendir("/proc/self/task");
  assert_non_null(folder);
  size_t n = 0;
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
    n += entry->d_name[0] != '.';
  closedir(folder);
  return n;
}

/* ---- outcomes ---- */

static void add(outcome *o, const void *bytes, size_t n) {
  o->bytes = realloc(o->bytes, o->n + n + 1);
  assert_non_null(o->bytes);
  if (n > 0) memcpy(o->bytes + o->n, bytes, n);
  o->n += n;
}

static void add_string(outcome *o, const char *text) {
  if (text) add(o, text, strlen(text) + 1);
}

static void add_region(outcome *o, const gm_region *region) {
  add(o, &region->box, sizeof region->box);
  add(o, &region->score, sizeof region->score);
  add(o, &region->index, sizeof region->index);
}

void outcome_add_answer(outcome *o, const gm_answer *answer) {
  if (!answer) return;
  add_string(o, answer->text);
  add_string(o, answer->raw);
  add(o, answer->ids, answer->n_ids * sizeof *answer->ids);
  add(o, &answer->complete, sizeof answer->complete);
  for (size_t i = 0; i < answer->n_groundings; i++) {
    gm_grounding grounding = answer_grounding(answer, i);
    add_string(o, grounding.phrase);
    add(o, &grounding.span_begin, sizeof grounding.span_begin);
    add(o, &grounding.span_end, sizeof grounding.span_end);
    for (size_t k = 0; k < grounding.n_regions; k++) {
      gm_region region = answer_region(answer, i, k);
      add_region(o, &region);
    }
  }
}

static void add_ground_result(outcome *o, const gm_ground_result *result) {
  if (!result) return;
  add_string(o, result->raw);
  add(o, &result->margin, sizeof result->margin);
  for (size_t i = 0; i < result->n_regions; i++) {
    gm_region region = ground_region(result, i);
    add_region(o, &region);
  }
}

static void add_classification(outcome *o, const gm_classification *named) {
  if (!named) return;
  add(o, &named->n_crops, sizeof named->n_crops);
  for (size_t i = 0; i < named->n_labels; i++) {
    gm_label label = label_at(named, i);
    add_string(o, label.name);
    add(o, &label.score, sizeof label.score);
    add(o, &label.raw_score, sizeof label.raw_score);
  }
}

static void add_scene(outcome *o, const gm_scene *scene) {
  for (size_t i = 0; scene && i < gm_scene_region_count(scene); i++) {
    gm_region region = scene_region(scene, i);
    add_region(o, &region);
  }
}

void assert_same_outcome(const outcome *found, const outcome *wanted, const char *what,
                         size_t number) {
  if (found->status == wanted->status && found->n == wanted->n &&
      memcmp(found->bytes, wanted->bytes, found->n) == 0)
    return;
  fail_msg("%s: task %zu: found %s, %zu bytes, \"%.40s\"; wanted %s, %zu bytes, \"%.40s\"",
           what, number, gm_status_name(found->status), found->n,
           found->bytes ? found->bytes : "", gm_status_name(wanted->status), wanted->n,
           wanted->bytes ? wanted->bytes : "");
}

void outcome_free(outcome *o) {
  free(o->bytes);
  *o = (outcome){0};
}

/* ---- tasks ---- */

static const char *const phrases[] = {"a tree", "the guitar", "a snowman"};
enum { PHRASES = sizeof phrases / sizeof *phrases };

static gm_ask_params ask_params(const task *t) {
  gm_ask_params ask = gm_ask_params_default();
  ask.max_tokens = 40;
  if (t->kind == TASK_ASK_BOXES) {
    ask.boxes = boxes;
    ask.n_boxes = 1 + t->seed % 2;
  }
  if (t->kind == TASK_ASK_SAMPLED) {
    ask.temperature = 1.5f;
    ask.top_p = 0.95f;
    ask.seed = t->seed;
  }
  return ask;
}

static const char *question_of(const task *t) {
  return t->kind == TASK_ASK_BOXES ? "What is {1}?"
         : t->kind == TASK_CHAT    ? "What else is there?"
                                   : "What is in the picture?";
}

static gm_ground_params ground_params(const task *t) {
  gm_ground_params ground = gm_ground_params_default();
  ground.all = t->kind == TASK_GROUND_ALL;
  ground.free = t->kind == TASK_GROUND_FREE;
  ground.max_det = GM_NONE;
  return ground;
}

static gm_view_params view_params(const task *t) {
  gm_view_params view = gm_view_params_default(GM_METHOD_WCA);
  view.crops = 4;
  view.seed = t->seed;
  return view;
}

static void free_prepared(task *t) {
  gm_chat_free(t->chat);
  gm_view_free(t->view);
  t->chat = NULL;
  t->view = NULL;
}

void task_prepare(engine_world *w, task *t) {
  gm_error err = {0};
  if (t->kind == TASK_CLASSIFY) {
    gm_view_params view = view_params(t);
    assert_ok(gm_view_create(&t->view, w->clip, w->images[t->picture], &view, &err), &err);
  } else if (t->kind != TASK_LABEL && t->kind != TASK_SCENE) {
    (void)engine_scene(w, t->model, t->picture);
  }
  if (t->kind != TASK_CHAT) return;
  gm_answer *answer;
  gm_ask_params ask = ask_params(t);
  ask.boxes = boxes;
  ask.n_boxes = 1;
  assert_ok(gm_chat_create(&t->chat, w->scenes[t->model][t->picture], &err), &err);
  assert_ok(gm_chat_ask(t->chat, "What is {1}?", &ask, NULL, &answer, &err), &err);
  gm_answer_free(answer);
}

gm_status task_submit(const engine_world *w, task *t, const gm_request_params *params,
                      gm_error *err) {
  gm_scene *scene = w->scenes[t->model][t->picture];
  const gm_image *image = w->images[t->picture];
  gm_ask_params ask = ask_params(t);
  gm_ground_params ground = ground_params(t);
  gm_view_params view = view_params(t);
  gm_request **out = &t->request;
  switch (t->kind) {
  case TASK_CAPTION:
    return gm_request_caption(out, scene, &ask, params, err);
  case TASK_ASK_BOXES:
  case TASK_ASK_SAMPLED:
    return gm_request_ask(out, scene, question_of(t), &ask, params, err);
  case TASK_DESCRIBE:
    return gm_request_describe(out, scene, &boxes[t->seed % 2], false, &ask, params, err);
  case TASK_GROUND:
  case TASK_GROUND_ALL:
  case TASK_GROUND_FREE:
    return gm_request_ground(out, scene, phrases, PHRASES, &ground, params, err);
  case TASK_CHAT:
    return gm_request_chat(out, t->chat, question_of(t), &ask, params, err);
  case TASK_CLASSIFY:
    return gm_request_classify(out, t->view, w->classes, NULL, params, err);
  case TASK_LABEL:
    return gm_request_label(out, w->clip, image, boxes, 2, w->classes, &view, NULL, params,
                            err);
  default:
    return gm_request_scene(out, w->models[t->model], image, NULL, params, err);
  }
}

outcome task_end(task *t) {
  outcome o = {0};
  gm_error err = {0};
  assert_true(gm_request_wait(t->request, -1));
  if (t->kind == TASK_SCENE) {
    gm_scene *scene;
    o.status = gm_request_take_scene(t->request, &scene, &err);
    add_scene(&o, scene);
    gm_scene_free(scene);
  } else if (t->kind == TASK_CLASSIFY || t->kind == TASK_LABEL) {
    gm_classification *named[2] = {0};
    size_t n = t->kind == TASK_LABEL ? 2 : 1;
    o.status = gm_request_take_classifications(t->request, named, n, &err);
    for (size_t i = 0; i < n; i++) add_classification(&o, named[i]);
    for (size_t i = 0; i < n; i++) gm_classification_free(named[i]);
  } else if (t->kind >= TASK_GROUND && t->kind <= TASK_GROUND_FREE) {
    gm_ground_result *found[PHRASES];
    o.status = gm_request_take_ground_results(t->request, found, PHRASES, &err);
    for (size_t i = 0; i < PHRASES; i++) add_ground_result(&o, found[i]);
    for (size_t i = 0; i < PHRASES; i++) gm_ground_result_free(found[i]);
  } else {
    gm_answer *answer;
    o.status = gm_request_take_answer(t->request, &answer, &err);
    outcome_add_answer(&o, answer);
    gm_answer_free(answer);
  }
  assert_int_equal(o.status, err.status);
  gm_request_free(t->request);
  t->request = NULL;
  free_prepared(t);
  return o;
}

static gm_status call_for_answer(const engine_world *w, const task *t, gm_answer **answer,
                                 gm_error *err) {
  gm_scene *scene = w->scenes[t->model][t->picture];
  gm_ask_params ask = ask_params(t);
  const char *question = question_of(t);
  if (t->kind == TASK_CAPTION) return gm_caption(scene, &ask, NULL, answer, err);
  if (t->kind == TASK_DESCRIBE)
    return gm_describe(scene, &boxes[t->seed % 2], 1, false, &ask, NULL, answer, err);
  if (t->kind == TASK_CHAT) return gm_chat_ask(t->chat, question, &ask, NULL, answer, err);
  return gm_ask(scene, &question, &ask, 1, NULL, answer, err);
}

outcome task_call(engine_world *w, task *t) {
  outcome o = {0};
  gm_error err = {0};
  task_prepare(w, t);
  if (t->kind == TASK_SCENE) {
    add_scene(&o, engine_scene(w, t->model, t->picture));
  } else if (t->kind == TASK_CLASSIFY) {
    gm_classification *named;
    o.status = gm_classify(t->view, w->classes, NULL, NULL, &named, &err);
    add_classification(&o, named);
    gm_classification_free(named);
  } else if (t->kind == TASK_LABEL) {
    gm_classification *named[2];
    gm_view_params view = view_params(t);
    o.status = gm_label_regions(w->clip, w->images[t->picture], boxes, 2, w->classes, &view,
                                NULL, NULL, named, &err);
    for (size_t i = 0; i < 2; i++) add_classification(&o, named[i]);
    for (size_t i = 0; i < 2; i++) gm_classification_free(named[i]);
  } else if (t->kind >= TASK_GROUND && t->kind <= TASK_GROUND_FREE) {
    gm_ground_result *found[PHRASES];
    gm_ground_params ground = ground_params(t);
    o.status = gm_ground(w->scenes[t->model][t->picture], phrases, PHRASES, &ground, NULL,
                         found, &err);
    for (size_t i = 0; i < PHRASES; i++) add_ground_result(&o, found[i]);
    for (size_t i = 0; i < PHRASES; i++) gm_ground_result_free(found[i]);
  } else {
    gm_answer *answer;
    o.status = call_for_answer(w, t, &answer, &err);
    outcome_add_answer(&o, answer);
    gm_answer_free(answer);
  }
  free_prepared(t);
  return o;
}

outcome task_alone(const task *t, unsigned threads) {
  engine_world w;
  task own = *t;
  gm_engine_params params = gm_engine_params_default();
  params.threads = threads;
  engine_world_open(&w, &params);
  outcome o = task_call(&w, &own);
  engine_world_close(&w);
  return o;
}

void assert_engine_idle(const engine_world *w) {
  gm_engine_info info = engine_info(w);
  assert_int_equal(info.waiting, 0);
  assert_int_equal(info.running, 0);
}

task task_begin(engine_world *w, task_kind kind, const gm_request_params *params) {
  gm_error err = {0};
  task t = {.kind = kind};
  task_prepare(w, &t);
  assert_ok(task_submit(w, &t, params, &err), &err);
  return t;
}

void task_drop(task *t) {
  outcome o = task_end(t);
  outcome_free(&o);
}

void assert_engine_answers(engine_world *w) {
  static outcome first;
  task t = {.kind = TASK_CAPTION};
  outcome now = task_call(w, &t);
  assert_int_equal(now.status, GM_OK);
  if (!first.bytes)
    first = now;
  else
    assert_same_outcome(&now, &first, "the caption", 0);
  if (now.bytes != first.bytes) outcome_free(&now);
}
