"""Cameras watched live: `scorer` owns the device, `monitor` wires the rooms, `check` tries all before the start,
`watch` shows a running monitor from elsewhere."""
