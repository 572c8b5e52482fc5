"""Import path that `prefect.yaml` and deployments use; the flows are in `orchestration.deployments`."""

from ecgrid_flows.orchestration.deployments import (
    billing_month,
    billing_open_month,
    billing_range,
    main,
)

__all__ = ["billing_month", "billing_open_month", "billing_range"]

if __name__ == "__main__":
    main()
