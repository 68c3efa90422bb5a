"""tau2-bench's telecom as the agent sees it: customers, lines, bills, and how the shop's side and the phone's agree.

The semantics are tau2-bench's (commit in `tau2_bench.py`), oddities included: numbers in answers are texts, data is
added to lines that are suspended, a bill that was paid can be asked for again. Written anew here and compared with the
recorded answers and end states of gold, and with the official tools call by call (docs/evaluation.md). Different: the
number of a new bill is counted, upstream draws it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from rayscaler.evaluation.tau2_phone import Telecom
from rayscaler.evaluation.toolbox import Refused, Tool

TODAY = date(2025, 2, 25)
CYCLE_END = date(2025, 2, 28)
LAST_MONTH, LAST_MONTH_END, LAST_MONTH_DUE = date(2025, 1, 1), date(2025, 1, 31), date(2025, 1, 15)
NEXT_MONTH, NEXT_MONTH_END, NEXT_MONTH_DUE = date(2025, 3, 1), date(2025, 3, 31), date(2025, 3, 15)
"""The world's clock stands still; a bill is due 14 days after the first of its month."""

KINDS = {"L": ("lines", "line_id", "Line"), "D": ("devices", "device_id", "Device"), "B": ("bills", "bill_id", "Bill"),
         "C": ("customers", "customer_id", "Customer"), "P": ("plans", "plan_id", "Plan")}  # fmt: skip
"""First letter of an id -> where its record is, and what it is called."""


def _record(world: Telecom, letter: str, wanted: str) -> Any:
    table, key, name = KINDS[letter]
    for record in getattr(world.agent, table):
        if getattr(record, key) == wanted:
            return record
    raise Refused(f"{name} with ID {wanted} not found")


def _line_by_phone(world: Telecom, phone_number: str) -> Any:
    for line in world.agent.lines:
        if line.phone_number == phone_number:
            return line
    raise Refused(f"Line with phone number {phone_number} not found")


def _line_of(world: Telecom, customer_id: str, line_id: str) -> Any:
    if line_id not in _record(world, "C", customer_id).line_ids:
        raise Refused(f"Line {line_id} not found for customer {customer_id}")
    return _record(world, "L", line_id)


def get_customer_by_phone(world: Telecom, phone_number: str) -> Any:
    """The first customer who has this number, or a line with it."""
    for customer in world.agent.customers:
        lines = (_record(world, "L", line_id) for line_id in customer.line_ids)
        if customer.phone_number == phone_number or any(line.phone_number == phone_number for line in lines):
            return customer
    raise Refused(f"Customer with phone number {phone_number} not found")


def get_customer_by_id(world: Telecom, customer_id: str) -> Any:
    """The customer."""
    return _record(world, "C", customer_id)


def get_customer_by_name(world: Telecom, full_name: str, dob: str) -> list[Any]:
    """Customers with this name, in any case, and date of birth."""
    return [customer for customer in world.agent.customers
            if customer.full_name.lower() == full_name.lower() and customer.date_of_birth == dob]


def get_details_by_id(world: Telecom, id: str) -> Any:
    """Whatever has this id."""
    letter = next((letter for letter in KINDS if id.startswith(letter)), None)
    if letter is None:
        raise Refused(f"Unknown ID format or type: {id}")
    return _record(world, letter, id)


def suspend_line(world: Telecom, customer_id: str, line_id: str, reason: str) -> dict[str, Any]:  # noqa: ARG001
    """Suspend a line that is active."""
    line = _line_of(world, customer_id, line_id)
    if line.status != "Active":
        raise Refused("Line must be active to suspend")
    line.status, line.suspension_start_date = "Suspended", TODAY
    return {"message": "Line suspended successfully. $5/month holding fee will apply.", "line": line}


def resume_line(world: Telecom, customer_id: str, line_id: str) -> dict[str, Any]:
    """Activate a line that is suspended or waits for it."""
    line = _line_of(world, customer_id, line_id)
    if line.status not in ("Suspended", "Pending Activation"):
        raise Refused("Line must be suspended to resume")
    line.status, line.suspension_start_date = "Active", None
    return {"message": "Line resumed successfully", "line": line}


