/* api_answer.c - gm_answer: sampled ids -> text, groundings, raw text. See answers.h. */
#include "answers.h"

#include "grounded_text.h"
#include "sampler.h"

#include <stdlib.h>
#include <string.h>

/* An answer while it comes. */
typedef struct answering {
  gm_sampler sampler;
  gm_grounded_text parser;
  gm_ids ids;
  bool complete;
} answering;

typedef struct batch {
  const gm_groma *groma;
  gm_compute *c;
  gm_talk *const *talks;
  const gm_asked *asked;
  answering *items;
  size_t n; /* of talks, asked, items */
} batch;

static void report_progress(const batch *b, const answering *a, size_t i) {
  if (b->n > 1) return;
  size_t room = b->groma->context - gm_talk_positions(b->talks[i]);
  size_t limit = b->asked[i].max_tokens, most = limit ? limit : a->ids.n + room;
  gm_watch_progress(&b->asked[i].scene->watch, (double)a->ids.n / (double)most);
}

static gm_status next(void *user, size_t i, const float *logits, int32_t *id, bool *more) {
  batch *b = user;
  answering *a = &b->items[i];
  *id = gm_sample(&a->sampler, logits);
  GM_TRY(gm_ids_append(&a->ids, *id, b->c->err));
  GM_TRY(gm_grounded_text_push(&a->parser, *id, b->c->err));
  a->complete = *id == b->groma->prompt->eos;
  *more = !a->complete && a->ids.n != b->asked[i].max_tokens;
  report_progress(b, a, i);
  return GM_OK;
}

static gm_status begin(batch *b, const gm_callbacks *callbacks, uint64_t turn) {
  const gm_groma *groma = b->groma;
  for (size_t i = 0; i < b->n; i++) {
    gm_grounded_text_params text = {.tokenizer = groma->tokenizer,
                                    .n_regions = b->talks[i]->list.n};
    if (callbacks && b->n == 1) {
      text.text = callbacks->text;
      text.user = callbacks->user;
    }
    GM_TRY(gm_grounded_text_begin(&b->items[i].parser, &text, b->c->err));
    GM_TRY(gm_sampler_init(&b->items[i].sampler, &b->asked[i].sampling, turn,
                           groma->llama->vocab, b->c->err));
  }
  return GM_OK;
}

static void free_items(batch *b) {
  for (size_t i = 0; i < b->n; i++) {
    gm_sampler_clear(&b->items[i].sampler);
    gm_grounded_text_free(&b->items[i].parser);
    gm_ids_free(&b->items[i].ids);
  }
  free(b->items);
}

/* ---- the result ---- */

typedef struct phrase {
  gm_grounding grounding;
  const gm_region *regions;
} phrase;

/* An answer with its arrays after it in one block, so that it is freed as one. */
typedef struct whole_answer {
  gm_answer answer; /* first: this is what callers have */
  phrase *phrases;
  gm_region *regions;
  int32_t *ids;
  char *strings;
} whole_answer;

static whole_answer *allocate(const answering *a, size_t raw_length, size_t *bytes) {
  const gm_grounded_text *g = &a->parser;
  size_t strings = raw_length + 1 + g->text.length + 1;
  for (size_t i = 0; i < g->n_phrases; i++)
    strings += g->phrases[i].end - g->phrases[i].begin + 1;
  size_t phrases = g->n_phrases * sizeof(phrase);
  size_t regions = g->regions.n * sizeof(gm_region), ids = a->ids.n * sizeof(int32_t);
  *bytes = sizeof(whole_answer) + phrases + regions + ids + strings;
  whole_answer *w = calloc(1, *bytes);
  if (!w) return NULL;
  w->phrases = (phrase *)(w + 1);
  w->regions = (gm_region *)(w->phrases + g->n_phrases);
  w->ids = (int32_t *)(w->regions + g->regions.n);
  w->strings = (char *)(w->ids + a->ids.n);
  return w;
}

static char *put_string(whole_answer *w, const char *bytes, size_t length) {
  char *string = w->strings;
  if (length > 0) memcpy(string, bytes, length);
  w->strings += length + 1;
  return string;
}

