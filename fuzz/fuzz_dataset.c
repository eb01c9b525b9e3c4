/* fuzz_dataset.c - annotation files of every training format. The first byte says which; a
 * sample of each picture that is used must keep the promises of sample.h. */
#include "support.h"

#include "visit.h"

#include <math.h>
#include <string.h>

static const gm_task tasks[7][2] = {
    [GM_DATA_COCO] = {GM_TASK_LOCATE_ALL, GM_TASK_DETECT},
    [GM_DATA_REFCOCO] = {GM_TASK_LOCATE, GM_TASK_DESCRIBE_LONG},
    [GM_DATA_FLICKR] = {GM_TASK_GROUNDED_CAPTION, GM_TASK_DETECT},
    [GM_DATA_VG] = {GM_TASK_DESCRIBE, GM_TASK_DETECT},
    [GM_DATA_GRIT] = {GM_TASK_LOCATE, GM_TASK_LOCATE},
    [GM_DATA_LLAVA] = {GM_TASK_CHAT, GM_TASK_CHAT},
    [GM_DATA_GROMA_INSTRUCT] = {GM_TASK_CHAT, GM_TASK_CHAT},
};

static void tell(void *user, gm_data_fault kind, const char *message) {
  (void)user;
  (void)kind;
  fuzz_check(fuzz_is_text(message, strlen(message)));
}

static size_t count(const char *text, const char *mark) {
  size_t n = 0;
  for (; (text = strstr(text, mark)); text += strlen(mark)) n++;
  return n;
}

static void check_boxes(const gm_rel_box *boxes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    fuzz_check(boxes[i].w > 0 && boxes[i].h > 0 && boxes[i].w <= 1 && boxes[i].h <= 1);
    fuzz_check(boxes[i].cx >= 0 && boxes[i].cy >= 0 && boxes[i].cx <= 1 && boxes[i].cy <= 1);
  }
}

static void check_sample(const gm_sample *s) {
  size_t refer = 0, ground = 0;
  for (size_t i = 0; i < s->n_turns; i++) {
    refer += count(s->turns[i].question, "<refer_box>");
    ground += count(s->turns[i].answer, "<ground_box>");
  }
  fuzz_check(refer == s->n_refer && ground == s->n_ground);
  check_boxes(s->boxes, s->n_boxes);
  check_boxes(s->refer, s->n_refer);
  check_boxes(s->ground, s->n_ground);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  gm_data_set *set;
  gm_data_report report = {.tell = tell};
  const gm_data_rules rules = {.min_score = 0.65};
  const gm_visit_rules visit = {.side = 448, .all_regions = true};
  gm_arena arena = {0};
  if (!size) return 0;
  gm_data_format format = (gm_data_format)(bytes[0] % 7);
  gm_data_spec spec = {.name = "fuzz",
                       .file = (char *)fuzz_file(bytes + 1, size - 1),
                       .images = "images",
                       .format = format,
                       .task = tasks[format][bytes[0] / 7 % 2],
                       .share = 1};
  if (gm_data_set_load(&set, &spec, &rules, &report, NULL) != GM_OK) return 0;
  for (size_t i = 0; i < set->n_pictures; i++) {
    gm_sample sample;
    gm_rng rng = gm_visit_rng(i, (gm_visit){0, (uint32_t)i, 0});
    fuzz_check(gm_visit_sample(&sample, set, i, &visit, &rng, &arena, NULL) == GM_OK);
    check_sample(&sample);
    fuzz_check(gm_visit_another(set, i, &rng) < set->n_pictures);
  }
  gm_arena_free(&arena);
  gm_data_set_free(set);
  return 0;
}
