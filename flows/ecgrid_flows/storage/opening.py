"""The store that the settings name: a local folder or a bucket."""

from ecgrid_flows import formats
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.local import LocalStore


def open_store(settings: Settings) -> Store:
    """The store of the settings' data directory, verified writable; raises `SettingsError`."""
    store = _store_at(settings)
    store.prepare()
    formats.require_readable_folders(store)
    return store


def store_of(settings: Settings) -> Store:
    """The store of the settings' data directory, for reading: nothing is created or written.

    Raises `Refused` when a later release wrote it.
    """
    store = _store_at(settings)
    formats.require_readable_folders(store)
    return store


def _store_at(settings: Settings) -> Store:
    if settings.is_remote:
        from ecgrid_flows.storage.s3 import S3Store

        return S3Store(settings.data_dir, settings.local_dir / "cache")
    return LocalStore(settings.local_dir)
