#!/usr/bin/env bash
# Builds the image with docker, podman or buildah, whichever is installed. The image contains its bill of materials.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<'TEXT'
deploy/image/build.sh [--bento digits] [--runtime cpu|gpu] [--tag NAME:TAG] [--base IMAGE] [--build-base IMAGE]
                      [--extras privacy,redis] [--engine docker|podman|buildah] [-- ARGUMENTS OF THE ENGINE]

  --base        base image; pin it by digest for a release
  --build-base  image of the first stage, with Python and venv; the base image by default
  --extras      extras of pyproject.toml: add awskms, vault or pkcs11 for keys there, tracing for traces
TEXT
}

bento=digits runtime=cpu tag='' base='' build_base='' extras=privacy,redis engine=''
while [ $# -gt 0 ]; do
  case $1 in
    --bento) bento=$2 ;;
    --runtime) runtime=$2 ;;
    --tag) tag=$2 ;;
    --base) base=$2 ;;
    --build-base) build_base=$2 ;;
    --extras) extras=$2 ;;
    --engine) engine=$2 ;;
    --help | -h) usage && exit 0 ;;
    --) shift && break ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift 2
done
[ -d "bentos/$bento" ] || { echo "bentos/$bento does not exist" >&2 && exit 2; }
[ "$runtime" = cpu ] || [ "$runtime" = gpu ] || { usage >&2 && exit 2; }
for candidate in $engine docker podman buildah; do
  if command -v "$candidate" >/dev/null; then engine=$candidate && break; fi
done
[ -n "$engine" ] || { echo "none of docker, podman and buildah is installed" >&2 && exit 1; }
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' governance/__init__.py)
tag=${tag:-bento-governance-$bento:$version-$runtime}

arguments=(--build-arg "BENTO=$bento" --build-arg "RUNTIME=$runtime" --build-arg "EXTRAS=$extras"
  --build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
[ -z "$base" ] || arguments+=(--build-arg "BASE=$base" --build-arg "BUILD_BASE=${build_base:-$base}")
command=("$engine" build)
# Only Docker's image format keeps HEALTHCHECK and STOPSIGNAL.
[ "$engine" = docker ] || arguments+=(--format docker --ignorefile deploy/image/Containerfile.containerignore)
"${command[@]}" --file deploy/image/Containerfile --tag "$tag" "${arguments[@]}" "$@" .
echo "Built $tag; its packages are listed in the image: /opt/governance/sbom.cdx.json"
