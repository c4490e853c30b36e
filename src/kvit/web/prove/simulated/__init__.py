"""A company in a simulated world: the real core, a modelled store, network, clock and processes.

`store`   tables in memory with transactions, row locks and unique keys
`faults`  what goes wrong, drawn by the seed
`world`   processes as generators, interleaved step by step; each step may be the last of its life
`work`    what the processes do: the services' decisions, with the core's own functions
`oracle`  what everything must come to, computed apart from the core
"""
