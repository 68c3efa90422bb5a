"""tau-bench's retail shop: what each tool does to users, products and orders.

The semantics are tau-bench's (commit in `tau_bench.py`), down to the order of its checks, because a tool that fails
half-way leaves what it had done. Written anew here, and compared with the official tools call by call
(docs/evaluation.md).
"""

from __future__ import annotations

import json
from typing import Any

from rayscaler.evaluation.database import Database
from rayscaler.evaluation.toolbox import Refused, Tool, arithmetic

Row = dict[str, Any]


def find_user_id_by_email(db: Database, email: str) -> str:
    """The first user with this address, in any case."""
    return _found(key for key, user in db.rows("users") if user["email"].lower() == email.lower())


def find_user_id_by_name_zip(db: Database, first_name: str, last_name: str, zip: str) -> str:
    """The first user with this name, in any case, and this postcode."""
    def fits(user: Row) -> bool:
        name = user["name"]
        return bool(name["first_name"].lower() == first_name.lower() and name["last_name"].lower() == last_name.lower()
                    and user["address"]["zip"] == zip)

    return _found(key for key, user in db.rows("users") if fits(user))


def _found(keys: Any) -> str:
    for key in keys:
        return str(key)
    raise Refused("user not found")


def get_user_details(db: Database, user_id: str) -> str:
    """The user's record."""
    return json.dumps(_record(db, "users", user_id))


def get_order_details(db: Database, order_id: str) -> str:
    """The order's record."""
    return json.dumps(_record(db, "orders", order_id))


def get_product_details(db: Database, product_id: str) -> str:
    """The product's record with its variants."""
    return json.dumps(_record(db, "products", product_id))


def list_all_product_types(db: Database) -> str:
    """Product ids by name, in the order of the names."""
    names = {product["name"]: product["product_id"] for _, product in db.rows("products")}
    return json.dumps(dict(sorted(names.items())))


def cancel_pending_order(db: Database, order_id: str, reason: str) -> str:
    """Cancel and refund; a gift card has its money back at once."""
    order = _order(db, order_id, "pending", "non-pending order cannot be cancelled")
    if reason not in ["no longer needed", "ordered by mistake"]:
        raise Refused("invalid reason")
    refunds = []
    for payment in order["payment_history"]:
        method_id = payment["payment_method_id"]
        refunds.append(_payment("refund", payment["amount"], method_id))
        if "gift_card" in method_id:
            _pay_in(db.take("users", order["user_id"])["payment_methods"][method_id], payment["amount"])
    order |= {"status": "cancelled", "cancel_reason": reason}
    order["payment_history"].extend(refunds)
    return json.dumps(order)


