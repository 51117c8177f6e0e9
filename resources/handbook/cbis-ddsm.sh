#!/bin/sh
# From the images of CBIS-DDSM to predictions, figures, plots and a model in a second study.
#
#   sh cbis-ddsm.sh ~/cbis-ddsm work [SETTING=VALUE ...]
#
# The first argument is the folder with lesions.csv and its images, the second a new folder for everything that is
# made. Settings change the training, such as epochs.joint=20. For research and education only. Not for clinical use.
set -eu
data=$1
work=$2
shift 2
settings=""
for setting in "$@"; do settings="$settings --set $setting"; done
: "${MARGINALIA:=marginalia}"   # the command; or: MARGINALIA="python /path/to/main.py"
mkdir -p "$work"

# the study, with your own file names kept beside it
$MARGINALIA study create "$work/study"
$MARGINALIA import "$work/study" "$data" --source cbis-ddsm --keep-file-names --results "$work/outcome.csv"
$MARGINALIA split "$work/study" --seed 1

# a model
$MARGINALIA train "$work/study" --name cbis --device cpu $settings
$MARGINALIA run show "$work/study" cbis

# its figures, predictions and reasons
$MARGINALIA evaluate "$work/study" cbis --out "$work/evaluation"
$MARGINALIA predict "$work/study" cbis --out "$work/predictions.csv"
$MARGINALIA evaluate --predictions "$work/predictions.csv" --part test
$MARGINALIA explain "$work/study" cbis --out "$work/explanations"
$MARGINALIA export "$work/study" --format csv --out "$work/lesions"

# the model in a second study, and its predictions there
$MARGINALIA model export "$work/study" cbis --out "$work/cbis.marginalia-model"
$MARGINALIA study create "$work/second"
$MARGINALIA import "$work/second" "$data" --source cbis-ddsm --keep-file-names
$MARGINALIA model import "$work/second" "$work/cbis.marginalia-model" --name theirs
$MARGINALIA predict "$work/second" theirs --out "$work/second.csv"
