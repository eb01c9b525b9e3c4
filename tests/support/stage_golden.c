/* stage_golden.c - see stage_golden.h. */
#include "stage_golden.h"

#include <stdio.h>

static void read_boxes(json_t *list, gm_rel_box *out, size_t n) {
  assert_int_equal(json_array_size(list), n);
  for (size_t i = 0; i < n; i++) {
    double box[4];
    for (size_t k = 0; k < 4; k++)
      box[k] = json_number_value(json_array_get(json_array_get(list, i), k));
    out[i] = (gm_rel_box){(float)box[0], (float)box[1], (float)box[2], (float)box[3]};
  }
}

void stage_golden_open(stage_golden *s, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "golden/train/%s.json", name);
  s->meta = json_load_file(test_data(path), 0, NULL);
  assert_non_null(s->meta);
  snprintf(path, sizeof path, "golden/train/%s.safetensors", name);
  s->values = golden_open(path);
  json_t *said = json_object_get(s->meta, "turns");
  assert_int_equal(json_array_size(said), 3);
  for (size_t i = 0; i < 3; i++) {
    json_t *turn = json_array_get(said, i);
    s->turns[i] = (gm_turn){json_string_value(json_array_get(turn, 0)),
                            json_string_value(json_array_get(turn, 1))};
  }
  read_boxes(json_object_get(s->meta, "refer_boxes"), s->refer, 1);
  read_boxes(json_object_get(s->meta, "ground_boxes"), s->ground, 3);
  s->sample = (gm_sample){.task = GM_TASK_CHAT,
                          .turns = s->turns,
                          .n_turns = 3,
                          .refer = s->refer,
                          .n_refer = 1,
                          .ground = s->ground,
                          .n_ground = 3};
}

void stage_golden_close(stage_golden *s) {
  golden_close(s->values);
  json_decref(s->meta);
}

double stage_golden_number(const stage_golden *s, const char *key, size_t i) {
  json_t *value = json_object_get(s->meta, key);
  if (json_is_array(value)) value = json_array_get(value, i);
  assert_true(json_is_number(value));
  return json_number_value(value);
}
