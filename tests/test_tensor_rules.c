/* test_tensor_rules.c - the list of a model's tensors: names, stored shapes, and the walk over
 * a model file. */
#include "clip_tensors.h"
#include "groma_tensors.h"
#include "model_resolve.h"
#include "support.h"

#include <string.h>

/* ---- names */

static void a_name_is_a_prefix_a_layer_and_a_name(void **state) {
  (void)state;
  char name[GM_MAX_RULE_NAME + 1];
  gm_rule_name(name, "a.%.b.", "weight", 12);
  assert_string_equal(name, "a.12.b.weight");
  gm_rule_name(name, "a.b.", "weight", 12);
  assert_string_equal(name, "a.b.weight");
  gm_rule_name(name, "", "weight", 0);
  assert_string_equal(name, "weight");
}

static void only_whole_names_fit(void **state) {
  (void)state;
  size_t layer = 99;
  assert_true(gm_rule_fits("a.%.b.", "weight", "a.12.b.weight", &layer));
  assert_int_equal(layer, 12);
  assert_true(gm_rule_fits("a.", "weight", "a.weight", &layer));
  assert_int_equal(layer, 0);
  static const char *const others[] = {
      "a..b.weight",    "a.x.b.weight",  "a.12.b.weights",  "a.12.b.weigh",
      "xa.12.b.weight", "a.12.c.weight", "a.12.b.",         "",
      "a.12",           "a.-1.b.weight", "a.12.b.b.weight", "a.%.b.weight"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_false(gm_rule_fits("a.%.b.", "weight", others[i], &layer));
}

/* ---- shapes */

static void check_shape(gm_layout layout, uint32_t n, const size_t *from, uint32_t n_wanted,
                        const size_t *wanted) {
  size_t out[GM_MAX_DIMS];
  assert_int_equal(gm_layout_shape(layout, from, n, out), n_wanted);
  for (uint32_t d = 0; d < GM_MAX_DIMS; d++)
    assert_int_equal(out[d], d < n_wanted ? wanted[d] : 1);
}

/* The shapes that docs/FORMAT.md gives for each layout. */
static void layouts_have_the_shapes_of_the_format(void **state) {
  (void)state;
  const size_t four[] = {8, 5, 3, 2}, two[] = {6, 7};
  check_shape(GM_LAYOUT_SAME, 4, four, 4, four);
  check_shape(GM_LAYOUT_SAME, 1, four, 1, four);
  check_shape(GM_LAYOUT_SAME, 0, four, 1, (const size_t[]){1});
  check_shape(GM_LAYOUT_MATRIX, 4, four, 2, (const size_t[]){8, 30});
  check_shape(GM_LAYOUT_TAPS, 4, four, 4, (const size_t[]){3, 2, 8, 5});
  check_shape(GM_LAYOUT_ALL_BUT_2, 4, (const size_t[]){8, 5, 1, 1}, 2, (const size_t[]){8, 3});
  check_shape(GM_LAYOUT_LAST_2, 4, (const size_t[]){8, 5, 1, 1}, 2, (const size_t[]){8, 2});
  check_shape(GM_LAYOUT_BINS_FIRST, 2, two, 2, two);
  check_shape(GM_LAYOUT_TRANSPOSED, 2, two, 2, (const size_t[]){7, 6});
  check_shape(GM_LAYOUT_MATRIX, 4, (const size_t[]){0, 3, 2, 2}, 2, (const size_t[]){0, 12});
}

/* ---- the walk */

typedef struct walk {
  size_t n, layers, parts[8];
  const char *const *names; /* of parts, NULL after the last */
  size_t stop_after;        /* tensors; 0: never */
} walk;

static gm_status count(void *user, const gm_tensor_rule *rule, size_t layer, const char *name,
                       const gm_tensor *tensor) {
  walk *w = user;
  size_t found, part = 0;
  assert_true(gm_rule_fits(rule->prefix, rule->name, name, &found));
  assert_int_equal(found, layer);
  if (rule->precision == GM_KEEP_F32) assert_int_equal(tensor->type, GM_TYPE_F32);
  if (rule->kind == GM_KIND_VECTOR) assert_int_equal(tensor->n_dims, 1);
  if (rule->kind == GM_KIND_MATRIX) assert_int_equal(tensor->n_dims, 2);
  while (strcmp(w->names[part], rule->part) != 0) assert_non_null(w->names[++part]);
  w->parts[part]++;
  if (strcmp(rule->part, "llm") == 0 && layer + 1 > w->layers) w->layers = layer + 1;
  return ++w->n == w->stop_after ? GM_ERR_CANCELLED : GM_OK;
}

static gm_model_file *open_model(const char *name) {
  gm_error err;
  gm_model_file *file;
  assert_ok(gm_model_file_resolve(&file, name, NULL, NULL, &err), &err);
  return file;
}

/* Every tensor has a rule. Of the language model there are 9 in each layer, and 5 others. */
static void the_walk_meets_all_of_groma(void **state) {
  (void)state;
  static const char *const parts[] = {"llm", "vision", "proposer", "regions", "bridge", NULL};
  gm_model_file *file = open_model("groma-mini");
  gm_tensor_rules rules;
  gm_groma_tensor_rules(&rules, NULL);
  assert_in_range(rules.n, 1, GM_MAX_RULES);
  walk w = {.names = parts};
  assert_int_equal(gm_rules_visit(&rules, file, count, &w), GM_OK);
  assert_int_equal(w.n, gm_model_file_n_tensors(file));
  uint32_t layers;
  gm_error err;
  assert_ok(gm_model_file_u32(file, "groma.llm.layers", 1, 1024, &layers, &err), &err);
  assert_int_equal(w.layers, layers);
  assert_int_equal(w.parts[0], 9 * layers + 5);
  assert_int_equal(w.parts[4], 4);
  assert_true(w.parts[1] > 0 && w.parts[2] > 0 && w.parts[3] > 0);
  gm_model_file_close(file);
}

static void the_walk_meets_all_of_clip(void **state) {
  (void)state;
  static const char *const parts[] = {"vision", "text", NULL};
  gm_model_file *file = open_model("clip-mini");
  gm_tensor_rules rules = {.n = 0};
  gm_clip_tensor_rules(&rules, NULL, true);
  gm_clip_tensor_rules(&rules, NULL, false);
  assert_in_range(rules.n, 1, GM_MAX_RULES);
  walk w = {.names = parts};
  assert_int_equal(gm_rules_visit(&rules, file, count, &w), GM_OK);
  assert_int_equal(w.n, gm_model_file_n_tensors(file));
  assert_true(w.parts[0] > 0 && w.parts[1] > 0);
  gm_model_file_close(file);
}

static void the_walk_stops_where_it_is_told_to(void **state) {
  (void)state;
  static const char *const parts[] = {"llm", "vision", "proposer", "regions", "bridge", NULL};
  gm_model_file *file = open_model("groma-mini");
  gm_tensor_rules rules;
  gm_groma_tensor_rules(&rules, NULL);
  walk w = {.names = parts, .stop_after = 3};
  assert_int_equal(gm_rules_visit(&rules, file, count, &w), GM_ERR_CANCELLED);
  assert_int_equal(w.n, 3);
  gm_model_file_close(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_is_a_prefix_a_layer_and_a_name),
      cmocka_unit_test(only_whole_names_fit),
      cmocka_unit_test(layouts_have_the_shapes_of_the_format),
      cmocka_unit_test(the_walk_meets_all_of_groma),
      cmocka_unit_test(the_walk_meets_all_of_clip),
      cmocka_unit_test(the_walk_stops_where_it_is_told_to),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
