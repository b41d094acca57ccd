"""What plugins may import: task templates, builders of images, and the wire form of resources.

Lives here: names only.  Types of one's own are registered with `flyte.types.TypeEngine`, codecs of tables with
`flyte.io.extend`.
"""
