"""A company folder on disk → the rows of `kvit.integrations.port`.

    folder = read_folder(Path("examples/severny-kontur"))
    folder.faults          everything that is wrong, all at once
    folder.usage[0].rows() the measurements of one file, streamed

The format is the contract of docs/reference/company-folder.md. Nothing here knows the database.
"""

from kvit.adapters.folder.reader import read_folder

__all__ = ["read_folder"]