def get_bills_for_customer(world: Telecom, customer_id: str, limit: int = 12) -> list[Any]:
    """A customer's bills, newest first."""
    bills = [_record(world, "B", bill_id) for bill_id in _record(world, "C", customer_id).bill_ids]
    return sorted(bills, key=lambda bill: bill.issue_date, reverse=True)[:limit]


def send_payment_request(world: Telecom, customer_id: str, bill_id: str) -> str:
    """Ask a customer to pay a bill, one at a time."""
    customer = _record(world, "C", customer_id)
    if _awaiting_payment(world, customer):
        raise Refused("A bill is already awaiting payment for this customer")
    if bill_id not in customer.bill_ids:
        raise Refused(f"Bill {bill_id} not found for customer {customer_id}")
    bill = _record(world, "B", bill_id)
    bill.status = "Awaiting Payment"
    return f"Payment request sent to the customer for bill {bill.bill_id}"


def _awaiting_payment(world: Telecom, customer: Any) -> list[Any]:
    bills = (_record(world, "B", bill_id) for bill_id in customer.bill_ids)
    return [bill for bill in bills if bill.status == "Awaiting Payment"]


def get_data_usage(world: Telecom, customer_id: str, line_id: str) -> dict[str, str]:
    """How much of a line's data is used up."""
    line = _line_of(world, customer_id, line_id)
    plan = _record(world, "P", line.plan_id)
    return {"line_id": line_id, "data_used_gb": str(line.data_used_gb), "data_limit_gb": str(plan.data_limit_gb),
            "data_refueling_gb": str(line.data_refueling_gb), "cycle_end_date": CYCLE_END.isoformat()}


def enable_roaming(world: Telecom, customer_id: str, line_id: str) -> str:
    """Let a line be used abroad."""
    return _roam(_line_of(world, customer_id, line_id), True)


def disable_roaming(world: Telecom, customer_id: str, line_id: str) -> str:
    """Let a line not be used abroad."""
    return _roam(_line_of(world, customer_id, line_id), False)


def _roam(line: Any, wanted: bool) -> str:
    word = "enabled" if wanted else "disabled"
    if line.roaming_enabled == wanted:
        return f"Roaming was already {word}"
    line.roaming_enabled = wanted
    return f"Roaming {word} successfully"


def transfer_to_human_agents(_: Telecom, summary: str) -> str:  # noqa: ARG001
    """Nothing here: the user says that it was transferred."""
    return "Transfer successful"


def refuel_data(world: Telecom, customer_id: str, line_id: str, gb_amount: float) -> dict[str, str]:
    """More data for a line, charged with the customer's next bill."""
    line = _line_of(world, customer_id, line_id)
    if gb_amount <= 0:
        raise Refused("Refuel amount must be positive")
    price = _record(world, "P", line.plan_id).data_refueling_price_per_gb
    charge = gb_amount * price
    line.data_refueling_gb += gb_amount
    _charge(world, customer_id, charge, f"Data refueling: {gb_amount} GB at ${price}/GB")
    return {"message": f"Successfully added {gb_amount} GB of data for line {line_id} for ${charge:.2f}",
            "new_data_refueling_gb": str(line.data_refueling_gb), "charge": str(charge)}


def _charge(world: Telecom, customer_id: str, amount: float, description: str) -> None:
    """Put an amount on the customer's first draft of a bill, or on a new one for the next month."""
    customer = _record(world, "C", customer_id)
    bills = (_record(world, "B", bill_id) for bill_id in customer.bill_ids)
    draft = next((bill for bill in bills if bill.status == "Draft"), None)
    if draft is None:
        bill_id, days = f"B{len(world.agent.bills) + 1:08x}", (NEXT_MONTH, NEXT_MONTH_END, NEXT_MONTH_DUE)
        draft = _bill(world, bill_id, customer, days)
    _add_item(world, draft, amount, description)


def _bill(world: Telecom, bill_id: str, customer: Any, days: tuple[date, date, date], status: str = "Draft") -> Any:
    begins, ends, due = days
    bill: Any = world.shapes["agent"]["Bill"](
        bill_id=bill_id, customer_id=customer.customer_id, period_start=begins, period_end=ends, issue_date=begins,
        total_due=0, due_date=due, line_items=[], status=status,
    )  # fmt: skip
    world.agent.bills.append(bill)
    customer.bill_ids.append(bill_id)
    return bill


