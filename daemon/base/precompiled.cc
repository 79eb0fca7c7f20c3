// Nothing of its own: the precompiled headers of the build belong to this file (precompiled.cmake).
