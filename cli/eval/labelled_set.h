/* labelled_set.h - pictures whose class is known: folders named after classes, or a CSV. */
#ifndef CLI_LABELLED_SET_H
#define CLI_LABELLED_SET_H

#include "left_out.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct labelled_picture {
  char *path;
  char *label;        /* the name of the folder, with spaces for '_', or as the CSV has it */
  size_t class_index; /* after labelled_set_keep */
} labelled_picture;

typedef struct labelled_set {
  labelled_picture *pictures; /* sorted by path in folders, else in the file's order */
  size_t n;
  left_out
      left_out; /* rows without a file or a label, empty folders, pictures of other classes */
} labelled_set;

/* path: a folder of class folders, or a CSV with the columns file and label (as its header
 * says, or the first two). Relative files are in the CSV's folder. limit: the first N; 0: all.
 * Rows and folders that cannot be used are left out. False after a message on stderr. Free in
 * any case. */
bool labelled_set_load(labelled_set *set, const char *path, size_t limit);
void labelled_set_free(labelled_set *set);

/* Leaves out the pictures of other classes, and sets class_index of the others. False if memory
 * is short. */
bool labelled_set_keep(labelled_set *set, const char *const *classes, size_t n);

/* The different labels in the order of their first picture, for free(). NULL if memory is
 * short. */
const char **labelled_set_labels(const labelled_set *set, size_t *n);

#endif
