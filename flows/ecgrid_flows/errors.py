"""The errors that end a command, as one tree; each class has its exit status (CONTRACT, exit status).

    BillingError
    ├── SettingsError       2  a setting, argument or file of the user's is wrong
    │   ├── NoSuchData      2  the requested data are not in the data directory
    │   └── Refused         2  a guard refuses: closing over open errors, a write without consent
    ├── Unreachable         3  the service cannot be reached, or it refused the credentials
    ├── Incomplete          4  some keys have no answer, or the run was stopped
    │   └── StorageFailed   4  the data directory is full, read-only or gone
    └── DataDirectoryHeld   5  another run holds this data directory

The client has its own tree (`ecgrid_client.errors`); `cli.service.exit_status` maps it to exit statuses. Every message
states what happened, why, and what to do next.
"""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of `ecgrid-billing`."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    UNREACHABLE = 3
    INCOMPLETE = 4
    HELD = 5


class BillingError(Exception):
    """A command cannot continue."""

    status: ExitStatus = ExitStatus.INCOMPLETE


class SettingsError(BillingError):
    """A setting, argument or file of the user's is wrong."""

    status = ExitStatus.USAGE


class NoSuchData(SettingsError):
    """The requested data are not in the data directory."""


class Refused(SettingsError):
    """A guard refuses the operation."""


class Unreachable(BillingError):
    """The service cannot be reached, or it refused the credentials."""

    status = ExitStatus.UNREACHABLE


class Incomplete(BillingError):
    """Some keys have no answer, or the run was stopped."""

    status = ExitStatus.INCOMPLETE


class StorageFailed(Incomplete):
    """The data directory is full, read-only or gone."""


class DataDirectoryHeld(BillingError):
    """Another run holds this data directory."""

    status = ExitStatus.HELD
