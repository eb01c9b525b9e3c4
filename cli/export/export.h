/* export.h - regions in the formats that annotation tools and trainers read: CSV, COCO, YOLO,
 * Pascal VOC, Label Studio (docs/EXPORT.md).
 *
 * An export is made of the JSON lines that a run has written (docs/JSON.md), at its end or
 * later: so a run that was interrupted and resumed exports the same, and no number of pictures
 * has to fit into memory. */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "arguments.h"
#include "export_params.h"

#include <stdio.h>

/* The format and all options of it; the path and what the command knows are left to the caller.
 * False after a message: an unknown format, an option that it does not have. */
bool cli_export_options(const cli_args *args, cli_export *out);

/* As -f takes it. */
const char *cli_format_name(cli_format format);
/* YOLO and VOC are folders, the others one file. */
bool cli_format_is_folder(cli_format format);

/* Whether a file of this format may go to path, where it would replace nothing but an earlier
 * one. False after a message. */
bool cli_format_may_replace(cli_format format, const char *path);
/* The same without a message, and whatever the name. */
bool cli_format_is_earlier(cli_format format, const char *path);

/* What can be known before the run: that names are text, that no picture stands there twice
 * where each has a file, that a folder does not mix with what is there. Finishes what a killed
 * run began in the folder. False after a message. */
bool cli_export_check(const cli_export *export, char *const *names, size_t n);

/* Once the classes are known: whether the folder that is there has the same. False after a
 * message. */
bool cli_export_check_classes(const cli_export *export);

/* Writes the export of all lines. Atomic: a file or a new folder appears whole or not at all; a
 * folder that is there changes once all is written, and the next run ends a change that was
 * killed. False after a message on stderr, also where the export was written but a picture is
 * missing in it. */
bool cli_export_write(const cli_export *export, FILE *lines);

#endif
