/* png_orientation.h - the orientation in a PNG's chunks, as Pillow 10.4's exif_transpose finds
 * it: from the eXIf chunk (or a text "exif"), else from the text "Raw profile type exif", hex
 * digits that ImageMagick and ExifTool write. If these are absent or hold no orientation, from
 * the XMP packet in the text "XML:com.adobe.xmp". Of two of a kind the later is used. Like
 * Pillow, we read XMP only in PNG, not in JPEG or WebP. */
#ifndef GM_PNG_ORIENTATION_H
#define GM_PNG_ORIENTATION_H

#include "status.h"

/* What was found so far; all zero before the first chunk. Orientations as in exif.h. */
typedef struct gm_png_orientation {
  bool has_exif;
  int exif, raw, xmp;
  size_t unpacked; /* bytes of texts so far */
} gm_png_orientation;

/* Reads one chunk. Skips chunks other than eXIf, tEXt, zTXt and iTXt, and texts that are
 * damaged, unpack to more than 1 MiB, or come after 64 MiB of texts. name is 4 characters.
 * Error: GM_ERR_MEMORY. */
gm_status gm_png_orientation_chunk(gm_png_orientation *found, const char *name,
                                   const unsigned char *bytes, size_t size, gm_error *err);
/* 1..8. */
int gm_png_orientation_of(const gm_png_orientation *found);

#endif