def _add_item(world: Telecom, bill: Any, amount: float, description: str) -> None:
    kind = "Credit" if amount < 0 else "Charge"
    bill.line_items.append(world.shapes["agent"]["LineItem"](
        description=description, amount=amount, date=TODAY, item_type=kind))
    bill.total_due += amount


def agree(world: Telecom) -> None:
    """What the shop knows of the user's line reaches the phone, and what the user paid reaches the shop.

    After every call, as upstream has it. Raises Refused if the user's number is on no line.
    """
    around = world.user.surroundings
    if around.phone_number is None:
        return
    line = _line_by_phone(world, around.phone_number)
    around.line_active, around.roaming_allowed = line.status == "Active", line.roaming_enabled
    limit = _record(world, "P", line.plan_id).data_limit_gb + line.data_refueling_gb
    around.mobile_data_usage_exceeded = line.data_used_gb >= limit
    if around.payment_request is not None and around.payment_request.paid:
        _record(world, "B", around.payment_request.bill_id).status = "Paid"
        around.payment_request = None
    if around.payment_request is None:
        for bill in _awaiting_payment(world, get_customer_by_phone(world, around.phone_number))[:1]:
            around.payment_request = world.shapes["user"]["PaymentRequest"](
                bill_id=bill.bill_id, amount_due=bill.total_due)


def _set_data_usage(world: Telecom, customer_id: str, line_id: str, data_used_gb: float) -> None:
    _line_of(world, customer_id, line_id).data_used_gb = data_used_gb


def _suspend_for_bill(world: Telecom, customer_id: str, line_id: str, new_bill_id: str, contract_ended: bool) -> None:
    """An overdue bill of the last month, and a line that is suspended for it."""
    line = _record(world, "L", line_id)
    if line.status != "Active":
        raise Refused("Line must be active to suspend for unpaid bill")
    customer = _record(world, "C", customer_id)
    if any(_record(world, "B", bill_id).status == "Overdue" for bill_id in customer.bill_ids):
        raise Refused("Customer already has an overdue bill")
    bill = _bill(world, new_bill_id, customer, (LAST_MONTH, LAST_MONTH_END, LAST_MONTH_DUE), status="Overdue")
    _add_item(world, bill, _record(world, "P", line.plan_id).price_per_month, f"Charge for line {line.line_id}")
    line.status, line.suspension_start_date = "Suspended", TODAY
    if contract_ended:
        line.contract_end_date = LAST_MONTH_END


def _has_refueling(world: Telecom, customer_id: str, line_id: str, expected_amount: float) -> bool:
    return bool(abs(_line_of(world, customer_id, line_id).data_refueling_gb - expected_amount) < 1e-6)


def _has_status(world: Telecom, customer_id: str, line_id: str, expected_status: str) -> bool:
    return bool(_line_of(world, customer_id, line_id).status == expected_status)


def _has_overdue(world: Telecom, customer_id: str, overdue_bill_id: str) -> bool:
    known = overdue_bill_id in _record(world, "C", customer_id).bill_ids
    if not known or _record(world, "B", overdue_bill_id).status != "Overdue":
        raise Refused(f"Overdue bill {overdue_bill_id} not found, or it is not overdue")
    return True


def _has_no_overdue(world: Telecom, overdue_bill_id: str) -> bool:
    return all(bill.status == "Paid" for bill in world.agent.bills if bill.bill_id == overdue_bill_id)


TOOLS: dict[str, Tool] = {
    tool.__name__: tool
    for tool in (
        get_customer_by_phone, get_customer_by_id, get_customer_by_name, get_details_by_id, suspend_line, resume_line,
        get_bills_for_customer, send_payment_request, get_data_usage, enable_roaming, disable_roaming,
        transfer_to_human_agents, refuel_data,
    )
}  # fmt: skip
"""Name -> tool."""

FUNCTIONS: dict[str, Tool] = {
    "set_data_usage": _set_data_usage,
    "suspend_line_for_overdue_bill": _suspend_for_bill,
    "assert_data_refueling_amount": _has_refueling,
    "assert_line_status": _has_status,
    "assert_overdue_bill_exists": _has_overdue,
    "assert_no_overdue_bill": _has_no_overdue,
}
"""What initial states and assertions call besides the tools: upstream's names."""
