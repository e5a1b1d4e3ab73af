#!/usr/bin/env bash
# The classic command line of datasets/download.py: scripts/download_cyclegan_model.sh horse2zebra
exec python3 "$(dirname "$0")/../datasets/download.py" "cyclegan-models/${1-}" "${@:2}"
