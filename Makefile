# make demo   install what is missing, build, caption a picture with the model that ships
# make test   install what is missing, build, run the fast tests
# make        build only
# make serve  install what is missing, build, serve on http://127.0.0.1:8080
# make train-mini   draw a world and train the model that is built in, in under six hours (docs/TRAINING.md)
# make calibrate-mini   fit the head of the model that is built in to what is not there (docs/PRESENT.md)
# make train-clip-mini   the same for the CLIP that is built in, in about an hour

DEMO_IMAGE = tests/data/world/scenes/images/064.jpg

.PHONY: all deps demo serve test train-mini calibrate-mini train-clip-mini install uninstall clean format

all: deps
	cmake --preset release >/dev/null
	cmake --build --preset release

deps:
	@sh scripts/install-deps.sh build

demo: deps
	cmake --preset release >/dev/null
	cmake --build --preset release --target gromatic_cli
	build/release/gromatic caption $(DEMO_IMAGE) --draw demo.png
	@echo "The annotated picture is $(CURDIR)/demo.png"
	@echo "The program is not on your PATH yet: type build/release/gromatic here, or, for all folders,"
	@echo "    PATH=\"$(CURDIR)/build/release:\$$PATH\""

serve: deps
	cmake --preset release >/dev/null
	cmake --build --preset release --target gromatic_cli
	build/release/gromatic serve

test:
	@sh scripts/install-deps.sh test
	@sh scripts/venv.sh
	cmake --preset release >/dev/null
	cmake --build --preset release
	ctest --preset release -L fast -j2

train-mini:
	@sh scripts/install-deps.sh test
	@sh scripts/venv.sh
	cmake --preset release >/dev/null
	cmake --build --preset release --target gromatic_cli train_fresh train_see train_speak
	sh scripts/train-mini.sh build/release

calibrate-mini:
	@sh scripts/install-deps.sh test
	@sh scripts/venv.sh
	cmake --preset release >/dev/null
	cmake --build --preset release --target gromatic_cli
	sh scripts/calibrate-mini.sh build/release

TRAIN_CLIP = build/train/clip-mini
TRAIN_SECONDS = 3600

train-clip-mini:
	@sh scripts/install-deps.sh test
	@sh scripts/venv.sh
	cmake --preset release >/dev/null
	cmake --build --preset release --target gromatic_cli train_clip
	test -f $(TRAIN_CLIP)/train/singles/singles.json || \
	  .venv/bin/python scripts/world/draw.py --out $(TRAIN_CLIP)/train --singles 27300 --seed train
	test -f $(TRAIN_CLIP)/held/singles/singles.json || \
	  .venv/bin/python scripts/world/draw.py --out $(TRAIN_CLIP)/held --singles 910 --seed held
	build/release/gromatic convert models/clip-mini -o $(TRAIN_CLIP)/sizes.gguf --force
	build/release/training/train_clip -m $(TRAIN_CLIP)/sizes.gguf -s $(TRAIN_CLIP)/train/singles \
	  -e $(TRAIN_CLIP)/held/singles -o $(TRAIN_CLIP)/clip-mini.gguf -t $(TRAIN_SECONDS) -n 10000 -b 64

install: all
	cmake --install build/release

uninstall:
	cmake --build --preset release --target uninstall

format:
	clang-format-14 -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build demo.png
