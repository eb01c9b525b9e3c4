/* png_orientation.h - the orientation that a PNG's chunks tell, as Pillow 10.4's exif_transpose
 * finds it: the eXIf chunk (or a text "exif"); without one the text "Raw profile type exif",
 * hex digits that ImageMagick and ExifTool write; where that has no orientation, or where there
 * is neither, the XMP packet in the text "XML:com.adobe.xmp". Of two of a kind the later
 * counts. Pillow reads XMP in PNG only, not in JPEG or WebP, and so do we. */
#ifndef GM_PNG_ORIENTATION_H
#define GM_PNG_ORIENTATION_H

#include "status.h"

/* What was found so far; all zero before the first chunk. Orientations as in exif.h. */
typedef struct gm_png_orientation {
  bool has_exif;
  int exif, raw, xmp;
  size_t unpacked; /* bytes of texts so far */
} gm_png_orientation;

/* Looks at one chunk; others than eXIf, tEXt, zTXt and iTXt are passed over, and so is what is
 * damaged, unpacks to more than 1 MiB, or comes after 64 MiB of such texts. name is 4
 * characters. Error: GM_ERR_MEMORY. */
gm_status gm_png_orientation_chunk(gm_png_orientation *found, const char *name,
                                   const unsigned char *bytes, size_t size, gm_error *err);
/* 1..8. */
int gm_png_orientation_of(const gm_png_orientation *found);

#endif
