/* export_part.h - what stands under a short name of its own beside the place that it is made
 * for, until it is whole: .gromatic-SUM-XXXXXX. So a name of any length has room for its part,
 * and the next run finds what a killed one left. */
#ifndef CLI_EXPORT_PART_H
#define CLI_EXPORT_PART_H

#include <stdbool.h>
#include <stdio.h>

/* Makes the file or the folder, open, under a name for free(). Until fd is closed it is not
 * removed as a dead one. -1 with errno. */
int export_part_make(const char *path, bool folder, char **part);

/* Removes the parts of path, files and folders, that no process holds locked. Never fails. */
void export_parts_remove(const char *path);

/* Removes a file, or a folder with all in it; links are not followed. */
void export_remove_tree(const char *path);

/* A file that gets its name when it is whole. */
typedef struct export_file {
  FILE *out;
  char *path, *part;
} export_file;
/* False with errno. */
bool export_file_open(export_file *file, const char *path);
/* keep: syncs and names it; else removes it. False with errno if it could not be kept. */
bool export_file_close(export_file *file, bool keep);

/* Closes a file that was written. False with errno where not all of it could be. */
bool export_close(FILE *file);

#endif
