"""The airline of ACEBench's agent scenarios: users, flights, reservations.

Written from the tool descriptions and the start state in the data, and compared with upstream's scenario call by call
(docs/evaluation.md). Its odd rules are kept, because the answers count on them: cancelling pays back but leaves the
reservation, and a change is booked before it is known whether it can be paid.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rayscaler.evaluation.acebench_phone import Reply, State

NOW = datetime(2024, 7, 14, 6)
"""When a cancellation happens."""

FREE_BAGS = {"regular": (1, 2), "silver": (2, 3), "gold": (3, 3)}
"""Membership -> bags that cost nothing in economy and in business class."""

BAG_YUAN = 50
LATE_SHARE = 0.1
"""Share of the price that a cancellation within a day of departure costs."""


class Travel:
    """The airline in one conversation. Methods are tools, by the names and parameters that the data declares.

    A method raises what Python raises when a model's arguments do not fit; `acebench_world` turns that into an answer.
    """

    def __init__(self, state: State, texts: dict[str, Any]) -> None:
        self.users = state["Travel"]["users"]
        self.flights = state["Travel"]["flights"]
        self.reservations = state["Travel"]["reservations"]
        self.texts = texts

    def get_user_details(self, user_id: str, password: str) -> Reply:
        """A user's profile, without the password."""
        user = self._known(user_id, password)
        if user is None:
            return {"status": "error", "message": self.texts["wrong_user"]}
        return {name: value for name, value in user.items() if name != "password"}

    def get_flight_details(self, origin: str | None = None, destination: str | None = None) -> Reply:
        """The direct flights from and to a city."""
        found = [
            dict(flight)
            for flight in self.flights
            if (not origin or flight["origin"] == origin) and (not destination or flight["destination"] == destination)
        ]
        return found or self._say("no_direct")

    def find_transfer_flights(self, origin_city: str, transfer_city: str, destination_city: str) -> Reply:
        """Pairs of flights by way of a city; the first arrives before the second leaves."""
        found = [
            {"first_leg": first, "second_leg": second}
            for first in self._open(origin_city, transfer_city)
            for second in self._open(transfer_city, destination_city)
            if _time(first["arrival_time"]) < _time(second["depart_time"])
        ]
        return found or self._say("no_transfer")

    def get_reservation_details(self, reservation_id: str | None = None, user_id: str | None = None) -> Reply:
        """Reservations by their id, or else of a user, each with its flight."""
        if not reservation_id and not user_id:
            return {"status": "error", "message": self.texts["no_reservation_asked"]}
        key, value = ("reservation_id", reservation_id) if reservation_id else ("user_id", user_id)
        found = [one for one in self.reservations if one[key] == value]
        return [{**one, "flight_info": self._flight(one["flight_no"])} for one in found]

    def reserve_flight(  # noqa: PLR0917  (what the data declares)
        self, user_id: str, password: str, flight_no: str, cabin: str, payment_method: str, baggage_count: int
    ) -> Reply:
        """Book a seat and pay for it and for bags beyond the free ones."""
        user = self._known(user_id, password)
        flight = next((f for f in self.flights if f["flight_no"] == flight_no and f["status"] == "available"), None)
        if user is None or flight is None:
            raise ValueError(self.texts["wrong_user" if user is None else "no_flight"])
        classes = (self.texts["economy"], self.texts["business"])
        free = FREE_BAGS[user["membership_level"]][classes.index(cabin)]
        total = self._prices(flight)[cabin] + max(baggage_count - free, 0) * BAG_YUAN
        if payment_method not in ("cash", "bank"):
            return self._say("bad_payment")
        if total > user[f"{payment_method}_balance"]:
            return self._say("poor_for_flight", payment_method=payment_method)
        user[f"{payment_method}_balance"] -= total
        flight["seats_available"] -= 1
        made = f"res_{len(self.reservations) + 1}"
        self.reservations.append({
            "reservation_id": made, "user_id": user_id, "flight_no": flight_no, "payment_method": payment_method,
            "cabin": cabin, "baggage": baggage_count,
        })  # fmt: skip
        return self._say("booked", reservation_id=made, total=total)

    def modify_flight(  # noqa: PLR0917  (what the data declares)
        self, user_id: str, reservation_id: str, new_flight_no: str | None = None, new_cabin: str | None = None,
        add_baggage: int = 0, new_payment_method: str | None = None,
    ) -> Reply:  # fmt: skip
        """Change flight, cabin and bags of a reservation, in this order; what was changed before an obstacle stays."""
        booked = self._reservation(user_id, reservation_id)
        if booked is None:
            return self._say("no_reservation")
        flight = self._flight(booked["flight_no"])
        if flight is None:
            return self._say("no_flight")
        paid_by = new_payment_method or booked["payment_method"]
        user, said = self.users[user_id], []
        if new_flight_no and new_flight_no != booked["flight_no"]:
            other = self._flight(new_flight_no)
            if other is None or (other["origin"], other["destination"]) != (flight["origin"], flight["destination"]):
                return self._say("flight_not_changed")
            booked["flight_no"] = new_flight_no
            said.append(self._say("flight_changed"))
        if new_cabin and new_cabin != booked["cabin"]:
            said += self._change_cabin(booked, new_cabin, flight, user, paid_by)
        if add_baggage > 0:
            said += self._add_bags(booked, add_baggage, user, paid_by)
        return " ".join(said) or self._say("changed_free")

    def cancel_reservation(self, user_id: str, reservation_id: str, reason: str) -> Reply:
        """Pay the price back in cash, less a fee within a day of departure. The reservation stays."""
        user = self.users.get(user_id)
        if not user:
            return self._say("cancel_no_user")
        booked = self._reservation(user_id, reservation_id)
        if booked is None:
            return self._say("cancel_no_reservation")
        flight = self._flight(booked["flight_no"])
        if flight is None:
            return self._say("cancel_no_flight")
        left = _time(flight["depart_time"]) - NOW
        if left < timedelta(0):
            return self._say("cancel_flown")
        price = flight["economy_price" if booked["cabin"] == self.texts["economy"] else "business_price"]
        free = "cancelled_by_airline" if reason == self.texts["airline_cancelled"] else "cancelled_early"
        late = free == "cancelled_early" and left <= timedelta(days=1)
        fee = price * LATE_SHARE if late else 0
        user["cash_balance"] += price - fee
        return self._say("cancelled_late" if late else free, fee=fee, refund=price - fee)

    def _change_cabin(
        self, booked: dict[str, Any], cabin: str, flight: dict[str, Any], user: dict[str, Any], paid_by: str
    ) -> list[str]:
        prices = self._prices(flight)
        more = prices.get(cabin, 0) - prices.get(booked["cabin"], 0)
        booked["cabin"] = cabin
        if more > 0:
            return [self._say("cabin_paid", amount=more) if _pay(user, paid_by, more) else self._say("cabin_poor")]
        if more < 0:
            _pay(user, paid_by, more)
            return [self._say("cabin_refunded", amount=-more)]
        return []

    def _add_bags(self, booked: dict[str, Any], count: int, user: dict[str, Any], paid_by: str) -> list[str]:
        classes = (self.texts["economy"], self.texts["business"])
        by_class = dict(zip(classes, FREE_BAGS.get(user["membership_level"], (0, 0)), strict=True))
        bags = booked.get("baggage", 0) + count
        cost = max(0, bags - by_class.get(booked["cabin"], 0)) * BAG_YUAN
        said = []
        if cost:
            said = [self._say("baggage_paid", amount=cost) if _pay(user, paid_by, cost) else self._say("baggage_poor")]
        booked["baggage"] = bags
        return said

    def _known(self, user_id: str, password: str) -> dict[str, Any] | None:
        user: dict[str, Any] | None = self.users.get(user_id)
        return user if user and user["password"] == password else None

    def _flight(self, number: str) -> dict[str, Any] | None:
        return next((flight for flight in self.flights if flight["flight_no"] == number), None)

    def _reservation(self, user_id: str, reservation_id: str) -> dict[str, Any] | None:
        wanted = (reservation_id, user_id)
        return next((one for one in self.reservations if (one["reservation_id"], one["user_id"]) == wanted), None)

    def _open(self, origin: str, destination: str) -> list[dict[str, Any]]:
        return [f for f in self.flights
                if (f["origin"], f["destination"], f["status"]) == (origin, destination, "available")]

    def _prices(self, flight: dict[str, Any]) -> dict[str, float]:
        return {self.texts["economy"]: flight["economy_price"], self.texts["business"]: flight["business_price"]}

    def _say(self, text: str, **values: Any) -> str:
        return str(self.texts[text].format(**values))


def _pay(user: dict[str, Any], paid_by: str, amount: float) -> bool:
    """Take an amount (or give it back) where the balance allows it. An unknown way to pay costs nothing."""
    if paid_by not in ("cash", "bank"):
        return True
    if user[f"{paid_by}_balance"] - amount < 0:
        return False
    user[f"{paid_by}_balance"] -= amount
    return True


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
