/* image_format.c - see image_format.h. Signatures are those of each format's specification. */
#include "image_format.h"

#include <string.h>

typedef struct signature {
  size_t offset, length;
  const char *bytes;
  gm_image_kind format;
} signature;

#define NOT_READ(offset, text, name)                                                           \
  {                                                                                            \
    offset, sizeof(text) - 1, text, {                                                          \
      GM_DECODER_NONE, name                                                                    \
    }                                                                                          \
  }

/* The first match wins, so a longer signature comes before one that is its beginning. */
static const signature signatures[] = {
    {0, 3, "\xFF\xD8\xFF", {GM_DECODER_JPEG, "a JPEG picture"}},
    {0, 8, "\x89PNG\r\n\x1A\n", {GM_DECODER_PNG, "a PNG picture"}},
    {8, 4, "WEBP", {GM_DECODER_WEBP, "a WebP picture"}},
    NOT_READ(0, "GIF8", "a GIF picture"),
    NOT_READ(0, "II*\0", "a TIFF picture (or a camera's raw file)"),
    NOT_READ(0, "MM\0*", "a TIFF picture (or a camera's raw file)"),
    NOT_READ(0, "II+\0", "a BigTIFF picture"),
    NOT_READ(0, "MM\0+", "a BigTIFF picture"),
    NOT_READ(4, "ftypavif", "an AVIF picture"),
    NOT_READ(4, "ftypavis", "an AVIF picture"),
    NOT_READ(4, "ftypheic", "a HEIC picture"),
    NOT_READ(4, "ftypheix", "a HEIC picture"),
    NOT_READ(4, "ftyphevc", "a HEIC picture"),
    NOT_READ(4, "ftyphevx", "a HEIC picture"),
    NOT_READ(4, "ftypmif1", "a HEIF picture (HEIC or AVIF)"),
    NOT_READ(4, "ftypmsf1", "a HEIF picture (HEIC or AVIF)"),
    NOT_READ(4, "ftypcrx ", "a camera's raw file (CR3)"),
    NOT_READ(4, "ftyp", "a video file (MP4)"),
    NOT_READ(0, "\0\0\0\x0CjP  \r\n", "a JPEG 2000 picture"),
    NOT_READ(0, "\xFF\x4F\xFF\x51", "a JPEG 2000 picture"),
    NOT_READ(0, "\xFF\x0A", "a JPEG XL picture"),
    NOT_READ(0, "\0\0\0\x0CJXL \r\n", "a JPEG XL picture"),
    NOT_READ(0, "8BPS", "a Photoshop picture"),
    NOT_READ(0, "\0\0\1\0", "a Windows icon"),
    NOT_READ(0, "\x8AMNG", "an MNG animation"),
    NOT_READ(0, "\x8BJNG", "a JNG picture"),
    NOT_READ(0, "qoif", "a QOI picture"),
    NOT_READ(0, "P1\n", "a PBM picture"),
    NOT_READ(0, "P2\n", "a PGM picture"),
    NOT_READ(0, "P3\n", "a PPM picture"),
    NOT_READ(0, "P4\n", "a PBM picture"),
    NOT_READ(0, "P5\n", "a PGM picture"),
    NOT_READ(0, "P6\n", "a PPM picture"),
    NOT_READ(0, "\x76\x2F\x31\x01", "an OpenEXR picture"),
    NOT_READ(0, "#?RADIANCE", "a Radiance HDR picture"),
    NOT_READ(0, "DDS ", "a DDS picture"),
    NOT_READ(0, "%PDF-", "a PDF document"),
    NOT_READ(0, "<svg", "an SVG drawing"),
    NOT_READ(0, "<?xml", "an XML file (perhaps an SVG drawing)"),
    NOT_READ(0, "<!DOCTYPE", "a web page"),
    NOT_READ(0, "<!doctype", "a web page"),
    NOT_READ(0, "<html", "a web page"),
    NOT_READ(0, "version https://git-lfs", "a Git LFS pointer (run git lfs pull)"),
    NOT_READ(0, "GGUF", "a GGUF model"),
    NOT_READ(0, "PK\3\4", "a ZIP archive"),
    NOT_READ(0, "\x1F\x8B", "a gzip archive"),
    NOT_READ(0, "BM", "a BMP picture"),
};

gm_image_kind gm_image_kind_of(const unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
    const signature *s = &signatures[i];
    if (size < s->offset + s->length) continue;
    if (memcmp(bytes + s->offset, s->bytes, s->length) != 0) continue;
    if (s->format.decoder == GM_DECODER_WEBP && memcmp(bytes, "RIFF", 4) != 0) continue;
    return s->format;
  }
  return (gm_image_kind){GM_DECODER_NONE, "an unknown format"};
}
