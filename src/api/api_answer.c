/* api_answer.c - gm_answer: sampled ids -> text, groundings, raw text. See answers.h. */
#include "answers.h"

#include "present.h"

#include <stdlib.h>
#include <string.h>

/* ---- while it comes ---- */

gm_status gm_answering_begin(gm_answering *a, const gm_asked *asked, gm_talk *talk,
                             const gm_listener *listener, uint64_t turn, gm_error *err) {
  const gm_groma *groma = talk->encoding->groma;
  *a = (gm_answering){.asked = asked, .talk = talk};
  gm_grounded_text_params text = {.tokenizer = groma->tokenizer, .n_regions = talk->list.n};
  if (listener) {
    a->listener = *listener;
    text.text = listener->text;
    text.phrase = listener->phrase;
    text.user = listener->user;
  }
  GM_TRY(gm_grounded_text_begin(&a->parser, &text, err));
  return gm_sampler_init(&a->sampler, &asked->sampling, turn, groma->llama->vocab, err);
}

/* 0: no limit. */
static size_t most_tokens(const gm_answering *a) {
  return a->asked->given.ids.n > 0 ? a->asked->given.ids.n : a->asked->max_tokens;
}

static void report_progress(const gm_answering *a) {
  if (!a->listener.progress) return;
  size_t room = a->talk->encoding->groma->context - gm_talk_positions(a->talk);
  size_t limit = most_tokens(a), most = limit ? limit : a->ids.n + room;
  a->listener.progress(a->listener.user, "generate", (double)a->ids.n / (double)most);
}

gm_status gm_answering_next(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                            gm_error *err) {
  gm_answering *a = user;
  const gm_prompt *prompt = a->talk->encoding->groma->prompt;
  (void)i;
  const gm_ids *given = &a->asked->given.ids;
  *id = given->n > 0 ? given->ids[a->ids.n] : gm_sample(&a->sampler, logits);
  GM_TRY(gm_ids_append(&a->ids, *id, err));
  if (*id >= prompt->region_0 && (size_t)(*id - prompt->region_0) < a->talk->list.n)
    a->parser.present = gm_present_estimate(logits, prompt, a->talk->list.n);
  GM_TRY(gm_grounded_text_push(&a->parser, *id, err));
  a->complete = *id == a->talk->encoding->groma->prompt->eos;
  *more = !a->complete && a->ids.n != most_tokens(a);
  report_progress(a);
  return GM_OK;
}

void gm_answering_free(gm_answering *a) {
  gm_sampler_clear(&a->sampler);
  gm_grounded_text_free(&a->parser);
  gm_ids_free(&a->ids);
  *a = (gm_answering){0};
}

gm_status gm_answering_full(const gm_answering *a, gm_error *err) {
  return gm_fail(
      err, GM_ERR_CONTEXT_FULL,
      "the context of %zu positions is full after %zu tokens of the answer; raise it "
      "(-c), limit the answer (-n) or begin a new conversation",
      a->talk->encoding->groma->context, a->ids.n);
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

static whole_answer *allocate(const gm_answering *a, size_t raw_length, size_t *bytes) {
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

static void fill(whole_answer *w, const gm_answering *a, const gm_text *raw) {
  const gm_grounded_text *g = &a->parser;
  const gm_region_list *list = &a->talk->list;
  for (size_t i = 0; i < g->regions.n; i++) {
    size_t index = (size_t)g->regions.ids[i];
    w->regions[i] = gm_scene_region(a->asked->scene, &list->regions[index], index);
  }
  for (size_t i = 0; i < g->n_phrases; i++) {
    const gm_grounded_phrase *p = &g->phrases[i];
    w->phrases[i].regions = w->regions + p->first_region;
    w->phrases[i].grounding = (gm_grounding){
        .phrase = put_string(w, g->text.bytes + p->begin, p->end - p->begin),
        .span_begin = p->begin,
        .span_end = p->end,
        .n_regions = p->n_regions,
        .present = p->present,
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

gm_status gm_answering_finish(gm_answering *a, gm_answer **out, gm_error *err) {
  gm_text raw = {0};
  *out = NULL;
  if (a->ids.n == 0) return GM_OK;
  gm_status status = gm_grounded_text_finish(&a->parser, err);
  if (status == GM_OK)
    status =
        gm_llama_decode(a->talk->encoding->groma->tokenizer, a->ids.ids, a->ids.n, &raw, err);
  if (status == GM_OK) {
    size_t bytes;
    whole_answer *w = allocate(a, raw.length, &bytes);
    if (w) {
      fill(w, a, &raw);
      *out = &w->answer;
    } else {
      status = gm_fail_memory(err, "the answer", bytes);
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
