/* export_formats.h - the writers of the formats, and what they share. */
#ifndef CLI_EXPORT_FORMATS_H
#define CLI_EXPORT_FORMATS_H

#include "export_folder.h"
#include "export_lines.h"
#include "export_names.h"
#include "export_part.h"

/* The beginnings of a COCO file and of a labelling configuration of ours. */
#define EXPORT_COCO_HEAD "{\"info\":{\"description\":\"regions found by gromatic\"}"
#define EXPORT_CONFIG_HEAD "<View>\n  <!-- classes of a gromatic export -->"

/* An export after its first pass over the lines. */
typedef struct export_job {
  cli_export export;
  FILE *lines;
  export_classes classes;
  export_items items; /* for folders: the pictures in the order of the lines */
  cli_export_counts counts;
  json_t *last; /* for a run's own lines: file: [number of its last line, boxes there] */
} export_job;

/* Reads the lines again from the first one; faulty ones were reported before. */
export_reader export_job_lines(export_job *job);

/* Each writes the whole export to out or into the folder. 0; -1 after a message; 1 with errno
 * if writing failed. */
int export_csv(export_job *job, FILE *out);
int export_coco(export_job *job, FILE *out);
int export_labelstudio(export_job *job, FILE *out);
int export_yolo(export_job *job, export_folder *folder);
int export_voc(export_job *job, export_folder *folder);

/* Writes Label Studio's labelling configuration with all classes. False with errno. */
bool export_label_config(const export_job *job, const char *path);

/* Whether a result may be written to path: nothing is there, or an empty file, or one that
 * begins with one of the heads (up to two, or NULL), as an earlier result does. False, after a
 * message, for a picture's name and for any other file. kind: what is written, as "CSV". */
bool export_may_replace(const char *path, const char *kind, const char *const heads[2]);
/* The same without a message, for any name. */
bool export_is_earlier(const char *path, const char *const heads[2]);

/* Writes a picture's regions into its own file. */
typedef void export_put_fn(const export_job *job, const export_picture *p,
                           const export_item *item, FILE *out);
/* Writes inside/STEM.ending for every picture. Returns as export_yolo. */
int export_each_picture(export_job *job, export_folder *folder, const char *inside,
                        const char *ending, export_put_fn *put);
/* With --link-images links the pictures into inside/; a message for each that could not be
 * linked. */
void export_link_pictures(export_job *job, export_folder *folder, const char *inside);
/* Writes a list of pictures, those for training, the others, or all: for each the prefix and
 * then its image name or its stem. Returns as export_yolo. */
typedef enum export_part_of { PART_ALL, PART_TRAIN, PART_VAL } export_part_of;
int export_put_list(const export_job *job, export_folder *folder, const char *name,
                    export_part_of part, const char *prefix, bool stems);

/* Writes v without trailing zeros, with at most `decimals` decimals, in any locale. */
void export_number(FILE *out, double v, int decimals);
/* Writes text of an element, or of an attribute in double quotes. Characters that XML 1.0 does
 * not have (controls, U+FFFE, U+FFFF) become '?'. */
void export_xml(FILE *out, const char *text);

#endif
