/* score_file.h - what the readers of the benchmarks' files share: the lists of a JSON file,
 * boxes, and errors with file and line. */
#ifndef CLI_SCORE_FILE_H
#define CLI_SCORE_FILE_H

#include "set_reader.h"

/* Pixels of the picture: left, top, width, height (>= 0). */
typedef struct score_box {
  double x, y, w, h;
} score_box;

/* 0 where a box has no area. */
double score_iou(score_box a, score_box b);

/* A file's name, for messages, and its whole text, which ends with a zero byte. */
typedef struct score_file {
  const char *name, *text;
} score_file;

/* Reads the next value of *json, an entry of a list. */
typedef gm_status score_entry_fn(void *user, const score_file *file, gm_pull_reader *json,
                                 gm_error *err);

typedef struct score_list {
  const char *name; /* the member of the file that is the list; NULL: the file itself is it, or
                       several lists, one after another */
  score_entry_fn *read;
  bool lines; /* without a name: or entries, one after another (JSON lines) */
} score_list;

/* Calls `read` for the entries of the lists in the file's order; other members are passed over.
 * Errors: GM_ERR_ARGUMENT (not JSON, a list that is absent or no list), those of `read`. */
gm_status score_read(const score_file *file, const score_list *lists, size_t n, void *user,
                     gm_error *err);

/* Fails with "FILE:LINE: " before the message; at: a place in the file's text. */
gm_status score_wrong(const score_file *file, const char *at, gm_error *err, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));
/* gm_pull_members; an error if it is not JSON. */
gm_status score_members(const score_file *file, gm_pull_reader *json, const char **entry,
                        const char *const *names, gm_pull_value *values, size_t n,
                        gm_error *err);
/* The value's number among the ids; an error if it is not an id. name: the member, as
 * "image_id". */
gm_status score_id(const score_file *file, const char *entry, gm_name_table *ids,
                   const char *name, const gm_pull_value *value, size_t *number, gm_error *err);
/* The number of a phrase about image number `image`, which is added if it is new; its name in
 * the table is IMAGE/PHRASE. GM_ERR_MEMORY. */
gm_status score_phrase_number(gm_name_table *ids, size_t image, const char *phrase,
                              size_t *number, gm_error *err);
gm_status score_read_box(const score_file *file, const char *entry, const gm_pull_value *value,
                         score_box *box, gm_error *err);
/* A string for free(). */
gm_status score_read_text(const score_file *file, const char *entry, const char *name,
                          const gm_pull_value *value, char **text, gm_error *err);

#endif
