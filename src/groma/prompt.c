/* prompt.c - see prompt.h. */
#include "prompt.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREETING_END "</s>"
static const char CONVERSATION[] =
    "<s>A chat between a curious user and an artificial intelligence assistant. The assistant "
    "gives helpful, detailed, and polite answers to the user's questions. USER: Here is an "
    "image "
    "with region crops from it. Image: <image>. Regions: <region>. ASSISTANT: Thank you for "
    "the "
    "image! How can I assist you with it?" GREETING_END;
static const char REFERRED[] = "<roi><refer_box></roi><refer_feat>";

enum { MAX_PARTS = 512 }; /* of one question: 255 boxes between stretches of text */

/* ---- the fixed part ---- */

static gm_status find_token(const gm_prompt *prompt, const char *text, size_t vocab,
                            int32_t *out, gm_error *err) {
  *out = gm_llama_token_id(prompt->tokenizer, text);
  if (*out >= 0 && (size_t)*out < vocab) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "the vocabulary has no token %s; wanted Groma's added tokens: convert the "
                 "checkpoint with its added_tokens.json",
                 text);
}

static gm_status find_region_tokens(gm_prompt *prompt, size_t vocab, gm_error *err) {
  GM_TRY(find_token(prompt, "<r0>", vocab, &prompt->region_0, err));
  for (prompt->n_region_tokens = 1;; prompt->n_region_tokens++) {
    char text[32];
    snprintf(text, sizeof text, "<r%zu>", prompt->n_region_tokens);
    int32_t id = gm_llama_token_id(prompt->tokenizer, text);
    if (id != prompt->region_0 + (int32_t)prompt->n_region_tokens || (size_t)id >= vocab)
      return GM_OK;
  }
}

static gm_status find_tokens(gm_prompt *prompt, size_t vocab, gm_error *err) {
  const struct {
    const char *text;
    int32_t *id;
  } wanted[] = {
      {"<s>", &prompt->bos},
      {"</s>", &prompt->eos},
      {"<roi>", &prompt->roi},
      {"</roi>", &prompt->roi_end},
      {"<p>", &prompt->phrase},
      {"</p>", &prompt->phrase_end},
      {"[grounding]", &prompt->grounding},
      {"<refer_box>", &prompt->refer_box},
      {"<refer_feat>", &prompt->refer_feat},
      {"<image>", &prompt->image},
      {"<region>", &prompt->region},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    GM_TRY(find_token(prompt, wanted[i].text, vocab, wanted[i].id, err));
  return find_region_tokens(prompt, vocab, err);
}

/* Cuts the ids of the conversation at <image> and <region>. */
static gm_status encode_conversation(gm_prompt *prompt, gm_error *err) {
  gm_ids all = {0};
  gm_status status = gm_llama_encode(prompt->tokenizer, CONVERSATION, sizeof CONVERSATION - 1,
                                     true, &all, err);
  gm_ids *part = &prompt->head;
  for (size_t i = 0; i < all.n && status == GM_OK; i++) {
    if (all.ids[i] == prompt->image)
      part = &prompt->before_regions;
    else if (all.ids[i] == prompt->region)
      part = &prompt->tail;
    else
      status = gm_ids_append(part, all.ids[i], err);
  }
  gm_ids_free(&all);
  return status;
}

gm_status gm_prompt_create(gm_prompt **out, const gm_llama_tokenizer *tokenizer, size_t vocab,
                           gm_error *err) {
  *out = NULL;
  size_t known = gm_llama_tokenizer_vocabulary(tokenizer)->n;
  if (known != vocab)
    return gm_fail(err, GM_ERR_MODEL,
                   "the tokenizer has %zu tokens, the language model %zu; wanted the same "
                   "number: convert the checkpoint again",
                   known, vocab);
  gm_prompt *prompt = calloc(1, sizeof *prompt);
  if (!prompt) return gm_fail_memory(err, "the prompt", sizeof *prompt);
  prompt->tokenizer = tokenizer;
  gm_status status = find_tokens(prompt, vocab, err);
  if (status == GM_OK) status = encode_conversation(prompt, err);
  if (status == GM_OK)
    *out = prompt;
  else
    gm_prompt_free(prompt);
  return status;
}

void gm_prompt_free(gm_prompt *prompt) {
  if (!prompt) return;
  gm_ids_free(&prompt->head);
  gm_ids_free(&prompt->before_regions);
  gm_ids_free(&prompt->tail);
  free(prompt);
}

gm_status gm_prompt_append_greeting(gm_text *text, gm_error *err) {
  return gm_text_append(text, CONVERSATION, sizeof CONVERSATION - sizeof GREETING_END, err);
}

/* ---- questions ---- */

typedef struct parts {
  gm_llama_part parts[MAX_PARTS];
  size_t n;
} parts;

static gm_status add_part(parts *p, const char *text, size_t length, bool parse,
                          gm_error *err) {
  if (p->n == MAX_PARTS)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "the question has more than %d boxes; ask in several questions",
                   MAX_PARTS / 2 - 2);
  p->parts[p->n++] = (gm_llama_part){text, length, parse};
  return GM_OK;
}

