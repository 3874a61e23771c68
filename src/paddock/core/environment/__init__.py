"""One execution environment as a machine: init, slots, invocations in flight, timeouts, drain.

Pure: time comes in as `now`, what is to be done goes out as effects. The agent does the I/O; the simulator drives the
same.
"""

from paddock.core.environment.machine import EnvironmentMachine as EnvironmentMachine
from paddock.core.environment.words import Admission as Admission
from paddock.core.environment.words import BecomeReady as BecomeReady
from paddock.core.environment.words import BeginRecycling as BeginRecycling
from paddock.core.environment.words import Deliver as Deliver
from paddock.core.environment.words import Effect as Effect
from paddock.core.environment.words import End as End
from paddock.core.environment.words import Fail as Fail
from paddock.core.environment.words import Failure as Failure
from paddock.core.environment.words import Hold as Hold
from paddock.core.environment.words import Invocation as Invocation
from paddock.core.environment.words import InvocationPhase as InvocationPhase
from paddock.core.environment.words import Refuse as Refuse
from paddock.core.environment.words import RefusePoll as RefusePoll
from paddock.core.environment.words import Rejection as Rejection
from paddock.core.environment.words import ReleaseSlot as ReleaseSlot
from paddock.core.environment.words import RuntimeWorkers as RuntimeWorkers
from paddock.core.environment.words import runtime_workers as runtime_workers
