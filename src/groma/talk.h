/* talk.h - questions about a picture and their answers, several talks at once.
 *
 * A talk is one sequence of the language model:
 *   [ image part ][ list of regions ][ tail ][ question, answer, question, ... ]
 * Its cache may hold less than its rows; the next run works off the rest. A first question
 * without boxes finds everything up to the tail in the encoding's cache, one that refers to
 * boxes has a list of its own and finds the image part. */
#ifndef GM_TALK_H
#define GM_TALK_H

#include "encoding.h"

typedef struct gm_talk {
  gm_encoding *encoding; /* must outlive the talk */
  gm_region_list list;
  gm_rows said;   /* questions and answers */
  size_t asked;   /* rows of these up to the end of the last question */
  gm_kv_seq seq;  /* positions that are computed */
  size_t list_at; /* where a list of its own begins that run has to read; 0: there is none */
} gm_talk;

/* A talk whose first question refers to n boxes; index[n] becomes the regions that stand for
 * them. On failure the talk is empty. */
gm_status gm_talk_begin(gm_talk *talk, gm_encoding *encoding, const gm_rel_box *boxes, size_t n,
                        size_t *index, gm_error *err);
void gm_talk_free(gm_talk *talk);

/* Boxes of a later question: they go after the list, so that regions named so far keep their
 * numbers; the cache is cut back to the first region that is new. On failure (GM_ERR_MEMORY;
 * GM_ERR_ARGUMENT where all that the model can name is named) the list may have some of the
 * boxes: gm_talk_go_back takes them out. */
gm_status gm_talk_refer(gm_talk *talk, const gm_rel_box *boxes, size_t n, size_t *index,
                        gm_error *err);

/* After begin or refer, before ask: computes the vectors of all lists and the image's part of
 * the cache, and puts it under the talks that have none, with a list of their own where one is
 * kept. The talks, at least one, are of one encoding. */
gm_status gm_talks_prepare(gm_compute *c, gm_talk *const *talks, size_t n);

/* Adds a question; index as begin or refer gave it. From the second on, </s> goes in front
 * unless the answer ended with it. */
gm_status gm_talk_ask(gm_talk *talk, const gm_question *question, const size_t *index,
                      gm_error *err);
/* Adds an id, as if the model had said it. After a question that is not read yet, the id is
 * read with it. */
gm_status gm_talk_say(gm_talk *talk, int32_t id, gm_error *err);
/* Where a talk was before a turn, to go back to. */
typedef struct gm_talk_mark {
  gm_region_list list; /* a copy */
  size_t n_said;
} gm_talk_mark;
/* Free with gm_talk_mark_free, after GM_ERR_MEMORY too. */
gm_status gm_talk_mark_set(gm_talk_mark *mark, const gm_talk *talk, gm_error *err);
void gm_talk_mark_free(gm_talk_mark *mark);
/* Forgets what was said since the mark was set, and the boxes that were referred to. */
void gm_talk_go_back(gm_talk *talk, const gm_talk_mark *mark);

/* Positions of the talk with all that was said. */
size_t gm_talk_positions(const gm_talk *talk);

/* Positions that the talk has still to compute; 0 where the context has no room for them. */
size_t gm_talk_unread(const gm_talk *talk);
/* Whether what the talk has to compute next is a step of decoding (gm_llama_step): the row that
 * it said last, with all before it computed. Else rows up to the end of its question are to be
 * read (gm_llama_forward). This decides how a row is computed, so that it is bit-identical
 * alone and in every batch. */
bool gm_talk_steps(const gm_talk *talk);

/* Decides what talk i says next, given the logits [vocab] of its last row. *id >= 0 is said;
 * *more false: the talk rests. */
typedef gm_status (*gm_next_fn)(void *user, size_t i, const float *logits, int32_t *id,
                                bool *more, gm_error *err);

/* Computes the unread positions of n talks of one model, of any pictures, in one pass: logits
 * [n, vocab] of their last rows. reading: they are questions, and what several of them begin
 * with is computed once; else each has one row, a step. progress (may be NULL) is told the
 * share done. All are to step or all to read. On failure the talks are as they were, and can go
 * on from there. */
gm_status gm_talks_forward(gm_compute *c, gm_talk *const *talks, size_t n, bool reading,
                           float *logits, void (*progress)(void *user, double done),
                           void *user);

#endif
