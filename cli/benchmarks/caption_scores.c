/* caption_scores.c - see caption_scores.h. */
#include "caption_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An n-gram of a text and how often it occurs there. */
typedef struct gram {
  size_t id;
  double count;
} gram;

typedef struct gram_list {
  gram *grams; /* by id */
  size_t n, total;
} gram_list;

typedef struct scorer {
  const caption_entry *entries;
  size_t n;
  gm_name_table ids; /* n-grams: each word as 6 characters */
  double *df;        /* by id: entries whose references have it */
  size_t n_df;
  gm_error *err;
} scorer;

/* ---- n-grams ---- */

static int by_id(const void *a, const void *b) {
  size_t x = ((const gram *)a)->id, y = ((const gram *)b)->id;
  return (x > y) - (x < y);
}

static size_t gram_id(scorer *s, const int32_t *words, size_t n) {
  char key[6 * CAPTION_GRAMS];
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < 6; k++)
      key[6 * i + k] = (char)('0' + ((uint32_t)words[i] >> (6 * k) & 63));
  return gm_name_table_add(&s->ids, key, 6 * n);
}

static gm_status list_grams(scorer *s, caption_words text, size_t n, gram_list *out) {
  size_t total = text.n >= n ? text.n - n + 1 : 0;
  *out = (gram_list){.grams = calloc(total + 1, sizeof(gram)), .total = total};
  if (!out->grams) return gm_fail_memory(s->err, "n-grams", total);
  for (size_t i = 0; i < total; i++) {
    out->grams[i] = (gram){gram_id(s, text.words + i, n), 1};
    if (out->grams[i].id == GM_NAME_NONE) return gm_fail_memory(s->err, "n-grams", total);
  }
  qsort(out->grams, total, sizeof *out->grams, by_id);
  for (size_t i = 0; i < total; i++) {
    if (out->n && out->grams[out->n - 1].id == out->grams[i].id)
      out->grams[out->n - 1].count++;
    else
      out->grams[out->n++] = out->grams[i];
  }
  return GM_OK;
}

static double count_of(const gram_list *list, size_t id) {
  const gram key = {id, 0}, *found = bsearch(&key, list->grams, list->n, sizeof key, by_id);
  return found ? found->count : 0;
}

/* The grams of the candidate (list 0) and of the references (1 ..). free_lists also after an
 * error. */
static gm_status entry_grams(scorer *s, const caption_entry *e, size_t n, gram_list **out) {
  gm_status status = GM_OK;
  *out = calloc(e->n_references + 1, sizeof **out);
  if (!*out) return gm_fail_memory(s->err, "n-grams", e->n_references);
  for (size_t i = 0; status == GM_OK && i <= e->n_references; i++)
    status = list_grams(s, i ? e->references[i - 1] : e->candidate, n, &(*out)[i]);
  return status;
}

static void free_lists(gram_list *lists, const caption_entry *e) {
  for (size_t i = 0; lists && i <= e->n_references; i++) free(lists[i].grams);
  free(lists);
}

/* ---- BLEU ---- */

/* The candidate's n-grams that are in a reference, each at most as often as there. */
static double matches(const gram_list *lists, size_t n_references) {
  double sum = 0;
  for (size_t i = 0; i < lists[0].n; i++) {
    double most = 0;
    for (size_t r = 1; r <= n_references; r++)
      most = fmax(most, count_of(&lists[r], lists[0].grams[i].id));
    sum += fmin(most, lists[0].grams[i].count);
  }
  return sum;
}

/* The length of the reference that is nearest to the candidate's; of two the shorter. */
static double nearest_length(const caption_entry *e) {
  size_t best = e->references[0].n;
  for (size_t r = 1; r < e->n_references; r++) {
    size_t n = e->references[r].n, c = e->candidate.n;
    size_t far = n > c ? n - c : c - n, least = best > c ? best - c : c - best;
    if (far < least || (far == least && n < best)) best = n;
  }
  return (double)best;
}

static void finish_bleu(double bleu[CAPTION_GRAMS], const double *matched, const double *grams,
                        double length, double reference_length) {
  const double tiny = 1e-15, small = 1e-9; /* coco-caption's guards against zero */
  double product = 1, ratio = (length + tiny) / (reference_length + small);
  for (size_t k = 0; k < CAPTION_GRAMS; k++) {
    product *= (matched[k] + tiny) / (grams[k] + small);
    bleu[k] = pow(product, 1 / (double)(k + 1));
    if (ratio < 1) bleu[k] *= exp(1 - 1 / ratio);
  }
}

/* ---- ROUGE-L ---- */

/* The length of the longest common subsequence; row: [b.n + 1]. */
static size_t common(caption_words a, caption_words b, size_t *row) {
  memset(row, 0, (b.n + 1) * sizeof *row);
  for (size_t i = 0; i < a.n; i++) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= b.n; j++) {
      size_t above = row[j];
      if (a.words[i] == b.words[j - 1])
        row[j] = diagonal + 1;
      else if (row[j - 1] > above)
        row[j] = row[j - 1];
      diagonal = above;
    }
  }
  return row[b.n];
}

/* A text without words counts as one empty word. */
static caption_words or_empty_word(caption_words text) {
  static const int32_t empty_word[] = {-1};
  return text.n ? text : (caption_words){empty_word, 1};
}

