#!/usr/bin/env bash
# The classic command line of datasets/download.py: datasets/download_cyclegan_dataset.sh horse2zebra
exec python3 "$(dirname "$0")/download.py" "cyclegan/${1-}" "${@:2}"
