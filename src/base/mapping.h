/* mapping.h - a whole file, read-only in memory. */
#ifndef GM_MAPPING_H
#define GM_MAPPING_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gm_mapping {
  const unsigned char *data;
  size_t size;
  bool mapped;      /* else malloc'd */
  int64_t mtime_ns; /* when the file was last written, by fstat at open */
} gm_mapping;

/* Maps `path` (use_mmap) or reads it into memory. The size is fstat's at open. If the file is
 * truncated while mapped, an access raises SIGBUS (docs/FORMAT.md). Errors:
 * GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_map_file(gm_mapping *out, const char *path, bool use_mmap, gm_error *err);
void gm_unmap(gm_mapping *mapping);

/* Hints for reading a file larger than memory piece by piece; without a mapping they do
 * nothing. will_need: these bytes come next. drop: these bytes are not needed for now; their
 * pages leave the process's resident memory and are read again on the next access. Both are
 * safe while other threads read the bytes. */
void gm_mapping_will_need(const gm_mapping *mapping, size_t offset, size_t length);
void gm_mapping_drop(const gm_mapping *mapping, size_t offset, size_t length);

#endif
