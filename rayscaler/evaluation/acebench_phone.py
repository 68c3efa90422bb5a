"""The phone of ACEBench's agent scenarios: messages, reminders and food orders over one state.

Written from the tool descriptions and the start state in the data, and compared with upstream's scenarios call by call
(docs/evaluation.md). State is the scenario's own form, per app, with numbers as keys of messages and reminders.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

Reply = Any
"""What a tool gives back: an object, a list or a text."""

State = dict[str, dict[str, Any]]
"""App -> attribute -> value, as the data has it."""


class Phone:
    """The apps of one conversation. Methods are tools, by the names and parameters that the data declares.

    A method raises what Python raises when a model's arguments do not fit; `acebench_world` turns that into an answer.
    """

    def __init__(self, state: State, texts: dict[str, Any]) -> None:
        self.device = state["BaseApi"]
        self.messages = state["MessageApi"]
        self.reminders = state["ReminderApi"]
        self.food = state["FoodPlatform"]
        self.texts = texts

    def turn_on_wifi(self) -> Reply:
        """Turn the phone's Wi-Fi on."""
        self.device["wifi"] = True
        return self._say("wifi_on", done=True)

    def login_device(self) -> Reply:
        """Log in to the phone."""
        self.device["logged_in"] = True
        return self._say("logged_in", done=True)

    def send_message(self, sender_name: str, receiver_name: str, message: str) -> Reply:
        """Put a message into the inbox, if there is room for it."""
        inbox, users = self.messages["inbox"], self.messages["user_list"]
        if not self.device["logged_in"]:
            return self._say("send_logged_out")
        if not self.device["wifi"]:
            return self._say("send_offline")
        if len(inbox) >= self.messages["max_capacity"]:
            return self._say("inbox_full")
        if sender_name not in users or receiver_name not in users:
            return self._say("no_sender_or_receiver")
        self.messages["message_id_counter"] += 1
        inbox[self.messages["message_id_counter"]] = {
            "sender_id": users[sender_name]["user_id"],
            "receiver_id": users[receiver_name]["user_id"],
            "message": message,
        }
        return self._say("sent", done=True, receiver_name=receiver_name)

    def delete_message(self, message_id: int) -> Reply:
        """Remove a message."""
        if not self.device["logged_in"]:
            return self._say("delete_logged_out")
        if message_id not in self.messages["inbox"]:
            return self._say("no_message")
        del self.messages["inbox"][message_id]
        return self._say("deleted", done=True, message_id=message_id)

    def view_messages_between_users(self, sender_name: str, receiver_name: str) -> Reply:
        """What one user wrote to another."""
        users = self.messages["user_list"]
        if not self.device["logged_in"]:
            return self._say("view_logged_out")
        if sender_name not in users:
            return self._say("no_sender")
        if receiver_name not in users:
            return self._say("no_receiver")
        pair = users[sender_name]["user_id"], users[receiver_name]["user_id"]
        found = [
            {"id": key, "sender": sender_name, "receiver": receiver_name, "message": one["message"]}
            for key, one in self.messages["inbox"].items()
            if (one["sender_id"], one["receiver_id"]) == pair
        ]
        return {"status": True, "messages": found} if found else self._say("no_messages_between")

    def search_messages(self, user_name: str, keyword: str) -> Reply:
        """The messages from and to a user that contain a word."""
        if user_name not in self.messages["user_list"]:
            return self._say("no_user")
        user, word = self.messages["user_list"][user_name]["user_id"], keyword.lower()
        found = [
            {"id": key, **{name: one[name] for name in ("sender_id", "receiver_id", "message")}}
            for key, one in self.messages["inbox"].items()
            if user in (one["sender_id"], one["receiver_id"]) and word in one["message"].lower()
        ]
        return {"status": True, "messages": found} if found else self._say("no_messages_with")

    def get_latest_message_id(self) -> Reply:
        """The newest message by its date; the first of equal dates."""
        return self._by_date("latest", newest=True)

    def get_earliest_message_id(self) -> Reply:
        """The oldest message by its date; the first of equal dates."""
        return self._by_date("earliest", newest=False)

    def add_reminder(self, title: str, description: str, time: str) -> Reply:
        """Store a reminder, if there is room for it."""
        if not self.device["logged_in"]:
            return self._say("add_reminder_logged_out")
        stored = self.reminders["reminder_list"]
        if len(stored) >= self.reminders["max_capacity"]:
            return self._say("reminders_full")
        self.reminders["reminder_id_counter"] += 1
        number = self.reminders["reminder_id_counter"]
        row = {"reminder_id": number, "title": title, "description": description, "time": time, "notified": False}
        stored[number] = row
        return self._say("reminder_added", done=True, title=title)

    def view_reminder_by_title(self, title: str) -> Reply:
        """The first reminder of that title."""
        if not self.device["logged_in"]:
            return self._say("reminder_logged_out")
        found = next((one for one in self.reminders["reminder_list"].values() if one["title"] == title), None)
        return {"status": True, "reminder": found} if found else self._say("no_reminder", title=title)

    def search_reminders(self, keyword: str) -> Reply:
        """The reminders that contain a word. (Offered by the data; upstream cannot run it.)"""
        word = keyword.lower()
        found = [
            {name: one[name] for name in ("title", "description", "time")}
            for one in self.reminders["reminder_list"].values()
            if word in one["title"].lower() or word in one["description"].lower()
        ]
        return {"status": True, "reminders": found} if found else self._say("no_reminder_with")

    def login_food_platform(self, username: str, password: str) -> Reply:
        """Log a user in to the food platform."""
        if not self.device["wifi"]:
            return self._say("platform_offline")
        if username not in self.food["users"]:
            return self._say("no_user")
        if self.food["users"][username]["password"] != password:
            return self._say("wrong_password")
        if username in self.food["logged_in_users"]:
            return self._say("already_in", username=username)
        self.food["logged_in_users"].append(username)
        return self._say("platform_in", done=True, username=username)

    def check_balance(self, user_name: str) -> Reply:
        """A user's balance in yuan; 0 for nobody."""
        return self.food["users"][user_name]["balance"] if user_name in self.food["users"] else 0.0

    def get_products(self, merchant_name: str) -> Reply:
        """A merchant's menu."""
        merchant = self.food["merchant_list"].get(merchant_name)
        return merchant["menu"] if merchant else self._say("no_menu", merchant_name=merchant_name)

    def add_food_delivery_order(self, username: str, merchant_name: str, items: list[dict[str, Any]]) -> Reply:
        """Order of one merchant, paid from the user's balance."""
        if username not in self.food["logged_in_users"]:
            return self._say("platform_out", username=username)
        if merchant_name not in self.food["merchant_list"]:
            return self._say("no_merchant")
        prices: dict[Any, float] = {}
        for one in self.food["merchant_list"][merchant_name]["menu"]:
            prices.setdefault(one["product"], one["price"])
        total, rows = 0.0, []
        for item in items:
            product, quantity = item.get("product"), item.get("quantity", 1)
            if not isinstance(quantity, int) or quantity <= 0:
                return self._say("bad_quantity", quantity=quantity, product=product)
            if product not in prices:
                return self._say("no_product", product=product, merchant_name=merchant_name)
            total += prices[product] * quantity
            rows.append({"product": product, "quantity": quantity, "price_per_unit": prices[product]})
        balance = self.food["users"][username]["balance"]
        if total > balance or (self.texts["keeps_something"] and total == balance):
            return self._say("poor")
        self.food["users"][username]["balance"] -= total
        order = {"user_name": username, "merchant_name": merchant_name, "items": rows, "total_price": total}
        self.food["orders"].append(order)
        return self._say("ordered", done=True, merchant_name=merchant_name, total=total)

    def _by_date(self, which: str, *, newest: bool) -> Reply:
        inbox = self.messages["inbox"]
        if not self.device["logged_in"]:
            return self._say(f"{which}_logged_out")
        if not inbox:
            return self._say("inbox_empty")
        dates = {key: datetime.strptime(one["time"], "%Y-%m-%d") for key, one in inbox.items()}
        found = max(dates, key=dates.__getitem__) if newest else min(dates, key=dates.__getitem__)
        return {**self._say(which, done=True, message_id=found), "message_id": found}

    def _say(self, text: str, *, done: bool = False, **values: Any) -> dict[str, Any]:
        return {"status": done, "message": self.texts[text].format(**values)}
