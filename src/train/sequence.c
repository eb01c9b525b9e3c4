/* sequence.c - see sequence.h. */
#include "sequence.h"

#include "checked.h"
#include "utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Scores of boxes that come from the sample. */
static const float REFER_SCORE = 1.0f, GROUND_SCORE = 0.2f;

enum { QUESTION = -1, ANSWER = 0 }; /* what a label is until marks are filled in */

typedef struct builder {
  gm_sequence *out;
  const gm_sequence_rule *rule;
  const gm_prompt *prompt;
  const gm_sample *sample;
  gm_error *err;
  int32_t ground_box;
  size_t first;             /* id of the first turn */
  size_t n_refer, n_ground; /* marks in the turns that fitted */
} builder;

/* ---- text ---- */

/* The answer without white space at its ends. */
static gm_status append_answer(gm_text *text, const char *answer, gm_error *err) {
  size_t begin = 0, end = strlen(answer);
  gm_trim_left(answer, &begin, end);
  gm_trim_right(answer, begin, &end);
  if (begin == end) return GM_OK;
  GM_TRY(gm_text_append_string(text, " ", err));
  return gm_text_append(text, answer + begin, end - begin, err);
}

static gm_status append_question(const builder *b, gm_text *text, const char *question) {
  GM_TRY(gm_text_append_string(text, b->rule->eos ? "USER: " : " USER: ", b->err));
  GM_TRY(gm_text_append_string(text, question, b->err));
  return gm_text_append_string(text, " ASSISTANT:", b->err);
}

static gm_status append_end(const builder *b, gm_text *text) {
  return b->rule->eos ? gm_text_append_string(text, "</s>", b->err) : GM_OK;
}

static gm_status encode(const builder *b, const gm_text *text, gm_ids *ids) {
  ids->n = 0;
  return gm_llama_encode(b->prompt->tokenizer, text->bytes, text->length, true, ids, b->err);
}

static gm_status label_up_to(const builder *b, size_t n, int32_t label) {
  while (b->out->labels.n < n) GM_TRY(gm_ids_append(&b->out->labels, label, b->err));
  return GM_OK;
}

/* Takes the turn if the text with it fits. ids is scratch. */
static gm_status add_turn(const builder *b, gm_text *text, gm_ids *ids, bool *fits) {
  gm_sequence *out = b->out;
  const gm_turn *turn = &b->sample->turns[out->n_turns];
  GM_TRY(append_question(b, text, turn->question));
  GM_TRY(encode(b, text, ids));
  const size_t begin = ids->n;
  GM_TRY(append_answer(text, turn->answer, b->err));
  GM_TRY(append_end(b, text));
  GM_TRY(encode(b, text, ids));
  *fits = ids->n <= b->rule->max_ids;
  if (!*fits) return GM_OK;
  gm_ids swap = out->ids;
  out->ids = *ids;
  *ids = swap;
  GM_TRY(label_up_to(b, begin, QUESTION));
  GM_TRY(label_up_to(b, out->ids.n, ANSWER));
  out->n_turns++;
  return GM_OK;
}

static gm_status read_turns(builder *b) {
  gm_text text = {0};
  gm_ids ids = {0};
  bool fits = true;
  gm_status status = gm_prompt_append_greeting(&text, b->err);
  if (status == GM_OK) status = append_end(b, &text);
  if (status == GM_OK) status = encode(b, &text, &ids);
  b->first = ids.n;
  while (status == GM_OK && fits && b->out->n_turns < b->sample->n_turns)
    status = add_turn(b, &text, &ids, &fits);
  gm_text_free(&text);
  gm_ids_free(&ids);
  return status;
}

/* ---- marks ---- */

static bool is_control(const builder *b, int32_t id) {
  return gm_llama_token_is_added(b->prompt->tokenizer, id) || id == b->prompt->bos ||
         id == b->prompt->eos;
}

/* Whether a token other than text may stand at place i of a question or an answer. */
static bool has_place(const builder *b, size_t i) {
  const gm_prompt *p = b->prompt;
  const gm_ids *ids = &b->out->ids;
  const int32_t id = ids->ids[i];
  if (id == p->roi || id == p->roi_end || id == p->phrase || id == p->phrase_end) return true;
  if (b->out->labels.ids[i] == QUESTION)
    return id == p->refer_box || (id == p->refer_feat && b->n_refer > 0) || id == p->grounding;
  bool ends = i + 1 == ids->n || b->out->labels.ids[i + 1] == QUESTION;
  return id == b->ground_box || (id == p->eos && b->rule->eos && ends);
}

