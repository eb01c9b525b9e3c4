/* commands.c - the table of commands. */
#include "commands.h"

enum {
  PICTURE = GROUP_MODEL | GROUP_IMAGE | GROUP_REGIONS | GROUP_PROPOSED | GROUP_OUTPUT,
  ASKED = PICTURE | GROUP_LANGUAGE
};

const cli_command cli_commands[] = {
    {"caption", "[OPTION]... PICTURE...", "Describe a picture, and tie each phrase to boxes",
     "  gromatic caption dog.jpg --draw out.png\n"
     "  gromatic caption photos/ -o captions.jsonl --resume",
     ASKED | GROUP_TEXT | GROUP_PARALLEL, cmd_caption, NULL},
    {"chat", "[OPTION]... PICTURE [-p QUESTION]", "Talk about a picture",
     "Without -p it is a conversation: /image FILE, /box x1,y1,x2,y2, /clear, /save FILE, "
     "/quit,\n"
     "and /help, which also lists the questions that the model was trained on.\n"
     "Boxes of --box are put where the question says {1}, {2}, else at its end.\n\n"
     "  gromatic chat dog.jpg -p 'What is the dog doing?'\n"
     "  gromatic chat dog.jpg -p 'How does {1} differ from {2}?' --box 1,2,90,80 --box "
     "5,5,60,70",
     ASKED | GROUP_TEXT | GROUP_BOXES | GROUP_CHAT, cmd_chat, NULL},
    {"ground", "[OPTION]... PICTURE PHRASE...", "Find the things that phrases name",
     "  gromatic ground dog.jpg 'the brown dog' 'a pizza'\n"
     "  gromatic ground --all --phrase 'a cup' photos/ --json",
     ASKED | GROUP_GROUND | GROUP_EXPORT, cmd_ground, NULL},
    {"describe", "[OPTION]... --box X1,Y1,X2,Y2 PICTURE...", "Say what is in a box",
     "  gromatic describe dog.jpg --box 10,20,200,180 --long",
     ASKED | GROUP_TEXT | GROUP_BOXES | GROUP_DESCRIBE, cmd_describe, NULL},
    {"detect", "[OPTION]... PICTURE...", "List the regions of a picture, with scores",
     "  gromatic detect dog.jpg --conf 0.3 --draw out.png\n"
     "  gromatic detect photos/ -f coco -o regions.json",
     PICTURE | GROUP_EXPORT, cmd_detect, NULL},
    {"classify", "[OPTION]... --classes A,B,C|FILE PICTURE...",
     "Say which of your classes a picture shows",
     "  gromatic classify dog.jpg --classes dog,cat,horse\n"
     "  gromatic classify photos/ --descriptions pets.json --explain why/ -o out.jsonl",
     GROUP_MODEL | GROUP_IMAGE | GROUP_OUTPUT | GROUP_CLASSES | GROUP_CLASSIFY, cmd_classify,
     NULL},
    {"label", "[OPTION]... --classes FILE|A,B,C PICTURE...",
     "Find and name things by a list of your own",
     "Regions are Groma's (-m), names are CLIP's (--clip-model) by weighted cross "
     "alignment.\n\n"
     "  gromatic label street.jpg --classes 'a dog,a bicycle' --draw out.png\n"
     "  gromatic label photos/ --classes names.txt -f coco -o labels.json",
     PICTURE | GROUP_EXPORT | GROUP_CLASSES | GROUP_LABEL, cmd_label, NULL},
    {"export", "[OPTION]... LINES.jsonl -f FORMAT -o OUT",
     "Make a data set or a table from the JSON lines of other commands",
     "The lines are those of detect, label, ground, caption or describe, or with -f csv of "
     "classify;\n"
     "- reads them from standard input.\n\n"
     "  gromatic export labels.jsonl -f coco -o labels.json\n"
     "  gromatic export labels.jsonl -f yolo -o dataset --link-images --split 0.8",
     GROUP_EXPORT | GROUP_LINES, cmd_export, NULL},
    {"describe-classes", "[OPTION]... --classes FILE|A,B,C -o FILE.json",
     "Let a language model write what the classes look like",
     "The result is what --descriptions of classify and label takes.\n\n"
     "  gromatic describe-classes --classes names.txt --endpoint https://api.openai.com/v1 "
     "--endpoint-model NAME -o descriptions.json",
     GROUP_MODEL | GROUP_LANGUAGE | GROUP_ENDPOINT, cmd_describe_classes, NULL},
    {"curate", "[OPTION]... --coco FILE -o FILE.jsonl",
     "Make conversations about pictures, for training, from boxes and captions",
     "A model that sees writes them (--endpoint), or templates do (--from-labels). The two "
     "steps "
     "of\n"
     "the first way can be done apart (--write-prompts, --replies). Every turn is checked; the "
     "result\n"
     "has the form of Groma Instruct.\n\n"
     "  gromatic curate --coco boxes.json --endpoint https://api.openai.com/v1 "
     "--endpoint-model "
     "NAME -o instruct.jsonl\n"
     "  gromatic curate --coco boxes.json --replies replies.jsonl -o instruct.jsonl\n"
     "  gromatic curate --coco boxes.json --from-labels -o instruct.jsonl",
     GROUP_CURATE, cmd_curate, NULL},
    {"convert", "[OPTION]... CHECKPOINT -o FILE.gguf",
     "Make one model file from a checkpoint, or change the type of one",
     "  gromatic convert groma-7b-finetune/ -o groma-7b-q4_k.gguf --type q4_k", GROUP_CONVERT,
     cmd_convert, NULL},
    {"inspect", "[OPTION]... MODEL", "Show what a model file holds",
     "  gromatic inspect groma-7b-q4_k.gguf --tensors", GROUP_INSPECT | GROUP_JSON, cmd_inspect,
     NULL},
    {"eval",
     "[OPTION]... ground|describe|caption|detect|label --coco FILE [--refs FILE] [--absent "
     "FILE], or rec|lvis-ground|proposals|region-captions --coco FILE [--predictions FILE], or "
     "chat --questions FILE -o FILE, or classify FOLDER|FILE.csv",
     "Measure a model on annotated pictures",
     "With -v every answer is a line of JSON before its task's result.\n"
     "classify takes class folders ('_' in a name stands for a space) or a CSV of file,label, "
     "and\n"
     "all methods whose files are given, or those of --method a,b,c.\n"
     "rec, lvis-ground, proposals and region-captions score answers as the published "
     "benchmarks do "
     "(docs/BENCHMARKS.md). So does ground with --absent, phrases that name nothing. chat "
     "writes answers, which a model behind --judge compares with others.\n\n"
     "  gromatic eval ground --coco annotations.json --refs referring.json\n"
     "  gromatic eval ground --coco annotations.json --refs referring.json --absent "
     "absent.json\n"
     "  gromatic eval label --coco annotations.json\n"
     "  gromatic eval classify pets/ --descriptions pets.json --preset pets",
     GROUP_MODEL | GROUP_LANGUAGE | GROUP_IMAGE | GROUP_REGIONS | GROUP_EVAL | GROUP_JSON |
         GROUP_CLASSES | GROUP_LABEL,
     cmd_eval,
     "ground,describe,caption,detect,label,rec,lvis-ground,proposals,region-captions,chat,"
     "classify"},
    {"tune", "[OPTION]... --coco FILE|FOLDER -o FILE.gguf",
     "Teach a model your own boxes and words",
     "FILE is annotations in COCO's format; FOLDER holds such a file, or is a YOLO data set.\n"
     "An adapter is written, a small file of changes that every command takes: the model stays "
     "as it is.\n"
     "A share of the pictures is held out: boxes, names, phrases and captions are measured on "
     "it before\n"
     "and after. Where one got worse nothing is written.\n\n"
     "  gromatic tune -m groma.gguf --coco annotations.json --refs expressions.json -o "
     "my.gguf\n"
     "  gromatic tune --coco dataset/ --dry-run\n"
     "  gromatic caption dog.jpg -m groma.gguf --adapter my.gguf",
     GROUP_TUNE | GROUP_JSON, cmd_tune, NULL},
    {"calibrate", "[OPTION]... [label] --coco FILE|FOLDER -o FILE.gguf",
     "Teach a model to say what is not there",
     "Asks for the names and expressions of your pictures, and for things that are not there, "
     "and fits a\n"
     "small head to the answers: afterwards 'ground' says how likely a thing is there at all. "
     "The head is\n"
     "written as an adapter; 'convert --adapter' puts it into the model. Takes minutes.\n"
     "calibrate label fits a head of the CLIP in the same way: afterwards 'label' says how "
     "likely a name\n"
     "is right, and gives none to regions on nothing.\n\n"
     "  gromatic calibrate -m groma.gguf --coco annotations.json --refs expressions.json -o "
     "head.gguf\n"
     "  gromatic ground dog.jpg 'a pizza' -m groma.gguf --adapter head.gguf\n"
     "  gromatic calibrate label --clip-model clip.gguf --coco annotations.json -o "
     "label-head.gguf",
     GROUP_CALIBRATE | GROUP_JSON, cmd_calibrate, "label"},
    {"bench", "[OPTION]... model|clip|kernels|image FILE...",
     "Measure the speed on this machine",
     "  gromatic bench kernels\n"
     "  gromatic bench model\n"
     "  gromatic bench model --shape groma-7b --type q4_k\n"
     "  gromatic bench clip --shape clip-vit-b-32 --type q8_0\n"
     "  gromatic bench image dog.jpg\n"
     "  gromatic bench image photos/*.jpg",
     GROUP_BENCH | GROUP_JSON, cmd_bench, "model,clip,kernels,image"},
    {"train", "[OPTION]... detect|align|instruct -m MODEL --data CONFIG.json -o DIR",
     "Train a model in the three stages of Groma",
     "detect trains the region proposer, align what ties words to regions, instruct that and\n"
     "the language model. Defaults are the paper's, in this order. The folder gets best.gguf,\n"
     "last.gguf, results.csv and pictures. Ctrl-C stops so that --resume can go on.\n\n"
     "  gromatic train detect -m groma-mini --data boxes.json -o runs/boxes --steps 500\n"
     "  gromatic train align -m runs/boxes/best.gguf --data words.json -o runs/words\n"
     "  gromatic train --resume runs/words",
     GROUP_TRAIN, cmd_train, "detect,align,instruct"},
    {"serve", "[OPTION]...", "Answer over HTTP, as OpenAI's servers do",
     "Ctrl-C or SIGTERM finishes what runs, a second one ends at once; SIGHUP reads the keys "
     "again.\n\n"
     "  gromatic serve -m groma-7b-q4_k.gguf\n"
     "  gromatic serve --host 0.0.0.0 --api-key-file keys.txt --log-json",
     GROUP_MODEL | GROUP_LANGUAGE | GROUP_IMAGE | GROUP_SERVE, cmd_serve, NULL},
    {"help", "[COMMAND]", "Show the options of a command", NULL, 0, cmd_help, NULL},
    {"completion", "bash|zsh|fish", "Print a completion script for the shell",
     "  source <(gromatic completion bash)", 0, cmd_completion, "bash,zsh,fish"},
    {.name = NULL},
};
