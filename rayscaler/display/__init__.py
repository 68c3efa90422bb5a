"""How runs, tables, environments and conversations look in a terminal. Everything here returns rich renderables."""