/* Counts the marks and refuses tokens that have no place. */
static gm_status check_marks(builder *b) {
  const gm_ids *ids = &b->out->ids;
  for (size_t i = b->first; i < ids->n; i++) {
    const int32_t id = ids->ids[i];
    if (!is_control(b, id)) continue;
    if (!has_place(b, i))
      return gm_fail(b->err, GM_ERR_ARGUMENT,
                     "found %s in %s; a question may hold <p> </p> <roi> </roi> [grounding] "
                     "<refer_box> and <refer_feat> after it, an answer <p> </p> <roi> </roi> "
                     "<ground_box>",
                     gm_llama_tokenizer_vocabulary(b->prompt->tokenizer)->pieces[id],
                     b->out->labels.ids[i] == QUESTION ? "a question" : "an answer");
    b->n_refer += id == b->prompt->refer_box;
    b->n_ground += id == b->ground_box;
  }
  return GM_OK;
}

static gm_status check_number(const builder *b, const char *mark, size_t marks, size_t boxes) {
  bool all = b->out->n_turns == b->sample->n_turns;
  if (marks == boxes || (!all && marks < boxes)) return GM_OK;
  return gm_fail(b->err, GM_ERR_ARGUMENT,
                 "the turns have %zu places %s, but %zu boxes were given for them; wanted a "
                 "box for each place",
                 marks, mark, boxes);
}

/* ---- regions ---- */

typedef struct candidates {
  gm_rel_box *boxes;
  float *scores;
  uint32_t *chosen;
  size_t n;
} candidates;

static void add_candidates(candidates *c, const gm_rel_box *boxes, size_t n, float score) {
  for (size_t i = 0; i < n; i++, c->n++) {
    c->boxes[c->n] = boxes[i];
    c->scores[c->n] = score;
  }
}

static gm_status allocate_candidates(candidates *c, const builder *b,
                                     const gm_proposals *proposals) {
  size_t n;
  if (!gm_add_size(proposals->n, b->n_refer + b->n_ground, &n) || n > UINT32_MAX)
    return gm_fail(b->err, GM_ERR_ARGUMENT, "found too many boxes of one picture");
  if (n == 0)
    return gm_fail(b->err, GM_ERR_ARGUMENT, "found no box in the picture, wanted one at least");
  c->boxes = calloc(n, sizeof *c->boxes);
  c->scores = calloc(n, sizeof *c->scores);
  c->chosen = calloc(n, sizeof *c->chosen);
  b->out->regions = calloc(n, sizeof *b->out->regions);
  if (c->boxes && c->scores && c->chosen && b->out->regions) return GM_OK;
  return gm_fail_memory(b->err, "the regions of a picture", n * 2 * sizeof *c->boxes);
}

static gm_status choose_regions(const builder *b, const gm_proposals *proposals,
                                uint64_t seed) {
  candidates c = {0};
  gm_status status = allocate_candidates(&c, b, proposals);
  if (status == GM_OK) {
    if (proposals->n > 0) {
      memcpy(c.boxes, proposals->boxes, proposals->n * sizeof *c.boxes);
      memcpy(c.scores, proposals->scores, proposals->n * sizeof *c.scores);
    }
    c.n = proposals->n;
    add_candidates(&c, b->sample->refer, b->n_refer, REFER_SCORE);
    if (!b->rule->measure) add_candidates(&c, b->sample->ground, b->n_ground, GROUND_SCORE);
    b->out->n_regions = gm_regions_choose(c.boxes, c.scores, c.n, &b->rule->regions, c.chosen);
    if (b->rule->shuffle) gm_regions_shuffle(c.chosen, b->out->n_regions, seed);
    for (size_t i = 0; i < b->out->n_regions; i++) b->out->regions[i] = c.boxes[c.chosen[i]];
  }
  free(c.boxes);
  free(c.scores);
  free(c.chosen);
  return status;
}

