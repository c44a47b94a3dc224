"""What the settings say, one module for each subject; `bridge.settings` joins them into one frozen whole.

Every section refuses a key that it does not know, and what cannot hold by itself; what must hold between sections is seen
in `bridge.settings`, what would be unsafe in `bridge.safety`. Imports `bridge.domain` and `bridge.errors`; whoever is
handed a section may import it.
"""
