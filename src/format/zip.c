/* zip.c - see zip.h. End record -> central directory -> local headers -> disjoint members. */
#include "zip.h"

#include "bytes.h"
#include "checked.h"

#include <stdlib.h>
#include <string.h>

enum {
  END_SIZE = 22,
  END64_SIZE = 56,
  LOCATOR64_SIZE = 20,
  CENTRAL_SIZE = 46,
  LOCAL_SIZE = 30,
  MAX_COMMENT = 65535,
  FLAG_ENCRYPTED = 1 << 0,
  FLAG_STRONG = 1 << 6,
  FLAG_MASKED = 1 << 13
};

#define END_MAGIC 0x06054b50u
#define END64_MAGIC 0x06064b50u
#define LOCATOR64_MAGIC 0x07064b50u
#define CENTRAL_MAGIC 0x02014b50u
#define LOCAL_MAGIC 0x04034b50u

bool gm_zip_is(const unsigned char *bytes, size_t size) {
  return size >= 4 && (gm_le32(bytes) == LOCAL_MAGIC || gm_le32(bytes) == END_MAGIC);
}

typedef struct directory {
  uint64_t n, offset, size;
} directory;

static gm_status read_end64(const unsigned char *bytes, uint64_t end, uint64_t *record,
                            directory *dir, gm_error *err) {
  const unsigned char *locator = bytes + end - LOCATOR64_SIZE;
  uint64_t at = gm_le64(locator + 8);
  if (gm_le32(locator + 4) != 0 || gm_le32(locator + 16) > 1)
    return gm_fail(err, GM_ERR_MODEL, "a ZIP archive of several disks; wanted one file");
  if (!gm_extent_fits(at, END64_SIZE, end - LOCATOR64_SIZE) ||
      gm_le32(bytes + at) != END64_MAGIC)
    return gm_fail(err, GM_ERR_MODEL,
                   "no ZIP64 end record at byte %llu, where its locator says",
                   (unsigned long long)at);
  const unsigned char *r = bytes + at;
  /* The record's size leaves out its first 12 bytes. Bytes between the record and the locator
   * would be an unknown extension. */
  if (gm_le64(r + 4) != end - LOCATOR64_SIZE - at - 12)
    return gm_fail(err, GM_ERR_MODEL, "ZIP64 end record of %llu bytes, wanted %llu",
                   (unsigned long long)gm_le64(r + 4),
                   (unsigned long long)(end - LOCATOR64_SIZE - at - 12));
  if (gm_le32(r + 16) != 0 || gm_le32(r + 20) != 0 || gm_le64(r + 24) != gm_le64(r + 32))
    return gm_fail(err, GM_ERR_MODEL, "a ZIP archive of several disks; wanted one file");
  *record = at;
  *dir = (directory){gm_le64(r + 32), gm_le64(r + 48), gm_le64(r + 40)};
  return GM_OK;
}

/* A classic field is either saturated or equal to the ZIP64 one. */
static bool agrees(uint64_t classic, uint64_t saturated, uint64_t zip64) {
  return classic == zip64 || classic == saturated;
}

static gm_status find_directory(const unsigned char *bytes, uint64_t size, directory *dir,
                                gm_error *err) {
  uint64_t end = size;
  bool found = false;
  uint64_t furthest = size < END_SIZE + MAX_COMMENT ? size : END_SIZE + MAX_COMMENT;
  for (uint64_t back = END_SIZE; back <= furthest && !found; back++) {
    end = size - back;
    found = gm_le32(bytes + end) == END_MAGIC && gm_le16(bytes + end + 20) == back - END_SIZE;
  }
  if (!found)
    return gm_fail(err, GM_ERR_MODEL,
                   "no ZIP end record in the last %llu bytes: the file is cut short or is no "
                   "PyTorch archive; download it again",
                   (unsigned long long)furthest);
  const unsigned char *e = bytes + end;
  directory classic = {gm_le16(e + 10), gm_le32(e + 16), gm_le32(e + 12)};
  uint64_t record = end;
  *dir = classic;
  if (end >= LOCATOR64_SIZE && gm_le32(e - LOCATOR64_SIZE) == LOCATOR64_MAGIC) {
    GM_TRY(read_end64(bytes, end, &record, dir, err));
    if (!agrees(classic.n, UINT16_MAX, dir->n) ||
        !agrees(classic.offset, UINT32_MAX, dir->offset) ||
        !agrees(classic.size, UINT32_MAX, dir->size))
      return gm_fail(err, GM_ERR_MODEL, "the ZIP64 end record and the classic one disagree");
  } else if (gm_le16(e + 4) != 0 || gm_le16(e + 6) != 0 || gm_le16(e + 8) != classic.n) {
    return gm_fail(err, GM_ERR_MODEL, "a ZIP archive of several disks; wanted one file");
  }
  if (dir->n == 0 || dir->n > GM_ZIP_MAX_ENTRIES)
    return gm_fail(err, GM_ERR_MODEL, "a ZIP archive of %llu members, wanted 1..%d",
                   (unsigned long long)dir->n, GM_ZIP_MAX_ENTRIES);
  if (!gm_extent_fits(dir->offset, dir->size, record) || dir->offset + dir->size != record)
    return gm_fail(err, GM_ERR_MODEL,
                   "ZIP directory of %llu bytes at %llu does not end at byte %llu, where the "
                   "end record begins",
                   (unsigned long long)dir->size, (unsigned long long)dir->offset,
                   (unsigned long long)record);
  return GM_OK;
}

