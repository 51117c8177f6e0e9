"""Values of a configuration in the user's words: a name and a sentence for each, and a title for each group."""

from __future__ import annotations

from collections.abc import Callable

from app.qt.translation import tr

Texts = Callable[[], tuple[str, str]]

_GROUPS: dict[str, Callable[[], str]] = {
    "": lambda: tr("Run"),
    "transform": lambda: tr("Picture that the network sees"),
    "architecture": lambda: tr("Network"),
    "loss": lambda: tr("Loss"),
    "rates": lambda: tr("Learning rates"),
    "epochs": lambda: tr("Epochs"),
    "projection": lambda: tr("Projection of the prototypes"),
    "augmentation": lambda: tr("Augmentation"),
    "machine": lambda: tr("Machine"),
}

_RUN: dict[str, Texts] = {
    "batch_lesion": lambda: (tr("Lesions in a batch"), tr("Lesions that are drawn together in one step.")),
    "batch_fine": lambda: (
        tr("Finely annotated lesions in a batch"),
        tr("Drawn beside the others in every step, for the fine part of the loss."),
    ),
    "warm_start": lambda: (
        tr("Warm start by"),
        tr("cells: each cell of the map learns its class inside the mask; image: the whole picture does."),
    ),
    "prototype_start": lambda: (
        tr("Prototypes begin"),
        tr("random: anywhere; kmeans: at the centres of clusters of cells inside the masks of each class."),
    ),
    "select_on_validation": lambda: (
        tr("Keep the best epoch"),
        tr("The epoch with the best AUROC on the validation part; else the last one."),
    ),
    "project": lambda: (
        tr("Project the prototypes"),
        tr("Off: prototypes are not patches of an image, and the model has no cases to show."),
    ),
    "automatic_bands": lambda: (
        tr("Automatic bands"),
        tr("A band along the outline where a lesion has no fine annotation. It is never counted as one."),
    ),
    "table_rows": lambda: (
        tr("Rows for the last layer"),
        tr("Whether the last layers are fitted on lesions as they are, or on augmented ones too."),
    ),
    "malignancy_fit": lambda: (
        tr("Malignancy is fitted"),
        tr("out-of-fold: on scores of lesions that the fit did not see; in-sample: on the same lesions."),
    ),
    "frozen_backbone": lambda: (
        tr("Frozen backbone"),
        tr("Its features are computed once and kept; only what follows is trained. Fast, without a GPU."),
    ),
    "frozen_blocks": lambda: (
        tr("Frozen blocks"),
        tr("Blocks of the backbone, from its input, that are not trained."),
    ),
    "tuned_blocks": lambda: (
        tr("Late blocks"),
        tr("Last blocks of a frozen backbone that are trained all the same. Slower."),
    ),
    "cached_augmentations": lambda: (
        tr("Augmented copies"),
        tr("Of each lesion, computed once for a frozen backbone."),
    ),
    "feature_dropout": lambda: (
        tr("Dropped features"),
        tr("Share of a frozen backbone's channels that are set to their mean in a draw."),
    ),
    "precision": lambda: (
        tr("Precision of gradients"),
        tr("bfloat16 is faster on some cards; whatever is shown is computed in float32."),
    ),
    "device": lambda: (tr("Device"), tr("auto takes a graphics card where there is one that fits.")),
}
_TRANSFORM: dict[str, Texts] = {
    "input_size": lambda: (tr("Side of the picture"), tr("In pixels of the network's input.")),
    "context": lambda: (
        tr("Surroundings"),
        tr("paper: 100 pixels on each side; compact: half the lesion; lesion: in proportion; mm: in millimetres."),
    ),
    "context_scale": lambda: (tr("Surroundings in proportion"), tr("Side of the picture over the lesion's.")),
    "context_mm": lambda: (tr("Surroundings in millimetres"), tr("On each side of the lesion.")),
    "window": lambda: (
        tr("Grey values"),
        tr("file: the window of the file; percentile: of the breast; roi: of the picture itself."),
    ),
    "mean": lambda: (tr("Mean of the channels"), tr("Subtracted from the grey value, as for ImageNet.")),
    "std": lambda: (tr("Deviation of the channels"), tr("By which the grey value is divided, as for ImageNet.")),
    "stored_share": lambda: (tr("Kept around it"), tr("So that turned and moved pictures have no empty corners.")),
}
_ARCHITECTURE: dict[str, Texts] = {
    "backbone": lambda: (tr("Backbone"), tr("The convolutional layers: vgg16, efficientnet_lite0, compact, …")),
    "weights": lambda: (tr("Weights"), tr("imagenet, random, or the path of a file.")),
    "latent_channels": lambda: (tr("Latent channels"), tr("Length of a prototype's vector.")),
    "prototypes_per_class": lambda: (tr("Prototypes of a class"), tr("As the training begins; pruning removes.")),
    "top_k": lambda: (
        tr("Cells that count"),
        tr("The similarity is the mean of that many best cells; below 1: a share of them."),
    ),
    "distance": lambda: (tr("Distance"), tr("Between a cell and a prototype.")),
    "standardised": lambda: (
        tr("Standardised features"),
        tr("Channels of the backbone are brought to one scale."),
    ),
    "epsilon": lambda: (tr("Epsilon"), tr("Keeps the similarity of an exact match finite.")),
}
_LOSS: dict[str, Texts] = {
    "cross_entropy": lambda: (tr("Weight of the cross-entropy"), tr("Of the margin classes.")),
    "cluster": lambda: (tr("Weight of the cluster term"), tr("Draws lesions to prototypes of their class.")),
    "separation": lambda: (tr("Weight of the separation term"), tr("Keeps them from those of other classes.")),
    "fine": lambda: (
        tr("Weight of the fine annotation"),
        tr("Punishes activation outside of what was marked; 0 ignores the annotations."),
    ),
    "fine_norm": lambda: (
        tr("Norm of the fine term"),
        tr("prototype: one for each prototype, as in the paper; block: one for all, as in the authors' program."),
    ),
}
_RATES: dict[str, Texts] = {
    "warm_start": lambda: (tr("Rate of the warm start"), tr("Of the backbone and its temporary last layer.")),
    "warm_addon": lambda: (tr("Rate of the add-on, warm-up"), tr("Of the layers behind the backbone.")),
    "warm_prototypes": lambda: (tr("Rate of the prototypes, warm-up"), tr("Before all layers are trained.")),
    "joint_features": lambda: (tr("Rate of the backbone"), tr("While all layers are trained.")),
    "layer_decay": lambda: (tr("Factor of a block"), tr("On that rate, for each block nearer to the input.")),
    "joint_addon": lambda: (tr("Rate of the add-on"), tr("While all layers are trained.")),
    "joint_prototypes": lambda: (tr("Rate of the prototypes"), tr("While all layers are trained.")),
    "joint_last": lambda: (tr("Rate of the last layer"), tr("0 keeps it fixed while the others are trained.")),
    "weight_decay": lambda: (tr("Weight decay"), tr("Draws all weights to 0.")),
    "schedule": lambda: (tr("Course of the rates"), tr("constant, cosine, or in steps as the authors have it.")),
    "decoupled_decay": lambda: (tr("Decoupled decay"), tr("AdamW instead of Adam.")),
}
_EPOCHS: dict[str, Texts] = {
    "warm_start": lambda: (tr("Warm start"), tr("Epochs before the prototypes are placed.")),
    "warm_up": lambda: (tr("Warm-up"), tr("Epochs in which the backbone rests.")),
    "joint": lambda: (tr("All layers"), tr("Epochs in which everything is trained (A1).")),
    "project_every": lambda: (tr("Project every"), tr("The prototypes become patches (A2) after that many.")),
    "draws": lambda: (tr("Draws"), tr("Augmented lesions in an epoch, as many of each class; 0: each one once.")),
}
_AUGMENTATION: dict[str, Texts] = {
    "flips": lambda: (tr("Flips"), tr("The picture is mirrored at random.")),
    "quarter_turns": lambda: (tr("Quarter turns"), tr("The picture is turned by 90 degrees at random.")),
    "rotation_deg": lambda: (tr("Rotation"), tr("At most, to both sides.")),
    "smallest_crop": lambda: (tr("Smallest crop"), tr("Side of the crop over the side of the picture.")),
    "centre_jitter": lambda: (
        tr("Moved centre"),
        tr("By this share of the side, so that the middle is not evidence."),
    ),
    "random_context": lambda: (tr("Random surroundings"), tr("Share of the draws with random scale and place.")),
}
_MACHINE: dict[str, Texts] = {
    "layout": lambda: (tr("Layout in memory"), tr("auto measures which is faster.")),
    "compiled": lambda: (tr("Compiled layers"), tr("auto tries it on graphics cards only.")),
    "threads": lambda: (tr("Threads"), tr("Of the processor; 0: as many as there are.")),
    "images_at_once": lambda: (
        tr("Pictures at once"),
        tr("Through the network; 0: the whole batch, fewer where memory runs out."),
    ),
}
_PROJECTION: dict[str, Texts] = {
    "distinct": lambda: (
        tr("Distinct prototypes"),
        tr("No two prototypes of a class from one patch, lesion or patient."),
    ),
}
NAMED: dict[str, Texts] = _RUN | {
    f"{group}.{name}": texts
    for group, named in (
        ("transform", _TRANSFORM),
        ("architecture", _ARCHITECTURE),
        ("loss", _LOSS),
        ("rates", _RATES),
        ("epochs", _EPOCHS),
        ("projection", _PROJECTION),
        ("augmentation", _AUGMENTATION),
        ("machine", _MACHINE),
    )
    for name, texts in named.items()
}
"""By the field's path in the configuration; a field without words of its own is shown by its path."""


