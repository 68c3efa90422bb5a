"""tau2-bench's airline: what each tool does to users, flights and reservations.

The semantics are tau2-bench's (commit in `tau2_bench.py`), oddities included: seats of a cancelled reservation are not
freed. Written anew here and compared with the recorded answers and end states of gold, and with the official tools call
by call (docs/evaluation.md).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from rayscaler.evaluation.tau2_world import State
from rayscaler.evaluation.tau_airline import AIRPORTS, BOOKED_AT, NEW_CERTIFICATES, NEW_RESERVATIONS
from rayscaler.evaluation.toolbox import Refused, Tool, arithmetic


class FlightInfo(BaseModel):
    """Which flight on which day, as the agent names it."""

    flight_number: str
    date: str


def book_reservation(
    world: State, *, user_id: str, origin: str, destination: str, flight_type: str, cabin: str, flights: list[Any],
    passengers: list[Any], payment_methods: list[Any], total_baggages: int, nonfree_baggages: int, insurance: str,
) -> Any:  # fmt: skip
    """Book and take the seats, if the payments add up to the price exactly."""
    flights = _typed(FlightInfo, flights)
    passengers = _typed(world.shapes["Passenger"], passengers)
    payments = _typed(world.shapes["Payment"], payment_methods)
    user = get_user_details(world, user_id)
    reservation_id = next((name for name in NEW_RESERVATIONS if not world.db.has("reservations", name)), "")
    if not reservation_id:
        raise Refused("Too many reservations")
    reservation: Any = world.shapes["Reservation"](
        reservation_id=reservation_id, user_id=user_id, origin=origin, destination=destination,
        flight_type=flight_type, cabin=cabin, flights=[], passengers=copy.deepcopy(passengers),
        payment_history=copy.deepcopy(payments), created_at=BOOKED_AT, total_baggages=total_baggages,
        nonfree_baggages=nonfree_baggages, insurance=insurance,
    )  # fmt: skip
    days = []
    for info in flights:
        day = _available(world, info, cabin, len(passengers))
        reservation.flights.append(_booked(world, info, day.prices[cabin]))
        days.append(day)
    price = sum(flight.price * len(passengers) for flight in reservation.flights)
    price += 30 * len(passengers) if insurance == "yes" else 0
    price += 50 * nonfree_baggages
    _pay(user, payments, price)
    for day in days:
        day.available_seats[cabin] -= len(passengers)
    world.db.add("reservations", reservation_id, reservation)
    user.reservations.append(reservation_id)
    return reservation


def _pay(user: Any, payments: list[Any], price: float) -> None:
    """Take the payments from gift cards and certificates, if each has enough and they add up."""
    methods = user.payment_methods
    for payment in payments:
        if payment.payment_id not in methods:
            raise Refused(f"Payment method {payment.payment_id} not found")
        method = methods[payment.payment_id]
        if method.source in {"gift_card", "certificate"} and method.amount < payment.amount:
            raise Refused(f"Not enough balance in payment method {payment.payment_id}")
    paid = sum(payment.amount for payment in payments)
    if paid != price:
        raise Refused(f"Payment amount does not add up, total price is {price}, but paid {paid}")
    for payment in payments:
        method = methods[payment.payment_id]
        if method.source == "gift_card":
            method.amount -= payment.amount
        elif method.source == "certificate":
            methods.pop(payment.payment_id)


def cancel_reservation(world: State, reservation_id: str) -> Any:
    """Cancel, and note that everything is paid back."""
    reservation = get_reservation_details(world, reservation_id)
    payment = world.shapes["Payment"]
    history = reservation.payment_history
    history.extend([payment(payment_id=p.payment_id, amount=-p.amount) for p in history])
    reservation.status = "cancelled"
    return reservation


def get_reservation_details(world: State, reservation_id: str) -> Any:
    """The reservation."""
    return world.record("reservations", reservation_id, f"Reservation {reservation_id} not found")


def get_user_details(world: State, user_id: str) -> Any:
    """The user."""
    return world.record("users", user_id, f"User {user_id} not found")


def get_flight_status(world: State, flight_number: str, date: str) -> str:
    """A flight's status on a day."""
    return str(_day(world, FlightInfo.model_construct(flight_number=flight_number, date=date)).status)


def list_all_airports(_: State) -> list[dict[str, str]]:
    """Airport codes with their cities."""
    return [{"iata": code, "city": city} for code, city in AIRPORTS.items()]


def search_direct_flight(world: State, origin: str, destination: str, date: str) -> list[dict[str, Any]]:
    """Available flights from one airport to another on a day."""
    return [_offer(flight, date) for flight in _flying(world, date, origin) if flight.destination == destination]


def search_onestop_flight(world: State, origin: str, destination: str, date: str) -> list[list[dict[str, Any]]]:
    """Pairs of available flights with one stop between."""
    found = []
    for first in _flying(world, date, origin):
        arrival = first.scheduled_arrival_time_est
        date2 = f"2024-05-{int(date[-2:]) + 1}" if "+1" in arrival else date
        for second in _flying(world, date2, first.destination):
            if second.destination == destination and second.scheduled_departure_time_est >= arrival:
                found.append([_offer(first, date, told=date), _offer(second, date2, told=date2)])
    return found


