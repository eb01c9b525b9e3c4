/* region_captions.c - see region_captions.h. */
#include "region_captions.h"

#include "caption_scores.h"
#include "caption_tokens.h"
#include "meteor.h"

#include <math.h>
#include <stdlib.h>

typedef struct scoring {
  gm_name_table words;
  gm_ids all;           /* the words of all texts, one after another */
  caption_words *texts; /* [n_texts]: words is set when all is complete */
  size_t *begins;       /* [n_texts] */
  size_t n_texts;
  caption_entry *entries;
  size_t n, missing;
} scoring;

static gm_status add_text(scoring *s, const char *text, gm_error *err) {
  size_t begin = s->all.n;
  gm_status status = caption_tokens(&s->all, &s->words, text, err);
  s->begins[s->n_texts] = begin;
  s->texts[s->n_texts++].n = s->all.n - begin;
  return status;
}

/* Cuts the references of each entry, then its candidate. */
static gm_status cut_texts(scoring *s, const score_set *set, const char **candidate,
                           const size_t *first, const size_t *by_image, gm_error *err) {
  gm_status status = GM_OK;
  for (size_t i = 0; status == GM_OK && i < set->n_images; i++) {
    if (first[i] == first[i + 1])
      return gm_fail(err, GM_ERR_ARGUMENT, "the image %s has no caption to compare with",
                     set->image_ids.names[i]);
    s->missing += !candidate[i];
    if (!candidate[i]) continue;
    caption_entry *e = &s->entries[s->n++];
    e->references = s->texts + s->n_texts;
    e->n_references = first[i + 1] - first[i];
    for (size_t k = first[i]; status == GM_OK && k < first[i + 1]; k++)
      status = add_text(s, set->truths[by_image[k]].caption, err);
    if (status == GM_OK) status = add_text(s, candidate[i], err);
  }
  for (size_t i = 0; i < s->n_texts; i++)
    s->texts[i].words = s->texts[i].n ? s->all.ids + s->begins[i] : NULL;
  for (size_t i = 0; i < s->n; i++)
    s->entries[i].candidate = s->entries[i].references[s->entries[i].n_references];
  return status;
}

/* Sorts the references by image: those of image i are by_image[first[i] .. first[i + 1]). */
static void order_references(const score_set *set, size_t *first, size_t *by_image) {
  for (size_t i = 0; i < set->n_truths; i++) first[set->truths[i].image + 1]++;
  for (size_t i = 0; i < set->n_images; i++) first[i + 1] += first[i];
  for (size_t i = set->n_truths; i-- > 0;) by_image[--first[set->truths[i].image + 1]] = i;
  for (size_t i = 0; i < set->n_images; i++) first[i] = first[i + 1];
  first[set->n_images] = set->n_truths;
}

static gm_status report(score_report *out, const scoring *s, const char *meteor_jar,
                        gm_error *err) {
  static const char *const bleu[] = {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"};
  caption_figures figures;
  double meteor = (double)NAN;
  if (s->n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "no entry has an answer");
  gm_status status = caption_score(&figures, s->entries, s->n, err);
  if (status == GM_OK && meteor_jar)
    status = meteor_score(&meteor, meteor_jar, s->entries, s->n, &s->words, err);
  if (status != GM_OK) return status;
  for (int k = 0; k < CAPTION_GRAMS; k++) score_report_add(out, bleu[k], figures.bleu[k]);
  score_report_add(out, "ROUGE-L", figures.rouge_l);
  score_report_add(out, "CIDEr-D", figures.cider_d);
  score_report_add(out, "METEOR", meteor);
  score_report_add_count(out, "entries", s->n);
  score_report_add_count(out, "missing", s->missing);
  return GM_OK;
}

gm_status region_captions_score(score_report *out, const score_set *set,
                                const score_answers *answers, const char *meteor_jar,
                                gm_error *err) {
  size_t n_texts = set->n_truths + set->n_images;
  const char **candidate = calloc(set->n_images + 1, sizeof *candidate);
  size_t *first = calloc(set->n_images + 2, sizeof *first),
         *by_image = calloc(set->n_truths + 1, sizeof *by_image);
  scoring s = {.texts = calloc(n_texts + 1, sizeof *s.texts),
               .begins = calloc(n_texts + 1, sizeof *s.begins),
               .entries = calloc(set->n_images + 1, sizeof *s.entries)};
  gm_status status = candidate && first && by_image && s.texts && s.begins && s.entries
                         ? GM_OK
                         : gm_fail_memory(err, "captions", n_texts);
  if (status == GM_OK) {
    for (size_t i = 0; i < answers->n; i++)
      candidate[answers->items[i].entry] = answers->items[i].caption;
    order_references(set, first, by_image);
    status = cut_texts(&s, set, candidate, first, by_image, err);
  }
  if (status == GM_OK) status = report(out, &s, meteor_jar, err);
  gm_name_table_free(&s.words);
  gm_ids_free(&s.all);
  free(s.texts);
  free(s.begins);
  free(s.entries);
  free(candidate);
  free(first);
  free(by_image);
  return status;
}
