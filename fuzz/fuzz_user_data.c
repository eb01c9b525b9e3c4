/* fuzz_user_data.c - what `tune` reads beside COCO files: the names of a data.yaml, YOLO's
 * label files and expressions. The first byte says which. */
#include "support.h"

#include "read_yolo.h"
#include "user_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char coco[] =
    "{\"images\": [{\"id\": 1, \"file_name\": \"a\", \"width\": 90, \"height\": 50}],"
    "\"categories\": [{\"id\": 1, \"name\": \"cat\"}], \"annotations\": []}";

static char folder[] = "/tmp/gm-fuzz-XXXXXX";
static char files[4][64]; /* labels, picture, names, COCO */

static void write_file(const char *path, const void *bytes, size_t n) {
  FILE *file = fopen(path, "w");
  fuzz_check(file && fwrite(bytes, 1, n, file) == n && fclose(file) == 0);
}

static void remove_folder(void) {
  char path[64];
  for (int i = 0; i < 4; i++) (void)unlink(files[i]);
  snprintf(path, sizeof path, "%s/labels", folder);
  (void)rmdir(path);
  snprintf(path, sizeof path, "%s/images", folder);
  (void)rmdir(path);
  (void)rmdir(folder);
}

static void make_folder(void) {
  static const char *const names[4] = {"labels/a.txt", "images/a.jpg", "classes.txt",
                                       "coco.json"};
  char path[64];
  if (files[0][0]) return;
  fuzz_check(mkdtemp(folder));
  for (int i = 0; i < 4; i++) snprintf(files[i], sizeof files[i], "%s/%s", folder, names[i]);
  snprintf(path, sizeof path, "%s/labels", folder);
  fuzz_check(mkdir(path, 0700) == 0);
  snprintf(path, sizeof path, "%s/images", folder);
  fuzz_check(mkdir(path, 0700) == 0);
  write_file(files[1], "", 0);
  write_file(files[2], "cat\ndog\n", 8);
  write_file(files[3], coco, sizeof coco - 1);
  atexit(remove_folder);
}

static void check_data(const char *path, const char *refs) {
  gm_user_data data;
  gm_data_report report = {0};
  if (gm_user_data_load(&data, path, refs, NULL, &report, NULL) == GM_OK) {
    for (size_t i = 0; i < data.set->n_boxes; i++) {
      gm_rel_box b = data.set->boxes[i].box;
      fuzz_check(b.w > 0 && b.h > 0 && b.w <= 1 && b.h <= 1);
    }
    for (size_t i = 0; i < data.n_expressions; i++)
      fuzz_check(data.expressions[i].picture < data.set->n_pictures);
    fuzz_check(data.first_expression[data.set->n_pictures] == data.n_expressions);
  }
  gm_user_data_free(&data);
}

static gm_status count(void *user, char *name) {
  fuzz_check(name[0]);
  ++*(size_t *)user;
  return GM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (!size) return 0;
  make_folder();
  if (bytes[0] % 3 == 0) {
    char *text = strndup((const char *)bytes + 1, size - 1);
    size_t n = 0;
    if (text && gm_yaml_names(text, "data.yaml", count, &n, NULL) == GM_OK) fuzz_check(n > 0);
    free(text);
  } else if (bytes[0] % 3 == 1) {
    write_file(files[0], bytes + 1, size - 1);
    check_data(folder, NULL);
  } else {
    check_data(files[3], fuzz_file(bytes + 1, size - 1));
  }
  return 0;
}
