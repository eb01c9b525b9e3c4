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
#include "row_tree.h"

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

/* ---- for pipeline.c ---- */

/* The part of the prefix that talks of one encoding want and that it has not computed. */
gm_prefix_part gm_talks_missing_prefix(gm_talk *const *talks, size_t n);
/* Puts the encoding's prefix under a talk that has no positions yet, as far as its list agrees
 * with the base list, and then its own list if the cache has it. GM_ERR_MEMORY. */
gm_status gm_talk_take_prefix(gm_talk *talk, gm_compute *c);

/* Talks of one model while they go through it together: a run each. */
typedef struct gm_talk_pass {
  gm_compute *c;
  const gm_llama *llama;
  gm_talk *const *talks; /* [n] */
  size_t n;
  gm_rows *rows;      /* [n], of talks that read a list of their own */
  gm_llama_run *runs; /* [n] */
  bool grown;         /* tree has runs of its own, else those above */
  gm_row_tree tree;
  gm_arena_mark mark;
} gm_talk_pass;

/* begin makes the runs of the rows that the talks have to compute; end frees them, after a
 * failure of begin too. share makes one run of what several questions begin with; keep_lists
 * puts the keys and values of lists that were read into the cache. GM_ERR_MEMORY. */
gm_status gm_talk_pass_begin(gm_talk_pass *pass, gm_compute *c, gm_talk *const *talks, size_t n,
                             float *logits);
gm_status gm_talk_pass_share(gm_talk_pass *pass);
gm_status gm_talk_pass_keep_lists(gm_talk_pass *pass);
void gm_talk_pass_end(gm_talk_pass *pass);

#endif
