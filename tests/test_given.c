/* test_given.c - answers that a conversation is given: what follows them is what follows the
 * model's own. */
#include "scene_support.h"

#include <stdlib.h>
#include <string.h>

static gm_model *mini;

static int open_model(void **state) {
  (void)state;
  mini = test_model("groma-mini", NULL, NULL);
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_free(mini);
  return 0;
}

static const char PICTURE[] = "world/scenes/images/000.png";
static const char FIRST[] = "Give me a concise description of the image.",
                  SECOND[] = "Where is the snowman?", THIRD[] = "What is in the picture?";

static gm_chat *begin(gm_scene *scene) {
  gm_error err;
  gm_chat *chat;
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  return chat;
}

static gm_answer *ask(gm_chat *chat, const char *question, const gm_ask_params *params) {
  gm_error err;
  gm_answer *answer;
  assert_ok(gm_chat_ask(chat, question, params, NULL, &answer, &err), &err);
  return answer;
}

static gm_answer *give(gm_chat *chat, const char *question, const gm_given *given) {
  gm_error err;
  gm_answer *answer;
  assert_ok(gm_chat_give(chat, question, NULL, given, NULL, &answer, &err), &err);
  return answer;
}

/* To the last bit: how sure the model was comes from the logits. */
static void assert_same_bits(const gm_answer *a, const gm_answer *b) {
  assert_same_answer(a, b);
  for (size_t i = 0; i < a->n_groundings; i++) {
    gm_grounding x = answer_grounding(a, i), y = answer_grounding(b, i);
    assert_memory_equal(&x.present, &y.present, sizeof x.present);
  }
}

/* The words and phrases of an answer, as JSON has them. */
typedef struct written {
  gm_given given;
  gm_given_phrase phrases[16];
  int32_t regions[16][8];
} written;

static void write_down(written *w, const gm_answer *answer) {
  *w = (written){.given = {.struct_size = sizeof w->given,
                           .text = answer->text,
                           .phrases = w->phrases,
                           .n_phrases = answer->n_groundings}};
  assert_in_range(answer->n_groundings, 1, 16);
  for (size_t i = 0; i < answer->n_groundings; i++) {
    gm_grounding g = answer_grounding(answer, i);
    assert_in_range(g.n_regions, 1, 8);
    for (size_t r = 0; r < g.n_regions; r++)
      w->regions[i][r] = answer_region(answer, i, r).index;
    w->phrases[i] = (gm_given_phrase){.struct_size = sizeof *w->phrases,
                                      .span_begin = g.span_begin,
                                      .span_end = g.span_end,
                                      .regions = w->regions[i],
                                      .n_regions = g.n_regions};
  }
}

/* After `given` stands for `said`, greedy and sampled turns are the same. */
static void check_what_follows(gm_scene *scene, const gm_answer *said, const gm_given *given,
                               const gm_answer *const want[2]) {
  const gm_ask_params sampled = {.struct_size = sizeof sampled, .temperature = 1.5F, .seed = 7};
  gm_chat *chat = begin(scene);
  gm_answer *first = give(chat, FIRST, given);
  assert_same_bits(first, said);
  gm_answer *second = ask(chat, SECOND, NULL), *third = ask(chat, THIRD, &sampled);
  assert_same_bits(second, want[0]);
  assert_same_bits(third, want[1]);
  gm_answer_free(first);
  gm_answer_free(second);
  gm_answer_free(third);
  gm_chat_free(chat);
}

static void what_follows_is_bit_identical(void **state) {
  (void)state;
  static const char *const pictures[] = {PICTURE, "world/scenes/images/064.jpg",
                                         "world/scenes/images/002.webp"};
  const gm_ask_params sampled = {.struct_size = sizeof sampled, .temperature = 1.5F, .seed = 7};
  for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
    gm_scene *scene = test_scene(mini, pictures[i], NULL);
    gm_chat *chat = begin(scene);
    gm_answer *first = ask(chat, FIRST, NULL), *second = ask(chat, SECOND, NULL),
              *third = ask(chat, THIRD, &sampled);
    const gm_answer *const want[] = {second, third};
    const gm_given raw = {.struct_size = sizeof raw, .text = first->raw, .verbatim = true};
    written w;
    write_down(&w, first);
    check_what_follows(scene, first, &raw, want);
    check_what_follows(scene, first, &w.given, want);
    gm_answer_free(first);
    gm_answer_free(second);
    gm_answer_free(third);
    gm_chat_free(chat);
    gm_scene_free(scene);
  }
}

static void a_cut_answer_stays_cut(void **state) {
  (void)state;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  const gm_ask_params cut = {.struct_size = sizeof cut, .max_tokens = 2};
  gm_chat *chat = begin(scene), *other = begin(scene);
  gm_answer *first = ask(chat, FIRST, &cut);
  assert_false(first->complete);
  const gm_given raw = {.struct_size = sizeof raw, .text = first->raw, .verbatim = true};
  gm_answer *given = give(other, FIRST, &raw);
  assert_same_bits(given, first);
  gm_answer *second = ask(chat, SECOND, NULL), *after = ask(other, SECOND, NULL);
  assert_same_bits(second, after);
  gm_answer *all[] = {first, given, second, after};
  for (size_t i = 0; i < 4; i++) gm_answer_free(all[i]);
  gm_chat_free(chat);
  gm_chat_free(other);
  gm_scene_free(scene);
}

