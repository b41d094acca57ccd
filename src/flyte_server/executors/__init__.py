"""Where attempts become processes: a `LaunchSpec` goes in, events come out.

Lives here: one package or module per kind of place that runs processes; they do not know each
other.  Does not: when an attempt starts or is tried again (`engine`), and what an ended process
left behind (asked through `Verdicts`).
"""
