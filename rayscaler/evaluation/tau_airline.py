"""tau-bench's airline: what each tool does to users, flights and reservations.

The semantics are tau-bench's (commit in `tau_bench.py`), oddities included: a changed cabin is charged and not written,
seats are never taken, the second leg of a connection shows the seats of the first day. Written anew here, and compared
with the official tools call by call (docs/evaluation.md).
"""

from __future__ import annotations

import json
from typing import Any

from rayscaler.evaluation.database import Database
from rayscaler.evaluation.toolbox import Refused, Tool, arithmetic

Row = dict[str, Any]

BOOKED_AT = "2024-05-15T15:00:00"
NEW_RESERVATIONS = ("HATHAT", "HATHAU", "HATHAV")
NEW_CERTIFICATES = ("certificate_3221322", "certificate_3221323", "certificate_3221324")

AIRPORTS = {
    "SFO": "San Francisco", "JFK": "New York", "LAX": "Los Angeles", "ORD": "Chicago", "DFW": "Dallas", "DEN": "Denver",
    "SEA": "Seattle", "ATL": "Atlanta", "MIA": "Miami", "BOS": "Boston", "PHX": "Phoenix", "IAH": "Houston",
    "LAS": "Las Vegas", "MCO": "Orlando", "EWR": "Newark", "CLT": "Charlotte", "MSP": "Minneapolis", "DTW": "Detroit",
    "PHL": "Philadelphia", "LGA": "LaGuardia",
}  # fmt: skip


def book_reservation(
    db: Database, *, user_id: str, origin: str, destination: str, flight_type: str, cabin: str, flights: list[Row],
    passengers: list[Row], payment_methods: list[Row], total_baggages: int, nonfree_baggages: int, insurance: str,
) -> str:  # fmt: skip
    """Book, if the payments add up to the price exactly."""
    user = _record(db, "users", user_id, "user")
    reservation_id = next((name for name in NEW_RESERVATIONS if not db.has("reservations", name)), NEW_RESERVATIONS[-1])
    price = _priced(db, flights, cabin, len(passengers))
    price += 30 * len(passengers) if insurance == "yes" else 0
    price += 50 * nonfree_baggages
    _check_payments(user["payment_methods"], payment_methods, price)
    for payment in payment_methods:
        method = user["payment_methods"][payment["payment_id"]]
        if method["source"] == "gift_card":
            method["amount"] -= payment["amount"]
        elif method["source"] == "certificate":
            del user["payment_methods"][payment["payment_id"]]
    reservation = {
        "reservation_id": reservation_id, "user_id": user_id, "origin": origin, "destination": destination,
        "flight_type": flight_type, "cabin": cabin, "flights": flights, "passengers": passengers,
        "payment_history": payment_methods, "created_at": BOOKED_AT, "total_baggages": total_baggages,
        "nonfree_baggages": nonfree_baggages, "insurance": insurance,
    }  # fmt: skip
    db.add("reservations", reservation_id, reservation)
    user["reservations"].append(reservation_id)
    return json.dumps(reservation)


def _check_payments(methods: Row, payments: list[Row], price: float) -> None:
    for payment in payments:
        name, amount = payment["payment_id"], payment["amount"]
        if name not in methods:
            raise Refused(f"payment method {name} not found")
        if methods[name]["source"] in ["gift_card", "certificate"] and methods[name]["amount"] < amount:
            raise Refused(f"not enough balance in payment method {name}")
    paid = sum(payment["amount"] for payment in payments)
    if paid != price:
        raise Refused(f"payment amount does not add up, total price is {price}, but paid {paid}")


def _priced(db: Database, flights: list[Row], cabin: str, n_seats: int) -> float:
    """Write price and places into `flights`; what they cost for all."""
    return sum((_price(db, flight, cabin, n_seats) for flight in flights), 0)


def _price(db: Database, flight: Row, cabin: str, n_seats: int) -> float:
    number = flight["flight_number"]
    if not db.has("flights", number):
        raise Refused(f"flight {number} not found")
    known = db.take("flights", number)
    if flight["date"] not in known["dates"]:
        raise Refused(f"flight {number} not found on date {flight['date']}")
    day = known["dates"][flight["date"]]
    if day["status"] != "available":
        raise Refused(f"flight {number} not available on date {flight['date']}")
    if day["available_seats"][cabin] < n_seats:
        raise Refused(f"not enough seats on flight {number}")
    flight |= {"price": day["prices"][cabin], "origin": known["origin"], "destination": known["destination"]}
    price: float = flight["price"] * n_seats
    return price


def cancel_reservation(db: Database, reservation_id: str) -> str:
    """Cancel, and note that everything is paid back."""
    reservation = _record(db, "reservations", reservation_id, "reservation")
    history = reservation["payment_history"]
    history.extend([{"payment_id": p["payment_id"], "amount": -p["amount"]} for p in history])
    reservation["status"] = "cancelled"
    return json.dumps(reservation)


def get_reservation_details(db: Database, reservation_id: str) -> str:
    """The reservation's record."""
    return json.dumps(_record(db, "reservations", reservation_id, "user"))


def get_user_details(db: Database, user_id: str) -> str:
    """The user's record."""
    return json.dumps(_record(db, "users", user_id, "user"))


def list_all_airports(_: Database) -> str:
    """Cities by airport code."""
    return json.dumps(AIRPORTS)


