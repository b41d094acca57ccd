"""Words and values to the messages of `flyteidl2`, and back.  Pure: no file, no connection, no clock.

What lives here: identities, interfaces, inputs and outputs, resources, task and run specifications, failures, phases.
What does not: how one value becomes a literal (`flyte.types`), and sending anything (`flyte._client`).
"""
