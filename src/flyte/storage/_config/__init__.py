"""How stores are reached.

`kinds` has the classes that users write and what the environment says in their place, `aws` finds credentials for
S3 where neither does, `profile` says it all in the words of obstore. Nothing here opens a connection.
"""
