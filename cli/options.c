/* options.c - see options.h. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* COUNT: 32 bits, BIG: 64 */
typedef enum kind { FLAG, TEXT, COUNT, BIG, NUMBER, LIST, LEVEL } kind;

typedef struct option_row {
  const char *name;
  char letter; /* 0: none */
  kind kind;
  size_t offset; /* in cli_args */
  unsigned groups;
  const char *value; /* placeholder; NULL for flags */
  const char *help;
} option_row;

#define AT(member) offsetof(cli_args, member)

static const option_row rows[] = {
    {"model", 'm', TEXT, AT(model), GROUP_MODEL | GROUP_BENCH, "MODEL",
     "GGUF file, embedded model (groma-mini, clip-mini) or synthetic:NAME[:TYPE]"},
    {"threads", 't', COUNT, AT(threads), GROUP_MODEL | GROUP_CONVERT | GROUP_BENCH, "N",
     "threads (default: the CPUs this process may use)"},
    {"ctx-size", 'c', COUNT, AT(context), GROUP_MODEL | GROUP_BENCH, "N",
     "positions of the language model's cache (default: the model's limit)"},
    {"cache-type-k", 0, TEXT, AT(cache_type_k), GROUP_MODEL | GROUP_BENCH, "TYPE",
     "of the cache's keys (-ctk): f32, f16 or q8_0 (default f16; f32 for f32 weights)"},
    {"cache-type-v", 0, TEXT, AT(cache_type_v), GROUP_MODEL | GROUP_BENCH, "TYPE",
     "of its values (-ctv)"},
    {"fast", 0, FLAG, AT(fast), GROUP_MODEL | GROUP_BENCH, NULL,
     "round f32 weights' products to bf16 where that is faster, the cache to q8_0"},
    {"no-mmap", 0, FLAG, AT(no_mmap), GROUP_MODEL, NULL,
     "read the model instead of mapping it"},
    {"mlock", 0, FLAG, AT(mlock), GROUP_MODEL, NULL, "keep the model in memory"},
    {"no-pack", 0, FLAG, AT(no_pack), GROUP_MODEL, NULL,
     "keep no unpacked weights in the cache"},
    {"max-pixels", 0, BIG, AT(max_pixels), GROUP_IMAGE, "N",
     "refuse larger pictures (default 67108864)"},
    {"recursive", 'r', FLAG, AT(recursive), GROUP_OUTPUT, NULL,
     "pictures in a directory's directories too"},
    {"conf", 0, NUMBER, AT(conf), GROUP_REGIONS, "S",
     "drop regions with a score of S or less (default: the model's)"},
    {"iou", 0, NUMBER, AT(iou), GROUP_REGIONS, "T",
     "non-maximum suppression above this overlap (default: the model's)"},
    {"max-det", 0, COUNT, AT(max_det), GROUP_REGIONS, "N",
     "most regions (ground: most boxes a phrase, default 1)"},
    {"regions", 0, TEXT, AT(regions_file), GROUP_REGIONS, "FILE",
     "boxes to use instead of the proposer's: JSON [[x1,y1,x2,y2], ...] or lines x1,y1,x2,y2"},
    {"shuffle", 0, BIG, AT(shuffle_seed), GROUP_REGIONS, "SEED",
     "shuffle the regions as in training (default: score order)"},
    {"box", 'b', LIST, AT(boxes), GROUP_BOXES, "X1,Y1,X2,Y2",
     "a box on the picture; repeatable"},
    {"append-boxes", 0, FLAG, AT(append_boxes), GROUP_BOXES | GROUP_EVAL, NULL,
     "put boxes after the regions: the whole cache is reused"},
    {"box-format", 0, TEXT, AT(box_format), GROUP_IMAGE, "FORMAT",
     "xyxy (default), xywh, xyxyn, cxcywhn or qwen3, for --box and output alike"},
    {"prompt", 'p', LIST, AT(prompts), GROUP_CHAT, "QUESTION",
     "ask this instead of a conversation; repeat for more turns"},
    {"no-grounding", 0, FLAG, AT(no_grounding), GROUP_CHAT, NULL,
     "leave [grounding] out of the question"},
    {"verbatim", 0, FLAG, AT(verbatim), GROUP_CHAT, NULL,
     "the question is prompt text as typed, tags included"},
    {"phrase", 0, LIST, AT(phrases), GROUP_GROUND, "P",
     "a phrase to find (then all other arguments are pictures); repeatable"},
    {"all", 'a', FLAG, AT(all), GROUP_GROUND, NULL, "every instance of the phrase"},
    {"min-score", 0, NUMBER, AT(min_score), GROUP_GROUND, "S",
     "leave out boxes below this score"},
    {"long", 'l', FLAG, AT(long_form), GROUP_DESCRIBE, NULL, "describe in detail"},
    {"clip-model", 0, TEXT, AT(clip_model), GROUP_LABEL, "MODEL",
     "CLIP that names the regions: GGUF file or embedded model (default clip-mini)"},
    {"classes", 0, TEXT, AT(classes), GROUP_CLASSES | GROUP_ENDPOINT, "FILE|A,B,C",
     "names to choose from: a file, one a line, or a list (default: those of --descriptions)"},
    {"descriptions", 0, TEXT, AT(descriptions), GROUP_CLASSES, "FILE",
     "JSON {class: [description, ...]}"},
    {"templates", 0, TEXT, AT(templates), GROUP_CLASSES, "FILE",
     "JSON [\"a photo of a {}.\", ...], for clip-e"},
    {"descriptors", 0, TEXT, AT(descriptors), GROUP_CLASSES, "FILE",
     "JSON {class: [descriptor, ...]}, for clip-d"},
    {"words", 0, TEXT, AT(words), GROUP_CLASSES, "FILE",
     "words to draw from, one a line, for waffle (default: a list of our own)"},
    {"method", 0, TEXT, AT(method), GROUP_CLASSES, "METHOD",
     "wca (default), wca-released, clip, clip-e, clip-d, waffle or cupl"},
    {"crops", 0, COUNT, AT(crops), GROUP_CLASSES, "N",
     "crops that are looked at (default 100; label: 10 a region)"},
    {"alpha", 0, NUMBER, AT(alpha), GROUP_CLASSES, "A",
     "least side of a crop, share of the short side (default: the method's)"},
    {"beta", 0, NUMBER, AT(beta), GROUP_CLASSES, "B", "largest side of a crop (default 0.9)"},
    {"image-scale", 0, NUMBER, AT(image_scale), GROUP_CLASSES, "X",
     "crops weigh softmax(exp(X) cosine) (default 4)"},
    {"text-scale", 0, NUMBER, AT(text_scale), GROUP_CLASSES, "X",
     "descriptions weigh softmax(exp(X) cosine) (default 2)"},
    {"draws", 0, COUNT, AT(draws), GROUP_CLASSES, "N",
     "wca-released: crops drawn with replacement (default 60)"},
    {"redraws", 0, COUNT, AT(redraws), GROUP_CLASSES, "N",
     "wca-released: drawings that are averaged (default 20)"},
    {"none", 0, NUMBER, AT(none), GROUP_LABEL, "T",
     "no label where the best one's raw score is below T (default for clip-mini: 0.6)"},
    {"endpoint", 0, TEXT, AT(endpoint), GROUP_ENDPOINT, "URL",
     "OpenAI-compatible server, as https://api.openai.com/v1; key in OPENAI_API_KEY"},
    {"endpoint-model", 0, TEXT, AT(endpoint_model), GROUP_ENDPOINT, "NAME",
     "its model (default: default)"},
    {"rate", 0, COUNT, AT(rate), GROUP_ENDPOINT, "N",
     "most requests a minute (default 60; 0: no limit)"},
    {"timeout", 0, COUNT, AT(timeout), GROUP_ENDPOINT, "S",
     "seconds for one request (default 120)"},
    {"retries", 0, COUNT, AT(retries), GROUP_ENDPOINT, "N",
     "tries after a failure that may pass (default 5)"},
    {"n-predict", 'n', COUNT, AT(max_tokens), GROUP_TEXT | GROUP_BENCH, "N",
     "most new tokens (default: until the answer ends)"},
    {"temp", 0, NUMBER, AT(temperature), GROUP_TEXT, "T", "temperature (default 0: greedy)"},
    {"top-k", 0, COUNT, AT(top_k), GROUP_TEXT, "K",
     "sample among the K likeliest (default: all)"},
    {"top-p", 0, NUMBER, AT(top_p), GROUP_TEXT, "P",
     "sample among the likeliest with this share (default 1)"},
    {"seed", 's', BIG, AT(seed), GROUP_TEXT | GROUP_CLASSES, "N",
     "seed of all random draws (default 0)"},
    {"preset", 0, TEXT, AT(preset), GROUP_CLASSES, "NAME",
     "the published settings: imagenet, cub, pets, dtd, food101 or places365"},
    {"dedup", 0, FLAG, AT(dedup), GROUP_CLASSES, NULL,
     "drop crops and descriptions that are much like others"},
    {"dedup-iou", 0, NUMBER, AT(dedup_iou), GROUP_CLASSES, "T",
     "drop crops with a higher overlap (--dedup: 0.75; 0: keep all)"},
    {"dedup-cosine", 0, NUMBER, AT(dedup_cosine), GROUP_CLASSES, "T",
     "drop descriptions with a higher cosine (--dedup: 0.98; 0: keep all)"},
    {"groma-model", 0, TEXT, AT(groma_model), GROUP_CLASSIFY | GROUP_EVAL, "MODEL",
     "the Groma model of --proposals (default groma-mini)"},
    {"stop", 0, NUMBER, AT(stop), GROUP_CLASSIFY | GROUP_EVAL, "RATE",
     "look at no more crops once the leader is wrong with at most this probability (0: at "
     "all)"},
    {"proposals", 0, FLAG, AT(proposals), GROUP_CLASSIFY | GROUP_EVAL, NULL,
     "crops around the regions that Groma proposes instead of random ones"},
    {"top", 0, COUNT, AT(top), GROUP_CLASSIFY, "N", "labels to show (default 5; 0: all)"},
    {"explain", 0, TEXT, AT(explain), GROUP_CLASSIFY, "OUT.png",
     "draw what decided: crops, a heat map, descriptions (several pictures: DIR/)"},
    {"cache", 0, TEXT, AT(cache), GROUP_CLASSES | GROUP_REGIONS, "DIR",
     "keep what was computed there (default: $XDG_CACHE_HOME/gromatic or ~/.cache/gromatic)"},
    {"no-cache", 0, FLAG, AT(no_cache), GROUP_CLASSES | GROUP_REGIONS, NULL,
     "keep nothing between runs"},
    {"cache-size", 0, TEXT, AT(cache_size), GROUP_CLASSES | GROUP_REGIONS, "SIZE",
     "limit of the cache, as 500M or 4G (default 4G)"},
    {"json", 'j', FLAG, AT(json), GROUP_OUTPUT | GROUP_JSON, NULL, "one JSON object a line"},
    {"raw", 0, FLAG, AT(raw), GROUP_TEXT, NULL, "add the model's own text, tags included"},
    {"draw", 0, TEXT, AT(draw), GROUP_OUTPUT, "OUT.png",
     "write the annotated picture, PNG or JPEG (several pictures: a directory, DIR/)"},
    {"output", 'o', TEXT, AT(output), GROUP_OUTPUT | GROUP_CONVERT | GROUP_ENDPOINT, "FILE",
     "write the result to FILE (JSON lines, or what -f says)"},
    {"format", 'f', TEXT, AT(format), GROUP_EXPORT, "FORMAT",
     "json, csv, coco, yolo, voc or labelstudio; yolo and voc write a folder"},
    {"save-conf", 0, FLAG, AT(save_conf), GROUP_EXPORT, NULL,
     "scores in yolo and voc exports too"},
    {"resume", 0, FLAG, AT(resume), GROUP_OUTPUT | GROUP_ENDPOINT, NULL,
     "go on where an earlier -o FILE stopped"},
    {"retry-errors", 0, FLAG, AT(retry_errors), GROUP_OUTPUT, NULL,
     "with --resume: try pictures again whose line is an error"},
    {"quiet", 'q', FLAG, AT(quiet), GROUP_OUTPUT | GROUP_ENDPOINT | GROUP_CONVERT, NULL,
     "no progress"},
    {"verbose", 'v', LEVEL, AT(verbose), GROUP_ALL, NULL, "stages and their times"},
    {"type", 0, TEXT, AT(type), GROUP_CONVERT | GROUP_BENCH, "TYPE",
     "f32, f16 (default), bf16, q8_0, q4_0, q4_k or q6_k"},
    {"layout", 0, TEXT, AT(layout), GROUP_CONVERT, "LAYOUT",
     "of a CLIP checkpoint, where its files don't tell: openai or open_clip"},
    {"verify", 0, FLAG, AT(verify), GROUP_INSPECT, NULL, "compare the tensors with their hash"},
    {"tensors", 0, FLAG, AT(tensors), GROUP_INSPECT, NULL, "list every tensor"},
    {"coco", 0, TEXT, AT(coco), GROUP_EVAL, "FILE", "annotations in COCO's format"},
    {"refs", 0, TEXT, AT(refs), GROUP_EVAL, "FILE",
     "referring expressions: JSON [{image_id, expression, annotation_id, bbox}]"},
    {"images", 0, TEXT, AT(images), GROUP_EVAL, "DIR",
     "the pictures (default: images/ beside the annotations)"},
    {"seeds", 0, COUNT, AT(seeds), GROUP_EVAL, "N",
     "classify: draws to take mean and deviation over (default 20)"},
    {"limit", 0, COUNT, AT(limit), GROUP_EVAL, "N", "only the first N pictures"},
    {"shape", 0, TEXT, AT(shape), GROUP_BENCH, "NAME",
     "groma-7b, groma-7b-2l, clip-vit-b-32 or clip-vit-l-14"},
    {"repeat", 0, COUNT, AT(repeat), GROUP_BENCH, "N", "runs of each measurement (default 3)"},
    {"stage", 0, TEXT, AT(stages), GROUP_BENCH, "NAME,...",
     "time these stages only, as \"prefill,decode\" (default: all)"},
    {"count", 0, COUNT, AT(count), GROUP_BENCH, "N",
     "how many regions (default: as many as the model has tokens for), crops or texts"},
    {"help", 'h', FLAG, AT(help), GROUP_ALL, NULL, "this text"},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static bool admits(const cli_command *command, const option_row *row) {
  return (row->groups & (command->groups | GROUP_ALL)) != 0;
}

/* ---- suggestions ---- */

/* Levenshtein distance of words up to 31 letters; longer ones are far from everything. */
static size_t distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b), row[32];
  if (n > 31 || m > 31) return 99;
  for (size_t j = 0; j <= m; j++) row[j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      size_t shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      row[j] = change < shorter ? change : shorter;
    }
  }
  return row[m];
}

