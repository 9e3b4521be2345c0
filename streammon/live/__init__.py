"""Live watching of cameras: `scorer` owns the device, `setbacks` leaves out cameras that can't be scored, `monitor`
connects readers, scorer, alerts and preview, `check` tests everything before the start, `watch` shows a running
monitor by its messages in Redis."""
