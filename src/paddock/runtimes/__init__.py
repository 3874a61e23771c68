"""The languages: finds or installs an interpreter and its runtime interface client, once.

Must not know who starts a runtime, nor in what isolation. `RuntimeStore` is the way in.
"""

from paddock.runtimes.bootstrap import RuntimeCommand as RuntimeCommand
from paddock.runtimes.environment import AWS_LAYOUT as AWS_LAYOUT
from paddock.runtimes.environment import MANAGED_INSTANCES as MANAGED_INSTANCES
from paddock.runtimes.environment import CredentialEndpoint as CredentialEndpoint
from paddock.runtimes.environment import EnvironmentFacts as EnvironmentFacts
from paddock.runtimes.environment import Layout as Layout
from paddock.runtimes.environment import MetadataEndpoint as MetadataEndpoint
from paddock.runtimes.environment import PackageType as PackageType
from paddock.runtimes.environment import ProcessKind as ProcessKind
from paddock.runtimes.environment import managed_environment as managed_environment
from paddock.runtimes.errors import CompilerMissing as CompilerMissing
from paddock.runtimes.errors import InstallFailed as InstallFailed
from paddock.runtimes.errors import InterpreterMissing as InterpreterMissing
from paddock.runtimes.errors import InvalidEntrypoint as InvalidEntrypoint
from paddock.runtimes.errors import NotRunnable as NotRunnable
from paddock.runtimes.errors import RuntimeUnavailable as RuntimeUnavailable
from paddock.runtimes.errors import UnknownRuntime as UnknownRuntime
from paddock.runtimes.installed import InstalledRuntime as InstalledRuntime
from paddock.runtimes.progress import Progress as Progress
from paddock.runtimes.progress import ProgressCallback as ProgressCallback
from paddock.runtimes.prune import Pruning as Pruning
from paddock.runtimes.resolution import Resolution as Resolution
from paddock.runtimes.resolution import machine_architecture as machine_architecture
from paddock.runtimes.store import RuntimeState as RuntimeState
from paddock.runtimes.store import RuntimeStatus as RuntimeStatus
from paddock.runtimes.store import RuntimeStore as RuntimeStore
