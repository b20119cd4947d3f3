"""What a format and a runtime are. Each is one file in `formats/` or `runtimes/`, found by listing the folder.

Vendor packages are imported inside methods only, so that every plug-in can be listed where none is installed.
"""
