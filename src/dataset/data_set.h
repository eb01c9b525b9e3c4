/* data_set.h - one data set in memory: what its annotation file says, cleaned by the training
 * rules. Pictures stay on disk. */
#ifndef GM_DATA_SET_H
#define GM_DATA_SET_H

#include "data_report.h"
#include "name_table.h"
#include "sample.h"
#include "text_buffer.h"

typedef enum gm_data_format {
  GM_DATA_COCO,
  GM_DATA_REFCOCO,
  GM_DATA_FLICKR,
  GM_DATA_VG,
  GM_DATA_GRIT,
  GM_DATA_LLAVA,
  GM_DATA_GROMA_INSTRUCT
} gm_data_format;

/* One of a configuration's sets. */
typedef struct gm_data_spec {
  char *name, *file, *images; /* images: the pictures' folder */
  gm_data_format format;
  gm_task task;
  gm_source source;
  double share; /* of its pictures, in (0, 1] */
} gm_data_spec;

#define GM_NO_TEXT ((size_t)-1)

typedef struct gm_data_box {
  gm_rel_box box;      /* clipped to the picture */
  uint32_t category;   /* coco: index of its name */
  uint32_t begin, end; /* flickr, grit: the phrase in the picture's caption, in bytes */
  size_t text;         /* vg: what it is; GM_NO_TEXT */
} gm_data_box;

typedef struct gm_data_turn {
  size_t question, answer;
} gm_data_turn;

/* One entry of the set: what an epoch visits once. Texts are offsets into gm_data_set.texts. */
typedef struct gm_data_picture {
  size_t file;                /* below spec.images */
  size_t caption, background; /* GM_NO_TEXT; background: a colour, of drawn scenes */
  uint32_t width, height;     /* pixels; 0: the file does not say */
  size_t first_box, n_boxes;  /* groma-instruct: in the order of the marks */
  size_t first_turn, n_turns; /* llava, groma-instruct */
} gm_data_picture;

typedef struct gm_data_set {
  gm_data_spec spec;
  gm_data_picture *pictures;
  gm_data_box *boxes;
  gm_data_turn *turns;
  size_t *categories; /* names in lower case, each once */
  size_t *articles;   /* [n_categories]: as the file says, e.g. "the" or ""; GM_NO_TEXT */
  size_t n_pictures, n_boxes, n_turns, n_categories;
  gm_text texts; /* NUL after each */
  /* Indices of pictures: first the n_wide ones with width / height > 1, then the others. */
  uint32_t *by_shape;
  size_t n_wide;
  /* With rules.all_pictures: the pictures by the numbers of their ids; GM_NAME_NONE. */
  gm_name_table ids;
  size_t *picture_of; /* [n_picture_of] */
  size_t n_picture_of;
} gm_data_set;

typedef struct gm_data_rules {
  double min_score;  /* grit: the score of a box that counts, 0.65 */
  bool all_pictures; /* coco: also pictures without boxes and small ones; ids are kept */
} gm_data_rules;

/* Reads spec.file. Entries that cannot be used are left out, and counted in report. The spec's
 * strings are copied. Errors: GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_MEMORY, GM_ERR_ARGUMENT
 * (not JSON, nothing left, a task that the format does not have, or a fault if the report is
 * strict). */
gm_status gm_data_set_load(gm_data_set **out, const gm_data_spec *spec,
                           const gm_data_rules *rules, gm_data_report *report, gm_error *err);
/* NULL is allowed. */
void gm_data_set_free(gm_data_set *set);

static inline const char *gm_data_text(const gm_data_set *set, size_t offset) {
  return set->texts.bytes + offset;
}

/* Appends the path of the picture's file. GM_ERR_MEMORY. */
gm_status gm_data_picture_path(const gm_data_set *set, size_t picture, gm_text *path,
                               gm_error *err);

/* Whether a format has what a task asks for. */
bool gm_format_has_task(gm_data_format format, gm_task task);
extern const char *const gm_format_names[7]; /* by gm_data_format */
extern const char *const gm_task_names[7];   /* by gm_task */

#endif
