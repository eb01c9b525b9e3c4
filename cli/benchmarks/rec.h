/* rec.h - pointing at one object: expressions with their true boxes, and how many answers are
 * right. */
#ifndef CLI_REC_H
#define CLI_REC_H

#include "score_answers.h"
#include "score_set.h"

typedef struct rec_entry {
  size_t image;     /* number in the set */
  char *expression; /* without white space at its ends */
  score_box box;    /* true, clipped to the picture */
  bool tiny;        /* a side is at most 2 pixels at 448 x 448 */
} rec_entry;

typedef struct rec_set {
  score_set set; /* the pictures */
  rec_entry *entries;
  size_t n;
  gm_name_table ids; /* number i is entry i */
} rec_set;

/* Without refs: one expression a picture's entry, its caption, and one box; the entry's id is
 * the image's. With refs, a list of {ref_id, ann_id, image_id, split, sentences: [{sent}]}: an
 * entry for each sentence whose split is this one (NULL: all); its id is the string
 * "REF_ID/K", K counted from 0 in each ref. Free with rec_set_free, also after an error. Errors
 * as in score_set_read. */
gm_status rec_set_read(rec_set *rec, const score_file *coco, const score_file *refs,
                       const char *split, gm_error *err);
/* Keeps the first n entries; 0: all. */
void rec_set_limit(rec_set *rec, size_t n);
void rec_set_free(rec_set *rec);

typedef struct rec_figures {
  size_t right, tiny;                 /* entries */
  double accuracy, mean_iou, missing; /* shares of all entries; right: IoU > 0.5 */
  double ceiling; /* share with any region over 0.5; NaN if an entry's regions are unknown */
} rec_figures;

/* An entry without an answer counts as missing. GM_ERR_MEMORY. */
gm_status rec_score(rec_figures *out, const rec_set *rec, const score_answers *answers,
                    gm_error *err);

#endif
