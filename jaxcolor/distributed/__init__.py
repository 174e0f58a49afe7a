"""Many devices and hosts: pmap, joining and leaving, and whether all copies of the state are equal."""
