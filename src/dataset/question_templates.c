/* question_templates.c - see question_templates.h. */
#include "question_templates.h"

static const char *const locate[] = {
    "Locate @ in the image.",
    "Can you spot @ in the photograph?",
    "Identify where @ is located in the picture.",
    "Please detect @ in the picture.",
    "Which region matches the description @?",
    "Please identify the object that corresponds to @.",
};
static const char *const locate_all[] = {
    "Locate all @ in this image.",
    "Identify all instances of @ in the photo.",
    "Find all instances of @ in the image.",
    "Point out all the @ visible in this picture.",
    "Detect and list each @ that appears in this photo.",
    "What is the position of each @ in the image?",
};
static const char *const describe[] = {
    "What is @?",
    "Please briefly describe @.",
    "Provide a short description for @.",
    "Please give a concise description of region @.",
};
static const char *const describe_long[] = {
    "Please describe @ in details.",
    "Can you provide me with a detailed description of @?",
    "I'm curious about @ in the photo. Can you describe it in detail?",
    "Please give a comprehensive description of the object @.",
    ("What does the object @ in the picture look like? Could you give me a detailed "
     "description?"),
};
static const char *const caption[] = {
    "[grounding]Give me a concise description of the image.",
    "[grounding]Please briefly summarize the content of this image.",
    "[grounding]What does this picture show? Please summarize briefly.",
    "[grounding]Can you give me a quick overview of what's depicted in this image?",
    "[grounding]Could you describe the key elements in this photograph?",
    "[grounding]Offer a brief explanation of what this image represents.",
    "[grounding]Sum up the contents of this picture in one or two sentences.",
};

#define LIST(array) ((gm_question_list){array, sizeof array / sizeof array[0]})

gm_question_list gm_question_templates(gm_task task) {
  switch (task) {
  case GM_TASK_LOCATE:
    return LIST(locate);
  case GM_TASK_LOCATE_ALL:
    return LIST(locate_all);
  case GM_TASK_DESCRIBE:
    return LIST(describe);
  case GM_TASK_DESCRIBE_LONG:
    return LIST(describe_long);
  case GM_TASK_GROUNDED_CAPTION:
    return LIST(caption);
  case GM_TASK_DETECT:
  case GM_TASK_CHAT:
    break;
  }
  return (gm_question_list){0};
}
