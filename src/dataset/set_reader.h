/* set_reader.h - what the readers of annotation files share: the set that is being filled, the
 * place in the file, and faults with file, line and id. */
#ifndef GM_SET_READER_H
#define GM_SET_READER_H

#include "data_set.h"
#include "json_pull.h"
#include "name_table.h"

typedef struct gm_set_reader {
  gm_data_set *set;
  const gm_data_rules *rules;
  gm_data_report *report;
  gm_pull_reader json;
  gm_error *err;
} gm_set_reader;

/* The readers, one for each family of formats. The JSON text is at its start. An error of the
 * syntax is left in r->json. */
gm_status gm_read_coco_set(gm_set_reader *r);
gm_status gm_read_grit_set(gm_set_reader *r);
gm_status gm_read_llava_set(gm_set_reader *r);
gm_status gm_read_groma_instruct_set(gm_set_reader *r);

/* Adds to the set. A picture's boxes and turns are added before it. GM_ERR_MEMORY. */
gm_status gm_set_add_text(gm_set_reader *r, const char *text, size_t length, size_t *offset);
gm_status gm_set_add_box(gm_set_reader *r, const gm_data_box *box);
gm_status gm_set_add_turn(gm_set_reader *r, size_t question, size_t answer);
gm_status gm_set_add_picture(gm_set_reader *r, const gm_data_picture *picture);
/* Adds a category by its name, which is put into lower case; `names` has all names so far.
 * *index is its place in the set, whether or not it is new. article: GM_NO_TEXT if unknown. */
gm_status gm_set_add_category(gm_set_reader *r, gm_name_table *names, const char *name,
                              size_t article, size_t *index);
/* Fills by_shape when all pictures are there. */
gm_status gm_set_order_by_shape(gm_data_set *set, gm_error *err);
/* A picture's file name, which must be a string. */
gm_status gm_set_add_file(gm_set_reader *r, const gm_pull_value *value, size_t *offset);
/* The text of a string that is trimmed (trim) and has no tags and no NUL. *offset is
 * GM_NO_TEXT after a fault. entry: for the message, as in gm_set_fault. */
gm_status gm_set_add_phrase(gm_set_reader *r, const gm_pull_value *value, bool trim,
                            const char *entry, size_t *offset);

/* Counts a fault of the entry (an object of the file) and names it by line and id. */
gm_status gm_set_fault(gm_set_reader *r, gm_data_fault kind, const char *entry,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reads these members of the next value; kinds are GM_PULL_NONE where it has none. *entry is
 * where it begins. False if it is not JSON. */
bool gm_pull_members(gm_pull_reader *p, const char **entry, const char *const *names,
                     gm_pull_value *values, size_t n);
/* The number of an id, which is a number or a string; 1 and 1.0 are the same. GM_NAME_NONE if
 * the value is not an id. GM_ERR_MEMORY. */
gm_status gm_id_number(gm_name_table *ids, const gm_pull_value *value, size_t *number,
                       gm_error *err);
/* n numbers of an array; false if it is not one of n finite numbers below 1e9. */
bool gm_pull_numbers(const gm_pull_value *value, double *out, size_t n);
/* An integer in 1..2^24, else 0. */
uint32_t gm_pull_side(const gm_pull_value *value);
/* The box (corners) clipped to a picture of that size, relative to it. */
gm_rel_box gm_clipped_box(double x1, double y1, double x2, double y2, double width,
                          double height);
/* The byte of text[0..n) at which character number `place` begins (n for the one after the
 * last); GM_NAME_NONE beyond that. */
size_t gm_byte_of(const char *text, size_t n, double place);
/* Whether the list has another object: a JSON array of them, or one after another (JSON lines).
 * The first call enters. False after a fault of the syntax. */
bool gm_pull_listed(gm_pull_reader *p, bool *entered, bool *lines);

#endif
