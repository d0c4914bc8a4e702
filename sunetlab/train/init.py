"""Which weights a run started from, as its folder has it; `transfer.py` reads them."""

from pydantic import BaseModel, ConfigDict


class Init(BaseModel):
    """Which weights a run started from.

    Attributes:
        source: the folder or file, as it was given.
        sha256: of the file of weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    sha256: str
