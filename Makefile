# make demo   install, train pix2pix and CycleGAN on the toy set, translate, measure, compare, print the pages
# make test   install, run all tests
# make quick  the same without the slow ones, for while one works
# make lint   install, check style and types
# make docs   install, build the site of the docs: site/index.html; a warning ends it
# make gallery   the demo, then the pictures of docs/gallery.md from it (needs chromium)
# All install into .venv once; PYTHON=python3.12 make demo chooses the interpreter (3.11 or newer).

PYTHON ?= python3
BIN := .venv/bin
TOY := ./datasets/toy_maps
DEMO_MODELS := toy_pix2pix_AtoB toy_pix2pix_BtoA toy_cyclegan
CYCLEGAN := results/toy_cyclegan/test_latest_ema
TO_MAPS := results/toy_pix2pix_AtoB/test_latest $(CYCLEGAN)
FROM_MAPS := results/toy_pix2pix_BtoA/test_latest $(CYCLEGAN)
RESULTS := results/toy_pix2pix_AtoB/test_latest $(FROM_MAPS)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Old and new pip read the pins under different names; both must reach the build of visdom.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

.PHONY: demo demo-pix2pix demo-cyclegan test quick lint docs gallery install clean

install: $(BIN)/.installed

$(BIN)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, this is {sys.version}")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .[all]
	touch $@

demo: install
	$(BIN)/python datasets/toy_maps.py --size 128 --n_test 20
	OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --jobs 2 demo-pix2pix demo-cyclegan
	$(BIN)/python test.py --dataroot $(TOY) --model pix2pix --name toy_pix2pix_AtoB
	$(BIN)/python test.py --dataroot $(TOY) --model pix2pix --name toy_pix2pix_BtoA
	$(BIN)/python test.py --dataroot $(TOY) --model cycle_gan --name toy_cyclegan --dataset_mode aligned --weights ema
	$(BIN)/python evaluate.py $(RESULTS) --metrics mae,pixel_acc,class_acc,class_iou
	$(BIN)/python evaluate.py fcn --dataroot $(TOY) --steps 150 --overwrite $(FROM_MAPS)
	$(BIN)/python evaluate.py compare $(TO_MAPS) --titles pix2pix,CycleGAN --output results/toy_comparison --overwrite
	@printf '\nthe pages:\n'; printf '  %s/index.html\n' $(RESULTS) results/toy_comparison $(DEMO_MODELS:%=checkpoints/%/web)

# At the same time, a core each: in networks as narrow as these a second thread gains nothing.
demo-pix2pix:
	$(BIN)/python train.py @recipes/toy_pix2pix.txt --dataroot $(TOY) --direction AtoB --name toy_pix2pix_AtoB --overwrite
	$(BIN)/python train.py @recipes/toy_pix2pix.txt --dataroot $(TOY) --direction BtoA --name toy_pix2pix_BtoA --overwrite

demo-cyclegan:
	$(BIN)/python train.py @recipes/toy_cyclegan.txt --dataroot $(TOY) --name toy_cyclegan --overwrite

test: install
	$(PYTEST)

quick: install
	$(PYTEST) -m "not slow"

lint: install
	$(BIN)/ruff check
	$(BIN)/mypy

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

gallery: demo
	$(BIN)/python docs/tools/make_gallery.py

clean:
	rm -rf .venv site *.egg-info
