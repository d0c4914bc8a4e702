"""Claims on the data sets, beside the sizes that those who made them publish."""

from functools import partial

from sunetlab.paper.claim import Claim, Computed, Place, Reading, found, number, printed
from sunetlab.paper.networks import LARGEST, spec_of

PLACE = Place("B", 13)

IMAGENET_TRAIN = 1_281_167  # ILSVRC 2012, classification
IMAGENET_VAL_PER_CLASS = 50
VOC_TRAINVAL, VOC_VAL, VOC_TEST = 2_913, 1_449, 1_456  # VOC 2012, segmentation
SBD = 11_355  # images of VOC 2011 with the Semantic Boundaries Dataset's annotation (Hariharan et al. 2011)
CITYSCAPES_FINE, CITYSCAPES_VAL, CITYSCAPES_TEST = 5_000, 500, 1_525
CITYSCAPES_CLASSES = 19  # of the 30 that are annotated, those that its benchmark evaluates
COCO_CLASSES = 80  # of instances in the released annotation; its paper (Lin et al. 2014) names 91
COCO_TRAIN, COCO_VAL = 82_783, 40_504  # of 2014


def _imagenet_train() -> Computed:
    return found(IMAGENET_TRAIN, because="training images of ILSVRC 2012")


def _imagenet_val() -> Computed:
    classes = spec_of(LARGEST).num_classes
    count = classes * IMAGENET_VAL_PER_CLASS
    return found(count, because=f"{classes} classes with {IMAGENET_VAL_PER_CLASS} validation images each")


def _imagenet_classes() -> Computed:
    return found(spec_of(LARGEST).num_classes, because="classes of the presets for ImageNet")


def _voc_train() -> Computed:
    return found(
        VOC_TRAINVAL - VOC_VAL, because=f"{VOC_TRAINVAL:,} images in both sets less {VOC_VAL:,} for validation"
    )


def _voc_classes() -> Computed:
    classes = spec_of(LARGEST, 16).num_classes
    return found(classes - 1, because=f"the presets for segmentation have {classes} classes, background among them")


def _voc_augmented() -> Computed:
    train = VOC_TRAINVAL - VOC_VAL
    most, least = train + SBD, train + SBD - VOC_TRAINVAL
    nearest = min(max(int(number("10,582")), least), most)
    because = (
        f"{train:,} of VOC and {SBD:,} of SBD, less those of SBD that stand in VOC's two sets already, at most "
        f"{VOC_TRAINVAL:,}: {least:,} to {most:,}; {most - nearest:,} would have to"
    )
    way = "possible by the sizes of the sets; their lists are not counted"
    return Computed((Reading((nearest,), because, way),))


def _cityscapes_train() -> Computed:
    count = CITYSCAPES_FINE - CITYSCAPES_VAL - CITYSCAPES_TEST
    because = (
        f"{CITYSCAPES_FINE:,} finely annotated images less {CITYSCAPES_VAL} and {CITYSCAPES_TEST:,} for val and test"
    )
    return found(count, because=because)


def _published(count: int, of: str) -> Computed:
    return found(count, because=f"{of}, as published")


def _coco_images() -> Computed:
    both = COCO_TRAIN + COCO_VAL
    because = f"{COCO_TRAIN:,} training and {COCO_VAL:,} validation images of 2014, before any is dropped"
    way = "possible where validation images are taken as well; how many are dropped is not counted"
    return Computed((Reading((COCO_TRAIN,), because), Reading((both,), because, way)))


CLAIMS = (
    Claim(
        "coco-classes",
        Place("6.2.1", 8),
        "classes of objects of MS-COCO",
        printed("80"),
        "exact",
        partial(_published, COCO_CLASSES, "classes of instances in the released annotation"),
        unit="classes",
    ),
    Claim(
        "coco-images",
        Place("6.2.1", 8),
        "training images of MS-COCO once those with few annotated pixels are dropped: no more than there are",
        printed("90, 000"),
        "at least",
        _coco_images,
        unit="images",
    ),
    Claim(
        "voc-val-images",
        PLACE,
        "validation images of VOC 2012",
        printed("1,449"),
        "exact",
        partial(_published, VOC_VAL, "validation images for segmentation"),
        unit="images",
    ),
    Claim(
        "voc-test-images",
        PLACE,
        "test images of VOC 2012",
        printed("1,456"),
        "exact",
        partial(_published, VOC_TEST, "test images for segmentation"),
        unit="images",
    ),
    Claim(
        "cityscapes-classes",
        PLACE,
        "classes of Cityscapes",
        printed("19"),
        "exact",
        partial(_published, CITYSCAPES_CLASSES, "classes that the benchmark evaluates"),
        unit="classes",
    ),
    Claim(
        "cityscapes-val-images",
        PLACE,
        "finely annotated validation images of Cityscapes",
        printed("500"),
        "exact",
        partial(_published, CITYSCAPES_VAL, "validation images of the fine annotation"),
        unit="images",
    ),
    Claim(
        "imagenet-train-images",
        Place("6.1", 7),
        "training images of ImageNet",
        printed("1.28M"),
        "rounded",
        _imagenet_train,
        unit="images",
    ),
    Claim(
        "imagenet-val-images",
        Place("6.1", 7),
        "validation images of ImageNet",
        printed("50, 000"),
        "exact",
        _imagenet_val,
        unit="images",
    ),
    Claim(
        "imagenet-classes",
        Place("6.1", 7),
        "classes of ImageNet",
        printed("1000"),
        "exact",
        _imagenet_classes,
        unit="classes",
    ),
    Claim(
        "voc-train-images",
        PLACE,
        "training images of VOC 2012",
        printed("1,464"),
        "exact",
        _voc_train,
        unit="images",
    ),
    Claim(
        "voc-classes",
        PLACE,
        "object classes of VOC 2012, without background",
        printed("20"),
        "exact",
        _voc_classes,
        unit="classes",
    ),
    Claim(
        "voc-augmented-images",
        PLACE,
        "training images of VOC 2012 with the additional annotation",
        printed("10,582"),
        "exact",
        _voc_augmented,
        unit="images",
    ),
    Claim(
        "cityscapes-train-images",
        PLACE,
        "finely annotated training images of Cityscapes",
        printed("2, 975"),
        "exact",
        _cityscapes_train,
        unit="images",
    ),
)
