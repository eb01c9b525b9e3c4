/* archive.h - makes ZIP archives and pickles, well formed or not, for the tests of the PyTorch
 * reader; independent of src/. */
#ifndef GM_TEST_ARCHIVE_H
#define GM_TEST_ARCHIVE_H

#include "support.h"

/* ---- ZIP: written straight to a file, so that members may be sparse and of any size */

typedef struct test_zip {
  char path[64]; /* below /tmp; test_zip_free removes it */
  int fd;
  uint64_t at;      /* end of what was written */
  uint64_t central; /* offset of the central directory, once finished */
  uint64_t end;     /* offset of the classic end record */
  size_t n_members;
  struct {
    char name[64];
    uint64_t header, size;
    uint16_t method;
  } members[16];
} test_zip;

void test_zip_start(test_zip *zip);
/* data NULL: a hole of zeros. */
void test_zip_add(test_zip *zip, const char *name, const void *data, uint64_t size);
/* zip64: with the 64-bit end record and locator, as torch.save always writes them; fields of
 * the directory that do not fit go to ZIP64 extra fields. */
void test_zip_finish(test_zip *zip, bool zip64);
void test_zip_free(test_zip *zip);
/* Overwrites bytes of the file. */
void test_zip_patch(test_zip *zip, uint64_t offset, const void *bytes, size_t n);

/* ---- pickles */

typedef struct test_pickle {
  unsigned char bytes[1 << 16];
  size_t n;
} test_pickle;

void pickle_bytes(test_pickle *p, const void *bytes, size_t n);
void pickle_op(test_pickle *p, unsigned op);
void pickle_string(test_pickle *p, const char *text); /* BINUNICODE */
void pickle_int(test_pickle *p, int64_t value);       /* LONG1 of 8 bytes */
void pickle_global(test_pickle *p, const char *module, const char *name);
void pickle_storage(test_pickle *p, const char *type, const char *key, int64_t n);
/* A call of _rebuild_tensor_v2; stride NULL: contiguous. */
void pickle_tensor(test_pickle *p, const char *type, const char *key, int64_t storage_n,
                   int64_t offset, size_t n_dims, const int64_t *shape, const int64_t *stride);

/* "archive/data.pkl" plus "archive/data/0" of n bytes (NULL: zeros), finished with zip64. */
void test_archive(test_zip *zip, const void *pickle, size_t pickle_n, const void *storage,
                  uint64_t n);

#endif
