"""Tell somebody when billing fails: a Prefect automation that posts to a webhook (Slack, Teams, your own).

    PREFECT_API_URL=http://127.0.0.1:4200/api python flows/notify.py https://hooks.example.com/billing

Run again with another address it replaces the former. Every deployment of `ecgrid-billing` is watched; a run that ends
Failed (states Settings, Unreachable, Incomplete, Held) or Completed with findings (state Findings) is told.
"""

import sys
from contextlib import suppress

from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture

NAME = "ecgrid-billing-notice"
STATES = ("Findings", "Settings", "Unreachable", "Incomplete", "Held", "Failed", "Crashed")
TEXT = "{{ flow_run.name }} ended {{ flow_run.state.name }}: {{ flow_run.state.message }}"


def main(address: str) -> None:
    """Save the webhook as a block and make (or replace) the automation."""
    block = CustomWebhookNotificationBlock(
        name=NAME,
        url=address,
        json_data={"subject": "{{subject}}", "text": "{{body}}"},
        allow_private_urls=True,
    )
    block_id = block.save(NAME, overwrite=True)
    automation = Automation(
        name=NAME,
        description="Tells a webhook how each billing run ended, unless it was clean",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": "prefect.tag.ecgrid-billing", "prefect.resource.role": "tag"},
            expect={f"prefect.flow-run.{state}" for state in STATES},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[SendNotification(block_document_id=block_id, subject="ECGrid billing", body=TEXT)],
    )
    with suppress(ValueError):  # there was none
        Automation.read(name=NAME).delete()
    automation.create()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the webhook's address: python flows/notify.py https://hooks.example.com/billing")
    main(sys.argv[1])
