"""How Hypothesis runs: pytest bounds each test in time, so an example need not be."""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
# The same examples every time: what CI says of a commit shall not depend on luck.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "here"))
