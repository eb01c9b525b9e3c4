/* fuzz_question.c - any text as a question. The first byte: its form; the second: how many
 * boxes come with it. For any text, the ids hold the form's tokens and the boxes' places, and
 * otherwise only tokens of plain text. */
#include "support.h"

#include "llama_tokenizer_file.h"
#include "model_resolve.h"
#include "prompt.h"

#include <stdlib.h>
#include <string.h>

enum form { TYPED, GROUNDED, VERBATIM, ONE_OBJECT, EVERY_OBJECT, FORMS };

/* groma-mini's, made at the first call and kept to the end. */
static const gm_prompt *the_prompt(void) {
  static gm_prompt *prompt;
  static gm_model_file *file;
  static gm_llama_tokenizer *tokenizer;
  if (prompt) return prompt;
  fuzz_check(gm_model_file_resolve(&file, "groma-mini", NULL, NULL, NULL) == GM_OK);
  fuzz_check(gm_llama_tokenizer_from_file(&tokenizer, file, NULL) == GM_OK);
  size_t vocab = gm_llama_tokenizer_vocabulary(tokenizer)->n;
  fuzz_check(gm_prompt_create(&prompt, tokenizer, vocab, NULL) == GM_OK);
  return prompt;
}

static gm_status ask(enum form form, const char *text, size_t n_boxes, gm_question *q) {
  const gm_prompt *prompt = the_prompt();
  switch (form) {
  case TYPED:
  case GROUNDED:
    return gm_question_typed(q, prompt, text, form == GROUNDED, n_boxes, NULL);
  case VERBATIM:
    return gm_question_verbatim(q, prompt, text, n_boxes, NULL);
  default:
    return gm_question_locate(q, prompt, text, form == EVERY_OBJECT, NULL);
  }
}

static void check(enum form form, const gm_question *q, size_t n_boxes) {
  const gm_prompt *p = the_prompt();
  size_t places = 0, features = 0, grounding = 0, phrases = 0;
  for (size_t i = 0; i < q->ids.n; i++) {
    int32_t id = q->ids.ids[i];
    bool roi = id == p->roi || id == p->roi_end,
         phrase = id == p->phrase || id == p->phrase_end;
    places += id == p->refer_box;
    features += id == p->refer_feat;
    grounding += id == p->grounding;
    phrases += phrase;
    fuzz_check(!gm_llama_token_is_special(p->tokenizer, id));
    fuzz_check(!gm_llama_token_is_added(p->tokenizer, id) || roi || phrase ||
               id == p->refer_box || id == p->refer_feat || id == p->grounding);
  }
  bool located = form == ONE_OBJECT || form == EVERY_OBJECT;
  fuzz_check(places == features && places == q->boxes.n && places >= (located ? 0 : n_boxes));
  for (size_t i = 0; i < q->boxes.n; i++)
    fuzz_check(q->boxes.ids[i] >= 0 && (size_t)q->boxes.ids[i] < n_boxes);
  fuzz_check(form == VERBATIM || grounding == (form == GROUNDED));
  fuzz_check(form == VERBATIM || phrases == (located ? 2 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2 || size > 1 << 14) return 0;
  enum form form = bytes[0] % FORMS;
  size_t n_boxes = bytes[1] % 4;
  char *text = calloc(1, size);
  if (!text) return 0;
  memcpy(text, bytes + 2, size - 2);
  gm_question q = {0};
  gm_status status = ask(form, text, n_boxes, &q);
  fuzz_check(status == GM_OK || status == GM_ERR_ARGUMENT);
  if (status == GM_OK) check(form, &q, n_boxes);
  gm_question_free(&q);
  free(text);
  return 0;
}
