"""A small shop, written by hand: the environment that tests are run on, and an example of the tool language.

Four tables (customers, products, orders, order_items), ten tools, every operator but transfer and lookup. An order is
pending, processing, delivered or cancelled; only a pending one can be changed.
"""

from __future__ import annotations

import ast
from typing import Any

from rayscaler.environment import Binding, Column, CompiledTool, Entity, EnvironmentSpec, Operator, Part, Semantic

_KEY = {"nullable": False, "generated": True}
_GIVEN = {"nullable": False}


def _text(name: str, semantic: Semantic, **more: Any) -> Column:
    return Column(name=name, type="TEXT", semantic=semantic, **more)


CUSTOMERS = Entity(
    name="customers", singular="customer", key="customer_id", label="name",
    description="People who buy.",
    columns=(
        _text("customer_id", Semantic.ID, **_KEY),
        _text("name", Semantic.PERSON, **_GIVEN),
        _text("email", Semantic.EMAIL, unique=True, **_GIVEN),
        _text("phone", Semantic.PHONE),
        _text("street", Semantic.STREET),
        _text("city", Semantic.CITY),
        _text("postcode", Semantic.POSTCODE),
        Column(name="newsletter", type="INTEGER", semantic=Semantic.BOOLEAN, nullable=False),
        _text("created_at", Semantic.DATETIME, nullable=False, generated=True),
        _text("updated_at", Semantic.DATETIME, nullable=False, generated=True, volatile=True),
    ),
)

PRODUCTS = Entity(
    name="products", singular="product", key="product_id", label="title",
    description="Things that can be bought.",
    columns=(
        _text("product_id", Semantic.ID, **_KEY),
        _text("title", Semantic.TITLE, unique=True, **_GIVEN),
        _text("category", Semantic.ENUM, enum=("books", "garden", "kitchen", "toys"), **_GIVEN),
        Column(name="price", type="REAL", semantic=Semantic.MONEY, nullable=False, minimum=0),
        Column(name="stock", type="INTEGER", semantic=Semantic.QUANTITY, nullable=False, minimum=0),
    ),
)

ORDERS = Entity(
    name="orders", singular="order", key="order_id", label=None,
    description="What a customer has asked for.",
    columns=(
        _text("order_id", Semantic.ID, **_KEY),
        _text("customer_id", Semantic.REFERENCE, references="customers", **_GIVEN),
        _text("status", Semantic.STATUS, enum=("pending", "processing", "delivered", "cancelled"), **_GIVEN),
        _text("delivery_date", Semantic.DATE),
        _text("cancel_reason", Semantic.ENUM, enum=("no longer needed", "ordered by mistake")),
        _text("created_at", Semantic.DATETIME, nullable=False, generated=True),
        _text("updated_at", Semantic.DATETIME, nullable=False, generated=True, volatile=True),
    ),
)

ORDER_ITEMS = Entity(
    name="order_items", singular="order_item", key="order_item_id", label=None,
    description="One product of an order.",
    columns=(
        _text("order_item_id", Semantic.ID, **_KEY),
        _text("order_id", Semantic.REFERENCE, references="orders", on_delete="cascade", **_GIVEN),
        _text("product_id", Semantic.REFERENCE, references="products", **_GIVEN),
        Column(name="quantity", type="INTEGER", semantic=Semantic.QUANTITY, nullable=False, minimum=1, maximum=20),
        Column(name="unit_price", type="REAL", semantic=Semantic.MONEY, nullable=False, minimum=0),
    ),
)

_STRING = {"type": "string"}


def _tool(
    operator: Operator, entity: str, properties: dict[str, dict[str, Any]], bindings: list[Binding], code: str
) -> CompiledTool:
    """A tool whose name and description are those of its function (the first sentence of the docstring)."""
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef)
    name, description = function.name, (ast.get_docstring(function) or "").split(". ")[0].rstrip(".") + "."
    required = [b.parameter for b in bindings if b.required]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return CompiledTool(
        name=name, tool_id=f"shop/shop/1/{name}", description=description, parameters=schema, operator=operator,
        entity=entity, bindings=tuple(bindings), code=code,
    )


