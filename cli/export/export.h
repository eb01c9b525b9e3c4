/* export.h - regions in the formats that annotation tools and trainers read: CSV, COCO, YOLO,
 * Pascal VOC, Label Studio (docs/EXPORT.md).
 *
 * An export is made of the JSON lines that a run has written (docs/JSON.md), at its end: so a
 * run that was interrupted and resumed exports the same, and no number of pictures has to fit
 * into memory. */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "export_params.h"

#include <stdio.h>

/* NULL means json. False if unknown. */
bool cli_format_named(const char *name, cli_format *out);
/* YOLO and VOC are folders, the others one file. */
bool cli_format_is_folder(cli_format format);

/* Whether a file of this format may go to path, where it would replace nothing but an earlier
 * one. False after a message. */
bool cli_format_may_replace(cli_format format, const char *path);

/* What can be known before the run: that names are text, that no two pictures would share an
 * annotation file, that a folder does not mix with what is there. False after a message. */
bool cli_export_check(const cli_export *export, char *const *names, size_t n);

/* Writes the export of all lines. Atomic: a file or a folder appears whole or not at all; in a
 * folder that is there each file does. False after a message on stderr. */
bool cli_export_write(const cli_export *export, FILE *lines);

#endif
