/* export_folder.h - a folder of many files that changes at once.
 *
 * A new folder is filled beside its place and renamed. An existing one is filled under
 * FOLDER/.gromatic-new, which is renamed to .gromatic-ready when it is complete; then each file
 * takes its place. A run that is killed before that leaves the old state, and a part that the
 * next run removes; one that is killed later is completed by the next run. A list of what
 * gromatic wrote stays in the folder (export_list.h): nothing else is ever removed. */
#ifndef CLI_EXPORT_FOLDER_H
#define CLI_EXPORT_FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct export_folder {
  const char *path;
  char *stage;           /* where it is filled; NULL when it is in place */
  bool fresh;            /* new: the stage becomes the folder */
  int lock;              /* -1: none */
  json_t *before;        /* the list of an earlier export; NULL: none */
  json_t *files, *links; /* names below the folder, files in order of appearance */
} export_folder;

/* Completes what a killed run began in the folder, unless another process works on it. */
void export_folder_recover(const char *path);
/* Whether it is missing or empty. */
bool export_folder_is_empty(const char *path);

/* The calls below return false with errno. Call export_folder_end in any case. replace: the
 * folder may hold an earlier export; without it ENOTEMPTY if the folder is not empty. */
bool export_folder_begin(export_folder *folder, const char *path, bool replace);
/* Opens a file below the folder, as "labels/x.txt"; close it with export_close. Files that
 * explain the others are at the top and come last. */
FILE *export_folder_open(export_folder *folder, const char *name);
/* Links the picture under that name: a hard link, or, if that is not possible, a symbolic one.
 * ENOENT and the like: there is no such picture. EEXIST: another file has that name, not a link
 * of ours. */
bool export_folder_link(export_folder *folder, const char *picture, const char *name);
/* Whether all files may take their places (export_places.h). False after a message. */
bool export_folder_may_commit(const export_folder *folder, bool force);
/* Puts everything in place. */
bool export_folder_commit(export_folder *folder, const char *format, json_t *classes);
void export_folder_end(export_folder *folder);

#endif
