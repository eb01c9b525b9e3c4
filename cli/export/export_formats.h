/* export_formats.h - one writer a format, and what they write with. */
#ifndef CLI_EXPORT_FORMATS_H
#define CLI_EXPORT_FORMATS_H

#include "export_folder.h"
#include "export_lines.h"
#include "export_names.h"
#include "export_part.h"

/* How a COCO file of ours begins, and a labelling configuration. */
#define EXPORT_COCO_HEAD "{\"info\":{\"description\":\"regions found by gromatic\"}"
#define EXPORT_CONFIG_HEAD "<View>\n  <!-- classes of a gromatic export -->"

/* An export whose lines have been looked at once. */
typedef struct export_job {
  cli_export export;
  FILE *lines;
  export_classes classes;
  export_items items; /* of a folder: the pictures in the order of the lines */
  cli_export_counts counts;
  json_t *last; /* of a run's own lines: file: [number of its last line, boxes there] */
} export_job;

/* The lines once more, from the first on; those that cannot be used are told already. */
export_reader export_job_lines(export_job *job);

/* Each writes the whole export to out or into the folder; 0 where all went well, -1 after a
 * message, 1 where writing failed (errno tells why). */
int export_csv(export_job *job, FILE *out);
int export_coco(export_job *job, FILE *out);
int export_labelstudio(export_job *job, FILE *out);
int export_yolo(export_job *job, export_folder *folder);
int export_voc(export_job *job, export_folder *folder);

/* Label Studio's labelling configuration with all classes. False with errno. */
bool export_label_config(const export_job *job, const char *path);

/* Whether a result may go to path: where nothing is there, an empty file, or one that begins
 * with one of the heads (up to two, or NULL), as an earlier result does. False after a message
 * for a picture's name, and for a file of anybody else's. kind: what is written, as "CSV". */
bool export_may_replace(const char *path, const char *kind, const char *const heads[2]);
/* The same without a message, and whatever the name. */
bool export_is_earlier(const char *path, const char *const heads[2]);

/* What puts a picture's regions into its own file. */
typedef void export_put_fn(const export_job *job, const export_picture *p,
                           const export_item *item, FILE *out);
/* Writes inside/STEM.ending for every picture; as export_yolo. */
int export_each_picture(export_job *job, export_folder *folder, const char *inside,
                        const char *ending, export_put_fn *put);
/* Links the pictures into inside/ with --link-images; a message for each that could not be. */
void export_link_pictures(export_job *job, export_folder *folder, const char *inside);
/* A list of pictures, those for training or those that are not, or all: before each prefix,
 * then its image name or its stem. As export_yolo. */
typedef enum export_part_of { PART_ALL, PART_TRAIN, PART_VAL } export_part_of;
int export_put_list(const export_job *job, export_folder *folder, const char *name,
                    export_part_of part, const char *prefix, bool stems);

/* v without trailing zeros, at most `decimals` of them, whatever the locale. */
void export_number(FILE *out, double v, int decimals);
/* Text of an element or of an attribute in double quotes. What XML 1.0 cannot hold, control
 * characters and U+FFFE/F, becomes '?'. */
void export_xml(FILE *out, const char *text);

#endif
