/* config_tables.h - tables for config_check.h that serve every architecture: what transformers
 * 4 and 5 write into the files of any model. Each ends with GM_MEMBERS_END. */
#ifndef GM_CONFIG_TABLES_H
#define GM_CONFIG_TABLES_H

#include "config_check.h"

/* PretrainedConfig's own members, in config.json and in each object of it. */
extern const gm_member gm_bookkeeping_members[];
/* How text is generated: generation_config.json, and config.json in transformers 4. */
extern const gm_member gm_generation_members[];
/* preprocessor_config.json, and "image_processor" of processor_config.json. */
extern const gm_member gm_image_members[];
/* processor_config.json itself. */
extern const gm_member gm_processor_members[];
/* tokenizer_config.json, less what an architecture's own table says. */
extern const gm_member gm_tokenizer_members[];

/* Image processors that differ in nothing that is computed here. */
#define GM_IMAGE_PROCESSORS                                                                    \
  "\"CLIPImageProcessor\"", "\"CLIPImageProcessorFast\"", "\"CLIPImageProcessorPil\"",         \
      "\"CLIPFeatureExtractor\"", "\"BitImageProcessor\"", "\"BitImageProcessorFast\"",        \
      "\"BitImageProcessorPil\""

#endif
