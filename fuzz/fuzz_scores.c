/* fuzz_scores.c - the files of the benchmarks: annotations, a form feed, then refs or answers.
 * The first byte says of which benchmark;
 * c: a chat's questions, then answers, contexts, references or a judge's reply;
 * p: annotations, refs, absent phrases and answers about them. */
#include "support.h"

#include "box_scores.h"
#include "caption_tokens.h"
#include "chat_judge.h"
#include "presence_scores.h"
#include "rec.h"
#include "region_captions.h"

#include <stdlib.h>
#include <string.h>

static void check_figures(const score_report *report) {
  for (size_t i = 0; i < report->n_figures; i++) {
    double v = report->figures[i].value;
    fuzz_check(v == -1 || (v >= 0 && v <= 1));
  }
}

static void check_rec(const score_file *coco, const score_file *second, bool refs) {
  rec_set rec;
  rec_figures figures;
  score_answers answers = {0};
  if (rec_set_read(&rec, coco, refs ? second : NULL, NULL, NULL) == GM_OK &&
      (refs || score_answers_read(&answers, second, SCORE_REC, &rec.ids, rec.n, NULL, 0,
                                  NULL) == GM_OK) &&
      rec_score(&figures, &rec, &answers, NULL) == GM_OK)
    fuzz_check(figures.right <= rec.n && figures.mean_iou >= 0 && figures.mean_iou <= 1.000001);
  score_answers_free(&answers);
  rec_set_free(&rec);
}

static void check_boxes(const score_file *coco, const score_file *second, bool classes) {
  score_set set;
  score_report report = {0};
  score_answers answers = {0};
  if (score_set_read(&set, coco, SCORE_BOXES | (classes ? SCORE_CATEGORIES | SCORE_SIZES : 0),
                     NULL) == GM_OK &&
      score_answers_read(&answers, second, classes ? SCORE_DETECTIONS : SCORE_PROPOSALS,
                         &set.image_ids, set.n_images, &set.category_ids, set.n_categories,
                         NULL) == GM_OK &&
      (classes ? lvis_score(&report, &set, &answers, true, NULL)
               : proposals_score(&report, &set, &answers, NULL)) == GM_OK)
    check_figures(&report);
  score_answers_free(&answers);
  score_set_free(&set);
}

static void check_captions(const score_file *coco, const score_file *second) {
  score_set set;
  score_report report = {0};
  score_answers answers = {0};
  char *text = strdup(second->text);
  if (text) caption_clean(text);
  free(text);
  if (score_set_read(&set, coco, SCORE_CAPTIONS, NULL) == GM_OK &&
      score_answers_read(&answers, second, SCORE_CAPTION, &set.image_ids, set.n_images, NULL, 0,
                         NULL) == GM_OK &&
      region_captions_score(&report, &set, &answers, NULL, NULL) == GM_OK)
    for (size_t i = 0; i < 6; i++) fuzz_check(report.figures[i].value >= 0);
  score_answers_free(&answers);
  score_set_free(&set);
}

static void check_chat(const score_file *questions, const score_file *second) {
  chat_set set;
  score_answers answers = {0};
  chat_scores scores = chat_scores_read(second->text);
  fuzz_check(
      (scores.first == -1 && scores.second == -1) ||
      (scores.first >= 1 && scores.first <= 10 && scores.second >= 1 && scores.second <= 10));
  if (chat_set_read(&set, questions, NULL, NULL, NULL) == GM_OK)
    (void)score_answers_read(&answers, second, SCORE_CHAT, &set.ids, set.n, NULL, 0, NULL);
  score_answers_free(&answers);
  chat_set_free(&set);
  (void)chat_set_read(&set, questions, second, NULL, NULL);
  chat_set_free(&set);
  (void)chat_set_read(&set, questions, NULL, second, NULL);
  chat_set_free(&set);
}

static void check_presence(const score_file *coco, char *rest) {
  char *absent_text = strchr(rest, '\f'), *text;
  if (!absent_text) return;
  *absent_text++ = 0;
  if (!(text = strchr(absent_text, '\f'))) return;
  *text++ = 0;
  const score_file refs = {"refs", rest}, absent = {"absent", absent_text},
                   given = {"answers", text};
  presence_set set;
  score_answers answers = {0};
  score_report report = {0};
  if (presence_set_read(&set, coco, &refs, &absent, 0, NULL) == GM_OK &&
      score_answers_read(&answers, &given, SCORE_PRESENCE, &set.ids, set.n, &set.set.image_ids,
                         set.set.n_images, NULL) == GM_OK &&
      presence_score(&report, &set, &answers, 0.5, false, NULL) == GM_OK)
    fuzz_check(report.figures[0].value + report.figures[1].value <= (double)set.n);
  score_answers_free(&answers);
  presence_set_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2) return 0;
  char *text = strndup((const char *)bytes + 1, size - 1),
       *end = text ? strchr(text, '\f') : NULL;
  if (end) {
    *end = 0;
    const score_file coco = {"coco", text}, second = {"second", end + 1};
    int kind = bytes[0] % 5;
    if (bytes[0] == 'c')
      check_chat(&coco, &second);
    else if (bytes[0] == 'p')
      check_presence(&coco, end + 1);
    else if (kind < 2)
      check_rec(&coco, &second, kind == 1);
    else if (kind < 4)
      check_boxes(&coco, &second, kind == 2);
    else
      check_captions(&coco, &second);
  }
  free(text);
  return 0;
}
