/* export_params.h - what an export is to be, and what came of it. */
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
  size_t failed;   /* lines that tell an error */
  size_t bad;      /* lines that could not be used */
  size_t unlinked; /* pictures that --link-images could not link */
} cli_export_counts;

typedef struct cli_export {
  cli_format format;
  const char *path; /* file or folder to make; NULL: standard output (one file only) */
  /* [n_classes], their order gives the ids; repeats count once. NULL: as the lines name them,
   * of a user's lines only */
  const char *const *classes;
  size_t n_classes;
  const char *model;   /* its name, for Label Studio's model_version */
  bool classification; /* labels of whole pictures instead of regions: CSV only */
  bool confidence;     /* YOLO and VOC: scores too, which their readers do not all take */
  bool again;          /* a folder that is there is an earlier export: its files are replaced */
  bool force;          /* the same, whatever its classes are */
  double split;        /* YOLO and VOC: share of the pictures for training; < 0: no split */
  uint64_t seed;       /* of the split */
  bool link;           /* YOLO and VOC: the pictures too, as links */
  const char *label_config, *url_prefix; /* Label Studio; NULL: none */
  /* The lines are a user's file of this name: bad ones are told and left out. NULL: the run's
   * own lines, where a bad one ends the export. */
  const char *lines_name;
  cli_export_counts *counts; /* filled by cli_export_write; NULL: nobody asks */
} cli_export;

#endif
