#!/usr/bin/env bash
# The classic command line of datasets/download.py: scripts/download_pix2pix_model.sh facades_label2photo
exec python3 "$(dirname "$0")/../datasets/download.py" "pix2pix-models/${1-}" "${@:2}"
