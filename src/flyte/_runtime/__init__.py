"""Engines behind the `Runtime` protocol of `flyte._context`, and what a task process needs.

`local` runs a task in the caller's process, `remote` asks the control plane for each child.
`runner` is the life of one attempt: read the inputs, load the task, call it, write outputs or the
error.  No words live here, and only `flyte._client` below opens connections.
"""
