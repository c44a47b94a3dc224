"""One day of a small clinic that we invented: messages, images, an EHR, and the player that sends it all.

Nothing here is part of the product: the bridge never imports it, and the player reaches the bridge only through
sockets, as the clinic's devices would.
"""
