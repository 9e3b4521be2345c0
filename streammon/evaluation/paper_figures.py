"""Figures reported in the tables of the PaDiM paper (Defard et al., 2020, arXiv:2011.08785).

Pairs are (pixel AUROC, PRO) in percent, means over MVTec AD's categories unless a category is named.
"""

Pair = tuple[float, float]

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")

LAYERS: dict[str, dict[str, Pair]] = {
    # table I, resnet18. The mean of layer 3's fifteen AUROCs would be 96.3; the table prints 95.7.
    "layer 1": {"textures": (93.1, 87.1), "objects": (95.6, 86.5), "all": (94.8, 86.8)},
    "layer 2": {"textures": (95.0, 89.7), "objects": (96.1, 87.9), "all": (95.7, 88.5)},
    "layer 3": {"textures": (94.8, 89.6), "objects": (97.1, 87.7), "all": (95.7, 88.3)},
    "layers 1+2+3 summed": {"textures": (95.4, 90.7), "objects": (96.3, 88.1), "all": (96.0, 89.0)},
    "all layers together": {"textures": (96.3, 92.3), "objects": (97.5, 90.1), "all": (97.1, 90.8)},
}

REDUCTIONS: dict[str, dict[str, Pair]] = {
    # table II, resnet18; the random choices (Rd) are means of ten models.
    # The two groups of Rd 100 average to a PRO of 90.0; the table prints 90.5, and table III 90.1 for the same model.
    "Rd 100": {"textures": (95.7, 91.3), "objects": (97.2, 89.4), "all": (96.7, 90.5)},
    "PCA 100": {"textures": (93.7, 88.9), "objects": (93.5, 84.1), "all": (93.5, 85.7)},
    "Rd 200": {"textures": (96.1, 92.0), "objects": (97.5, 89.8), "all": (97.0, 90.5)},
    "PCA 200": {"textures": (95.1, 91.8), "objects": (96.0, 88.1), "all": (95.7, 89.3)},
    "all 448": {"textures": (96.3, 92.3), "objects": (97.5, 90.1), "all": (97.1, 90.8)},
}

CATEGORIES = (
    *TEXTURES,
    *("bottle", "cable", "capsule", "hazelnut", "metal_nut"),
    *("pill", "screw", "toothbrush", "transistor", "zipper"),
)

_LOCALISATION_AUROC = {
    "VAE": (59.7, 61.2, 67.1, 51.3, 66.6, 83.1, 83.1, 81.7, 87.7, 78.7, 81.3, 75.3, 91.9, 75.4, 71.6),
    "SPADE": (97.5, 93.7, 97.6, 87.4, 88.5, 98.4, 97.2, 99.0, 99.1, 98.1, 96.5, 98.9, 97.9, 94.1, 96.5),
    "PaDiM resnet18 Rd100": (
        98.9,
        94.9,
        99.1,
        91.2,
        93.6,
        98.1,
        95.8,
        98.3,
        97.7,
        96.7,
        94.7,
        97.4,
        98.7,
        97.2,
        98.2,
    ),
    "PaDiM wide_resnet50_2 Rd550": (
        *(99.1, 97.3, 99.2, 94.1, 94.9),
        *(98.3, 96.7, 98.5, 98.2, 97.2, 95.7, 98.5, 98.8, 97.5, 98.5),
    ),
}
_LOCALISATION_PRO = {
    "VAE": (61.9, 40.8, 64.9, 24.2, 57.8, 70.5, 77.9, 77.9, 77.0, 57.6, 79.3, 66.4, 85.4, 61.0, 60.8),
    "SPADE": (94.7, 86.7, 97.2, 75.9, 87.4, 95.5, 90.9, 93.7, 95.4, 94.4, 94.6, 96.0, 93.5, 87.4, 92.6),
    "PaDiM resnet18 Rd100": (
        96.0,
        90.9,
        97.9,
        81.6,
        90.3,
        93.9,
        86.2,
        91.9,
        91.4,
        81.9,
        90.6,
        91.3,
        92.3,
        80.2,
        94.7,
    ),
    "PaDiM wide_resnet50_2 Rd550": (
        *(96.2, 94.6, 97.8, 86.0, 91.1),
        *(94.8, 88.8, 93.5, 92.6, 85.6, 92.7, 94.4, 93.1, 84.5, 95.9),
    ),
}
_LOCALISATION_MEANS: dict[str, dict[str, Pair]] = {
    "VAE": {"textures": (61.2, 49.9), "objects": (81.0, 71.4), "all": (74.4, 64.2)},
    "SPADE": {"textures": (92.9, 88.4), "objects": (97.6, 93.4), "all": (96.5, 91.7)},
    "PaDiM resnet18 Rd100": {"textures": (95.6, 91.3), "objects": (97.3, 89.4), "all": (96.7, 90.1)},
    "PaDiM wide_resnet50_2 Rd550": {"textures": (96.9, 93.2), "objects": (97.8, 91.6), "all": (97.5, 92.1)},
}

