"""A small S3: the data directory as one bucket, for runtimes that keep raw data in object stores only.

`endpoint` answers HTTP, `signatures` checks who asks (Signature Version 4), `credentials` says what they may touch,
`payloads` unpacks and checks bodies, `multipart` and `listing` are what their names say, `documents` are the XML.
Objects are the very files that `blobs` keeps; versions, ACLs, tags and metadata of users do not exist here.
"""