static bool near(const char *word, const char *name, size_t *best) {
  size_t d = distance(word, name), longest = strlen(name);
  if (strlen(word) >= 3 && strncmp(word, name, strlen(word)) == 0) d = 1;
  if (d * 2 > longest || d >= *best) return false;
  *best = d;
  return true;
}

const char *cli_suggest_command(const char *word) {
  const char *found = NULL;
  size_t best = 4;
  for (const cli_command *c = cli_commands; c->name; c++)
    if (near(word, c->name, &best)) found = c->name;
  return found;
}

static void report_unknown(const cli_command *command, const char *given) {
  char word[64];
  snprintf(word, sizeof word, "%s", given + strspn(given, "-"));
  word[strcspn(word, "=")] = 0;
  const char *found = NULL;
  size_t best = 4;
  for (int i = 0; i < N_ROWS; i++)
    if (admits(command, &rows[i]) && near(word, rows[i].name, &best)) found = rows[i].name;
  fprintf(stderr, "gromatic %s: unknown option '%s'", command->name, given);
  if (found) fprintf(stderr, "; did you mean --%s?", found);
  fprintf(stderr, "\nTry 'gromatic %s --help'.\n", command->name);
}

/* ---- parsing ---- */

static bool parse_count(const char *text, uint64_t most, uint64_t *out) {
  char *end;
  errno = 0;
  if (!isdigit((unsigned char)text[0])) return false;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno || *end || value > most) return false;
  *out = value;
  return true;
}

