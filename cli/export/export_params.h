/* export_params.h - what an export is to be. */
#ifndef CLI_EXPORT_PARAMS_H
#define CLI_EXPORT_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum cli_format {
  FORMAT_JSON, /* the lines themselves: nothing to export */
  FORMAT_CSV,
  FORMAT_COCO,
  FORMAT_YOLO,
  FORMAT_VOC,
  FORMAT_LABELSTUDIO
} cli_format;

typedef struct cli_export {
  cli_format format;
  const char *path; /* file or folder to make; NULL: standard output (one file only) */
  const char *const *classes; /* [n_classes], their order gives the ids; repeats count once */
  size_t n_classes;
  const char *model;   /* its name, for Label Studio's model_version */
  bool classification; /* labels of whole pictures instead of regions: CSV only */
  bool confidence;     /* YOLO and VOC: scores too, which their readers do not all take */
  bool again;          /* a folder that is there is an earlier export: its files are replaced */
} cli_export;

#endif
