/* arguments.h - what a command is, the settings that it gets, and the codes it ends with. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CLI_DONE = 0, CLI_SOME_FAILED = 1, CLI_USAGE = 2, CLI_MODEL = 3, CLI_INTERRUPTED = 130 };

enum { CLI_MOST_TOGETHER = 8 }; /* pictures of --parallel at most */

typedef struct cli_list {
  const char **items; /* the strings are argv's or the environment's */
  size_t n;
} cli_list;

/* Every setting of every command; a command reads those that its groups admit. */
typedef struct cli_args {
  /* model */
  const char *model;
  uint64_t threads, context;
  const char *cache_type_k, *cache_type_v;
  bool fast, no_mmap, mlock, no_pack;
  cli_list adapters;
  /* pictures */
  uint64_t max_pixels, parallel;
  bool recursive;
  /* regions */
  double conf, iou, min_score, min_present;
  uint64_t max_det;
  const char *regions_file;
  const char *box_format;
  cli_list boxes;
  bool append_boxes;
  uint64_t shuffle_seed;
  /* classes and crops */
  const char *clip_model, *classes, *descriptions, *templates, *descriptors, *words, *method;
  uint64_t crops, draws, redraws; /* crops: UINT64_MAX is the method's own number */
  double alpha, beta;             /* negative: the method's own */
  double image_scale, text_scale; /* NaN: the method's own */
  double none;                    /* below -1: the CLIP's head decides */
  const char *thresholds;
  double merge_iou; /* 0: off */
  /* questions */
  cli_list prompts, phrases;
  bool long_form, all, grounding, no_grounding, verbatim;
  double temperature, top_p;
  uint64_t top_k, seed, max_tokens;
  /* output */
  bool json, raw, resume, retry_errors, force, quiet;
  const char *output, *draw, *format;
  bool save_conf, link_images;
  double split; /* negative: not given */
  const char *label_config, *url_prefix;
  /* describe-classes */
  const char *endpoint, *endpoint_model;
  uint64_t rate, timeout, retries;
  uint64_t verbose;
  /* curate */
  const char *captions, *replies, *write_prompts, *instructions, *sheet;
  bool from_labels;
  uint64_t budget;                      /* tokens; 0: no limit */
  double held_out, price_in, price_out; /* share; for a million tokens */
  /* classify and its eval */
  const char *groma_model, *preset, *explain, *against, *cache, *cache_size;
  uint64_t seeds, top;                  /* top 0: all labels */
  double stop, dedup_iou, dedup_cosine; /* dedup_* negative: not given */
  bool dedup, proposals, no_cache;
  /* convert, inspect, eval, bench */
  const char *type, *layout, *ignore_config, *shape, *stages, *coco, *refs, *images;
  const char *absent, *predictions, *protocol, *split_name,
      *meteor_jar; /* the benchmarks of eval */
  const char *resize, *questions, *context_file, *references, *judge, *judge_model, *rules;
  bool verify, tensors;
  uint64_t limit, repeat, count;
  /* train */
  const char *data, *resume_run, *dtype, *freeze;
  cli_list lr, weight_decay;
  double epochs, warmup, clip, dropout, ema; /* NaN: the stage's own */
  uint64_t steps, batch, accumulate, eval_every, save_every, patience;
  bool recompute, strict;
  /* tune */
  const char *parts, *time, *keep;
  uint64_t rank;
  double val;
  bool dry_run;
  /* serve */
  cli_list models, cors_origins;
  const char *host, *unix_path, *api_key_file, *memory, *media_path, *allow_url_hosts;
  uint64_t port, slots, request_time;
  bool log_json, log_prompts;
  bool help;
  cli_list inputs; /* positional */
} cli_args;

enum {
  GROUP_MODEL = 1 << 0,
  GROUP_IMAGE = 1 << 1,
  GROUP_REGIONS = 1 << 2,
  GROUP_BOXES = 1 << 3,
  GROUP_TEXT = 1 << 4, /* sampling */
  GROUP_OUTPUT = 1 << 5,
  GROUP_CHAT = 1 << 6,
  GROUP_GROUND = 1 << 7,
  GROUP_DESCRIBE = 1 << 8,
  GROUP_CONVERT = 1 << 9,
  GROUP_INSPECT = 1 << 10,
  GROUP_EVAL = 1 << 11,
  GROUP_BENCH = 1 << 12,
  GROUP_JSON = 1 << 13,
  GROUP_EXPORT = 1 << 14,
  GROUP_CLASSES = 1 << 15, /* CLIP classes and crops */
  GROUP_LABEL = 1 << 16,
  GROUP_CLASSIFY = 1 << 17,
  GROUP_PARALLEL = 1 << 18, /* several pictures at once */
  GROUP_LINES = 1 << 19,    /* export: JSON lines instead of pictures */
  GROUP_ENDPOINT = 1 << 20,
  GROUP_ALL = 1 << 21,
  GROUP_LANGUAGE = 1 << 22, /* the language model is asked */
  GROUP_PROPOSED = 1 << 23, /* regions of one picture at a time */
  GROUP_TRAIN = 1 << 24,
  GROUP_TUNE = 1 << 25,
  GROUP_CURATE = 1 << 26,
  GROUP_CALIBRATE = 1 << 27,
  GROUP_SERVE = 1 << 28
};

typedef struct cli_command {
  const char *name;
  const char *synopsis; /* after the name */
  const char *summary;  /* one line */
  const char *details;  /* paragraphs and examples, or NULL */
  unsigned groups;
  int (*run)(const cli_args *args);
  const char *words; /* "model,clip": what its first argument is one of; NULL: anything */
} cli_command;

/* The commands in the order of the help; ends with a NULL name. Defined in commands.c. */
extern const cli_command cli_commands[];

#endif
