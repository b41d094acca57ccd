"""Values that live in a store and are named by an address: files, directories, tables.

What lives here: `File`, `Dir`, `DataFrame`, where new data goes (`_place`) and how these values travel (`_types`).
What does not: moving bytes (`flyte.storage`), literals of everything else (`flyte.types`).
"""
