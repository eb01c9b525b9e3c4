/* test_caption_scores.c - captions cut into words, and answers cleaned, against coco-caption's
 * tokenizer and the reference's code (golden/eval). */
#include "support.h"

#include "caption_tokens.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *cases;

static int load(void **state) {
  json_error_t error;
  (void)state;
  cases = json_load_file(GM_TEST_DATA "/golden/eval/captions.json", 0, &error);
  return cases ? 0 : -1;
}

static int unload(void **state) {
  (void)state;
  json_decref(cases);
  return 0;
}

static size_t different; /* captions cut in another way; each is printed */

static void check_tokens(const char *text, const json_t *expected) {
  gm_ids ids = {0};
  gm_name_table words = {0};
  gm_error err = {0};
  assert_ok(caption_tokens(&ids, &words, text, &err), &err);
  bool same = ids.n == json_array_size(expected);
  for (size_t i = 0; same && i < ids.n; i++)
    same = strcmp(words.names[ids.ids[i]], json_string_value(json_array_get(expected, i))) == 0;
  if (!same) {
    char *wanted = json_dumps(expected, JSON_COMPACT);
    print_error("%s\n  wanted %s\n  found ", text, wanted);
    for (size_t i = 0; i < ids.n; i++) print_error(" [%s]", words.names[ids.ids[i]]);
    print_error("\n");
    free(wanted);
    different++;
  }
  gm_ids_free(&ids);
  gm_name_table_free(&words);
}

static void odd_captions_are_cut_alike(void **state) {
  size_t i;
  json_t *entry;
  (void)state;
  assert_true(json_array_size(json_object_get(cases, "tokenize")) > 40);
  json_array_foreach(json_object_get(cases, "tokenize"), i, entry) check_tokens(
      json_string_value(json_object_get(entry, "text")), json_object_get(entry, "tokens"));
  assert_int_equal(different, 0);
}

/* The caption of the image's annotation or, from the end, its result. */
static const char *caption_of(const char *list, json_int_t image, size_t skip) {
  const json_t *entries = json_object_get(cases, list);
  bool last = strcmp(list, "results") == 0;
  for (size_t i = 0, n = json_array_size(entries); i < n; i++) {
    const json_t *e = json_array_get(entries, last ? n - 1 - i : i);
    if (json_integer_value(json_object_get(e, "image_id")) != image || skip--) continue;
    return json_string_value(json_object_get(e, "caption"));
  }
  return NULL;
}

static void captions_of_the_set_are_cut_alike(void **state) {
  size_t i, k;
  json_t *entry, *reference;
  (void)state;
  json_array_foreach(json_object_get(cases, "tokens"), i, entry) {
    json_int_t image = json_integer_value(json_object_get(entry, "image_id"));
    json_array_foreach(json_object_get(entry, "references"), k, reference)
        check_tokens(caption_of("annotations", image, k), reference);
    check_tokens(caption_of("results", image, 0), json_object_get(entry, "candidate"));
  }
  assert_int_equal(i, 63);
  assert_int_equal(different, 0);
}

static void answers_are_cleaned(void **state) {
  size_t i;
  json_t *entry;
  (void)state;
  json_array_foreach(json_object_get(cases, "clean"), i, entry) {
    char *text = strdup(json_string_value(json_object_get(entry, "raw")));
    assert_non_null(text);
    caption_clean(text);
    assert_string_equal(text, json_string_value(json_object_get(entry, "caption")));
    free(text);
  }
  assert_true(i > 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(odd_captions_are_cut_alike),
      cmocka_unit_test(captions_of_the_set_are_cut_alike),
      cmocka_unit_test(answers_are_cleaned),
  };
  return cmocka_run_group_tests(tests, load, unload);
}
