"""One verb per module: each reads tables and writes tables. `order.py` lists them; a worker imports only its own."""
