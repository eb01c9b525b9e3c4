/* image_webp.c - WebP files (libwebp and its demultiplexer), see gm_webp_decode in image.h.
 *
 * Of an animation only the first frame is used, on a black canvas. */
#include "exif.h"
#include "image.h"

#include <assert.h>
#include <webp/decode.h>
#include <webp/demux.h>

static gm_status fail_cut(const gm_image_source *source, gm_error *err) {
  return gm_fail(err, GM_ERR_IMAGE_TRUNCATED,
                 "the WebP picture ends after %zu bytes, before its data does; get the whole "
                 "file",
                 source->size);
}

static gm_status fail_damaged(gm_error *err) {
  return gm_fail(err, GM_ERR_IMAGE_TRUNCATED,
                 "the WebP data is damaged; wanted the whole picture");
}

static gm_status status_of(VP8StatusCode code, const gm_image_source *source, gm_error *err) {
  switch (code) {
  case VP8_STATUS_OK:
    return GM_OK;
  case VP8_STATUS_OUT_OF_MEMORY:
    return gm_fail(err, GM_ERR_MEMORY, "out of memory while decoding a WebP picture");
  case VP8_STATUS_UNSUPPORTED_FEATURE:
    return gm_fail(err, GM_ERR_IMAGE_UNSUPPORTED,
                   "this kind of WebP is not read; save it as JPEG or PNG");
  case VP8_STATUS_SUSPENDED:
  case VP8_STATUS_NOT_ENOUGH_DATA:
    return fail_cut(source, err);
  default:
    return fail_damaged(err);
  }
}

static int orientation_of(const WebPDemuxer *demux) {
  WebPChunkIterator chunk;
  int orientation = 0;
  if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk))
    orientation = gm_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

/* Decodes the frame into its place on the canvas. */
static gm_status decode_frame(gm_image *image, const WebPIterator *frame,
                              const gm_image_source *source, gm_error *err) {
  size_t row = (size_t)image->width * 3;
  size_t w = (size_t)frame->width, h = (size_t)frame->height;
  size_t x = (size_t)frame->x_offset, y = (size_t)frame->y_offset;
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config) || frame->x_offset < 0 || frame->y_offset < 0 ||
      frame->width < 1 || frame->height < 1 || x + w > image->width || y + h > image->height)
    return fail_damaged(err);
  VP8StatusCode code =
      WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input);
  GM_TRY(status_of(code, source, err));
  if (config.input.width != frame->width || config.input.height != frame->height)
    return fail_damaged(err);
  assert(config.input.width > 0 && config.input.height > 0 && row <= INT32_MAX);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image->rgb + y * row + x * 3;
  config.output.u.RGBA.stride = (int)row;
  config.output.u.RGBA.size = (h - 1) * row + w * 3;
  code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
  bool whole = config.output.width == frame->width && config.output.height == frame->height;
  WebPFreeDecBuffer(&config.output);
  GM_TRY(status_of(code, source, err));
  return whole ? GM_OK : fail_damaged(err);
}

static gm_status decode_first(gm_image **out, WebPDemuxer *demux, const gm_image_source *source,
                              gm_error *err) {
  gm_image *image = NULL;
  WebPIterator frame;
  GM_TRY(gm_image_create(&image, WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH),
                         WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT), source->max_pixels, err));
  gm_status status = WebPDemuxGetFrame(demux, 1, &frame)
                         ? decode_frame(image, &frame, source, err)
                         : fail_damaged(err);
  WebPDemuxReleaseIterator(&frame);
  if (status == GM_OK)
    *out = image;
  else
    gm_image_free(image);
  return status;
}

gm_status gm_webp_decode(gm_image **out, const gm_image_source *source, int *orientation,
                         gm_error *err) {
  WebPData data = {source->bytes, source->size};
  WebPDemuxState state;
  WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
  gm_status status;
  if (state == WEBP_DEMUX_PARSE_ERROR)
    status = fail_damaged(err);
  else if (!demux || state != WEBP_DEMUX_DONE)
    status = fail_cut(source, err);
  else
    status = decode_first(out, demux, source, err);
  if (status == GM_OK) *orientation = orientation_of(demux);
  WebPDemuxDelete(demux);
  return status;
}
