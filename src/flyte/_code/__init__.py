"""Code bundles: the user's files as one archive, named by a hash of their content.

`bundle` chooses and packs, `ignore` knows what is left out, `uploads` remembers what a control plane already has.
Sending a bundle is the verb's (`flyte._launch`), unpacking it the runtime's.
"""
