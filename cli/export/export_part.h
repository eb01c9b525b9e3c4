/* export_part.h - a file or folder is written under a short name beside its place,
 * .gromatic-SUM-XXXXXX, until it is whole. So names of any length work, and the next run finds
 * what a killed one left. */
#ifndef CLI_EXPORT_PART_H
#define CLI_EXPORT_PART_H

#include <stdbool.h>
#include <stdio.h>

/* Makes and opens the file or folder; *part is its name, for free(). While fd is open, it is
 * not removed as dead. -1 with errno. */
int export_part_make(const char *path, bool folder, char **part);

/* Removes the parts of path, files and folders, that no process holds locked. Never fails. */
void export_parts_remove(const char *path);

/* Removes a file, or a folder with all in it; links are not followed. */
void export_remove_tree(const char *path);

/* A file that gets its name when it is complete. */
typedef struct export_file {
  FILE *out;
  char *path, *part;
} export_file;
/* False with errno. */
bool export_file_open(export_file *file, const char *path);
/* keep: syncs it and gives it its name; else removes it. False with errno if it could not be
 * kept. */
bool export_file_close(export_file *file, bool keep);

/* Closes a written file. False with errno if not all of it could be written. */
bool export_close(FILE *file);

#endif
