"""How engines ask conditions: under a control plane, in a terminal, and without a process while nobody answers.

`naming` gives a condition the same name in every attempt; `asking` waits for its end on the stream of updates;
`parking` gives the process back when nothing else goes on in it; `terminal` asks the person who runs a task locally.
"""
