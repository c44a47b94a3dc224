"""What received pixels look like: one frame of an object as PNG or JPEG, decoded where it can do no harm.

`gallery.Pictures` is the one call for the rooms above: a blob and a `Wish` in, a `Picture` or a named error out.
Decoders of compressed pixels are large C libraries that read what strangers send; so they run in processes of their own
(`pool` starts them, `decoder` is what they do): no environment, no file but the object that is handed in, no socket, no
new process, a ceiling on memory and time. Whatever a codestream does, it ends its decoder at worst.
A picture is of what was received and carries no text; it is derived data, kept in a bounded folder or not at all.
Imports `bridge.codecs` and below; flows, listeners and web may import it.
"""