def modify_pending_order_address(
    db: Database, *, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> str:
    """Another address of a pending order."""
    order = _order(db, order_id, "pending", "non-pending order cannot be modified")
    order["address"] = _address(address1, address2, (city, state, country, zip))
    return json.dumps(order)


def modify_user_address(
    db: Database, *, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> str:
    """Another default address of a user."""
    user = _record(db, "users", user_id)
    user["address"] = _address(address1, address2, (city, state, country, zip))
    return json.dumps(user)


def modify_pending_order_payment(db: Database, order_id: str, payment_method_id: str) -> str:
    """Pay a pending order with another method; the first one is refunded."""
    order = _order(db, order_id, "pending", "non-pending order cannot be modified")
    method = _method(db, order, payment_method_id)
    history = order["payment_history"]
    if len(history) > 1 or history[0]["transaction_type"] != "payment":
        raise Refused("there should be exactly one payment for a pending order")
    if history[0]["payment_method_id"] == payment_method_id:
        raise Refused("the new payment method should be different from the current one")
    amount, before = history[0]["amount"], history[0]["payment_method_id"]
    _check_balance(method, amount, "insufficient gift card balance to pay for the order")
    history.extend([_payment("payment", amount, payment_method_id), _payment("refund", amount, before)])
    if method["source"] == "gift_card":
        _pay_in(method, -amount)
    if "gift_card" in before:
        _pay_in(db.take("users", order["user_id"])["payment_methods"][before], amount)
    return json.dumps(order)


def modify_pending_order_items(
    db: Database, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> str:
    """Other variants of items of a pending order, once; the difference is paid or refunded."""
    order = _order(db, order_id, "pending", "non-pending order cannot be modified")
    difference = _price_difference(db, order, item_ids, new_item_ids)
    method = _method(db, order, payment_method_id)
    _check_balance(method, difference, "insufficient gift card balance to pay for the new item")
    kind = "payment" if difference > 0 else "refund"
    order["payment_history"].append(_payment(kind, abs(difference), payment_method_id))
    if method["source"] == "gift_card":
        _pay_in(method, -difference)
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=False):
        item = next(item for item in order["items"] if item["item_id"] == item_id)
        variant = db.take("products", item["product_id"])["variants"][new_item_id]
        item |= {"item_id": new_item_id, "price": variant["price"], "options": variant["options"]}
    order["status"] = "pending (item modified)"
    return json.dumps(order)


def exchange_delivered_order_items(
    db: Database, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> str:
    """Ask for other variants of delivered items, once."""
    order = _order(db, order_id, "delivered", "non-delivered order cannot be exchanged")
    difference = round(_price_difference(db, order, item_ids, new_item_ids), 2)
    method = _method(db, order, payment_method_id)
    _check_balance(method, difference, "insufficient gift card balance to pay for the price difference")
    order["status"] = "exchange requested"
    order["exchange_items"] = sorted(item_ids)
    order["exchange_new_items"] = sorted(new_item_ids)
    order["exchange_payment_method_id"] = payment_method_id
    order["exchange_price_difference"] = difference
    return json.dumps(order)


def return_delivered_order_items(db: Database, order_id: str, item_ids: list[str], payment_method_id: str) -> str:
    """Ask to return delivered items, to the first payment method or a gift card."""
    order = _order(db, order_id, "delivered", "non-delivered order cannot be returned")
    _method(db, order, payment_method_id)
    original = order["payment_history"][0]["payment_method_id"]
    if "gift_card" not in payment_method_id and payment_method_id != original:
        raise Refused("payment method should be either the original payment method or a gift card")
    _check_items(order, item_ids, "some item not found")
    order["status"] = "return requested"
    order["return_items"] = sorted(item_ids)
    order["return_payment_method_id"] = payment_method_id
    return json.dumps(order)


def calculate(_: Database, expression: str) -> str:
    """Arithmetic."""
    return arithmetic(expression)


def think(_: Database, thought: str) -> str:  # noqa: ARG001
    """Nothing: room for the agent's thoughts."""
    return ""


def transfer_to_human_agents(_: Database, summary: str) -> str:  # noqa: ARG001
    """The conversation ends with it."""
    return "Transfer successful"


def _record(db: Database, table: str, key: str) -> Row:
    if not db.has(table, key):
        raise Refused(f"{table[:-1]} not found")
    record: Row = db.take(table, key)
    return record


def _order(db: Database, order_id: str, status: str, otherwise: str) -> Row:
    order = _record(db, "orders", order_id)
    if order["status"] != status:
        raise Refused(otherwise)
    return order


def _method(db: Database, order: Row, method_id: str) -> Row:
    methods = db.take("users", order["user_id"])["payment_methods"]
    if method_id not in methods:
        raise Refused("payment method not found")
    method: Row = methods[method_id]
    return method


def _check_balance(method: Row, amount: float, otherwise: str) -> None:
    if method["source"] == "gift_card" and method["balance"] < amount:
        raise Refused(otherwise)


def _check_items(order: Row, item_ids: list[str], otherwise: str = "") -> None:
    """Each item as often as it is in the order, at most."""
    there = [item["item_id"] for item in order["items"]]
    for item_id in item_ids:
        if item_ids.count(item_id) > there.count(item_id):
            raise Refused(otherwise or f"{item_id} not found")


def _price_difference(db: Database, order: Row, item_ids: list[str], new_item_ids: list[str]) -> float:
    """What the new variants cost more than the old items, unrounded. Refused where one cannot be had."""
    _check_items(order, item_ids)
    if len(item_ids) != len(new_item_ids):
        raise Refused("the number of items to be exchanged should match")
    difference: float = 0
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=True):
        item = next(item for item in order["items"] if item["item_id"] == item_id)
        variants = db.take("products", item["product_id"])["variants"]
        if not (new_item_id in variants and variants[new_item_id]["available"]):
            raise Refused(f"new item {new_item_id} not found or available")
        difference += variants[new_item_id]["price"] - item["price"]
    return difference


def _pay_in(method: Row, amount: float) -> None:
    method["balance"] = round(method["balance"] + amount, 2)


def _payment(kind: str, amount: float, method_id: str) -> Row:
    return {"transaction_type": kind, "amount": amount, "payment_method_id": method_id}


def _address(address1: str, address2: str, place: tuple[str, str, str, str]) -> Row:
    city, state, country, code = place
    return {"address1": address1, "address2": address2, "city": city, "state": state, "country": country, "zip": code}


TOOLS: dict[str, Tool] = {
    tool.__name__: tool
    for tool in (
        find_user_id_by_email, find_user_id_by_name_zip, get_user_details, get_order_details, get_product_details,
        list_all_product_types, cancel_pending_order, modify_pending_order_address, modify_user_address,
        modify_pending_order_payment, modify_pending_order_items, exchange_delivered_order_items,
        return_delivered_order_items, calculate, think, transfer_to_human_agents,
    )
}  # fmt: skip
"""Name -> tool."""
