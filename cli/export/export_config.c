/* export_config.c - Label Studio's labelling configuration: boxes with the classes of an
 * export. */
#include "export_formats.h"

#include "export_part.h"

#include <math.h>

/* Distinct colours for any number of classes: each hue is the golden angle from the one before.
 */
static void put_colour(FILE *out, size_t i) {
  const double saturation = 0.75, value = 0.9, golden = 137.50776405;
  double hue = fmod((double)i * golden, 360) / 60;
  int channels[3];
  for (int k = 0; k < 3; k++) {
    double at = fmod(5 - 2 * k + hue, 6);
    double share = fmax(0, fmin(fmin(at, 4 - at), 1));
    channels[k] = (int)lround(255 * value * (1 - saturation * share));
  }
  fprintf(out, "#%02x%02x%02x", channels[0], channels[1], channels[2]);
}

bool export_label_config(const export_job *job, const char *path) {
  export_file file;
  if (!export_file_open(&file, path)) return false;
  fputs(EXPORT_CONFIG_HEAD "\n"
                           "  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n"
                           "  <RectangleLabels name=\"label\" toName=\"image\">\n",
        file.out);
  for (size_t i = 0; i < job->counts.classes; i++) {
    fputs("    <Label value=\"", file.out);
    export_xml(file.out, export_class_name(&job->classes, i));
    fputs("\" background=\"", file.out);
    put_colour(file.out, i);
    fputs("\"/>\n", file.out);
  }
  fputs("  </RectangleLabels>\n</View>\n", file.out);
  return export_file_close(&file, !ferror(file.out));
}