LOCALISATION: dict[str, dict[str, Pair]] = {
    # table III; SPADE with wide_resnet50_2, the VAE with resnet18.
    # The mean of SPADE's fifteen AUROCs is 96.0; the table prints 96.5.
    name: dict(zip(CATEGORIES, zip(auroc, _LOCALISATION_PRO[name], strict=True), strict=True))
    | _LOCALISATION_MEANS[name]
    for name, auroc in _LOCALISATION_AUROC.items()
}

STC: dict[str, float] = {
    # table IV: pixel AUROC on ShanghaiTech Campus
    "CAVGA-RU": 85.0,
    "SPADE": 89.9,
    "PaDiM resnet18 Rd100": 91.2,
}

DETECTION: dict[str, dict[str, float]] = {
    # table V: image AUROC; MahalanobisAD with efficientnet_b4, SPADE with wide_resnet50_2.
    # Of GANomaly, ITAE and SPADE only the mean over all categories is printed.
    "GANomaly": {"all": 76.2},
    "ITAE": {"all": 83.9},
    "Patch-SVDD": {"textures": 94.6, "objects": 90.9, "all": 92.1},
    "SPADE": {"all": 85.5},
    "MahalanobisAD": {"textures": 97.2, "objects": 94.8, "all": 95.8},
    "PaDiM wide_resnet50_2 Rd550": {"textures": 98.8, "objects": 93.6, "all": 95.3},
    "PaDiM efficientnet_b5 Rd200": {"textures": 99.0, "objects": 97.2, "all": 97.9},
}

RANDOM_VIEWS: dict[str, dict[str, Pair]] = {
    # table VI: Rd-MVTec AD; the VAE with resnet18, SPADE with wide_resnet50_2
    "VAE": {"textures": (54.7, 23.1), "objects": (65.8, 30.2), "all": (62.1, 27.8)},
    "SPADE": {"textures": (84.6, 75.6), "objects": (88.2, 65.8), "all": (87.2, 69.0)},
    "PaDiM wide_resnet50_2 Rd550": {"textures": (92.4, 77.9), "objects": (92.1, 70.8), "all": (92.2, 73.1)},
}

SECONDS: dict[str, float] = {
    # table VII: inference of one MVTec AD image, Intel i7-4710HQ, serial
    "SPADE": 7.10,
    "VAE": 0.21,
    "PaDiM resnet18 Rd100": 0.23,
    "PaDiM wide_resnet50_2 Rd550": 0.95,
}

GIGABYTES: dict[str, tuple[float, float | None]] = {
    # table VIII: memory with MVTec AD and with STC, float32
    "SPADE": (1.4, 37.0),
    "VAE": (0.09, None),
    "PaDiM resnet18 Rd100": (0.17, 0.21),
    "PaDiM wide_resnet50_2 Rd550": (3.8, 5.2),
}
