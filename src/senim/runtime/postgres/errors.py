"""What can go wrong with the embedded database server."""

from senim.errors import SenimError


class DatabaseServerError(SenimError):
    """The embedded database server could not be started."""

    code = "senim.database_server"


class NoBinariesError(DatabaseServerError):
    """No PostgreSQL 15 or newer was found."""

    code = "senim.database_server.no_binaries"


class OtherVersionError(DatabaseServerError):
    """The data folder was made by another major version of PostgreSQL."""

    code = "senim.database_server.other_version"


class FolderError(DatabaseServerError):
    """The data folder of the database cannot be used by this user."""

    code = "senim.database_server.folder"
