"""The child process that `spawn` starts. To serve by hand, run `ecgrid-billing sandbox serve`."""

from ecgrid_sandbox.service.child import main

main()
