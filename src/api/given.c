/* given.c - see given.h. Words between tags, as the model has learned to write them:
 *
 *   The <p>red hat</p><roi><r3><r5></roi> is new.</s> */
#include "given.h"

#include "struct_size.h"

#include <stdlib.h>
#include <string.h>

typedef struct parts {
  gm_llama_part *parts; /* [5 * phrases + 1] */
  size_t n;
} parts;

static void add(parts *p, const char *text, size_t length, bool tags) {
  if (length > 0) p->parts[p->n++] = (gm_llama_part){text, length, tags};
}

/* A span begins and ends between two characters. */
static bool cuts_character(const char *text, size_t at) {
  return ((unsigned char)text[at] & 0xc0) == 0x80;
}

/* Words and tags; the regions have their place between <roi> and </roi>. */
static gm_status cut(parts *p, const char *text, const gm_given_phrase *phrases, size_t n,
                     gm_error *err) {
  static const char before[] = "<p>", after[] = "</p>", places[] = "<roi></roi>";
  size_t at = 0, length = strlen(text);
  for (size_t i = 0; i < n; i++) {
    size_t begin = phrases[i].span_begin, end = phrases[i].span_end;
    if (begin < at || end < begin || end > length || cuts_character(text, begin) ||
        cuts_character(text, end))
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "phrase %zu: found the span %zu to %zu; wanted whole characters of a text "
                     "of %zu bytes, after the phrase before it",
                     i + 1, begin, end, length);
    add(p, text + at, begin - at, false);
    at = end;
    if (end > begin) { /* the model may name regions that no words belong to */
      add(p, before, sizeof before - 1, true);
      add(p, text + begin, end - begin, false);
      add(p, after, sizeof after - 1, true);
    }
    if (phrases[i].n_regions > 0) add(p, places, sizeof places - 1, true);
  }
  add(p, text + at, length - at, false);
  return GM_OK;
}

static gm_status add_regions(gm_given_ids *out, const gm_prompt *prompt,
                             const gm_given_phrase *phrase, gm_error *err) {
  for (size_t i = 0; i < phrase->n_regions; i++) {
    int32_t region = phrase->regions[i];
    if (region < 0 || (size_t)region >= prompt->n_region_tokens)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "found region %d in the answer, wanted numbers from 0 to %zu", (int)region,
                     prompt->n_region_tokens - 1);
    if ((size_t)region >= out->n_regions) out->n_regions = (size_t)region + 1;
    GM_TRY(gm_ids_append(&out->ids, prompt->region_0 + region, err));
  }
  return GM_OK;
}

/* Copies the ids of words and tags, with the regions in their places. */
static gm_status fill_in(gm_given_ids *out, const gm_prompt *prompt, const gm_ids *ids,
                         const gm_given_phrase *phrases, gm_error *err) {
  for (size_t i = 0; i < ids->n; i++) {
    GM_TRY(gm_ids_append(&out->ids, ids->ids[i], err));
    if (ids->ids[i] != prompt->roi) continue;
    while (phrases->n_regions == 0) phrases++;
    GM_TRY(add_regions(out, prompt, phrases++, err));
  }
  return gm_ids_append(&out->ids, prompt->eos, err);
}

static gm_status add_grounded(gm_given_ids *out, const gm_prompt *prompt, const char *text,
                              const gm_given_phrase *phrases, size_t n, gm_error *err) {
  gm_ids ids = {0};
  parts p = {calloc(5 * n + 1, sizeof *p.parts), 0};
  if (!p.parts) return gm_fail_memory(err, "the phrases", 5 * n * sizeof *p.parts);
  gm_status status = cut(&p, text, phrases, n, err);
  if (status == GM_OK)
    status = gm_llama_encode_parts(prompt->tokenizer, p.parts, p.n, &ids, err);
  if (status == GM_OK) status = fill_in(out, prompt, &ids, phrases, err);
  gm_ids_free(&ids);
  free(p.parts);
  return status;
}

static gm_status add_verbatim(gm_given_ids *out, const gm_prompt *prompt, const gm_given *given,
                              gm_error *err) {
  if (given->n_phrases > 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu phrases beside verbatim text, whose tags name its regions; give "
                   "one of them",
                   given->n_phrases);
  GM_TRY(gm_llama_encode(prompt->tokenizer, given->text, strlen(given->text), true, &out->ids,
                         err));
  for (size_t i = 0; i < out->ids.n; i++)
    if (out->ids.ids[i] == prompt->eos && i + 1 < out->ids.n)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "found </s> within the answer, wanted it at the end or not at all");
  if (out->ids.n > 0) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "found an empty answer, wanted at least </s>");
}

gm_status gm_given_read(gm_given_ids *out, const gm_prompt *prompt, const gm_given *given,
                        gm_error *err) {
  *out = (gm_given_ids){0};
  gm_given own;
  GM_TRY(GM_STRUCT_READ(gm_given, &own, given, err));
  if (!own.text) return gm_fail(err, GM_ERR_ARGUMENT, "found no answer, wanted its text");
  if (own.verbatim) return add_verbatim(out, prompt, &own, err);
  gm_given_phrase *phrases = calloc(own.n_phrases + 1, sizeof *phrases);
  if (!phrases) return gm_fail_memory(err, "the phrases", own.n_phrases * sizeof *phrases);
  gm_status status = own.n_phrases > 0 ? GM_STRUCTS_READ(gm_given_phrase, phrases, own.phrases,
                                                         own.n_phrases, err)
                                       : GM_OK;
  if (status == GM_OK)
    status = add_grounded(out, prompt, own.text, phrases, own.n_phrases, err);
  free(phrases);
  return status;
}

void gm_given_ids_free(gm_given_ids *given) {
  gm_ids_free(&given->ids);
}