def search_direct_flight(db: Database, origin: str, destination: str, date: str) -> str:
    """Available flights from one airport to another on a day."""
    found = [flight for _, flight in db.rows("flights") if flight["origin"] == origin
             and flight["destination"] == destination and _flies(flight, date)]
    return json.dumps([_on(flight, date) for flight in found])


def search_onestop_flight(db: Database, origin: str, destination: str, date: str) -> str:
    """Pairs of available flights with one stop between."""
    found = []
    everything = [flight for _, flight in db.rows("flights")]
    for first in (flight for flight in everything if flight["origin"] == origin):
        next_day = "+1" in first["scheduled_arrival_time_est"]
        for second in everything:
            if second["destination"] != destination or first["destination"] != second["origin"]:
                continue
            date2 = f"2024-05-{int(date[-2:]) + 1}" if next_day else date
            if first["scheduled_arrival_time_est"] > second["scheduled_departure_time_est"]:
                continue
            if _flies(first, date) and _flies(second, date2):
                found.append([{**_on(first, date), "date": date}, {**_on(second, date), "date": date2}])
    return json.dumps(found)


def _flies(flight: Row, date: str) -> bool:
    return date in flight["dates"] and flight["dates"][date]["status"] == "available"


def _on(flight: Row, date: str) -> Row:
    return {**{key: value for key, value in flight.items() if key != "dates"}, **flight["dates"][date]}


def send_certificate(db: Database, user_id: str, amount: int) -> str | None:
    """A certificate for a user; the fourth is not sent, and nothing is said of it."""
    methods = _record(db, "users", user_id, "user")["payment_methods"]
    for name in NEW_CERTIFICATES:
        if name not in methods:
            methods[name] = {"source": "certificate", "amount": amount, "id": name}
            return f"Certificate {name} added to user {user_id} with amount {amount}."
    return None


def update_reservation_baggages(
    db: Database, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> str:
    """Other numbers of bags; 50 for each more that is not free."""
    reservation = _record(db, "reservations", reservation_id, "reservation")
    price = 50 * max(0, nonfree_baggages - reservation["nonfree_baggages"])
    method = _method_for_update(db, reservation, payment_id, price)
    reservation |= {"total_baggages": total_baggages, "nonfree_baggages": nonfree_baggages}
    _charge(reservation, method, payment_id, price)
    return json.dumps(reservation)


def update_reservation_flights(
    db: Database, reservation_id: str, cabin: str, flights: list[Row], payment_id: str
) -> str:
    """Other flights, priced in `cabin`; flights that stay keep their price."""
    reservation = _record(db, "reservations", reservation_id, "reservation")
    n_seats = len(reservation["passengers"])
    price: float = 0
    for flight in flights:
        kept = [known for known in reservation["flights"] if known["flight_number"] == flight["flight_number"]
                and known["date"] == flight["date"] and cabin == reservation["cabin"]]
        if kept:
            price += kept[0]["price"] * n_seats
            flight |= {key: kept[0][key] for key in ("price", "origin", "destination")}
        else:
            price += _price(db, flight, cabin, n_seats)
    price -= sum(flight["price"] for flight in reservation["flights"]) * n_seats
    method = _method_for_update(db, reservation, payment_id, price)
    reservation["flights"] = flights
    _charge(reservation, method, payment_id, price)
    return json.dumps(reservation)


def update_reservation_passengers(db: Database, reservation_id: str, passengers: list[Row]) -> str:
    """Other passengers, as many as before."""
    reservation = _record(db, "reservations", reservation_id, "reservation")
    if len(passengers) != len(reservation["passengers"]):
        raise Refused("number of passengers does not match")
    reservation["passengers"] = passengers
    return json.dumps(reservation)


def _method_for_update(db: Database, reservation: Row, payment_id: str, price: float) -> Row:
    methods = db.take("users", reservation["user_id"])["payment_methods"]
    if payment_id not in methods:
        raise Refused("payment method not found")
    method: Row = methods[payment_id]
    if method["source"] == "certificate":
        raise Refused("certificate cannot be used to update reservation")
    if method["source"] == "gift_card" and method["amount"] < price:
        raise Refused("gift card balance is not enough")
    return method


def _charge(reservation: Row, method: Row, payment_id: str, price: float) -> None:
    if method["source"] == "gift_card":
        method["amount"] -= price
    if price != 0:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": price})


def _record(db: Database, table: str, key: str, called: str) -> Row:
    if not db.has(table, key):
        raise Refused(f"{called} not found")
    record: Row = db.take(table, key)
    return record


def calculate(_: Database, expression: str) -> str:
    """Arithmetic."""
    return arithmetic(expression)


def think(_: Database, thought: str) -> str:  # noqa: ARG001
    """Nothing: room for the agent's thoughts."""
    return ""


def transfer_to_human_agents(_: Database, summary: str) -> str:  # noqa: ARG001
    """The conversation ends with it."""
    return "Transfer successful"


TOOLS: dict[str, Tool] = {
    tool.__name__: tool
    for tool in (
        book_reservation, calculate, cancel_reservation, get_reservation_details, get_user_details, list_all_airports,
        search_direct_flight, search_onestop_flight, send_certificate, think, transfer_to_human_agents,
        update_reservation_baggages, update_reservation_flights, update_reservation_passengers,
    )
}  # fmt: skip
"""Name -> tool."""