def field_name(path: str) -> str:
    return NAMED[path]()[0] if path in NAMED else _plain(path.rpartition(".")[2])


def field_explained(path: str) -> str:
    """Effect of the value, in a sentence; "" for a field without one."""
    return NAMED[path]()[1] if path in NAMED else ""


def group_name(group: str) -> str:
    """Return the title of the fields below ``group``; "" is the configuration itself."""
    return _GROUPS[group]() if group in _GROUPS else _plain(group)


RULES: dict[str, Callable[[], str]] = {
    "last layer (A3)": lambda: tr("Last layer (A3)"),
    "malignancy (B)": lambda: tr("Malignancy (B)"),
    "malignancy, out of fold": lambda: tr("Malignancy, out of fold"),
    "lesion slots of a batch": lambda: tr("Lesion slots of a batch"),
    "masks of a batch": lambda: tr("Masks of a batch"),
}
"""Names of the program's own rules that depart from the paper and that no field of the configuration holds."""


def titled(path: str) -> str:
    """Return the group and the name of a field: "Network: latent channels", or the name of a rule."""
    if path in RULES:
        return RULES[path]()
    group, _, _ = path.rpartition(".")
    return f"{group_name(group)}: {field_name(path)}" if group else field_name(path)


def _plain(name: str) -> str:
    return name.replace("_", " ").capitalize()
