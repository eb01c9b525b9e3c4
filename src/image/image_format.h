/* image_format.h - the format of a picture file, from its first bytes, never from its name. */
#ifndef GM_IMAGE_FORMAT_H
#define GM_IMAGE_FORMAT_H

#include <stddef.h>

typedef enum gm_decoder {
  GM_DECODER_NONE,
  GM_DECODER_JPEG,
  GM_DECODER_PNG,
  GM_DECODER_WEBP
} gm_decoder;

typedef struct gm_image_kind {
  gm_decoder decoder; /* GM_DECODER_NONE: a format that is not read */
  const char *name;   /* for messages: "a GIF picture", "a web page", "an unknown format" */
} gm_image_kind;

gm_image_kind gm_image_kind_of(const unsigned char *bytes, size_t size);

#endif
