"""What is done at random to a training sample, as a recipe says it; `augment.py` does it."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _square(value: object) -> object:
    """One number is the side of a square."""
    return (value, value) if isinstance(value, int) else value


Side = Annotated[int, Field(ge=1)]
Zoom = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Part = Annotated[float, Field(gt=0, le=1)]


class Augment(BaseModel):
    """What is done at random to a training sample; the default mirrors and nothing else.

    The order is: colour, lighting, mirror, zoom, rotation about the centre, crop, shift. An output pixel is therefore
    always in units of the zoomed image.

    Attributes:
        flip: Mirror left and right with probability 1/2.
        scale: Least and greatest zoom, drawn uniformly in the logarithm; the paper trains segmentation at (0.5, 2).
        area: Least and greatest part of the image's area that the output shows, drawn uniformly, in the place of
            `scale` and `shift`; a part larger than the image along an axis is cut there. (0.08, 1) is Inception's crop
            (Szegedy et al. 2015), in which ResNet and DenseNet are trained.
        aspect: With `area`, least and greatest width of that part by its height; drawn uniformly in the logarithm.
        rotate: Greatest rotation in degrees; drawn uniformly on both sides of 0.
        shift: Greatest shift along each axis, as a fraction of the output's side; drawn uniformly from the whole pixels
            on both sides of 0. 0.125 is the "pad by 4, crop 32" of CIFAR.
        crop: Height and width of the output in pixels, or one number for a square; None keeps the input's size. Along
            each axis the window is placed uniformly inside the zoomed image, or, where the image is the smaller of the
            two, so that the image lies uniformly inside the window.
        color: Brightness, contrast and saturation are each multiplied by a factor drawn from [1 - color, 1 + color].
        lighting: Deviation of the weights with which the principal components of ImageNet's colours are added
            (Krizhevsky et al. 2012); the weights are normal draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = True
    scale: tuple[Zoom, Zoom] = (1.0, 1.0)
    area: tuple[Part, Part] | None = None
    aspect: tuple[Zoom, Zoom] = (3 / 4, 4 / 3)
    rotate: float = Field(default=0.0, ge=0, le=180, allow_inf_nan=False)
    shift: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    crop: Annotated[tuple[Side, Side], BeforeValidator(_square)] | None = None
    color: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    lighting: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("scale", "area", "aspect"):
            pair = getattr(self, name)
            if pair is not None and pair[0] > pair[1]:
                raise ValueError(f"{name} {pair}: the least comes first, the greatest second")
        if self.area is not None and (self.scale != (1.0, 1.0) or self.shift):
            raise ValueError("area: takes the place of scale and shift; give one or the other")
        return self

    @property
    def resamples(self) -> bool:
        """Whether an output pixel may fall between the input's pixels."""
        return self.scale != (1.0, 1.0) or self.area is not None or self.rotate > 0
