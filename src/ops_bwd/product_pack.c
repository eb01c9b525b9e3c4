/* product_pack.c - factors of a product as a kernel's tiles and panels.
 *
 * The kernels pack rows of f32. What lies otherwise comes to them by way of scratch, in pieces
 * of PIECE elements of k: rows of other types are widened there, and turned factors are turned
 * there. A block type is widened by whole blocks, so a group has at least as many rows of a
 * turned factor as a block. */
#include "product.h"

#include "sizes.h"

#include <assert.h>

enum {
  PIECE = 256, /* of k; a multiple of every block and chunk */
  TURNED = 64, /* of k, where PIECE rows of memory would not fit the caches */
  GROUP = 4    /* tiles of a group */
};

static const unsigned char *at(const gm_factor *f, size_t row, size_t column) {
  const gm_type_traits *traits = gm_type_traits_of(f->type);
  return (const unsigned char *)f->data + row * f->row_bytes +
         column / traits->block * traits->block_bytes;
}

gm_packing gm_packing_of(const gm_kernels *kernels, const gm_matmul *mm, const gm_factor *from,
                         bool panels, size_t rows, size_t k) {
  size_t block = gm_type_traits_of(from->type)->block;
  gm_packing p = {
      .from = from, .kernels = kernels, .mm = mm, .panels = panels, .rows = rows, .k = k};
  p.height = panels ? mm->nr : mm->mr;
  p.group = gm_max_size(GROUP, gm_ceil_div(block, p.height));
  p.tile_bytes =
      gm_ceil_div(k, mm->chunk) * p.height * (panels ? mm->w_chunk_bytes : mm->x_chunk_bytes);
  /* Turned: widened rows that begin and end at a block, and a tile of them turned. */
  size_t floats =
      from->turned ? TURNED * (p.group * p.height + 2 * block + p.height) : PIECE * p.height;
  p.scratch_bytes = floats * sizeof(float);
  return p;
}

static void pack(const gm_packing *p, unsigned char *to, const float *x, size_t ld, size_t rows,
                 size_t k) {
  if (p->panels)
    p->mm->pack_w(to, x, ld * sizeof *x, rows, k);
  else
    p->mm->pack_x(to, x, ld, rows, p->height, k);
}

/* Where the element l of k lies in a packed tile. */
static size_t offset_of(const gm_packing *p, size_t l) {
  return p->tile_bytes / gm_ceil_div(p->k, p->mm->chunk) * (l / p->mm->chunk);
}

static void pack_upright(const gm_packing *p, size_t row, size_t rows, unsigned char *to,
                         float *scratch) {
  const gm_factor *f = p->from;
  if (f->type == GM_TYPE_F32) {
    const void *x = at(f, row, 0);
    pack(p, to, x, f->row_bytes / sizeof(float), rows, p->k);
    return;
  }
  const gm_type_traits *traits = gm_type_traits_of(f->type);
  for (size_t l = 0, n; l < p->k; l += n) {
    n = gm_min_size(p->k - l, PIECE);
    for (size_t r = 0; r < rows; r++) traits->to_float(scratch + r * n, at(f, row + r, l), n);
    pack(p, to + offset_of(p, l), scratch, n, rows, n);
  }
}

/* Columns [begin, begin + columns) of the memory's rows [l, l + n). */
static void pack_turned(const gm_packing *p, size_t begin, size_t columns, unsigned char *to,
                        float *scratch) {
  const gm_factor *f = p->from;
  const gm_type_traits *traits = gm_type_traits_of(f->type);
  size_t first = begin / traits->block * traits->block;
  size_t wide = gm_ceil_div(begin + columns, traits->block) * traits->block - first;
  float *turned = scratch, *widened = scratch + TURNED * p->height;
  for (size_t l = 0, n; l < p->k; l += n) {
    n = gm_min_size(p->k - l, TURNED);
    const float *x = widened + (begin - first);
    size_t ld = wide;
    if (f->type == GM_TYPE_F32) {
      x = (const float *)(const void *)at(f, l, begin), ld = f->row_bytes / sizeof *x;
    } else {
      for (size_t r = 0; r < n; r++)
        traits->to_float(widened + r * wide, at(f, l + r, first), wide);
    }
    for (size_t c = 0; c < columns; c += p->height) {
      size_t rows = gm_min_size(p->height, columns - c);
      p->kernels->rows.transpose(turned, n, x + c, ld, n, rows);
      pack(p, to + c / p->height * p->tile_bytes + offset_of(p, l), turned, n, rows, n);
    }
  }
}

void gm_pack_tiles(const gm_packing *p, size_t first, size_t n, unsigned char *to,
                   void *scratch) {
  size_t begin = first * p->height, rows = gm_min_size(n * p->height, p->rows - begin);
  assert(n <= p->group && begin < p->rows);
  if (p->from->turned) {
    pack_turned(p, begin, rows, to, scratch);
    return;
  }
  for (size_t r = 0; r < rows; r += p->height, to += p->tile_bytes)
    pack_upright(p, begin + r, gm_min_size(p->height, rows - r), to, scratch);
}
