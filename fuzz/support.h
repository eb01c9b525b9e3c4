/* support.h - what the fuzz targets share. A target is LLVMFuzzerTestOneInput alone: it must
 * accept any bytes, leak nothing, and abort if a promise of a header is broken. */
#ifndef GM_FUZZ_SUPPORT_H
#define GM_FUZZ_SUPPORT_H

#include "gromatic.h"
#include "llama_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Aborts if a promise is broken, in every kind of build. */
#define fuzz_check(condition)                                                                  \
  do {                                                                                         \
    if (!(condition)) fuzz_fail(#condition, __FILE__, __LINE__);                               \
  } while (0)
_Noreturn void fuzz_fail(const char *condition, const char *file, int line);

/* Path of a file in memory that holds the bytes, until the next call. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

/* Whole file; free() it. */
void *fuzz_read_file(const char *path, size_t *size);

/* groma-mini's tokenizer with <p> </p> <roi> </roi> [grounding] <r0> .. <r9> added; made at the
 * first call, kept to the end. */
const gm_llama_tokenizer *fuzz_tokenizer(void);

/* Reads every byte, for the sanitizer to see. */
void fuzz_touch(const void *bytes, size_t n);

/* True where the bytes are valid UTF-8 without NUL. */
bool fuzz_is_text(const char *bytes, size_t n);

/* Opens the bytes as a picture and reads every pixel of it. */
void fuzz_image(const uint8_t *bytes, size_t size);

#endif
