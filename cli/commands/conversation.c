/* conversation.c - see conversation.h. Ctrl-C stops the answer, and at the prompt clears the
 * line. Ctrl-D or /quit ends the conversation. If standard input is not a terminal, each of its
 * lines is a question. */
#include "conversation.h"

#include "batch.h"
#include "file_names.h"
#include "line_editor.h"
#include "picture_paths.h"
#include "questions.h"
#include "results.h"
#include "saving.h"
#include "terminal.h"
#include "terminal_text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct conversation {
  const cli_args *args;
  gm_model *model;
  gm_image *image;
  gm_scene *scene;
  gm_chat *chat;
  char **names; /* of all pictures so far; the last one is the current one's */
  size_t n_names;
  out_box_format format;
  gm_box *boxes; /* for the next question */
  size_t n_boxes;
  cli_report last; /* of the last answer, for /save OUT.png */
  json_t *turns;   /* for /save FILE */
  bool terminal;
} conversation;

static void forget_boxes(conversation *c) {
  free(c->boxes);
  c->boxes = NULL;
  c->n_boxes = 0;
}

static const char *image_name(const conversation *c) {
  return c->names[c->n_names - 1];
}

static void on_text(void *user, const char *text, size_t length) {
  (void)user;
  cli_put_text(stdout, text, length);
  fflush(stdout);
}

static bool fresh_chat(conversation *c) {
  gm_error err = {0};
  gm_chat_free(c->chat);
  c->chat = NULL;
  cli_report_free(&c->last); /* it may be of another picture */
  json_array_clear(c->turns);
  forget_boxes(c);
  if (gm_chat_create(&c->chat, c->scene, &err) == GM_OK) return true;
  cli_report_error(&err);
  return false;
}

static bool remember_name(conversation *c, const char *path) {
  char **grown = realloc(c->names, (c->n_names + 1) * sizeof *grown);
  if (!grown) return false;
  c->names = grown;
  grown[c->n_names] = strdup(path);
  return grown[c->n_names] && ++c->n_names;
}

/* The old picture stays if the new one fails. */
static bool load_image(conversation *c, const char *path) {
  gm_error err = {0};
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_image_params image_params = cli_image_params(c->args);
  const gm_callbacks callbacks = cli_callbacks();
  gm_scene_params params = cli_scene_params(c->args);
  gm_status status = gm_image_open(&image, path, &image_params, &err);
  if (status == GM_OK)
    status = gm_scene_create(&scene, c->model, image, &params, &callbacks, &err);
  if (status == GM_OK && !remember_name(c, path)) {
    snprintf(err.message, sizeof err.message, "no memory for its name");
    status = err.status = GM_ERR_MEMORY;
  }
  if (status != GM_OK) {
    bool named = status == GM_ERR_CANCELLED || strncmp(err.message, path, strlen(path)) == 0;
    if (named)
      cli_report_error(&err);
    else
      cli_error("%s: %s", path, err.message);
    gm_scene_free(scene);
    gm_image_free(image);
    return false;
  }
  gm_chat_free(c->chat);
  c->chat = NULL;
  gm_scene_free(c->scene);
  gm_image_free(c->image);
  c->scene = scene;
  c->image = image;
  if (c->terminal)
    cli_print(stdout, "%s: %u x %u, %zu regions\n", path, gm_image_width(image),
              gm_image_height(image), gm_scene_region_count(scene));
  gm_model_info info = out_model_info(c->model);
  if (gm_scene_unlikeness(scene) > 1) cli_scope_tell_unlike(path, &info);
  return fresh_chat(c);
}

/* /image with a name in quotes, as a terminal inserts it when a file is dropped on it. */
static void load_typed(conversation *c, char *path) {
  size_t n = strlen(path);
  if (n == 0) {
    cli_error("/image wants a file: /image dog.jpg");
    return;
  }
  bool quoted = n > 2 && (path[0] == '\'' || path[0] == '"') && path[n - 1] == path[0];
  if (quoted && access(path, F_OK) != 0) {
    path[n - 1] = 0;
    path++;
  }
  load_image(c, path);
}

/* from: "/box" or "--box". False after a message. */
static bool add_box(conversation *c, const char *from, const char *text) {
  const char *format = out_box_format_name(c->format);
  double values[4];
  gm_box box;
  if (!*text) {
    cli_error("%s wants a box as %s: four numbers with commas between them", from, format);
    return false;
  }
  if (!c->image) {
    cli_error("%s %s: no picture yet: /image FILE", from, text);
    return false;
  }
  uint32_t width = gm_image_width(c->image), height = gm_image_height(c->image);
  if (!out_parse_box(text, values)) {
    cli_error("%s: found '%s', wanted four numbers with commas between them, a box as %s", from,
              text, format);
    return false;
  }
  if (out_box_looks_relative(c->format, values)) {
    cli_error("%s %s: " OUT_BOX_RELATIVE, from, text, format);
    return false;
  }
  if (!out_box_to_pixels(c->format, values, width, height, &box)) {
    cli_error("%s %s: as %s it covers nothing of this picture of %u x %u pixels", from, text,
              format, width, height);
    return false;
  }
  gm_box *grown = realloc(c->boxes, (c->n_boxes + 1) * sizeof *grown);
  if (!grown) {
    cli_error("%s: no memory for it", from);
    return false;
  }
  c->boxes = grown;
  grown[c->n_boxes++] = box;
  if (c->terminal) cli_print(stdout, "box {%zu} for the next question\n", c->n_boxes);
  return true;
}

