"""What every test needs on a busy machine of two cores."""

import os

from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers that take two threads each wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, which tests of the analysis never do

settings.register_profile("suite", deadline=None)  # how long an example takes says who else is at work
settings.load_profile("suite")