static void other_words_are_read(void **state) {
  (void)state;
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  const char *const texts[] = {"Nothing, I think.", "", "see <r0> <p>a</p> <roi></s>"};
  for (size_t i = 0; i < 3; i++) {
    gm_chat *chat = begin(scene);
    const gm_given words = {.struct_size = sizeof words, .text = texts[i]};
    gm_answer *answer = give(chat, FIRST, &words);
    gm_ids ids = {0};
    assert_ok(gm_llama_encode(mini->groma->prompt->tokenizer, texts[i], strlen(texts[i]), false,
                              &ids, &err),
              &err);
    assert_int_equal(answer->n_ids, ids.n + 1);
    if (ids.n > 0) assert_memory_equal(answer->ids, ids.ids, ids.n * sizeof *ids.ids);
    assert_int_equal(answer->ids[ids.n], mini->groma->prompt->eos);
    assert_string_equal(answer->text, texts[i]); /* tags are plain text */
    assert_int_equal(answer->n_groundings, 0);
    assert_true(answer->complete);
    gm_ids_free(&ids);
    gm_answer_free(answer);
    gm_answer_free(ask(chat, SECOND, NULL));
    gm_chat_free(chat);
  }
  gm_scene_free(scene);
}

static void as_a_request(void **state) {
  (void)state;
  gm_error err;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  gm_chat *chat = begin(scene), *other = begin(scene);
  gm_answer *first = ask(chat, FIRST, NULL), *given;
  written w;
  write_down(&w, first);
  gm_request *request;
  assert_ok(gm_request_give(&request, other, FIRST, NULL, &w.given, NULL, &err), &err);
  memset(w.regions, 0, sizeof w.regions); /* all is copied */
  gm_event event = {.struct_size = sizeof event};
  size_t phrases = 0;
  while (gm_request_next_event(request, -1, &event) == GM_OK && event.type != GM_EVENT_DONE)
    phrases += event.type == GM_EVENT_PHRASE;
  assert_int_equal(phrases, first->n_groundings);
  gm_usage usage = {.struct_size = sizeof usage};
  assert_ok(gm_request_usage(request, &usage), &err);
  assert_int_equal(usage.generated, first->n_ids);
  assert_ok(gm_request_take_answer(request, &given, &err), &err);
  gm_request_free(request);
  assert_same_bits(given, first);
  gm_answer *second = ask(chat, SECOND, NULL), *after = ask(other, SECOND, NULL);
  assert_same_bits(second, after);
  gm_answer *all[] = {first, given, second, after};
  for (size_t i = 0; i < 4; i++) gm_answer_free(all[i]);
  gm_chat_free(chat);
  gm_chat_free(other);
  gm_scene_free(scene);
}

static void refuse(gm_chat *chat, const gm_given *given, const char *words) {
  gm_error err;
  gm_answer *answer;
  assert_int_equal(gm_chat_give(chat, FIRST, NULL, given, NULL, &answer, &err),
                   GM_ERR_ARGUMENT);
  assert_null(answer);
  if (!strstr(err.message, words)) fail_msg("found %s, wanted %s", err.message, words);
}

static void what_is_not_there_is_refused(void **state) {
  (void)state;
  gm_scene *scene = test_scene(mini, PICTURE, NULL);
  gm_chat *chat = begin(scene);
  const int32_t none[] = {0, 90}, never[] = {1 << 20}, negative[] = {-1}, good[] = {0};
  const struct {
    size_t begin, end;
    const int32_t *regions;
    size_t n;
    const char *words;
  } bad[] = {{0, 99, good, 1, "phrase 2: found the span 0 to 99"},
             {5, 4, good, 1, "phrase 2: found the span 5 to 4"},
             {4, 5, good, 1, "whole characters"},
             {2, 3, good, 1, "after the phrase before it"},
             {7, 8, none, 2, "found region 90 in the answer, but this picture has"},
             {7, 8, never, 1, "wanted numbers from 0 to"},
             {7, 8, negative, 1, "found region -1"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gm_given_phrase phrases[] = {{.struct_size = sizeof *phrases, .span_end = 3},
                                 {.struct_size = sizeof *phrases,
                                  .span_begin = bad[i].begin,
                                  .span_end = bad[i].end,
                                  .regions = bad[i].regions,
                                  .n_regions = bad[i].n}};
    const gm_given given = {.struct_size = sizeof given,
                            .text = "one \xc3\xa9 two",
                            .phrases = phrases,
                            .n_phrases = 2};
    refuse(chat, &given, bad[i].words);
  }
  const gm_given_phrase phrase = {.struct_size = sizeof phrase};
  gm_given given = {
      .struct_size = sizeof given, .verbatim = true, .phrases = &phrase, .n_phrases = 1};
  refuse(chat, &given, "found no answer");
  given.text = "a tree</s>";
  refuse(chat, &given, "beside verbatim text");
  given.n_phrases = 0;
  given.text = "a</s> tree";
  refuse(chat, &given, "</s> within the answer");
  given.text = "";
  refuse(chat, &given, "empty answer");

  /* none of them is in the conversation */
  gm_chat *fresh = begin(scene);
  gm_answer *here = ask(chat, FIRST, NULL), *there = ask(fresh, FIRST, NULL);
  assert_same_bits(here, there);
  gm_answer_free(here);
  gm_answer_free(there);
  gm_chat_free(chat);
  gm_chat_free(fresh);
  gm_scene_free(scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_follows_is_bit_identical), cmocka_unit_test(a_cut_answer_stays_cut),
      cmocka_unit_test(other_words_are_read),          cmocka_unit_test(as_a_request),
      cmocka_unit_test(what_is_not_there_is_refused),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}