/* force: replace any file. */
static void save(const conversation *c, const char *path, bool force) {
  if (!path[0]) {
    cli_error("/save wants a file: OUT.png or OUT.jpg for the annotated picture, else the "
              "conversation");
    return;
  }
  for (size_t i = 0; i < c->n_names; i++)
    if (cli_same_file(path, c->names[i])) {
      cli_error("/save %s: this is the picture itself; give another name", path);
      return;
    }
  bool drawing = cli_is_drawn_name(path);
  if (drawing && (!c->image || !c->last.caption))
    cli_error("nothing to draw yet");
  else if (drawing ? cli_save_drawing(path, c->image, &c->last, force)
                   : cli_save_turns(path, c->turns, force))
    cli_print(stdout, "wrote %s\n", path);
}

/* Checked before asking, so that the boxes are kept for the corrected question. */
static bool check_question(const conversation *c, const char *question) {
  char place[CLI_PLACE];
  json_t *words = json_string(question);
  json_decref(words);
  if (!words) {
    cli_error("found a question that is not UTF-8");
  } else if (!c->args->verbatim && cli_place_without_box(question, c->n_boxes, place)) {
    cli_error("the question says %s, but %zu boxes were given; give each with /box "
              "x1,y1,x2,y2 before the question: boxes last one question",
              place, c->n_boxes);
  } else {
    return true;
  }
  return false;
}

static void ask(conversation *c, const char *question) {
  if (!c->chat) {
    cli_error("no picture yet: /image FILE");
    return;
  }
  if (!check_question(c, question)) return;
  gm_error err = {0};
  gm_callbacks callbacks = cli_callbacks();
  if (!c->args->json) callbacks.text = on_text;
  gm_ask_params params = cli_ask_params(c->args);
  params.boxes = c->boxes;
  params.n_boxes = c->n_boxes;
  gm_answer *answer = NULL;
  cli_clear_interrupt();
  gm_status status = gm_chat_ask(c->chat, question, &params, &callbacks, &answer, &err);
  if (!c->args->json) putchar('\n');
  if (answer) {
    cli_report_free(&c->last);
    if (cli_report_begin(&c->last, image_name(c), gm_image_width(c->image),
                         gm_image_height(c->image), c->format, cli_has_colour(stdout))) {
      cli_json_question(&c->last, c->last.json, question, c->boxes, c->n_boxes);
      cli_report_answer(&c->last, c->last.json, answer, c->args->raw, true);
      cli_scope scope = cli_scope_of(c->args, c->model);
      out_json_add_scope(c->last.json, scope.name, scope.scope, gm_scene_unlikeness(c->scene));
      json_array_append(c->turns, c->last.json);
      fflush(c->last.text);
      if (c->args->json) {
        char *line = json_dumps(c->last.json, JSON_COMPACT | JSON_REAL_PRECISION(10));
        if (line) cli_put_json(stdout, line);
        free(line);
      } else {
        fwrite(c->last.text_bytes, 1, c->last.text_size, stdout);
      }
    }
  }
  if (status == GM_ERR_CANCELLED)
    fprintf(stderr, "(stopped)\n");
  else if (status == GM_OK && answer && !answer->complete)
    fprintf(stderr, "(cut after %llu tokens: -n)\n", (unsigned long long)c->args->max_tokens);
  else if (status != GM_OK)
    cli_error("%s", err.message);
  fflush(stdout);
  gm_answer_free(answer);
  forget_boxes(c);
  cli_clear_interrupt();
}

static const cli_line_command commands[] = {
    {"/image", true}, {"/box", false},  {"/clear", false}, {"/save", true},
    {"/save!", true}, {"/help", false}, {"/quit", false},  {0}};

static const char commands_help[] =
    "/image FILE         another picture; Tab completes the name\n"
    "/box x1,y1,x2,y2    a box for the next question: {1}, {2}, ... in it, else at its end\n"
    "/clear              forget the conversation, keep the picture\n"
    "/save FILE          the conversation as JSON lines; FILE.png, FILE.jpg: the annotated "
    "picture\n"
    "/save! FILE         the same, over a file that is not gromatic's\n"
    "/quit               end (also Ctrl-D); Ctrl-C stops an answer\n"
    "\n"
    "Questions that the model was trained on, about a box that /box gave:\n"
    "  What is {1}?\n"
    "  Please briefly describe {1}.\n"
    "  Provide a short description for {1}.\n"
    "  Please give a concise description of region {1}.\n"
    "  Please describe {1} in details.\n"
    "  Can you provide me with a detailed description of {1}?\n"
    "  I'm curious about {1} in the photo. Can you describe it in detail?\n"
    "  Please give a comprehensive description of the object {1}.\n"
    "  What does the object {1} in the picture look like? Could you give me a detailed "
    "description?\n"
    "and about the whole picture:\n"
    "  Give me a concise description of the image.\n"
    "  Please briefly summarize the content of this image.\n"
    "  What does this picture show? Please summarize briefly.\n"
    "  Can you give me a quick overview of what's depicted in this image?\n"
    "  Could you describe the key elements in this photograph?\n"
    "  Offer a brief explanation of what this image represents.\n"
    "  Sum up the contents of this picture in one or two sentences.\n"
    "The small model inside the program knows no others: to those it says \"No.\", or "
    "anything.\n"
    "A large one answers free questions too. 'gromatic ground' finds what a phrase names.\n";

