"""What a device is asked on a command line, and what its answers mean: pure functions over `Answer`, no I/O.

Each platform module holds its commands as data (`COMMANDS`) and one parser a question. All platforms answer in the
shapes of `shapes.py`. Whatever a device says, a parser raises nothing but `ProtocolError` (the text is not what the
command prints) and `NotSupported` (the device lacks the command).
"""