static bool parse_number(const char *text, double *out) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !isfinite(value)) return false;
  *out = value;
  return true;
}

static bool list_add(cli_list *list, const char *item) {
  const char **grown = realloc(list->items, (list->n + 1) * sizeof *grown);
  if (!grown) return false;
  list->items = grown;
  grown[list->n++] = item;
  return true;
}

/* Numbers that are not free. Other commands' limits than the options' own stand there. */
static const struct {
  size_t offset; /* in cli_args */
  double least, most;
} ranges[] = {
    {AT(threads), 0, 1024},     {AT(max_det), 0, 100000},
    {AT(conf), 0, 1},           {AT(iou), 0, 1},
    {AT(min_score), 0, 1},      {AT(temperature), 0, HUGE_VAL},
    {AT(top_p), 0, 1},          {AT(crops), 1, 65536},
    {AT(draws), 1, 65536},      {AT(redraws), 1, 65536},
    {AT(alpha), 0, 1},          {AT(beta), 0, 1},
    {AT(image_scale), -13, 13}, {AT(text_scale), -13, 13},
    {AT(none), -1, 1},          {AT(stop), 0, 1},
    {AT(dedup_iou), 0, 1},      {AT(dedup_cosine), 0, 1},
    {AT(seeds), 1, 1000},       {AT(timeout), 1, 86400},
};