/* False when the conversation is over. */
static bool handle_line(conversation *c, char *line) {
  char *end = line + strlen(line);
  while (end > line && strchr(" \t\r\n", end[-1])) *--end = 0;
  line += strspn(line, " \t");
  if (!*line) return true;
  if (line[0] != '/') {
    ask(c, line);
    return true;
  }
  char *argument = line + strcspn(line, " \t");
  if (*argument) *argument++ = 0;
  argument += strspn(argument, " \t");
  if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0) return false;
  if (strcmp(line, "/help") == 0) {
    fputs(commands_help, stdout);
  } else if (strcmp(line, "/image") == 0) {
    load_typed(c, argument);
  } else if (strcmp(line, "/box") == 0) {
    add_box(c, "/box", argument);
  } else if (strcmp(line, "/clear") == 0) {
    if (c->scene) fresh_chat(c);
  } else if (strcmp(line, "/save") == 0 || strcmp(line, "/save!") == 0) {
    save(c, argument, line[5] == '!' || c->args->force);
  } else {
    cli_error("%s: wanted /image FILE, /box x1,y1,x2,y2, /clear, /save FILE, /help or /quit",
              line);
  }
  return true;
}

/* A file's name need not be UTF-8; its reader checks everything else. */
static bool handle_piped(conversation *c, const char *line) {
  size_t length = strlen(line);
  char *clean = strdup(line);
  if (!clean) return false;
  if (gm_text_import(clean, &length, "", NULL) != GM_OK) strcpy(clean, line);
  bool more = handle_line(c, clean);
  free(clean);
  return more;
}

static void read_piped(conversation *c) {
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, stdin) >= 0 && handle_piped(c, line)) {
  }
  free(line);
}

static void read_typed(conversation *c) {
  cli_line_editor *editor = cli_line_editor_open(commands);
  if (!editor) {
    read_piped(c);
    return;
  }
  printf("Ask about the picture; /help lists the commands.\n");
  for (bool more = true; more;) {
    char *line;
    cli_clear_interrupt();
    switch (cli_line_editor_read(editor, &line)) {
    case LINE_READ:
      more = handle_line(c, line);
      break;
    case LINE_INTERRUPTED:
      putchar('\n');
      break;
    case LINE_NOT_UTF8:
      putchar('\n');
      cli_error("found bytes that are not UTF-8; set the terminal to UTF-8");
      break;
    case LINE_END:
      putchar('\n');
      more = false;
    }
  }
  cli_line_editor_close(editor);
}

int cli_converse(const cli_args *args) {
  conversation c = {.args = args, .turns = json_array(), .terminal = isatty(STDIN_FILENO) != 0};
  if (!out_box_format_named(args->box_format, &c.format)) {
    cli_error("--box-format: found '%s', wanted xyxy, xywh, xyxyn, cxcywhn or qwen3",
              args->box_format);
    json_decref(c.turns);
    return CLI_USAGE;
  }
  if (args->inputs.n > 1) {
    cli_error("chat: a conversation is about one picture; give questions with -p for several");
    json_decref(c.turns);
    return CLI_USAGE;
  }
  if (args->regions_file || args->draw || args->output || args->resume) {
    cli_error("chat: --regions, --draw, -o and --resume go with questions given by -p; in a "
              "conversation /save writes");
    json_decref(c.turns);
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  int code = cli_open_model(args, 1, false, &c.model);
  if (code == CLI_DONE && args->inputs.n == 1 && !load_image(&c, args->inputs.items[0]))
    code = cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
  for (size_t i = 0; code == CLI_DONE && i < args->boxes.n; i++)
    if (!add_box(&c, "--box", args->boxes.items[i])) code = CLI_USAGE;
  if (code == CLI_DONE && c.terminal) read_typed(&c);
  if (code == CLI_DONE && !c.terminal) read_piped(&c);
  cli_report_free(&c.last);
  forget_boxes(&c);
  gm_chat_free(c.chat);
  gm_scene_free(c.scene);
  gm_image_free(c.image);
  cli_close_model(args, c.model);
  for (size_t i = 0; i < c.n_names; i++) free(c.names[i]);
  free(c.names);
  json_decref(c.turns);
  return code;
}
