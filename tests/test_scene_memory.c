/* test_scene_memory.c - the n-th allocation fails, for every n, from opening a model to the
 * answers: each time the call returns GM_ERR_MEMORY, nothing leaks, and a scene whose question
 * failed answers the next one. The linker replaces the library's allocators by these. */
#include "scene_support.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sanitizers make each try ten times slower: there only every seventh allocation fails. */
#ifdef __SANITIZE_ADDRESS__
enum { STEP = 7 };
#else
enum { STEP = 1 };
#endif

/* ---- allocators that fail when told ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *string);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *string);
int __wrap_asprintf(char **out, const char *format, ...);
void __wrap_free(void *block);

static atomic_long until_failure = -1; /* successes left; negative: never fail */
static atomic_long live;               /* blocks not yet freed */

static bool fails(void) {
  long left = atomic_load(&until_failure);
  if (left < 0) return false;
  if (left > 0) atomic_fetch_sub(&until_failure, 1);
  return left == 0; /* and so does every later one */
}

static void *counted(void *block) {
  if (block) atomic_fetch_add(&live, 1);
  return block;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
  return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size) {
  if (fails()) return NULL;
  void *block = __real_realloc(old, size);
  return old ? block : counted(block);
}

void *__wrap_aligned_alloc(size_t align, size_t size) {
  return fails() ? NULL : counted(__real_aligned_alloc(align, size));
}

char *__wrap_strdup(const char *string) {
  return fails() ? NULL : counted(__real_strdup(string));
}

int __wrap_asprintf(char **out, const char *format, ...) {
  if (fails()) return -1;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(out, format, arguments);
  va_end(arguments);
  if (length >= 0) counted(*out);
  return length;
}

void __wrap_free(void *block) {
  if (block) atomic_fetch_sub(&live, 1);
  __real_free(block);
}

/* ---- tests ---- */

static gm_image *image;
static const gm_box boxes[] = {{108, 46, 193, 124}, {104, 134, 155, 192}};

static int open_image(void **state) {
  (void)state;
  gm_error err;
  assert_ok(gm_image_open(&image, test_data("world/scenes/images/000.png"), NULL, &err), &err);
  return 0;
}

static int close_image(void **state) {
  (void)state;
  gm_image_free(image);
  return 0;
}

static gm_status caption(gm_scene *scene, char *text, size_t size) {
  gm_answer *answer;
  gm_status status = gm_caption(scene, NULL, NULL, &answer, NULL);
  if (status == GM_OK) {
    assert_true(strlen(answer->text) < size);
    strcpy(text, answer->text);
  }
  gm_answer_free(answer);
  return status;
}

static gm_status describe(gm_scene *scene, char *text, size_t size) {
  gm_answer *answers[2];
  gm_status status = gm_describe(scene, boxes, 2, false, NULL, NULL, answers, NULL);
  if (status == GM_OK) {
    assert_true(strlen(answers[1]->text) < size);
    strcpy(text, answers[1]->text);
  }
  gm_answer_free(answers[0]);
  gm_answer_free(answers[1]);
  return status;
}

static gm_status ground(gm_scene *scene, char *text, size_t size) {
  const char *const phrases[] = {"a tree", "a guitar"};
  gm_ground_result *found[2];
  const gm_ground_params params = {.struct_size = sizeof params, .free = true};
  gm_status status = gm_ground(scene, phrases, 2, &params, NULL, found, NULL);
  if (status == GM_OK) {
    assert_true(strlen(found[0]->raw) < size);
    strcpy(text, found[0]->raw);
  }
  gm_ground_result_free(found[0]);
  gm_ground_result_free(found[1]);
  return status;
}

static gm_status two_turns(gm_scene *scene, char *text, size_t size) {
  gm_chat *chat;
  gm_answer *answer = NULL;
  gm_status status = gm_chat_create(&chat, scene, NULL);
  if (status != GM_OK) return status;
  gm_ask_params params = {
      .struct_size = sizeof params, .boxes = boxes, .n_boxes = 1, .max_tokens = 8};
  for (int turn = 0; turn < 2 && status == GM_OK; turn++) {
    gm_answer_free(answer);
    status = gm_chat_ask(chat, "What is {1}?", &params, NULL, &answer, NULL);
    params.boxes++;
  }
  if (status == GM_OK) {
    assert_true(strlen(answer->raw) < size);
    strcpy(text, answer->raw);
  }
  gm_answer_free(answer);
  gm_chat_free(chat);
  return status;
}

