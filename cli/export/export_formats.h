/* export_formats.h - one writer a format, and what they write with. */
#ifndef CLI_EXPORT_FORMATS_H
#define CLI_EXPORT_FORMATS_H

#include "export_lines.h"

/* How a COCO file of ours begins. */
#define EXPORT_COCO_HEAD "{\"info\":{\"description\":\"regions found by gromatic\"}"

/* Each writes the whole export to out or below the folder; 0 where all went well, -1 after a
 * message, 1 where writing to a stream failed (errno tells why). */
int export_csv(const cli_export *export, FILE *lines, FILE *out);
int export_coco(const cli_export *export, FILE *lines, FILE *out);
int export_labelstudio(const cli_export *export, FILE *lines, FILE *out);
int export_yolo(const cli_export *export, FILE *lines, const char *folder);
int export_voc(const cli_export *export, FILE *lines, const char *folder);

/* Whether a result may go to path: where nothing is there, an empty file, or one that begins
 * with one of the heads (up to two, or NULL), as an earlier result does. False after a message
 * for a picture's name, and for a file of anybody else's. kind: what is written, as "CSV". */
bool export_may_replace(const char *path, const char *kind, const char *const heads[2]);

/* A file that gets its name when it is whole: folder/name, or name where folder is NULL. */
typedef struct export_file {
  FILE *out;
  char *path, *part;
} export_file;
/* False with errno. */
bool export_file_open(export_file *file, const char *folder, const char *name);
/* keep: syncs and names it; else removes it. False with errno if it could not be kept. */
bool export_file_close(export_file *file, bool keep);

/* v without trailing zeros, at most `decimals` of them, whatever the locale. */
void export_number(FILE *out, double v, int decimals);

#endif
