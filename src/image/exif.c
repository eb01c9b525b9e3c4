/* exif.c - see exif.h. Every read is checked against the size. */
#include "exif.h"

#include "bytes.h"
#include "checked.h"

#include <assert.h>
#include <string.h>

enum {
  TAG_ORIENTATION = 0x0112,
  TYPE_SHORT = 3,
  TYPE_LONG = 4,
  TYPE_LAST = 13, /* the last of TIFF's types */
  ENTRY_BYTES = 12
};

typedef struct tiff {
  const unsigned char *bytes;
  size_t size;
  bool big_endian;
} tiff;

/* n (2 or 4) bytes at `at`, which the caller has checked. */
static uint32_t tiff_number(const tiff *t, size_t at, size_t n) {
  assert((n == 2 || n == 4) && gm_extent_fits(at, n, t->size));
  return (uint32_t)(t->big_endian ? gm_be(t->bytes + at, n) : gm_le(t->bytes + at, n));
}

int gm_exif_orientation(const unsigned char *bytes, size_t size) {
  while (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) bytes += 6, size -= 6;
  if (size < 8) return 0;
  tiff t = {bytes, size, bytes[0] == 'M'};
  if (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0) return 0;
  size_t at = tiff_number(&t, 4, 4);
  if (!gm_extent_fits(at, 2, size)) return 0;
  uint32_t entries = tiff_number(&t, at, 2);
  at += 2;
  for (uint32_t i = 0; i < entries && gm_extent_fits(at, ENTRY_BYTES, size); i++) {
    uint32_t tag = tiff_number(&t, at, 2), type = tiff_number(&t, at + 2, 2);
    if (tag == TAG_ORIENTATION && type >= 1 && type <= TYPE_LAST) {
      uint32_t value = tiff_number(&t, at + 8, type == TYPE_SHORT ? 2 : 4);
      bool number = type == TYPE_SHORT || type == TYPE_LONG;
      bool known = number && tiff_number(&t, at + 4, 4) == 1 && value >= 1 && value <= 8;
      return known ? (int)value : 1;
    }
    at += ENTRY_BYTES;
  }
  return 0;
}
