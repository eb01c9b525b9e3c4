/* export_params.h - the settings and the counts of an export. */
#ifndef CLI_EXPORT_PARAMS_H
#define CLI_EXPORT_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cli_format {
  FORMAT_JSON, /* the lines themselves: nothing to export */
  FORMAT_CSV,
  FORMAT_COCO,
  FORMAT_YOLO,
  FORMAT_VOC,
  FORMAT_LABELSTUDIO
} cli_format;

typedef struct cli_export_counts {
  size_t pictures, boxes;
  bool labels; /* the boxes are labels of whole pictures */
  size_t classes;
  size_t failed;   /* lines of failed pictures */
  size_t bad;      /* lines that could not be used */
  size_t unlinked; /* pictures that --link-images could not link */
} cli_export_counts;

typedef struct cli_export {
  cli_format format;
  const char *path; /* file or folder to make; NULL: standard output (one file only) */
  /* [n_classes], in the order of their ids; repeats count once. NULL: those of the lines (only
   * for a user's lines) */
  const char *const *classes;
  size_t n_classes;
  const char *model;   /* the model's name, for Label Studio's model_version */
  bool classification; /* labels of whole pictures instead of regions: CSV only */
  bool confidence;     /* YOLO and VOC: scores too, which some readers do not accept */
  bool again;    /* an existing folder is this run's earlier export: its files are replaced */
  bool force;    /* replace files whatever their classes are */
  double split;  /* YOLO and VOC: share of the pictures for training; < 0: no split */
  uint64_t seed; /* of split */
  bool link;     /* YOLO and VOC: link the pictures too */
  const char *label_config, *url_prefix; /* Label Studio; NULL: none */
  /* The lines are a user's file with this name: bad ones are reported and left out. NULL: the
   * run's own lines, where a bad one ends the export. */
  const char *lines_name;
  cli_export_counts *counts; /* set by cli_export_write; may be NULL */
} cli_export;

#endif
