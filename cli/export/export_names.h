/* export_names.h - the pictures of an export with a file for each: their names in it, and
 * whether they are for training. */
#ifndef CLI_EXPORT_NAMES_H
#define CLI_EXPORT_NAMES_H

#include "export_params.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct export_item {
  char *file;    /* as given */
  size_t number; /* of its line */
  char *stem;    /* of its files in the export; all differ */
  char *image;   /* the picture's name there: the stem and the file's ending */
  bool train;    /* not for validation; true without a split */
  bool absent;   /* linking the picture failed */
} export_item;

typedef struct export_items {
  export_item *all;
  size_t n;
} export_items;

/* Adds a picture without names. False if memory is short. */
bool export_items_add(export_items *items, const char *file, size_t number);
void export_items_free(export_items *items);

/* Names all pictures by as little of a file's name as keeps them apart: x for a/x.jpg, else
 * x.jpg, a-x, a-x.jpg. 0; -1 after a message if a picture occurs twice; 1 with errno. */
int export_items_name(export_items *items, const cli_export *export);

/* Chooses round(split n) pictures for training, in an order of the seed and their names: one
 * more picture moves at most one other. False if memory is short. */
bool export_items_split(export_items *items, double split, uint64_t seed);

#endif
