"""The child process that `spawn` starts. To serve by hand there is `ecgrid-billing sandbox serve`."""

from ecgrid_sandbox.service.child import main

main()