static gm_status rouge(const caption_entry *e, double *out, gm_error *err) {
  caption_words candidate = or_empty_word(e->candidate);
  double precision = 0, recall = 0;
  for (size_t r = 0; r < e->n_references; r++) {
    caption_words reference = or_empty_word(e->references[r]);
    size_t *row = calloc(reference.n + 1, sizeof *row);
    if (!row) return gm_fail_memory(err, "a caption", reference.n);
    double length = (double)common(candidate, reference, row);
    free(row);
    precision = fmax(precision, length / (double)candidate.n);
    recall = fmax(recall, length / (double)reference.n);
  }
  const double beta2 = 1.2 * 1.2;
  *out = precision > 0 && recall > 0
             ? (1 + beta2) * precision * recall / (recall + beta2 * precision)
             : 0;
  return GM_OK;
}

/* ---- CIDEr-D ---- */

static gm_status count_entries(scorer *s, size_t n) {
  for (size_t i = 0; i < s->n; i++) {
    const caption_entry *e = &s->entries[i];
    gram_list *lists;
    gm_status status = entry_grams(s, e, n, &lists);
    if (status == GM_OK && s->ids.n > s->n_df) {
      double *grown = realloc(s->df, 2 * s->ids.n * sizeof *grown);
      if (grown) {
        memset(grown + s->n_df, 0, (2 * s->ids.n - s->n_df) * sizeof *grown);
        s->df = grown;
        s->n_df = 2 * s->ids.n;
      } else {
        status = gm_fail_memory(s->err, "n-grams", s->ids.n);
      }
    }
    for (size_t r = 1; status == GM_OK && r <= e->n_references; r++)
      for (size_t k = 0; k < lists[r].n; k++) {
        bool earlier = false;
        for (size_t q = 1; q < r && !earlier; q++)
          earlier = count_of(&lists[q], lists[r].grams[k].id) > 0;
        if (!earlier) s->df[lists[r].grams[k].id]++;
      }
    free_lists(lists, e);
    if (status != GM_OK) return status;
  }
  return GM_OK;
}

static double weight(const scorer *s, const gram *g) {
  double df = s->df[g->id];
  return g->count * (log((double)s->n) - log(df > 1 ? df : 1));
}

static double norm(const scorer *s, const gram_list *list) {
  double sum = 0;
  for (size_t i = 0; i < list->n; i++)
    sum += weight(s, &list->grams[i]) * weight(s, &list->grams[i]);
  return sqrt(sum);
}

/* The cosine of the weights, with the candidate's cut at the reference's. */
static double likeness(const scorer *s, const gram_list *candidate,
                       const gram_list *reference) {
  double sum = 0, norms = norm(s, candidate) * norm(s, reference);
  if (!(norms > 0)) return 0;
  for (size_t i = 0; i < candidate->n; i++) {
    const gram theirs = {candidate->grams[i].id, count_of(reference, candidate->grams[i].id)};
    double w = weight(s, &theirs);
    sum += fmin(weight(s, &candidate->grams[i]), w) * w;
  }
  return sum / norms;
}

static double bigrams(caption_words text) {
  return text.n > 1 ? (double)(text.n - 1) : 0;
}

static double cider_sum(const scorer *s, const caption_entry *e, const gram_list *lists) {
  double sum = 0;
  const double sigma = 6;
  for (size_t r = 1; r <= e->n_references; r++) {
    double d = bigrams(e->candidate) - bigrams(e->references[r - 1]);
    sum += likeness(s, &lists[0], &lists[r]) * exp(-d * d / (2 * sigma * sigma));
  }
  return sum / (double)e->n_references;
}

/* ---- all ---- */

static gm_status score_grams(scorer *s, size_t n, double *matched, double *grams,
                             double *cider) {
  gm_status status = count_entries(s, n);
  for (size_t i = 0; status == GM_OK && i < s->n; i++) {
    const caption_entry *e = &s->entries[i];
    gram_list *lists;
    status = entry_grams(s, e, n, &lists);
    if (status == GM_OK) {
      *matched += matches(lists, e->n_references);
      *grams += (double)lists[0].total;
      *cider += cider_sum(s, e, lists);
    }
    free_lists(lists, e);
  }
  return status;
}

gm_status caption_score(caption_figures *out, const caption_entry *entries, size_t n,
                        gm_error *err) {
  double matched[CAPTION_GRAMS] = {0}, grams[CAPTION_GRAMS] = {0}, cider = 0, rouge_sum = 0;
  double length = 0, reference_length = 0;
  gm_status status = GM_OK;
  *out = (caption_figures){0};
  for (size_t k = 0; status == GM_OK && k < CAPTION_GRAMS; k++) {
    scorer s = {.entries = entries, .n = n, .err = err};
    status = score_grams(&s, k + 1, &matched[k], &grams[k], &cider);
    gm_name_table_free(&s.ids);
    free(s.df);
  }
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    double one;
    status = rouge(&entries[i], &one, err);
    if (status != GM_OK) break;
    rouge_sum += one;
    length += (double)entries[i].candidate.n;
    reference_length += nearest_length(&entries[i]);
  }
  if (status != GM_OK) return status;
  finish_bleu(out->bleu, matched, grams, length, reference_length);
  out->rouge_l = rouge_sum / (double)n;
  out->cider_d = 10 * cider / CAPTION_GRAMS / (double)n;
  return GM_OK;
}
