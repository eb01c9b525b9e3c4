/* grounded_text.c - see grounded_text.h: phrases and regions, text and its spacing, then
 * tokens. */
#include "grounded_text.h"

#include "utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int32_t gm_region_number(const char *token) {
  if (strncmp(token, "<r", 2) != 0) return -1;
  const char *digits = token + 2;
  size_t n = strspn(digits, "0123456789");
  if (n == 0 || n > 7 || strcmp(digits + n, ">") != 0 || (n > 1 && digits[0] == '0')) return -1;
  long value = strtol(digits, NULL, 10);
  return value < 1 << 20 ? (int32_t)value : -1;
}

/* ---- phrases */

static gm_status add_phrase(gm_grounded_text *g, size_t begin, size_t end, gm_error *err) {
  assert(begin <= end && end <= g->text.length);
  if (g->n_phrases == g->phrases_capacity) {
    size_t capacity = g->phrases_capacity ? 2 * g->phrases_capacity : 16;
    gm_grounded_phrase *grown = realloc(g->phrases, capacity * sizeof *grown);
    if (!grown) return gm_fail_memory(err, "phrases", capacity * sizeof *grown);
    g->phrases = grown;
    g->phrases_capacity = capacity;
  }
  g->phrases[g->n_phrases++] = (gm_grounded_phrase){begin, end, g->regions.n, 0, 0};
  g->can_take = true;
  return GM_OK;
}

/* Closes the last phrase to more regions. A phrase without any is removed from the result. */
static void end_phrase(gm_grounded_text *g) {
  const gm_grounded_phrase *last = g->n_phrases ? &g->phrases[g->n_phrases - 1] : NULL;
  if (last && last->n_regions == 0)
    g->n_phrases--;
  else if (last && g->can_take && g->params.phrase)
    g->params.phrase(g->params.user, g, last);
  g->can_take = false;
}

static void open_phrase(gm_grounded_text *g) {
  end_phrase(g);
  g->in_phrase = true;
  g->phrase_begun = false;
}

static gm_status close_phrase(gm_grounded_text *g, gm_error *err) {
  if (!g->in_phrase) return GM_OK;
  g->in_phrase = false;
  size_t end = g->text.length;
  return add_phrase(g, g->phrase_begun ? g->phrase_from : end, end, err);
}

static gm_status add_region(gm_grounded_text *g, int32_t region, gm_error *err) {
  GM_TRY(close_phrase(g, err));
  if ((size_t)region >= g->params.n_regions) return GM_OK;
  if (!g->can_take) GM_TRY(add_phrase(g, g->text.length, g->text.length, err));
  assert(g->n_phrases > 0); /* can_take is of the last */
  gm_grounded_phrase *phrase = &g->phrases[g->n_phrases - 1];
  for (size_t i = 0; i < phrase->n_regions; i++)
    if (g->regions.ids[phrase->first_region + i] == region) return GM_OK;
  if (phrase->n_regions == 0) phrase->present = g->present;
  GM_TRY(gm_ids_append(&g->regions, region, err));
  phrase->n_regions++;
  return GM_OK;
}

/* ---- text */

static bool takes_no_space_before(uint32_t code) {
  return code < 0x80 && code != 0 && strchr(",.;:!?)", (int)code) != NULL;
}

static gm_status add_visible(gm_grounded_text *g, const char *character, size_t length,
                             uint32_t code, gm_error *err) {
  if (g->space && g->text.length && !takes_no_space_before(code))
    GM_TRY(gm_text_append(&g->text, " ", 1, err));
  g->space = false;
  if (g->in_phrase && !g->phrase_begun) {
    g->phrase_begun = true;
    g->phrase_from = g->text.length;
  }
  if (!g->in_phrase) end_phrase(g);
  return gm_text_append(&g->text, character, length, err);
}

/* Adds the decoder's output for the last id. */
static gm_status take_piece(gm_grounded_text *g, gm_error *err) {
  size_t length;
  for (size_t i = 0; i < g->piece.length; i += length) {
    uint32_t code;
    length = gm_utf8_read(g->piece.bytes + i, g->piece.length - i, &code);
    assert(length > 0); /* the decoder's output is valid */
    if (gm_is_space(code))
      g->space = true;
    else
      GM_TRY(add_visible(g, g->piece.bytes + i, length, code, err));
  }
  g->piece.length = 0;
  return GM_OK;
}

static void report(const gm_grounded_text *g, size_t from) {
  if (g->params.text && g->text.length > from)
    g->params.text(g->params.user, g->text.bytes + from, g->text.length - from);
}

/* ---- tokens */

static gm_status take_added(gm_grounded_text *g, const char *token, gm_error *err) {
  g->space = true;
  int32_t region = gm_region_number(token);
  if (region >= 0) return add_region(g, region, err);
  if (strcmp(token, "<p>") == 0) {
    GM_TRY(close_phrase(g, err));
    open_phrase(g);
  }
  if (strcmp(token, "</p>") == 0 || strcmp(token, "<roi>") == 0) return close_phrase(g, err);
  return GM_OK;
}

static gm_status take_token(gm_grounded_text *g, int32_t id, gm_error *err) {
  const gm_llama_tokenizer *t = g->params.tokenizer;
  const gm_llama_vocabulary *v = gm_llama_tokenizer_vocabulary(t);
  GM_TRY(gm_llama_stream_push(t, &g->stream, id, &g->piece, err));
  GM_TRY(take_piece(g, err));
  if (gm_llama_token_is_added(t, id)) return take_added(g, v->pieces[id], err);
  if (!gm_llama_token_is_special(t, id)) return GM_OK;
  g->space = true;
  if (id != v->unk_id) return GM_OK;
  GM_TRY(add_visible(g, GM_UTF8_REPLACEMENT, strlen(GM_UTF8_REPLACEMENT), GM_REPLACEMENT, err));
  g->space = true;
  return GM_OK;
}

gm_status gm_grounded_text_begin(gm_grounded_text *g, const gm_grounded_text_params *params,
                                 gm_error *err) {
  *g = (gm_grounded_text){.params = *params};
  return gm_text_append(&g->text, "", 0, err);
}

gm_status gm_grounded_text_push(gm_grounded_text *g, int32_t id, gm_error *err) {
  size_t from = g->text.length;
  gm_status status = take_token(g, id, err);
  report(g, from);
  return status;
}

gm_status gm_grounded_text_finish(gm_grounded_text *g, gm_error *err) {
  size_t from = g->text.length;
  gm_status status = gm_llama_stream_finish(&g->stream, &g->piece, err);
  if (status == GM_OK) status = take_piece(g, err);
  if (status == GM_OK) status = close_phrase(g, err);
  end_phrase(g);
  report(g, from);
  return status;
}

void gm_grounded_text_free(gm_grounded_text *g) {
  gm_text_free(&g->text);
  gm_text_free(&g->piece);
  gm_ids_free(&g->regions);
  free(g->phrases);
  *g = (gm_grounded_text){0};
}