static gm_status add_template(parts *p, const char *text, gm_error *err) {
  return add_part(p, text, strlen(text), true, err);
}

static gm_status add_box(parts *p, gm_question *out, size_t box, gm_error *err) {
  GM_TRY(gm_ids_append(&out->boxes, (int32_t)box, err));
  return add_template(p, REFERRED, err);
}

static gm_status encode(gm_question *out, const gm_prompt *prompt, const parts *p,
                        gm_error *err) {
  return gm_llama_encode_parts(prompt->tokenizer, p->parts, p->n, &out->ids, err);
}

static gm_status refuse_empty(const char *text, const char *what, gm_error *err) {
  if (text && text[strspn(text, " \t\r\n\v\f")]) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "found an empty %s, wanted words", what);
}

/* Length of "{digits}" at the start of text, the number (saturated) in *k; 0 where there is
 * none. */
static size_t read_placeholder(const char *text, size_t *k) {
  size_t i = 1;
  if (text[0] != '{') return 0;
  for (*k = 0; text[i] >= '0' && text[i] <= '9'; i++)
    if (*k < 1000000) *k = *k * 10 + (size_t)(text[i] - '0');
  return i > 1 && text[i] == '}' ? i + 1 : 0;
}

/* The text with its placeholders; placed[b] tells which boxes had one. */
static gm_status add_typed(parts *p, gm_question *out, const char *text, size_t n_boxes,
                           bool *placed, gm_error *err) {
  const char *begin = text;
  for (const char *at = text; *at;) {
    size_t k, length = read_placeholder(at, &k);
    if (length == 0) {
      at++;
      continue;
    }
    if (k < 1 || k > n_boxes)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "the question says %.*s, but %zu boxes were given; number the boxes from "
                     "{1} and give one for each",
                     (int)(length < 20 ? length : 20), at, n_boxes);
    GM_TRY(add_part(p, begin, (size_t)(at - begin), false, err));
    GM_TRY(add_box(p, out, k - 1, err));
    placed[k - 1] = true;
    at += length;
    begin = at;
  }
  return add_part(p, begin, strlen(begin), false, err);
}

gm_status gm_question_typed(gm_question *out, const gm_prompt *prompt, const char *text,
                            bool grounding, size_t n_boxes, gm_error *err) {
  GM_TRY(refuse_empty(text, "question", err));
  if (n_boxes > MAX_PARTS / 2)
    return gm_fail(err, GM_ERR_ARGUMENT, "found %zu boxes in one question, wanted at most %d",
                   n_boxes, MAX_PARTS / 2 - 2);
  bool placed[MAX_PARTS / 2] = {false};
  parts p = {.n = 0};
  GM_TRY(add_template(&p, grounding ? "USER: [grounding]" : "USER: ", err));
  GM_TRY(add_typed(&p, out, text, n_boxes, placed, err));
  for (size_t b = 0; b < n_boxes; b++) {
    if (placed[b]) continue;
    GM_TRY(add_template(&p, " ", err));
    GM_TRY(add_box(&p, out, b, err));
  }
  GM_TRY(add_template(&p, " ASSISTANT:", err));
  return encode(out, prompt, &p, err);
}

/* True where ids[i..] is <roi><refer_box></roi><refer_feat>. */
static bool is_referred(const gm_prompt *prompt, const gm_ids *ids, size_t i) {
  return i + 3 < ids->n && ids->ids[i] == prompt->roi && ids->ids[i + 1] == prompt->refer_box &&
         ids->ids[i + 2] == prompt->roi_end && ids->ids[i + 3] == prompt->refer_feat;
}

static gm_status check_verbatim(gm_question *out, const gm_prompt *prompt, size_t n_boxes,
                                gm_error *err) {
  const gm_llama_tokenizer *tokenizer = prompt->tokenizer;
  for (size_t i = 0; i < out->ids.n; i++) {
    int32_t id = out->ids.ids[i];
    if (is_referred(prompt, &out->ids, i)) {
      GM_TRY(gm_ids_append(&out->boxes, (int32_t)out->boxes.n, err));
      i += 3;
    } else if (id == prompt->refer_box || id == prompt->refer_feat) {
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "found %s alone in the question, wanted %s as a whole",
                     gm_llama_tokenizer_vocabulary(tokenizer)->pieces[id], REFERRED);
    } else if ((gm_llama_token_is_added(tokenizer, id) && id != prompt->roi &&
                id != prompt->roi_end && id != prompt->phrase && id != prompt->phrase_end &&
                id != prompt->grounding) ||
               gm_llama_token_is_special(tokenizer, id)) {
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "found %s in the question; verbatim text may hold <p> </p> <roi> </roi> "
                     "[grounding] and %s",
                     gm_llama_tokenizer_vocabulary(tokenizer)->pieces[id], REFERRED);
    }
  }
  if (out->boxes.n == n_boxes) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "the question has %zu places %s, but %zu boxes were given; wanted one box for "
                 "each place",
                 out->boxes.n, REFERRED, n_boxes);
}