/* Index tokens in place of the marks; labels of answers. */
static gm_status fill_marks(const builder *b) {
  gm_sequence *out = b->out;
  size_t refer = 0, ground = 0, referred = 0;
  for (size_t i = b->first; i < out->ids.n; i++) {
    int32_t *id = &out->ids.ids[i];
    if (*id == b->prompt->refer_box) {
      referred = gm_regions_referred(out->regions, out->n_regions, b->sample->refer[refer++]);
      *id = b->prompt->region_0 + (int32_t)referred;
    } else if (*id == b->ground_box) {
      size_t at =
          gm_regions_referred(out->regions, out->n_regions, b->sample->ground[ground++]);
      *id = b->prompt->region_0 + (int32_t)at;
    } else if (*id == b->prompt->refer_feat) {
      GM_TRY(gm_ids_append(&out->features, (int32_t)referred, b->err));
    }
    if (out->labels.ids[i] == ANSWER) out->labels.ids[i] = *id;
  }
  return GM_OK;
}

/* ---- the whole ---- */

static gm_status build(builder *b, const gm_proposals *proposals, uint64_t seed) {
  b->ground_box = gm_llama_token_id(b->prompt->tokenizer, "<ground_box>");
  if (b->ground_box < 0)
    return gm_fail(b->err, GM_ERR_MODEL,
                   "the vocabulary has no token <ground_box>; wanted Groma's added tokens");
  GM_TRY(read_turns(b));
  if (b->out->n_turns == 0) {
    gm_sequence_free(b->out);
    return GM_OK;
  }
  GM_TRY(check_marks(b));
  GM_TRY(check_number(b, "<refer_box>", b->n_refer, b->sample->n_refer));
  GM_TRY(check_number(b, "<ground_box>", b->n_ground, b->sample->n_ground));
  GM_TRY(choose_regions(b, proposals, seed));
  return fill_marks(b);
}

gm_status gm_sequence_build(gm_sequence *out, const gm_sequence_rule *rule,
                            const gm_prompt *prompt, const gm_sample *sample,
                            const gm_proposals *proposals, uint64_t seed, gm_error *err) {
  assert(rule->regions.max_regions <= prompt->n_region_tokens);
  *out = (gm_sequence){0};
  builder b = {.out = out, .rule = rule, .prompt = prompt, .sample = sample, .err = err};
  gm_status status = build(&b, proposals, seed);
  if (status != GM_OK) gm_sequence_free(out);
  return status;
}

void gm_sequence_free(gm_sequence *sequence) {
  gm_ids_free(&sequence->ids);
  gm_ids_free(&sequence->labels);
  gm_ids_free(&sequence->features);
  free(sequence->regions);
  *sequence = (gm_sequence){0};
}

/* ---- rows ---- */

/* Row and target are appended together. */
typedef struct row_writer {
  gm_ids *rows, *targets;
  gm_error *err;
} row_writer;

static gm_status put(const row_writer *w, int32_t row) {
  GM_TRY(gm_ids_append(w->rows, row, w->err));
  return gm_ids_append(w->targets, -1, w->err);
}

static gm_status put_vectors(const row_writer *w, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) GM_TRY(put(w, -1 - (int32_t)(first + i)));
  return GM_OK;
}

gm_status gm_sequence_rows(const gm_sequence *sequence, const gm_prompt *prompt, size_t n_image,
                           size_t first_image, size_t first_region, gm_ids *rows,
                           gm_ids *targets, gm_error *err) {
  const row_writer w = {rows, targets, err};
  const size_t first_row = rows->n;
  size_t feature = 0;
  assert(first_image + n_image < INT32_MAX);
  assert(first_region + sequence->n_regions < INT32_MAX);
  for (size_t i = 0; i < sequence->ids.n; i++) {
    const int32_t id = sequence->ids.ids[i], label = sequence->labels.ids[i];
    if (label >= 0 && targets->n > first_row) targets->ids[targets->n - 1] = label;
    if (id == prompt->image) {
      GM_TRY(put_vectors(&w, first_image, n_image));
    } else if (id == prompt->region) {
      for (size_t k = 0; k < sequence->n_regions; k++) {
        GM_TRY(put(&w, prompt->region_0 + (int32_t)k));
        GM_TRY(put_vectors(&w, first_region + k, 1));
      }
    } else if (id == prompt->refer_feat) {
      GM_TRY(put_vectors(&w, first_region + (size_t)sequence->features.ids[feature++], 1));
    } else {
      GM_TRY(put(&w, id));
    }
  }
  return GM_OK;
}