/* Replaces saturated fields by those of the ZIP64 extra field (id 1): the ones that are
 * saturated, in this order. Extra fields of other kinds are skipped. */
static gm_status read_extra(const unsigned char *extra, size_t length, uint64_t *fields[3],
                            const char *name, gm_error *err) {
  bool wanted =
      *fields[0] == UINT32_MAX || *fields[1] == UINT32_MAX || *fields[2] == UINT32_MAX;
  bool seen = false;
  while (length >= 4) {
    size_t id = gm_le16(extra), n = gm_le16(extra + 2);
    if (n > length - 4) break;
    if (id == 1 && !seen) {
      seen = true;
      const unsigned char *p = extra + 4;
      for (size_t i = 0, left = n; i < 3; i++) {
        if (*fields[i] != UINT32_MAX) continue;
        if (left < 8)
          return gm_fail(err, GM_ERR_MODEL, "member %s: ZIP64 field of %zu bytes is too short",
                         name, n);
        *fields[i] = gm_le64(p);
        p += 8;
        left -= 8;
      }
    } else if (id == 1) {
      return gm_fail(err, GM_ERR_MODEL, "member %s: two ZIP64 fields", name);
    }
    extra += 4 + n;
    length -= 4 + n;
  }
  if (length != 0)
    return gm_fail(err, GM_ERR_MODEL, "member %s: broken extra fields in the directory", name);
  if (wanted && !seen)
    return gm_fail(err, GM_ERR_MODEL, "member %s: its size needs a ZIP64 field, found none",
                   name);
  return GM_OK;
}

/* The local header repeats the directory's entry. PyTorch writes the sizes after the data
 * instead, so only the directory's sizes are used. */
static gm_status check_local(const unsigned char *bytes, uint64_t limit, gm_zip_entry *entry,
                             uint16_t method, gm_error *err) {
  size_t name_length = strlen(entry->name);
  if (!gm_extent_fits(entry->header, LOCAL_SIZE, limit) ||
      gm_le32(bytes + entry->header) != LOCAL_MAGIC)
    return gm_fail(err, GM_ERR_MODEL, "member %s: no local header at byte %llu", entry->name,
                   (unsigned long long)entry->header);
  const unsigned char *h = bytes + entry->header;
  uint64_t data = entry->header + LOCAL_SIZE;
  if (gm_le16(h + 26) != name_length || !gm_extent_fits(data, name_length, limit) ||
      memcmp(h + LOCAL_SIZE, entry->name, name_length) != 0 || gm_le16(h + 8) != method)
    return gm_fail(err, GM_ERR_MODEL,
                   "member %s: its local header disagrees with the directory", entry->name);
  data += name_length + gm_le16(h + 28);
  if (!gm_extent_fits(data, entry->size, limit))
    return gm_fail(err, GM_ERR_MODEL,
                   "member %s: %llu bytes at %llu reach beyond byte %llu, where the directory "
                   "begins",
                   entry->name, (unsigned long long)entry->size, (unsigned long long)data,
                   (unsigned long long)limit);
  entry->offset = data;
  return GM_OK;
}

/* Reads the directory entry at *at and moves *at past it. */
static gm_status read_entry(const unsigned char *bytes, uint64_t *at, uint64_t end,
                            uint64_t limit, gm_zip_entry *entry, char **names, gm_error *err) {
  const unsigned char *c = bytes + *at;
  if (end - *at < CENTRAL_SIZE || gm_le32(c) != CENTRAL_MAGIC)
    return gm_fail(err, GM_ERR_MODEL, "no ZIP directory entry at byte %llu",
                   (unsigned long long)*at);
  size_t name_length = gm_le16(c + 28), extra = gm_le16(c + 30), comment = gm_le16(c + 32);
  if (end - *at - CENTRAL_SIZE < name_length + extra + comment)
    return gm_fail(err, GM_ERR_MODEL, "the ZIP directory entry at byte %llu is cut short",
                   (unsigned long long)*at);
  const unsigned char *name = c + CENTRAL_SIZE;
  if (name_length == 0 || name_length > GM_ZIP_MAX_NAME || memchr(name, 0, name_length))
    return gm_fail(err, GM_ERR_MODEL,
                   "ZIP member at byte %llu: name of %zu bytes, wanted 1..%d without NUL",
                   (unsigned long long)*at, name_length, GM_ZIP_MAX_NAME);
  memcpy(*names, name, name_length);
  (*names)[name_length] = 0;
  entry->name = *names;
  *names += name_length + 1;

  uint16_t flags = gm_le16(c + 8), method = gm_le16(c + 10);
  if (flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED))
    return gm_fail(err, GM_ERR_MODEL, "member %s is encrypted", entry->name);
  uint64_t full_size = gm_le32(c + 24);
  entry->size = gm_le32(c + 20);
  entry->header = gm_le32(c + 42);
  entry->stored = method == 0;
  uint64_t *fields[3] = {&full_size, &entry->size, &entry->header};
  GM_TRY(read_extra(name + name_length, extra, fields, entry->name, err));
  if (gm_le16(c + 34) != 0)
    return gm_fail(err, GM_ERR_MODEL, "member %s is on another disk", entry->name);
  if (entry->stored && full_size != entry->size)
    return gm_fail(err, GM_ERR_MODEL,
                   "member %s is stored, but its two sizes are %llu and %llu", entry->name,
                   (unsigned long long)entry->size, (unsigned long long)full_size);
  *at += CENTRAL_SIZE + name_length + extra + comment;
  return check_local(bytes, limit, entry, method, err);
}