/* False after a message. */
static bool in_range(const cli_command *command, const option_row *row, const char *value,
                     double number) {
  size_t i = 0, n = sizeof ranges / sizeof ranges[0];
  while (i < n && ranges[i].offset != row->offset) i++;
  if (i == n || (number >= ranges[i].least && number <= ranges[i].most)) return true;
  fprintf(stderr, "gromatic %s: --%s: found '%s', wanted ", command->name, row->name, value);
  if (isfinite(ranges[i].most))
    fprintf(stderr, "%g to %g\n", ranges[i].least, ranges[i].most);
  else
    fprintf(stderr, "%g or more\n", ranges[i].least);
  return false;
}

static int set_option(const cli_command *command, const option_row *row, const char *value,
                      cli_args *args) {
  char *target = (char *)args + row->offset;
  bool ok = true;
  const char *wanted = "";
  switch (row->kind) {
  case FLAG:
    *(bool *)target = true;
    break;
  case LEVEL:
    ++*(uint64_t *)(void *)target;
    break;
  case TEXT:
    *(const char **)(void *)target = value;
    break;
  case LIST:
    ok = list_add((cli_list *)(void *)target, value);
    break;
  case COUNT:
    ok = parse_count(value, UINT32_MAX, (uint64_t *)(void *)target);
    wanted = "a whole number from 0 to 4294967295";
    if (ok && !in_range(command, row, value, (double)*(uint64_t *)(void *)target))
      return CLI_USAGE;
    break;
  case BIG:
    ok = parse_count(value, UINT64_MAX, (uint64_t *)(void *)target);
    wanted = "a whole number, 0 or more";
    break;
  case NUMBER:
    ok = parse_number(value, (double *)(void *)target);
    wanted = "a number";
    if (ok && !in_range(command, row, value, *(double *)(void *)target)) return CLI_USAGE;
    break;
  }
  if (ok) return CLI_DONE;
  fprintf(stderr, "gromatic %s: --%s: found '%s', wanted %s\n", command->name, row->name, value,
          wanted);
  return CLI_USAGE;
}

