"""A set of 64-bit numbers in 16 to 32 bytes each, where Python's own takes a hundred."""

import numpy as np

_SMALLEST = 1 << 16


class HashSet:
    """Numbers from 1 to 2^64 - 1 that are spread evenly, such as hashes; 0 counts as 1."""

    def __init__(self) -> None:
        self._table = memoryview(np.zeros(_SMALLEST, np.uint64).data)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, number: int) -> bool:
        """Put a number in; whether it is new."""
        number = number or 1
        table = self._table
        last = len(table) - 1
        # The low bits are the place, since the numbers are hashes; a taken place sends on to the next one.
        place = number & last
        while (found := table[place]) and found != number:
            place = (place + 1) & last
        if found:
            return False
        table[place] = number
        self._size += 1
        if 2 * self._size > len(table):
            self._grow()
        return True

    def _grow(self) -> None:
        # All numbers go to their places at once, and those that met another go on to the next place, until none is
        # left: numpy moves a hundred million of them without a Python step for each.
        numbers = np.asarray(self._table)
        numbers = numbers[numbers != 0]
        table = np.zeros(2 * len(self._table), np.uint64)
        last = np.uint64(len(table) - 1)
        places = numbers & last
        while len(numbers):
            free = table[places] == 0
            table[places[free]] = numbers[free]
            waiting = table[places] != numbers
            numbers, places = numbers[waiting], (places[waiting] + np.uint64(1)) & last
        self._table = memoryview(table.data)