def _flying(world: State, date: str, origin: str) -> Iterator[Any]:
    for _, flight in world.db.rows("flights"):
        if flight.origin == origin and date in flight.dates and flight.dates[date].status == "available":
            yield flight


def _offer(flight: Any, date: str, told: str | None = None) -> dict[str, Any]:
    day = flight.dates[date]
    return {
        "flight_number": flight.flight_number, "origin": flight.origin, "destination": flight.destination,
        "status": "available", "scheduled_departure_time_est": flight.scheduled_departure_time_est,
        "scheduled_arrival_time_est": flight.scheduled_arrival_time_est, "date": told,
        "available_seats": day.available_seats, "prices": day.prices,
    }  # fmt: skip


def send_certificate(world: State, user_id: str, amount: int) -> str:
    """A certificate for a user, up to three."""
    methods = get_user_details(world, user_id).payment_methods
    for name in NEW_CERTIFICATES:
        if name not in methods:
            methods[name] = world.shapes["Certificate"](id=name, amount=amount, source="certificate")
            return f"Certificate {name} added to user {user_id} with amount {amount}."
    raise Refused("Too many certificates")


def update_reservation_baggages(
    world: State, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> Any:
    """Other numbers of bags; 50 for each more that is not free."""
    reservation = get_reservation_details(world, reservation_id)
    price = 50 * max(0, nonfree_baggages - reservation.nonfree_baggages)
    _charge(world, reservation, payment_id, price)
    reservation.total_baggages, reservation.nonfree_baggages = total_baggages, nonfree_baggages
    return reservation


def update_reservation_flights(
    world: State, reservation_id: str, cabin: str, flights: list[Any], payment_id: str
) -> Any:
    """Other flights and another cabin; flights that stay in their cabin keep their price."""
    flights = _typed(FlightInfo, flights)
    reservation = get_reservation_details(world, reservation_id)
    get_user_details(world, reservation.user_id)
    n_seats = len(reservation.passengers)
    booked = []
    for info in flights:
        kept = [flight for flight in reservation.flights if flight.flight_number == info.flight_number
                and flight.date == info.date and cabin == reservation.cabin]
        booked.append(kept[0] if kept else _booked(world, info, _available(world, info, cabin, n_seats).prices[cabin]))
    price = (sum(flight.price for flight in booked) - sum(flight.price for flight in reservation.flights)) * n_seats
    _charge(world, reservation, payment_id, price)
    reservation.flights, reservation.cabin = booked, cabin
    return reservation


def update_reservation_passengers(world: State, reservation_id: str, passengers: list[Any]) -> Any:
    """Other passengers, as many as before."""
    passengers = _typed(world.shapes["Passenger"], passengers)
    reservation = get_reservation_details(world, reservation_id)
    if len(passengers) != len(reservation.passengers):
        raise Refused("Number of passengers does not match")
    reservation.passengers = passengers
    return reservation


def calculate(_: State, expression: str) -> str:
    """Arithmetic."""
    return arithmetic(expression)


def transfer_to_human_agents(_: State, summary: str) -> str:  # noqa: ARG001
    """Nothing here: the user says that it was transferred."""
    return "Transfer successful"


def _typed(model: type[BaseModel], values: list[Any]) -> list[Any]:
    """Objects as records; where one is no object, all are left as they are, as upstream does."""
    return [model(**value) for value in values] if all(isinstance(value, dict) for value in values) else values


def _day(world: State, info: Any) -> Any:
    flight = world.record("flights", info.flight_number, f"Flight {info.flight_number} not found")
    if info.date not in flight.dates:
        raise Refused(f"Flight {info.flight_number} not found on date {info.date}")
    return flight.dates[info.date]


def _available(world: State, info: Any, cabin: str, n_seats: int) -> Any:
    day = _day(world, info)
    if day.status != "available":
        raise Refused(f"Flight {info.flight_number} not available on date {info.date}")
    if day.available_seats[cabin] < n_seats:
        raise Refused(f"Not enough seats on flight {info.flight_number}")
    return day


def _booked(world: State, info: Any, price: int) -> Any:
    flight = world.db.take("flights", info.flight_number)
    return world.shapes["ReservationFlight"](flight_number=info.flight_number, date=info.date, price=price,
                                             origin=flight.origin, destination=flight.destination)


def _charge(world: State, reservation: Any, payment_id: str, price: float) -> None:
    methods = get_user_details(world, reservation.user_id).payment_methods
    if payment_id not in methods:
        raise Refused("Payment method not found")
    method = methods[payment_id]
    if method.source == "certificate":
        raise Refused("Certificate cannot be used to update reservation")
    if method.source == "gift_card" and method.amount < price:
        raise Refused("Gift card balance is not enough")
    if method.source == "gift_card":
        method.amount -= price
    if price != 0:
        reservation.payment_history.append(world.shapes["Payment"](payment_id=payment_id, amount=price))


TOOLS: dict[str, Tool] = {
    tool.__name__: tool
    for tool in (
        book_reservation, calculate, cancel_reservation, get_flight_status, get_reservation_details, get_user_details,
        list_all_airports, search_direct_flight, search_onestop_flight, send_certificate, transfer_to_human_agents,
        update_reservation_baggages, update_reservation_flights, update_reservation_passengers,
    )
}  # fmt: skip
"""Name -> tool."""
