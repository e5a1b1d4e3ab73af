#!/usr/bin/env bash
# The classic command line of datasets/download.py: datasets/download_pix2pix_dataset.sh facades
exec python3 "$(dirname "$0")/download.py" "pix2pix/${1-}" "${@:2}"
