"""What all tests share."""

import os

# Networks of the tests are tiny: threads of torch would only wait for each other, here and in the processes they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