/* GROMATIC_ARG_CTX_SIZE=4096 and the like; the command line wins. Lists and flags take none. */
static int read_environment(const cli_command *command, cli_args *args) {
  for (int i = 0; i < N_ROWS; i++) {
    if (!admits(command, &rows[i]) || rows[i].kind == FLAG || rows[i].kind == LIST ||
        rows[i].kind == LEVEL)
      continue;
    char name[64];
    int length = snprintf(name, sizeof name, "GROMATIC_ARG_%s", rows[i].name);
    for (int k = 0; k < length; k++)
      name[k] = name[k] == '-' ? '_' : (char)toupper((unsigned char)name[k]);
    const char *value = getenv(name);
    if (!value) continue;
    int code = set_option(command, &rows[i], value, args);
    if (code != CLI_DONE) {
      fprintf(stderr, "(from the environment variable %s)\n", name);
      return code;
    }
  }
  return CLI_DONE;
}

/* What llama.cpp's users are used to: -ctk and -ctv become the long names; -ngl N is removed
 * from argv, since there is no GPU here. */
static int take_llama_names(int argc, char **argv) {
  static char keys[] = "--cache-type-k", values[] = "--cache-type-v";
  int kept = 0;
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "-ctk") == 0) argv[i] = keys;
    if (strcmp(argv[i], "-ctv") == 0) argv[i] = values;
    bool with_value = strcmp(argv[i], "-ngl") == 0 || strcmp(argv[i], "--n-gpu-layers") == 0 ||
                      strcmp(argv[i], "--gpu-layers") == 0;
    if (!with_value) {
      argv[kept++] = argv[i];
      continue;
    }
    fprintf(stderr, "gromatic: %s is ignored: gromatic computes on the CPU\n", argv[i]);
    if (i + 1 < argc) i++;
  }
  argv[kept] = NULL;
  return kept;
}

