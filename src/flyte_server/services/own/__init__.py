"""Services of our own, for what the public protocol has no words for: JSON objects in and out.

`frame` makes a Connect service of a class whose methods take and give objects (`google.protobuf.Struct`), so that no
code is generated and `curl` can call it.  One module per service.  Does not live here: anything that the public
protocol can say.
"""