static int by_header(const void *a, const void *b) {
  const gm_zip_entry *x = a, *y = b;
  return x->header < y->header ? -1 : x->header > y->header;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const gm_zip_entry *)a)->name, ((const gm_zip_entry *)b)->name);
}

static gm_status check_disjoint(gm_zip *zip, gm_error *err) {
  qsort(zip->entries, zip->n_entries, sizeof *zip->entries, by_header);
  for (size_t i = 1; i < zip->n_entries; i++) {
    const gm_zip_entry *before = &zip->entries[i - 1], *entry = &zip->entries[i];
    if (before->offset + before->size > entry->header)
      return gm_fail(err, GM_ERR_MODEL, "members %s and %s overlap", before->name, entry->name);
  }
  qsort(zip->entries, zip->n_entries, sizeof *zip->entries, by_name);
  for (size_t i = 1; i < zip->n_entries; i++)
    if (strcmp(zip->entries[i - 1].name, zip->entries[i].name) == 0)
      return gm_fail(err, GM_ERR_MODEL, "two members named %s", zip->entries[i].name);
  return GM_OK;
}

static gm_status read_entries(gm_zip *zip, const unsigned char *bytes, const directory *dir,
                              gm_error *err) {
  uint64_t at = dir->offset, end = dir->offset + dir->size;
  char *names = zip->names;
  for (size_t i = 0; i < zip->n_entries; i++)
    GM_TRY(read_entry(bytes, &at, end, dir->offset, &zip->entries[i], &names, err));
  if (at != end)
    return gm_fail(err, GM_ERR_MODEL,
                   "%llu bytes left in the ZIP directory after its %zu entries",
                   (unsigned long long)(end - at), zip->n_entries);
  return check_disjoint(zip, err);
}

gm_status gm_zip_open(gm_zip *out, const unsigned char *bytes, size_t size, gm_error *err) {
  *out = (gm_zip){0};
  directory dir;
  GM_TRY(find_directory(bytes, size, &dir, err));
  /* Every entry takes CENTRAL_SIZE bytes and its name: the file's size bounds what is allocated
   * here. */
  if (dir.size / CENTRAL_SIZE < dir.n)
    return gm_fail(err, GM_ERR_MODEL, "a ZIP directory of %llu bytes cannot hold %llu members",
                   (unsigned long long)dir.size, (unsigned long long)dir.n);
  uint64_t most_names = dir.n * (GM_ZIP_MAX_NAME + 1);
  size_t name_bytes = (size_t)(dir.size < most_names ? dir.size : most_names);
  out->n_entries = (size_t)dir.n;
  out->entries = calloc(out->n_entries, sizeof *out->entries);
  out->names = malloc(name_bytes);
  gm_status status = out->entries && out->names
                         ? read_entries(out, bytes, &dir, err)
                         : gm_fail_memory(err, "the ZIP directory", name_bytes);
  if (status != GM_OK) gm_zip_close(out);
  return status;
}

void gm_zip_close(gm_zip *zip) {
  free(zip->entries);
  free(zip->names);
  *zip = (gm_zip){0};
}

const gm_zip_entry *gm_zip_find(const gm_zip *zip, const char *name) {
  gm_zip_entry key = {.name = name};
  return zip->n_entries == 0 ? NULL
                             : bsearch(&key, zip->entries, zip->n_entries, sizeof key, by_name);
}

gm_status gm_zip_want(const gm_zip *zip, const char *name, const gm_zip_entry **out,
                      gm_error *err) {
  *out = gm_zip_find(zip, name);
  if (!*out) return gm_fail(err, GM_ERR_MODEL, "no member %s in the archive", name);
  if (!(*out)->stored)
    return gm_fail(err, GM_ERR_MODEL,
                   "member %s is compressed; wanted it stored, as torch.save writes it", name);
  return GM_OK;
}