int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args) {
  *args = (cli_args){.temperature = 0,
                     .top_p = 1,
                     .conf = -1,
                     .iou = -1,
                     .repeat = 3,
                     .rate = 60,
                     .timeout = 120,
                     .retries = 5,
                     .top = 5,
                     .seeds = 20,
                     .dedup_iou = -1,
                     .dedup_cosine = -1};
  args->crops = UINT64_MAX;
  args->alpha = args->beta = -1;
  args->image_scale = args->text_scale = NAN;
  args->none = -2;
  argc = take_llama_names(argc, argv);
  int code = read_environment(command, args);
  if (code != CLI_DONE) return code;

  struct option longs[N_ROWS + 1] = {0};
  char shorts[3 * N_ROWS + 2] = ":";
  size_t used = 1;
  int n = 0;
  for (int i = 0; i < N_ROWS; i++) {
    if (!admits(command, &rows[i])) continue;
    bool takes = rows[i].value != NULL;
    longs[n++] =
        (struct option){rows[i].name, takes ? required_argument : no_argument, NULL, 1000 + i};
    if (!rows[i].letter) continue;
    shorts[used++] = rows[i].letter;
    if (takes) shorts[used++] = ':';
  }
  shorts[used] = 0;

  opterr = 0;
  optind = 1;
  for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
    const option_row *row = NULL;
    for (int i = 0; i < N_ROWS && !row; i++)
      if (c == 1000 + i || (c == rows[i].letter && c != 0 && admits(command, &rows[i])))
        row = &rows[i];
    if (row) {
      code = set_option(command, row, optarg, args);
      if (code != CLI_DONE) return code;
    } else if (c == ':') {
      fprintf(stderr, "gromatic %s: option '%s' wants a value\n", command->name,
              argv[optind - 1]);
      return CLI_USAGE;
    } else {
      char letter[3] = {'-', (char)optopt, 0};
      report_unknown(command, optopt > 0 && optopt < 256 ? letter : argv[optind - 1]);
      return CLI_USAGE;
    }
  }
  for (int i = optind; i < argc; i++)
    if (!list_add(&args->inputs, argv[i])) return CLI_USAGE;
  return CLI_DONE;
}

void cli_args_free(cli_args *args) {
  free(args->boxes.items);
  free(args->prompts.items);
  free(args->phrases.items);
  free(args->inputs.items);
}

/* ---- help, completion, manual ---- */

void cli_print_overview(FILE *out) {
  fprintf(out, "gromatic says where, what and which about a picture, on your own processor.\n\n"
               "usage: gromatic COMMAND [OPTION]... [PICTURE]...\n\n");
  for (const cli_command *c = cli_commands; c->name; c++)
    fprintf(out, "  %-12s %s\n", c->name, c->summary);
  fprintf(out, "\n'gromatic COMMAND --help' tells more; 'gromatic --version' the version.\n"
               "exit codes: 0 done, 1 some inputs failed, 2 usage, 3 model unusable, "
               "130 interrupted\n");
}

void cli_print_help(FILE *out, const cli_command *command) {
  fprintf(out, "usage: gromatic %s %s\n\n%s.\n", command->name, command->synopsis,
          command->summary);
  if (command->details) fprintf(out, "\n%s\n", command->details);
  fprintf(out, "\noptions:\n");
  for (int i = 0; i < N_ROWS; i++) {
    if (!admits(command, &rows[i])) continue;
    char left[64], letter[8] = "    ";
    if (rows[i].letter) snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, rows[i].name, rows[i].value ? " " : "",
             rows[i].value ? rows[i].value : "");
    fprintf(out, "  %-28s %s\n", left, rows[i].help);
  }
}

/* Whether a value is the name of a file, so that a shell offers some. */
static bool names_file(const option_row *row) {
  static const char *const kinds[] = {"FILE", "DIR", "MODEL", "OUT.png"};
  for (size_t i = 0; row->value && i < sizeof kinds / sizeof *kinds; i++)
    if (strncmp(row->value, kinds[i], strlen(kinds[i])) == 0) return true;
  return false;
}