static void fill(whole_answer *w, const batch *b, size_t item, const gm_text *raw) {
  const answering *a = &b->items[item];
  const gm_grounded_text *g = &a->parser;
  const gm_region_list *list = &b->talks[item]->list;
  for (size_t i = 0; i < g->regions.n; i++) {
    size_t index = (size_t)g->regions.ids[i];
    w->regions[i] = gm_scene_region(b->asked[item].scene, &list->regions[index], index);
  }
  for (size_t i = 0; i < g->n_phrases; i++) {
    const gm_grounded_phrase *p = &g->phrases[i];
    w->phrases[i].regions = w->regions + p->first_region;
    w->phrases[i].grounding = (gm_grounding){
        .phrase = put_string(w, g->text.bytes + p->begin, p->end - p->begin),
        .span_begin = p->begin,
        .span_end = p->end,
        .n_regions = p->n_regions,
    };
  }
  if (a->ids.n > 0) memcpy(w->ids, a->ids.ids, a->ids.n * sizeof *w->ids);
  w->answer = (gm_answer){
      .struct_size = sizeof w->answer,
      .text = put_string(w, g->text.bytes, g->text.length),
      .raw = put_string(w, raw->bytes, raw->length),
      .n_groundings = g->n_phrases,
      .ids = w->ids,
      .n_ids = a->ids.n,
      .complete = a->complete,
  };
}

static gm_status finish(const batch *b, size_t item, gm_answer **out) {
  answering *a = &b->items[item];
  gm_text raw = {0};
  gm_status status = gm_grounded_text_finish(&a->parser, b->c->err);
  if (status == GM_OK)
    status = gm_llama_decode(b->groma->tokenizer, a->ids.ids, a->ids.n, &raw, b->c->err);
  if (status == GM_OK) {
    size_t bytes;
    whole_answer *w = allocate(a, raw.length, &bytes);
    if (w) {
      fill(w, b, item, &raw);
      *out = &w->answer;
    } else {
      status = gm_fail_memory(b->c->err, "the answer", bytes);
    }
  }
  gm_text_free(&raw);
  return status;
}

gm_status gm_answer_grounding_at(const gm_answer *answer, size_t i, gm_grounding *out) {
  const whole_answer *w = (const whole_answer *)answer;
  if (i >= answer->n_groundings) return GM_ERR_ARGUMENT;
  return GM_STRUCT_WRITE(gm_grounding, out, &w->phrases[i].grounding, NULL);
}

gm_status gm_answer_region_at(const gm_answer *answer, size_t grounding, size_t region,
                              gm_region *out) {
  const whole_answer *w = (const whole_answer *)answer;
  if (grounding >= answer->n_groundings) return GM_ERR_ARGUMENT;
  const phrase *p = &w->phrases[grounding];
  return GM_STRUCT_WRITE_AT(gm_region, out, p->regions, region, p->grounding.n_regions);
}

void gm_answer_free(gm_answer *answer) {
  free(answer); /* the first member of its whole_answer */
}

static gm_status finish_all(const batch *b, gm_answer **answers) {
  gm_status status = GM_OK;
  for (size_t i = 0; i < b->n && status == GM_OK; i++)
    if (b->items[i].ids.n > 0) status = finish(b, i, &answers[i]);
  if (status == GM_OK) return GM_OK;
  for (size_t i = 0; i < b->n; i++) {
    gm_answer_free(answers[i]);
    answers[i] = NULL;
  }
  return status;
}

static gm_status run(batch *b, bool *full, gm_answer **answers) {
  gm_status status = gm_talks_run(b->c, b->talks, b->n, next, b, full);
  if (status != GM_OK && status != GM_ERR_CANCELLED) return status;
  GM_TRY(finish_all(b, answers));
  size_t context = b->groma->context;
  for (size_t i = 0; i < b->n && status == GM_OK; i++)
    if (full[i])
      status = gm_fail(b->c->err, GM_ERR_CONTEXT_FULL,
                       "the context of %zu positions is full after %zu tokens of the answer; "
                       "raise it (-c), limit the answer (-n) or begin a new conversation",
                       context, b->items[i].ids.n);
  return status;
}

gm_status gm_answer_talks(gm_compute *c, gm_talk *const *talks, size_t n, const gm_asked *asked,
                          const gm_callbacks *callbacks, uint64_t turn, gm_answer **answers) {
  batch b = {asked[0].scene->model->groma, c, talks, asked, calloc(n, sizeof *b.items), n};
  bool *full = calloc(n, sizeof *full);
  gm_status status;
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  if (!b.items || !full) {
    status = gm_fail_memory(c->err, "the answers", n * sizeof *b.items);
    b.n = b.items ? n : 0;
  } else {
    status = begin(&b, callbacks, turn);
    if (status == GM_OK) status = run(&b, full, answers);
  }
  free_items(&b);
  free(full);
  return status;
}
