"""Two ordinary Lambda functions with real dependencies, for the demo, and what packs them.

The functions themselves are in `functions/`, as their authors would write them. Must not know how they are deployed.
"""

from paddock.demo_functions import pricing as pricing
from paddock.demo_functions import thumbnailer as thumbnailer
