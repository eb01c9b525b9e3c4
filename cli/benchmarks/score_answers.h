/* score_answers.h - what a model answered to a benchmark's entries: read from a file, or
 * gathered from a run. */
#ifndef CLI_SCORE_ANSWERS_H
#define CLI_SCORE_ANSWERS_H

#include "score_file.h"

/* A region of an answer. */
typedef struct score_region {
  score_box box;
  double score; /* 0 if not needed */
} score_region;

typedef struct score_answer {
  size_t entry;    /* number of the image, or of the entry of rec or ground */
  size_t category; /* 0 if not needed; of ground: the image */
  score_box box;
  bool has_box; /* false: no region was named */
  double score;
  char *caption;                  /* or the text; NULL if not needed */
  size_t first_region, n_regions; /* rec: those to choose from; ground: those that are given */
  bool has_regions;               /* they are known */
  double present;                 /* ground: 0 to 1 */
  bool calibrated;                /* ground: present was fitted to data */
} score_answer;

typedef struct score_answers {
  score_answer *items; /* in the order of the file */
  size_t n;
  score_region *regions;
  size_t n_regions;
} score_answers;

/* The lists, with the members of their entries. */
typedef enum score_kind {
  SCORE_REC,        /* {id, bbox or null, regions (may be absent): [bbox, ...]} */
  SCORE_DETECTIONS, /* {image_id, category_id, bbox, score} */
  SCORE_PROPOSALS,  /* {image_id, bbox, score} */
  SCORE_CAPTION,    /* {image_id, caption} */
  SCORE_CHAT,       /* {question_id, text}, also as JSON lines; text is the caption here */
  SCORE_PRESENCE /* {image_id, expression, present, calibrated (may be absent: true), regions:
                    [{bbox, score}, ...]}; present and scores are 0 to 1 */
} score_kind;

/* A JSON list of such entries, or several lists. ids: n_entries ones that an entry may refer
 * to; categories: n_categories ones, for SCORE_DETECTIONS; for SCORE_PRESENCE ids are those of
 * score_phrase_number, and categories those of the images. An unknown id is an error; so is an
 * id that comes twice, for SCORE_REC, SCORE_CHAT and SCORE_PRESENCE. Free with
 * score_answers_free, also after an error. Errors as in score_set_read. */
gm_status score_answers_read(score_answers *answers, const score_file *file, score_kind kind,
                             gm_name_table *ids, size_t n_entries, gm_name_table *categories,
                             size_t n_categories, gm_error *err);
/* Takes over caption. GM_ERR_MEMORY. */
gm_status score_answers_add(score_answers *answers, score_answer answer, gm_error *err);
gm_status score_answers_add_region(score_answers *answers, score_region region, gm_error *err);
void score_answers_free(score_answers *answers);

#endif
