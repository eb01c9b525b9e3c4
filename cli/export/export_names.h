/* export_names.h - the pictures of an export that keeps a file each: what they are called in
 * it, and whether they are for training. */
#ifndef CLI_EXPORT_NAMES_H
#define CLI_EXPORT_NAMES_H

#include "export_params.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct export_item {
  char *file;    /* as given */
  size_t number; /* of its line */
  char *stem;    /* of its files in the export; no two are alike */
  char *image;   /* the picture's own name there: the stem and the file's ending */
  bool train;    /* not for validation; true where nothing is split */
  bool absent;   /* the picture was to be linked and could not be */
} export_item;

typedef struct export_items {
  export_item *all;
  size_t n;
} export_items;

/* A picture whose names are not yet chosen. False if memory is short. */
bool export_items_add(export_items *items, const char *file, size_t number);
void export_items_free(export_items *items);

/* Names all, by as little of a file's name as tells it apart: x of a/x.jpg, else x.jpg, a-x,
 * a-x.jpg. 0; -1 after a message where a picture stands there twice; 1 with errno. */
int export_items_name(export_items *items, const cli_export *export);

/* Chooses round(split n) pictures for training, in an order that a seed and their names give:
 * so one more picture moves one other at most. False if memory is short. */
bool export_items_split(export_items *items, double split, uint64_t seed);

#endif
