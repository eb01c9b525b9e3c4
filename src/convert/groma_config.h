/* groma_config.h - the tables of known members in the files of a Groma checkpoint. */
#ifndef GM_GROMA_CONFIG_H
#define GM_GROMA_CONFIG_H

#include "config_check.h"

enum { GM_GROMA_CONFIGS = 8 };

extern const gm_config_file gm_groma_files[GM_GROMA_CONFIGS];

#endif
