/* export.h - writes regions in the formats of annotation tools and trainers: CSV, COCO, YOLO,
 * Pascal VOC, Label Studio (docs/EXPORT.md). An export is made of the JSON lines of a run
 * (docs/JSON.md), at its end or later. So an interrupted and resumed run exports the same, and
 * the pictures need not fit into memory. */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "arguments.h"
#include "export_params.h"

#include <stdio.h>

/* Reads the format and its options. The caller sets the path and what the command knows. False
 * after a message: an unknown format, or an option that the format does not have. */
bool cli_export_options(const cli_args *args, cli_export *out);

/* The format's name for -f. */
const char *cli_format_name(cli_format format);
/* YOLO and VOC are folders, the others one file. */
bool cli_format_is_folder(cli_format format);

/* Whether a file of this format may be written to path: it replaces nothing but an earlier one.
 * False after a message. */
bool cli_format_may_replace(cli_format format, const char *path);
/* The same without a message, for any name. */
bool cli_format_is_earlier(cli_format format, const char *path);

/* Checks before the run: names are text, no picture is there twice if each has a file, and a
 * folder is not mixed with others' files. Completes what a killed run began in the folder.
 * False after a message. */
bool cli_export_check(const cli_export *export, char *const *names, size_t n);

/* Call when the classes are known: whether an existing folder has the same ones. False after a
 * message. */
bool cli_export_check_classes(const cli_export *export);

/* Writes the export of all lines. A file or a new folder appears whole or not at all. An
 * existing folder is changed when everything is written; if that change is killed, the next run
 * completes it. False after a message on stderr, also if a picture is missing in the export. */
bool cli_export_write(const cli_export *export, FILE *lines);

#endif
