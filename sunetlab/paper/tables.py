"""The figures of the paper's Tables 2 to 7 as printed, for arithmetic between them. Nothing here is computed."""

from typing import NamedTuple


class Row2(NamedTuple):
    """A row of Table 2: errors in percent on ImageNet's validation images, layers, parameters."""

    top1: str
    top5: str
    layers: str
    params: str


TABLE2 = {
    "ResNet-18": Row2("30.24", "10.92", "18", "11.7M"),
    "ResNet-50": Row2("23.85", "7.13", "50", "25.6M"),
    "ResNet-101": Row2("22.63", "6.44", "101", "44.5M"),
    "DenseNet-201": Row2("22.80", "6.43", "201", "20M"),
    "DenseNet-161": Row2("22.35", "6.20", "161", "28.5M"),
    "SUNet-64": Row2("29.28", "10.21", "111", "6.9M"),
    "SUNet-128": Row2("23.64", "7.42", "111", "24.6M"),
    "SUNet-7-128": Row2("22.47", "6.85", "171", "37.7M"),
}

# The ResNet that each SUNet was chosen to match (§4, §6.1).
COUNTERPARTS = {"SUNet-64": "ResNet-18", "SUNet-128": "ResNet-50", "SUNet-7-128": "ResNet-101"}

PSPNET_ADDED = "22M"  # §1: to ResNet-101
PSPNET_PARAMS, SUNET_PARAMS = "64.5M", "35.4M"  # §6.2.2: of the networks for segmentation

# mIoU in percent on VOC 2012's validation images, output stride 16.
TABLE3 = {"ResNet-101": "68.39", "SUNet-64": "72.85", "SUNet-128": "77.16", "SUNet-7-128": "78.95"}

# Output stride → (strided, multigrid), mIoU in percent.
TABLE4 = {8: ("65.99", "78.64"), 16: ("78.25", "78.95")}

# Output stride → mIoU in percent, rows in the table's order: one scale first, every inference strategy last. The marks
# of its other columns are read with §6.2.1: 32 has no de-gridding; at 16 and 8 the second row has it.
TABLE5 = {
    32: ("76.03", "77.58", "77.57"),
    16: ("78.95", "78.10", "80.22", "80.40"),
    8: ("78.64", "78.88", "80.37", "80.50"),
}

TABLE6 = {"PSPNet": "85.4", "SUNet-7-128": "84.3"}  # mIoU in percent, VOC 2012's test images
TABLE7 = {"OS 16": "75.3", "OS 8": "76.8"}  # mIoU in percent of SUNet-7-128, Cityscapes' test images
COCO = {"SUNet-7-128": "83.27", "ResNet+ASPP": "82.70", "Xception": "83.34"}  # §6.2.1: VOC's validation images


def torchvision_name(name: str) -> str:
    """A network of Table 2 as torchvision calls it."""
    return name.replace("-", "").lower()


def slug(name: str) -> str:
    """A network of Table 2 as part of a claim's id: 7-128, resnet-101."""
    return name.lower().removeprefix("sunet-")
