"""What attempts may use of this machine, enforced and measured.

Control groups where they can be written, else a look at the attempt's processes each second.  Knows tokens, bounds and
processes; nothing of hosts, replicas or messages.  `watch.Watch` is the door.
"""
