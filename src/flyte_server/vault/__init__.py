"""Values that nobody may read in the database: sealed on the way in, opened on the way to a task.

`keys` keeps the keys in a file of their own, `sealing` encrypts.  Does not live here: rows, and who may have which
secret.
"""

from flyte_server.vault.sealing import CannotOpen, Vault, key_of

__all__ = ["CannotOpen", "Vault", "key_of"]
