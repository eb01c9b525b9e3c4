/* config_tables.h - tables for config_check.h that every architecture uses: what transformers 4
 * and 5 write into the files of any model. Each ends with GM_MEMBERS_END. */
#ifndef GM_CONFIG_TABLES_H
#define GM_CONFIG_TABLES_H

#include "config_check.h"

/* Files that transformers writes beside the weights of any model. */
#define GM_MODEL_CONFIG "config.json"
#define GM_PREPROCESSOR_CONFIG "preprocessor_config.json"
#define GM_PROCESSOR_CONFIG "processor_config.json"
#define GM_GENERATION_CONFIG "generation_config.json"

/* Reasons that several tables give. */
#define GM_WHY_TRAINING "training only"
#define GM_WHY_INITIAL "value at the beginning of training; the weights have the trained one"
#define GM_WHY_SPEED "how upstream computes the same"
#define GM_WHY_OUTPUTS "what upstream's functions return beside the result"
#define GM_WHY_IDS "ids of tokens; the tokenizer's own are taken"
#define GM_WHY_OF_TEXT "of text"

/* PretrainedConfig's own members, in config.json and in each object of it. */
extern const gm_member gm_bookkeeping_members[];
/* How text is generated: generation_config.json, and config.json in transformers 4. */
extern const gm_member gm_generation_members[];
/* preprocessor_config.json, and "image_processor" of processor_config.json. */
extern const gm_member gm_image_members[];
/* processor_config.json itself. */
extern const gm_member gm_processor_members[];
/* tokenizer_config.json, without the members of an architecture's own table. */
extern const gm_member gm_tokenizer_members[];

/* Bookkeeping and generation members of the object at a path of config.json: two
 * gm_config_rows. */
#define GM_COMMON_ROWS(path)                                                                   \
  {path, gm_bookkeeping_members}, {                                                            \
    path, gm_generation_members                                                                \
  }

/* The tables for the files of the image processor and of added tokens; the ids of the latter
 * are looked up. */
enum { GM_PREPROCESSOR_ROWS = 1, GM_PROCESSOR_ROWS = 2, GM_ADDED_ROWS = 1 };
extern const gm_config_rows gm_preprocessor_rows[GM_PREPROCESSOR_ROWS];
extern const gm_config_rows gm_processor_rows[GM_PROCESSOR_ROWS];
extern const gm_config_rows gm_added_rows[GM_ADDED_ROWS];

/* A table of the special tokens, given as JSON texts; the rest is read. */
#define GM_SPECIAL_TOKEN_MEMBERS(bos, eos, unk)                                                \
  {                                                                                            \
    GM_TOKEN("bos_token", bos, "null"), GM_TOKEN("eos_token", eos, "null"),                    \
        GM_TOKEN("unk_token", unk, "null"), GM_READ("pad_token"),                              \
        GM_READ("additional_special_tokens"), GM_MEMBERS_END,                                  \
  }

/* Image processors that differ in nothing that is computed here. */
#define GM_IMAGE_PROCESSORS                                                                    \
  "\"CLIPImageProcessor\"", "\"CLIPImageProcessorFast\"", "\"CLIPImageProcessorPil\"",         \
      "\"CLIPFeatureExtractor\"", "\"BitImageProcessor\"", "\"BitImageProcessorFast\"",        \
      "\"BitImageProcessorPil\""

#endif
