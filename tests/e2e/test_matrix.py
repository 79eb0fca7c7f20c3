"""Every cell of the signal matrix once (matrix.py has the rules); several at the same time."""

import concurrent.futures
import os
import sys
import unittest

import harness
import matrix

# (worker, sequence) -> what is wrong. Such a cell is played and printed like any other.
KNOWN = {}


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pool = concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1))
        cls.played = {cell: cls.pool.submit(matrix.run, *cell) for cell in matrix.cells()}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(cancel_futures=True)

    def check(self, cell):
        try:
            self.played[cell].result()
        except AssertionError as error:
            if cell not in KNOWN:
                raise
            print(f"KNOWN FAILURE of {cell}: {KNOWN[cell]}: {error}", file=sys.stderr)
        else:
            self.assertNotIn(cell, KNOWN, "a known failure is no failure any more")


def claim(cell):
    return lambda self: self.check(cell)


for one in matrix.cells():
    setattr(Matrix, f"test_{one[1]}_to_a_worker_that_is_{one[0]}".replace(" ", "_"), claim(one))

if __name__ == "__main__":
    harness.main()
