#!/bin/sh
# The whole way on a network and a data set that come with the package: nothing is downloaded.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() {
  printf '\n$ %s\n' "$*"
  "$@"
}

say reszoo list '*digits'
say reszoo show resnet8_v2.reszoo_digits
say reszoo export resnet8_v2.reszoo_digits --to onnx --input uint8 --out "$folder/digits-onnx"
say reszoo bench resnet8_v2.reszoo_digits --runtime torch,onnxruntime --threads 1 --batch 1,32 \
  --accuracy digits --seconds 1 --out "$folder/results"
say reszoo bench "$folder/digits-onnx" --runtime onnxruntime --accuracy digits --seconds 1 --out "$folder/results"
