"""tau2-bench's retail shop: what each tool does to users, products and orders.

The semantics are tau2-bench's (commit in `tau2_bench.py`), oddities included: when several items of a pending order are
changed, all of them get price and options of the last one. Written anew here and compared with the recorded answers and
end states of gold, and with the official tools call by call (docs/evaluation.md).
"""

from __future__ import annotations

import json
from typing import Any

from rayscaler.evaluation.tau2_world import State
from rayscaler.evaluation.toolbox import Refused, Tool, arithmetic


def find_user_id_by_email(world: State, email: str) -> str:
    """The first user with this address, in any case."""
    return _found(key for key, user in world.db.rows("users") if user.email.lower() == email.lower())


def find_user_id_by_name_zip(world: State, first_name: str, last_name: str, zip: str) -> str:
    """The first user with this name, in any case, and this postcode."""
    return _found(
        key for key, user in world.db.rows("users")
        if user.name.first_name.lower() == first_name.lower() and user.name.last_name.lower() == last_name.lower()
        and user.address.zip == zip
    )  # fmt: skip


def _found(keys: Any) -> str:
    for key in keys:
        return str(key)
    raise Refused("User not found")


def get_user_details(world: State, user_id: str) -> Any:
    """The user."""
    return world.record("users", user_id, "User not found")


def get_order_details(world: State, order_id: str) -> Any:
    """The order."""
    return world.record("orders", order_id, "Order not found")


def get_product_details(world: State, product_id: str) -> Any:
    """The product with its variants."""
    return world.record("products", product_id, "Product not found")


def get_item_details(world: State, item_id: str) -> Any:
    """The variant with this id, of whichever product."""
    for _, product in world.db.rows("products"):
        if item_id in product.variants:
            return product.variants[item_id]
    raise Refused("Item not found")


def list_all_product_types(world: State) -> str:
    """Product ids by name."""
    names = {product.name: product.product_id for _, product in world.db.rows("products")}
    return json.dumps(names, sort_keys=True)


def cancel_pending_order(world: State, order_id: str, reason: str) -> Any:
    """Cancel and refund; a gift card has its money back at once."""
    order = get_order_details(world, order_id)
    if order.status != "pending":
        raise Refused("Non-pending order cannot be cancelled")
    if reason not in {"no longer needed", "ordered by mistake"}:
        raise Refused("Invalid reason")
    refunds = []
    for payment in order.payment_history:
        refunds.append(_payment(world, "refund", payment.amount, payment.payment_method_id))
        _pay_in(_method(world, order, payment.payment_method_id), payment.amount)
    order.status = "cancelled"
    order.cancel_reason = reason
    order.payment_history.extend(refunds)
    return order


