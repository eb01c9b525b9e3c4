/* pipeline.h - ONE IMAGE AND ITS QUESTIONS, FROM PIXELS TO TOKENS: the stages of Groma in the
 * order in which they run. pipeline.c shows what each takes and gives.
 *
 *   gm_pipeline_see      once an image: image -> pixels -> features -> regions
 *   gm_pipeline_prepare  before a question: region vectors -> rows of the prompt -> prefix
 *   gm_pipeline_read     a question: its rows -> logits
 *   gm_pipeline_step     a token of the answer: its row -> logits
 *   gm_pipeline_say      logits -> the next token
 *
 * All run on the thread that owns c. Errors go to c->err: GM_ERR_MEMORY, GM_ERR_CANCELLED and
 * those that are named. */
#ifndef GM_PIPELINE_H
#define GM_PIPELINE_H

#include "image.h"
#include "talk.h"

/* Computes the features of the image, or finds them in the cache, and chooses its regions. Once
 * for a new encoding; after a failure the encoding is only to be freed. GM_ERR_MODEL where a
 * proposal is not a number. */
gm_status gm_pipeline_see(gm_compute *c, gm_encoding *encoding, const gm_image *image);

/* After gm_talk_begin or gm_talk_refer and before gm_talk_ask: computes the vectors of all
 * lists and the image's part of the cache, or finds them, and puts that part under the talks
 * that have none, with a list of their own where one is kept. The talks, at least one, are of
 * one encoding. After a failure it can be called again. GM_ERR_CONTEXT_FULL where the image
 * part has no room. */
gm_status gm_pipeline_prepare(gm_compute *c, gm_talk *const *talks, size_t n);

/* Reads the unread rows of n talks of one model, at least one, of any encodings, in one pass:
 * logits[n, vocab] of their last rows. What several talks begin with is computed once. progress
 * (may be NULL) is given the share that is done, 0..1. No talk is to step (gm_talk_steps). On
 * failure the talks are as they were, and can go on from there. */
gm_status gm_pipeline_read(gm_compute *c, gm_talk *const *talks, size_t n, float *logits,
                           void (*progress)(void *user, double done), void *user);
/* The same for talks that all have one row to compute, the token that they said last. */
gm_status gm_pipeline_step(gm_compute *c, gm_talk *const *talks, size_t n, float *logits);

/* Lets next(user, i, ...) decide what the talk says, given the logits[vocab] of its last row,
 * and adds the token to the talk. *more: the talk goes on. Errors: next's, GM_ERR_MEMORY. */
gm_status gm_pipeline_say(gm_talk *talk, gm_next_fn next, void *user, size_t i,
                          const float *logits, bool *more, gm_error *err);

#endif
