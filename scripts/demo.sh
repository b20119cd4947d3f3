#!/bin/sh
# The whole way on networks and data that come with the package: nothing is downloaded.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() {
  printf '\n$ %s\n' "$*"
  "$@"
}

# CIFAR-10's images are not in the package, but two photographs are: enough for proving an export and for timing it.
say reszoo list '*.reszoo_*'
say reszoo show resnet8_v2.reszoo_cifar10
say reszoo export resnet8_v2.reszoo_cifar10 --to onnx --input uint8 --out "$folder/cifar10-onnx"
say reszoo bench resnet8_v2.reszoo_cifar10 "$folder/cifar10-onnx" --runtime torch,onnxruntime --batch 1,32 \
  --time-limit 2 --out "$folder/results"

# The digits are in it, so these can be measured on a test split: a network trained now, in 5 epochs, its
# int8 self, and the half of it that is left when the least important channels are gone.
say reszoo train resnet8_v2 --data digits --recipe digits --epochs 5 --tag demo --out "$folder/digits"
say reszoo quantize "$folder/digits" --out "$folder/digits-int8"
# Its speed is not checked: on a machine as busy as this one may be, a network as small as this one can seem slower
# than its parent, and is then refused.
say reszoo prune "$folder/digits" --macs 0.5 --no-measure --finetune digits --set epochs=5 --out "$folder/digits-half"
say reszoo bench "$folder/digits" "$folder/digits-int8" "$folder/digits-half" --runtime onnxruntime --time-limit 2 \
  --accuracy digits --reference "$folder/digits" --out "$folder/results"
say reszoo report "$folder/results" --html "$folder/report.html"
