/* presence_set.h - phrases about pictures, of which some name what is there and some what is
 * not. */
#ifndef CLI_PRESENCE_SET_H
#define CLI_PRESENCE_SET_H

#include "score_set.h"

/* How a phrase that names nothing differs from one that names something. */
typedef enum presence_kind {
  PRESENCE_THERE,     /* it names something */
  PRESENCE_NOUN,      /* no such thing is in the picture */
  PRESENCE_NEAR,      /* nor is this, but one of a like class: a tiger for a lion */
  PRESENCE_PLACE,     /* the thing is there, at another place */
  PRESENCE_ATTRIBUTE, /* the thing is there, of another colour, size, ... */
  PRESENCE_KINDS
} presence_kind;
extern const char *const presence_kind_names[PRESENCE_KINDS];

/* A picture and a phrase: the unit that is counted. */
typedef struct presence_entry {
  size_t image; /* number in the set */
  presence_kind kind;
  size_t first_truth, n_truths; /* of PRESENCE_THERE: at least 1 */
} presence_entry;

typedef struct presence_truth {
  size_t entry;
  score_box box;
} presence_truth;

typedef struct presence_set {
  score_set set; /* the pictures */
  presence_entry *entries;
  size_t n;
  presence_truth *truths; /* by entry */
  size_t n_truths;
  gm_name_table ids; /* number i is entry i: score_phrase_number */
} presence_set;

/* coco: the pictures. refs: a list of {image_id, expression, annotation_id, bbox}; entries with
 * the same picture and expression are one phrase with several boxes, and one whose
 * annotation_id is null is passed over. absent: a list of {image_id, expression, kind}. limit:
 * the first N pictures; 0: all. Free with presence_set_free, also after an error.
 *
 * Errors: GM_ERR_ARGUMENT with file and line (also an absent phrase that the refs have of that
 * picture, or that comes twice, and files without a phrase), GM_ERR_MEMORY. */
gm_status presence_set_read(presence_set *out, const score_file *coco, const score_file *refs,
                            const score_file *absent, size_t limit, gm_error *err);
/* Entry i's phrase. */
const char *presence_phrase(const presence_set *set, size_t i);
void presence_set_free(presence_set *set);

#endif
