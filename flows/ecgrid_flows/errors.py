"""What can stop a command, as one tree; each class knows its exit status (CONTRACT, exit status).

    BillingError
    ├── SettingsError       2  a setting, argument or file of the user's is wrong
    │   ├── NoSuchData      2  what was asked for is not in the data directory
    │   └── Refused         2  a guard says no: closing over open errors, a write without consent
    ├── Unreachable         3  the service cannot be reached, or it refused the credentials
    ├── Incomplete          4  some keys never got an answer, or the run was stopped
    │   └── StorageFailed   4  the data directory is full, read-only or gone
    └── DataDirectoryHeld   5  another run holds this data directory

The client has a tree of its own (`ecgrid_client.errors`); `cli.service.exit_status` gives its exit statuses. Every
message says what happened, why, and what to do next.
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
    """A command cannot go on."""

    status: ExitStatus = ExitStatus.INCOMPLETE


class SettingsError(BillingError):
    """A setting, argument or file of the user's is wrong."""

    status = ExitStatus.USAGE


class NoSuchData(SettingsError):
    """What was asked for is not in the data directory."""


class Refused(SettingsError):
    """A guard says no."""


class Unreachable(BillingError):
    """The service cannot be reached, or it refused the credentials."""

    status = ExitStatus.UNREACHABLE


class Incomplete(BillingError):
    """Some keys never got an answer, or the run was stopped."""

    status = ExitStatus.INCOMPLETE


class StorageFailed(Incomplete):
    """The data directory is full, read-only or gone."""


class DataDirectoryHeld(BillingError):
    """Another run holds this data directory."""

    status = ExitStatus.HELD