gm_status gm_question_verbatim(gm_question *out, const gm_prompt *prompt, const char *text,
                               size_t n_boxes, gm_error *err) {
  GM_TRY(refuse_empty(text, "question", err));
  parts p = {.n = 0};
  GM_TRY(add_template(&p, "USER: ", err));
  GM_TRY(add_template(&p, text, err));
  GM_TRY(add_template(&p, " ASSISTANT:", err));
  GM_TRY(encode(out, prompt, &p, err));
  return check_verbatim(out, prompt, n_boxes, err);
}

gm_status gm_question_locate(gm_question *out, const gm_prompt *prompt, const char *phrase,
                             bool all, gm_error *err) {
  GM_TRY(refuse_empty(phrase, "phrase", err));
  parts p = {.n = 0};
  GM_TRY(add_template(&p, all ? "USER: Find all instances of <p>" : "USER: Locate <p>", err));
  GM_TRY(add_part(&p, phrase, strlen(phrase), false, err));
  GM_TRY(add_template(&p, "</p> in the image. ASSISTANT:", err));
  return encode(out, prompt, &p, err);
}

void gm_question_free(gm_question *question) {
  gm_ids_free(&question->ids);
  gm_ids_free(&question->boxes);
}

/* ---- rows ---- */

static gm_status make_room(gm_rows *rows, size_t n, gm_error *err) {
  assert(rows->n <= rows->capacity);
  if (n <= rows->capacity - rows->n) return GM_OK;
  size_t capacity = rows->capacity * 2 > rows->n + n ? rows->capacity * 2 : rows->n + n + 64;
  gm_llama_row *grown = realloc(rows->rows, capacity * sizeof *grown);
  if (!grown) return gm_fail_memory(err, "the prompt", capacity * sizeof *grown);
  rows->rows = grown;
  rows->capacity = capacity;
  return GM_OK;
}

gm_status gm_rows_add(gm_rows *rows, const gm_llama_row *more, size_t n, gm_error *err) {
  GM_TRY(make_room(rows, n, err));
  if (n > 0) memcpy(rows->rows + rows->n, more, n * sizeof *more);
  rows->n += n;
  return GM_OK;
}

gm_status gm_rows_add_ids(gm_rows *rows, const int32_t *ids, size_t n, gm_error *err) {
  GM_TRY(make_room(rows, n, err));
  for (size_t i = 0; i < n; i++) rows->rows[rows->n++] = (gm_llama_row){NULL, ids[i]};
  return GM_OK;
}

gm_status gm_rows_add_vectors(gm_rows *rows, const float *vectors, size_t n, size_t dim,
                              gm_error *err) {
  GM_TRY(make_room(rows, n, err));
  for (size_t i = 0; i < n; i++) rows->rows[rows->n++] = (gm_llama_row){vectors + i * dim, -1};
  return GM_OK;
}

gm_status gm_rows_add_region(gm_rows *rows, const gm_prompt *prompt, size_t index,
                             const float *vector, gm_error *err) {
  assert(index < prompt->n_region_tokens && vector);
  GM_TRY(make_room(rows, 2, err));
  rows->rows[rows->n++] = (gm_llama_row){NULL, prompt->region_0 + (int32_t)index};
  rows->rows[rows->n++] = (gm_llama_row){vector, -1};
  return GM_OK;
}

gm_status gm_rows_add_question(gm_rows *rows, const gm_prompt *prompt,
                               const gm_question *question, const size_t *regions,
                               const float *const *vectors, gm_error *err) {
  GM_TRY(make_room(rows, question->ids.n, err));
  for (size_t i = 0, place = 0; i < question->ids.n; i++) {
    gm_llama_row row = {NULL, question->ids.ids[i]};
    if (row.id == prompt->refer_box) {
      row.id = prompt->region_0 + (int32_t)regions[question->boxes.ids[place]];
    } else if (row.id == prompt->refer_feat) {
      row = (gm_llama_row){vectors[regions[question->boxes.ids[place++]]], -1};
    }
    rows->rows[rows->n++] = row;
  }
  return GM_OK;
}

void gm_rows_free(gm_rows *rows) {
  free(rows->rows);
  *rows = (gm_rows){0};
}