def _bind(name: str, part: Part, entity: str, column: str | None = None, required: bool = False) -> Binding:
    return Binding(parameter=name, argument=name, part=part, entity=entity,
                   column=None if part is Part.QUERY else column or name, required=required)


TOOLS = (
    _tool(
        Operator.GET, "customers",
        {"customer_id": {**_STRING, "description": "Id of the customer."}},
        [_bind("customer_id", Part.KEY, "customers", required=True)],
        '''
def get_customer(db, customer_id: str) -> dict:
    """Get one customer by id."""
    return db.get("customers", customer_id=customer_id)
''',
    ),
    _tool(
        Operator.SEARCH, "customers",
        {"query": {**_STRING, "description": "Text that the customer's record contains."}},
        [_bind("query", Part.QUERY, "customers", required=True)],
        '''
def search_customers(db, query: str) -> dict:
    """Find customers by name, email, phone or address."""
    return {"customers": db.search("customers", query)}
''',
    ),
    _tool(
        Operator.UPDATE, "customers",
        {
            "customer_id": {**_STRING, "description": "Id of the customer."},
            "email": {**_STRING, "description": "New email address."},
            "phone": {**_STRING, "description": "New phone number."},
            "street": {**_STRING, "description": "New street and house number."},
            "city": {**_STRING, "description": "New city."},
            "postcode": {**_STRING, "description": "New postcode."},
        },
        [
            _bind("customer_id", Part.KEY, "customers", required=True),
            _bind("email", Part.VALUE, "customers"),
            _bind("phone", Part.VALUE, "customers"),
            _bind("street", Part.VALUE, "customers"),
            _bind("city", Part.VALUE, "customers"),
            _bind("postcode", Part.VALUE, "customers"),
        ],
        '''
def update_customer(
    db, customer_id: str, email: str = None, phone: str = None, street: str = None, city: str = None,
    postcode: str = None,
) -> dict:
    """Change a customer's contact data. Writes customers.email, phone, street, city, postcode."""
    customer = db.get("customers", customer_id=customer_id)
    return db.update(
        "customers", customer, email=email, phone=phone, street=street, city=city, postcode=postcode,
    )
''',
    ),
    _tool(
        Operator.LIST, "products",
        {"category": {**_STRING, "enum": list(PRODUCTS.column("category").enum), "description": "Only this category."}},
        [_bind("category", Part.FILTER, "products")],
        '''
def list_products(db, category: str = None) -> dict:
    """List products, of one category if given."""
    return {"products": db.find("products", category=category)}
''',
    ),
    _tool(
        Operator.LIST, "orders",
        {
            "customer_id": {**_STRING, "description": "Only orders of this customer."},
            "status": {**_STRING, "enum": list(ORDERS.column("status").enum), "description": "Only in this status."},
        },
        [_bind("customer_id", Part.FILTER, "orders"), _bind("status", Part.FILTER, "orders")],
        '''
def list_orders(db, customer_id: str = None, status: str = None) -> dict:
    """List orders, of one customer or in one status if given."""
    return {"orders": db.find("orders", customer_id=customer_id, status=status)}
''',
    ),
    _tool(
        Operator.GET, "orders",
        {"order_id": {**_STRING, "description": "Id of the order."}},
        [_bind("order_id", Part.KEY, "orders", required=True)],
        '''
def get_order(db, order_id: str) -> dict:
    """Get one order with its items and its total."""
    order = db.get("orders", order_id=order_id)
    items = db.find("order_items", order_id=order_id)
    order["items"] = items
    order["total"] = round(sum([item["quantity"] * item["unit_price"] for item in items]), 2)
    return order
''',
    ),
    _tool(
        Operator.CREATE, "orders",
        {
            "customer_id": {**_STRING, "description": "Id of the customer."},
            "delivery_date": {**_STRING, "format": "date", "description": "Wanted date of delivery, YYYY-MM-DD."},
        },
        [_bind("customer_id", Part.REFERENCE, "orders", required=True), _bind("delivery_date", Part.VALUE, "orders")],
        '''
def create_order(db, customer_id: str, delivery_date: str = None) -> dict:
    """Place a new, empty order for a customer. Inserts into orders."""
    return db.insert("orders", customer_id=customer_id, status="pending", delivery_date=delivery_date)
''',
    ),
    _tool(
        Operator.TRANSITION, "orders",
        {
            "order_id": {**_STRING, "description": "Id of the order."},
            "cancel_reason": {**_STRING, "enum": list(ORDERS.column("cancel_reason").enum), "description": "Why."},
        },
        [
            _bind("order_id", Part.KEY, "orders", required=True),
            _bind("cancel_reason", Part.VALUE, "orders", required=True),
        ],
        '''
def cancel_order(db, order_id: str, cancel_reason: str) -> dict:
    """Cancel a pending order. Writes orders.status, orders.cancel_reason."""
    order = db.get("orders", order_id=order_id)
    require(order["status"] == "pending", f"only a pending order can be cancelled; this one is {order['status']}")
    return db.update("orders", order, status="cancelled", cancel_reason=cancel_reason)
''',
    ),
    _tool(
        Operator.RELATE, "order_items",
        {
            "order_id": {**_STRING, "description": "Id of the order."},
            "product_id": {**_STRING, "description": "Id of the product."},
            "quantity": {"type": "integer", "minimum": 1, "maximum": 20, "description": "How many pieces."},
        },
        [
            _bind("order_id", Part.REFERENCE, "order_items", required=True),
            _bind("product_id", Part.REFERENCE, "order_items", required=True),
            _bind("quantity", Part.VALUE, "order_items", required=True),
        ],
        '''
def add_order_item(db, order_id: str, product_id: str, quantity: int) -> dict:
    """Add a product to a pending order, at today's price. Inserts into order_items, writes products.stock."""
    order = db.get("orders", order_id=order_id)
    require(order["status"] == "pending", "items can only be added to a pending order")
    product = db.get("products", product_id=product_id)
    require(product["stock"] >= quantity, f"only {product['stock']} pieces of {product['title']} are in stock")
    db.update("products", product, stock=product["stock"] - quantity)
    return db.insert(
        "order_items", order_id=order_id, product_id=product_id, quantity=quantity, unit_price=product["price"],
    )
''',
    ),
    _tool(
        Operator.UNRELATE, "order_items",
        {"order_item_id": {**_STRING, "description": "Id of the order item."}},
        [_bind("order_item_id", Part.KEY, "order_items", required=True)],
        '''
def delete_order_item(db, order_item_id: str) -> dict:
    """Take an item out of a pending order. Deletes from order_items, writes products.stock."""
    item = db.get("order_items", order_item_id=order_item_id)
    order = db.get("orders", order_id=item["order_id"])
    require(order["status"] == "pending", "items can only be taken out of a pending order")
    product = db.get("products", product_id=item["product_id"])
    db.update("products", product, stock=product["stock"] + item["quantity"])
    return db.delete("order_items", item)
''',
    ),
)

SHOP = EnvironmentSpec(
    environment_id="shop",
    title="Shop",
    description="Customers, products and orders of a small shop.",
    entities=(CUSTOMERS, PRODUCTS, ORDERS, ORDER_ITEMS),
    tools=TOOLS,
    policy=(
        "You help the customers of a small shop.\n"
        "- Look a customer up before you change anything of theirs.\n"
        "- Only a pending order can be cancelled, and its items can only be changed while it is pending.\n"
        "- A cancellation has one of two reasons: no longer needed, ordered by mistake.\n"
        "- An item cannot be added beyond what is in stock.\n"
        "- Do what the customer asks and nothing else."
    ),
)
