/* prompt.h - QUESTION + BOXES -> rows of the language model.
 *
 *   <s> system USER: Here is an image with region crops from it. Image: <image>. Regions:
 *   <region>. ASSISTANT: Thank you for the image! How can I assist you with it?</s>
 *   USER: question ASSISTANT:             and, after an answer's own ids, </s> and the next
 *
 * <image> stands for the image tokens, <region> for <r0>, its vector, <r1>, its vector, ...
 * A box that the question refers to is <roi><ri></roi> and the vector of region i; as long as i
 * is not chosen, <roi><refer_box></roi><refer_feat> holds its place. Everything is tokenised in
 * one piece with the text around it, so that the ids are those the model was trained on. */
#ifndef GM_PROMPT_H
#define GM_PROMPT_H

#include "llama.h"
#include "llama_tokenizer.h"

/* The tokens that have a meaning for Groma, and the fixed part of the prompt. Immutable after
 * create. */
typedef struct gm_prompt {
  const gm_llama_tokenizer *tokenizer;
  int32_t bos, eos, roi, roi_end, phrase, phrase_end, grounding, refer_box, refer_feat;
  int32_t image, region;  /* hold the places of vectors */
  int32_t region_0;       /* <r0>; the others follow it */
  size_t n_region_tokens; /* <r0> .. <r(n-1)> */
  gm_ids head;            /* <s> ... Image:     then the image tokens */
  gm_ids before_regions;  /* . Regions:         then the regions */
  gm_ids tail;            /* . ASSISTANT: ... it?</s> */
} gm_prompt;

/* vocab: the language model's, which must be the tokenizer's. GM_ERR_MODEL where it lacks a
 * token that Groma needs. The tokenizer must outlive it. */
gm_status gm_prompt_create(gm_prompt **out, const gm_llama_tokenizer *tokenizer, size_t vocab,
                           gm_error *err);
void gm_prompt_free(gm_prompt *prompt);

/* The fixed part as text, without the </s> at its end. */
gm_status gm_prompt_append_greeting(gm_text *text, gm_error *err);

/* One question in ids. Zero-initialised it is empty. */
typedef struct gm_question {
  gm_ids ids;   /* USER: ... ASSISTANT: with the places of the boxes */
  gm_ids boxes; /* for each <refer_box> in turn, which box it is */
} gm_question;

/* What a person asks: [grounding] in front (if wanted), tags are plain text, box k stands where
 * the text says {k} (from 1), those not placed at its end. GM_ERR_ARGUMENT for {k} without a
 * box k and for an empty text. */
gm_status gm_question_typed(gm_question *out, const gm_prompt *prompt, const char *text,
                            bool grounding, size_t n_boxes, gm_error *err);
/* Prompt text as it is: <p> </p> <roi> </roi> [grounding] are parsed, and each
 * <roi><refer_box></roi><refer_feat> takes the next box. GM_ERR_ARGUMENT for any other added or
 * special token, for a part of that group alone, and where boxes and groups do not match. */
gm_status gm_question_verbatim(gm_question *out, const gm_prompt *prompt, const char *text,
                               size_t n_boxes, gm_error *err);
/* Asks where the phrase (plain text) is: one object, or all instances. */
gm_status gm_question_locate(gm_question *out, const gm_prompt *prompt, const char *phrase,
                             bool all, gm_error *err);
void gm_question_free(gm_question *question);

/* Rows of input, growing. Zero-initialised it is empty. */
typedef struct gm_rows {
  gm_llama_row *rows;
  size_t n, capacity;
} gm_rows;

/* On GM_ERR_MEMORY nothing was added. */
gm_status gm_rows_add(gm_rows *rows, const gm_llama_row *more, size_t n, gm_error *err);
gm_status gm_rows_add_ids(gm_rows *rows, const int32_t *ids, size_t n, gm_error *err);
/* n vectors of dim floats, one after another; not copied. */
gm_status gm_rows_add_vectors(gm_rows *rows, const float *vectors, size_t n, size_t dim,
                              gm_error *err);
/* <r(index)> and its vector. */
gm_status gm_rows_add_region(gm_rows *rows, const gm_prompt *prompt, size_t index,
                             const float *vector, gm_error *err);
/* The question, box b being region regions[b]; vectors[i] is region i's. */
gm_status gm_rows_add_question(gm_rows *rows, const gm_prompt *prompt,
                               const gm_question *question, const size_t *regions,
                               const float *const *vectors, gm_error *err);
void gm_rows_free(gm_rows *rows);

#endif