/* Fails if the allocators are not in place: then the first try succeeds. */
static void assert_many(long tries) {
  print_message("  %ld allocations failed in turn\n", tries - STEP);
  assert_true(tries > 5 * STEP);
}

typedef gm_status (*question_fn)(gm_scene *scene, char *text, size_t size);

static void opening_a_model(void **state) {
  (void)state;
  gm_status status = GM_ERR_MEMORY;
  long n = 0;
  for (; status != GM_OK; n += STEP) {
    long before = atomic_load(&live);
    gm_model *model;
    atomic_store(&until_failure, n);
    status = gm_model_open(&model, "groma-mini", &SIZED(gm_model_params, .threads = 1), NULL);
    atomic_store(&until_failure, -1);
    assert_true(status == GM_OK || status == GM_ERR_MEMORY);
    assert_true((status == GM_OK) == (model != NULL));
    gm_model_free(model);
    assert_int_equal(atomic_load(&live), before);
  }
  assert_many(n);
}

static void encoding_a_picture(void **state) {
  (void)state;
  gm_status status = GM_ERR_MEMORY;
  long n = 0;
  for (; status != GM_OK; n += STEP) {
    /* a new model, without scratch memory */
    gm_model *model =
        test_model(GM_REFERENCE_MINI, NULL, &SIZED(gm_model_params, .threads = 1));
    long before = atomic_load(&live);
    gm_scene *scene;
    atomic_store(&until_failure, n);
    status = gm_scene_create(&scene, model, image, NULL, NULL, NULL);
    atomic_store(&until_failure, -1);
    assert_true(status == GM_OK || status == GM_ERR_MEMORY);
    gm_scene_free(scene);
    gm_arena_restore(&model->base.engine->compute.arena, (gm_arena_mark){NULL, 0});
    gm_arena_trim(&model->base.engine->compute.arena);
    assert_int_equal(atomic_load(&live), before);
    gm_model_free(model);
  }
  assert_many(n);
}

/* cache: a directory that the first answer fills; NULL: none */
static void asking(question_fn ask, const char *cache) {
  char want[1024], text[1024];
  const gm_model_params params = {.struct_size = sizeof params, .threads = 1, .cache = cache};
  gm_model *model = test_model(GM_REFERENCE_MINI, NULL, &params);
  gm_scene *scene = test_scene(model, "world/scenes/images/000.png", NULL);
  assert_int_equal(ask(scene, want, sizeof want), GM_OK);
  gm_scene_free(scene);
  gm_model_free(model);
  gm_status status = GM_ERR_MEMORY;
  long n = 0;
  for (; status != GM_OK; n += STEP) {
    long before = atomic_load(&live);
    model = test_model(GM_REFERENCE_MINI, NULL, &params);
    scene = test_scene(model, "world/scenes/images/000.png", NULL);
    gm_arena_trim(&model->base.engine->compute.arena); /* so that scratch is allocated again */
    atomic_store(&until_failure, n);
    status = ask(scene, text, sizeof text);
    atomic_store(&until_failure, -1);
    assert_true(status == GM_OK || status == GM_ERR_MEMORY);
    if (n / STEP % 16 == 0 || status == GM_OK) {
      assert_int_equal(ask(scene, text, sizeof text), GM_OK);
      assert_string_equal(text, want);
    }
    gm_scene_free(scene);
    gm_model_free(model);
    assert_int_equal(atomic_load(&live), before);
  }
  assert_many(n);
}

static void captions(void **state) {
  (void)state;
  asking(caption, NULL);
}

static void descriptions(void **state) {
  (void)state;
  asking(describe, NULL);
}

static void descriptions_from_a_cache(void **state) {
  (void)state;
  char cache[] = "/tmp/gromatic-memory-XXXXXX", command[64];
  assert_non_null(mkdtemp(cache));
  asking(describe, cache);
  snprintf(command, sizeof command, "rm -r %s", cache);
  assert_int_equal(system(command), 0);
}

static void groundings(void **state) {
  (void)state;
  asking(ground, NULL);
}

static void conversations(void **state) {
  (void)state;
  asking(two_turns, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opening_a_model),
      cmocka_unit_test(encoding_a_picture),
      cmocka_unit_test(captions),
      cmocka_unit_test(descriptions),
      cmocka_unit_test(descriptions_from_a_cache),
      cmocka_unit_test(groundings),
      cmocka_unit_test(conversations),
  };
  return cmocka_run_group_tests(tests, open_image, close_image);
}
