/* exif.h - the orientation in a picture's EXIF data; nothing else is read.
 *
 * Follows EXIF 2.32 / TIFF 6.0: a byte order mark, the offset of the first directory, and in it
 * entries of 12 bytes, of which only tag 0x0112 is used. */
#ifndef GM_EXIF_H
#define GM_EXIF_H

#include <stddef.h>

/* 1..8; 1 (upright) if the tag holds anything else; 0 if there is no such tag or the data is
 * damaged. bytes begins with the TIFF header, or with "Exif\0\0" before it. */
int gm_exif_orientation(const unsigned char *bytes, size_t size);

#endif
