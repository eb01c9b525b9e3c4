/* zip.h - the directory of a ZIP archive in memory, as PyTorch writes them: ZIP64, one disk,
 * members found through the central directory.
 *
 * Everything is cross-checked when the archive is opened, so that no two readers could see two
 * different archives in one file: the central directory ends where the end record begins, a
 * ZIP64 record and the classic one agree, a member's local header agrees with its directory
 * entry, members are inside the file and before the directory, no two of them overlap, and no
 * name comes twice. Compressed members may be listed (TorchScript archives compress their code)
 * but only stored ones can be read. Checksums are not checked, since PyTorch may write archives
 * without them.
 *
 * Format: PKWARE APPNOTE 6.3.10. Immutable after open. */
#ifndef GM_ZIP_H
#define GM_ZIP_H

#include "status.h"

enum { GM_ZIP_MAX_ENTRIES = 65536, GM_ZIP_MAX_NAME = 1024 };

typedef struct gm_zip_entry {
  const char *name; /* NUL-terminated, owned by the archive */
  uint64_t header;  /* offset of the local header */
  uint64_t offset;  /* of the member's bytes */
  uint64_t size;    /* in the file */
  bool stored;      /* false: compressed, cannot be read */
} gm_zip_entry;

typedef struct gm_zip {
  gm_zip_entry *entries; /* in name order */
  size_t n_entries;
  char *names;
} gm_zip;

/* True if the bytes begin like a ZIP archive. */
bool gm_zip_is(const unsigned char *bytes, size_t size);
/* Errors: GM_ERR_MODEL, GM_ERR_MEMORY; *out is then empty. */
gm_status gm_zip_open(gm_zip *out, const unsigned char *bytes, size_t size, gm_error *err);
void gm_zip_close(gm_zip *zip);

/* NULL if absent. */
const gm_zip_entry *gm_zip_find(const gm_zip *zip, const char *name);
/* The member; GM_ERR_MODEL if it is absent or compressed. */
gm_status gm_zip_want(const gm_zip *zip, const char *name, const gm_zip_entry **out,
                      gm_error *err);

#endif