/* Options whose value is a word of another kind, as a pattern of `case`. */
static void print_word_options(FILE *out) {
  const char *before = "";
  for (int i = 0; i < N_ROWS; i++) {
    if (!rows[i].value || names_file(&rows[i])) continue;
    fprintf(out, "%s--%s", before, rows[i].name);
    before = "|";
    if (rows[i].letter) fprintf(out, "|-%c", rows[i].letter);
  }
}

static void print_bash(FILE *out) {
  fprintf(out, "_gromatic() {\n  local cur=${COMP_WORDS[COMP_CWORD]} options=\n"
               "  if [ \"$COMP_CWORD\" = 1 ]; then\n    COMPREPLY=($(compgen -W \"");
  for (const cli_command *c = cli_commands; c->name; c++) fprintf(out, "%s ", c->name);
  fprintf(out,
          "--help --version\" -- \"$cur\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n");
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "  %s) options='", c->name);
    for (int i = 0; i < N_ROWS; i++)
      if (admits(c, &rows[i])) fprintf(out, "--%s ", rows[i].name);
    fprintf(out, "' ;;\n");
  }
  fprintf(out, "  esac\n  case ${COMP_WORDS[COMP_CWORD-1]} in\n  ");
  print_word_options(out);
  fprintf(out, ") return ;;\n  esac\n  case $cur in\n  -*) COMPREPLY=($(compgen -W "
               "\"$options\" -- \"$cur\")) ;;\n"
               "  *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n  esac\n}\n"
               "complete -o filenames -F _gromatic gromatic\n");
}

static void print_zsh(FILE *out) {
  fprintf(out, "#compdef gromatic\n_gromatic() {\n  local -a commands\n  commands=(\n");
  for (const cli_command *c = cli_commands; c->name; c++)
    fprintf(out, "    '%s:%s'\n", c->name, c->summary);
  fprintf(out, "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
               "  case $words[2] in\n");
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "  %s) _arguments", c->name);
    for (int i = 0; i < N_ROWS; i++)
      if (admits(c, &rows[i]))
        fprintf(out, " '--%s%s'", rows[i].name,
                !rows[i].value         ? ""
                : names_file(&rows[i]) ? "=:file:_files"
                                       : "=:value: ");
    fprintf(out, " '*:file:_files' ;;\n");
  }
  fprintf(out, "  esac\n}\ncompdef _gromatic gromatic\n");
}

static void print_fish(FILE *out) {
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "complete -c gromatic -n __fish_use_subcommand -a %s -d '%s'\n", c->name,
            c->summary);
    for (int i = 0; i < N_ROWS; i++)
      if (admits(c, &rows[i]))
        fprintf(out, "complete -c gromatic -n '__fish_seen_subcommand_from %s' -l %s%s\n",
                c->name, rows[i].name,
                !rows[i].value         ? ""
                : names_file(&rows[i]) ? " -r -F"
                                       : " -x");
  }
}

bool cli_print_completion(FILE *out, const char *shell) {
  if (strcmp(shell, "bash") == 0)
    print_bash(out);
  else if (strcmp(shell, "zsh") == 0)
    print_zsh(out);
  else if (strcmp(shell, "fish") == 0)
    print_fish(out);
  else
    return false;
  return true;
}

/* Plain text as roff: hyphens are minus signs, quotes and dots at a line's start are text. */
static void print_roff(FILE *out, const char *text) {
  for (bool line_start = true; *text; line_start = *text++ == '\n') {
    if (line_start && (*text == '.' || *text == '\'')) fputs("\\&", out);
    if (*text == '-' || *text == '\\') fputc('\\', out);
    fputs(*text == '\\' ? "e" : (char[]){*text, 0}, out);
  }
}

void cli_print_man_options(FILE *out) {
  for (int i = 0; i < N_ROWS; i++) {
    fprintf(out, ".TP\n");
    if (rows[i].letter) fprintf(out, "\\fB\\-%c\\fR, ", rows[i].letter);
    fprintf(out, "\\fB\\-\\-");
    print_roff(out, rows[i].name);
    fprintf(out, "\\fR");
    if (rows[i].value) fprintf(out, " \\fI%s\\fR", rows[i].value);
    fputc('\n', out);
    print_roff(out, rows[i].help);
    fputc('\n', out);
  }
}

void cli_print_man_commands(FILE *out) {
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, ".TP\n\\fB%s\\fR ", c->name);
    print_roff(out, c->synopsis);
    fputc('\n', out);
    print_roff(out, c->summary);
    fprintf(out, ".\n");
  }
}