def modify_pending_order_address(
    world: State, *, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Any:
    """Another address of an order that is pending, changed or not."""
    order = _pending(world, order_id)
    order.address = world.shapes["UserAddress"](address1=address1, address2=address2, city=city, country=country,
                                                state=state, zip=zip)
    return order


def modify_user_address(
    world: State, *, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Any:
    """Another default address of a user."""
    user = get_user_details(world, user_id)
    user.address = world.shapes["UserAddress"](address1=address1, address2=address2, city=city, country=country,
                                               state=state, zip=zip)
    return user


def modify_pending_order_payment(world: State, order_id: str, payment_method_id: str) -> Any:
    """Pay a pending order with another method; the first one is refunded."""
    order = _pending(world, order_id)
    method = _method(world, order, payment_method_id)
    history = order.payment_history
    if len(history) != 1 or history[0].transaction_type != "payment":
        raise Refused("There should be exactly one payment for a pending order")
    if history[0].payment_method_id == payment_method_id:
        raise Refused("The new payment method should be different from the current one")
    amount, before = history[0].amount, history[0].payment_method_id
    _check_balance(method, amount, "Insufficient gift card balance to pay for the order")
    history.extend([_payment(world, "payment", amount, payment_method_id), _payment(world, "refund", amount, before)])
    _pay_in(method, -amount)
    _pay_in(_method(world, order, before), amount)
    return order


def modify_pending_order_items(
    world: State, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Any:
    """Other variants of items of a pending order, once; the difference is paid or refunded."""
    order = get_order_details(world, order_id)
    if order.status != "pending":
        raise Refused("Non-pending order cannot be modified")
    _check_items(order, item_ids, "{item} not found")
    if len(item_ids) != len(new_item_ids):
        raise Refused("The number of items to be exchanged should match")
    difference: float = 0
    variant: Any = None
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=True):
        if item_id == new_item_id:
            raise Refused("The new item id should be different from the old item id")
        item, variant = _item(order, item_id), _variant(world, order, item_id, new_item_id)
        difference += variant.price - item.price
    method = _method(world, order, payment_method_id)
    _check_balance(method, difference, "Insufficient gift card balance to pay for the new item")
    kind = "payment" if difference > 0 else "refund"
    order.payment_history.append(_payment(world, kind, abs(difference), payment_method_id))
    _pay_in(method, -difference)
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=True):
        item = _item(order, item_id)
        item.item_id, item.price, item.options = new_item_id, variant.price, variant.options
    order.status = "pending (item modified)"
    return order


def exchange_delivered_order_items(
    world: State, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Any:
    """Ask for other variants of delivered items, once."""
    order = get_order_details(world, order_id)
    if order.status != "delivered":
        raise Refused("Non-delivered order cannot be exchanged")
    _check_items(order, item_ids, "Number of {item} not found.")
    if len(item_ids) != len(new_item_ids):
        raise Refused("The number of items to be exchanged should match.")
    pairs = zip(item_ids, new_item_ids, strict=True)
    prices = [_variant(world, order, old, new).price - _item(order, old).price for old, new in pairs]
    difference = round(sum(prices), 2)
    method = _method(world, order, payment_method_id)
    _check_balance(method, difference, "Insufficient gift card balance to pay for the price difference")
    order.status = "exchange requested"
    order.exchange_items, order.exchange_new_items = sorted(item_ids), sorted(new_item_ids)
    order.exchange_payment_method_id = payment_method_id
    order.exchange_price_difference = difference
    return order


def return_delivered_order_items(world: State, order_id: str, item_ids: list[str], payment_method_id: str) -> Any:
    """Ask to return delivered items, to the first payment method or a gift card."""
    order = get_order_details(world, order_id)
    if order.status != "delivered":
        raise Refused("Non-delivered order cannot be returned")
    method = _method(world, order, payment_method_id)
    if method.source != "gift_card" and payment_method_id != order.payment_history[0].payment_method_id:
        raise Refused("Payment method should be the original payment method")
    _check_items(order, item_ids, "Some item not found")
    order.status = "return requested"
    order.return_items, order.return_payment_method_id = sorted(item_ids), payment_method_id
    return order


def calculate(_: State, expression: str) -> str:
    """Arithmetic."""
    return arithmetic(expression)


def transfer_to_human_agents(_: State, summary: str) -> str:  # noqa: ARG001
    """Nothing here: the user says that it was transferred."""
    return "Transfer successful"


def _pending(world: State, order_id: str) -> Any:
    order = get_order_details(world, order_id)
    if "pending" not in order.status:
        raise Refused("Non-pending order cannot be modified")
    return order


def _method(world: State, order: Any, method_id: str) -> Any:
    methods = get_user_details(world, order.user_id).payment_methods
    if method_id not in methods:
        raise Refused("Payment method not found")
    return methods[method_id]


def _check_balance(method: Any, amount: float, otherwise: str) -> None:
    if method.source == "gift_card" and method.balance < amount:
        raise Refused(otherwise)


def _pay_in(method: Any, amount: float) -> None:
    if method.source == "gift_card":
        method.balance = round(method.balance + amount, 2)


def _check_items(order: Any, item_ids: list[str], otherwise: str) -> None:
    """Each item as often as it is in the order, at most."""
    there = [item.item_id for item in order.items]
    for item_id in item_ids:
        if item_ids.count(item_id) > there.count(item_id):
            raise Refused(otherwise.format(item=item_id))


def _item(order: Any, item_id: str) -> Any:
    for item in order.items:
        if item.item_id == item_id:
            return item
    raise Refused(f"Item {item_id} not found")


def _variant(world: State, order: Any, item_id: str, new_item_id: str) -> Any:
    """The available variant of an item's product."""
    variants = get_product_details(world, _item(order, item_id).product_id).variants
    if new_item_id not in variants:
        raise Refused("Variant not found")
    if not variants[new_item_id].available:
        raise Refused(f"New item {new_item_id} not found or available")
    return variants[new_item_id]


def _payment(world: State, kind: str, amount: float, method_id: str) -> Any:
    return world.shapes["OrderPayment"](transaction_type=kind, amount=amount, payment_method_id=method_id)


TOOLS: dict[str, Tool] = {
    tool.__name__: tool
    for tool in (
        find_user_id_by_email, find_user_id_by_name_zip, get_user_details, get_order_details, get_product_details,
        get_item_details, list_all_product_types, cancel_pending_order, modify_pending_order_address,
        modify_user_address, modify_pending_order_payment, modify_pending_order_items, exchange_delivered_order_items,
        return_delivered_order_items, calculate, transfer_to_human_agents,
    )
}  # fmt: skip
"""Name -> tool."""
